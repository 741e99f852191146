"""Largest eigenvalue of a Hermitian operator, as needed for the step sizes of first-order methods."""

import torch

from mriops.solvers.flat import Layout, Operator, check_problem, peak, stop_interval
from mriops.solvers.implicit import derivatives_wanted, no_derivatives
from mriops.solvers.updates import updates_for


def power_method(
    A: Operator,
    x0: torch.Tensor,
    *,
    max_iter: int = 100,
    tol: float = 1e-4,
    batch_ndim: int = 0,
    check_every: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalue of largest magnitude of a Hermitian `A`, and its eigenvector, by power iteration.

    ``v <- A v / ||A v||``, ``lambda = v^H A v``. The Rayleigh quotient lies within the spectrum: it never exceeds the
    largest eigenvalue, and approaches it with the square of the ratio of the second to the first.

    Parameters
    ----------
    A : callable
        ``x -> A x``, Hermitian over the axes behind the batch axes; keeps shape, dtype and device.
    x0 : torch.Tensor
        Start, shape ``(*batch, *n)``, not orthogonal to the wanted eigenvector: random values are a good choice.
    max_iter : int
        Iterations at most, at least 1.
    tol : float
        Stops when ``lambda`` of every item changed by at most ``tol * |lambda|`` in an iteration.
    batch_ndim : int
        Number of leading axes of `x0` that hold independent problems.
    check_every : int, optional
        Iterations between two looks of the host at the stop flag; by default 1 on the CPU and 8 elsewhere.

    Returns
    -------
    eigenvalue : torch.Tensor
        Real, shape ``(*batch,)``; differentiable with respect to what `A` closes over (``v^H dA v``).
    vector : torch.Tensor
        Shape of `x0`, unit length, without derivatives.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit, if `x0` is empty or zero, or if NaN or infinity turn up.

    References
    ----------
    Golub, Van Loan. Matrix computations, 4th ed., 2013, section 8.2.
    """
    check_problem(x0, batch_ndim, max_iter, tol, [("A", A)])
    if max_iter < 1:
        raise ValueError(f"max_iter: expected an integer >= 1, got {max_iter!r}")
    if not x0.numel():
        raise ValueError(f"x0: expected no empty axis, got shape {tuple(x0.shape)}")
    layout, interval = Layout.of(x0, batch_ndim), stop_interval(x0.device, check_every)
    with no_derivatives():
        updates = updates_for(x0, in_place=True)
        v = layout.flatten(x0)
        v = v / torch.linalg.vector_norm(v, ord=float("inf"), dim=-1, keepdim=True)
        v = v / updates.dot(v, v).sqrt()
        if not bool(torch.isfinite(v).all()):
            raise ValueError("x0: expected finite values that are not all zero in each batch item")
        eigenvalue = None
        for iteration in range(max_iter):
            w = layout.flatten(layout.check(A(layout.unflatten(v)), "A(x)"))
            scale = peak(w)
            w = w / scale
            previous, eigenvalue = eigenvalue, updates.dot(v, w) * scale
            norm = updates.dot(w, w).sqrt()
            v = torch.where(norm > 0, w / torch.where(norm > 0, norm, 1.0), v)
            # NaN compares False and ends the loop too
            if previous is not None and tol > 0 and iteration % interval == 0 and not _moves(previous, eigenvalue, tol):
                break
        vector = layout.unflatten(v)
    # One more application: the quotient of the returned vector, and the way of the derivatives.
    w = layout.flatten(layout.check(A(vector), "A(x)"))
    scale = peak(w.detach())
    updates = updates_for(x0, in_place=not derivatives_wanted())
    eigenvalue = updates.dot(layout.flatten(vector), w / scale) * scale
    return _finite(eigenvalue, layout), vector


def _moves(previous: torch.Tensor, eigenvalue: torch.Tensor, tol: float) -> bool:
    return bool(((eigenvalue - previous).abs() > tol * eigenvalue.abs()).any())


def _finite(value: torch.Tensor, layout: Layout) -> torch.Tensor:
    if not bool(torch.isfinite(value.detach()).all()):
        raise ValueError("A: expected finite values, got NaN or infinity")
    return value.view(layout.batch_shape)


def lipschitz(
    A: Operator,
    x0: torch.Tensor,
    *,
    max_iter: int = 100,
    tol: float = 1e-3,
    batch_ndim: int = 0,
    check_every: int | None = None,
) -> torch.Tensor:
    """Lipschitz constant of ``x -> A x`` for a Hermitian positive semi-definite `A`, estimated from above.

    ``|lambda| + ||A v - lambda v||`` with ``(lambda, v)`` of `power_method`: the second term bounds the distance of
    ``lambda`` to an eigenvalue, so that step sizes ``1 / L`` stay on the safe side of an unfinished iteration.

    Parameters
    ----------
    A, x0, max_iter, tol, batch_ndim, check_every
        As in `power_method`.

    Returns
    -------
    torch.Tensor
        Real, shape ``(*batch,)``, without derivatives.

    Raises
    ------
    TypeError, ValueError
        As `power_method`.

    References
    ----------
    Parlett. The symmetric eigenvalue problem. SIAM, 1998, theorem 4.5.1.
    """
    with no_derivatives():
        _, vector = power_method(A, x0, max_iter=max_iter, tol=tol, batch_ndim=batch_ndim, check_every=check_every)
        layout, updates = Layout.of(x0, batch_ndim), updates_for(x0, in_place=True)
        v = layout.flatten(vector)
        w = layout.flatten(A(vector))
        scale = peak(w)
        w = w / scale
        value = updates.dot(v, w)
        rest = w - value * v
        return _finite((value.abs() + updates.dot(rest, rest).sqrt()) * scale, layout)
