"""Coordinates as arguments: tensors of real numbers, of a shape, with values that are finite; and their dtype."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mriops._native.arguments import instance
from mriops.ops._guards import visible

Shape = tuple[int, ...]


def coordinates(name: str, value: Tensor, expected: str, fits: Callable[[Shape], bool]) -> Tensor:
    """A real floating-point tensor whose shape ``fits``, ``expected`` in words."""
    if not instance(name, value, Tensor, "a torch.Tensor").is_floating_point():
        raise TypeError(f"{name}: expected a real floating-point dtype, got {value.dtype}")
    if not fits(tuple(value.shape)):
        raise ValueError(f"{name}: expected {expected}, got {tuple(value.shape)}")
    return value


def readouts(trajectory: Tensor, im_size: Shape, least: int = 1) -> Tensor:
    """A trajectory ``(*batch, shots, readout, ndim)`` for an image, with at least one shot."""
    ndim = len(im_size)
    return coordinates(
        "trajectory",
        trajectory,
        f"(*batch, shots, readout, {ndim}) for im_size {im_size} with shots >= 1 and readout >= {least}",
        lambda shape: len(shape) >= 3 and shape[-1] == ndim and shape[-2] >= least and shape[-3] >= 1,
    )


def finite(name: str, value: Tensor, kind: str = "coordinates") -> None:
    """Raise for the first value that is NaN or Inf, where values can be looked at; waits for the device."""
    value = value.detach()
    if not visible(value):
        return
    good = torch.isfinite(value)
    if not bool(good.all()):
        where = tuple(int(i) for i in (~good).nonzero()[0])
        raise ValueError(f"{name}: expected finite {kind}, got {value[where].item()} at index {where}")


def check_dtype(dtype: torch.dtype) -> None:
    """One that coordinates can have."""
    expected = "a real floating-point torch.dtype"
    if not instance("dtype", dtype, torch.dtype, expected).is_floating_point:
        raise TypeError(f"dtype: expected {expected}, got {dtype}")
