"""The call of the native fit, and the derivative of its result."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mriops import _native, ops
from mriops._native.dtypes import DTYPE_CODE

from .operator import SignalOp
from .start import Atoms

__all__ = ["Problem", "Solution", "blind", "implicit_step", "least_squares", "of_either_sign"]


#: Steps from each of several starts, before the best goes on alone.
_STEPS_TO_COMPARE = 8


class Problem(NamedTuple):
    """Samples ``(samples, voxels)``, start ``(rows, voxels or 1)``, bounds ``(2, rows)``, rows that are free.

    Of several starts ``(starts, rows, voxels)`` the one that leaves the least counts. ``linear`` are the free rows that
    the signal is linear in, ``atoms`` the grid of their starts; ``projected`` is that for variable projection, where
    the signal has the form ``m0 (u + w v)`` and ``affine`` is the row of w, or 0. ``magnitude``: signals may be
    negative and their magnitude counts.
    """

    op: SignalOp
    samples: Tensor
    start: Tensor
    bounds: Tensor
    free: Sequence[int]
    magnitude: bool
    linear: Sequence[int] = ()
    atoms: Atoms | None = None
    affine: int = 0
    projected: Atoms | None = None


class Solution(NamedTuple):
    """Parameters and deviation ``(rows, voxels)``; noise ``(voxels,)``; int32 steps, negative: no convergence.

    The noise is that which the residual shows and the deviation belongs to it, where the noise is to be estimated; else
    the deviation is that for noise of 1, and ``noise`` holds half the sum of squares.
    """

    parameters: Tensor
    deviation: Tensor
    noise: Tensor
    iterations: Tensor


def _interleaved(op: SignalOp, samples: Tensor) -> Tensor:
    """``(times, voxels, 2)`` of a complex model, as its kernels store signals."""
    samples = samples.detach()
    if op.is_complex:
        samples = samples.reshape(op.times, 2, -1).movedim(1, -1)
    return samples.contiguous()


def _bits(rows: Sequence[int]) -> int:
    return sum(1 << row for row in rows)


def _addresses(parts: Sequence[Tensor]) -> list[int]:
    return [part.data_ptr() for part in parts]


def least_squares(problem: Problem, *, max_iter: int, tol: float, estimate_noise: bool) -> Solution:
    """Least squares in every voxel, on the CPU."""
    if problem.start.ndim == 3:
        return _deepest(problem, max_iter=max_iter, tol=tol, estimate_noise=estimate_noise)
    op, dtype = problem.op, problem.samples.dtype
    if dtype not in (torch.float32, torch.float64):
        dtype = torch.float32
    signal = _interleaved(op, problem.samples.to(dtype))
    n = signal.shape[1]
    start = problem.start.to(dtype).contiguous()
    rows = start.shape[0]
    design = op.design.to(dtype).contiguous()
    bounds = problem.bounds.to(dtype).contiguous()
    parameters, deviation = signal.new_empty((rows, n)), signal.new_empty((rows, n))
    noise, iterations = signal.new_empty(n), signal.new_empty(n, dtype=torch.int32)
    grid = [] if problem.atoms is None else [part.to(dtype).contiguous() for part in problem.atoms]
    projected = [] if problem.projected is None else [part.to(dtype).contiguous() for part in problem.projected]
    linear = problem.linear
    _native.load("cpu").signal_fit(
        signal.data_ptr(),
        start.data_ptr(),
        *(_addresses(grid) or [0, 0, 0]),
        *(_addresses(projected)[::2] or [0, 0]),
        bounds.data_ptr(),
        design.data_ptr(),
        parameters.data_ptr(),
        deviation.data_ptr(),
        noise.data_ptr(),
        iterations.data_ptr(),
        op.model.index,
        problem.magnitude,
        op.times,
        n,
        len(grid[0]) if grid else 0,
        len(linear),
        len(projected[0]) if projected else 0,
        _bits(problem.free),
        _bits(linear),
        1 << problem.affine if problem.affine else 0,
        len(linear) == 1 and bool(bounds[0, linear[0]] >= 0),
        start.shape[1] == 1,
        estimate_noise,
        max_iter,
        float(tol),
        DTYPE_CODE[str(dtype).removeprefix("torch.")],
        torch.get_num_threads(),
    )
    return Solution(parameters, deviation, noise, iterations)


def _deepest(problem: Problem, *, max_iter: int, tol: float, estimate_noise: bool) -> Solution:
    """The end of the start that leaves the least; a few steps say which that is, and it alone goes on."""

    def run(part: Problem, steps: int) -> Solution:
        return least_squares(part, max_iter=steps, tol=tol, estimate_noise=estimate_noise)

    few = min(_STEPS_TO_COMPARE, max_iter)
    ends = (run(problem._replace(start=start), few) for start in problem.start)
    found = functools.reduce(functools.partial(_deeper, problem), ends)
    left = (found.iterations <= 0).nonzero()[:, 0]
    if max_iter <= few or not len(left):
        return found
    part = problem._replace(samples=problem.samples[:, left], start=found.parameters[:, left])
    rest = run(part, max_iter - few)
    rest = rest._replace(iterations=rest.iterations + few * rest.iterations.sign())
    return Solution(*(x.index_copy(x.ndim - 1, left, y) for x, y in zip(found, rest, strict=True)))


def _squares(problem: Problem, parameters: Tensor) -> Tensor:
    """Sum of squares of what parameters leave of the samples; infinite where it is NaN."""
    signal = problem.op.of_stack(parameters)
    signal = signal.movedim(-1, 1).flatten(0, 1) if signal.ndim == 3 else signal
    return torch.nan_to_num((problem.samples.detach() - signal).square().sum(0), nan=math.inf)


def _second_counts(samples: Tensor, left: tuple[Tensor, Tensor], found: tuple[Solution, Solution]) -> Tensor:
    """Where the second solution leaves less, or as much and has converged alone."""
    (a, b), (first, second) = left, found
    eps = torch.finfo(a.dtype).eps
    rounding = 64 * eps * eps * samples.detach().square().sum(0)
    same = (b <= 1.001 * a + rounding) & (a <= 1.001 * b + rounding)
    return torch.where(same, (first.iterations <= 0) & (second.iterations > 0), b < a)


def _of_two(take: Tensor, first: Solution, second: Solution) -> Solution:
    return Solution(*(torch.where(take, y, x) for x, y in zip(first, second, strict=True)))


def _deeper(problem: Problem, first: Solution, second: Solution) -> Solution:
    """Of two solutions the one that leaves less; where both leave the same, the first unless it has not converged."""
    left = _squares(problem, first.parameters), _squares(problem, second.parameters)
    return _of_two(_second_counts(problem.samples, left, (first, second)), first, second)


def of_either_sign(problems: tuple[Problem, Problem], found: tuple[Solution, Solution]) -> tuple[Problem, Solution]:
    """Of samples and their negative, voxel by voxel, those whose solution leaves less, and that solution."""
    (plain, negative), (first, second) = problems, found
    left = _squares(plain, first.parameters), _squares(negative, second.parameters)
    take = _second_counts(plain.samples, left, found)
    return plain._replace(samples=torch.where(take, negative.samples, plain.samples)), _of_two(take, first, second)


def _expectation_slopes(samples: Tensor, model: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives of ``E = s I1/I0(s f / sigma^2)`` for the magnitude s and the signal f, in double precision."""
    s, f = samples.detach().double() / sigma, model.double() / sigma
    z = s * f
    ratio = torch.special.i1e(z) / torch.special.i0e(z)
    # The difference cancels where z is large; what the series leaves out is below 5e-9 of it there.
    series = (0.5 + (0.25 + (0.375 + 0.78125 / z) / z) / z) / z.square()
    small = torch.where(z > 0, ratio / z, 0.5)
    slope = torch.where(z > 200, series, 1 - small - ratio.square())
    return ratio + z * slope, s.square() * slope


def _jacobian(problem: Problem, parameters: Tensor) -> Tensor:
    """Derivatives of the samples ``(free, samples, voxels)``, those that are NaN as 0."""
    op, design = problem.op, problem.op.design.to(parameters.dtype)
    jacobian = ops.signal_model_jacobian(parameters, design, model=op.name, magnitude=op.magnitude)[1:]
    if op.is_complex:
        jacobian = jacobian.movedim(-1, 2).flatten(1, 2)
    return torch.nan_to_num(jacobian[list(problem.free)])


def _moves(problem: Problem, parameters: Tensor) -> Tensor:
    """Which free parameters are on none of their bounds, ``(free, voxels)``."""
    low, high = problem.bounds[:, :, None].to(parameters)
    return ((parameters > low) & (parameters < high))[list(problem.free)]


def blind(problem: Problem, solution: Solution) -> Tensor:
    """Voxels ``(voxels,)`` in which no sample depends on a free parameter that is on none of its bounds."""
    found = torch.zeros_like(solution.iterations, dtype=torch.bool)
    odd = (~solution.deviation[list(problem.free)].isfinite()).any(0).nonzero()[:, 0]
    if len(odd):
        parameters = solution.parameters[:, odd]
        still = (_jacobian(problem, parameters) == 0).all(1)
        found[odd] = (still & _moves(problem, parameters)).any(0)
    return found


def implicit_step(problem: Problem, parameters: Tensor, sigma: Tensor | None = None) -> Tensor:
    """The same values, differentiable in the samples.

    At the solution ``J^T (s - f(p)) = 0``, so that ``dp = (J^T J)^-1 J^T ds`` where the residual times the curvature of
    the model is small beside ``J^T J`` (Gauss-Newton). At the maximum of the likelihood of magnitudes with noise of
    ``sigma`` it is ``J^T (E(s, f) - f) = 0`` with ``E = s I1/I0(s f / sigma^2)``, so that
    ``J^T (1 - dE/df) J dp = J^T dE/ds ds``. Parameters on their bounds do not move.
    """
    op, free = problem.op, list(problem.free)
    with torch.no_grad():
        moves = _moves(problem, parameters)
        j = _jacobian(problem, parameters).permute(2, 1, 0) * moves.T[:, None]  # (voxels, samples, free)
        scale = j.norm(dim=1, keepdim=True).clamp_min(torch.finfo(j.dtype).tiny)
        j = j / scale
        seen = weighted = j
        if sigma is not None:
            slopes = _expectation_slopes(problem.samples, op.of_stack(parameters), sigma.double())
            for_samples, for_model = (torch.nan_to_num(slope).T[..., None] for slope in slopes)
            seen, weighted = (for_samples * j).to(j), ((1 - for_model) * j).to(j)
        normal = j.mT @ weighted + torch.diag_embed((~moves).T.to(j.dtype))
        operator = torch.linalg.pinv(normal, hermitian=True) @ seen.mT / scale.mT
    change = problem.samples - problem.samples.detach()
    step = torch.einsum("vfs,sv->fv", operator, change)
    return parameters.index_add(0, torch.tensor(free), step)
