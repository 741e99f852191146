"""Conjugate gradients for batches of Hermitian positive definite problems, with derivatives of constant memory."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, overload

import torch

from mriops._native.arguments import not_negative, number
from mriops._native.batches import broadcasts_to
from mriops.solvers.flat import Layout, Operator, check_damping, check_problem, not_mapped, peak, stop_interval
from mriops.solvers.implicit import ClosureProbe, attach, derivatives_wanted, in_transform, no_derivatives
from mriops.solvers.info import SolverInfo
from mriops.solvers.updates import Updates, damped, updates_for

Callback = Callable[[int, torch.Tensor, torch.Tensor], bool | None]


@overload
def cg(
    A: Operator,
    b: torch.Tensor,
    *,
    x0: torch.Tensor | None = ...,
    max_iter: int = ...,
    tol: float = ...,
    preconditioner: Operator | None = ...,
    damping: float | torch.Tensor = ...,
    batch_ndim: int = ...,
    callback: Callback | None = ...,
    implicit_grad: bool = ...,
    grad_order: int = ...,
    check_every: int | None = ...,
    return_info: Literal[False] = ...,
) -> torch.Tensor: ...
@overload
def cg(
    A: Operator,
    b: torch.Tensor,
    *,
    x0: torch.Tensor | None = ...,
    max_iter: int = ...,
    tol: float = ...,
    preconditioner: Operator | None = ...,
    damping: float | torch.Tensor = ...,
    batch_ndim: int = ...,
    callback: Callback | None = ...,
    implicit_grad: bool = ...,
    grad_order: int = ...,
    check_every: int | None = ...,
    return_info: Literal[True],
) -> tuple[torch.Tensor, SolverInfo]: ...
def cg(
    A: Operator,
    b: torch.Tensor,
    *,
    x0: torch.Tensor | None = None,
    max_iter: int = 100,
    tol: float = 1e-6,
    preconditioner: Operator | None = None,
    damping: float | torch.Tensor = 0.0,
    batch_ndim: int = 0,
    callback: Callback | None = None,
    implicit_grad: bool = True,
    grad_order: int = 1,
    check_every: int | None = None,
    return_info: bool = False,
) -> torch.Tensor | tuple[torch.Tensor, SolverInfo]:
    """Solve ``(A + damping) x = b`` for a Hermitian positive definite `A` by conjugate gradients.

    Each batch item runs its own iteration with its own step sizes and stops on its own: an item that has stopped no
    longer changes, whatever the others do.

    Parameters
    ----------
    A : callable
        ``x -> A x``, Hermitian positive definite over the axes behind the batch axes; keeps shape, dtype and device.
    b : torch.Tensor
        Right-hand side, shape ``(*batch, *n)``, real or complex.
    x0 : torch.Tensor, optional
        Start, same shape; zeros by default. No derivative is taken with respect to it.
    max_iter : int
        Iterations at most.
    tol : float
        An item stops when ``||b - A x|| <= tol * ||b||``, by the residual that the iteration carries. Tolerances
        below the precision of the dtype count as that precision. With 0 a GPU is never waited for.
    preconditioner : callable, optional
        ``r -> M r`` with a Hermitian positive definite ``M`` close to the inverse of ``A + damping``.
    damping : float or torch.Tensor
        Non-negative and real, a number or broadcastable to `b`.
    batch_ndim : int
        Number of leading axes of `b` that hold independent problems.
    callback : callable, optional
        ``callback(iteration, x, residual_norms)`` after each iteration, with residual norms relative to ``||b||`` of
        shape ``(*batch,)``; returning True stops.
    implicit_grad : bool
        If True (default), derivatives come from the equation: one application of `A` is recorded, the backward pass
        solves one more system, and memory does not grow with the iterations. They are those of the exact solution,
        so iterate until it is reached. If False, autograd records the iterations, as wanted where a few of them are
        a layer; derivatives of any order are then those of that truncated iteration.
    grad_order : int
        Order, 1 or 2, of implicit derivatives with respect to tensors that `A` closes over (those with respect to
        `b` alone are never limited). 2 records one more application of `A`.
    check_every : int, optional
        Iterations between two looks of the host at the stop flags; by default 1 on the CPU and 8 elsewhere. It does
        not change the result.
    return_info : bool
        Also return a `SolverInfo`.

    Returns
    -------
    torch.Tensor or (torch.Tensor, SolverInfo)
        Solution, shape and dtype of `b`; differentiable with respect to `b`, `damping` and every tensor that `A`
        closes over, in backward and forward mode.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; if `A` or the preconditioner turns out not to be positive definite or returns
        NaN or infinity (not looked for on a GPU with ``tol=0``, where such an item keeps its last iterate).
    NotImplementedError
        If ``torch.func.vmap`` maps over it: give batch axes.

    References
    ----------
    Hestenes, Stiefel. Methods of conjugate gradients for solving linear systems. J Res NBS 49, 1952.
    """
    functions = [("A", A)] + [("preconditioner", preconditioner)] * (preconditioner is not None)
    check_problem(b, batch_ndim, max_iter, tol, functions, callback)
    if grad_order not in (1, 2):
        raise ValueError(f"grad_order: expected 1 or 2, got {grad_order!r}")
    layout = Layout.of(b, batch_ndim)
    if x0 is not None:
        layout.check(x0, "x0")
    probe = ClosureProbe(_damped(A, damping, layout))
    run = _Run(layout, max_iter, tol, stop_interval(b.device, check_every), preconditioner)

    if not implicit_grad or not derivatives_wanted():
        x, info = run.solve(probe.function, b, x0, callback, return_info, in_place=not derivatives_wanted())
    else:
        with no_derivatives():
            x, info = run.solve(probe, b, x0, callback, return_info, in_place=True)

        def inverse(g: torch.Tensor, order: int | None) -> torch.Tensor:
            if order == 0:
                return run.solve(probe.function, g, None, None, False, in_place=True)[0]
            return cg(
                probe.function,
                g,
                max_iter=max_iter,
                tol=tol,
                preconditioner=preconditioner,
                batch_ndim=batch_ndim,
                check_every=check_every,
            )

        closure = in_transform() or probe.requires_grad is not False
        if closure or b.requires_grad:
            x = attach(x, b, lambda x: b - probe.function(x), inverse, closure, grad_order)
    return (x, info) if return_info and info is not None else x


def _damped(A: Operator, damping: float | torch.Tensor, layout: Layout) -> Operator:
    """``x -> A x + damping x``."""

    def checked(x: torch.Tensor) -> torch.Tensor:
        return layout.check(A(x), "A(x)")

    if isinstance(damping, torch.Tensor):
        if damping.is_complex() or not broadcasts_to(damping.shape, layout.shape):
            raise ValueError(
                f"damping: expected a real tensor broadcastable to b of shape {layout.shape}, got {damping.dtype} of "
                f"shape {tuple(damping.shape)}"
            )
        check_damping(damping)
        weight = damping.to(layout.dtype.to_real())
        return lambda x: checked(x) + weight * x
    number("damping", damping, "a finite number >= 0 or a tensor", not_negative)
    return checked if damping == 0 else lambda x: damped(checked(x), x, damping, layout)


def _quotient(active: torch.Tensor, a: torch.Tensor, b: torch.Tensor, in_place: bool) -> torch.Tensor:
    """``a / b`` where active, else 0; where autograd records, the other quotients must not become NaN either."""
    return torch.where(active, a / (b if in_place else torch.where(active, b, 1.0)), 0.0)


@dataclass
class _State:
    """Per-item scalars, each ``(batch, 1)`` on the device."""

    active: torch.Tensor
    n_iter: torch.Tensor
    p_norm2: torch.Tensor  # ||p||^2, or its norm by the inverse preconditioner
    largest: torch.Tensor  # largest Rayleigh quotient seen
    failure: torch.Tensor  # Rayleigh quotient that stopped an item, not positive; 1 if none did


@dataclass(frozen=True)
class _Run:
    """The iteration, free of how derivatives are taken."""

    layout: Layout
    max_iter: int
    tol: float
    interval: int
    preconditioner: Operator | None

    def solve(
        self,
        A: Operator,
        b: torch.Tensor,
        x0: torch.Tensor | None,
        callback: Callback | None,
        record: bool,
        in_place: bool,
    ) -> tuple[torch.Tensor, SolverInfo | None]:
        """Iterate; with `in_place` vectors are overwritten, else every step can be differentiated."""
        not_mapped(b)
        layout, updates = self.layout, updates_for(b, in_place)
        b = layout.flatten(b)
        scale = peak(b.detach())
        r = b / scale
        b_norm2 = updates.dot(r, r)
        if x0 is None:
            x = torch.zeros_like(r)
        else:
            x = torch.where(b_norm2 > 0, layout.flatten(x0) / scale, 0.0)  # the solution for b = 0 is known
            r = r - self._apply(A, x)
        rr = updates.dot(r, r)
        z, rz = self._precondition(r, rr, updates)
        p = z.clone()
        threshold = max(self.tol, torch.finfo(r.dtype).eps) ** 2 * b_norm2.detach()
        b_norm2 = torch.where(b_norm2 > 0, b_norm2, 1.0).detach()
        state = self._start(rr.detach(), rz.detach(), threshold)
        norms = [(rr.detach() / b_norm2).sqrt()]

        for iteration in range(self.max_iter):
            if self._may_look() and iteration % self.interval == 0 and not bool(state.active.any()):
                break
            Ap = self._apply(A, p)
            curvature = updates.dot(p, Ap)
            self._judge(state, curvature.detach())
            alpha = _quotient(state.active, rz, curvature, in_place)
            x, r, rr = updates.descend(p, Ap, alpha, x, r)
            z, rz_new = self._precondition(r, rr, updates)
            state.n_iter = state.n_iter + state.active
            state.active = state.active & ~(rr.detach() <= threshold)  # never in place: autograd keeps it
            beta = _quotient(state.active, rz_new, rz, in_place)
            p = updates.turn(z, p, beta)
            rz = rz_new
            state.p_norm2 = torch.addcmul(rz.detach(), state.p_norm2, beta.detach().square())
            if record or callback is not None:
                norms.append((rr.detach() / b_norm2).sqrt())
            if callback is not None and callback(
                iteration + 1, layout.unflatten(x * scale), norms[-1].view(layout.batch_shape)
            ):
                break

        if self._may_look():
            self._raise_failures(state)
        converged = rr.detach() <= threshold
        x = layout.unflatten(torch.mul(x, scale, out=x) if in_place else x * scale)
        return x, self._info(state, norms, converged) if record else None

    def _may_look(self) -> bool:
        """Whether the host may read flags: where it has to wait for them, only when asked to stop early."""
        return self.tol > 0 or self.layout.device.type == "cpu"

    def _apply(self, A: Operator, x: torch.Tensor) -> torch.Tensor:
        return self.layout.flatten(A(self.layout.unflatten(x)))

    def _precondition(self, r: torch.Tensor, rr: torch.Tensor, updates: Updates) -> tuple[torch.Tensor, torch.Tensor]:
        """``z = M r`` and ``<r, z>``."""
        if self.preconditioner is None:
            return r, rr
        z = self.layout.check(self.preconditioner(self.layout.unflatten(r)), "preconditioner(r)")
        z = self.layout.flatten(z)
        return z, updates.dot(r, z)

    def _start(self, rr: torch.Tensor, rz: torch.Tensor, threshold: torch.Tensor) -> _State:
        active = ~(rr <= threshold)  # written so that NaN is active, and found by the first step
        n_iter, zero = torch.zeros_like(rr, dtype=torch.int64), torch.zeros_like(rr)
        return _State(active, n_iter, rz, largest=zero, failure=torch.ones_like(rr))

    def _judge(self, state: _State, curvature: torch.Tensor) -> None:
        """Stop items along whose direction `A` is not positive; ``||p||`` follows from ``<r, p_previous> = 0``."""
        rayleigh = curvature / state.p_norm2
        good = rayleigh > 0
        state.failure = torch.where(state.active & ~good, rayleigh, state.failure)
        state.active = state.active & good
        state.largest = torch.fmax(state.largest, rayleigh)

    def _raise_failures(self, state: _State) -> None:
        # A quotient within rounding of zero means that the attainable accuracy is reached, which is no failure.
        rounding = 100 * torch.finfo(state.failure.dtype).eps * state.largest
        failed = ~(state.failure > 0) & ~(state.failure.abs() < rounding)
        if not bool(failed.any()):
            return
        index = int(failed.flatten().nonzero()[0])
        item = tuple(int(i) for i in torch.unravel_index(torch.tensor(index), self.layout.batch_shape or (1,)))
        where = f" of batch item {item}" if self.layout.batch_shape else ""
        value, largest, n_iter = (float(t.flatten()[index]) for t in (state.failure, state.largest, state.n_iter))
        after = f"in iteration {int(n_iter) + 1}{where}"
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(f"b, A, x0 or preconditioner: expected finite values, got NaN or infinity {after}")
        quotient = "p^H A p / p^H p" if self.preconditioner is None else "p^H A p / p^H M^-1 p"
        raise ValueError(
            f"A: expected a Hermitian positive definite operator (with a positive definite preconditioner), got "
            f"{quotient} = {value:.3g} {after}, where the largest before was {largest:.3g}"
        )

    def _info(self, state: _State, norms: list[torch.Tensor], converged: torch.Tensor) -> SolverInfo:
        batch = self.layout.batch_shape
        return SolverInfo(
            n_iter=state.n_iter.view(batch),
            residual_norms=torch.stack(norms).view(len(norms), *batch),
            converged=(converged & (state.failure > 0)).view(batch),
        )
