"""Runs cases and turns samples into rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import torch

from benchmarks import clock, machine, machine_peaks, memory
from benchmarks.case import Case
from benchmarks.contender import Contender, Sample, version_of
from benchmarks.costs import Cost
from benchmarks.results import Row

Log = Callable[[str], None]


def run_case(
    case: Case,
    *,
    quick: bool = False,
    peers: Sequence[str] | None = None,
    with_memory: bool = True,
    log: Log = lambda text: None,
) -> list[Row]:
    """Time one case in both columns, take errors, the memory of each peer's fastest variant, and return its rows."""
    seconds, rounds = (1.0, 3) if quick else (case.seconds, 5)
    built = case.build(peers)
    for text in built.missing:
        log(f"  left out: {text}")
    contenders = _that_work(built.contenders, log)
    errors = {c.name: built.quality(c, c.call()) for c in contenders}
    with clock.threads(1):
        one = clock.interleave(contenders, seconds=seconds, min_rounds=rounds)
    two: dict[str, list[Sample]] = {c.name: [] for c in contenders}
    if (os.cpu_count() or 1) > 1:
        with clock.threads(2):
            two = clock.interleave(contenders, seconds=seconds, min_rounds=rounds)
    names = _fastest_of_each_peer(contenders, one)
    cost = built.cost
    del built  # inputs go before the memory runs
    peaks = memory.measure(case.name, names) if case.memory and with_memory and not quick else {}
    return [
        _row(case.name, cost, c, one[c.name], two[c.name], errors[c.name], peaks.get(c.name, 0.0)) for c in contenders
    ]


def _fastest_of_each_peer(contenders: Sequence[Contender], samples: dict[str, list[Sample]]) -> list[str]:
    fastest: dict[str, str] = {}
    for name in sorted((c.name for c in contenders), key=lambda name: clock.median_cpu(samples[name])):
        peer = next(c.peer for c in contenders if c.name == name)
        fastest.setdefault(peer, name)
    return list(fastest.values())


def _that_work(contenders: Sequence[Contender], log: Log) -> list[Contender]:
    """Leave out, by name, a peer's variant that fails on this machine; mriops must work."""
    working = []
    for contender in contenders:
        try:
            contender.call()
        except Exception as error:
            if contender.peer == "mriops":
                raise
            log(f"  left out: {contender.name}: {str(error)[:200]}")
        else:
            working.append(contender)
    return working


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
        lines.append(f"  {name:36s} {row.cpu_ms:11.4f} ms {ratio}  2 thr {row.wall_ms:10.4f} ms  error {row.error:.2e}")
    return lines


def set_up_process() -> None:
    """One thread until a column says otherwise; deterministic peers."""
    torch.set_num_threads(1)
