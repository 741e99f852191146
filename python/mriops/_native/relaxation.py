"""The one rule for relaxation times of all spin physics: what infinite, very short, zero and negative ones mean."""

from __future__ import annotations

from math import nan
from typing import Any

__all__ = ["SHORTEST_TIME", "relaxation_rate"]

#: Times from 0 to this count as this [s]; ``epg_shortest_time`` of ``csrc/spins/epg.h``.
SHORTEST_TIME = 1e-8


def relaxation_rate(xp: Any, time: Any, zero: Any) -> Any:
    """The rate ``1 / time`` that kernels take.

    Infinity is no relaxation, zero is relaxation at once. What is negative or NaN is NaN, and so is its gradient, which
    a choice between constants would make 0.

    Parameters
    ----------
    xp
        Array framework.
    time
        Relaxation times [s], real.
    zero
        A real array of shape () of the same precision.

    Returns
    -------
    array
        Rates [1/s].
    """
    shortest = zero + SHORTEST_TIME
    rate = 1 / xp.where((time >= 0) & (time < shortest), shortest, time)
    return rate + xp.where(time < 0, zero + nan, zero)
