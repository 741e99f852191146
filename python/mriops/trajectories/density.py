"""Density compensation in closed form: the area of k-space that belongs to a sample of radial and spiral readouts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mriops._native.arguments import image_size
from mriops.trajectories.coordinates import finite, readouts


def dcf_radial(trajectory: Tensor, im_size: Sequence[int]) -> Tensor:
    r"""Weights of straight readouts through, from or to the centre: the measure of polar coordinates.

    .. math:: w_{si} = \Omega_s \prod_a \tfrac{N_a}{2} \int |\rho|^{D-1} \left(2\, b_i(\rho) - h_i(\rho)\right) d\rho

    with the coordinate rho along the spoke in units of N/2, the box b_i from halfway to the last sample to halfway to
    the next, and the hat h_i, which is 1 at sample i and 0 at its neighbours. The box alone gives the areas of ring
    sectors; the difference corrects the kink of the density in the centre to second order (the rule of Euler and
    Maclaurin): the sample there weighs 2/3 of its disc in 2D and nothing in 3D. Omega_s is the angle that a spoke has
    for itself: half the way to its neighbours in 2D, whatever the order, and equal shares of the sphere in 3D.

    Parameters
    ----------
    trajectory : Tensor (*batch, shots, readout, D)
        [cycles/FOV]. Samples may be spaced unequally along the spoke (ramps). Each batch item (frame) for itself.
    im_size : (y, x) or (z, y, x)
        N

    Returns
    -------
    Tensor (*batch, shots, readout)
        Area (volume) of k-space per sample [(cycles/FOV)^D]: ``nufft_adjoint(dcf * nufft(x))`` is near x.

    Raises
    ------
    TypeError, ValueError
        If the trajectory is not a real floating-point tensor, shapes do not fit, there is no shot, a coordinate is not
        finite, a readout has fewer than two samples, or is not straight through, from or to the centre.

    References
    ----------
    Glover, Pauly. Projection reconstruction techniques for reduction of motion effects in MRI. MRM 28:275 (1992).
    """
    k, scale = _normalised(trajectory, im_size)
    ndim = k.shape[-1]
    # Inward spokes end within half a spacing of the centre: half, but for the rounding of coordinates, where it lies
    # between samples.
    inward = (k[..., -1, :].norm(dim=-1) < 0.51 * (k[..., -1, :] - k[..., -2, :]).norm(dim=-1))[..., None]
    k = torch.where(inward[..., None], k.flip(-2), k)
    unit = k[..., -1, :] - k[..., 0, :]
    length = unit.norm(dim=-1, keepdim=True)
    if bool((length == 0).any()):
        raise ValueError("trajectory: expected spokes, got readouts whose ends coincide")
    unit = unit / length
    rho = (k * unit[..., None, :]).sum(-1)
    if bool(((k - rho[..., None] * unit[..., None, :]).norm(dim=-1) > 0.02 * (1 + k.norm(dim=-1))).any()):
        raise ValueError("trajectory: expected straight spokes through the centre, got others (use dcf_voronoi)")
    spacing = rho.diff(dim=-1)
    full = bool((rho[..., 0] < -0.5 * spacing[..., 0].abs()).any())
    share = _angular_shares(unit, full) if ndim == 2 else _equal_shares(unit, full)
    weight = (2 * _box(rho, ndim, full) - _hat(rho, ndim, full)).clamp_min(0.0)
    weight = torch.where(inward, weight.flip(-1), weight)
    return (share[..., None] * weight * scale).to(trajectory.dtype)


def dcf_spiral(trajectory: Tensor, im_size: Sequence[int]) -> Tensor:
    r"""Weights of evenly rotated readouts whose radius grows (or falls): spirals of any density.

    .. math:: w_{si} = \frac{2\pi}{S} \int_{\rho_{i-1/2}}^{\rho_{i+1/2}} \rho\, d\rho\ \prod_a \tfrac{N_a}{2}

    In the coordinates (time, rotation) the area element of k(t) rotated by phi is rho d(rho) d(phi), however the
    spiral turns in between: this is the Jacobian of Meyer and Hoge, summed exactly over the interval of a sample.

    Parameters
    ----------
    trajectory : Tensor (*batch, shots, readout, 2)
        [cycles/FOV]
    im_size : (y, x)
        N

    Returns
    -------
    Tensor (*batch, shots, readout)
        Area of k-space per sample [(cycles/FOV)^2].

    Raises
    ------
    TypeError, ValueError
        If the trajectory is not a real floating-point tensor, shapes do not fit, there is no shot, a coordinate is not
        finite, or a readout has fewer than two samples.

    References
    ----------
    Hoge, Kwan, Pike. Density compensation functions for spiral MRI. MRM 38:117 (1997).
    """
    k, scale = _normalised(trajectory, im_size)
    if k.shape[-1] != 2:
        raise ValueError(f"trajectory: expected 2D spirals, got {tuple(trajectory.shape)}")
    radius = k.norm(dim=-1)
    edges = _edges(radius).clamp_min(0.0)
    area = (edges.square() / 2).diff(dim=-1).abs() * (2 * math.pi / k.shape[-3])
    return (area * scale).to(trajectory.dtype)


def _normalised(trajectory: Tensor, im_size: Sequence[int]) -> tuple[Tensor, float]:
    """Coordinates in units of N/2, float64, and the area that one unit has in cycles/FOV."""
    size = image_size(im_size)
    readouts(trajectory, size, least=2)
    finite("trajectory", trajectory)
    half = torch.tensor(size, dtype=torch.float64, device=trajectory.device) / 2
    return trajectory.detach().double() / half, float(half.prod())


def _edges(position: Tensor) -> Tensor:
    """Halfway between samples, and as far beyond the ends as the last sample is from its edge."""
    middle = (position[..., 1:] + position[..., :-1]) / 2
    first, last = 2 * position[..., :1] - middle[..., :1], 2 * position[..., -1:] - middle[..., -1:]
    return torch.cat([first, middle, last], dim=-1)


def _box(rho: Tensor, ndim: int, full: bool) -> Tensor:
    """Integral of |rho|^(ndim-1) between the edges of each sample."""
    edges = _edges(rho) if full else _edges(rho).clamp_min(0.0)
    return (edges.sign() * edges.abs() ** ndim / ndim).diff(dim=-1).abs()


def _hat(rho: Tensor, ndim: int, full: bool) -> Tensor:
    """Integral of |rho|^(ndim-1) times the piecewise linear function that is one at a sample, zero at the others."""
    long = torch.cat([2 * rho[..., :1] - rho[..., 1:2], rho, 2 * rho[..., -1:] - rho[..., -2:-1]], dim=-1)
    if not full:
        long = long.clamp_min(0.0)
    left, right = long[..., :-1], long[..., 1:]
    # Moments of |rho|^(ndim-1) over each interval: of 1 and of rho.
    zeroth = (right.sign() * right.abs() ** ndim - left.sign() * left.abs() ** ndim) / ndim
    first = (right.abs() ** (ndim + 1) - left.abs() ** (ndim + 1)) / (ndim + 1)
    width = (right - left).clamp_min(1e-12)
    rising, falling = (first - left * zeroth) / width, (right * zeroth - first) / width
    return rising[..., :-1] + falling[..., 1:]


def _angular_shares(unit: Tensor, full: bool) -> Tensor:
    """Half the angle to both neighbours; equal directions share."""
    turn = math.pi if full else 2 * math.pi
    angle = torch.remainder(torch.atan2(unit[..., 0], unit[..., 1]), turn)
    # An angle just below a full turn is the first direction, rounded.
    angle = torch.where(turn - angle < 1e-6, torch.zeros_like(angle), angle)
    ordered, place = angle.sort(dim=-1)
    before = torch.cat([ordered[..., -1:] - turn, ordered[..., :-1]], dim=-1)
    after = torch.cat([ordered[..., 1:], ordered[..., :1] + turn], dim=-1)
    share = (after - before) / 2
    # Numbers of the directions; spokes of one direction divide its share evenly.
    direction = torch.nn.functional.pad((ordered.diff(dim=-1) >= 1e-6).cumsum(-1), (1, 0))
    total, count = torch.zeros_like(share), torch.zeros_like(share)
    total.scatter_add_(-1, direction, share)
    count.scatter_add_(-1, direction, torch.ones_like(share))
    share = (total / count.clamp_min(1)).gather(-1, direction)
    return torch.zeros_like(share).scatter(-1, place, share)


def _equal_shares(unit: Tensor, full: bool) -> Tensor:
    sphere = 2 * math.pi if full else 4 * math.pi
    return torch.full(unit.shape[:-1], sphere / unit.shape[-2], dtype=unit.dtype, device=unit.device)
