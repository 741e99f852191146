"""Shape rules of extended phase graphs with two pools, on packed arrays; see ``csrc/spins/epgx.h``."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from .batches import Array, broadcast, once_or_each
from .dtypes import COMPLEX_OF, DTYPE_CODE
from .epg_shapes import program_size
from .plan import Facts, NativeOp, Output, Plan

__all__ = ["EPGX", "EPGX_HVP", "EPGX_JVP", "EPGX_VJP", "PULSE_ROWS", "READOUT_ROWS", "TISSUE_ROWS"]

Shape = tuple[int, ...]

#: Rows of the packed arrays, in order.
PULSE_ROWS = ("flip_angle", "phase", "duration", "saturation")
READOUT_ROWS = ("sample_time", "receiver_phase")
TISSUE_ROWS = (
    *("r1_a", "r2_a", "r1_b", "r2_b", "k_ab", "k_ba", "fraction"),
    *("b1", "off_resonance", "off_resonance_b", "m0"),
)
_INPUTS = ("pulses", "readouts", "tissue")


def _cores(arrays: Sequence[Facts], names: Sequence[str], program: Sequence[int]) -> dict[str, Shape]:
    segments, samples = program_size(program)
    tissue = arrays[2].shape
    if len(tissue) < 2:
        raise ValueError(f"tissue: expected shape (*batch, {len(TISSUE_ROWS)}, atoms), got {tuple(tissue)}")
    atoms = tissue[-1]
    expected = {
        "pulses": (len(PULSE_ROWS), segments),
        "readouts": (len(READOUT_ROWS), samples),
        "tissue": (len(TISSUE_ROWS), atoms),
        "grad": (samples, atoms),
    }
    for name, fact in zip(names, arrays, strict=True):
        core = expected[name.removeprefix("d_")]
        if tuple(fact.shape[-2:]) != core:
            raise ValueError(f"{name}: expected axes {core} after the batch, got shape {tuple(fact.shape)}")
    return expected


def _rule(names: tuple[str, ...], gradients: bool) -> Any:
    """Rule of one native function, whose arrays are ``names``."""

    def rule(*given: Any) -> Plan:
        arrays: tuple[Facts, ...] = given[: len(names)]
        program, orders, transverse, real = given[len(names) :]
        if orders < 0:
            raise ValueError(f"orders: expected at least 1, or 0 for a number that t2 decides, got {orders}")
        cores = _cores(arrays, names, program)
        batches = {name: tuple(fact.shape[:-2]) for name, fact in zip(names, arrays, strict=True)}
        batch = broadcast([Array(name, own, cores[name.removeprefix("d_")]) for name, own in batches.items()])
        count = prod(batch)
        own, layouts = once_or_each(batches, batch, cores, _INPUTS)
        real_dtype = arrays[0].dtype
        signal = Output((*batch, *cores["grad"]), COMPLEX_OF[real_dtype])
        outputs = tuple(Output((*batch, *cores[n]), real_dtype) for n in _INPUTS) if gradients else (signal,)
        segments, samples, atoms = cores["pulses"][1], *cores["grad"]
        return Plan(
            outputs=outputs,
            arguments=(
                *(count, segments, samples, atoms, orders, bool(transverse), bool(real), own),
                *(tuple(program), DTYPE_CODE[real_dtype]),
            ),
            layouts=layouts,
            zero=count == 0 or (not gradients and samples * atoms == 0),
        )

    return rule


_TANGENTS = tuple("d_" + name for name in _INPUTS)


def _native(suffix: str, names: tuple[str, ...]) -> NativeOp:
    kinds = {name: "complex" if name.endswith("grad") else "real" for name in names}
    return NativeOp("epgx" + suffix, kinds, _rule(names, suffix in ("_vjp", "_hvp")))


EPGX = _native("", _INPUTS)
EPGX_JVP = _native("_jvp", (*_INPUTS, *_TANGENTS))
EPGX_VJP = _native("_vjp", (*_INPUTS, "grad"))
EPGX_HVP = _native("_hvp", (*_INPUTS, "grad", *_TANGENTS, "d_grad"))
