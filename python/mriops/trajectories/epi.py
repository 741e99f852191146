"""Echo-planar readouts: alternating trapezoids with blips, sampled on the ramps too."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from mriops._native.arguments import integer
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

Array = NDArray[np.float64]


def epi(
    im_size: Sequence[int],
    *,
    field_of_view: float | Sequence[float],
    shots: int = 1,
    ramp_sampling: bool = True,
    limits: GradientLimits = LIMITS,
    dwell: float = 4e-6,
    dtype: torch.dtype = torch.float32,
) -> Waveform:
    """Blipped EPI: line after line along x, in alternating directions, from -N/2 upwards in y.

    The readout gradient is what `dwell` allows without aliasing, 1 / (gamma dwell FOV), or the limit. Blips lie in the
    gaps between the sampled windows; with `ramp_sampling` these windows reach into the ramps, up to the blips.

    Parameters
    ----------
    im_size : (y, x)
        N
    field_of_view : float or (float, float)
        [m]
    shots : int
        Interleaved segments; must divide N_y. Shot s takes the lines s, s + shots, ...
    ramp_sampling : bool
        Otherwise samples are taken on the flat part of the trapezoids only.
    limits : GradientLimits
        Amplitude and slew of each axis here, which is what readout and blips use one at a time or together.
    dwell : float
        Time between samples [s].
    dtype : torch.dtype

    Returns
    -------
    Waveform
        `trajectory` (shots, lines * samples, 2) [cycles/FOV], components (y, x); ``.unflatten(1, (lines, -1))`` with
        lines = N_y / shots gives lines. `time` counts from the start of the first trapezoid; the prephasing before it
        is not part of `gradient`.

    Raises
    ------
    ValueError
        If a size, length or limit is not positive, or shots do not divide N_y.

    References
    ----------
    Mansfield. Multi-planar image formation using NMR spin echoes. J Phys C 10:L55 (1977).
    Bernstein, King, Zhou. Handbook of MRI Pulse Sequences, chapter 16.1 (2004).
    """
    n_y, n_x = (int(2 * h) for h in half_size(im_size, 2))
    fov_y, fov_x = check_fov(field_of_view, 2)
    check_limits(limits, dwell, dtype)
    if integer("shots", shots, 1) > n_y or n_y % shots:
        raise ValueError(f"shots: expected a divisor of {n_y}, got {shots}")
    lines = n_y // shots
    blip = _blip(shots / (GAMMA * fov_y), limits)
    line, window = _line(n_x / (GAMMA * fov_x), len(blip) // 2, 1 / (GAMMA * dwell * fov_x), ramp_sampling, limits)
    steps, period = (len(line) - 1) * lines + 1, len(line) - 1
    gradient = np.zeros((steps, 2))
    for i in range(lines):
        gradient[i * period : (i + 1) * period + 1, 1] += line if i % 2 == 0 else -line
        if i:
            begin = i * period - len(blip) // 2
            gradient[begin : begin + len(blip), 0] += blip
    samples = int((window[1] - window[0]) / dwell * (1 + 1e-12))
    spare = window[1] - window[0] - (samples - 1) * dwell
    inside = window[0] + spare / 2 + np.arange(samples) * dwell
    time = (np.arange(lines)[:, None] * period * limits.raster + inside).ravel()
    moved = traverse(gradient, limits.raster, time) * (fov_y, fov_x)
    whole = float(traverse(line[:, None], limits.raster, np.array([period * limits.raster]))[0, 0]) * fov_x
    origin = np.stack([np.arange(shots) - n_y // 2, np.full(shots, -whole / 2)], axis=-1)
    gradient = np.broadcast_to(gradient, (shots, *gradient.shape)).copy()
    stamps = np.arange(steps) * limits.raster
    return Waveform(*(torch.from_numpy(a).to(dtype) for a in (origin[:, None] + moved, time, gradient, stamps)))


def _blip(area: float, limits: GradientLimits) -> Array:
    """A triangle, or a trapezoid if it must be, of an area [T s/m], on the raster with zeros at both ends."""
    ramp = max(1, math.ceil(math.sqrt(area / limits.slew) / limits.raster - 1e-9))
    flat = 0
    if area / (ramp * limits.raster) > limits.gradient:
        ramp = max(1, math.ceil(limits.gradient / limits.slew / limits.raster - 1e-9))
        flat = max(0, math.ceil(area / limits.gradient / limits.raster - ramp - 1e-9))
        flat += flat % 2  # so that the middle lies on the raster
    shape = np.concatenate([np.arange(ramp), np.full(flat + 1, ramp), np.arange(ramp - 1, -1, -1)]).astype(float)
    return shape * area / (shape.sum() * limits.raster)


def _line(
    area: float, half_blip: int, amplitude: float, ramp_sampling: bool, limits: GradientLimits
) -> tuple[Array, tuple[float, float]]:
    """A trapezoid whose sampled window has an area [T s/m], and that window [s]."""
    raster = limits.raster
    amplitude = min(amplitude, limits.gradient)
    ramp = max(half_blip, 1, math.ceil(amplitude / limits.slew / raster - 1e-9))
    skipped = half_blip if ramp_sampling else ramp
    lost = skipped**2 / ramp * raster * amplitude  # of both ramps together
    flat = max(1, math.ceil((area + lost) / amplitude / raster - ramp - 1e-9))
    shape = np.concatenate([np.arange(ramp), np.full(flat + 1, ramp), np.arange(ramp - 1, -1, -1)]) / ramp
    sampled = (ramp + flat - skipped**2 / ramp) * raster
    return shape * (area / sampled), (skipped * raster, (2 * ramp + flat - skipped) * raster)
