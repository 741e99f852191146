"""mriops: one call of the op, its plan kept; as it comes, and with little memory."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from benchmarks import accuracy
from benchmarks.peers.nufft import ONE_COIL, Call, Way
from benchmarks.scans import Scan
from mriops import ops


def _make(work: str, coils_at_once: int | None, scan: Scan, eps: float) -> Call:
    plan = ops.nufft_plan(scan.trajectory, scan.im_size, eps=eps, coils_at_once=coils_at_once)
    keywords = {"eps": eps, "plan": plan}
    if work == "adjoint":
        call = partial(ops.sense_nufft_adjoint, scan.kspace, scan.csm, scan.trajectory, **keywords)
    else:
        op = ops.sense_nufft if work == "forward" else ops.sense_nufft_gram
        call = partial(op, scan.image, scan.csm, scan.trajectory, **keywords)
    return torch.no_grad()(call)


def _same(scan: Scan, result: Any) -> torch.Tensor:
    return result


def ways(work: str, target: float, ndim: int) -> list[Way]:
    """Return mriops' ways; width and oversampling follow from ``eps``."""
    ladder = accuracy.tolerances(target)
    return [
        Way("", ladder, partial(_make, work, None), _same),
        Way(ONE_COIL, ladder, partial(_make, work, 1), _same, same_as="", least_coils=2),
    ]
