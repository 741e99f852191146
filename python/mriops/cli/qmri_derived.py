"""Maps that follow from the parameters of a fit: magnitudes, fat fraction, mean diffusivity, anisotropy, speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mriops._native.signal_words import Parameter

__all__ = ["DERIVED", "derived"]


def _anisotropy(tensor: Tensor) -> Tensor:
    """``sqrt(3/2) (D - mean) / |D|``, six components whose length is the fractional anisotropy: no eigenvalues."""
    diagonal, off = tensor[:3], 2**0.5 * tensor[3:]  # what is off the diagonal is there twice
    size = torch.cat([diagonal, off]).square().sum(0).sqrt()
    return 1.5**0.5 * torch.cat([diagonal - diagonal.sum(0) / 3, off]) / size


Function = Callable[[Tensor], Tensor]
_MD = Parameter("md", "m^2/s", "mean diffusivity", 0.0)
_FA = Parameter("fa", "1", "fractional anisotropy", 0.0, 1.0)
_SPEED = Parameter("speed", "m/s", "length of the velocity", 0.0)
_FAT_FRACTION = Parameter("fat_fraction", "1", "|fat| / (|water| + |fat|)", 0.0, 1.0)
_TENSOR: list[tuple[Parameter, str, Function]] = [
    (_MD, "diffusion_tensor", lambda t: t[:3].sum(0, keepdim=True) / 3),
    (_FA, "diffusion_tensor", _anisotropy),
]
#: By model: a parameter, what it is made of, and a function to components ``(components, *voxels)``: the parameter is
#: their length, or the one that there is.
DERIVED: dict[str, list[tuple[Parameter, str, Function]]] = {
    "diffusion_tensor": _TENSOR,
    "diffusion_kurtosis": _TENSOR,
    "phase_contrast": [(_SPEED, "velocity", lambda v: v)],
    "water_fat": [(_FAT_FRACTION, "water,fat", lambda s: s[1:] / s.sum(0))],
}


def derived(model: str, part: Any) -> Any:
    """A fit with magnitudes of complex parameters and the maps of `DERIVED`, their deviations carried along.

    The deviation of a complex number is that of both parts together; along its magnitude it is ``1 / sqrt(2)`` of it.
    Components are taken as uncorrelated. A length of zero has no derivative: its deviation is the root mean square of
    the length that the deviations of its components give.
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
        values[parameter.name], deviations[parameter.name] = _length(function, stack, spread)
    return part._replace(parameters=values, uncertainty=deviations)


def _length(function: Function, stack: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
    """The length of what ``function`` makes, and its deviation."""
    made, pull = torch.func.vjp(function, stack)[:2]
    if len(made) == 1:
        (slope,) = pull(torch.ones_like(made))
        return made[0], (slope * spread).square().sum(0).sqrt()
    value = made.norm(dim=0)
    (slope,) = pull(made / torch.where(value > 0, value, 1))
    variance = (slope * spread).square().sum(0)
    if bool((value == 0).any()):
        slopes = [
            pull(axis.reshape(-1, *(1,) * value.ndim).expand_as(made))[0] for axis in torch.eye(len(made)).to(made)
        ]
        variance = torch.where(value == 0, sum((s * spread).square().sum(0) for s in slopes), variance)
    return value, variance.sqrt()
