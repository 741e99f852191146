"""The Bloch simulation for arrays of a device that has no kernel for it: on the CPU, with copies there and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mriops import _native
from mriops._native.bloch_shapes import BLOCH, BLOCH_SIGNAL, BLOCH_SPINOR
from mriops._native.plan import Facts, NativeOp, make_plan

from ._threads import get_num_threads

__all__ = ["bloch", "bloch_signal", "bloch_spinor"]


def _on_host(native: NativeOp) -> Callable[..., Any]:
    n = len(native.kinds)

    def run(xp: Any, *args: Any) -> Any:
        arrays = [array if xp is np else xp.asnumpy(array) for array in args[:n]]
        facts = tuple(Facts(array.shape, array.dtype.name, "cpu") for array in arrays)
        plan = make_plan(native, facts, args[n:])[1]
        if plan is None:
            raise TypeError(f"{native.name}: expected arguments that need no conversion")
        kept = [
            np.ascontiguousarray(array if layout is None else np.broadcast_to(array, layout))
            for array, layout in zip(arrays, plan.layouts, strict=True)
        ]
        out = np.empty(plan.outputs[0].shape, plan.outputs[0].dtype)
        pointers = [array.__array_interface__["data"][0] for array in (*kept, out)]
        getattr(_native.load("cpu"), native.name)(*pointers, *plan.arguments, 0, get_num_threads())
        return xp.asarray(out)

    return run


bloch = _on_host(BLOCH)
bloch_signal = _on_host(BLOCH_SIGNAL)
bloch_spinor = _on_host(BLOCH_SPINOR)
