"""Regions with smooth outlines (trigonometric curves) and their Fourier transform to machine precision."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mriops.phantoms.polygon import NEAR_ZERO, Polygon, divergence_factor, signed_area
from mriops.phantoms.shapes import POINTS_PER_BLOCK, Shape, as_points, unit_phase

ROUNDING = 1e-14  # of the fastest |r'|: harmonics of the integrand below this are not resolved


class Contour(Shape):
    """A region bounded by smooth closed curves r(t), trigonometric polynomials that follow given control points.

    The curve is the trigonometric interpolant of its points with its highest harmonics tapered off, which keeps it
    within a fraction of the points' spacing. Its transform is
    S(k) = i/(2 pi |k|^2) oint (k_x y' - k_y x') exp(-2 pi i k.r(t)) dt. The integrand is smooth and periodic, so the
    trapezoid rule is exact up to harmonics of the integrand beyond the node count; that count is read off the
    integrand's spectrum at the largest |k| asked for, which leaves rounding error (tested by doubling it). On a
    Cartesian grid the sum is a product of two matrices. Near k = 0 the homotopy form
    oint (x y' - y x') sum_m (-2 pi i k.r)^m/(m! (m + 2)) dt takes over.

    Parameters
    ----------
    loops : sequence of arrays (points, 2)
        Outer curves, (y, x) [field of view], not closed, in either sense; they must not intersect.
    holes : sequence of arrays (points, 2)
        Curves cut out of them.

    Raises
    ------
    ValueError
        If there is no loop, or a curve has fewer than three points, NaN or Inf.

    References
    ----------
    Trefethen, Weideman. The exponentially convergent trapezoidal rule. SIAM Review 56:385 (2014).
    """

    ndim = 2

    def __init__(self, loops: Sequence[object], holes: Sequence[object] = ()) -> None:
        if len(loops) == 0:
            raise ValueError("loops: expected at least one closed curve, got none")
        self.loops = tuple(_oriented(as_points(p, "loops", 2), 1) for p in loops)
        self.holes = tuple(_oriented(as_points(p, "holes", 2), -1) for p in holes)
        self._harmonics = [_harmonics(p) for p in self.loops + self.holes]
        self._speed = [_fastest(h) for h in self._harmonics]
        self._counts: dict[tuple[int, float], int] = {}

    @property
    def volume(self) -> float:
        position, derivative = self._nodes(0.0, torch.device("cpu"))
        return 0.5 * float((position[:, 1] * derivative[:, 0] - position[:, 0] * derivative[:, 1]).sum())

    def _nodes(self, k_max: float, device: torch.device) -> tuple[Tensor, Tensor]:
        """Trapezoid nodes r (nodes, 2) and r' dt (nodes, 2) of all curves, enough for |k| <= k_max."""
        k_max = 16.0 * max(1, math.ceil(k_max / 16.0))  # few distinct values, so that node counts are found once
        positions, derivatives = [], []
        for i, (harmonics, speed) in enumerate(zip(self._harmonics, self._speed, strict=True)):
            if (i, k_max) not in self._counts:
                self._counts[i, k_max] = _node_count(harmonics, speed, k_max)
            count = self._counts[i, k_max]
            frequency = torch.arange(harmonics.shape[0], dtype=torch.float64)[:, None]
            positions.append(_evaluate(harmonics, count))
            derivatives.append(_evaluate((2j * math.pi) * frequency * harmonics, count) / count)
        return torch.cat(positions).to(device), torch.cat(derivatives).to(device)

    def fourier(self, k: Tensor) -> Tensor:
        shift = k.new_zeros((1, 2))
        return self.fourier_shifted(k, shift, torch.ones((1, 1), dtype=torch.complex128, device=k.device))[0]

    def fourier_shifted(self, k: Tensor, shifts: Tensor, coefficients: Tensor) -> Tensor:
        """As `Shape.fourier_shifted`: the shifts ride on the nodes, so that exp(-2 pi i k.r) is computed once."""
        out = torch.empty((coefficients.shape[0], k.shape[0]), dtype=torch.complex128, device=k.device)
        if k.shape[0] == 0:
            return out
        k_max = float(torch.linalg.vector_norm(k, dim=1).max() + torch.linalg.vector_norm(shifts, dim=1).max())
        position, derivative = self._nodes(k_max, k.device)
        ramps = unit_phase(-(position @ shifts.T))
        weights = torch.cat([ramps * derivative[:, :1], ramps * derivative[:, 1:]], dim=1)
        block_size = max(1, POINTS_PER_BLOCK // position.shape[0])
        for first in range(0, k.shape[0], block_size):
            block = k[first : first + block_size]
            along_y, along_x = (unit_phase(block @ position.T) @ weights).chunk(2, dim=1)
            shifted = block[:, None, :] - shifts
            terms = divergence_factor(shifted) * (shifted[..., 1] * along_y - shifted[..., 0] * along_x)
            near = torch.nonzero(torch.linalg.vector_norm(shifted, dim=2) < NEAR_ZERO)
            if near.numel():
                terms[near[:, 0], near[:, 1]] = _near_zero(shifted[near[:, 0], near[:, 1]], position, derivative)
            out[:, first : first + block_size] = coefficients @ terms.T
        return out

    def fourier_grid(self, axes: Sequence[Tensor]) -> Tensor:
        ky, kx = axes
        k_max = math.hypot(float(ky.abs().max()), float(kx.abs().max()))
        position, derivative = self._nodes(k_max, ky.device)
        rows = unit_phase(ky[:, None] * position[:, 0])
        columns = unit_phase(position[:, 1:] * kx)
        along_y = rows @ (derivative[:, :1] * columns)
        along_x = rows @ (derivative[:, 1:] * columns)
        k = torch.stack(torch.meshgrid(ky, kx, indexing="ij"), -1)
        out = divergence_factor(k) * (kx * along_y - ky[:, None] * along_x)
        near = torch.nonzero(torch.linalg.vector_norm(k, dim=2) < NEAR_ZERO)
        if near.numel():
            out[near[:, 0], near[:, 1]] = _near_zero(k[near[:, 0], near[:, 1]], position, derivative)
        return out

    def chords(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        spacing = float(rows[1, 0] - rows[0, 0]) if rows.shape[0] > 1 else 1e-2
        found = []
        for harmonics, speed in zip(self._harmonics, self._speed, strict=True):
            # a chord of half a line spacing stays within spacing^2/32 of an arc of curvature 1/spacing
            count = max(4 * harmonics.shape[0], math.ceil(2.0 * speed / spacing))
            points = _evaluate(harmonics, count)
            row, x, sign = Polygon(points).chords(rows)
            found.append((row, x, sign if signed_area(points) > 0 else -sign))
        row, x, sign = (torch.cat(parts) for parts in zip(*found, strict=True))
        return row, x, sign

    def moved(self, matrix: Tensor, shift: Tensor) -> Contour:
        return Contour([p @ matrix.T + shift for p in self.loops], [p @ matrix.T + shift for p in self.holes])


def _oriented(points: Tensor, sense: int) -> Tensor:
    if points.shape[0] < 3:
        raise ValueError(f"loops: expected at least 3 control points per curve, got {points.shape[0]}")
    return points if signed_area(points) * sense > 0 else points.flip(0)


def _harmonics(points: Tensor) -> Tensor:
    """Fourier coefficients (harmonics, 2) of the curve, f >= 0, tapered: 0.93 at half, 1e-8 at the full bandwidth."""
    count = points.shape[0]
    raw = torch.fft.rfft(points, dim=0)[: (count + 1) // 2] / count
    band = torch.arange(raw.shape[0], dtype=torch.float64) / raw.shape[0]
    return raw * torch.exp(-18.0 * band**8)[:, None]


def _node_count(harmonics: Tensor, speed: float, k_max: float) -> int:
    """Nodes beyond which r'(t) exp(-2 pi i k.r(t)) has no harmonics above rounding, for eight directions of k."""
    dense = 1 << math.ceil(math.log2(4.0 * (k_max * speed + 2 * harmonics.shape[0]) + 128))
    frequency = torch.arange(harmonics.shape[0], dtype=torch.float64)[:, None]
    position, derivative = _evaluate(harmonics, dense), _evaluate((2j * math.pi) * frequency * harmonics, dense)
    angle = torch.arange(8, dtype=torch.float64) * (math.pi / 8)
    k = k_max * torch.stack([torch.sin(angle), torch.cos(angle)])
    integrand = unit_phase(position @ k)[:, :, None] * derivative[:, None, :]
    spectrum = torch.fft.fft(integrand, dim=0).abs().amax((1, 2)) / dense
    beyond = torch.nonzero(spectrum[: dense // 2].maximum(spectrum[1:].flip(0)[: dense // 2]) > ROUNDING * speed)
    return max(int(beyond.max()) + 16, 2 * harmonics.shape[0])


def _evaluate(harmonics: Tensor, count: int) -> Tensor:
    """The curve (count, 2) at equispaced t."""
    padded = torch.zeros((count // 2 + 1, 2), dtype=torch.complex128)
    padded[: harmonics.shape[0]] = harmonics
    return torch.fft.irfft(padded, n=count, dim=0) * count


def _fastest(harmonics: Tensor) -> float:
    """max |r'(t)| [field of view per turn]."""
    frequency = torch.arange(harmonics.shape[0], dtype=torch.float64)[:, None]
    derivative = _evaluate((2j * math.pi) * frequency * harmonics, 8 * harmonics.shape[0])
    return float(torch.linalg.vector_norm(derivative, dim=1).max())


def _near_zero(k: Tensor, position: Tensor, derivative: Tensor) -> Tensor:
    cross = position[:, 1] * derivative[:, 0] - position[:, 0] * derivative[:, 1]
    z = (-2j * math.pi) * (k @ position.T)
    total, power = 0.5 * torch.ones_like(z), torch.ones_like(z)
    for m in range(1, 12):
        power = power * z / m
        total = total + power / (m + 2)
    return total @ cross.to(total.dtype)
