"""Runs a native function on NumPy or CuPy arrays: the same rules, and so the same errors, as for torch tensors."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from mriops import _native
from mriops._native.plan import Facts, NativeOp, Plan, make_plan, repeated_axes

from . import _plain
from ._threads import get_num_threads

__all__ = ["array_facts", "array_module", "call"]

_MAX_PLANS = 4096


class _Prepared(NamedTuple):
    """What shapes, dtypes and the device decide: conversions to make first, or else a plan and how to run it."""

    casts: tuple[str | None, ...] | None
    plan: Plan | None
    workspace: int


_plans: dict[tuple, _Prepared] = {}
_native.on_backend_switch(_plans.clear)


def _is_cupy(array: Any) -> bool:
    return type(array).__module__.partition(".")[0] == "cupy"


def array_module(array: Any) -> Any:
    """numpy, or cupy where the array is of that (only then is it imported).

    Parameters
    ----------
    array
        An array of either.

    Returns
    -------
    ModuleType
        Its module.
    """
    return importlib.import_module("cupy") if _is_cupy(array) else np


def array_facts(name: str, array: Any) -> Facts:
    """Shape, dtype and device of an argument, or a TypeError that names it."""
    if isinstance(array, np.ndarray):
        return Facts(array.shape, array.dtype.name, "cpu")
    if _is_cupy(array) and hasattr(array, "device"):
        return Facts(array.shape, array.dtype.name, f"cuda:{array.device.id}")
    kind = type(array)
    hint = " (mriops.ops has the same functions for tensors)" if kind.__module__.startswith("torch") else ""
    raise TypeError(f"{name}: expected numpy.ndarray or cupy.ndarray, got {kind.__module__}.{kind.__qualname__}{hint}")


def _device_key(array: Any) -> tuple | None:
    """What distinguishes a call with an array that is not plainly numpy's."""
    if array is None:
        return None
    device = getattr(getattr(array, "device", None), "id", None)
    return (type(array), device, getattr(array, "shape", None), getattr(array, "dtype", None))


def _prepare(op: NativeOp, facts: tuple[Facts | None, ...], parameters: tuple) -> _Prepared:
    casts, plan = make_plan(op, facts, parameters)
    if plan is None or plan.zero:
        return _Prepared(casts, plan, 0)
    device = next(f.device for f in facts if f is not None)
    backend = _native.backend(device.partition(":")[0])
    # A module may lack a whole function: the plain form serves that device then.
    bytes_of = None if plan.plain else getattr(backend, f"{op.name}_workspace_bytes", None)
    return _Prepared(None, plan, -1 if bytes_of is None else bytes_of(*(plan.sizing or plan.arguments)))


def _convert(array: Any, dtype: str | None) -> Any:
    return array if array is None or dtype is None else array.astype(dtype)


def _lay_out(xp: Any, array: Any, layout: tuple[int, ...] | None) -> Any:
    """Contiguous, in the byte order of this machine, broadcast to what the kernel indexes."""
    if layout is not None:
        array = xp.broadcast_to(array, layout)
    if xp is not np:
        return xp.ascontiguousarray(array)
    flags = array.flags
    if not (flags.c_contiguous and flags.aligned and array.dtype.isnative):
        array = np.array(array, dtype=array.dtype.newbyteorder("="), order="C", copy=True)
    return array


def _pointer(array: Any) -> int:
    if array is None:
        return 0
    # `array.ctypes.data` says the same and takes twice as long.
    return array.__array_interface__["data"][0] if isinstance(array, np.ndarray) else array.data.ptr


def call(op: NativeOp, arrays: tuple[Any, ...], parameters: tuple) -> Any:
    """One call of a native function.

    Parameters
    ----------
    op
        The function.
    arrays
        Its array arguments; ``None`` for an absent optional one.
    parameters
        Its other arguments.

    Returns
    -------
    numpy.ndarray or cupy.ndarray
        The result, or a tuple of several.

    Raises
    ------
    TypeError, ValueError
        With the argument's name, what was expected and what came.
    """
    prepared = _prepared(op, arrays, parameters)
    if prepared.casts is not None:
        converted = tuple(_convert(array, dtype) for array, dtype in zip(arrays, prepared.casts, strict=True))
        return call(op, converted, parameters)
    for i, (kind, array) in enumerate(zip(op.kinds.values(), arrays, strict=True)):
        if kind == "weight" and array is not None and prepared.plan is not None and not prepared.plan.zero:
            index = repeated_axes(array.shape, array.strides)
            if index is not None:
                fewer = (*arrays[:i], array[index], *arrays[i + 1 :])
                other = _prepared(op, fewer, parameters)
                if other.plan is not None and other.plan.outputs == prepared.plan.outputs:
                    return _run(op, fewer, parameters, other)
    return _run(op, arrays, parameters, prepared)


def _prepared(op: NativeOp, arrays: tuple[Any, ...], parameters: tuple) -> _Prepared:
    key = (op.name, parameters, *[(a.shape, a.dtype) if type(a) is np.ndarray else _device_key(a) for a in arrays])
    try:
        prepared = _plans.get(key)
    except TypeError:  # a list, where the rule below wants a number
        prepared, key = None, None
    if prepared is None:
        facts = tuple(
            None if array is None and name in op.optional else array_facts(name, array)
            for name, array in zip(op.kinds, arrays, strict=True)
        )
        prepared = _prepare(op, facts, parameters)
        if len(_plans) >= _MAX_PLANS:
            _plans.clear()
        if key is not None:
            _plans[key] = prepared
    return prepared


def _run(op: NativeOp, arrays: tuple[Any, ...], parameters: tuple, prepared: _Prepared) -> Any:
    plan = prepared.plan
    xp: Any = array_module(arrays[0])
    if plan is not None and plan.zero:
        outputs = [xp.zeros(out.shape, out.dtype) for out in plan.outputs]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)
    if plan is None or prepared.workspace < 0:
        return getattr(_plain, op.name)(xp, *arrays, *parameters)
    if xp is np:
        outputs = _launch(xp, op, arrays, prepared, plan, _native.backend("cpu"), get_num_threads())
    else:
        with arrays[0].device:
            stream = xp.cuda.get_current_stream().ptr
            outputs = _launch(xp, op, arrays, prepared, plan, _native.backend("cuda"), stream)
    results = [
        array if out.native_shape is None else _sum_to(array, out.shape)
        for array, out in zip(outputs, plan.outputs, strict=True)
    ]
    return results[0] if len(results) == 1 else tuple(results)


def _launch(
    xp: Any, op: NativeOp, arrays: tuple, prepared: _Prepared, plan: Plan, backend: ModuleType, lane: int
) -> list[Any]:
    # `kept` holds on to temporary copies until the kernel has been started.
    kept = [
        None if array is None else _lay_out(xp, array, layout)
        for name, array, layout in zip(op.kinds, arrays, plan.layouts, strict=True)
        if name not in op.silent
    ]
    outputs = [xp.empty(out.native_shape or out.shape, out.dtype) for out in plan.outputs]
    workspace = xp.empty(prepared.workspace, xp.uint8) if prepared.workspace else None
    pointers = [_pointer(array) for array in (*kept, *outputs)]
    getattr(backend, op.name)(*pointers, *plan.arguments, _pointer(workspace), lane)
    return outputs


def _sum_to(array: Any, shape: tuple[int, ...]) -> Any:
    missing = array.ndim - len(shape)
    padded = (1,) * missing + shape
    axes = tuple(i for i, (have, want) in enumerate(zip(array.shape, padded, strict=True)) if want == 1 and have != 1)
    return array.sum(axis=axes, keepdims=True).reshape(shape)
