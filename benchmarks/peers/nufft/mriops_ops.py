"""mriops: one call of the op, its plan kept."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from benchmarks import accuracy
from benchmarks.peers.nufft import Call, Way
from benchmarks.scans import Scan
from mriops import ops


def _make(work: str, scan: Scan, eps: float) -> Call:
    keywords = {"eps": eps, "plan": ops.nufft_plan(scan.trajectory, scan.im_size, eps=eps)}
    if work == "adjoint":
        call = partial(ops.sense_nufft_adjoint, scan.kspace, scan.csm, scan.trajectory, **keywords)
    else:
        op = ops.sense_nufft if work == "forward" else ops.sense_nufft_gram
        call = partial(op, scan.image, scan.csm, scan.trajectory, **keywords)
    return torch.no_grad()(call)


def _same(scan: Scan, result: Any) -> torch.Tensor:
    return result


def ways(work: str, target: float, ndim: int) -> list[Way]:
    """Return mriops' way; width and oversampling follow from ``eps``."""
    return [Way("", accuracy.tolerances(target), partial(_make, work), _same)]
