"""The call of the native fit, and the derivative of its result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mriops import _native, ops
from mriops._native.dtypes import DTYPE_CODE

from .operator import SignalOp
from .start import Atoms

__all__ = ["Problem", "Solution", "implicit_step", "least_squares"]


class Problem(NamedTuple):
    """Samples ``(samples, voxels)``, start ``(rows, voxels)``, bounds ``(2, rows)``, rows that are free and linear."""

    op: SignalOp
    samples: Tensor
    start: Tensor
    bounds: Tensor
    free: Sequence[int]
    linear: Sequence[int]
    atoms: Atoms | None


class Solution(NamedTuple):
    """Parameters and deviation for noise of 1 ``(rows, voxels)``; half the squares; steps, negative: no convergence."""

    parameters: Tensor
    deviation: Tensor
    cost: Tensor
    iterations: Tensor


def _interleaved(op: SignalOp, samples: Tensor) -> Tensor:
    """``(times, voxels, 2)`` of a complex model, as its kernels store signals."""
    samples = samples.detach()
    if op.is_complex:
        samples = samples.reshape(op.times, 2, -1).movedim(1, -1)
    return samples.contiguous()


def _bits(rows: Sequence[int]) -> int:
    return sum(1 << row for row in rows)


def least_squares(problem: Problem, *, max_iter: int, tol: float) -> Solution:
    """Levenberg-Marquardt in every voxel, on the CPU."""
    op, dtype = problem.op, problem.samples.dtype
    if dtype not in (torch.float32, torch.float64):
        dtype = torch.float32
    signal = _interleaved(op, problem.samples.to(dtype))
    start = problem.start.to(dtype).contiguous()
    n = start.shape[1]
    design = op.design.to(dtype).contiguous()
    bounds = problem.bounds.to(dtype).contiguous()
    parameters, deviation = torch.empty_like(start), torch.empty_like(start)
    cost, iterations = start.new_empty(n), start.new_empty(n)
    grid = [] if problem.atoms is None else [part.to(dtype).contiguous() for part in problem.atoms]
    addresses = [part.data_ptr() for part in grid] or [0, 0, 0]
    positive = len(problem.linear) == 1 and bool(bounds[0, problem.linear[0]] >= 0)
    _native.load("cpu").signal_fit(
        signal.data_ptr(),
        start.data_ptr(),
        *addresses,
        bounds.data_ptr(),
        design.data_ptr(),
        parameters.data_ptr(),
        deviation.data_ptr(),
        cost.data_ptr(),
        iterations.data_ptr(),
        op.model.index,
        op.magnitude,
        op.times,
        n,
        len(grid[0]) if grid else 0,
        len(problem.linear) if grid else 0,
        _bits(problem.free),
        _bits(problem.linear) if grid else 0,
        positive,
        max_iter,
        float(tol),
        DTYPE_CODE[str(dtype).removeprefix("torch.")],
        torch.get_num_threads(),
    )
    return Solution(parameters, deviation, cost, iterations)


def implicit_step(problem: Problem, parameters: Tensor) -> Tensor:
    """The same values, differentiable in the samples.

    At the solution ``J^T (s - f(p)) = 0``, so that ``dp = (J^T J)^-1 J^T ds`` where the residual times the curvature of
    the model is small beside ``J^T J`` (Gauss-Newton). Parameters on their bounds do not move.
    """
    op, free = problem.op, list(problem.free)
    design = op.design.to(parameters.dtype)
    with torch.no_grad():
        jacobian = ops.signal_model_jacobian(parameters, design, model=op.name, magnitude=op.magnitude)[1:]
        if op.is_complex:
            jacobian = jacobian.movedim(-1, 2).flatten(1, 2)
        j = torch.nan_to_num(jacobian[free]).permute(2, 1, 0)  # (voxels, samples, free)
        moves = (parameters > problem.bounds[0, :, None].to(parameters)) & (
            parameters < problem.bounds[1, :, None].to(parameters)
        )
        j = j * moves[free].T[:, None]
        scale = j.norm(dim=1, keepdim=True).clamp_min(torch.finfo(j.dtype).tiny)
        j = j / scale
        normal = j.mT @ j + torch.diag_embed((~moves[free]).T.to(j.dtype))
        operator = torch.linalg.pinv(normal, hermitian=True) @ j.mT / scale.mT
    change = problem.samples - problem.samples.detach()
    step = torch.einsum("vfs,sv->fv", operator, change)
    return parameters.index_add(0, torch.tensor(free), step)
