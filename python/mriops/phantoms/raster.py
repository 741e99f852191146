"""Pixel-averaged images of shapes: exact along the last axis, supersampled across it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mriops.phantoms.shapes import Shape

ROWS_PER_BLOCK = 1 << 15


def coverage(shape: Shape, im_size: Sequence[int], oversample: int = 8, device: torch.device | str = "cpu") -> Tensor:
    """Fraction of every pixel that a shape covers.

    Each pixel row is cut by `oversample` lines per leading axis; on a line the covered length within each pixel is
    exact, from the points where the line enters and leaves the shape.

    Parameters
    ----------
    shape : Shape
    im_size : sequence of int
        (y, x) or (z, y, x).
    oversample : int
        Lines per pixel and leading axis.

    Returns
    -------
    Tensor (*im_size), float64
    """
    *leading, width = im_size
    lines = [(torch.arange(n * oversample, dtype=torch.float64) + 0.5) / (n * oversample) for n in leading]
    # pixel n is centred on (n - N//2)/N: the field of view's edge lies half a pixel before its pixel 0
    lines = [line - (n // 2 + 0.5) / n for line, n in zip(lines, leading, strict=True)]
    rows = torch.cartesian_prod(*lines).reshape(-1, len(leading)).to(device)
    index = torch.zeros(1, dtype=torch.int64, device=rows.device)
    for n in leading:
        step = torch.arange(n * oversample, device=rows.device) // oversample
        index = (index[:, None] * n + step).reshape(-1)
    steps = rows.new_zeros((torch.Size(leading).numel(), width + 2))
    for first in range(0, rows.shape[0], ROWS_PER_BLOCK):
        row, x, sign = shape.chords(rows[first : first + ROWS_PER_BLOCK])
        edge = (x * width + (width // 2 + 0.5)).clamp(0.0, float(width))
        cell = edge.to(torch.int64)
        behind = edge - cell
        target = index[first + row] * (width + 2) + cell
        steps.view(-1).index_add_(0, target, sign * (1.0 - behind))
        steps.view(-1).index_add_(0, target + 1, sign * behind)
    lines_per_pixel = oversample ** len(leading)
    return (steps.cumsum(1)[:, :width] / lines_per_pixel).reshape(tuple(im_size))
