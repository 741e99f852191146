"""mrpro: SensitivityOp and NonUniformFastFourierOp composed as its examples do; the normal operator by its Toeplitz.

Its tolerance is fixed at finufft's default (1e-6), and it sorts the samples in every call: there is nothing to set.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from benchmarks.peers import torchvision_stand_in
from benchmarks.peers.nufft import Call, Way
from benchmarks.scans import Scan


def _operators(scan: Scan, oversampling: float) -> tuple[Any, Any]:
    torchvision_stand_in.install()
    from mrpro.data import KTrajectory
    from mrpro.operators import NonUniformFastFourierOp, SensitivityOp

    shape = (scan.frames or 1, 1, 1, scan.shots, -1)
    # Copies, one per axis: (frames, coils, k2, k1, k0).
    axes = [scan.trajectory[..., a].reshape(shape) for a in range(scan.ndim)]
    if scan.ndim == 2:
        axes.insert(0, torch.zeros(1, 1, 1, 1, 1))
    flat = scan.ndim == 2
    transform = NonUniformFastFourierOp(
        direction=("y", "x") if flat else ("z", "y", "x"),
        recon_matrix=scan.im_size,
        encoding_matrix=scan.im_size,
        traj=KTrajectory(*axes, repeat_detection_tolerance=None),
        oversampling=oversampling,
    )
    return SensitivityOp(scan.csm.unsqueeze(-3)[None] if flat else scan.csm[None]), transform


def _make(work: str, scan: Scan, oversampling: float) -> Call:
    maps, transform = _operators(scan, oversampling)
    planes = (1,) if scan.ndim == 2 else ()
    if work == "adjoint":
        operand = scan.kspace.reshape(scan.frames or 1, scan.coils, 1, scan.shots, -1)
        operator = maps.H @ transform.H
    else:
        operand = scan.image.reshape(scan.frames or 1, 1, *planes, *scan.im_size)
        operator = transform @ maps if work == "forward" else maps.H @ transform.gram @ maps

    def call() -> torch.Tensor:
        with torch.no_grad():
            (result,) = operator(operand)
        return result

    return call


def _canonical(work: str, scan: Scan, result: torch.Tensor) -> torch.Tensor:
    frames = () if scan.frames is None else (scan.frames,)
    return result.reshape(*frames, *((scan.coils, -1) if work == "forward" else scan.im_size))


def ways(work: str, target: float, ndim: int) -> list[Way]:
    """Return a way per oversampling, or the convolution."""
    torchvision_stand_in.install()
    import mrpro  # noqa: F401

    if work == "gram":
        return [Way("Toeplitz", (2.0,), partial(_make, work), partial(_canonical, work), lambda o: "")]
    return [
        Way("", (o,), partial(_make, work), partial(_canonical, work), lambda o: f"oversampling {o}")
        for o in (1.25, 2.0)
    ]
