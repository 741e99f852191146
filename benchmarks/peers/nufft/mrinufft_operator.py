"""mri-nufft: its operator with coil maps on the finufft backend, all coils as one batch."""

from __future__ import annotations

import math
import warnings
from functools import partial
from typing import Any

import torch

from benchmarks import accuracy
from benchmarks.peers import torchvision_stand_in
from benchmarks.peers.nufft import Call, Way, per_threads
from benchmarks.peers.nufft.finufft_plan import upsamplings
from benchmarks.scans import Scan


def operator(scan: Scan, eps: float, upsampling: float, threads: int, **keywords: Any) -> Any:
    """Return mri-nufft's operator for one frame."""
    torchvision_stand_in.install()  # its gradients import deepinv
    import mrinufft

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # says that it turns coordinates into radians
        return mrinufft.get_operator("finufft")(
            (scan.trajectory.double() / torch.tensor(scan.im_size)).float().numpy(),
            shape=scan.im_size,
            n_coils=scan.coils,
            n_trans=scan.coils,
            smaps=scan.csm.numpy(),
            eps=eps,
            upsampfac=upsampling,
            showwarn=0,
            nthreads=threads,
            **keywords,
        )


def _make(work: str, upsampling: float, scan: Scan, eps: float) -> Call:
    image, kspace = scan.image.numpy(), scan.kspace.numpy()

    def with_threads(threads: int) -> Call:
        made = operator(scan, eps, upsampling, threads)
        if work == "gram":
            return lambda: made.adj_op(made.op(image))
        return partial(made.op, image) if work == "forward" else partial(made.adj_op, kspace)

    return per_threads(with_threads)


def _canonical(work: str, scan: Scan, result: Any) -> torch.Tensor:
    # Its scale counts the points of a grid of twice the size.
    scale = math.sqrt(2**scan.ndim) ** (2 if work == "gram" else 1)
    shape = (scan.coils, -1) if work == "forward" else scan.im_size
    return scale * torch.as_tensor(result).reshape(shape)


def ways(work: str, target: float, ndim: int) -> list[Way]:
    """Return a way per oversampling that may be the fastest."""
    import mrinufft  # noqa: F401

    ladder = accuracy.tolerances(target)
    return [
        Way(f"finufft, upsampling {u}", ladder, partial(_make, work, u), partial(_canonical, work))
        for u in upsamplings(target)
    ]
