"""What `mriops qmri --model waterfat` asks for beside times: the spectrum of fat."""

from __future__ import annotations

from typing import Any

__all__ = ["fat_peaks"]


def fat_peaks(field: float | None, peaks: str | None) -> dict[str, Any]:
    """Frequencies [Hz] and amplitudes of fat at a field strength [T].

    Parameters
    ----------
    field
        Field strength.
    peaks
        ``ppm:amplitude`` separated by commas, relative to water; six peaks of fat if None.

    Returns
    -------
    dict
        ``fat_frequency`` and ``fat_amplitude``, amplitudes with sum 1.

    Raises
    ------
    ValueError
        No field strength, or text that is not peaks.
    """
    from mriops.signals import fat_spectrum
    from mriops.trajectories import GAMMA

    if field is None or not field > 0:
        raise ValueError(f"--field: expected the field strength [T] for the model waterfat, got {field}")
    if peaks is None:
        frequency, amplitude = fat_spectrum(field)
        return {"fat_frequency": frequency.tolist(), "fat_amplitude": amplitude.tolist()}
    try:
        pairs = [[float(number) for number in part.split(":")] for part in peaks.split(",")]
        total = sum(a for _, a in pairs)
        shares = [a / total for _, a in pairs]
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"--peaks: expected PPM:AMPLITUDE separated by commas, got {peaks!r}") from None
    return {"fat_frequency": [p * 1e-6 * GAMMA * field for p, _ in pairs], "fat_amplitude": shares}
