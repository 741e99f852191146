"""Maps that follow from the parameters of a fit: magnitudes, fat fraction, mean diffusivity, anisotropy, speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mriops._native.signal_words import Parameter

__all__ = ["DERIVED", "derived"]


def _anisotropy(tensor: Tensor) -> Tensor:
    """``sqrt(3/2) |D - mean| / |D|`` without its eigenvalues."""
    xx, yy, zz, xy, xz, yz = tensor
    mean = (xx + yy + zz) / 3
    off = 2 * (xy * xy + xz * xz + yz * yz)
    spread = (xx - mean) ** 2 + (yy - mean) ** 2 + (zz - mean) ** 2 + off
    return torch.sqrt(1.5 * spread / (xx * xx + yy * yy + zz * zz + off))


Function = Callable[[Tensor], Tensor]
_MD = Parameter("md", "m^2/s", "mean diffusivity", 0.0)
_FA = Parameter("fa", "1", "fractional anisotropy", 0.0, 1.0)
_TENSOR: list[tuple[Parameter, str, Function]] = [
    (_MD, "diffusion_tensor", lambda t: t[:3].sum(0) / 3),
    (_FA, "diffusion_tensor", _anisotropy),
]
#: By model: a parameter, what it is made of, and how.
DERIVED: dict[str, list[tuple[Parameter, str, Function]]] = {
    "diffusion_tensor": _TENSOR,
    "diffusion_kurtosis": _TENSOR,
    "phase_contrast": [(Parameter("speed", "m/s", "length of the velocity", 0.0), "velocity", lambda v: v.norm(dim=0))],
    "water_fat": [
        (Parameter("fat_fraction", "1", "|fat| / (|water| + |fat|)", 0.0, 1.0), "water,fat", lambda s: s[1] / s.sum(0))
    ],
}


def derived(model: str, part: Any) -> Any:
    """A fit with magnitudes of complex parameters and the maps of `DERIVED`, their deviations carried along.

    The deviation of a complex number is that of both parts together; along its magnitude it is ``1 / sqrt(2)`` of it.
    Components are taken as uncorrelated.
    """
    values, deviations = dict(part.parameters), dict(part.uncertainty)
    for name, value in values.items():
        if value.is_complex():
            values[name], deviations[name] = value.abs(), deviations[name] * 0.5**0.5
    for parameter, made_of, function in DERIVED.get(model, []):
        names = made_of.split(",")
        stack, spread = (
            source[names[0]] if len(names) == 1 else torch.stack([source[name] for name in names])
            for source in (values, deviations)
        )
        value, pull = torch.func.vjp(function, stack)[:2]
        (slope,) = pull(torch.ones_like(value))
        values[parameter.name] = value
        deviations[parameter.name] = (slope * spread).square().sum(0).sqrt()
    return part._replace(parameters=values, uncertainty=deviations)
