"""Polygons with their closed-form Fourier transform."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mriops.phantoms.shapes import POINTS_PER_BLOCK, Shape, as_points, unit_phase

NEAR_ZERO = 2e-2  # |k| below which boundary sums, whose error grows as eps/|k|, give way to a power series


class Polygon(Shape):
    """A polygon of any number of vertices, convex or not.

    By the divergence theorem S(k) = i/(2 pi |k|^2) sum_e (k_x dy_e - k_y dx_e) sinc(k.d_e) exp(-2 pi i k.m_e) with edge
    vectors d_e and midpoints m_e; sinc makes k perpendicular to an edge regular. Near k = 0 the signed triangles
    (0, v_e, v_e+1) are summed instead, each a second divided difference of exp, by its power series.

    Parameters
    ----------
    vertices : array (vertices, 2)
        (y, x) [field of view], in either sense of rotation, not closed (the last joins the first).

    Raises
    ------
    ValueError
        If there are fewer than three vertices, NaN or Inf among them, or the area is zero.

    References
    ----------
    Komrska. Simple derivation of formulas for Fraunhofer diffraction at polygonal apertures. JOSA 72:1382 (1982).
    """

    ndim = 2

    def __init__(self, vertices: Sequence[Sequence[float]] | Tensor) -> None:
        points = as_points(vertices, "vertices", 2)
        if points.shape[0] < 3:
            raise ValueError(f"vertices: expected at least 3 points, got {points.shape[0]}")
        area = signed_area(points)
        if area == 0.0:
            raise ValueError("vertices: expected a polygon of non-zero area, got area 0")
        self.vertices = points if area > 0 else points.flip(0)
        self._area = abs(area)

    @property
    def volume(self) -> float:
        return self._area

    def fourier(self, k: Tensor) -> Tensor:
        out = torch.empty(k.shape[0], dtype=torch.complex128, device=k.device)
        start = self.vertices.to(k.device)
        edge = start.roll(-1, 0) - start
        middle = start + 0.5 * edge
        block_size = max(1, POINTS_PER_BLOCK // start.shape[0])
        for first in range(0, k.shape[0], block_size):
            block = k[first : first + block_size]
            flux = block[:, 1:] * edge[:, 0] - block[:, :1] * edge[:, 1]
            boundary = ((flux * torch.sinc(block @ edge.T)) * unit_phase(block @ middle.T)).sum(1)
            out[first : first + block_size] = divergence_factor(block) * boundary
        near = torch.nonzero(torch.linalg.vector_norm(k, dim=1) < NEAR_ZERO)[:, 0]
        if near.numel():
            out[near] = self._near_zero(k[near])
        return out

    def _near_zero(self, k: Tensor) -> Tensor:
        start = self.vertices.to(k.device)
        stop = start.roll(-1, 0)
        cross = start[:, 1] * stop[:, 0] - start[:, 0] * stop[:, 1]
        z1, z2 = (-2j * math.pi) * (k @ start.T), (-2j * math.pi) * (k @ stop.T)
        # |z| <= 2 pi NEAR_ZERO |r| ~ 0.1: twelve terms of sum_m h_m(z1, z2)/(m+2)! leave 1e-20
        symmetric, power = torch.ones_like(z1), torch.ones_like(z1)
        total = 0.5 * symmetric
        for m in range(1, 12):
            power = power * z2
            symmetric = symmetric * z1 + power
            total = total + symmetric / math.factorial(m + 2)
        return total @ cross.to(total.dtype)

    def chords(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = rows[:, 0].contiguous()
        start = self.vertices.to(rows.device)
        stop = start.roll(-1, 0)
        low, high = torch.minimum(start[:, 0], stop[:, 0]), torch.maximum(start[:, 0], stop[:, 0])
        first, last = torch.searchsorted(y, low.contiguous()), torch.searchsorted(y, high.contiguous())
        count = last - first
        edge = torch.repeat_interleave(torch.arange(start.shape[0], device=rows.device), count)
        offset = torch.cumsum(count, 0) - count
        row = torch.arange(edge.numel(), device=rows.device) - offset[edge] + first[edge]
        rise = stop[edge, 0] - start[edge, 0]
        x = start[edge, 1] + (y[row] - start[edge, 0]) / rise * (stop[edge, 1] - start[edge, 1])
        return row, x, -torch.sign(rise)

    def moved(self, matrix: Tensor, shift: Tensor) -> Polygon:
        return Polygon(self.vertices @ matrix.T + shift)


def signed_area(points: Tensor) -> float:
    """1/2 sum x dy - y dx of a closed polygon of (y, x) points: positive from x towards y."""
    following = points.roll(-1, 0)
    return 0.5 * float((points[:, 1] * following[:, 0] - points[:, 0] * following[:, 1]).sum())


def divergence_factor(k: Tensor) -> Tensor:
    """i/(2 pi |k|^2), with 0 at k = 0 where the caller patches in the series."""
    squared = (k * k).sum(-1)
    magnitude = torch.where(squared > 0, 1.0 / ((2.0 * math.pi) * torch.where(squared > 0, squared, 1.0)), 0.0)
    return torch.complex(torch.zeros_like(magnitude), magnitude)
