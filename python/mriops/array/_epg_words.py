"""The words of NumPy and CuPy that the pulse trains are written in."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from mriops._native.epg_shapes import EPG, EPG_JACOBIAN, OWN
from mriops._native.epg_signals import TrainSignals
from mriops._native.epg_trains import Train, diffusion_rate, directions

from ._call import array_facts, array_module, call

__all__ = ["TRAINS", "optional", "own", "words"]


class _ArrayWords:
    """See :class:`mriops._native.epg_trains.Words`; ``stacklevel`` leads from ``warn`` to the caller's line."""

    def __init__(self, xp: Any, stacklevel: int) -> None:
        self.xp = xp
        self.stacklevel = stacklevel

    def vector(self, name: str, value: Any, n: int | None, like: Any) -> Any:
        kind = type(value)
        value = self.xp.asarray(value)
        if value.dtype.kind == "c":
            raise TypeError(f"{name}: expected a real dtype, got {value.dtype}")
        if value.dtype.kind not in "biuf":
            raise TypeError(f"{name}: expected numpy.ndarray, cupy.ndarray or numbers, got {kind.__name__}")
        value = value.astype(like.dtype)
        if n is None:
            if value.ndim != 1:
                raise ValueError(f"{name}: expected shape (pulses,), got {tuple(value.shape)}")
            return value
        if value.shape not in ((), (n,)):
            raise ValueError(f"{name}: expected a number or shape ({n},), got shape {tuple(value.shape)}")
        return self.xp.broadcast_to(value, (n,))

    def join(self, *parts: Any) -> Any:
        return self.xp.concatenate(parts)

    def pairs(self, first: Any, second: Any) -> Any:
        return self.xp.stack((first, second), 1).reshape(-1)

    def largest(self, *arrays: Any) -> float | None:
        if self.xp is not np or not all(array.size for array in arrays):
            return None
        return float(np.abs(arrays[0]).max() if len(arrays) == 1 else (arrays[0] - arrays[1]).max())

    def warn(self, message: str) -> None:
        warnings.warn(message, UserWarning, stacklevel=self.stacklevel)


def words(array: Any, stacklevel: int = 6) -> _ArrayWords:
    """Those of the framework of an array."""
    return _ArrayWords(array_module(array), stacklevel)


def own(t1: Any) -> Any:
    """t1, whose dtype and device are those of the whole call."""
    if isinstance(t1, np.generic):
        t1 = np.asarray(t1)
    array_facts("t1", t1)
    if t1.dtype.kind == "c":
        raise TypeError(f"t1: expected a real dtype, got {t1.dtype}")
    return t1 if t1.dtype.name in ("float32", "float64") else t1.astype(np.float32)


def optional(name: str, value: Any, like: Any) -> Any:
    """An array, or a number as one; ``None`` stays."""
    if isinstance(value, (int, float, np.floating, np.integer)):
        return words(like).xp.asarray(value, dtype=like.dtype)
    if value is not None and not hasattr(value, "ndim"):
        raise TypeError(f"{name}: expected numpy.ndarray, cupy.ndarray or a number, got {type(value).__name__}")
    return value


def _signal_of(
    train: Train, atoms: Sequence[Any], orders: int, jacobian: Sequence[str] | None, b1_factor: float = 1.0
) -> Any:
    """Signal of a train for atoms, perhaps with derivatives."""
    t1, t2, b1, off_resonance, m0, diffusion, gradient_moment, inversion_efficiency = atoms
    rate, squared = diffusion_rate(
        optional("diffusion", diffusion, t1), optional("gradient_moment", gradient_moment, t1)
    )
    own = (t1, t2, b1, off_resonance, m0, rate, inversion_efficiency)
    values = tuple(optional(name, value, t1) for name, value in zip(OWN, own, strict=True))
    if jacobian is None:
        return call(EPG, (*train[:5], *values), (train.program, orders))
    xp = array_module(t1)
    factors = {"b1": b1_factor, "diffusion": squared}  # the kernels' argument for the caller's
    axes = (1,) * max(value.ndim for value in values if value is not None)
    tangents = tuple(
        None if row is None else factors.get(name, 1.0) * xp.asarray(row, dtype=t1.dtype).reshape(-1, *axes)
        for name, row in zip(OWN, directions(jacobian, values), strict=True)
    )
    return call(EPG_JACOBIAN, (*train[:5], *values, *tangents), (train.program, orders, True))


#: The signal of each train.
TRAINS = TrainSignals(own, lambda t1: words(t1, stacklevel=7), optional, _signal_of)
