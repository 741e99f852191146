"""ducc0: `ducc0.nufft.plan`, all coils in one call or one after the other.

``pip install --no-binary ducc0 ducc0`` gives a build for the processor at hand, the strongest that can be installed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import accuracy
from benchmarks.peers.nufft import Call, Way, per_threads
from benchmarks.peers.nufft.coil_images import canonical, operand
from benchmarks.scans import Scan


def plan(scan: Scan, eps: float, threads: int, adjoint: bool) -> Any:
    """Return a plan; coordinates stay in cycles, since it takes any period."""
    import ducc0

    return ducc0.nufft.plan(
        nu2u=adjoint,
        coord=scan.trajectory.numpy(),
        grid_shape=scan.im_size,
        epsilon=eps,
        nthreads=threads,
        periodicity=[float(n) for n in scan.im_size],
    )


def _batched(made: Any, adjoint: bool, source: Any, out: Any) -> None:
    if adjoint:
        made.nu2u(points=source, forward=False, out=out)
    else:
        made.u2nu(grid=source, forward=True, out=out)


def _coil_by_coil(made: Any, adjoint: bool, source: Any, out: Any) -> None:
    for one, to in zip(source, out, strict=True):
        _batched(made, adjoint, one, to)


def _make(work: str, apply: Callable[[Any, bool, Any, Any], None], scan: Scan, eps: float) -> Call:
    frames, sources = scan.split(), operand(scan, work)
    first = work == "adjoint"
    images = np.empty((len(frames), scan.coils, *scan.im_size), np.complex64)
    samples = np.empty((len(frames), scan.coils, frames[0].trajectory.shape[0]), np.complex64)

    def with_threads(threads: int) -> Call:
        plans = [plan(frame, eps, threads, first) for frame in frames]
        back = [plan(frame, eps, threads, True) for frame in frames] if work == "gram" else plans

        def call() -> Any:
            for f, source in enumerate(sources):
                apply(plans[f], first, source, images[f] if first else samples[f])
                if work == "gram":
                    apply(back[f], True, samples[f], images[f])
            return samples if work == "forward" else images

        return call

    return per_threads(with_threads)


def ways(work: str, target: float, ndim: int) -> list[Way]:
    """Return both ways; of volumes, where they take the same time, one."""
    import ducc0  # noqa: F401

    ladder, result = accuracy.tolerances(target), partial(canonical, work)
    both = [
        Way("all coils", ladder, partial(_make, work, _batched), result),
        Way("coil by coil", ladder, partial(_make, work, _coil_by_coil), result, same_as="all coils"),
    ]
    return both[:1] if ndim == 3 else both
