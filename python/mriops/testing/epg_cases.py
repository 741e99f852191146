"""Rows of the OpCase table: extended phase graphs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mriops._native.epg_shapes import OWN

from .op_case import OpCase, Sample, between

__all__ = ["EPG_CASES", "chained", "train_size"]

Shape = tuple[int, ...]


def _atoms(atoms: Shape, present: str, slow: float, generator: torch.Generator) -> dict[str, Tensor | None]:
    """t1 and t2, and of b (b1), o (off_resonance), m (m0) those that are present; b1 is shared by the last axis.

    ``slow`` stretches all times: derivatives by differences want everything near 1.
    """
    shared = (*atoms[:-1], 1) if atoms else ()
    return {
        "t1": between(0.5, 2.0, atoms, generator),
        "t2": slow * between(0.03, 0.2, atoms, generator),
        "b1": between(0.7, 1.3, shared, generator) if "b" in present else None,
        "off_resonance": between(-20, 20, atoms, generator) / slow if "o" in present else None,
        "m0": between(0.5, 2.0, atoms[-1:], generator) if "m" in present else None,
    }


def _make(
    arguments: str,
    keywords: Mapping[str, Any],
    dtype: torch.dtype,
    seed: int,
    n: int,
    atoms: Shape,
    present: str,
    slow: float = 1.0,
    **more: Any,
) -> Sample:
    generator = torch.Generator().manual_seed(seed)
    own = _atoms(atoms, present, slow, generator)
    makers: dict[str, tuple[str, Callable[[], Tensor | None]]] = {
        "f": ("flip_angle", lambda: between(0.3, 2.5, (n,), generator)),
        "r": ("repetition_time", lambda: slow * between(0.010, 0.015, (n,), generator)),
        "d": ("duration", lambda: slow * between(0.005, 0.015, (n,), generator)),
        "p": ("phase", lambda: between(-3, 3, (n,), generator) if "p" in present else None),
        "s": ("sample_time", lambda: slow * between(0.001, 0.004, (n,), generator) if "s" in present else None),
        "v": ("diffusion", lambda: between(0.5, 2.0, atoms[-1:], generator) if "v" in present else None),
        "e": ("inversion_efficiency", lambda: between(0.5, 1.0, atoms, generator) if "e" in present else None),
        "x": ("receiver_phase", lambda: between(-3, 3, (n,), generator) if "x" in present else None),
    }
    tensors: dict[str, Tensor | None] = {}
    for letter in arguments:
        if letter == "a":
            tensors |= own
        else:
            name, maker = makers[letter]
            tensors[name] = maker()
    real = dtype.to_real()
    # 1 m^2/s and 0.8 rad/m: the rates of real ones, in numbers near 1.
    moment = {"gradient_moment": 0.8} if "v" in present else {}
    return Sample(
        {name: None if tensor is None else tensor.to(real) for name, tensor in tensors.items()},
        {**keywords, **moment, **more},
        by_name=tuple(name for name in ("diffusion", "inversion_efficiency") if name in tensors),
    )


_COMMON: Mapping[str, Mapping[str, Any]] = {
    "gradient": {"n": 4, "atoms": (3,), "present": "b", "slow": 20.0},
    # No receiver_phase: the size of a signal does not depend on it, and relative errors of a zero mean nothing.
    "gradient_all": {"n": 3, "atoms": (2,), "present": "bomps", "slow": 20.0},
    "one_atom": {"n": 7, "atoms": (), "present": "m"},
    "one_pulse": {"n": 1, "atoms": (2,), "present": "b"},
    "block": {"n": 9, "atoms": (16,), "present": ""},
    "blocks": {"n": 40, "atoms": (3, 11), "present": "bm"},
    "complex": {"n": 35, "atoms": (19,), "present": "bopsx"},
    "empty": {"n": 3, "atoms": (0,), "present": "b"},
    "many_atoms": {"n": 66, "atoms": (5, 33), "present": "b"},
}


def _without(names: str) -> Mapping[str, Mapping[str, Any]]:
    return {k: {**v, "present": "".join(c for c in v["present"] if c not in names)} for k, v in _COMMON.items()}


def train_size(sample: Sample, own: Sequence[str] = OWN) -> tuple[int, int]:
    """Pulses, and atoms, to which the arguments ``own`` broadcast."""
    flips = sample.tensors["flip_angle"]
    shapes = [t.shape for name, t in sample.tensors.items() if name in own and t is not None]
    return (0 if flips is None else flips.shape[0]), math.prod(torch.broadcast_shapes(*shapes))


def _flops(sample: Sample) -> float:
    n, atoms = train_size(sample)
    return 22.0 * atoms * n * (n + 1) / 2


def chained(sample: Sample) -> int:
    """Points for a tolerance of eps log2(points): a state is the end of a chain of n pulses, its error grows with n."""
    return 2 ** min(train_size(sample)[0], 400)


def _row(name: str, arguments: str, keywords: Mapping[str, Any], shapes: Mapping[str, Mapping[str, Any]]) -> OpCase:
    def make(dtype: torch.dtype, seed: int, **shape: Any) -> Sample:
        return _make(arguments, keywords, dtype, seed, **shape)

    names = {"f": "flip_angle", "r": "repetition_time", "d": "duration", "p": "phase", "s": "sample_time"}
    names |= {"x": "receiver_phase", "v": "diffusion", "e": "inversion_efficiency"}
    differentiable: list[str] = []
    for letter in arguments:
        differentiable += ["t1", "t2", "b1", "off_resonance", "m0"] if letter == "a" else [names[letter]]
    return OpCase(name, "epg", make, shapes, tuple(differentiable), _flops, chained, "many_atoms", forward_twice=False)


_TABLE = {
    "several_shifts": {
        "n": 5,
        "atoms": (4,),
        "present": "bs",
        "shift": (1, 2, 0, -1, -2),
        "sample_order": (0, 1, -1, 0, 2),
    },
    "spoiled": {
        "n": 6,
        "atoms": (4,),
        "present": "b",
        "spoil": (0, 3),
        "adiabatic": (0,),
        "sample_segment": (1, 1, 2, 5),
    },
    "few_orders": {"n": 20, "atoms": (4,), "present": "bo", "orders": 4},
    "gradient_shifts": {
        "n": 5,
        "atoms": (2,),
        "present": "bvs",
        "slow": 20.0,
        "shift": (1, 2, 0, -1, -2),
        "sample_order": (0, 1, -1, 0, 2),
    },
}
_DIFFUSION: Mapping[str, Mapping[str, Any]] = {
    "diffusion": {"n": 33, "atoms": (2, 10), "present": "bv"},
    "diffusion_complex": {"n": 9, "atoms": (3,), "present": "bovp"},
    "diffusion_jacobian": {"n": 9, "atoms": (17,), "present": "bv", "jacobian": ("diffusion", "t1")},
}
_ECHO = {"echo_time": 0.002}
# More atoms than a vector has, fewer than two have; derivatives alone and together.
_JACOBIAN: Mapping[str, Mapping[str, Any]] = {
    "jacobian": {"n": 35, "atoms": (2, 9), "present": "bm", "jacobian": ("t1", "t2", "b1", "m0")},
    "jacobian_complex": {"n": 9, "atoms": (3,), "present": "bo", "jacobian": ("off_resonance", "t2")},
}
_TRAIN = {
    "inversion": {"n": 12, "atoms": (4,), "present": "bp", "inversion_time": 0.02},
    "gradient_inversion": {"n": 3, "atoms": (2,), "present": "bev", "slow": 20.0, "inversion_time": 0.3},
    "imperfect": {
        "n": 12,
        "atoms": (4,),
        "present": "be",
        "inversion_time": 0.02,
        "jacobian": ("inversion_efficiency", "t1"),
    },
    "few_orders": {"n": 20, "atoms": (4,), "present": "b", "orders": 5},
}

EPG_CASES: tuple[OpCase, ...] = (
    _row("epg", "fdapsxv", {}, {**_COMMON, **_TABLE, **_JACOBIAN, **_DIFFUSION}),
    _row("epg_fisp", "frapve", _ECHO, {**_without("sx"), **_TRAIN, **_JACOBIAN, **_DIFFUSION}),
    _row(
        "epg_spgr",
        "frave",
        _ECHO,
        {
            **_without("psx"),
            "ideal": {"n": 9, "atoms": (4,), "present": "b", "phase_increment": None},
            "imperfect": {"n": 12, "atoms": (4,), "present": "bev", "inversion_time": 0.02},
            **_JACOBIAN,
        },
    ),
    _row("epg_bssfp", "fra", {}, {**_without("psx"), **_JACOBIAN}),
    _row("epg_dess", "frav", _ECHO, {**_without("psx"), **_JACOBIAN, **_DIFFUSION}),
    _row(
        "epg_fse",
        "fapv",
        {"echo_spacing": 0.01},
        {
            **_without("sx"),
            # No off_resonance here: echoes do not depend on it, and relative errors of a zero mean nothing.
            "gradient_all": {"n": 3, "atoms": (2,), "present": "bmp", "slow": 20.0},
            "profile": {"n": 6, "atoms": (4,), "present": "b", "slice_profile": (1.0, 0.8, 0.3)},
            **_JACOBIAN,
            **_DIFFUSION,
            "gradient_diffusion": {"n": 4, "atoms": (2,), "present": "bv", "slow": 20.0},
            "jacobian_profile": {**_JACOBIAN["jacobian"], "n": 9, "slice_profile": (1.0, 0.6)},
        },
    ),
)
