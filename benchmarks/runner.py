"""Runs cases and turns samples into rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import torch

from benchmarks import clock, machine, machine_peaks, memory
from benchmarks.case import Built, Case
from benchmarks.contender import Contender, Sample, version_of
from benchmarks.costs import Cost
from benchmarks.results import Row

Log = Callable[[str], None]

#: Idle time in [s] before each sample with two threads, the same for everybody.
_GAP = 0.02
#: Calls that take longer, in [s], are timed with two threads only if they are their software's fastest.
_SLOW = 0.5


def run_case(
    case: Case,
    *,
    quick: bool = False,
    peers: Sequence[str] | None = None,
    with_memory: bool = True,
    log: Log = lambda text: None,
) -> list[Row]:
    """Time one case in both columns, take errors and memory (fastest of each peer, all of mriops), return its rows."""
    seconds, rounds, patience = (1.0, 3, 1.0) if quick else (case.seconds, 5, 2.0)
    built = case.build(peers)
    for text in built.missing:
        log(f"  left out: {text}")
    contenders, errors = _that_work(built, log)
    bounds = {"seconds": seconds, "min_rounds": rounds, "patience": patience}
    with clock.threads(1):
        one = clock.interleave(contenders, **bounds)
    names = _fastest_of_each_peer(contenders, one)
    two: dict[str, list[Sample]] = {}
    if (os.cpu_count() or 1) > 1:
        some = [c for c in contenders if c.name in names or clock.median_wall(one[c.name]) < _SLOW]
        with clock.threads(2):
            two = clock.interleave(some, **bounds, gap=_GAP)
    cost = built.cost
    del built  # inputs go before the memory runs
    weighed = [c.name for c in contenders if c.name in names or c.peer == "mriops"]
    peaks = memory.measure(case.name, weighed) if case.memory and with_memory and not quick else {}
    return [
        _row(case.name, cost, c, one[c.name], two.get(c.name, []), errors[c.name], peaks.get(c.name, 0.0))
        for c in contenders
    ]


def _fastest_of_each_peer(contenders: Sequence[Contender], samples: dict[str, list[Sample]]) -> list[str]:
    fastest: dict[str, str] = {}
    for name in sorted((c.name for c in contenders), key=lambda name: clock.median_cpu(samples[name])):
        peer = next(c.peer for c in contenders if c.name == name)
        fastest.setdefault(peer, name)
    return list(fastest.values())


def _that_work(built: Built, log: Log) -> tuple[list[Contender], dict[str, float]]:
    """Leave out, by name, a peer's variant that fails on this machine, and return the errors of the others."""
    working, errors = [], {}
    for contender in built.contenders:
        try:
            result = contender.call()
        except Exception as error:
            if contender.peer == "mriops":
                raise
            log(f"  left out: {contender.name}: {str(error)[:200]}")
        else:
            working.append(contender)
            errors[contender.name] = built.quality(contender, result)
    return working, errors


def _row(
    case: str,
    cost: Cost | None,
    contender: Contender,
    one: Sequence[Sample],
    two: Sequence[Sample],
    error: float,
    peak: float,
) -> Row:
    cpu = clock.median_cpu(one)
    peaks = machine_peaks.load()
    gflops = cost.flops / cpu * 1e-9 if cost and cpu else 0.0
    gbs = cost.bytes / cpu * 1e-9 if cost and cpu else 0.0
    fma, copy = machine_peaks.best_fma(peaks), peaks.get("copy_dram", 0.0)
    return Row(
        case=case,
        peer=contender.peer,
        variant=contender.variant,
        cpu_ms=cpu * 1e3,
        wall_ms=clock.median_wall(two) * 1e3 if two else 0.0,
        error=error,
        peak_mib=peak,
        gflops=gflops,
        gbs=gbs,
        share_fma=gflops / fma if fma else 0.0,
        share_copy=gbs / copy if copy else 0.0,
        rounds=len(one),
        version=contender.note or version_of(contender.peer),
        cpu=machine.cpu_name(),
        date=machine.today(),
        commit=machine.commit(),
    )


def describe(rows: Sequence[Row]) -> list[str]:
    """Return one line per row for the log: time, ratio to mriops, error."""
    ours = next((row.cpu_ms for row in rows if row.peer == "mriops"), 0.0)
    lines = []
    for row in rows:
        ratio = f"{row.cpu_ms / ours:6.2f}x" if ours else "      -"
        name = f"{row.peer} ({row.variant})" if row.variant else row.peer
        times = f"{row.cpu_ms:11.4f} ms {ratio}  2 thr {row.wall_ms:10.4f} ms"
        lines.append(f"  {name:50s} {times}  error {row.error:.2e}  {row.peak_mib:7.1f} MiB")
    return lines


def set_up_process() -> None:
    """One thread until a column says otherwise; deterministic peers."""
    torch.set_num_threads(1)
