"""Spin physics for arrays of a device that has no kernel for it: on the CPU, with copies there and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mriops import _native
from mriops._native.bloch_exchange_shapes import BLOCH_EXCHANGE
from mriops._native.bloch_shapes import BLOCH, BLOCH_SIGNAL, BLOCH_SPINOR
from mriops._native.epg_shapes import EPG, EPG_JACOBIAN
from mriops._native.epgx_shapes import EPGX
from mriops._native.plan import Facts, NativeOp, make_plan
from mriops._native.signal_shapes import SIGNAL_MODEL, SIGNAL_MODEL_JACOBIAN

from ._threads import get_num_threads

__all__ = [
    "bloch",
    "bloch_exchange",
    "bloch_signal",
    "bloch_spinor",
    "epg",
    "epg_jacobian",
    "epgx",
    "signal_model",
    "signal_model_jacobian",
]


def _address(array: Any) -> int:
    return 0 if array is None else array.__array_interface__["data"][0]


def _on_host(native: NativeOp) -> Callable[..., Any]:
    n = len(native.kinds)

    def run(xp: Any, *args: Any) -> Any:
        arrays = [array if xp is np or array is None else xp.asnumpy(array) for array in args[:n]]
        facts = tuple(None if array is None else Facts(array.shape, array.dtype.name, "cpu") for array in arrays)
        plan = make_plan(native, facts, args[n:])[1]
        if plan is None:
            raise TypeError(f"{native.name}: expected arguments that need no conversion")
        kept = [
            None if array is None else np.ascontiguousarray(array if to is None else np.broadcast_to(array, to))
            for array, to in zip(arrays, plan.layouts, strict=True)
        ]
        outputs = [np.empty(out.shape, out.dtype) for out in plan.outputs]
        cpu = _native.load("cpu")
        size = getattr(cpu, f"{native.name}_workspace_bytes")(*(plan.sizing or plan.arguments))
        workspace = np.empty(size, np.uint8) if size else None
        pointers = [_address(array) for array in (*kept, *outputs)]
        getattr(cpu, native.name)(*pointers, *plan.arguments, _address(workspace), get_num_threads())
        results = [xp.asarray(out) for out in outputs]
        return results[0] if len(results) == 1 else tuple(results)

    return run


bloch = _on_host(BLOCH)
bloch_exchange = _on_host(BLOCH_EXCHANGE)
bloch_signal = _on_host(BLOCH_SIGNAL)
bloch_spinor = _on_host(BLOCH_SPINOR)
epg = _on_host(EPG)
epg_jacobian = _on_host(EPG_JACOBIAN)
epgx = _on_host(EPGX)
signal_model = _on_host(SIGNAL_MODEL)
signal_model_jacobian = _on_host(SIGNAL_MODEL_JACOBIAN)
