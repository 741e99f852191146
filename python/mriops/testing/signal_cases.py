"""Rows of the OpCase table: closed-form signal models, at parameters and times near 1 so that all terms matter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mriops._native.signal_functions import signature_of
from mriops._native.signal_models import SIGNAL_MODELS
from mriops._native.signal_words import SignalModel

from .op_case import OpCase, Sample, between

__all__ = ["SIGNAL_CASES"]

Shape = tuple[int, ...]

#: Range that a parameter or a design value is drawn from, by name; [0.5, 1.5] otherwise.
_RANGES = {
    "fraction": (0.2, 0.8),
    "ve": (0.3, 0.9),
    "vp": (0.05, 0.3),
    "efficiency": (0.7, 1.0),
    "b1": (0.8, 1.2),
    "flip_angle": (0.3, 0.9),
    "off_resonance": (-0.2, 0.2),
    "final_delay": (0.5, 0.6),
    "transit_time": (0.3, 0.4),
    "label_duration": (0.71, 0.72),
    "diffusion_tensor": (0.2, 0.6),
    "kurtosis_tensor": (0.1, 0.3),
    "echo_time": (0.1, 0.5),
    "velocity": (-1.0, 1.0),
}
_INCREASING = ("time", "inversion_time", "b_value")
#: Models whose derivatives for times and angles, autograd through long formulas, take seconds to compile.
_LONG = ("mp2rage", "diffusion_kurtosis", "asl_pulsed")
#: Arguments that count, or whose derivative jumps: nothing is differentiated by them.
_FIXED = ("n_before", "n_after", "label_duration")


@dataclass(frozen=True)
class SignalCase(OpCase):
    """A signal model. Its errors are those of a chain of exponentials, not of sums over many points."""

    def tolerance(self, sample: Sample, dtype: torch.dtype) -> float:
        """Relative L2 error allowed.

        Rounding an argument x of exp, sin or cos costs ``eps |x|``; arguments here are below 4, models chain up to
        three such functions, and the steady states divide by differences as small as 0.05 of their terms.
        """
        return 64 * torch.finfo(dtype).eps


def _design(name: str, times: int, generator: torch.Generator) -> Tensor:
    if name in ("direction", "encoding"):
        vectors = torch.randn((times, 3), dtype=torch.float64, generator=generator)
        return vectors / vectors.norm(dim=-1, keepdim=True)
    if name in ("fat_frequency", "fat_amplitude"):
        return between(0.2, 0.5, (3,), generator)
    if name in ("n_before", "n_after"):
        return torch.tensor([2.0, 3.0, 1.0, 4.0, 5.0, 2.0, 0.0][:times], dtype=torch.float64)
    if name in ("final_delay", "partition"):
        return between(*_RANGES.get(name, (0.8, 0.95)), (1,), generator)
    if name in _INCREASING:
        return 0.17 + 0.45 * torch.arange(times, dtype=torch.float64)
    return between(*_RANGES.get(name, (0.5, 1.5)), (times,), generator)


def _make(
    model: SignalModel,
    dtype: torch.dtype,
    seed: int,
    *,
    voxels: Shape,
    times: int = 3,
    one: bool = False,
    complex_m0: bool = False,
    magnitude: bool = False,
) -> Sample:
    """``one``: parameters after the first two have a single value, and times and angles that may are one."""
    generator = torch.Generator().manual_seed(seed + model.index)
    real = dtype.to_real()
    values: dict[str, Tensor] = {}
    for i, p in enumerate(model.parameters):
        shape = (*((p.kind,) if isinstance(p.kind, int) else ()), *(() if one and i > 1 else voxels))
        value = between(*_RANGES.get(p.name, (0.5, 1.5)), shape, generator)
        if p.kind == "complex" or (p.name == "m0" and complex_m0):
            value = torch.complex(value, between(-0.5, 0.5, shape, generator)).to(dtype)
        values[p.name] = value if value.is_complex() else value.to(real)
    for d in model.design:
        value = _design(d.name, times, generator)
        if one and "one for all" in d.meaning:
            value = value[:1]
        values[d.name] = value.to(real)
    if "flip_angle" in values and "one angle" in next(d.meaning for d in model.design if d.name == "flip_angle"):
        values["flip_angle"] = values["flip_angle"][:1]
        values["repetition_time"] = values["repetition_time"][:1]
    order = [name for name, _ in signature_of(model)]
    return Sample({name: values[name] for name in order}, {"magnitude": magnitude})


def _flops(sample: Sample) -> float:
    voxels = torch.broadcast_shapes(*(t.shape for n, t in sample.tensors.items() if t is not None and n in _VOXELWISE))
    times = max(t.shape[0] for n, t in sample.tensors.items() if t is not None and n not in _VOXELWISE)
    return 20.0 * math.prod(voxels) * times  # one exponential: the least that any of the models has


_VOXELWISE = {p.name for model in SIGNAL_MODELS.values() for p in model.parameters if not isinstance(p.kind, int)} - {
    "m0"
}
_SHAPES: Mapping[str, Mapping[str, Any]] = {
    "gradient": {"voxels": (2,)},
    "magnitude": {"voxels": (3, 2), "magnitude": True},
    "one_time": {"voxels": (2,), "times": 1, "one": True},
    "many_voxels": {"voxels": (37, 41), "times": 5, "one": True},
}


def _case(model: SignalModel) -> SignalCase:
    shared = {d.name for d in model.design} if model.name in _LONG else set()
    names = [name for name, _ in signature_of(model) if name not in shared]
    shapes = dict(_SHAPES)
    if any(p.name == "m0" and p.kind == "real" for p in model.parameters):
        shapes["complex_m0"] = {"voxels": (5,), "complex_m0": True}
    return SignalCase(
        name=model.function,
        native="signal_model",
        make=lambda dtype, seed, **shape: _make(model, dtype, seed, **shape),
        shapes=shapes,
        differentiable=tuple(name for name in names if name not in _FIXED),
        flops=_flops,
        points=lambda sample: 1,
        large="many_voxels",
    )


def _make_general(dtype: torch.dtype, seed: int, *, voxels: Shape, model: str, magnitude: bool = False) -> Sample:
    generator = torch.Generator().manual_seed(seed)
    n_rows = SIGNAL_MODELS[model].n_rows
    rows = {"spgr": 2, "water_fat": 3}[model]
    parameters = between(0.5, 1.0, (n_rows, *voxels), generator)
    design = between(0.3, 0.9, (rows, 4), generator)
    return Sample(
        {"parameters": parameters.to(dtype.to_real()), "design": design.to(dtype.to_real())},
        {"model": model, "magnitude": magnitude},
    )


def _general(name: str) -> SignalCase:
    return SignalCase(
        name=name,
        native=name,
        make=_make_general,
        shapes={
            "gradient": {"voxels": (2,), "model": "spgr"},
            "complex": {"voxels": (2,), "model": "water_fat"},
            "magnitude": {"voxels": (2, 3), "model": "water_fat", "magnitude": True},
            "scalar": {"voxels": (), "model": "spgr"},
            "empty": {"voxels": (0,), "model": "water_fat"},
            "many_voxels": {"voxels": (1500,), "model": "spgr"},
        },
        differentiable=("parameters", "design"),
        flops=lambda sample: 20.0 * sum(t.numel() for t in sample.tensors.values() if t is not None),
        points=lambda sample: 1,
        large="many_voxels",
    )


SIGNAL_CASES: tuple[OpCase, ...] = (
    _general("signal_model"),
    _general("signal_model_jacobian"),
    *(_case(model) for model in SIGNAL_MODELS.values()),
)
