"""The words of torch that the pulse trains are written in."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mriops._native.epg_shapes import OWN
from mriops._native.epg_signals import TrainSignals
from mriops._native.epg_trains import Train, diffusion_rate, directions

from ._guards import readable

__all__ = ["TorchWords", "optional", "own", "train_signals"]


class TorchWords:
    """See :class:`mriops._native.epg_trains.Words`; ``stacklevel`` leads from ``warn`` to the caller's line."""

    def __init__(self, stacklevel: int = 6) -> None:
        self.stacklevel = stacklevel

    @staticmethod
    def vector(name: str, value: Any, n: int | None, like: Tensor) -> Tensor:
        if not isinstance(value, Tensor):
            value = _tensor_of(name, value, torch.float64)
        if value.is_complex():
            raise TypeError(f"{name}: expected a real dtype, got {value.dtype}")
        value = value.to(like.dtype) if value.device == like.device else value.to(like)
        if n is None:
            if value.ndim != 1:
                raise ValueError(f"{name}: expected shape (pulses,), got {tuple(value.shape)}")
            return value
        if value.ndim > 1 or (value.ndim == 1 and value.shape[0] != n):  # `in` is blind to sizes that are symbols
            raise ValueError(f"{name}: expected a number or shape ({n},), got shape {tuple(value.shape)}")
        return value.expand(n)

    @staticmethod
    def join(*parts: Tensor) -> Tensor:
        return torch.cat(parts)

    @staticmethod
    def pairs(first: Tensor, second: Tensor) -> Tensor:
        return torch.stack((first, second), 1).reshape(-1)

    @staticmethod
    def largest(*arrays: Tensor) -> float | None:
        if not all(readable(array) and array.numel() > 0 for array in arrays):
            return None
        if len(arrays) == 1:
            return float(arrays[0].detach().abs().max())
        return float((arrays[0].detach() - arrays[1].detach()).max())

    def warn(self, message: str) -> None:
        warnings.warn(message, UserWarning, stacklevel=self.stacklevel)


def _tensor_of(name: str, value: Any, dtype: torch.dtype, device: Any = None) -> Tensor:
    kind = type(value)
    refusal = TypeError(f"{name}: expected torch.Tensor or numbers, got {kind.__module__}.{kind.__qualname__}")
    if getattr(getattr(value, "dtype", None), "kind", "") == "c":  # NumPy would drop the imaginary part
        raise refusal
    try:
        return torch.as_tensor(value, dtype=dtype, device=device)
    except (TypeError, ValueError, RuntimeError):
        raise refusal from None


def own(t1: Any) -> Tensor:
    """t1, whose dtype and device are those of the whole call."""
    if not isinstance(t1, Tensor):
        raise TypeError(f"t1: expected torch.Tensor, got {type(t1).__module__}.{type(t1).__qualname__}")
    if t1.is_complex():
        raise TypeError(f"t1: expected a real dtype, got {t1.dtype}")
    return t1 if t1.dtype in (torch.float32, torch.float64) else t1.to(torch.float32)


def optional(name: str, value: Any, like: Tensor) -> Tensor | None:
    """A tensor, or a number as one; ``None`` stays."""
    if value is None or isinstance(value, Tensor):
        return value
    return _tensor_of(name, value, like.dtype, like.device)


def signal_of(
    calls: tuple[Callable[..., Tensor], Callable[..., Tensor]],
    train: Train,
    atoms: Sequence[Any],
    orders: int,
    jacobian: Sequence[str] | None,
    b1_factor: float = 1.0,
) -> Tensor:
    """Signal of a train for atoms, perhaps with derivatives, by the ops or by the references: ``calls`` are both."""
    t1, t2, b1, off_resonance, m0, diffusion, gradient_moment, inversion_efficiency = atoms
    rate, squared = diffusion_rate(
        optional("diffusion", diffusion, t1), optional("gradient_moment", gradient_moment, t1)
    )
    own = (t1, t2, b1, off_resonance, m0, rate, inversion_efficiency)
    values = tuple(optional(name, value, t1) for name, value in zip(OWN, own, strict=True))
    if jacobian is None:
        return calls[0](*train[:5], *values, train.program, orders)
    factors = {"b1": b1_factor, "diffusion": squared}  # the kernels' argument for the caller's
    axes = (1,) * max(value.ndim for value in values if value is not None)
    tangents = (
        None
        if row is None
        else factors.get(name, 1.0) * torch.tensor(row, dtype=t1.dtype, device=t1.device).reshape(-1, *axes)
        for name, row in zip(OWN, directions(jacobian, values), strict=True)
    )
    return calls[1](*train[:5], *values, *tangents, train.program, orders, True)


def train_signals(calls: tuple[Callable[..., Tensor], Callable[..., Tensor]]) -> TrainSignals:
    """The signal of each train by a pair of functions as ``signal_of`` takes them."""
    return TrainSignals(own, lambda t1: TorchWords(stacklevel=7), optional, partial(signal_of, calls))
