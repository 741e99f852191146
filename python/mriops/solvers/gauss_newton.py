"""Iteratively regularised Gauss-Newton for images that a nonlinear model makes and a linear operator measures."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.func import jvp, vjp

from mriops._native.arguments import integer, not_negative, number, positive
from mriops.solvers.cg import cg
from mriops.solvers.flat import Operator
from mriops.solvers.implicit import no_derivatives

Callback = Callable[[int, torch.Tensor, float], bool | None]
Proximal = Callable[[torch.Tensor, float], torch.Tensor]


class Linearization(NamedTuple):
    """A function at one point: its value, and its derivative applied forwards and backwards.

    Attributes
    ----------
    value
        ``M(x)``.
    tangent
        ``d -> M'(x) d``.
    cotangent
        ``u -> M'(x)^H u``, with real inner products where ``x`` is real.
    """

    value: torch.Tensor
    tangent: Operator
    cotangent: Operator


def linearize(model: Operator, x: torch.Tensor) -> Linearization:
    """Linearise any differentiable function by forward- and reverse-mode derivatives.

    Parameters
    ----------
    model
        Function of one tensor that ``torch.func`` can differentiate.
    x
        The point.

    Returns
    -------
    Linearization
        Each tangent costs one forward-mode call; the cotangents share one recorded call.
    """
    value, pull = vjp(model, x)[:2]
    return Linearization(value.detach(), lambda d: jvp(model, (x,), (d,))[1], lambda u: pull(u)[0])


def pointwise_linearize(model: Operator, x: torch.Tensor) -> Linearization:
    """Linearise a model whose output at a pixel depends on the parameters of that pixel alone.

    The derivative is then a small matrix per pixel, computed once by one forward-mode call per parameter; every product
    with it is a multiplication.

    Parameters
    ----------
    model
        Parameters ``(n_parameters, *im)``, real, to signals ``(times, *im)``, real or complex.
    x
        Parameters.

    Returns
    -------
    Linearization
        At `x`.

    Raises
    ------
    ValueError
        If `x` is not real, or the model changes the axes behind the first.
    """
    if x.is_complex():
        raise ValueError(f"x: expected real parameters (n_parameters, *im), got {x.dtype}")
    columns = []
    for unit in torch.eye(x.shape[0], dtype=x.dtype, device=x.device):
        direction = unit.reshape(-1, *(1,) * (x.ndim - 1)).expand(x.shape).contiguous()
        value, column = jvp(model, (x,), (direction,))[:2]
        columns.append(column)
    if value.shape[1:] != x.shape[1:]:
        raise ValueError(f"model: expected a result of shape (times, *{tuple(x.shape[1:])}), got {tuple(value.shape)}")
    jacobian = torch.stack(columns)

    def cotangent(u: torch.Tensor) -> torch.Tensor:
        product = (jacobian.conj() * u).sum(1)
        return product.real if product.is_complex() else product

    return Linearization(value, lambda d: torch.einsum("pt...,p...->t...", jacobian, d.to(jacobian.dtype)), cotangent)


def irgnm(
    model: Operator,
    adjoint_data: torch.Tensor,
    x0: torch.Tensor,
    *,
    gram: Operator | None = None,
    reference: torch.Tensor | None = None,
    alpha: float = 1.0,
    alpha_factor: float = 0.5,
    alpha_min: float = 0.0,
    penalty: Callable[[torch.Tensor], Operator] | None = None,
    smoothing: Callable[[torch.Tensor], Operator] | None = None,
    proximal: Proximal | None = None,
    rho: float = 1.0,
    admm_iter: int = 10,
    max_iter: int = 10,
    cg_iter: int = 50,
    cg_tol: float = 1e-3,
    project: Operator | None = None,
    linearization: Callable[[Operator, torch.Tensor], Linearization] = linearize,
    callback: Callback | None = None,
) -> torch.Tensor:
    r"""Minimise ``||A M(x) - y||^2`` by Gauss-Newton steps whose regularisation falls from step to step.

    Step ``n`` solves, by conjugate gradients,

    .. math:: (J^H A^H A J + \alpha_n (Q_n + S_n)) d
              = J^H A^H (y - A M(x_n)) - \alpha_n (Q_n (x_n - x_\mathrm{ref}) + S_n x_n),
              \qquad \alpha_n = \max(\alpha q^n, \alpha_\mathrm{min}),

    and moves to ``project(x_n + d)``. With `proximal` the step minimises the same quadratic form plus
    ``alpha_n g(x_n + d)`` by the alternating direction method of multipliers. Measured data enter as ``A^H y`` alone,
    so a fused or Toeplitz normal operator is all that an iteration applies.

    Parameters
    ----------
    model : callable
        ``M``: parameters to what ``A`` measures.
    adjoint_data : torch.Tensor
        ``A^H y``, shape of ``M(x)``.
    x0 : torch.Tensor
        Start; real parameters have real steps, whatever ``M`` returns. Scale them so that all are of order one.
    gram : callable, optional
        ``A^H A``; the identity by default, for fits of images.
    reference : torch.Tensor, optional
        ``x_ref``, towards which the regularisation pulls; zeros by default.
    alpha, alpha_factor, alpha_min : float
        Regularisation of the first step, what each step multiplies it by (in (0, 1]), and its floor.
    penalty : callable, optional
        ``x -> Q``, with ``Q`` a symmetric positive semidefinite callable, frozen during one step (the identity by
        default): what pulls towards `reference`.
    smoothing : callable, optional
        ``x -> S``, as `penalty`, of what `reference` has no part in. Edge-preserving penalties of the parameters
        themselves are of this form when their weights are taken from the last step.
    proximal : callable, optional
        ``(v, t) -> argmin_u |u - v|^2 / 2 + t g(u)`` of a penalty ``g`` that has no derivative, such as the 1-norm of
        wavelet coefficients. The result has gone through it.
    rho, admm_iter : float, int
        Of the method of multipliers: weight of the split, best near the mean of ``J^H A^H A J``, and iterations in each
        step, which share the `cg_iter`.
    max_iter, cg_iter : int
        Gauss-Newton steps, and iterations of conjugate gradients within each.
    cg_tol : float
        Relative residual at which these stop.
    project : callable, optional
        Applied to the parameters after each step: bounds.
    linearization : callable
        `linearize`, or `pointwise_linearize` where the model acts pixel by pixel.
    callback : callable, optional
        ``callback(step, x, relative_step)`` after each step; returning True stops.

    Returns
    -------
    torch.Tensor
        Parameters, shape of `x0`. No derivative is recorded.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit, or parameters or data become NaN or infinite.

    References
    ----------
    Bakushinskii. The problem of the convergence of the iteratively regularized Gauss-Newton method. Comput Math Math
    Phys 32, 1992. Uecker et al. Image reconstruction by regularized nonlinear inversion. Magn Reson Med 60, 2008.
    Acar, Vogel. Analysis of bounded variation penalty methods for ill-posed problems. Inverse Problems 10, 1994 (lagged
    weights). Boyd et al. Distributed optimization and statistical learning via the alternating direction method of
    multipliers. Found Trends Mach Learn 3, 2011.
    """
    number("rho", rho, "a finite number > 0", positive)
    for name, count, least in (("admm_iter", admm_iter, 1), ("max_iter", max_iter, 0), ("cg_iter", cg_iter, 0)):
        integer(name, count, least)
    for name, size in (("alpha", alpha), ("alpha_min", alpha_min), ("cg_tol", cg_tol)):
        number(name, size, "a finite number >= 0", not_negative)
    number("alpha_factor", alpha_factor, "a number in (0, 1]", lambda value: 0 < value <= 1)
    _check(model, x0, adjoint_data)
    x = x0.detach().clone()
    pull = torch.zeros_like(x) if reference is None else reference.detach()
    if pull.shape != x.shape:
        raise ValueError(f"reference: expected the shape of x0 {tuple(x.shape)}, got {tuple(pull.shape)}")
    normal = gram or (lambda u: u)
    with no_derivatives():
        for step in range(max_iter):
            weight = max(alpha * alpha_factor**step, alpha_min)
            point = linearization(model, x)
            if point.value.shape != adjoint_data.shape:
                raise ValueError(
                    f"adjoint_data: expected the shape of model(x0) {tuple(point.value.shape)}, got "
                    f"{tuple(adjoint_data.shape)}"
                )
            if adjoint_data.is_complex() and not point.value.is_complex():
                raise TypeError(f"adjoint_data: expected real data, as model(x0) is, got {adjoint_data.dtype}")
            metric: Operator = (lambda d: d) if penalty is None else penalty(x)
            outward = metric(x - pull)
            if smoothing is not None:
                smooth = smoothing(x)
                outward, metric = outward + smooth(x), _sum(metric, smooth)
            right = point.cotangent(adjoint_data - normal(point.value)) - weight * outward
            if not bool(torch.isfinite(right).all()):
                raise ValueError(
                    f"model, gram or adjoint_data: expected finite values, got NaN or infinity in step {step}"
                )
            system = _system(point, normal, weight, metric)
            if proximal is None:
                moved = x + cg(system, right, max_iter=cg_iter, tol=cg_tol)
            else:
                near = lambda v, weight=weight: proximal(v, weight / rho)  # noqa: E731
                moved = _split_step(system, right, x, near, rho, admm_iter, max(cg_iter // admm_iter, 3), cg_tol)
            moved = moved if project is None else project(moved)
            if not bool(torch.isfinite(moved).all()):
                raise ValueError(
                    f"model, proximal or project: expected finite parameters, got NaN or infinity in step {step}"
                )
            change = float(torch.linalg.vector_norm(moved - x) / torch.linalg.vector_norm(moved).clamp_min(1e-30))
            x = moved
            if callback is not None and callback(step + 1, x, change):
                break
    return x


def _sum(a: Operator, b: Operator) -> Operator:
    return lambda v: a(v) + b(v)


def _system(point: Linearization, normal: Operator, weight: float, metric: Operator) -> Operator:
    """``v -> J^H A^H A J v + weight metric(v)``."""
    return lambda v: point.cotangent(normal(point.tangent(v))) + weight * metric(v)


def _split_step(
    system: Operator,
    right: torch.Tensor,
    x: torch.Tensor,
    near: Operator,
    rho: float,
    admm_iter: int,
    cg_iter: int,
    cg_tol: float,
) -> torch.Tensor:
    """``x + d`` with ``d`` the minimiser of ``<d, system d> / 2 - <right, d> + g(x + d)``, scaled dual form."""
    split, dual, d = x, torch.zeros_like(x), torch.zeros_like(x)
    for _ in range(admm_iter):
        d = cg(system, right + rho * (split - dual - x), x0=d, max_iter=cg_iter, tol=cg_tol, damping=rho)
        split = near(x + d + dual)
        dual = dual + x + d - split
    return split


def _check(model: object, x0: object, adjoint_data: object) -> None:
    if not callable(model):
        raise TypeError(f"model: expected a callable, got {type(model).__name__}")
    for name, value in (("x0", x0), ("adjoint_data", adjoint_data)):
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{name}: expected a torch.Tensor, got {type(value).__name__}")
        if not (value.is_floating_point() or value.is_complex()):
            raise TypeError(f"{name}: expected a floating-point or complex tensor, got {value.dtype}")
