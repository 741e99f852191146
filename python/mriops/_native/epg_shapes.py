"""Shape rules of extended phase graphs: one train of pulses for all atoms, whose parameters broadcast.

A *program* says what is not a number with a derivative: ``(flags, then for each run of equal segments: how many, shift,
segment flags, samples per segment, offset of each sample)``; see ``csrc/spins/epg.h``.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from .dtypes import COMPLEX_OF, DTYPE_CODE
from .plan import Facts, NativeOp, Output, Plan

__all__ = [
    "ARGUMENTS",
    "EPG",
    "EPG_HVP",
    "EPG_JACOBIAN",
    "EPG_JVP",
    "EPG_VJP",
    "N_SEQUENCE",
    "ODD_ORDERS",
    "OWN",
    "REAL_SIGNAL",
    "SEGMENT_ADIABATIC",
    "SEGMENT_INVERTS",
    "SEGMENT_SPOIL",
    "program_size",
]

Shape = tuple[int, ...]

#: Arguments of every kernel: what all atoms share, then what each atom has.
ARGUMENTS = (
    *("flip_angle", "phase", "duration", "sample_time", "receiver_phase"),
    *("t1", "t2", "b1", "off_resonance", "m0", "diffusion", "inversion_efficiency"),
)
N_SEQUENCE = 5
OWN = ARGUMENTS[N_SEQUENCE:]
_OPTIONAL = ("phase", "receiver_phase", *OWN[2:])
_N = len(ARGUMENTS)

ODD_ORDERS, REAL_SIGNAL = 1, 2
SEGMENT_SPOIL, SEGMENT_ADIABATIC, SEGMENT_INVERTS = 1, 2, 4


def program_size(program: Sequence[int]) -> tuple[int, int]:
    """Numbers of segments and of samples of a program.

    Parameters
    ----------
    program
        As above.

    Returns
    -------
    tuple of int
        Segments and samples.
    """
    segments = samples = 0
    at = 1
    while at + 4 <= len(program):
        count, each = program[at], program[at + 3]
        segments += count
        samples += count * each
        at += 4 + each
    return segments, samples


def _broadcast(facts: Sequence[Facts | None]) -> Shape:
    """Common shape of the atoms' arguments, numpy's rules."""
    named = [(name, f.shape) for name, f in zip(OWN, facts[N_SEQUENCE:], strict=True) if f]
    rank = max(len(shape) for _, shape in named)
    result = [1] * rank
    for name, shape in named:
        for i, size in enumerate(shape, rank - len(shape)):
            if size != 1 and result[i] not in (1, size):
                raise ValueError(f"{name}: expected a shape that broadcasts with {tuple(result)}, got {tuple(shape)}")
            if size != 1:
                result[i] = size
    return tuple(result)


def _check(facts: Sequence[Facts | None], program: Sequence[int], orders: int) -> tuple[int, int, Shape]:
    segments, samples = program_size(program)
    lengths = (segments, segments, segments, samples, samples)
    for name, fact, length in zip(ARGUMENTS, facts, lengths, strict=False):
        if fact is not None and tuple(fact.shape) != (length,):
            raise ValueError(f"{name}: expected shape ({length},), got {tuple(fact.shape)}")
    if orders < 0:
        raise ValueError(f"orders: expected at least 1, or 0 for a number that t2 decides, got {orders}")
    return segments, samples, _broadcast(facts)


def _layouts(facts: Sequence[Facts | None], atoms: Shape) -> tuple[Shape | None, ...]:
    own = facts[N_SEQUENCE:_N]
    return (None,) * N_SEQUENCE + tuple(atoms if f is not None and tuple(f.shape) != atoms else None for f in own)


def _tangent_layouts(
    facts: Sequence[Facts | None], tangents: Sequence[Facts | None], atoms: Shape
) -> tuple[Shape | None, ...]:
    for name, fact, tangent in zip(ARGUMENTS, facts, tangents, strict=True):
        if tangent is not None and fact is None:
            raise ValueError(f"tangent_{name}: expected None, as {name} is, got shape {tuple(tangent.shape)}")
    return _layouts(tangents, atoms)


def _arguments(sizes: tuple[int, int, Shape], orders: int, program: Sequence[int], dtype: str) -> tuple:
    segments, samples, atoms = sizes
    return (segments, samples, prod(atoms), orders, tuple(program), DTYPE_CODE[dtype])


def _signal(sizes: tuple[int, int, Shape], program: Sequence[int], dtype: str) -> Output:
    return Output((sizes[1], *sizes[2]), dtype if program[0] & REAL_SIGNAL else COMPLEX_OF[dtype])


def _forward(*call: Facts | Sequence[int] | int | None) -> Plan:
    facts, (program, orders) = call[:_N], call[_N:]
    sizes = _check(facts, program, orders)  # type: ignore[arg-type]
    dtype = facts[0].dtype  # type: ignore[union-attr]
    return Plan(
        outputs=(_signal(sizes, program, dtype),),  # type: ignore[arg-type]
        arguments=_arguments(sizes, orders, program, dtype),  # type: ignore[arg-type]
        layouts=_layouts(facts, sizes[2]),  # type: ignore[arg-type]
        zero=sizes[1] * prod(sizes[2]) == 0,
    )


def _jvp(*call: Facts | Sequence[int] | int | None) -> Plan:
    plan = _forward(*call[:_N], *call[2 * _N :])
    atoms = plan.outputs[0].shape[1:]
    return plan._replace(layouts=plan.layouts + _tangent_layouts(call[:_N], call[_N : 2 * _N], atoms))  # type: ignore[arg-type]


def _jacobian(*call: Facts | Sequence[int] | int | None) -> Plan:
    facts, tangents, (program, orders, value) = call[:_N], call[_N : _N + len(OWN)], call[_N + len(OWN) :]
    plan = _forward(*facts, program, orders)
    signal = plan.outputs[0]
    atoms = tuple(signal.shape[1:])
    count = 0
    for name, fact, tangent in zip(OWN, facts[N_SEQUENCE:], tangents, strict=True):
        if tangent is None:
            continue
        shape = tuple(tangent.shape)  # type: ignore[union-attr]
        if fact is None:
            raise ValueError(f"tangent_{name}: expected None, as {name} is, got shape {shape}")
        if len(shape) != 1 + len(atoms) or any(n not in (1, size) for n, size in zip(shape[1:], atoms, strict=True)):
            raise ValueError(f"tangent_{name}: expected a shape that expands to (tangents, *{atoms}), got {shape}")
        if count and shape[0] != count:
            raise ValueError(f"tangent_{name}: expected {count} tangents, got {shape[0]}")
        count = shape[0]
    if not count:
        raise ValueError("tangents: expected at least one, got none")
    full = (count, *atoms)
    layouts = tuple(None if t is None or tuple(t.shape) == full else full for t in tangents)  # type: ignore[union-attr]
    return plan._replace(
        outputs=(Output((bool(value) + count, *signal.shape), signal.dtype),),
        arguments=(*plan.arguments, count, bool(value)),
        layouts=plan.layouts + layouts,
    )


def _gradients(plan: Plan, facts: Sequence[Facts | None], cotangent: Facts, needs: int) -> Plan:
    signal = plan.outputs[0]
    if cotangent.dtype != signal.dtype:
        raise TypeError(f"cotangent: expected {signal.dtype}, got {cotangent.dtype}")
    if tuple(cotangent.shape) != tuple(signal.shape):
        raise ValueError(f"cotangent: expected shape {tuple(signal.shape)}, got {tuple(cotangent.shape)}")
    shapes = [
        None if f is None else tuple(f.shape) if i < N_SEQUENCE else signal.shape[1:] for i, f in enumerate(facts)
    ]
    dtype = next(f.dtype for f in facts if f is not None)
    outputs = tuple(
        Output((0,) if shape is None or not needs >> i & 1 else tuple(shape), dtype) for i, shape in enumerate(shapes)
    )
    return plan._replace(outputs=outputs)


def _vjp(*call: Facts | Sequence[int] | int | None) -> Plan:
    facts, (cotangent, needs, program, orders) = call[:_N], call[_N:]
    plan = _gradients(_forward(*facts, program, orders), facts, cotangent, needs)  # type: ignore[arg-type]
    return plan._replace(layouts=(*plan.layouts, None))


def _hvp(*call: Facts | Sequence[int] | int | None) -> Plan:
    facts, (cotangent, needs, program, orders) = call[:_N], call[2 * _N :]
    plan = _gradients(_jvp(*call[: 2 * _N], program, orders), facts, cotangent, needs)  # type: ignore[arg-type]
    return plan._replace(layouts=(*plan.layouts, None))


_VALUES = dict.fromkeys(ARGUMENTS, "real")
_TANGENTS = {f"tangent_{name}": "real" for name in ARGUMENTS}
_ALL_TANGENTS = tuple(_TANGENTS)
_COTANGENT = {"cotangent": "any"}

EPG = NativeOp("epg", _VALUES, _forward, _OPTIONAL)
EPG_JVP = NativeOp("epg_jvp", _VALUES | _TANGENTS, _jvp, (*_OPTIONAL, *_ALL_TANGENTS))
EPG_JACOBIAN = NativeOp(
    "epg_jacobian",
    _VALUES | {f"tangent_{name}": "real" for name in OWN},
    _jacobian,
    (*_OPTIONAL, *_ALL_TANGENTS[N_SEQUENCE:]),
)
EPG_VJP = NativeOp("epg_vjp", _VALUES | _COTANGENT, _vjp, _OPTIONAL)
EPG_HVP = NativeOp("epg_hvp", _VALUES | _TANGENTS | _COTANGENT, _hvp, (*_OPTIONAL, *_ALL_TANGENTS))
