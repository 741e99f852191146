"""Times the workloads on a CUDA device beside torch and other packages: `python -m benchmarks.gpu`.

Every contender is captured into a CUDA graph, so that launches cost nothing, and its replays are timed with device
events: "warm" back to back, as inside a solver, and "cold" after a write that empties the L2 cache. "eager" is the wall
time of ordinary calls, launches included. Results go to `benchmarks/results/<device>.csv`; errors are relative to the
reference in complex128.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import torch

from benchmarks import machine
from benchmarks.gpu_nufft import NUFFT_WORKLOADS, NufftProblem
from benchmarks.gpu_pools import POOL_WORKLOADS
from benchmarks.gpu_sense import SenseProblem
from benchmarks.gpu_spins import SPIN_WORKLOADS
from benchmarks.workloads import WORKLOADS as SENSE_WORKLOADS

Tensor = torch.Tensor
_FLUSH_BYTES = 256 << 20  # several times the L2 cache of any GPU so far


@dataclass(frozen=True)
class Row:
    """One contender of one workload. Times in microseconds, medians; memory in MiB above inputs and outputs."""

    device: str
    case: str
    contender: str
    warm_us: float
    cold_us: float
    eager_us: float
    ratio: float
    error: float
    gb_per_s: float
    share_of_copy: float
    peak_mib: float
    torch: str
    commit: str
    date: str


class Clock:
    """Times calls on a device; on the CPU it only proves that the benchmark runs."""

    def __init__(self, device: torch.device, repeats: int) -> None:
        self.device, self.repeats = device, repeats
        self.on_gpu = device.type == "cuda"
        self.flush = torch.empty(_FLUSH_BYTES if self.on_gpu else 1, dtype=torch.uint8, device=device)

    def _wait(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize()

    def warm_and_cold(self, call: Callable[[], Tensor]) -> tuple[float, float]:
        """Medians of the device time of one call, in microseconds."""
        if not self.on_gpu:
            return self.eager(call), float("nan")
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for _ in range(3):
                call()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            call()
        for _ in range(5):
            graph.replay()
        return self._events(graph, flush=False), self._events(graph, flush=True)

    def _events(self, graph: torch.cuda.CUDAGraph, *, flush: bool) -> float:
        pairs = [tuple(torch.cuda.Event(enable_timing=True) for _ in range(2)) for _ in range(self.repeats)]
        for start, stop in pairs:
            if flush:
                self.flush.fill_(1)
            start.record()
            graph.replay()
            stop.record()
        torch.cuda.synchronize()
        return 1e3 * statistics.median(start.elapsed_time(stop) for start, stop in pairs)

    def eager(self, call: Callable[[], Tensor]) -> float:
        """Wall time of one of many calls in a row, in microseconds."""
        for _ in range(3):
            call()
        self._wait()
        start = time.perf_counter()
        for _ in range(self.repeats):
            call()
        self._wait()
        return 1e6 * (time.perf_counter() - start) / self.repeats

    def copy_rate(self) -> float:
        """Bytes read and written per second by a large device-to-device copy."""
        count = (1 << 28) if self.on_gpu else (1 << 20)
        source, target = (torch.zeros(count, dtype=torch.float32, device=self.device) for _ in range(2))
        source.normal_()
        warm, _ = self.warm_and_cold(lambda: target.copy_(source))
        return 2 * 4 * count / (warm * 1e-6)

    def peak_mib(self, call: Callable[[], Tensor]) -> float:
        """Most memory that one call takes at any time, its result included."""
        if not self.on_gpu:
            return float("nan")
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 2**20


class GpuProblem(Protocol):
    """Inputs of a workload on a device, and who does it."""

    @property
    def bytes(self) -> float:
        """Bytes of the arrays that enter and leave, once."""
        ...

    def contenders(self) -> dict[str, Callable[[], Tensor]]:
        """Calls without arguments, `mriops` first."""
        ...

    def error(self, contender: str, result: Tensor) -> float:
        """Relative error of a result, NaN where there is none to state."""
        ...


WORKLOADS: dict[str, Callable[[torch.device], GpuProblem]] = {
    **{w.name: partial(SenseProblem, w) for w in SENSE_WORKLOADS},
    **{w.name: partial(NufftProblem, w) for w in NUFFT_WORKLOADS},
    **SPIN_WORKLOADS,
    **POOL_WORKLOADS,
}


def run(case: str, clock: Clock, copy_rate: float, name: str) -> list[Row]:
    """Time all contenders of one workload; one that does not fit into memory, or into a graph, is left out."""
    problem = WORKLOADS[case](clock.device)
    rows: list[Row] = []
    for contender, call in problem.contenders().items():
        try:
            warm, cold = clock.warm_and_cold(call)
            eager, peak = clock.eager(call), clock.peak_mib(call)
        except RuntimeError as problem_met:  # out of memory is one, too
            sys.stderr.write(f"{case}, {contender}: {problem_met}\n")
            continue
        rate = problem.bytes / (warm * 1e-6)
        versions = (torch.__version__, machine.commit(), machine.today())
        measured = (warm, cold, eager, 1.0, problem.error(contender, call()), rate / 1e9, rate / copy_rate, peak)
        rows.append(Row(name, case, contender, *measured, *versions))
    ours = next((row.warm_us for row in rows if row.contender == "mriops"), float("nan"))
    return [replace(row, ratio=row.warm_us / ours) for row in rows]


def write(path: Path, rows: Sequence[Row]) -> None:
    """Replace the rows of the cases that were run, keep the others."""
    ran = {row.case for row in rows}
    kept: list[dict[str, object]] = []
    if path.exists():
        with path.open(newline="") as file:
            kept = [dict(old) for old in csv.DictReader(file) if old["case"] not in ran]
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        writer.writeheader()
        writer.writerows(kept)
        writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in asdict(row).items()} for row in rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the chosen workloads and print a line for each contender."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--case", action="append", metavar="NAME", help="a workload or the start of its name")
    parser.add_argument("--device", default="cuda", help="cuda (default), cuda:1 ...; cpu only proves that this runs")
    parser.add_argument("--repeats", type=int, default=50)
    options = parser.parse_args(argv)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.stderr.write("benchmarks.gpu: expected a CUDA device, torch finds none\n")
        return 1
    if device.type == "cuda":
        torch.cuda.set_device(device)
    chosen = [name for name in WORKLOADS if not options.case or any(name.startswith(c) for c in options.case)]
    if not chosen:
        sys.stderr.write(f"benchmarks.gpu: no workload begins with any of {options.case}\n")
        return 2
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else machine.cpu_name()
    clock = Clock(device, options.repeats)
    copy_rate = clock.copy_rate()
    sys.stdout.write(f"{name}, copy {copy_rate / 1e9:.0f} GB/s (read + written)\n")
    for workload in chosen:
        rows = run(workload, clock, copy_rate, name)
        for row in rows:
            sys.stdout.write(
                f"{row.case:28} {row.contender:20} warm {row.warm_us:9.1f} us, cold {row.cold_us:9.1f}, "
                f"eager {row.eager_us:9.1f}, {row.ratio:5.2f}x, error {row.error:.1e}, {row.gb_per_s:5.0f} GB/s "
                f"({row.share_of_copy:.0%} of copy), {row.peak_mib:.0f} MiB\n"
            )
        sys.stdout.flush()
        if device.type == "cuda":
            write(machine.RESULTS / f"{machine.slug(name)}.csv", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
