"""Least work of a workload: floating-point operations and bytes, by which achieved rates are stated.

Transforms count ``5 N log2 N`` operations, a complex product 6, a complex sum 2. Axes along which every sample is taken
or none (a phase-encode mask's readout axis) cancel in the normal operator and count nothing: a kernel that transforms
them all the same gets no credit for it. Bytes are what must cross the memory bus once: inputs read, output written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.workloads import Workload

COMPLEX64 = 8


@dataclass(frozen=True)
class Cost:
    """Floating-point operations and bytes of one call."""

    flops: float
    bytes: float


def _transform_flops(points: int, axes: tuple[int, ...]) -> float:
    return sum(5.0 * points * math.log2(n) for n in axes if n > 1)


def cost(workload: Workload) -> Cost:
    """Return the least work of one call of ``workload``."""
    points, items = math.prod(workload.im_size), workload.batch or 1
    coil_points = points * workload.coils
    image, coils = points * COMPLEX64, coil_points * COMPLEX64
    transform = _transform_flops(coil_points, workload.im_size)
    mask_points = points if workload.mask in ("2d", "3d") else points // workload.im_size[-1]
    if workload.op == "sense":
        return Cost(items * (transform + 6 * coil_points), items * (image + 2 * coils) + mask_points)
    if workload.op == "sense_adjoint":
        return Cost(items * (transform + 8 * coil_points), items * (image + 2 * coils) + mask_points)
    if workload.mask in ("1d", "kykz"):
        transform = _transform_flops(coil_points, workload.im_size[:-1])
    return Cost(items * (2 * transform + 14 * coil_points), items * (2 * image + coils) + mask_points)
