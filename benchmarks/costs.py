"""Least work of a call: floating-point operations and bytes, by which achieved rates are stated.

Both come from the op's row in the case table. One thing is taken off: transforms along a phase-encode mask's readout
axis cancel in the normal operator, and a kernel that does them all the same gets no credit for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.workloads import Problem
from mriops.testing import OP_CASES


@dataclass(frozen=True)
class Cost:
    """Floating-point operations and bytes of one call."""

    flops: float
    bytes: float


def cost(problem: Problem) -> Cost:
    """Return the least work of one call."""
    workload, case = problem.workload, OP_CASES[problem.workload.op]
    flops = case.flops(problem.sample)
    if workload.op == "sense_gram" and workload.mask in ("1d", "kykz"):
        coil_points = (workload.batch or 1) * workload.coils * math.prod(workload.im_size)
        flops -= 2 * 5.0 * coil_points * math.log2(workload.im_size[-1])
    return Cost(flops, case.bytes_moved(problem.sample))
