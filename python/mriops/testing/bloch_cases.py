"""Rows of the OpCase table: the Bloch simulation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .op_case import OpCase, Sample

__all__ = ["BLOCH_CASES", "BlochArguments", "largest", "turned"]

Shape = tuple[int, ...]


class BlochArguments:
    """Random arguments in units in which everything is near one: angles per step of about ``wide`` rad, ``gamma`` 1."""

    def __init__(
        self,
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
        scalars: bool = False,
        moving: bool = False,
        wide: float = 1.0,
    ) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.real = dtype.to_real()
        self.lanes = () if scalars else (*batch, spins)
        several = (channels,) if channels else ()
        normal, positive = self.normal, self.positive
        self.waveform: dict[str, Tensor | None] = {
            "rf": 0.15 * wide * normal(*rf_batch, *several, steps, of=dtype),
            "gradient": 0.15 * wide * normal(*rf_batch, steps, axes) if axes else None,
            "dt": positive() if scalars else positive(*rf_batch, steps),
            "position": normal(*batch, spins, axes) if axes else None,
        }
        self.field: dict[str, Tensor | None] = {
            "off_resonance": 0.1 * normal(*self.lanes),
            "b1": 1 + 0.3 * normal(*batch, *several, spins, of=dtype) if with_b1 else None,
        }
        self.velocity: dict[str, Tensor | None] = {"velocity": normal(*batch, spins, axes) if moving else None}

    def normal(self, *shape: int, of: torch.dtype | None = None) -> Tensor:
        """Normally distributed, drawn in double precision."""
        of = of or self.real
        drawn = torch.randn(shape, dtype=torch.complex128 if of.is_complex else torch.float64, generator=self.generator)
        return drawn.to(of)

    def positive(self, *shape: int) -> Tensor:
        """Between 0.5 and 1.5."""
        return (0.5 + torch.rand(shape, dtype=torch.float64, generator=self.generator)).to(self.real)


def largest(sample: Sample, name: str, absent: float = 0.0) -> float:
    """Largest size of an argument."""
    value = sample.tensors[name]
    return absent if value is None or not value.numel() else float(value.abs().max())


def turned(sample: Sample, steps: int, roundings: float, more: float = 0.0) -> int:
    """Points for a tolerance of eps log2(points).

    Each step adds ``roundings`` eps of its own, and its angle times eps: how large that gets, from the largest values
    of all that makes it, and ``more`` frequencies.
    """
    frequency = largest(sample, "rf") * largest(sample, "b1", 1) + largest(sample, "off_resonance") + more
    frequency += 3 * largest(sample, "gradient") * (largest(sample, "position") + largest(sample, "velocity"))
    return 2 ** math.ceil(steps * (roundings + 2 * math.pi * largest(sample, "dt") * frequency))


def _make(
    dtype: torch.dtype,
    seed: int,
    *,
    coils: int = 0,
    batch: Shape = (),
    spins: int = 2,
    relaxing: bool = True,
    start: bool = True,
    record: tuple[int, ...] | None = None,
    integrator: str = "exact",
    **shape: Any,
) -> Sample:
    drawn = BlochArguments(dtype, seed, batch=batch, spins=spins, **shape)
    tensors = dict(drawn.waveform)
    tensors["t1"] = 4 * drawn.positive(*drawn.lanes) if relaxing else None
    tensors["t2"] = 2 * drawn.positive(*drawn.lanes) if relaxing else None
    if coils:
        tensors["receive"] = drawn.normal(*batch, coils, spins, of=dtype)
    tensors |= drawn.field
    tensors["magnetization"] = drawn.normal(*batch, spins, 3) if start else None
    tensors |= drawn.velocity
    keywords: dict[str, Any] = {"multi_transmit": bool(shape.get("channels")), "integrator": integrator, "gamma": 1.0}
    return Sample(tensors, keywords | {"record": record})


_SHAPES: Mapping[str, Mapping[str, Any]] = {
    "gradient": {"steps": 3, "record": (1, 3)},
    "gradient_split": {"steps": 2, "integrator": "split", "record": (0, 1, 2)},
    "gradient_transmit": {"steps": 2, "channels": 2, "moving": True, "spins": 1},
    "gradient_batch": {"steps": 2, "batch": (2, 1), "rf_batch": (2,), "with_b1": False, "axes": 0, "spins": 1},
    "one": {"steps": 1, "spins": 1, "axes": 0, "with_b1": False, "relaxing": False, "start": False},
    "lanes": {"steps": 5, "spins": 37, "axes": 3},
    "split_lanes": {"steps": 6, "spins": 37, "integrator": "split", "with_b1": False, "record": (2, 6)},
    "split_b1": {"steps": 4, "spins": 9, "integrator": "split", "channels": 3},
    "scalars": {"steps": 4, "spins": 18, "scalars": True, "with_b1": False},
    "large_angles": {"steps": 4, "spins": 19, "wide": 30.0},
    "tiny_angles": {"steps": 4, "spins": 19, "wide": 1e-5},
    "no_relaxation": {"steps": 4, "spins": 5, "relaxing": False},
    "moving": {"steps": 4, "spins": 5, "axes": 2, "moving": True},
    "every_step": {"steps": 4, "spins": 5, "record": (0, 1, 2, 3, 4)},
    "own_waveforms": {"steps": 3, "spins": 4, "batch": (2, 3), "rf_batch": (2, 3)},
    "more_waveforms": {"steps": 3, "spins": 4, "rf_batch": (5,)},
    "shared_waveform": {"steps": 3, "spins": 4, "batch": (5,)},
    "crossed_batches": {"steps": 3, "spins": 4, "batch": (2, 1), "rf_batch": (3,)},
    "empty": {"steps": 2, "spins": 3, "batch": (0,)},
    "many_isochromats": {"steps": 20, "spins": 3001, "axes": 3, "record": (7, 20)},
}


def _sizes(sample: Sample) -> tuple[int, int]:
    """Isochromats times steps, and isochromats."""
    tensors = sample.tensors
    rf, start = tensors["rf"], tensors["b1"] if tensors["b1"] is not None else tensors["off_resonance"]
    position = tensors["position"]
    spins = position.shape[-2] if position is not None else (start.shape[-1] if start is not None else 1)
    steps = rf.shape[-1] if rf is not None else 1
    return spins * steps, spins


def _flops(sample: Sample) -> float:
    # Rotation vector, two polynomials of degree 4, cross and scalar product, sum, relaxation.
    return 92.0 * _sizes(sample)[0]


def _points(sample: Sample) -> int:
    rf = sample.tensors["rf"]
    return turned(sample, 1 if rf is None else rf.shape[-1], 3)


def _row(name: str, coils: int) -> OpCase:
    differentiable = ("rf", "gradient", "dt", "position", "t1", "t2", *(("receive",) if coils else ()))
    differentiable += ("off_resonance", "b1", "magnetization", "velocity")

    def make(dtype: torch.dtype, seed: int, **shape: Any) -> Sample:
        return _make(dtype, seed, coils=coils, **shape)

    return OpCase(
        name=name,
        native=name,
        make=make,
        shapes=_SHAPES,
        differentiable=differentiable,
        flops=_flops if not coils else lambda sample: _flops(sample) + 8.0 * coils * _sizes(sample)[1],
        points=_points if not coils else lambda sample: _points(sample) * _sizes(sample)[1],
        large="many_isochromats",
        forward_twice=False,
    )


def _make_spinor(dtype: torch.dtype, seed: int, **shape: Any) -> Sample:
    sample = _make(dtype, seed, **shape)
    tensors = {n: t for n, t in sample.tensors.items() if n not in ("t1", "t2", "magnetization")}
    return Sample(tensors, {n: v for n, v in sample.keywords.items() if n not in ("record", "integrator")})


_NOT_FOR_SPINORS = ("gradient_split", "split_lanes", "split_b1", "no_relaxation", "every_step")

_SPINOR = OpCase(
    name="bloch_spinor",
    native="bloch_spinor",
    make=_make_spinor,
    shapes={name: shape for name, shape in _SHAPES.items() if name not in _NOT_FOR_SPINORS},
    differentiable=("rf", "gradient", "dt", "position", "off_resonance", "b1", "velocity"),
    flops=lambda sample: 75.0 * _sizes(sample)[0],
    points=_points,
    large="many_isochromats",
    forward_twice=False,
)

BLOCH_CASES: tuple[OpCase, ...] = (_row("bloch", 0), _row("bloch_signal", 3), _SPINOR)
