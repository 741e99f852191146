"""Shape rules of the signal models: parameters ``(parameters, *voxels)``, design ``(rows, times)``."""

from __future__ import annotations

import math

from .dtypes import DTYPE_CODE
from .plan import Facts, NativeOp, Output, Plan, Shape
from .signal_models import SIGNAL_MODELS
from .signal_words import SignalModel

__all__ = ["SIGNAL_MODEL", "SIGNAL_MODEL_JACOBIAN", "SIGNAL_MODEL_JVP", "SIGNAL_MODEL_VJP", "components_of"]

_MODELS: tuple[SignalModel, ...] = tuple(SIGNAL_MODELS.values())
#: Rows of design of each model, in the order of the table.
_ROWS = (1, 1, 1, 2, 1, 3, 1, 2, 4, 6, 3, 1, 6, 21, 1, 2, 3, 3, 3)


def components_of(model: int, magnitude: bool) -> tuple[int, ...]:
    """Trailing axes of a signal stored as real numbers."""
    return (2,) if _MODELS[model].is_complex and not magnitude else ()


def _voxels(parameters: Facts, design: Facts, model: int) -> tuple[Shape, int]:
    """Voxel shape and number of times, checked."""
    table = _MODELS[model]
    if len(parameters.shape) < 1 or parameters.shape[0] != table.n_rows:
        raise ValueError(
            f"parameters: expected {table.n_rows} rows ({', '.join(table.row_names)}) first, "
            f"got shape {tuple(parameters.shape)}"
        )
    if len(design.shape) != 2 or design.shape[0] != _ROWS[model] or design.shape[1] < 1:
        raise ValueError(f"design: expected shape ({_ROWS[model]}, times >= 1), got {tuple(design.shape)}")
    return tuple(parameters.shape[1:]), design.shape[1]


def _plan(out: Shape, layouts: tuple[Shape | None, ...], voxels: Shape, parameters: Facts, *numbers: int) -> Plan:
    n = math.prod(voxels)
    model, magnitude, steps = numbers
    arguments = (model, bool(magnitude), steps, n, DTYPE_CODE[parameters.dtype])
    return Plan((Output(out, parameters.dtype),), arguments, layouts, zero=n == 0)


def _value(parameters: Facts, design: Facts, model: int, magnitude: bool) -> Plan:
    voxels, steps = _voxels(parameters, design, model)
    out = (steps, *voxels, *components_of(model, magnitude))
    return _plan(out, (None, None), voxels, parameters, model, magnitude, steps)


def _jacobian(parameters: Facts, design: Facts, model: int, magnitude: bool) -> Plan:
    voxels, steps = _voxels(parameters, design, model)
    out = (1 + parameters.shape[0], steps, *voxels, *components_of(model, magnitude))
    return _plan(out, (None, None), voxels, parameters, model, magnitude, steps)


def _broadcast(first: str, a: Shape, second: str, b: Shape) -> Shape:
    if len(a) != len(b) or any(m != n and 1 not in (m, n) for m, n in zip(a, b, strict=False)):
        raise ValueError(f"{second}: expected voxels {tuple(a)} (those of {first}), got {tuple(b)}")
    return tuple(n if m == 1 else m for m, n in zip(a, b, strict=True))


def _jvp(parameters: Facts, tangent: Facts, design: Facts, model: int, magnitude: bool) -> Plan:
    own, steps = _voxels(parameters, design, model)
    if len(tangent.shape) < 1 or tangent.shape[0] != parameters.shape[0]:
        raise ValueError(f"tangent: expected {parameters.shape[0]} rows, got shape {tuple(tangent.shape)}")
    voxels = _broadcast("parameters", own, "tangent", tuple(tangent.shape[1:]))
    full = (parameters.shape[0], *voxels)
    out = (steps, *voxels, *components_of(model, magnitude))
    return _plan(out, (full, full, None), voxels, parameters, model, magnitude, steps)


def _vjp(cotangent: Facts, parameters: Facts, design: Facts, model: int, magnitude: bool) -> Plan:
    own, steps = _voxels(parameters, design, model)
    tail = components_of(model, magnitude)
    shape = tuple(cotangent.shape)
    if len(shape) < 1 + len(tail) or shape[0] != steps or shape[len(shape) - len(tail) :] != tail:
        raise ValueError(f"cotangent: expected shape {(steps, *own, *tail)}, got {shape}")
    voxels = _broadcast("parameters", own, "cotangent", shape[1 : len(shape) - len(tail)])
    full = (parameters.shape[0], *voxels)
    return _plan(full, ((steps, *voxels, *tail), full, None), voxels, parameters, model, magnitude, steps)


_REAL = {"parameters": "real", "design": "real"}
SIGNAL_MODEL = NativeOp("signal_model", _REAL, _value)
SIGNAL_MODEL_JACOBIAN = NativeOp("signal_model_jacobian", _REAL, _jacobian)
SIGNAL_MODEL_JVP = NativeOp("signal_model_jvp", {"parameters": "real", "tangent": "real", "design": "real"}, _jvp)
SIGNAL_MODEL_VJP = NativeOp("signal_model_vjp", {"cotangent": "real", "parameters": "real", "design": "real"}, _vjp)
