"""Starts of every voxel: several minima along one grid, or what the model reads from the signal."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ._least_squares import Problem
from .start import Atoms

__all__ = ["starts_along", "starts_of_model"]

#: Projections held at a time.
_CHUNK = 1 << 22


def _rows_of(problem: Problem, name: str) -> list[int]:
    """Rows of the parameter of that name."""
    first = 0
    for p in problem.op.model.parameters:
        if p.name == name:
            return list(range(first, first + p.rows))
        first += p.rows
    raise KeyError(name)


def _with_linear(problem: Problem, start: Tensor, samples: Tensor, scaled: dict[int, float]) -> Tensor:
    """The start ``(rows, voxels)`` with the best linear parameters, rows and units of which are ``scaled``."""
    if not scaled:
        return start
    rows, dtype = list(scaled), samples.dtype
    zero = start.index_fill(0, torch.tensor(rows), 0.0)
    rest = _flat(problem.op.of_stack(zero))
    columns = []
    for row, unit in scaled.items():
        one = zero.clone()
        one[row] = unit
        columns.append(_flat(problem.op.of_stack(one)) - rest)
    basis = torch.nan_to_num(torch.stack(columns, -1)).permute(1, 0, 2).double()  # (voxels, samples, linear)
    normal = basis.mT @ basis
    ridge = 1e-12 * normal.diagonal(dim1=-2, dim2=-1).amax(-1)[:, None, None] * torch.eye(len(rows), dtype=basis.dtype)
    right = basis.mT @ (samples - torch.nan_to_num(rest)).T.double()[..., None]
    found = torch.nan_to_num(torch.linalg.solve_ex(normal + ridge, right)[0][..., 0], posinf=0.0, neginf=0.0)
    units = torch.tensor(list(scaled.values()), dtype=found.dtype)
    return zero.index_copy(0, torch.tensor(rows), (found * units).T.to(dtype))


def _flat(signal: Tensor) -> Tensor:
    """Real samples ``(samples, voxels)``."""
    return signal.movedim(-1, 1).flatten(0, 1) if signal.ndim == 3 else signal


def starts_along(problem: Problem, atoms: Atoms, name: str, count: int, scaled: dict[int, float]) -> Tensor:
    """The deepest minima of the residual along the grid of one parameter.

    For each of its values the best of the other parameters of the grid, and the best linear ones, count.

    Parameters
    ----------
    problem
        What is to be fitted.
    atoms
        The grid.
    name
        The parameter.
    count
        Minima at most.
    scaled
        Rows of parameters that the signal is proportional to, and the value that atoms have there.

    Returns
    -------
    Tensor
        ``(minima, rows, voxels)``; voxels with fewer have the deepest again.
    """
    samples, positive = torch.nan_to_num(problem.samples.detach()), len(scaled) == 1
    positive = positive and float(problem.bounds[0, next(iter(scaled))]) >= 0
    values, place = atoms.parameters[:, _rows_of(problem, name)[0]].unique(return_inverse=True)
    members = [(place == v).nonzero()[:, 0] for v in range(len(values))]
    table = torch.nn.utils.rnn.pad_sequence(members, batch_first=True, padding_value=-1)
    table = torch.where(table < 0, table[:, :1], table)
    bases, points = atoms.bases.to(samples.dtype), atoms.parameters.to(samples.dtype)
    given, shared = problem.start.expand(-1, samples.shape[1]), problem.start.shape[1] == 1
    solve = atoms.solve.to(samples.dtype) * torch.tensor(list(scaled.values()), dtype=samples.dtype)[:, None]
    others = [row for row in problem.free if row not in scaled]
    count = min(count, len(values))
    found = []
    for part, known in zip(*(x.split(max(_CHUNK // bases[..., 0].numel(), 1), dim=1) for x in (samples, given))):
        sums = torch.einsum("als,sv->alv", bases, part)
        energy = torch.where(sums > 0, sums, 0.0).square().sum(1) if positive else sums.square().sum(1)
        profile, inner = energy[table].max(1)
        # An end of the grid is no minimum unless it is the deepest point: what it leads to may be far outside.
        peak = profile == profile.amax(0)
        peak[1:-1] |= (profile[1:-1] > profile[:-2]) & (profile[1:-1] >= profile[2:])
        depth, chosen = torch.where(peak, profile, -1.0).topk(count, dim=0)
        chosen = torch.where(depth < 0, chosen[:1], chosen)
        index = table[chosen, inner.gather(0, chosen)]
        starts = []
        for one in index:
            start = known.clone()
            start[others] = points[one].T[others]
            if shared:  # what is known is the same in atoms
                along = sums[one, :, torch.arange(len(one))]
                start[list(scaled)] = torch.einsum("vij,vj->iv", solve[one], along)
                starts.append(start)
            else:
                starts.append(_with_linear(problem, start, part, scaled))
        found.append(torch.stack(starts))
    return torch.cat(found, dim=-1)


def starts_of_model(problem: Problem, free: Sequence[str], scaled: dict[int, float]) -> Tensor:
    """The start ``(rows, voxels)`` that a complex model reads from the signal, linear parameters ``scaled`` to it."""
    op, samples = problem.op, problem.samples.detach()
    if op.model.begin is None:
        raise ValueError(f"{op.name}: expected a model that reads its start from the signal")
    parts = samples.reshape(op.times, 2, -1)
    signal = torch.complex(parts[:, 0].contiguous(), parts[:, 1].contiguous())
    start = problem.start.expand(-1, samples.shape[1]).clone()
    for name, value in op.model.begin(torch, op.design.tolist(), signal).items():
        if name in free:
            start[_rows_of(problem, name)] = value.to(start.dtype)
    return _with_linear(problem, start, samples, scaled)
