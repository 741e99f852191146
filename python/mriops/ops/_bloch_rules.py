"""The Bloch kernels as differentiable ops on packed arrays: values, tangents, gradients and second derivatives.

Each of the three families (states, signal, spinor) is closed up to the second order: the gradient of a gradient is the
tangent of the reverse sweep, since second derivatives are symmetric.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch import Tensor

from mriops import _native
from mriops._native.bloch_shapes import (
    BLOCH,
    BLOCH_HVP,
    BLOCH_JVP,
    BLOCH_SIGNAL,
    BLOCH_SIGNAL_HVP,
    BLOCH_SIGNAL_JVP,
    BLOCH_SIGNAL_VJP,
    BLOCH_SPINOR,
    BLOCH_SPINOR_HVP,
    BLOCH_SPINOR_JVP,
    BLOCH_SPINOR_VJP,
    BLOCH_VJP,
)
from mriops._native.plan import NativeOp, make_plan

from ._declaration import OpDeclaration
from ._execute import DTYPES, tensor_facts
from ._factory import define_op

__all__ = ["bloch_signal_op", "bloch_spinor_op", "bloch_states_op"]

_PARAMETERS = "int channels, int axes, bool b1, bool split, int[] record"


def _on_host(native: NativeOp) -> Callable[..., Any]:
    """The kernel of the CPU for arrays of a device that has none: copies there and back."""

    def plain(*args: Any) -> Any:
        tensors = [tensor.cpu() for tensor in args[: len(native.kinds)]]
        facts = tuple(tensor_facts(n, t, optional=False) for n, t in zip(native.kinds, tensors, strict=True))
        plan = make_plan(native, facts, args[len(native.kinds) :])[1]
        if plan is None:
            raise TypeError(f"{native.name}: expected arguments that need no conversion")
        kept = [
            (t if layout is None else t.expand(layout)).resolve_conj().resolve_neg().contiguous()
            for t, layout in zip(tensors, plan.layouts, strict=True)
        ]
        outputs = [torch.empty(out.shape, dtype=DTYPES[out.dtype]) for out in plan.outputs]
        pointers = [t.data_ptr() for t in (*kept, *outputs)]
        getattr(_native.load("cpu"), native.name)(*pointers, *plan.arguments, 0, torch.get_num_threads())
        moved = tuple(out.to(args[0].device) for out in outputs)
        return moved[0] if len(moved) == 1 else moved

    return plain


def _no_third_order(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError(
        "bloch: expected derivatives up to the second order, got a request for the third, or for forward mode over "
        "forward mode (use reverse mode for one of the two)"
    )


def _filled(tangents: tuple[Tensor | None, ...], tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(torch.zeros_like(t) if d is None else d for d, t in zip(tangents, tensors, strict=True))


def _family(natives: tuple[NativeOp, NativeOp, NativeOp, NativeOp]) -> Callable[..., Any]:
    """Declares value, jvp, vjp and hvp of one family, and returns the first."""
    value, jvp, vjp, hvp = natives
    inputs = tuple(value.kinds)
    n = len(inputs)

    def core_rank(name: str) -> Callable[..., int]:
        rank = 3 if name.endswith("grad") and value is BLOCH else 2
        return lambda *parameters: rank

    def declare(native: NativeOp, outputs: int, **rules: Any) -> Callable[..., Any]:
        tensors = ", ".join(f"Tensor {name}" for name in native.kinds)
        result = "Tensor" if outputs == 1 else f"({', '.join(['Tensor'] * outputs)})"
        return define_op(
            OpDeclaration(
                native=native,
                schema=f"({tensors}, {_PARAMETERS}) -> {result}",
                core_rank={name: core_rank(name) for name in native.kinds},
                plain=_on_host(native),
                derivative=native is not value,
                **rules,
            )
        )

    hvp_op = declare(hvp, n, backward=_no_third_order, jvp=_no_third_order)

    def vjp_backward(needs: tuple[bool, ...], grads: tuple[Tensor, ...], *args: Any) -> list[Tensor | None]:
        # <v, J(x)^T g>: J v for g, and for x the tangent of J^T g along v.
        x, g, parameters = args[:n], args[n], args[n + 1 :]
        found: list[Tensor | None] = [None] * (n + 1)
        if any(needs[:n]):
            found[:n] = hvp_op(*x, g, *grads, torch.zeros_like(g), *parameters)
        if needs[n]:
            found[n] = jvp_op(*x, *grads, *parameters)
        return found

    def vjp_jvp(tangents: tuple[Tensor | None, ...], *args: Any) -> Any:
        return hvp_op(*args[: n + 1], *_filled(tangents, args[: n + 1]), *args[n + 1 :])

    def jvp_backward(needs: tuple[bool, ...], grad: Tensor, *args: Any) -> list[Tensor | None]:
        x, d, parameters = args[:n], args[n : 2 * n], args[2 * n :]
        found: list[Tensor | None] = [None] * (2 * n)
        if any(needs[:n]):
            found[:n] = hvp_op(*x, grad, *d, torch.zeros_like(grad), *parameters)
        if any(needs[n:]):
            found[n:] = vjp_op(*x, grad, *parameters)
        return found

    vjp_op = declare(vjp, n, backward=vjp_backward, jvp=vjp_jvp)
    jvp_op = declare(jvp, 1, backward=jvp_backward, jvp=_no_third_order)
    return declare(
        value,
        1,
        backward=lambda needs, grad, *args: vjp_op(*args[:n], grad, *args[n:]),
        jvp=lambda tangents, *args: jvp_op(*args[:n], *_filled(tangents, args[:n]), *args[n:]),
    )


#: ``(waveform, spins, magnetization, channels, axes, b1, split, record)`` -> states ``(*batch, records, spins, 3)``.
bloch_states_op = _family((BLOCH, BLOCH_JVP, BLOCH_VJP, BLOCH_HVP))
#: ``(waveform, spins, magnetization, receive, ...)`` -> signal ``(*batch, coils, records)``.
bloch_signal_op = _family((BLOCH_SIGNAL, BLOCH_SIGNAL_JVP, BLOCH_SIGNAL_VJP, BLOCH_SIGNAL_HVP))
#: ``(waveform, spins, ...)`` -> alpha and beta ``(*batch, spins, 2)``.
bloch_spinor_op = _family((BLOCH_SPINOR, BLOCH_SPINOR_JVP, BLOCH_SPINOR_VJP, BLOCH_SPINOR_HVP))
