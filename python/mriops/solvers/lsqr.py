"""Least squares by the bidiagonalisation of Golub and Kahan, without forming the normal operator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, overload

import torch

from mriops._native.arguments import not_negative, number
from mriops.solvers.cg import cg
from mriops.solvers.flat import Layout, Operator, check_damping, check_problem, not_mapped, peak, stop_interval
from mriops.solvers.implicit import ClosureProbe, attach, derivatives_wanted, in_transform, no_derivatives
from mriops.solvers.info import SolverInfo
from mriops.solvers.updates import Updates, updates_for

Callback = Callable[[int, torch.Tensor, torch.Tensor], bool | None]
_MODERATE = (1e-8, 1e8)  # sizes of A whose squares are far from the limits of single precision


@overload
def lsqr(
    A: Operator,
    AH: Operator,
    b: torch.Tensor,
    *,
    x0: torch.Tensor | None = ...,
    max_iter: int = ...,
    tol: float = ...,
    damping: float | torch.Tensor = ...,
    batch_ndim: int = ...,
    callback: Callback | None = ...,
    implicit_grad: bool = ...,
    grad_order: int = ...,
    check_every: int | None = ...,
    return_info: Literal[False] = ...,
) -> torch.Tensor: ...
@overload
def lsqr(
    A: Operator,
    AH: Operator,
    b: torch.Tensor,
    *,
    x0: torch.Tensor | None = ...,
    max_iter: int = ...,
    tol: float = ...,
    damping: float | torch.Tensor = ...,
    batch_ndim: int = ...,
    callback: Callback | None = ...,
    implicit_grad: bool = ...,
    grad_order: int = ...,
    check_every: int | None = ...,
    return_info: Literal[True],
) -> tuple[torch.Tensor, SolverInfo]: ...
def lsqr(
    A: Operator,
    AH: Operator,
    b: torch.Tensor,
    *,
    x0: torch.Tensor | None = None,
    max_iter: int = 100,
    tol: float = 1e-6,
    damping: float | torch.Tensor = 0.0,
    batch_ndim: int = 0,
    callback: Callback | None = None,
    implicit_grad: bool = True,
    grad_order: int = 1,
    check_every: int | None = None,
    return_info: bool = False,
) -> torch.Tensor | tuple[torch.Tensor, SolverInfo]:
    """Minimise ``||A x - b||^2 + damping ||x - x0||^2`` by LSQR.

    In exact arithmetic the iterates are those of `mriops.solvers.cg` on ``A^H A + damping``; in single precision LSQR
    keeps twice the digits where `A` is badly conditioned. `damping` means the same in both (the ``damp`` of SciPy is
    its square root).

    Parameters
    ----------
    A, AH : callable
        ``x -> A x`` and its adjoint ``y -> A^H y``.
    b : torch.Tensor
        Right-hand side, shape ``(*batch, *m)``, real or complex.
    x0 : torch.Tensor, optional
        Start and centre of the damping, shape ``(*batch, *n)``; zeros by default. Its implicit derivative is that of
        the centre: where ``A`` and damping leave one solution, it does not depend on the start.
    max_iter : int
        Iterations at most.
    tol : float
        An item stops when ``||A^H (b - A x) - damping (x - x0)|| <= tol * ||A^H b||`` by the recurrence's estimate,
        which is when `cg` on the normal equations would.
    damping : float or torch.Tensor
        Non-negative; a tensor has one element or one per batch item, shape ``(*batch,)``.
    batch_ndim : int
        Number of leading axes of `b` and `x` that hold independent problems.
    callback : callable, optional
        ``callback(iteration, x, residual_norms)`` after each iteration, with the norms of the normal residual as in
        `tol`, shape ``(*batch,)``; returning True stops.
    implicit_grad, grad_order, check_every, return_info
        As in `mriops.solvers.cg`; the backward pass solves the normal equations by it. `SolverInfo.residual_norms`
        are those of the normal residual.

    Returns
    -------
    torch.Tensor or (torch.Tensor, SolverInfo)
        Solution, shape ``(*batch, *n)``; differentiable with respect to `b`, `x0`, `damping` and all that `A` and `AH`
        close over.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit, or if NaN or infinity turn up.
    NotImplementedError
        If ``torch.func.vmap`` maps over it: give batch axes.

    References
    ----------
    Paige, Saunders. LSQR: an algorithm for sparse linear equations and sparse least squares. ACM TOMS 8, 1982.
    """
    check_problem(b, batch_ndim, max_iter, tol, [("A", A), ("AH", AH)], callback)
    if grad_order not in (1, 2):
        raise ValueError(f"grad_order: expected 1 or 2, got {grad_order!r}")
    damping = _check_damping(damping, b, batch_ndim)
    forward, adjoint = ClosureProbe(A), ClosureProbe(AH)
    run = _Run(Layout.of(b, batch_ndim), max_iter, tol, stop_interval(b.device, check_every))

    if not implicit_grad or not derivatives_wanted():
        wanted = derivatives_wanted()
        x, info = run.solve(A, AH, b, x0, damping, callback, return_info, in_place=not wanted)
        return (x, info) if return_info and info is not None else x

    with no_derivatives():
        x, info = run.solve(forward, adjoint, b, x0, damping, callback, return_info, in_place=True)
    weight = _expand(damping, x, batch_ndim)

    def inverse(g: torch.Tensor, order: int | None) -> torch.Tensor:
        not_mapped(g)  # before anything looks at the weight, whose transform may have ended
        options = {"max_iter": max_iter, "tol": tol, "damping": weight, "batch_ndim": batch_ndim}
        return cg(lambda v: AH(A(v)), g, check_every=check_every, implicit_grad=order != 0, **options)  # type: ignore

    def residual(x: torch.Tensor) -> torch.Tensor:
        return AH(b - A(x)) - weight * (x if x0 is None else x - x0)

    given = any(isinstance(tensor, torch.Tensor) and tensor.requires_grad for tensor in (weight, x0))
    closure = in_transform() or given or (forward.requires_grad, adjoint.requires_grad) != (False, False)
    if closure:
        x = attach(x, b, residual, inverse, True, grad_order)
    elif b.requires_grad:
        x = attach(x, AH(b), residual, inverse, False, grad_order)
    return (x, info) if return_info and info is not None else x


def _check_damping(damping: float | torch.Tensor, b: torch.Tensor, batch_ndim: int) -> float | torch.Tensor:
    if isinstance(damping, torch.Tensor):
        batch = tuple(b.shape[:batch_ndim])
        if damping.is_complex() or (damping.numel() != 1 and tuple(damping.shape) != batch):
            raise ValueError(
                f"damping: expected one real number or one per batch item, shape {batch}, got {damping.dtype} of shape "
                f"{tuple(damping.shape)}"
            )
        check_damping(damping)
    else:
        number("damping", damping, "a finite number >= 0 or a tensor", not_negative)
    return damping


def _expand(damping: float | torch.Tensor, x: torch.Tensor, batch_ndim: int) -> float | torch.Tensor:
    """Damping with the axes of `x`."""
    if not isinstance(damping, torch.Tensor):
        return damping
    if damping.numel() == 1:
        return damping.reshape(())
    return damping.reshape(*damping.shape, *[1] * (x.ndim - batch_ndim))


def _unit(v: torch.Tensor, updates: Updates) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of length one, in place if `updates` are, and their lengths; rows of zeros stay."""
    norm2 = updates.dot(v, v)
    some = norm2 != 0  # true for NaN
    # where() around the root keeps its derivative at zero finite
    norm = torch.where(some, torch.where(some, norm2, 1.0).sqrt(), 0.0)
    return updates.scale(v, 1.0 / torch.where(some, norm, 1.0)), norm


def _unit_of(size: torch.Tensor, damping: float | torch.Tensor) -> torch.Tensor:
    """What `A` is divided by so that squares of its values, and damping, stay in range; 1 where they do anyway."""
    damping = damping.detach() if isinstance(damping, torch.Tensor) else size.new_tensor(damping)
    unit = torch.maximum(size, damping.clamp_min(0.0).sqrt())
    return torch.where((unit > _MODERATE[0]) & (unit < _MODERATE[1]), 1.0, unit)


class _Reference(NamedTuple):
    """``||A^H b||`` of each row as ``length * size * scale``, a product that may be out of range."""

    length: torch.Tensor
    size: torch.Tensor
    scale: torch.Tensor

    def relative(self, scale: torch.Tensor, unit: torch.Tensor) -> torch.Tensor:
        """For data divided by `scale`, and `A` by `unit`."""
        return self.length * (self.size / unit) * (self.scale / scale)


@dataclass
class _Rotation:
    """The QR factors of the bidiagonal matrix that the next iteration needs, each ``(batch, 1)``."""

    rhobar: torch.Tensor
    phibar: torch.Tensor

    def advance(
        self, alpha: torch.Tensor, beta: torch.Tensor, damping: float | torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Rotate damping and the subdiagonal out; steps of the solution and of its direction, normal residual."""
        damped2 = self.rhobar**2 + damping
        rho2 = damped2 + beta**2
        rho = torch.where(rho2 > 0, rho2, 1.0).sqrt()
        damped = torch.where(damped2 > 0, damped2, 1.0).sqrt()
        phibar = self.phibar * self.rhobar / damped
        c, s = damped / rho, beta / rho
        phi, theta = c * phibar, s * alpha
        self.phibar, self.rhobar = s * phibar, -c * alpha
        return phi / rho, -theta / rho, (alpha * s * phi).abs().detach()


@dataclass(frozen=True)
class _Run:
    """The iteration, free of how derivatives are taken."""

    layout: Layout
    max_iter: int
    tol: float
    interval: int

    def solve(
        self,
        A: Operator,
        AH: Operator,
        b: torch.Tensor,
        x0: torch.Tensor | None,
        damping: float | torch.Tensor,
        callback: Callback | None,
        record: bool,
        in_place: bool,
    ) -> tuple[torch.Tensor, SolverInfo | None]:
        """Iterate from x0."""
        if x0 is None:
            return self._solve(A, AH, b, damping, callback, record, in_place, None)
        image = self.layout.check(A(x0), "A(x0)")
        b_flat = self.layout.flatten(b)
        scale = peak(b_flat.detach())
        domain, _, length, size = self._adjoint(AH, b_flat.detach() / scale, updates_for(b, in_place))
        domain.check(x0, "x0")
        shifted = None if callback is None else lambda k, x, norms: callback(k, x + x0, norms)
        reference = _Reference(length.detach(), size, scale)
        x, info = self._solve(A, AH, b - image, damping, shifted, record, in_place, reference)
        return x + x0, info

    def _solve(
        self,
        A: Operator,
        AH: Operator,
        b: torch.Tensor,
        damping: float | torch.Tensor,
        callback: Callback | None,
        record: bool,
        in_place: bool,
        reference: _Reference | None,
    ) -> tuple[torch.Tensor, SolverInfo | None]:
        """Iterate from zero; with `in_place` vectors are overwritten, else every step can be differentiated."""
        not_mapped(b)
        space, batch = self.layout, self.layout.batch_shape
        updates = updates_for(b, in_place)
        b_flat = space.flatten(b)
        scale = peak(b_flat.detach())
        u, beta = _unit(b_flat / scale, updates)
        domain, v, alpha, size = self._adjoint(AH, u, updates)
        damp = damping.reshape(-1, 1).to(v.dtype) if isinstance(damping, torch.Tensor) else damping
        unit = _unit_of(size, damp)
        alpha, damp = alpha * (size / unit), damp / unit / unit
        divided = not self._may_look() or bool((unit != 1).any())
        x, w, rotation = torch.zeros_like(v), v.clone(), _Rotation(alpha, beta)
        normal = (alpha * beta).detach()
        wanted = normal if reference is None else reference.relative(scale, unit)
        threshold = max(self.tol, torch.finfo(v.dtype).eps ** 2) * wanted
        whole = torch.where(wanted > 0, wanted, 1.0)
        active, finite = ~(normal <= threshold), normal < float("inf")
        n_iter, norms = torch.zeros_like(normal, dtype=torch.int64), [normal / whole]

        back = scale / unit
        for iteration in range(self.max_iter):
            if self._may_look() and iteration % self.interval == 0 and not bool(active.any()):
                break
            Av = space.flatten(space.check(A(domain.unflatten(v)), "A(x)"))
            u, beta = _unit(updates.turn(Av / unit if divided else Av, u, -alpha), updates)
            AHu = domain.flatten(domain.check(AH(space.unflatten(u)), "AH(y)"))
            v, alpha = _unit(updates.turn(AHu / unit if divided else AHu, v, -beta), updates)
            step, turn, now = rotation.advance(alpha, beta, damp)
            x = updates.advance(x, w, torch.where(active, step, 0.0))
            w = updates.turn(v, w, turn)
            normal = torch.where(active, now, normal)
            n_iter, finite = n_iter + active, finite & (normal < float("inf"))
            active = active & finite & ~(normal <= threshold)  # never in place: autograd keeps it
            if record or callback is not None:
                norms.append(normal / whole)
            if callback is not None and callback(iteration + 1, domain.unflatten(x * back), norms[-1].view(batch)):
                break

        if self._may_look() and not bool(finite.all()):
            raise ValueError("b, A or AH: expected finite values, got NaN or infinity")
        x = domain.unflatten(x * back)
        if not record:
            return x, None
        return x, SolverInfo(
            n_iter.view(batch), torch.stack(norms).view(len(norms), *batch), (normal <= threshold).view(batch)
        )

    def _may_look(self) -> bool:
        """Whether the host may read flags: where it has to wait for them, only when asked to stop early."""
        return self.tol > 0 or self.layout.device.type == "cpu"

    def _adjoint(
        self, AH: Operator, u: torch.Tensor, updates: Updates
    ) -> tuple[Layout, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Layout of the domain, and ``A^H u`` as unit rows, their lengths relative to their peaks, and these."""
        v = AH(self.layout.unflatten(u))
        if not isinstance(v, torch.Tensor):
            raise TypeError(f"AH(b): expected a torch.Tensor, got {type(v).__name__}")
        not_mapped(v)
        batch = self.layout.batch_shape
        if tuple(v.shape[: len(batch)]) != batch:
            raise ValueError(f"AH(b): expected leading batch axes {batch}, got shape {tuple(v.shape)}")
        domain = Layout.of(v, self.layout.batch_ndim)
        rows = domain.flatten(v)
        size = peak(rows.detach())
        return domain, *_unit(rows / size, updates), size  # divided, hence a copy: an operator may return its argument
