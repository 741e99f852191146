"""mrpro: SensitivityOp, FastFourierOp and CartesianMaskingOp composed as its examples do."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.contender import Contender
from benchmarks.peers import torchvision_stand_in
from benchmarks.workloads import Problem


def operators(problem: Problem) -> tuple[Any, Any, Any]:
    """Return mrpro's (maps, transform, mask) operators; the mask is its own square, so once is enough in the gram."""
    torchvision_stand_in.install()
    from mrpro.operators import CartesianMaskingOp, FastFourierOp, SensitivityOp

    flat = problem.workload.ndim == 2
    csm = problem.csm.unsqueeze(-3) if flat else problem.csm
    dims = (-2, -1) if flat else (-3, -2, -1)
    mask = problem.mask.unsqueeze(0).unsqueeze(0) if flat else problem.mask.unsqueeze(0)
    return SensitivityOp(csm), FastFourierOp(dim=dims), CartesianMaskingOp(mask)


def contenders(problem: Problem) -> list[Contender]:
    """Return mrpro's way of doing the workload."""
    workload = problem.workload
    maps, transform, mask = operators(problem)
    flat = workload.ndim == 2
    if workload.op == "sense_adjoint":
        operand = problem.operand.unsqueeze(-3) if flat else problem.operand
        operator = maps.H @ transform.H @ mask
    else:
        operand = problem.operand.unsqueeze(-workload.ndim - 1)
        operand = operand.unsqueeze(-3) if flat else operand
        operator = mask @ transform @ maps
        if workload.op == "sense_gram":
            operator = maps.H @ transform.H @ operator

    def call() -> torch.Tensor:
        with torch.no_grad():
            (result,) = operator(operand)
        return result

    def canonical(result: torch.Tensor) -> torch.Tensor:
        result = result.squeeze(-3) if flat else result
        return result if workload.op == "sense" else result.squeeze(-workload.ndim - 1)

    return [Contender("mrpro", "operators", call, canonical)]
