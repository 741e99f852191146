"""Derivatives of a solution from the equation it solves, not from the iterations that found it.

Let ``x`` solve ``A(theta) x = b`` with a Hermitian ``A``. One Newton step from the detached solution,
``x + A^-1 (b - A(theta) x)``, has the value of ``x`` and its first derivatives: the residual is the only place where
``b`` and everything that ``A`` closes over occur, so recording *one* application of ``A`` reaches them all, whatever
the number of iterations. ``A^-1`` is applied to cotangents and tangents by the solver itself. A Newton step from a
solution that already has right first derivatives has right second derivatives too.

References
----------
Bai, Kolter, Koltun. Deep equilibrium models. NeurIPS 2019. Blondel et al. Efficient and modular implicit
differentiation. NeurIPS 2022.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.autograd import forward_ad

from mriops.solvers.flat import MAPPED, Operator

Residual = Callable[[torch.Tensor], torch.Tensor]


class ClosureProbe:
    """Wraps a callable and learns from its first application whether it closes over tensors that require gradients."""

    def __init__(self, function: Operator):
        self.function = function
        self.requires_grad: bool | None = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self.requires_grad is not None:
            return self.function(x)
        with torch.enable_grad():
            y = self.function(x)
        if not isinstance(y, torch.Tensor):
            return y
        self.requires_grad = y.requires_grad
        return y.detach()


@contextmanager
def no_derivatives() -> Iterator[None]:
    """Neither record for backward nor carry tangents of forward mode."""
    with torch.no_grad(), forward_ad._set_fwd_grad_enabled(False):
        yield


def derivatives_wanted() -> bool:
    """Whether backward or forward mode may ask for derivatives of what is computed now."""
    return torch.is_grad_enabled() or in_transform()


def in_transform() -> bool:
    """Whether forward mode or a ``torch.func`` transform is active, where ``requires_grad`` does not tell all."""
    return getattr(forward_ad, "_current_level", -1) >= 0 or torch._C._are_functorch_transforms_active()


class _Newton(torch.autograd.Function):
    """``x + A^-1 residual`` for a residual that is zero up to the solver's tolerance, hence without computing it."""

    @staticmethod
    def forward(x: torch.Tensor, residual: torch.Tensor, inverse: Operator, order: int | None) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: torch.Tensor) -> None:
        _, residual, ctx.inverse, ctx.order = inputs
        ctx.save_for_backward(residual)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple:
        grad_x = grad if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return grad_x, None, None, None
        if not torch.is_grad_enabled():
            return grad_x, ctx.inverse(grad, 0), None, None
        if ctx.order is None:  # linear in b alone: derivatives of every order
            return grad_x, ctx.inverse(grad, None), None, None
        if ctx.order == 2:
            return grad_x, ctx.inverse(grad, 1), None, None
        (residual,) = ctx.saved_tensors
        if ctx.order == 0:
            # First of two steps: the second one has cancelled what arrives here, as a function and not only in value.
            return grad_x, _Limit.apply(torch.zeros_like(grad), residual, False), None, None
        with no_derivatives():
            solved = ctx.inverse(grad, 0)
        return grad_x, _Limit.apply(solved, residual, True), None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple, x: torch.Tensor, residual: torch.Tensor, *_: Any) -> None:
        raise NotImplementedError(MAPPED)

    @staticmethod
    def jvp(ctx: Any, x_t: torch.Tensor | None, residual_t: torch.Tensor | None, *_: None) -> torch.Tensor | None:
        if residual_t is None:
            return x_t
        with no_derivatives():
            step = ctx.inverse(residual_t, 0)
        return step if x_t is None else x_t + step


class _Limit(torch.autograd.Function):
    """Passes a value on and refuses derivatives of an order that would be wrong."""

    @staticmethod
    def forward(x: torch.Tensor, graph: torch.Tensor, first: bool) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: torch.Tensor) -> None:
        ctx.first = inputs[2]

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple:
        if ctx.first:
            raise ValueError(
                "second derivatives with respect to tensors that A closes over: expected grad_order=2 (or "
                "implicit_grad=False) in the solver, got grad_order=1"
            )
        if torch.is_grad_enabled():
            raise ValueError(
                "third derivatives with respect to tensors that A closes over: expected implicit_grad=False in the "
                "solver, got grad_order=2"
            )
        return None, None, None


def attach(
    x: torch.Tensor,
    b: torch.Tensor,
    residual: Residual,
    inverse: Callable[[torch.Tensor, int | None], torch.Tensor],
    closure: bool,
    grad_order: int,
) -> torch.Tensor:
    """Give the detached solution `x` its derivatives.

    Parameters
    ----------
    x
        Detached solution.
    b
        Right-hand side, or what stands for it: a tensor whose derivative is that of the residual when `closure` is
        False.
    residual
        ``x -> b - A(x)``.
    inverse
        ``(g, grad_order) -> A^-1 g``; grad_order 0 asks for no derivatives of it, None for all with respect to `g`.
    closure
        Whether `A` closes over tensors that may need derivatives.
    grad_order
        1 or 2, see `mriops.solvers.cg`.
    """
    if not closure:
        return _Newton.apply(x, b, inverse, None)  # type: ignore[return-value]
    if grad_order == 1:
        return _Newton.apply(x, residual(x), inverse, 1)  # type: ignore[return-value]
    once = _Newton.apply(x, residual(x), inverse, 0)
    return _Newton.apply(once, residual(once), inverse, 2)  # type: ignore[arg-type, return-value]
