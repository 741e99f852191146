"""What a caller says of a fit: parameters that are known, starts, bounds, the noise, as rows of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mriops._native.arguments import instance
from mriops._native.signal_words import Parameter

from .operator import SignalOp

__all__ = ["as_rows", "check_start", "deviation_of", "named", "pair", "places_inside", "typical_of"]


def named(op: SignalOp, given: Mapping[str, Any], what: str) -> dict[str, Any]:
    """A copy of ``given``, the names of which are those of the model's parameters."""
    unknown = set(given) - set(op.names)
    if unknown:
        raise TypeError(f"{what}: expected names among {', '.join(op.names)}, got {', '.join(sorted(unknown))}")
    return dict(given)


def _tensor(name: str, value: Any) -> Tensor:
    """Numbers and arrays of any kind as a tensor; Python's own numbers keep all of their digits."""
    if isinstance(value, Tensor):
        return value
    error: Exception | None = None
    if value is not None and not isinstance(value, bool | str | bytes):
        try:
            if hasattr(value, "dtype"):
                return torch.as_tensor(value.copy() if hasattr(value, "copy") else value)  # strides below zero
            array = np.array(value)
            if array.dtype.kind not in "biufc":
                raise TypeError(f"{array.dtype} is no number")
            return torch.from_numpy(array.astype(np.complex128 if array.dtype.kind == "c" else np.float64))
        except (TypeError, ValueError, RuntimeError) as refused:
            error = refused
    shown = repr(value)
    shown = shown if len(shown) < 100 else f"{shown[:90]}..."
    raise TypeError(f"{name}: expected a tensor or numbers, got {shown}") from error


def as_rows(p: Parameter, value: Any, like: Tensor, voxels: tuple[int, ...], inside: Any) -> list[Tensor]:
    """The real components of a parameter, each ``(1,)`` or one per voxel inside the mask."""
    tensor = _tensor(p.name, value)
    parts = [tensor.real, tensor.imag] if tensor.is_complex() else [tensor]
    if isinstance(p.kind, int):
        parts = list(tensor.unbind(0)) if tensor.ndim else [tensor] * p.kind
    elif p.kind == "complex" and not tensor.is_complex():
        parts = [tensor, torch.zeros_like(tensor)]
    if len(parts) != p.rows:
        raise ValueError(f"{p.name}: expected {p.rows} real components, got {len(parts)}")
    try:
        # One number for all voxels stays one number.
        one = all(part.numel() == 1 and part.ndim <= len(voxels) for part in parts)
        return [part.to(like).reshape(1) if one else part.to(like).expand(voxels).reshape(-1)[inside] for part in parts]
    except RuntimeError as error:
        raise ValueError(f"{p.name}: expected voxels {voxels}, got {tuple(tensor.shape)}") from error


def pair(name: str, bounds: Any) -> tuple[float, float]:
    """Bounds of one parameter, the lower one below."""
    if not isinstance(bounds, Sequence) or len(bounds) != 2:
        raise TypeError(f"bounds: expected (lower, upper) for {name}, got {bounds!r}")
    lower, upper = float(bounds[0]), float(bounds[1])
    if not lower < upper:  # NaN is not below anything
        raise ValueError(f"bounds: expected lower < upper for {name}, got {bounds!r}")
    return lower, upper


def deviation_of(noise: float | Tensor, signal: Tensor, inside: Any) -> Tensor:
    """Standard deviation of the noise: one for all, or one per voxel inside the mask."""
    sigma = _tensor("noise", noise).cpu()
    if sigma.is_complex():
        raise TypeError(f"noise: expected a real dtype, got {sigma.dtype}")
    if sigma.ndim:
        try:
            sigma = sigma.expand(signal.shape[1:]).reshape(-1)[inside]
        except RuntimeError as error:
            voxels = tuple(signal.shape[1:])
            raise ValueError(f"noise: expected one number or voxels {voxels}, got {tuple(sigma.shape)}") from error
    wrong = sigma[~((sigma > 0) & (sigma < math.inf))]
    if wrong.numel():
        raise ValueError(f"noise: expected finite standard deviations above 0, got {float(wrong.flatten()[0]):g}")
    return sigma


def typical_of(p: Parameter, values: Tensor) -> float:
    """One value of a known parameter for the grid of starts: maps may have a background on or beyond the bounds."""
    inside, within = (values > p.lower) & (values < p.upper), (values >= p.lower) & (values <= p.upper)
    for fits in (inside, within, values != 0) if p.linear else (inside, within):  # an amplitude may have any sign
        left = values[fits & values.isfinite()]
        if left.numel():
            return float(left.median())
    if bool(((values > p.upper) & values.isfinite()).any()):
        return p.upper
    return 1.0 if p.default is None else p.default


def check_start(name: str, values: Tensor, lower: float, upper: float) -> None:
    """A start beyond a bound has no place to begin from; NaN marks a voxel that is not fitted."""
    low, high = values.new_tensor(lower), values.new_tensor(upper)
    wrong = values[(values < low) | (values > high)]
    if wrong.numel():
        raise ValueError(f"start: expected {name} within its bounds {lower:g} to {upper:g}, got {float(wrong[0]):g}")


def places_inside(mask: Tensor | None, voxels: tuple[int, ...]) -> Any:
    """The voxels to be fitted: all as a slice, or the numbers of those where the mask is neither 0 nor NaN."""
    if mask is None:
        return slice(None)
    if tuple(instance("mask", mask, Tensor, "torch.Tensor").shape) != voxels:
        raise ValueError(f"mask: expected shape {voxels}, got {tuple(mask.shape)}")
    mask = mask.cpu()
    return ((mask != 0) & (mask == mask)).reshape(-1).nonzero()[:, 0]
