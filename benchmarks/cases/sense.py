"""sense, sense_adjoint and sense_gram beside torch.fft, sigpy, mrpro and deepinv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from benchmarks.case import Built, Case
from benchmarks.costs import cost
from benchmarks.peers import sense_contenders
from benchmarks.workloads import WORKLOADS, Workload, expected, make_problem, relative_error


def build(workload: Workload, peers: Sequence[str] | None = None) -> Built:
    """Draw the inputs and set up the peers; the complex128 result is made once, when first asked for."""
    problem = make_problem(workload)
    contenders, missing = sense_contenders(problem, peers)
    wanted: list = []

    def quality(contender: object, result: object) -> float:
        if not wanted:
            wanted.append(expected(problem))
        return relative_error(contender.canonical(result), problem, wanted[0])  # type: ignore[attr-defined]

    return Built(contenders, quality, missing, cost(problem))


CASES: tuple[Case, ...] = tuple(
    Case(
        name=w.name,
        title=w.title,
        build=partial(build, w),
        goals=w.goals,
        limits={"error": 1e-6},
        quick=w.quick,
        seconds=4.0 if w.batch or w.ndim == 3 else 2.0,
        tiny=partial(build, replace(w, coils=2, im_size=(16,) * w.ndim, batch=2 if w.batch else None)),
    )
    for w in WORKLOADS
)
