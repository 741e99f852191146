"""What transforms without coil maps are given and give: coil images and k-space of all frames, as arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from benchmarks.scans import Scan


def operand(scan: Scan, work: str) -> np.ndarray:
    """Return k-space ``(frames, coils, samples)`` for the adjoint, else coil images ``(frames, coils, *im)``."""
    values = scan.kspace if work == "adjoint" else scan.coil_images()
    return np.ascontiguousarray((values if scan.frames else values[None]).numpy())


def canonical(work: str, scan: Scan, result: Any) -> torch.Tensor:
    """Return sums in the project's scale, with the maps where they belong."""
    sums = torch.as_tensor(result)
    if work == "forward":
        sums = sums / math.sqrt(math.prod(scan.im_size))
    else:
        scale = math.prod(scan.im_size) if work == "gram" else math.sqrt(math.prod(scan.im_size))
        sums = (scan.csm.conj() * sums).sum(1) / scale
    return sums if scan.frames else sums[0]
