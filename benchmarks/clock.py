"""Interleaved timing: every contender in turn, untimed calls and a timed one, until the time is used up."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from benchmarks.contender import Contender, Sample

# A call that took longer than this [s] goes without untimed ones before it. Not much shorter: memory that another
# program has returned to the system costs a virtual machine several times what it costs inside an iteration.
_BRIEF = 1.0
# The untimed calls of others go on for so long [s]: after another program's, it takes several until one is as fast as
# in a loop of its own.
_WARM = 0.1


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
    contenders: Sequence[Contender],
    *,
    seconds: float,
    min_rounds: int = 5,
    max_rounds: int = 200,
    patience: float = 2.0,
    gap: float = 0.0,
) -> dict[str, list[Sample]]:
    """Time all contenders in turn.

    Before each timed call come untimed ones, at least one and for a tenth of a second, so that caches and allocators
    are as they are inside an iteration and not as another program left them. A contender that has used up ``patience``
    sits out the rounds that follow, with one sample if that was a single call, with three otherwise: the fast ones, of
    which more rounds can be afforded, do not wait for it.

    Parameters
    ----------
    contenders
        What to time; each is called once first (plans, compilation, page faults), which counts only where that call
        alone took longer than ``patience``.
    seconds
        Wall time to spend; at least ``min_rounds`` rounds are made whatever it costs.
    min_rounds, max_rounds
        Bounds on the number of rounds.
    patience
        Wall time in [s] for each contender, as said above.
    gap
        Idle time in [s] before each sample: worker threads of the contender before go on spinning for a while, on the
        processor that this one's second thread needs.

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
    left = dict.fromkeys(names, patience)
    brief: set[str] = set()
    active = list(contenders)
    for contender in contenders:
        time.sleep(gap)
        start = time.perf_counter()
        first = contender.timer(contender.call, 1)
        if time.perf_counter() - start > patience:
            samples[contender.name].append(first)
            active.remove(contender)
    end = time.perf_counter() + seconds
    for round_ in range(max_rounds):
        if not active or (round_ >= min_rounds and time.perf_counter() > end):
            break
        for contender in tuple(active):
            time.sleep(gap)
            start = time.perf_counter()
            if contender.name in brief:
                _warm_up(contender)
            sample = contender.timer(contender.call, contender.calls)
            samples[contender.name].append(sample)
            (brief.add if sample.wall < _BRIEF else brief.discard)(contender.name)
            left[contender.name] -= time.perf_counter() - start
            if left[contender.name] < 0 and round_ >= 2:  # a median of two knows no outlier
                active.remove(contender)
    return samples


def _warm_up(contender: Contender) -> None:
    end = time.perf_counter() + _WARM
    contender.call()
    while time.perf_counter() < end:
        contender.call()


def median_cpu(samples: Sequence[Sample]) -> float:
    """Median CPU time in [s]."""
    return statistics.median(s.cpu for s in samples)


def median_wall(samples: Sequence[Sample]) -> float:
    """Median wall time in [s]."""
    return statistics.median(s.wall for s in samples)
