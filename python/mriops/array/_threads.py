"""How many CPU threads a call on an array may use."""

from __future__ import annotations

import os
from numbers import Integral

__all__ = ["get_num_threads", "set_num_threads"]

_chosen: int | None = None


def _available() -> int:
    """Processors this process may run on, which a container or a batch system may have cut down."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def get_num_threads() -> int:
    """Threads a call on a NumPy array may use.

    Returns
    -------
    int
        What :func:`set_num_threads` was given, or else the environment variable ``MRIOPS_NUM_THREADS``, or else the
        number of processors this process may run on.

    Raises
    ------
    ValueError
        ``MRIOPS_NUM_THREADS`` is no positive integer.
    """
    global _chosen
    if _chosen is None:
        given = os.environ.get("MRIOPS_NUM_THREADS", "")
        if given and not (given.isdecimal() and int(given) > 0):
            raise ValueError(f"MRIOPS_NUM_THREADS: expected a positive integer, got {given!r}")
        _chosen = int(given) if given else _available()
    return _chosen


def set_num_threads(n: int | None) -> None:
    """Choose how many threads calls on NumPy arrays may use, in the whole process.

    Parameters
    ----------
    n
        At least 1; ``None`` for the default (see :func:`get_num_threads`).

    Raises
    ------
    TypeError
        ``n`` is no integer.
    ValueError
        ``n`` is less than 1.
    """
    global _chosen
    if n is not None and (isinstance(n, bool) or not isinstance(n, Integral)):
        raise TypeError(f"n: expected an integer or None, got {n!r}")
    if n is not None and n < 1:
        raise ValueError(f"n: expected at least 1 thread, got {n}")
    _chosen = None if n is None else int(n)
