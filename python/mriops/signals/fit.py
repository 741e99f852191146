"""Parameters of a signal model, voxel by voxel, with uncertainty and convergence as maps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mriops._native.arguments import instance, integer, number, positive

from ._known import as_rows, check_start, deviation_of, named, pair, places_inside, typical_of
from ._least_squares import Problem, Solution, blind, implicit_step, least_squares, of_either_sign
from ._minima import starts_along, starts_of_model
from ._rician import rician_fit
from ._scale import Scale, scaled
from .operator import SignalOp
from .start import make_atoms, nearest_atoms

__all__ = ["FitResult", "fit"]

#: Parameters that have a default and are nevertheless fitted unless they are fixed.
_FREE_ALL_THE_SAME = {"inversion_recovery": ("efficiency",), "molli": ("efficiency",)}
#: Fits have single precision or more.
_SINGLE = {torch.float16: torch.float32, torch.bfloat16: torch.float32, torch.complex32: torch.complex64}


class FitResult(NamedTuple):
    """Maps of a fit; voxels outside the mask, and those with NaN, are NaN in all of them and not converged.

    Attributes
    ----------
    parameters
        By name, fixed ones too.
    uncertainty
        Standard deviation by name, from the Cramer-Rao bound at the solution.
    converged
        bool: what was left to go is expected to be below ``tol`` standard errors, and every free parameter that is on
        no bound changes the signal. A bound may hold a parameter there, of a model that is not that of the data:
        compare with ``op.bounds`` or those given.
    noise
        Standard deviation of the noise: given, or estimated from what the fit leaves.
    iterations
        int32.
    """

    parameters: dict[str, Tensor]
    uncertainty: dict[str, Tensor]
    converged: Tensor
    noise: Tensor
    iterations: Tensor


def fit(
    op: SignalOp,
    signal: Tensor,
    *,
    fixed: Mapping[str, Any] | None = None,
    free: Sequence[str] = (),
    start: Mapping[str, Any] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    mask: Tensor | None = None,
    noise: float | Tensor | None = None,
    rician: bool = False,
    max_iter: int = 60,
    tol: float = 1e-3,
) -> FitResult:
    """Least squares ``min_p sum_t |s_t - f_t(p)|^2`` in every voxel.

    It starts from the point of a grid at which the signal, projected on what the linear parameters span, keeps most of
    its energy. Where m0 and at most one more parameter can be projected out and leave one or two, it goes on with these
    alone (variable projection); otherwise, and where bounds hold a projected one, by Levenberg-Marquardt with all
    parameters. It stops where what is left to go is expected to be below ``tol`` standard errors. Runs on the CPU, one
    lane per voxel.

    Parameters are differentiable in the signal by the implicit function theorem at the solution, of the squares or of
    the likelihood, without the products of residual and curvature of the model (Gauss-Newton).

    Parameters
    ----------
    op
        Model and measurement. With ``magnitude=True`` of the model the magnitude is fitted.
    signal
        ``(times, *voxels)``, real, or complex. A complex signal of a real model is first turned, voxel by voxel, by the
        phase that makes its squares add up, which is known up to half a turn: a free m0 without bounds takes it up
        and its absolute value is returned; otherwise, and with ``start``, of both the one that leaves less counts. With
        a model of magnitude the magnitude is taken.
    fixed
        Parameters that are known: numbers or maps; of a tensor its components come first. Optional ones that are not
        given keep their default, except the efficiency of ``inversion_recovery`` and ``molli``, which is fitted.
    free
        Names of optional parameters to be fitted as well.
    start
        Where free parameters begin, instead of the grid: all of them and no others, within their bounds.
    bounds
        By name, instead of the model's: ``(lower, upper)`` each.
    mask
        ``(*voxels)``, bool, or numbers, neither 0 nor NaN: where to fit.
    noise
        Standard deviation of the noise in each (real) sample; estimated per voxel if None.
    rician
        Maximise the likelihood of magnitudes of complex noise (needs ``noise`` and magnitudes), by expectation
        maximisation over the unknown phase; of three starts the likeliest result is kept.
    max_iter
        Steps at most.
    tol
        See above.

    Returns
    -------
    FitResult
        Maps.

    Raises
    ------
    TypeError
        Unknown names, those in ``start`` that are not the free ones; values that are no numbers; a complex model and a
        real signal; a mask that is no tensor.
    ValueError
        Shapes that do not fit, no free parameter, fewer samples than parameters, noise that is not above zero, a start
        beyond the bounds, steps below 0, a tolerance that is not above zero.

    References
    ----------
    Golub GH, Pereyra V. The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
    separate. SIAM J Numer Anal 1973;10:413-432. Marquardt DW. An algorithm for least-squares estimation of nonlinear
    parameters. J Soc Ind Appl Math 1963;11:431-441. Kaufman L. A variable projection method for solving separable
    nonlinear least squares problems. BIT 1975;15:49-57.
    """
    instance("op", op, SignalOp, "mriops.signals.SignalOp")
    max_iter, tol = integer("max_iter", max_iter, 0), number("tol", tol, "a positive number", positive)
    fixed, limits = fixed or {}, dict(bounds or {})
    samples = _samples(op, signal).cpu()
    voxels = tuple(signal.shape[1:])
    inside = places_inside(mask, voxels)
    samples = samples[:, inside]
    turned = signal.is_complex() and not op.magnitude and not op.is_complex
    unsigned = turned and "m0" in op.names and "m0" not in fixed and "m0" not in limits
    if unsigned:
        limits["m0"] = (-math.inf, math.inf)
    sigma = None if noise is None else deviation_of(noise, signal, inside).to(samples.dtype)
    if rician and (sigma is None or not op.magnitude):
        raise ValueError("rician: expected a model of magnitude and noise, the standard deviation of the noise")

    def posed(samples: Tensor) -> tuple[Problem, Scale]:
        return scaled(_problem(op, samples, voxels, inside, fixed, free, start, limits))

    problem, scale = posed(samples)
    share = None if sigma is None else sigma / scale.signal

    @torch.no_grad()
    def solve(problem: Problem) -> Solution:
        if rician and share is not None:
            return rician_fit(problem, share, max_iter=max_iter, tol=tol)
        return least_squares(problem, max_iter=max_iter, tol=tol, estimate_noise=share is None)

    solution = solve(problem)
    if turned and not (unsigned and start is None):  # nothing else takes up the half turn
        opposite = posed(-samples)[0]
        problem, solution = of_either_sign((problem, opposite), (solution, solve(opposite)))
    parameters, deviation = solution.parameters, solution.deviation
    if problem.samples.requires_grad:
        parameters = implicit_step(problem, parameters, share if rician else None)
    deviation = deviation if share is None else deviation * share
    parameters, deviation = parameters * scale.rows, deviation * scale.rows
    lost = solution.parameters.isnan().any(0)
    sigma = solution.noise * scale.signal if sigma is None else torch.where(lost, math.nan, sigma)
    if unsigned:
        row = op.model.row_names.index("m0")
        parameters = torch.cat([parameters[:row], parameters[row : row + 1].abs(), parameters[row + 1 :]])
    # Where nothing depends on a parameter, steps of zero would pass for convergence.
    steps = torch.where(blind(problem, solution), -solution.iterations.abs(), solution.iterations)
    return _maps(op, signal, inside, parameters, deviation, sigma, steps)


def _samples(op: SignalOp, signal: Tensor) -> Tensor:
    """Real samples ``(samples, voxels)``, times outermost, then real and imaginary part."""
    if not isinstance(signal, Tensor):
        raise TypeError(f"signal: expected torch.Tensor, got {type(signal).__module__}.{type(signal).__qualname__}")
    if signal.ndim < 1 or signal.shape[0] != op.times:
        raise ValueError(f"signal: expected shape ({op.times}, *voxels), times first, got {tuple(signal.shape)}")
    flat = signal.reshape(op.times, -1).resolve_conj()
    if flat.dtype in _SINGLE:
        flat = flat.to(_SINGLE[flat.dtype])
    if not flat.is_complex():
        if op.is_complex:
            raise TypeError(f"signal: expected a complex dtype for {op.name} (or magnitude=True), got {signal.dtype}")
        return flat if flat.is_floating_point() else flat.to(torch.get_default_dtype())
    if op.magnitude:
        return flat.abs()
    if op.is_complex:
        return torch.view_as_real(flat).movedim(-1, 1).flatten(0, 1)
    phase = torch.angle((flat * flat).sum(0)) / 2
    return (flat * torch.polar(torch.ones_like(phase), -phase)).real


def _problem(
    op: SignalOp,
    samples: Tensor,
    voxels: tuple[int, ...],
    inside: Any,
    fixed: Mapping[str, Any],
    wanted: Sequence[str],
    start: Mapping[str, Any] | None,
    bounds: Mapping[str, tuple[float, float]],
) -> Problem:
    """What is to be fitted to samples ``(samples, voxels inside)``, with its starts."""
    known = named(op, fixed, "fixed")
    begin = named(op, start or {}, "start")
    limits = named(op, bounds, "bounds")
    both = [name for name in wanted if name in known]
    if both:
        raise ValueError(f"free: expected parameters that are not fixed, got {', '.join(both)}")
    forced = (*_FREE_ALL_THE_SAME.get(op.name, ()), *named(op, dict.fromkeys(wanted), "free"))
    free = [p.name for p in op.model.parameters if p.name not in known and (p.default is None or p.name in forced)]
    if not free:
        raise ValueError("fixed: expected at least one parameter left to fit, got none")
    if start is not None and set(free) != set(begin):
        raise TypeError(f"start: expected all of {', '.join(free)}, the free ones, got {', '.join(begin) or 'none'}")
    rows, free_rows, linear_rows, low, high = [], [], [], [], []
    typical: dict[str, float] = {}
    for p in op.model.parameters:
        value = {**begin, **known}.get(p.name, 1.0 if p.default is None else p.default)
        if p.name in free:
            free_rows += range(len(rows), len(rows) + p.rows)
            linear_rows += range(len(rows), len(rows) + p.rows) if p.linear else []
        parts = as_rows(p, value, samples.detach(), voxels, inside)
        rows += parts
        lower, upper = pair(p.name, limits[p.name]) if p.name in limits else (p.lower, p.upper)
        if p.name not in free:
            typical[p.name] = typical_of(p, torch.cat(parts))
        elif p.name in begin:
            check_start(p.name, torch.cat(parts), lower, upper)
        low, high = low + [lower] * p.rows, high + [upper] * p.rows
    if samples.shape[0] < len(free_rows):
        raise ValueError(
            f"signal: expected at least {len(free_rows)} samples for {', '.join(free)}, got {samples.shape[0]}"
        )
    spread = samples.shape[1] if any(len(row) != 1 for row in rows) else 1
    stack, limit = torch.stack([row.expand(spread) for row in rows]), torch.tensor([low, high], dtype=torch.float64)
    magnitude = op.magnitude and not _never_negative(op, stack, limit, free_rows)
    problem = Problem(op, samples, stack, limit, free_rows, magnitude, linear_rows)
    return _with_grids(problem, free, typical) if start is None else problem


def _never_negative(op: SignalOp, start: Tensor, bounds: Tensor, free: Sequence[int]) -> bool:
    """Whether the magnitude of every signal that the fit may see is the signal itself."""
    if not op.model.positive:
        return False
    rows = [(p.lower, p.upper) for p in op.model.parameters for _ in range(p.rows)]
    lower, upper = torch.tensor(rows, dtype=torch.float64).T
    known = [row for row in range(len(rows)) if row not in free]
    inside = (start[known] >= lower[known, None]) & (start[known] <= upper[known, None])
    return bool((bounds[0] >= lower).all() and (bounds[1] <= upper).all() and inside.all())


def _with_grids(problem: Problem, free: Sequence[str], values: dict[str, float]) -> Problem:
    """The problem with its starts.

    What the model reads from the signal; minima along a grid; a grid where some parameter is linear, else the nearest
    point of one. ``values`` are those of known parameters.
    """
    op = problem.op
    units = dict.fromkeys(problem.linear, 1.0)
    if op.model.begin is not None and op.is_complex:
        return problem._replace(start=starts_of_model(problem, free, units))
    several = next((p for p in op.model.parameters if p.minima > 1 and p.name in free), None)
    if several is not None:
        nearly = [p for p in op.model.parameters if p.scale is not None and p.name in free]
        if nearly and not units:
            units = {op.model.row_names.index(nearly[0].name): nearly[0].scale or 1.0}
        atoms = make_atoms(op, free, values, units, problem.bounds)
        return problem._replace(start=starts_along(problem, atoms, several.name, several.minima, units))
    atoms = make_atoms(op, free, values, units, problem.bounds)
    if not problem.linear:
        nearest = nearest_atoms(atoms, problem.samples.detach())
        chosen = problem.start.expand_as(nearest).clone()
        chosen[problem.free] = nearest[problem.free]
        return problem._replace(start=chosen)
    problem = problem._replace(atoms=atoms)
    affine = [p.name for p in op.model.parameters if p.affine and p.name in free]
    if problem.magnitude or op.is_complex or len(problem.linear) > 1 or len(problem.free) - len(affine) not in (2, 3):
        return problem
    if not affine:
        return problem._replace(projected=atoms)
    grid = make_atoms(op, free, values, units, problem.bounds, affine[0])
    return problem._replace(projected=grid, affine=op.model.row_names.index(affine[0]))


def _maps(
    op: SignalOp,
    signal: Tensor,
    inside: Any,
    parameters: Tensor,
    deviation: Tensor,
    noise: Tensor,
    iterations: Tensor,
) -> FitResult:
    voxels, device = tuple(signal.shape[1:]), signal.device
    n = math.prod(voxels)

    def put(values: Tensor, fill: Any = math.nan) -> Tensor:
        full = values
        if not isinstance(inside, slice):
            full = values.new_full((*values.shape[:-1], n), fill)
            if len(inside):
                full = full.index_copy(values.ndim - 1, inside, values)
        return full.reshape((*values.shape[:-1], *voxels)).to(device)

    found, spread = put(parameters), put(deviation)
    maps: dict[str, Tensor] = {}
    uncertainty: dict[str, Tensor] = {}
    row = 0
    for p in op.model.parameters:
        part, width = found[row : row + p.rows], spread[row : row + p.rows]
        if p.kind == "complex":
            maps[p.name], uncertainty[p.name] = torch.complex(part[0], part[1]), width.square().sum(0).sqrt()
        else:
            maps[p.name], uncertainty[p.name] = (part, width) if isinstance(p.kind, int) else (part[0], width[0])
        row += p.rows
    steps = put(iterations, 0)
    return FitResult(maps, uncertainty, steps > 0, put(noise), steps.abs_())
