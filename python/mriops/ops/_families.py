"""Value, tangent, gradient and second derivatives of kernels on packed arrays, as four differentiable ops.

A family is closed up to the second order: the gradient of a gradient is the tangent of the reverse sweep, since second
derivatives are symmetric.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch import Tensor

from mriops._native.plan import NativeOp

from ._declaration import OpDeclaration
from ._factory import define_op

__all__ = ["define_family"]


def _filled(tangents: tuple[Tensor | None, ...], tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(torch.zeros_like(t) if d is None else d for d, t in zip(tangents, tensors, strict=True))


def _rank_rule(rank: int) -> Callable[..., int]:
    return lambda *_: rank


def _refuses_third_order(name: str) -> Callable[..., NoReturn]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise RuntimeError(
            f"{name}: expected derivatives up to the second order, got a request for the third, or for forward "
            "mode over forward mode (use reverse mode for one of the two)"
        )

    return refuse


def define_family(
    natives: tuple[NativeOp, NativeOp, NativeOp, NativeOp], parameters: str, core_rank: Callable[[str], int]
) -> Callable[..., Any]:
    """Declare value, jvp, vjp and hvp of one family.

    Parameters
    ----------
    natives
        Their native functions. With inputs ``x``, tangents ``d`` and a cotangent ``g``: ``f(x)``, ``f(x, d)``,
        ``f(x, g)`` and ``f(x, g, d, d_g)``; the last two give one gradient per input.
    parameters
        Of all four, as in a schema.
    core_rank
        Number of trailing axes, by argument name, that are not batch axes.

    Returns
    -------
    callable
        The first: ``f(*inputs, *parameters)``.
    """
    value, jvp, vjp, hvp = natives
    inputs = tuple(value.kinds)
    n = len(inputs)

    no_third_order = _refuses_third_order(value.name)

    def declare(native: NativeOp, outputs: int, **rules: Any) -> Callable[..., Any]:
        tensors = ", ".join(f"Tensor {name}" for name in native.kinds)
        result = "Tensor" if outputs == 1 else f"({', '.join(['Tensor'] * outputs)})"
        return define_op(
            OpDeclaration(
                native=native,
                schema=f"({tensors}, {parameters}) -> {result}",
                core_rank={name: _rank_rule(core_rank(name)) for name in native.kinds},
                derivative=native is not value,
                **rules,
            )
        )

    hvp_op = declare(hvp, n, backward=no_third_order, jvp=no_third_order)

    def vjp_backward(needs: tuple[bool, ...], grads: tuple[Tensor, ...], *args: Any) -> list[Tensor | None]:
        # <v, J(x)^T g>: J v for g, and for x the tangent of J^T g along v.
        x, g, rest = args[:n], args[n], args[n + 1 :]
        found: list[Tensor | None] = [None] * (n + 1)
        if any(needs[:n]):
            found[:n] = hvp_op(*x, g, *grads, torch.zeros_like(g), *rest)
        if needs[n]:
            found[n] = jvp_op(*x, *grads, *rest)
        return found

    def vjp_jvp(tangents: tuple[Tensor | None, ...], *args: Any) -> Any:
        return hvp_op(*args[: n + 1], *_filled(tangents, args[: n + 1]), *args[n + 1 :])

    def jvp_backward(needs: tuple[bool, ...], grad: Tensor, *args: Any) -> list[Tensor | None]:
        x, d, rest = args[:n], args[n : 2 * n], args[2 * n :]
        found: list[Tensor | None] = [None] * (2 * n)
        if any(needs[:n]):
            found[:n] = hvp_op(*x, grad, *d, torch.zeros_like(grad), *rest)
        if any(needs[n:]):
            found[n:] = vjp_op(*x, grad, *rest)
        return found

    def jvp_jvp(tangents: tuple[Tensor | None, ...], *args: Any) -> Any:
        if any(t is not None for t in tangents[:n]):
            no_third_order()
        x, d, rest = args[:n], args[n : 2 * n], args[2 * n :]
        return jvp_op(*x, *_filled(tangents[n:], d), *rest)

    vjp_op = declare(vjp, n, backward=vjp_backward, jvp=vjp_jvp)
    jvp_op = declare(jvp, 1, backward=jvp_backward, jvp=jvp_jvp)
    return declare(
        value,
        1,
        backward=lambda needs, grad, *args: vjp_op(*args[:n], grad, *args[n:]),
        jvp=lambda tangents, *args: jvp_op(*args[:n], *_filled(tangents, args[:n]), *args[n:]),
    )
