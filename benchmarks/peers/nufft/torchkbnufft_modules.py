"""torchkbnufft: KbNufft and KbNufftAdjoint with coil maps; accuracy is the kernel's width and its table's density."""

from __future__ import annotations

import math
from functools import partial

import torch

from benchmarks.peers.nufft import Call, Way
from benchmarks.scans import Scan


def _make(work: str, scan: Scan, setting: tuple[int, int]) -> Call:
    import torchkbnufft

    width, table = setting
    keywords = {
        "im_size": scan.im_size,
        "grid_size": tuple(2 * n for n in scan.im_size),
        "numpoints": width,
        "table_oversamp": table,
        "dtype": torch.complex64,
    }
    there, back = torchkbnufft.KbNufft(**keywords), torchkbnufft.KbNufftAdjoint(**keywords)
    omega, maps = scan.radians().T.contiguous(), scan.csm[None]
    image, kspace = scan.image[None, None], scan.kspace[None]

    def call() -> torch.Tensor:
        with torch.no_grad():
            if work == "adjoint":
                return back(kspace, omega, smaps=maps)
            samples = there(image, omega, smaps=maps)
            return samples if work == "forward" else back(samples, omega, smaps=maps)

    return call


def _canonical(work: str, scan: Scan, result: torch.Tensor) -> torch.Tensor:
    scale = math.prod(scan.im_size) ** (1.0 if work == "gram" else 0.5)
    return result[0] / scale if work == "forward" else result[0, 0] / scale


def ways(work: str, target: float, ndim: int) -> list[Way]:
    """Return its way; errors below 1e-3 need more than the table's default of 1024 points."""
    import torchkbnufft  # noqa: F401

    tables = (10, 13) if target > 1e-4 else (17,)
    ladder = tuple((width, 1 << bits) for bits in tables for width in (4, 5, 6, 7))
    return [Way("", ladder, partial(_make, work), partial(_canonical, work), lambda s: f"J {s[0]}, table {s[1]}")]
