"""Grids of starts that follow the measurement: where the residual has its minima depends on the times.

Functions get the rows of the design as lists, and the bounds of the parameter.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

__all__ = ["arrival_grid", "off_resonance_grid"]

#: Points at most.
_MOST = 1000
#: Off-resonances beyond this are no start, unless bounds are given: with few echoes, water there looks like fat [Hz].
_FAR = 300.0
#: Distance of arrival times at most [s].
_ARRIVAL = 0.1


def _middles(low: float, high: float, step: float, least: int = 1) -> list[float]:
    """Middles of equal intervals of at most ``step``."""
    count = min(max(math.ceil((high - low) / step), least), _MOST)
    return [low + (i + 0.5) * (high - low) / count for i in range(count)]


def off_resonance_grid(rows: Sequence[Sequence[float]], lower: float, upper: float) -> list[float]:
    """Off-resonances about 0 [Hz], as far as echoes tell them apart, close enough for every minimum.

    One period ``1 / min(TE_i+1 - TE_i)`` within 300 Hz, or that part of the bounds which is nearest to 0, in steps of
    at most ``1 / (4 (TE_last - TE_first))``.
    """
    times = sorted(set(rows[0]))
    if len(times) < 2:
        return [min(max(0.0, lower), upper)]
    if math.isinf(lower):
        lower = min(-_FAR, upper - 2 * _FAR) if math.isfinite(upper) else -_FAR
    if math.isinf(upper):
        upper = max(_FAR, lower + 2 * _FAR)
    period = 1 / min(b - a for a, b in itertools.pairwise(times))
    low = min(max(-period / 2, lower), max(upper - period, lower))
    return _middles(low, min(low + period, upper), 0.25 / (times[-1] - times[0]))


def arrival_grid(rows: Sequence[Sequence[float]], lower: float, upper: float) -> list[float]:
    """Arrival times of a label [s] between the kinks of the signal, which are at ``t`` and ``t - L``, never on one."""
    times, durations = rows[0], rows[1]
    last = min(upper, max(times))
    kinks = set(times) | {t - duration for t, duration in zip(times, durations, strict=True)}
    edges = [lower, *sorted(t for t in kinks if lower < t < last), last]
    pairs = [(a, b) for a, b in itertools.pairwise(edges) if b - a > 1e-6]
    return [middle for a, b in pairs for middle in _middles(a, b, _ARRIVAL, 2)] or [lower]
