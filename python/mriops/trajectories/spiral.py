"""Spirals that a scanner can play: planar with variable density, and on cones through 3D k-space."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from mriops._native.arguments import integer, numbers, one_each
from mriops.trajectories.angles import golden_angle, rotations, spoke_angles
from mriops.trajectories.hardware import (
    GAMMA,
    LIMITS,
    GradientLimits,
    Waveform,
    check_fov,
    check_limits,
    half_size,
    traverse,
)
from mriops.trajectories.time_optimal import envelope, geometry, rastered, step_count, within

Array = NDArray[np.float64]
Density = float | tuple[float, float] | Callable[[Array], Array]
# Points of a path: a turn of a single-shot spiral of 256 pixels has 300.
_POINTS = 40_000
# Cones nearer to the pole than this sine twist no more than the cone there.
_STEEPEST = 0.5


def spiral(
    im_size: Sequence[int],
    shots: int,
    *,
    field_of_view: float | Sequence[float],
    density: Density = 1.0,
    order: str | float = "uniform",
    limits: GradientLimits = LIMITS,
    dwell: float = 2e-6,
    dtype: torch.dtype = torch.float32,
) -> Waveform:
    r"""Planar spirals from the centre outwards, played as fast as the limits allow.

    .. math:: k(r) = r\,(\sin\theta, \cos\theta), \qquad
              \theta(r) = \frac{2\pi}{S} \int_0^r d\!\left(\tfrac{2\rho}{N}\right) d\rho

    S shots, evenly rotated, leave a distance of 1/d cycles/FOV between turns. The timing along this path is time
    optimal (`time_optimal`), computed numerically, not one of the closed approximations; shots that are no rotations of
    each other, for voxels that are not square, share a timing that suits all.

    Parameters
    ----------
    im_size : (y, x)
        N. The radius is N/2 of each axis: a circle for square voxels.
    shots : int
        Interleaves.
    field_of_view : float or (float, float)
        [m]
    density : float, (float, float) or callable
        d: 1 samples at the Nyquist rate everywhere; a pair goes linearly from the centre to the edge; a function maps
        the normalised radius in [0, 1] to d > 0.
    order : "uniform", "golden" or float
        Rotation from shot to shot, as in `radial`.
    limits : GradientLimits
        For the length of the gradient vector.
    dwell : float
        Time between samples [s].
    dtype : torch.dtype

    Returns
    -------
    Waveform
        `trajectory` (shots, readout, 2) [cycles/FOV] within [-N/2, N/2], which is what the piecewise linear `gradient`
        traverses. The gradient starts from zero and ends at full amplitude: ramp-down and rewinder are the sequence's.

    Raises
    ------
    ValueError
        If a size, count, density or limit is not positive, or no timing keeps the limits on their raster.

    References
    ----------
    Meyer et al. Fast spiral coronary artery imaging. MRM 28:202 (1992).
    Kim, Adalsteinsson, Spielman. Simple analytic variable density spiral design. MRM 50:214 (2003).
    Lustig, Kim, Pauly. A fast method for designing time-optimal gradient waveforms. IEEE TMI 27:866 (2008).

    Examples
    --------
    >>> from mriops.trajectories import spiral
    >>> wave = spiral((128, 128), 16, field_of_view=0.24, density=(1.0, 0.5))
    >>> wave.trajectory.shape[0], round(float(wave.time[-1]) * 1e3)
    (16, 4)
    """
    scale = half_size(im_size, 2)
    fov = np.array(check_fov(field_of_view, 2))
    check_limits(limits, dwell, dtype)
    integer("shots", shots, 1)
    radius = np.linspace(0, 1, _POINTS)
    turns = scale.max() / shots * _cumulative(_density(density, radius), radius)
    path = radius[:, None] * np.stack([np.sin(2 * math.pi * turns), np.cos(2 * math.pi * turns)], axis=-1)
    # Turned in normalised coordinates, where the path is a circle whatever the shape of the voxel.
    shape = scale / fov
    turn = rotations(spoke_angles(shots, order, full=False))
    lead = geometry(path * shape)
    square = bool((shape == shape[0]).all())
    fastest = envelope(np.einsum("ab,tb->ta", one, path) * shape for one in (turn[:1] if square else turn))

    def play(aim: GradientLimits) -> Array:
        speed = fastest.speed(aim) * (lead.pace / fastest.pace)
        return np.einsum("sab,tb->sta", turn, rastered(lead, speed, aim.raster) / shape) * shape

    return _sampled(within(limits, play), fov, scale, limits, dwell, dtype)


def cones(
    im_size: Sequence[int],
    shots: int,
    *,
    field_of_view: float | Sequence[float],
    density: Density = 1.0,
    limits: GradientLimits = LIMITS,
    dwell: float = 2e-6,
    dtype: torch.dtype = torch.float32,
) -> Waveform:
    r"""Spirals on cones about the z axis, from the centre outwards: a twisted kooshball with fewer shots.

    .. math:: k(r) = r\,(\cos\vartheta, \sin\vartheta\sin\varphi, \sin\vartheta\cos\varphi), \qquad
              \frac{d\varphi}{dr} = \frac{4\pi r\, d}{S \sin\vartheta}

    The cones divide the sphere into equal areas, one shot each, at azimuths of the golden angle. The twist sweeps the
    area of its shot: S spirals sample like 4 pi (N/2)^2 spokes. All shots share one timing, that of the longest way and
    the sharpest turn of any cone at each radius, so that most are slower than they could be; cones with
    sin(theta) < 0.5, next to the poles, twist less.

    Parameters
    ----------
    im_size : (z, y, x)
        N
    shots : int
    field_of_view : float or (float, float, float)
        [m]
    density : float, (float, float) or callable
        d, as in `spiral`.
    limits, dwell, dtype
        As in `spiral`.

    Returns
    -------
    Waveform
        `trajectory` (shots, readout, 3) [cycles/FOV].

    Raises
    ------
    ValueError
        If a size, count, density or limit is not positive, or no timing keeps the limits on their raster.

    References
    ----------
    Irarrazabal, Nishimura. Fast three dimensional magnetic resonance imaging. MRM 33:656 (1995).
    Gurney, Hargreaves, Nishimura. Design and analysis of a practical 3D cones trajectory. MRM 55:575 (2006).
    Pipe et al. A new design and rationale for 3D orthogonally oversampled k-space trajectories. MRM 66:1303 (2011).
    """
    scale = half_size(im_size, 3)
    fov = np.array(check_fov(field_of_view, 3))
    check_limits(limits, dwell, dtype)
    integer("shots", shots, 1)
    height = (2 * np.arange(shots) + 1) / shots - 1
    across = np.sqrt(1 - height**2)
    radius = np.linspace(0, 1, _POINTS // 4)
    twist = 4 * math.pi * scale.max() ** 2 / shots * _cumulative(radius * _density(density, radius), radius)
    start = np.arange(shots) * 2 * golden_angle()

    def cone(shot: int, r: Array, turned: Array) -> Array:
        azimuth = start[shot] + turned / max(across[shot], _STEEPEST)
        along = np.stack(
            [np.full_like(r, height[shot]), across[shot] * np.sin(azimuth), across[shot] * np.cos(azimuth)], -1
        )
        return r[:, None] * along * (scale / fov)

    fastest = envelope(cone(shot, radius, twist) for shot in range(shots))

    def play(aim: GradientLimits) -> Array:
        r = _radii(radius, fastest.travel_time(fastest.speed(aim)), aim.raster)
        paths = np.stack([cone(shot, r, np.interp(r, radius, twist)) for shot in range(shots)])
        gradient = np.gradient(paths, aim.raster, axis=1) / GAMMA
        gradient[:, 0] = 0.0
        return gradient

    return _sampled(within(limits, play), fov, scale, limits, dwell, dtype)


def _radii(radius: Array, time: Array, raster: float) -> Array:
    """Radii at multiples of the raster, slowed so that the last is the end."""
    steps = step_count(time[-1], raster)
    # From rest the radius grows like the square of time.
    return np.interp(np.linspace(0, time[-1], steps + 1), time, np.sqrt(radius)) ** 2


_DENSITIES = "a function of the radius, a positive number or two of them (centre, edge)"


def _density(density: Density, radius: Array) -> Array:
    if callable(density):
        values = np.broadcast_to(np.asarray(density(radius), float), radius.shape)
    else:
        centre, edge = numbers("density", one_each(density, 2), _DENSITIES, 2)
        values = centre + (edge - centre) * radius
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError(f"density: expected positive values for radii in [0, 1], got a minimum of {values.min()}")
    return values


def _cumulative(values: Array, at: Array) -> Array:
    return np.concatenate([[0.0], np.cumsum(0.5 * (values[1:] + values[:-1]) * np.diff(at))])


def _sampled(
    gradient: Array,
    fov: Array,
    scale: Array,
    limits: GradientLimits,
    dwell: float,
    dtype: torch.dtype,
) -> Waveform:
    steps = np.arange(gradient.shape[1]) * limits.raster
    time = np.arange(int(steps[-1] / dwell * (1 + 1e-12)) + 1) * dwell
    k = traverse(gradient, limits.raster, time) * fov
    # The last step of the waveform ends up to a raster time behind the end of the path.
    inside = np.linalg.norm(k / scale, axis=-1).max(axis=0) < 1
    time, k = time[inside], k[:, inside]
    return Waveform(*(torch.from_numpy(a).to(dtype) for a in (k, time, gradient, steps)))
