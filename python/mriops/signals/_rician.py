"""Maximum likelihood of magnitudes of complex noise, by least squares in turns."""

from __future__ import annotations

import torch
from torch import Tensor

from ._least_squares import Problem, Solution, least_squares

__all__ = ["rician_fit"]

_TURNS = 200
#: Magnitudes of noise alone are above this many standard deviations in 4 % of samples.
_FLOOR = 2.5


def rician_fit(problem: Problem, sigma: Tensor, *, max_iter: int, tol: float) -> Solution:
    """The best of three maxima of the likelihood, for noise of standard deviation ``sigma`` in each part.

    The floor of the noise is a signal that does not decay: from least squares of the magnitudes d the turns may end
    there. Other starts are those of ``sqrt(d^2 - 2 sigma^2)``, all of it, and where d is above the floor. Deviations
    are for noise of 1.
    """
    data = problem.samples.detach()
    sigma = sigma.expand(data.shape[1])
    without = (data.square() - 2 * sigma.square()).clamp_min(0).sqrt()
    found = []
    for samples in (data, without, torch.where(data > _FLOOR * sigma, without, 0)):
        begin = problem._replace(samples=samples)
        first = least_squares(begin, max_iter=max_iter, tol=tol, estimate_noise=False)
        found.append(_turns(problem, first, sigma, max_iter, tol))
    costs = torch.stack([_cost(problem, solution.parameters, sigma) for solution in found])
    best = costs.nan_to_num(torch.inf).argmin(0, keepdim=True)
    parts = (torch.stack(part, dim=-2) for part in zip(*found, strict=True))
    return Solution(*(part.gather(-2, best.expand(*part.shape[:-2], 1, -1)).squeeze(-2) for part in parts))


def _cost(problem: Problem, parameters: Tensor, sigma: Tensor) -> Tensor:
    """Negative logarithm of the likelihood, less what does not depend on the parameters."""
    data, model = problem.samples.detach() / sigma, problem.op.of_stack(parameters) / sigma
    # The exponential that i0e leaves out of I0 completes the square.
    return ((data - model).square() / 2 - torch.special.i0e(data * model).log()).sum(0)


def _turns(problem: Problem, first: Solution, sigma: Tensor, max_iter: int, tol: float) -> Solution:
    """Magnitudes are replaced by their expectation along the signal, then fitted, in turns.

    Steps shrink by about the same ratio in each turn: from two of them follows what is left to go. Voxels in which that
    is below ``tol`` standard errors are done.
    """
    free, data = list(problem.free), problem.samples.detach()
    parameters, deviation, noise, steps = (part.clone() for part in first)
    moving = parameters[free].isfinite().all(0).nonzero()[:, 0]
    last = torch.full_like(sigma, torch.inf)
    for _ in range(_TURNS):
        if not len(moving):
            break
        at, width = parameters[:, moving], sigma[moving]
        z = data[:, moving] * problem.op.of_stack(at) / width**2
        expected = data[:, moving] * torch.special.i1e(z) / torch.special.i0e(z)
        turn = problem._replace(samples=expected, start=at, atoms=None, projected=None)
        solution = least_squares(turn, max_iter=max_iter, tol=tol / 10, estimate_noise=False)
        change = ((solution.parameters - at).abs() / (solution.deviation * width))[free].nan_to_num().amax(0)
        ratio = change / last[moving]
        arrived = (change <= tol) & (change * ratio <= tol * (1 - ratio)) & (solution.iterations > 0)
        parameters[:, moving], deviation[:, moving] = solution.parameters, solution.deviation
        noise[moving], last[moving] = solution.noise, change
        taken = steps[moving].abs() + solution.iterations.abs()
        steps[moving] = torch.where(arrived, taken, -taken)
        moving = moving[~arrived]
    return Solution(parameters, deviation, noise, steps)
