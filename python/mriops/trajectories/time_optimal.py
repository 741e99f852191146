"""The fastest gradient waveform along a given path in k-space, within limits of amplitude and slew rate."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mriops.trajectories.hardware import GAMMA, GradientLimits

Array = NDArray[np.float64]


def time_optimal(path: Array, limits: GradientLimits) -> Array:
    r"""Gradient waveform that follows a path as fast as the limits allow.

    With arc length s, speed v = ds/dt and curvature kappa the gradient is v / gamma along the tangent, and

    .. math:: v \le \gamma G, \qquad \left(\frac{dv}{dt}\right)^2 + (\kappa v^2)^2 \le (\gamma S)^2,

    which is integrated for v^2 over s, forwards from rest and backwards from the end, and the lower of the two is the
    optimum.

    Parameters
    ----------
    path : array (points, ndim)
        Dense, with a regular parametrisation [cycles/m].
    limits : GradientLimits

    Returns
    -------
    array (steps, ndim)
        Gradient at multiples of the raster, from zero [T/m]; the last step reaches the end of the path. Amplitude and
        slew between raster points are within the limits: if interpolation exceeds them, the design is repeated with
        lower ones.

    References
    ----------
    Lustig, Kim, Pauly. A fast method for designing time-optimal gradient waveforms for arbitrary k-space trajectories.
    IEEE TMI 27:866 (2008).
    """
    first, length, curvature = _geometry(path)
    aim = limits
    for _ in range(20):
        gradient = _rastered(first, length, _speed(length, curvature, aim), limits.raster)
        high = np.linalg.norm(gradient, axis=-1).max() / limits.gradient
        steep = np.linalg.norm(np.diff(gradient, axis=0), axis=-1).max() / limits.raster / limits.slew
        if high <= 1 + 1e-9 and steep <= 1 + 1e-9:
            break
        aim = aim._replace(
            gradient=aim.gradient / max(1.0, high * 1.0001), slew=aim.slew / max(1.0, 1 + 0.5 * (steep - 1) + 1e-4)
        )
    return gradient


def _geometry(path: Array) -> tuple[Array, Array, Array]:
    """Unit tangents, arc length and curvature at the points of a path."""
    first = np.gradient(path, axis=0, edge_order=2)
    second = np.gradient(first, axis=0, edge_order=2)
    pace = np.linalg.norm(first, axis=-1)
    cross = (first**2).sum(-1) * (second**2).sum(-1) - (first * second).sum(-1) ** 2
    curvature = np.sqrt(np.maximum(cross, 0)) / np.maximum(pace, 1e-300) ** 3
    length = np.concatenate([[0.0], np.cumsum(0.5 * (pace[1:] + pace[:-1]))])
    return first / pace[:, None], length, curvature


def _speed(length: Array, curvature: Array, limits: GradientLimits) -> Array:
    """Speed [1/m/s] at the points of a path."""
    fastest, force = (GAMMA * limits.gradient) ** 2, GAMMA * limits.slew
    bound = np.minimum(fastest, force / np.maximum(curvature, force / fastest * 1e-3))
    step = np.diff(length)
    forward = _integrate(0.0, step, curvature, bound, force)
    backward = _integrate(bound[-1], step[::-1], curvature[::-1], np.minimum(bound, forward)[::-1], force)
    return np.sqrt(backward[::-1])


def _integrate(start: float, step: Array, curvature: Array, bound: Array, force: float) -> Array:
    squares = [min(start, float(bound[0]))]
    for d, c, top in zip(step.tolist(), curvature.tolist(), bound[1:].tolist()):
        square = squares[-1]
        room = force * force - (c * square) ** 2
        squares.append(min(square + 2 * d * math.sqrt(room) if room > 0 else square, top))
    return np.array(squares)


def _rastered(tangent: Array, length: Array, speed: Array, raster: float) -> Array:
    pace = np.maximum(speed[1:] + speed[:-1], 1e-300)
    time = np.concatenate([[0.0], np.cumsum(2 * np.diff(length) / pace)])
    at = np.arange(math.ceil(time[-1] / raster) + 1) * raster
    moving = np.interp(at, time, speed)
    along = np.stack([np.interp(at, time, component) for component in tangent.T], axis=-1)
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    gradient = along * moving[:, None] / GAMMA
    gradient[0] = 0.0
    return gradient
