"""The fastest gradient waveform along a given path in k-space, within limits of amplitude and slew rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mriops.trajectories.hardware import GAMMA, GradientLimits, check_gradient_limits

Array = NDArray[np.float64]
_ROUNDS = 30
# Steps of a waveform: 10 s on a raster of 10 us, far beyond any readout.
_MOST = 1_000_000


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

    Raises
    ------
    TypeError, ValueError
        If the path is not an array of at least three points that move on everywhere, a limit is not positive, or no
        timing keeps the limits on their raster.

    References
    ----------
    Lustig, Kim, Pauly. A fast method for designing time-optimal gradient waveforms for arbitrary k-space trajectories.
    IEEE TMI 27:866 (2008).
    """
    check_gradient_limits(limits)
    way = geometry(_path(path))
    return within(limits, lambda aim: rastered(way, way.speed(aim), aim.raster)[None])[0]


def within(limits: GradientLimits, play: Callable[[GradientLimits], Array]) -> Array:
    """Waveforms (shots, steps, ndim) that keep the limits, played with lower ones until they do.

    Raises
    ------
    ValueError
        If they do not after some rounds: the raster is too coarse for the path.
    """
    aim = limits
    high = steep = math.inf
    for _ in range(_ROUNDS):
        gradient = play(aim)
        high = np.linalg.norm(gradient, axis=-1).max() / limits.gradient
        steep = np.linalg.norm(np.diff(gradient, axis=1), axis=-1).max() / limits.raster / limits.slew
        if high <= 1 + 1e-9 and steep <= 1 + 1e-9:
            return gradient
        aim = aim._replace(
            gradient=aim.gradient / max(1.0, high * 1.0001), slew=aim.slew / max(1.0, 1 + 0.5 * (steep - 1) + 1e-4)
        )
    raise ValueError(
        f"limits: expected some that a waveform on a raster of {limits.raster} s can keep on this path, got {limits}, "
        f"exceeded {max(high, steep):.3g} times after {_ROUNDS} rounds"
    )


class Geometry(NamedTuple):
    """Of a path, at its points: unit tangents, arc length per step of the parameter, and curvature."""

    tangent: Array
    pace: Array
    curvature: Array

    def length(self) -> Array:
        """From the start of the path to its points."""
        return np.concatenate([[0.0], np.cumsum(0.5 * (self.pace[1:] + self.pace[:-1]))])

    def speed(self, limits: GradientLimits) -> Array:
        """The highest [1/m/s] at the points, from rest."""
        fastest, force = (GAMMA * limits.gradient) ** 2, GAMMA * limits.slew
        bound = np.minimum(fastest, force / np.maximum(self.curvature, force / fastest * 1e-3))
        step = np.diff(self.length())
        forward = _integrate(0.0, step, self.curvature, bound, force)
        backward = _integrate(bound[-1], step[::-1], self.curvature[::-1], np.minimum(bound, forward)[::-1], force)
        return np.sqrt(backward[::-1])

    def travel_time(self, speed: Array) -> Array:
        """When the points are passed [s]."""
        both = np.maximum(speed[1:] + speed[:-1], 1e-300)
        return np.concatenate([[0.0], np.cumsum(2 * np.diff(self.length()) / both)])


def geometry(path: Array) -> Geometry:
    """What limits the speed along a path (points, ndim)."""
    first = np.gradient(path, axis=0, edge_order=2)
    second = np.gradient(first, axis=0, edge_order=2)
    pace = np.linalg.norm(first, axis=-1)
    if not (pace > 0).all():
        raise ValueError(f"path: expected points that move on, got a standstill at point {int(np.argmin(pace))}")
    cross = (first**2).sum(-1) * (second**2).sum(-1) - (first * second).sum(-1) ** 2
    return Geometry(first / pace[:, None], pace, np.sqrt(np.maximum(cross, 0)) / pace**3)


def envelope(paths: Iterable[Array]) -> Geometry:
    """At every point the longest way and the sharpest turn of any path, for a timing that suits all of them."""
    ways = (geometry(path) for path in paths)
    whole = next(ways)
    for way in ways:
        pace = np.maximum(whole.pace, way.pace)
        turn = np.maximum(whole.curvature * whole.pace**2, way.curvature * way.pace**2)
        whole = Geometry(whole.tangent, pace, turn / pace**2)
    return whole


def step_count(duration: float, raster: float) -> int:
    """Of a waveform of this duration [s]."""
    steps = math.ceil(duration / raster) if duration < _MOST * raster else _MOST + 1
    if steps > _MOST:
        raise ValueError(
            f"limits: expected some that play the path in at most {_MOST} steps of {raster} s, got {duration:.3g} s"
        )
    return steps


def _path(path: object) -> Array:
    """The points as float64, real and finite."""
    points = np.asarray(path)
    if points.dtype.kind not in "iuf":
        raise TypeError(f"path: expected an array of real numbers, got {type(path).__name__} of {points.dtype}")
    if points.ndim != 2 or len(points) < 3 or not points.shape[1]:
        raise ValueError(f"path: expected (points >= 3, ndim), got {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("path: expected finite coordinates, got NaN or Inf")
    return points.astype(float)


def _integrate(start: float, step: Array, curvature: Array, bound: Array, force: float) -> Array:
    squares = [min(start, float(bound[0]))]
    for d, c, top in zip(step.tolist(), curvature.tolist(), bound[1:].tolist()):
        square = squares[-1]
        room = force * force - (c * square) ** 2
        squares.append(min(square + 2 * d * math.sqrt(room) if room > 0 else square, top))
    return np.array(squares)


def rastered(way: Geometry, speed: Array, raster: float) -> Array:
    """Gradient (steps, ndim) [T/m] at multiples of the raster."""
    time = way.travel_time(speed)
    at = np.arange(step_count(float(time[-1]), raster) + 1) * raster
    moving = np.interp(at, time, speed)
    along = np.stack([np.interp(at, time, component) for component in way.tangent.T], axis=-1)
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    gradient = along * moving[:, None] / GAMMA
    gradient[0] = 0.0
    return gradient
