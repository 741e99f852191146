"""mriops: one call of the op."""

from __future__ import annotations

import torch

from benchmarks.contender import Contender
from benchmarks.workloads import Problem


def contenders(problem: Problem) -> list[Contender]:
    """Return mriops' way of doing the workload."""
    from mriops import ops

    workload = problem.workload
    op = getattr(ops, workload.op)

    def call() -> torch.Tensor:
        with torch.no_grad():
            return op(problem.operand, problem.csm, problem.mask, ndim=workload.ndim)

    return [Contender("mriops", "", call, lambda result: result)]
