"""Rows of the OpCase table: extended phase graphs of two pools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .epg_cases import chained, train_size
from .op_case import OpCase, Sample, between

__all__ = ["EPGX_CASES"]

_OWN = ("t1", "t2", "t1_b", "t2_b", "fraction", "exchange_rate", "off_resonance_b", "b1", "off_resonance", "m0")


def _make(
    bound: bool,
    dtype: torch.dtype,
    seed: int,
    n: int,
    atoms: tuple[int, ...],
    present: str,
    slow: float = 1.0,
    **more: Any,
) -> Sample:
    """Arguments that are ``present``: c (off_resonance_b), b1, o (off_resonance), m0, p (phase), s and x (of samples).

    ``slow`` stretches all times: derivatives by differences want everything near 1.
    """
    generator = torch.Generator().manual_seed(seed)

    def own(low: float, high: float, letter: str = "", shape: Sequence[int] = atoms) -> Tensor | None:
        return between(low, high, shape, generator) if letter in present else None

    tensors = {
        "flip_angle": own(0.3, 2.5, shape=(n,)),
        "duration": own(0.005 * slow, 0.015 * slow, shape=(n,)),
        "saturation": own(0.1, 1.5, shape=(n,)),
        "t1": own(0.5, 2.0),
        "t2": own(0.03 * slow, 0.2 * slow),
        "t1_b": own(0.4, 1.0),
        "t2_b": own(0.03 * slow, 0.1 * slow),
        "fraction": own(0.1, 0.5),
        "exchange_rate": own(20 / slow, 60 / slow),
        "off_resonance_b": own(-20 / slow, 20 / slow, "c"),
        "b1": own(0.7, 1.3, "b", (*atoms[:-1], 1) if atoms else ()),
        "off_resonance": own(-20 / slow, 20 / slow, "o"),
        "m0": own(0.5, 2.0, "m", atoms[-1:]),
        "phase": own(-3, 3, "p", (n,)),
        "sample_time": own(0.001 * slow, 0.004 * slow, "s", (n,)),
        "receiver_phase": own(-3, 3, "x", (n,)),
    }
    for name in ("t2_b", "off_resonance_b") if bound else ("saturation",):
        del tensors[name]
    real = dtype.to_real()
    return Sample({name: None if t is None else t.to(real) for name, t in tensors.items()}, more)


_SHAPES: Mapping[str, Mapping[str, Any]] = {
    "gradient": {"n": 4, "atoms": (3,), "present": "b", "slow": 20.0},
    # No receiver_phase: the size of a signal does not depend on it, and relative errors of a zero mean nothing.
    "gradient_all": {"n": 3, "atoms": (2,), "present": "cbomps", "slow": 20.0},
    "one_atom": {"n": 7, "atoms": (), "present": "m"},
    "one_pulse": {"n": 1, "atoms": (2,), "present": "b"},
    "block": {"n": 9, "atoms": (16,), "present": "c"},
    "blocks": {"n": 40, "atoms": (3, 11), "present": "bm"},
    "complex": {"n": 35, "atoms": (19,), "present": "cbopsx"},
    "empty": {"n": 3, "atoms": (0,), "present": "b"},
    "many_atoms": {"n": 66, "atoms": (3, 33), "present": "b"},
    "several_shifts": {
        "n": 5,
        "atoms": (4,),
        "present": "cbs",
        "shift": (1, 2, 0, -1, -2),
        "sample_order": (0, 1, -1, 0, 2),
    },
    "spoiled": {
        "n": 6,
        "atoms": (4,),
        "present": "b",
        "spoil": (0, 3),
        "adiabatic": (0,),
        "sample_segment": (1, 1, 2, 5, 5, 5),
    },
    "few_orders": {"n": 20, "atoms": (4,), "present": "bo", "orders": 4},
}


def _flops(sample: Sample) -> float:
    n, atoms = train_size(sample, _OWN)
    return 100.0 * atoms * n * (n + 1) / 2


def _row(name: str, bound: bool) -> OpCase:
    def make(dtype: torch.dtype, seed: int, **shape: Any) -> Sample:
        return _make(bound, dtype, seed, **shape)

    return OpCase(
        name,
        "epgx",
        make,
        _SHAPES,
        tuple(make(torch.complex128, 0, **_SHAPES["one_atom"]).tensors),
        _flops,
        chained,
        "many_atoms",
        forward_twice=False,
    )


EPGX_CASES: tuple[OpCase, ...] = (_row("epg_exchange", bound=False), _row("epg_mt", bound=True))
