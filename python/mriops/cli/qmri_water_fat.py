"""What `mriops qmri --model waterfat` adds to a fit: the spectrum of fat, and magnitudes with their fat fraction."""

from __future__ import annotations

from typing import Any

from mriops._native.signal_models import Parameter

__all__ = ["FAT_FRACTION", "fat_peaks", "magnitudes"]

FAT_FRACTION = Parameter("fat_fraction", "1", "|fat| / (|water| + |fat|)", 0.0, 1.0)


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


def magnitudes(part: Any) -> Any:
    """A fit with ``|water|``, ``|fat|`` and the fat fraction, their deviations carried along.

    The deviation of a complex number is that of both parts together; along its magnitude it is ``1 / sqrt(2)`` of it.
    The fraction takes water and fat as uncorrelated.
    """
    values, deviations = dict(part.parameters), dict(part.uncertainty)
    for name in ("water", "fat"):
        values[name], deviations[name] = values[name].abs(), deviations[name] * 0.5**0.5
    water, fat = values["water"], values["fat"]
    total = water + fat
    values["fat_fraction"] = fat / total
    spread = (fat * deviations["water"]).square() + (water * deviations["fat"]).square()
    deviations["fat_fraction"] = spread.sqrt() / total.square()
    return part._replace(parameters=values, uncertainty=deviations)
