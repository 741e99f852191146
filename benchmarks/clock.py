"""Interleaved timing: one call of every contender in turn, until the time is used up."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from benchmarks.contender import Contender, Sample


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run the body with ``count`` threads of torch (and of mriops, which asks torch)."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def interleave(
    contenders: Sequence[Contender], *, seconds: float, min_rounds: int = 5, max_rounds: int = 200
) -> dict[str, list[Sample]]:
    """Time all contenders in turn.

    Parameters
    ----------
    contenders
        What to time; each is called once untimed first (plans, compilation, page faults).
    seconds
        Wall time to spend; at least ``min_rounds`` rounds are made whatever it costs.
    min_rounds, max_rounds
        Bounds on the number of rounds.

    Returns
    -------
    Samples of every contender by its name.

    Raises
    ------
    ValueError
        If two contenders share a name.
    """
    names = [c.name for c in contenders]
    if len(set(names)) != len(names):
        raise ValueError(f"contenders: expected distinct names, got {names}")
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for contender in contenders:
        contender.call()
    end = time.perf_counter() + seconds
    for round_ in range(max_rounds):
        if round_ >= min_rounds and time.perf_counter() > end:
            break
        for contender in contenders:
            samples[contender.name].append(contender.timer(contender.call, contender.calls))
    return samples


def median_cpu(samples: Sequence[Sample]) -> float:
    """Median CPU time in [s]."""
    return statistics.median(s.cpu for s in samples)


def median_wall(samples: Sequence[Sample]) -> float:
    """Median wall time in [s]."""
    return statistics.median(s.wall for s in samples)
