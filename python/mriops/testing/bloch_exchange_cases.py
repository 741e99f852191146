"""Row of the OpCase table: the Bloch simulation of two pools."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .op_case import OpCase, Sample

__all__ = ["BLOCH_EXCHANGE_CASES"]

Shape = tuple[int, ...]


def _make(
    dtype: torch.dtype,
    seed: int,
    *,
    steps: int = 3,
    spins: int = 2,
    axes: int = 1,
    channels: int = 0,
    batch: Shape = (),
    rf_batch: Shape = (),
    with_b1: bool = True,
    relaxing: bool = True,
    scalars: bool = False,
    moving: bool = False,
    start: bool = True,
    record: tuple[int, ...] | None = None,
    wide: float = 1.0,
) -> Sample:
    """Arguments in units in which everything is near one: angles per step of about ``wide`` rad, ``gamma`` 1."""
    generator = torch.Generator().manual_seed(seed)
    real = dtype.to_real()

    def normal(*shape: int, of: torch.dtype = real) -> Tensor:
        wide_type = torch.complex128 if of.is_complex else torch.float64
        return torch.randn(shape, dtype=wide_type, generator=generator).to(of)

    def positive(*shape: int) -> Tensor:
        return (0.5 + torch.rand(shape, dtype=torch.float64, generator=generator)).to(real)

    lanes = () if scalars else (*batch, spins)
    several = (channels,) if channels else ()
    tensors: dict[str, Tensor | None] = {
        "rf": 0.15 * wide * normal(*rf_batch, *several, steps, of=dtype),
        "gradient": 0.15 * wide * normal(*rf_batch, steps, axes) if axes else None,
        "dt": positive() if scalars else positive(*rf_batch, steps),
        "position": normal(*batch, spins, axes) if axes else None,
        "t1": 4 * positive(*lanes) if relaxing else None,
        "t2": 2 * positive(*lanes) if relaxing else None,
        "t1_b": 3 * positive(*lanes) if relaxing else None,
        "t2_b": positive(*lanes) if relaxing else None,
        "fraction": 0.3 * positive(*lanes),
        "exchange_rate": positive(*lanes),
        "off_resonance_b": 0.1 * normal(*lanes),
        "off_resonance": 0.1 * normal(*lanes),
        "b1": 1 + 0.3 * normal(*batch, *several, spins, of=dtype) if with_b1 else None,
        "magnetization": normal(*batch, spins, 2, 3) if start else None,
        "velocity": normal(*batch, spins, axes) if moving else None,
    }
    return Sample(tensors, {"multi_transmit": bool(channels), "gamma": 1.0, "record": record})


_SHAPES: Mapping[str, Mapping[str, Any]] = {
    "gradient": {"steps": 3, "record": (1, 3)},
    "gradient_transmit": {"steps": 2, "channels": 2, "moving": True, "spins": 1},
    "gradient_batch": {"steps": 2, "batch": (2, 1), "rf_batch": (2,), "with_b1": False, "axes": 0, "spins": 1},
    "one": {"steps": 1, "spins": 1, "axes": 0, "with_b1": False, "relaxing": False, "start": False},
    "lanes": {"steps": 5, "spins": 37, "axes": 3, "start": False},
    "scalars": {"steps": 4, "spins": 18, "scalars": True, "with_b1": False},
    "large_angles": {"steps": 4, "spins": 19, "wide": 30.0},
    "tiny_angles": {"steps": 4, "spins": 19, "wide": 1e-5},
    "moving": {"steps": 4, "spins": 5, "axes": 2, "moving": True},
    "every_step": {"steps": 4, "spins": 5, "record": (0, 1, 2, 3, 4)},
    "own_waveforms": {"steps": 3, "spins": 4, "batch": (2, 3), "rf_batch": (2, 3)},
    "crossed_batches": {"steps": 3, "spins": 4, "batch": (2, 1), "rf_batch": (3,)},
    "empty": {"steps": 2, "spins": 3, "batch": (0,)},
    "many_isochromats": {"steps": 20, "spins": 1001, "axes": 3, "record": (7, 20)},
}


def _sizes(sample: Sample) -> tuple[int, int]:
    """Steps and isochromats."""
    rf, rate = sample.tensors["rf"], sample.tensors["position"]
    rate = sample.tensors["exchange_rate"] if rate is None else rate[..., 0]
    return 1 if rf is None else rf.shape[-1], 1 if rate is None or not rate.ndim else rate.shape[-1]


def _points(sample: Sample) -> int:
    # The tolerance is eps log2(points). Each step adds 6 eps of its own, and its angle times eps: how large that gets,
    # from the largest values of all that makes it.
    def most(name: str, absent: float) -> float:
        value = sample.tensors[name]
        return absent if value is None or not value.numel() else float(value.abs().max())

    frequency = most("rf", 0) * most("b1", 1) + most("off_resonance", 0) + most("off_resonance_b", 0)
    frequency += 3 * most("gradient", 0) * (most("position", 0) + most("velocity", 0))
    return 2 ** math.ceil(_sizes(sample)[0] * (6 + 2 * math.pi * most("dt", 0) * frequency))


BLOCH_EXCHANGE_CASES: tuple[OpCase, ...] = (
    OpCase(
        name="bloch_exchange",
        native="bloch_exchange",
        make=_make,
        shapes=_SHAPES,
        differentiable=tuple(_make(torch.complex128, 0).tensors),
        flops=lambda sample: 250.0 * math.prod(_sizes(sample)),
        points=_points,
        large="many_isochromats",
    ),
)
