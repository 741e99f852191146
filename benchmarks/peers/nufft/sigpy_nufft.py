"""sigpy: `sigpy.nufft` and `sigpy.nufft_adjoint`, whose accuracy is a width and an oversampling."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch

from benchmarks.peers.nufft import Call, Way
from benchmarks.peers.nufft.coil_images import canonical, operand
from benchmarks.scans import Scan


def _make(work: str, oversampling: float, scan: Scan, width: int) -> Call:
    import sigpy

    source, coordinates = operand(scan, work)[0], scan.trajectory.numpy()
    keywords = {"oversamp": oversampling, "width": width}
    shape = (scan.coils, *scan.im_size)

    def call() -> Any:
        kspace = source if work == "adjoint" else sigpy.nufft(source, coordinates, **keywords)
        return kspace if work == "forward" else sigpy.nufft_adjoint(kspace, coordinates, shape, **keywords)

    return call


def _canonical(work: str, scan: Scan, result: Any) -> torch.Tensor:
    # It is orthonormal already, coil by coil.
    steps = 2 if work == "gram" else 1
    return canonical(work, scan, torch.as_tensor(result)[None] * math.prod(scan.im_size) ** (steps / 2))


def ways(work: str, target: float, ndim: int) -> list[Way]:
    """Return a way per oversampling."""
    import sigpy  # noqa: F401

    return [
        Way(
            f"oversampling {o}",
            tuple(range(3, 11)),
            partial(_make, work, o),
            partial(_canonical, work),
            lambda width: f"width {width}",
        )
        for o in (1.25, 2.0)
    ]
