"""Ellipses and ellipsoids with their closed-form Fourier transforms."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mriops.phantoms.bessel import j1_over_x
from mriops.phantoms.shapes import POINTS_PER_BLOCK, Shape, as_points, unit_phase


class Ellipsoid(Shape):
    """The set {c + A u : |u| <= 1}, an ellipse in 2D and an ellipsoid in 3D.

    With x = 2 pi |A^T k| its transform is |det A| exp(-2 pi i k.c) w(x), where w(x) = 2 pi J1(x)/x in 2D and
    w(x) = 4 pi (sin x - x cos x)/x^3 in 3D (series at small x, so that k = 0 and its neighbourhood are exact).

    Parameters
    ----------
    centre : sequence of float (ndim,)
        [field of view], order (z, y, x).
    matrix : array (ndim, ndim)
        A: columns are the half axes [field of view].

    Raises
    ------
    ValueError
        If shapes disagree, ndim is not 2 or 3, or A is singular.

    References
    ----------
    Koay, Sarlls, Oezarslan. Three-dimensional analytical magnetic resonance imaging phantom in the Fourier domain. MRM
    58:430 (2007).
    """

    def __init__(self, centre: Sequence[float] | Tensor, matrix: Sequence[Sequence[float]] | Tensor) -> None:
        self.matrix = as_points(matrix, "matrix")
        self.ndim = self.matrix.shape[1]
        if self.ndim not in (2, 3) or self.matrix.shape[0] != self.ndim:
            raise ValueError(f"matrix: expected shape (2, 2) or (3, 3), got {tuple(self.matrix.shape)}")
        self.centre = as_points(torch.as_tensor(centre, dtype=torch.float64)[None], "centre", self.ndim)[0]
        self._scale = abs(float(torch.linalg.det(self.matrix)))
        if self._scale == 0.0:
            raise ValueError(f"matrix: expected linearly independent half axes, got {self.matrix.tolist()}")

    @classmethod
    def from_axes(
        cls,
        centre: Sequence[float],
        half_axes: Sequence[float],
        rotation: Sequence[Sequence[float]] | Tensor | None = None,
    ) -> Ellipsoid:
        """From half axes along (z, y, x) [field of view], turned by a rotation matrix."""
        matrix = torch.diag(torch.as_tensor(list(half_axes), dtype=torch.float64))
        if rotation is not None:
            matrix = torch.as_tensor(rotation, dtype=torch.float64) @ matrix
        return cls(centre, matrix)

    @property
    def volume(self) -> float:
        return self._scale * (math.pi if self.ndim == 2 else 4.0 * math.pi / 3.0)

    def fourier(self, k: Tensor) -> Tensor:
        out = torch.empty(k.shape[0], dtype=torch.complex128, device=k.device)
        matrix, centre = self.matrix.to(k.device), self.centre.to(k.device)
        for first in range(0, k.shape[0], POINTS_PER_BLOCK):
            block = k[first : first + POINTS_PER_BLOCK]
            x = (2.0 * math.pi) * torch.linalg.vector_norm(block @ matrix, dim=1)
            window = self._scale * _ball_window(x, self.ndim)
            out[first : first + POINTS_PER_BLOCK] = unit_phase(block @ centre) * window
        return out

    def fourier_grid(self, axes: Sequence[Tensor]) -> Tensor:
        """As `fourier`, with the phase as an outer product: three trigonometric vectors instead of a volume of them."""
        matrix = self.matrix.to(axes[0].device)
        shapes = [[-1 if i == axis else 1 for i in range(self.ndim)] for axis in range(self.ndim)]
        columns = [a.reshape(shape) for a, shape in zip(axes, shapes, strict=True)]
        squared = axes[0].new_zeros([a.numel() for a in axes])
        for half_axis in matrix.T:
            squared += sum(h * c for h, c in zip(half_axis, columns, strict=True)) ** 2
        x = (2.0 * math.pi) * torch.sqrt(squared)
        out = (self._scale * _ball_window(x, self.ndim)).to(torch.complex128)
        for column, position in zip(columns, self.centre.tolist(), strict=True):
            out *= unit_phase(column * position)
        return out

    def chords(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inverse = torch.linalg.inv(self.matrix).to(rows.device)
        centre = self.centre.to(rows.device)
        w = (rows - centre[:-1]) @ inverse[:, :-1].T
        v = inverse[:, -1]
        a, b, c = v @ v, w @ v, (w * w).sum(1) - 1.0
        discriminant = b * b - a * c
        hit = torch.nonzero(discriminant > 0)[:, 0]
        root = torch.sqrt(discriminant[hit])
        enter = centre[-1] + (-b[hit] - root) / a
        leave = centre[-1] + (-b[hit] + root) / a
        one = torch.ones_like(root)
        return torch.cat([hit, hit]), torch.cat([enter, leave]), torch.cat([one, -one])

    def moved(self, matrix: Tensor, shift: Tensor) -> Ellipsoid:
        return Ellipsoid(matrix @ self.centre + shift, matrix @ self.matrix)


def rotation_2d(angle: float) -> Tensor:
    """Matrix acting on (y, x), y pointing down, that turns counter-clockwise on the picture by `angle` [rad]."""
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s], [s, c]], dtype=torch.float64)


def _ball_window(x: Tensor, ndim: int) -> Tensor:
    """Transform of the unit disc or ball at radius x = 2 pi |k|."""
    if ndim == 2:
        return (2.0 * math.pi) * j1_over_x(x)
    small = x < 1.0  # the closed form cancels: its error grows as eps/x^2
    safe = torch.where(small, 1.0, x)
    closed = (torch.sin(safe) - safe * torch.cos(safe)) / safe**3
    # (sin x - x cos x)/x^3 = sum_m (-1)^m (2m+2)/(2m+3)! x^(2m); 9 terms leave 1e-20 at x = 1
    y, series = x * x, torch.zeros_like(x)
    for m in range(9, -1, -1):
        series = series * y + (-1) ** m * (2 * m + 2) / math.factorial(2 * m + 3)
    return (4.0 * math.pi) * torch.where(small, series, closed)
