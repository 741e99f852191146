"""Where fits start: signals on a grid of the parameters that are not linear, as orthonormal bases."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mriops import ops

from .operator import SignalOp

__all__ = ["Atoms", "grid_of", "make_atoms", "nearest_atoms"]

#: Diffusivities of the isotropic tensors that tensor fits start from [m^2/s].
_ISOTROPIC = (3e-10, 7e-10, 1.2e-9, 2e-9, 3e-9)
_MAX_ATOMS = 4096


class Atoms(NamedTuple):
    """Bases ``(atoms, linear, samples)``, what turns projections into linear parameters, and the other parameters."""

    bases: Tensor
    solve: Tensor
    parameters: Tensor


def grid_of(values: Sequence[float]) -> list[float]:
    """The values of a grid: ``(first, last, count)`` is spaced by powers where ``count`` is an integer above 3."""
    if len(values) == 3 and isinstance(values[2], int) and values[2] > 3:
        first, last, count = values[0], values[1], int(values[2])
        return [first * (last / first) ** (i / (count - 1)) for i in range(count)]
    return list(values)


def _rows(op: SignalOp, free: Sequence[str], fixed: dict[str, float], zero: Sequence[str], bounds: Tensor) -> Tensor:
    """Points of the grid ``(points, rows)``; parameters in ``zero`` are 0."""
    per_row: list[list[float]] = []
    isotropic = op.name.startswith("diffusion_")
    for p in op.model.parameters:
        if p.name in zero:
            grid = [0.0]
        elif p.name not in free:
            grid = [fixed[p.name]]
        elif isotropic:
            grid = [0.0]
        elif callable(p.grid):
            grid = p.grid(op.design.tolist(), *bounds[:, len(per_row)].tolist())
        else:
            grid = grid_of(p.grid)
        per_row += [grid] * p.rows
    if isotropic and op.name != "diffusion":
        points = [[0.0, d, d, d, *([0.0] * (len(per_row) - 4))] for d in _ISOTROPIC]
    else:
        # The longest grid varies fastest: fits look between its points.
        order = sorted(range(len(per_row)), key=lambda row: len(per_row[row]))
        places = [order.index(row) for row in range(len(per_row))]
        products = itertools.islice(itertools.product(*(per_row[row] for row in order)), _MAX_ATOMS)
        points = [[point[place] for place in places] for point in products]
    return torch.tensor(points, dtype=torch.float64)


def _signals(op: SignalOp, parameters: Tensor) -> Tensor:
    """Real samples ``(samples, points)`` of parameters ``(points, rows)``."""
    signal = ops.signal_model(parameters.T.contiguous(), op.design, model=op.name, magnitude=op.magnitude)
    return signal.movedim(-1, 1).flatten(0, 1) if signal.ndim == 3 else signal


def make_atoms(
    op: SignalOp,
    free: Sequence[str],
    fixed: dict[str, float],
    linear: Mapping[int, float],
    bounds: Tensor,
    affine: str | None = None,
) -> Atoms:
    """Atoms of a model on its grid.

    Parameters
    ----------
    op
        Model and measurement.
    free
        Names of the parameters to be fitted.
    fixed
        One value for each of the others.
    linear
        Rows of the parameters that the signal is proportional to, of those that are free, and their value in atoms.
    bounds
        ``(2, rows)``.
    affine
        A parameter w to be projected out too, in models ``m0 (u + w v)``: bases then span u and v.

    Returns
    -------
    Atoms
        In float64; without linear parameters ``bases`` holds the signals themselves.
    """
    names = op.model.row_names
    amplitudes = [p.name for p in op.model.parameters if p.linear]
    zero = [names[row] for row in linear] + ([affine] if affine else [])
    if not set(amplitudes).isdisjoint(free):
        zero += amplitudes
    points = _rows(op, free, fixed, zero, bounds)
    if not linear:
        return Atoms(_signals(op, points).T[:, None], torch.zeros(len(points), 1, 1), points)
    columns = []
    for row, value in linear.items():
        unit = points.clone()
        unit[:, row] = value
        columns.append(_signals(op, unit).T)
    if affine is not None:
        unit = points.clone()
        unit[:, next(iter(linear))] = unit[:, names.index(affine)] = 1.0
        columns.append(_signals(op, unit).T - columns[0])
    basis = torch.stack(columns, dim=-1)  # (points, samples, linear)
    # A signal of zeros has no basis: leave it out.
    fine = basis.isfinite().all(-1).all(-1) & (basis.norm(dim=-2) > 0).all(-1)
    q, r = torch.linalg.qr(basis[fine])
    signs = torch.where(r.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0)[:, None]
    q, r = q * signs, r * signs.mT  # positive projections are positive parameters
    well = r.diagonal(dim1=-2, dim2=-1).abs().amin(-1) > 1e-6 * r.abs().amax((-1, -2))
    if not bool(well.any()):
        raise ValueError(f"{op.name}: expected times that tell the linear parameters apart, got {op.times} times")
    solve = torch.linalg.inv(r[well])
    return Atoms(q[well].mT.contiguous(), solve.contiguous(), points[fine][well].contiguous())


def nearest_atoms(atoms: Atoms, samples: Tensor) -> Tensor:
    """Parameters ``(rows, voxels)`` of the atom nearest to each signal ``(samples, voxels)``: no linear parameter."""
    signals = atoms.bases[:, 0].to(samples.dtype)
    half = 0.5 * signals.square().sum(-1, keepdim=True)
    chosen = [torch.argmin(half - signals @ part, dim=0) for part in torch.nan_to_num(samples).split(1 << 14, dim=1)]
    return atoms.parameters.to(samples.dtype)[torch.cat(chosen)].T.contiguous()
