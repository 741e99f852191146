"""SigPy: `sigpy.mri.linop.Sense` and its normal operator; a loop over slices where every slice has its own maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.contender import Contender
from benchmarks.workloads import Problem


def contenders(problem: Problem) -> list[Contender]:
    """Return SigPy's way of doing the workload."""
    import sigpy.mri

    workload = problem.workload
    # sigpy multiplies by the square root of the weights: 0 and 1 stay what they are.
    mask = np.broadcast_to(problem.mask.numpy(), workload.im_size).astype(np.float32)
    csm = problem.csm.numpy() if workload.batch else problem.csm.numpy()[None]
    items = problem.operand.numpy() if workload.batch else problem.operand.numpy()[None]
    linops = [sigpy.mri.linop.Sense(maps, weights=mask) for maps in csm]
    applied = [{"sense": a, "sense_adjoint": a.H, "sense_gram": a.N}[workload.op] for a in linops]
    call: Callable[[], Any]
    if workload.batch:

        def call() -> Any:
            return np.stack([op(item) for op, item in zip(applied, items, strict=True)])
    else:

        def call() -> Any:
            return applied[0](items[0])

    return [Contender("sigpy", "Sense", call, torch.from_numpy)]
