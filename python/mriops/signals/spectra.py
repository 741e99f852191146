"""Spectra of fat, relative to water."""

from __future__ import annotations

import torch
from torch import Tensor

from mriops._native.arguments import number, positive
from mriops._native.bloch_shapes import GAMMA

__all__ = ["fat_spectrum"]

_PPM = (-3.80, -3.40, -2.60, -1.94, -0.39, 0.60)
_AMPLITUDE = (0.087, 0.693, 0.128, 0.004, 0.039, 0.048)


def fat_spectrum(field_strength: float) -> tuple[Tensor, Tensor]:
    """Six peaks of fat: frequencies ``gamma B0 ppm`` and amplitudes that sum to 1.

    Parameters
    ----------
    field_strength
        B0 [T].

    Returns
    -------
    tuple of Tensor
        Frequencies [Hz] relative to water ``(6,)``, amplitudes ``(6,)``, both float64.

    Raises
    ------
    ValueError
        The field strength is not positive.

    References
    ----------
    Hernando D, et al. Chemical shift-based water/fat separation: a comparison of signal models (peaks of the ISMRM
    fat-water toolbox). Magn Reson Med 2010;64:811-822.
    """
    number("field_strength", field_strength, "a positive number [T]", positive)
    amplitude = torch.tensor(_AMPLITUDE, dtype=torch.float64)
    return torch.tensor(_PPM, dtype=torch.float64) * 1e-6 * GAMMA * field_strength, amplitude / amplitude.sum()
