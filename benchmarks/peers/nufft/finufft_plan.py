"""finufft as `pip install finufft` has it: plans kept, all coils as one batch, one plan per frame."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks import accuracy
from benchmarks.peers.nufft import Call, Way, per_threads
from benchmarks.peers.nufft.coil_images import canonical, operand
from benchmarks.scans import Scan


def plan(scan: Scan, kind: int, eps: float, upsampling: float, threads: int) -> Any:
    """Return a plan without points; kind 1 is the adjoint."""
    import finufft

    return finufft.Plan(
        kind,
        scan.im_size,
        n_trans=scan.coils,
        eps=eps,
        isign=1 if kind == 1 else -1,
        dtype="complex64",
        nthreads=threads,
        upsampfac=upsampling,
        showwarn=0,
    )


def points(scan: Scan) -> list[np.ndarray]:
    """Coordinates, one array per axis."""
    return [np.ascontiguousarray(axis) for axis in scan.radians().numpy().T]


def _make(work: str, upsampling: float, scan: Scan, eps: float) -> Call:
    frames, sources = scan.split(), operand(scan, work)
    kinds = {"forward": (2,), "adjoint": (1,), "gram": (2, 1)}[work]

    def with_threads(threads: int) -> Call:
        plans = [[plan(frame, kind, eps, upsampling, threads) for kind in kinds] for frame in frames]
        for frame, row in zip(frames, plans, strict=True):
            for made in row:
                made.setpts(*points(frame))
        shape = scan.im_size if kinds[-1] == 1 else (frames[0].trajectory.shape[0],)
        out = np.empty((len(frames), scan.coils, *shape), np.complex64)
        between = np.empty((scan.coils, frames[0].trajectory.shape[0]), np.complex64)

        def call() -> Any:
            for row, source, result in zip(plans, sources, out, strict=True):
                if work == "gram":
                    row[0].execute(source, out=between)
                    source = between
                row[-1].execute(source, out=result)
            return out

        return call

    return per_threads(with_threads)


def upsamplings(target: float) -> tuple[float, ...]:
    """Return the oversamplings to try: the fine grid is slower wherever the coarse one is accurate enough."""
    return (1.25,) if target > 1e-4 else (1.25, 2.0)


def ways(work: str, target: float, ndim: int) -> list[Way]:
    """Return a way per oversampling that may be the fastest."""
    import finufft  # noqa: F401

    ladder = accuracy.tolerances(target)
    return [
        Way(f"upsampling {u}", ladder, partial(_make, work, u), partial(canonical, work)) for u in upsamplings(target)
    ]
