"""Row of the OpCase table: the Bloch simulation of two pools."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from .bloch_cases import BlochArguments, largest, turned
from .op_case import OpCase, Sample

__all__ = ["BLOCH_EXCHANGE_CASES"]

Shape = tuple[int, ...]


def _make(
    dtype: torch.dtype,
    seed: int,
    *,
    batch: Shape = (),
    spins: int = 2,
    relaxing: bool = True,
    start: bool = True,
    record: tuple[int, ...] | None = None,
    **shape: Any,
) -> Sample:
    drawn = BlochArguments(dtype, seed, batch=batch, spins=spins, **shape)
    longest = {"t1": 4, "t2": 2, "t1_b": 3, "t2_b": 1}
    tensors = drawn.waveform | {
        name: time * drawn.positive(*drawn.lanes) if relaxing else None for name, time in longest.items()
    }
    tensors |= {
        "fraction": 0.3 * drawn.positive(*drawn.lanes),
        "exchange_rate": drawn.positive(*drawn.lanes),
        "off_resonance_b": 0.1 * drawn.normal(*drawn.lanes),
    }
    tensors |= drawn.field
    tensors["magnetization"] = drawn.normal(*batch, spins, 2, 3) if start else None
    tensors |= drawn.velocity
    return Sample(tensors, {"multi_transmit": bool(shape.get("channels")), "gamma": 1.0, "record": record})


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
    return turned(sample, _sizes(sample)[0], 6, largest(sample, "off_resonance_b"))


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
        forward_twice=False,
    ),
)
