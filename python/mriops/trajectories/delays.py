"""Gradient delays of radial scans: estimated from where spokes intersect, and put into the trajectory."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mriops._native.arguments import instance, number
from mriops.trajectories.coordinates import coordinates, finite

_FINE = 32  # points per sample where spokes are compared
_PAIRS = 2000


@torch.no_grad()
def radial_delays(kspace: Tensor, trajectory: Tensor, *, max_delay: float = 3.0, phase: bool | None = None) -> Tensor:
    r"""Estimate gradient delays of a planar radial scan from the intersections of its spokes.

    A gradient that comes late by tau samples moves a spoke with the step d (per sample) by -tau d along its axis, so
    that sample i of spoke s was taken at

    .. math:: k_{si} = \hat k_{si} - T d_s, \qquad T = \begin{pmatrix} T_{yy} & T_{yx}\\ T_{yx} & T_{xx}\end{pmatrix}

    Two spokes intersect where the vectors of all coils agree, at offsets a from the nominal centre of each, so that
    T (d_1 - d_2) = a_1 d_1 - a_2 d_2: two equations for each pair, which are solved by (iteratively reweighted) least
    squares over all pairs that enclose more than 30 degrees.

    Parameters
    ----------
    kspace : Tensor (*batch, coils, shots, readout)
        Complex. Full spokes through the centre. Axes before the coils (partitions, contrasts) are further coils.
    trajectory : Tensor (shots, readout, 2)
        Nominal, with equal steps along each spoke [cycles/FOV].
    max_delay : float
        Largest offset looked for [samples].
    phase : bool, optional
        Compare complex values. False ignores a phase that spokes may have against each other (from off-resonance or
        eddy currents; measured data has it), which needs several coils and is the choice where there are several.

    Returns
    -------
    Tensor (2, 2), float64
        T, symmetric, [samples] (times the dwell time: seconds), positive where gradients come late. Off the diagonal it
        is not zero where spokes are played by coils whose axes are not those of the image.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes do not fit, values are not finite, k-space is zero, spokes are not straight with equal
        steps, do not pass the centre, or are all nearly parallel.

    References
    ----------
    Rosenzweig, Holme, Uecker. Simple auto-calibrated gradient delay estimation from few spokes using Radial
    Intersections (RING). MRM 81:1898 (2019).
    """
    flat, steps, centre, base = _check(kspace, trajectory, max_delay)
    shots = flat.shape[1]
    offsets = torch.arange(-math.ceil(max_delay * _FINE), math.ceil(max_delay * _FINE) + 1, dtype=torch.float64) / _FINE
    near = _interpolate(flat, centre, offsets.to(flat.device))
    first, second = _pairs(steps, shots)
    phase = flat.shape[0] == 1 if phase is None else phase
    found = [_intersection(near[:, a], near[:, b], offsets, phase) for a, b in zip(first.tolist(), second.tolist())]
    along = torch.tensor(found, dtype=torch.float64)
    steps, base = steps.cpu(), base.cpu()
    one, two = steps[first], steps[second]
    right = base[first] - base[second] + along[:, :1] * one - along[:, 1:] * two
    d = one - two
    zero = torch.zeros(len(d), dtype=torch.float64)
    rows = torch.stack([torch.stack([d[:, 0], d[:, 1], zero], -1), torch.stack([zero, d[:, 0], d[:, 1]], -1)], 1)
    # A pair whose minimum lies at the end of the range has not been found.
    inside = (along.abs() < max_delay - 1.5 / _FINE).all(dim=-1)
    if int(inside.sum()) < 2:
        raise ValueError(f"max_delay: expected intersections within {max_delay} samples of the centre, found none")
    yy, yx, xx = _robust(rows[inside], right[inside]).tolist()
    return torch.tensor([[yy, yx], [yx, xx]], dtype=torch.float64)


def delayed(trajectory: Tensor, delays: Tensor) -> Tensor:
    """The trajectory that gradients with these delays play.

    Parameters
    ----------
    trajectory : Tensor (*batch, shots, readout, 2)
        Nominal [cycles/FOV].
    delays : Tensor (2, 2)
        As `radial_delays` finds them [samples].

    Returns
    -------
    Tensor like trajectory
        k - T d, with the step d from sample to sample.

    Raises
    ------
    TypeError, ValueError
        If arguments are not real floating-point tensors, shapes do not fit, or there are fewer than two samples.
    """
    coordinates(
        "trajectory",
        trajectory,
        "(*batch, shots, readout >= 2, 2)",
        lambda shape: len(shape) >= 3 and shape[-1] == 2 and shape[-2] >= 2,
    )
    coordinates("delays", delays, "(2, 2)", lambda shape: shape == (2, 2))
    step = (trajectory[..., -1:, :] - trajectory[..., :1, :]) / (trajectory.shape[-2] - 1)
    return trajectory - step @ delays.to(step).T


def _check(kspace: Tensor, trajectory: Tensor, max_delay: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """k-space (coils, shots, readout), steps (shots, 2), the sample nearest to the centre and where it lies."""
    coordinates(
        "trajectory",
        trajectory,
        "(shots, readout >= 2, 2)",
        lambda shape: len(shape) == 3 and shape[-1] == 2 and shape[1] >= 2,
    )
    shots, readout, _ = trajectory.shape
    if not instance("kspace", kspace, Tensor, "a torch.Tensor").is_complex():
        raise TypeError(f"kspace: expected a complex tensor, got {kspace.dtype}")
    if kspace.ndim < 3 or tuple(kspace.shape[-2:]) != (shots, readout) or kspace.numel() == 0:
        raise ValueError(
            f"kspace: expected (*batch, coils, {shots}, {readout}) without empty axes, got {tuple(kspace.shape)}"
        )
    number(
        "max_delay",
        max_delay,
        f"between 0 and a quarter of the readout of {readout} samples",
        lambda delay: 0 < delay < readout / 4,
    )
    finite("trajectory", trajectory)
    finite("kspace", kspace, "values")
    if not bool(kspace.any()):
        raise ValueError("kspace: expected a signal, got zeros")
    k = trajectory.double()
    step = (k[:, -1] - k[:, 0]) / (readout - 1)
    length = step.norm(dim=-1, keepdim=True)
    if bool((length == 0).any()) or bool(((k.diff(dim=1) - step[:, None]).norm(dim=-1) > 0.02 * length).any()):
        raise ValueError("trajectory: expected straight spokes with equal steps, got steps that vary")
    centre = -(k[:, 0] * step).sum(-1) / step.square().sum(-1)
    base = k[:, 0] + centre[:, None] * step
    if bool((base.norm(dim=-1) > 1.0).any()) or bool(((centre < max_delay) | (centre > readout - 1 - max_delay)).any()):
        raise ValueError("trajectory: expected full spokes through the centre of k-space")
    return kspace.reshape(-1, shots, readout).to(torch.complex128), step, centre, base


def _interpolate(flat: Tensor, centre: Tensor, offsets: Tensor) -> Tensor:
    """Samples of all spokes at centre + offsets, by the sinc of the readout: (coils, shots, offsets)."""
    samples = torch.arange(flat.shape[-1], dtype=torch.float64, device=flat.device)
    kernel = torch.sinc(centre[:, None, None] + offsets[None, :, None] - samples)
    return torch.einsum("csr,spr->csp", flat, kernel.to(flat.dtype))


def _pairs(steps: Tensor, shots: int) -> tuple[Tensor, Tensor]:
    first, second = torch.triu_indices(shots, shots, offset=1)
    unit = (steps / steps.norm(dim=-1, keepdim=True)).cpu()
    crossing = (unit[first, 0] * unit[second, 1] - unit[first, 1] * unit[second, 0]).abs() > 0.5
    first, second = first[crossing], second[crossing]
    if len(first) < 2:
        raise ValueError("trajectory: expected spokes that cross at more than 30 degrees, got nearly parallel ones")
    chosen = torch.linspace(0, len(first) - 1, min(len(first), _PAIRS)).round().long()
    return first[chosen], second[chosen]


def _intersection(one: Tensor, two: Tensor, offsets: Tensor, phase: bool) -> tuple[float, float]:
    """Offsets on two spokes at which their coil vectors are closest."""
    product = one.conj().T @ two
    alike = product.real if phase else product.abs()
    apart = one.abs().square().sum(0)[:, None] + two.abs().square().sum(0) - 2 * alike
    row, column = divmod(int(apart.argmin()), apart.shape[1])
    return float(offsets[row]), float(offsets[column])


def _robust(rows: Tensor, right: Tensor) -> Tensor:
    """Least squares with weights 1 / (1 + (r/s)^2) by the residual r against its median s: outliers lose their say."""
    weight = torch.ones(len(rows), 1, dtype=torch.float64)
    for _ in range(10):
        solution = torch.linalg.lstsq(
            (rows * weight[..., None]).flatten(0, 1), (right * weight).reshape(-1, 1)
        ).solution[:, 0]
        residual = (rows @ solution - right).norm(dim=-1, keepdim=True)
        weight = (1 / (1 + (residual / residual.median().clamp_min(1e-12)).square())).sqrt()
    return solution
