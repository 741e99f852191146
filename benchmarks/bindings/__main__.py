"""Command line: `python -m benchmarks.bindings [--no-libtorch] [--no-write]`."""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch

from benchmarks import machine
from benchmarks.bindings import build
from benchmarks.bindings.routes import Candidate, candidates

SIZE, COILS = 4, 2
KERNEL = "the kernel alone, from C++"
CALLS = 200  # per sample, so that the clock's own cost does not count


@dataclass(frozen=True)
class Row:
    """CPU time of one call in microseconds, median; an empty cell where a route has no gradient."""

    route: str
    checks: str
    forward_us: str
    forward_backward_us: str
    torch: str
    cpu: str
    date: str
    commit: str


def _sample(call: Callable[[], object]) -> float:
    start = time.thread_time()
    for _ in range(CALLS):
        call()
    return (time.thread_time() - start) / CALLS * 1e6


def measure(found: list[Candidate], *, rounds: int = 60) -> dict[str, tuple[float, float | None]]:
    """Median microseconds without and with a gradient, routes in turn."""
    torch.manual_seed(0)
    image = torch.randn(SIZE, SIZE, dtype=torch.complex64)
    csm = torch.randn(COILS, SIZE, SIZE, dtype=torch.complex64)
    mask = torch.rand(SIZE, SIZE) < 0.5
    leaf = image.clone().requires_grad_()
    cotangent = torch.randn_like(image)

    def forward(candidate: Candidate) -> Callable[[], object]:
        return lambda: candidate.call(image, csm, mask)

    def both(candidate: Candidate) -> Callable[[], object]:
        return lambda: torch.autograd.grad(candidate.call(leaf, csm, mask), leaf, cotangent)

    repeat = build.module("nanobind_routes").repeat

    def kernel(*arrays: torch.Tensor) -> float:
        start = time.thread_time()
        repeat(*arrays, CALLS)
        return (time.thread_time() - start) / CALLS * 1e6

    expected = found[0].call(image, csm, mask)
    for candidate in found:
        # The same kernel, so the same bits; all zeros would hide a route that does nothing.
        if not torch.equal(candidate.call(image, csm, mask), expected) or not expected.abs().sum() > 0:
            raise RuntimeError(f"{candidate.name}: its result differs from that of {found[0].name}")
    samples: dict[tuple[str, bool], list[float]] = {}
    for _ in range(rounds):
        for candidate in found:
            samples.setdefault((candidate.name, False), []).append(_sample(forward(candidate)))
            if candidate.differentiable:
                samples.setdefault((candidate.name, True), []).append(_sample(both(candidate)))
        samples.setdefault((KERNEL, False), []).append(kernel(image, csm, mask, torch.empty_like(image)))
    medians = {key: statistics.median(values) for key, values in samples.items()}
    return {KERNEL: (medians[KERNEL, False], None)} | {
        c.name: (medians[c.name, False], medians.get((c.name, True))) for c in found
    }


def main() -> None:
    """Time the routes, print a table, write benchmarks/results/bindings.csv."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bindings", description=__doc__)
    parser.add_argument("--no-libtorch", action="store_true", help="leave out the route that is slow to build")
    parser.add_argument("--no-write", action="store_true", help="leave the results file alone")
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = candidates(libtorch=not arguments.no_libtorch)
    times = measure(found, rounds=arguments.rounds)
    rows = []
    checks = {KERNEL: "nothing"} | {candidate.name: candidate.checks for candidate in found}
    for name, (forward, backward) in times.items():
        stamp = (torch.__version__, machine.cpu_name(), machine.today(), machine.commit())
        both = "" if backward is None else f"{backward:.1f}"
        rows.append(Row(name, checks[name], f"{forward:.2f}", both, *stamp))
    width = max(len(row.route) for row in rows)
    sys.stdout.write(f"{'microseconds of one call, 1 thread':{width}}  forward  with backward  checks\n")
    for row in rows:
        sys.stdout.write(
            f"{row.route:{width}}  {row.forward_us:>7}  {row.forward_backward_us or '-':>13}  {row.checks}\n"
        )
    if not arguments.no_write:
        with open(machine.RESULTS / "bindings.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([field.name for field in fields(Row)])
            writer.writerows([list(vars(row).values()) for row in rows])


if __name__ == "__main__":
    main()
