"""The contract of a region whose Fourier transform is known: what phantoms ask of an ellipsoid, polygon or contour."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

POINTS_PER_BLOCK = 1 << 21  # k-space points x boundary points held at once: 32 MB of complex128


class Shape(ABC):
    """Indicator function of a bounded region, with its exact Fourier transform.

    Positions r are in units of the field of view, [-1/2, 1/2) per axis, origin at pixel N//2; k is in cycles per field
    of view; components are in image axis order (z, y, x). The transform is S(k) = int_region exp(-2 pi i k.r) dr.
    """

    ndim: int

    @property
    @abstractmethod
    def volume(self) -> float:
        """Area (2D) or volume (3D) as a fraction of the field of view."""

    @abstractmethod
    def fourier(self, k: Tensor) -> Tensor:
        """S(k) at points.

        Parameters
        ----------
        k : Tensor (points, ndim), float64

        Returns
        -------
        Tensor (points,), complex128
        """

    @abstractmethod
    def chords(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where lines along the last axis enter (+1) and leave (-1) the region.

        Parameters
        ----------
        rows : Tensor (rows, ndim - 1), float64
            Leading coordinates of each line; in 2D in ascending order.

        Returns
        -------
        tuple of Tensor (crossings,)
            Row index (int64), position along the last axis, sign (+1 entering, -1 leaving).
        """

    @abstractmethod
    def moved(self, matrix: Tensor, shift: Tensor) -> Shape:
        """The region under r -> matrix r + shift."""

    def fourier_grid(self, axes: Sequence[Tensor]) -> Tensor:
        """S(k) on the outer product of one coordinate vector per axis, as a complex128 tensor of that shape."""
        return self.fourier(torch.cartesian_prod(*axes)).reshape([a.numel() for a in axes])

    def fourier_shifted(self, k: Tensor, shifts: Tensor, coefficients: Tensor) -> Tensor:
        """sum_l coefficients[c, l] S(k - shifts[l]): the transform of the region times a Fourier series.

        Parameters
        ----------
        k : Tensor (points, ndim), float64
        shifts : Tensor (terms, ndim), float64
        coefficients : Tensor (coils, terms), complex128

        Returns
        -------
        Tensor (coils, points), complex128
        """
        out = k.new_zeros((coefficients.shape[0], k.shape[0]), dtype=torch.complex128)
        for shift, coefficient in zip(shifts, coefficients.T, strict=True):
            out += coefficient[:, None] * self.fourier(k - shift)
        return out


def as_points(value: object, name: str, ndim: int | None = None) -> Tensor:
    """A float64 tensor (points, ndim) from nested sequences, arrays or tensors."""
    try:
        points = torch.as_tensor(value, dtype=torch.float64).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name}: expected coordinates of points, got {type(value).__name__} ({error})") from None
    if points.ndim != 2 or (ndim is not None and points.shape[1] != ndim):
        wanted = "ndim" if ndim is None else str(ndim)
        raise ValueError(f"{name}: expected shape (points, {wanted}), got {tuple(points.shape)}")
    if not bool(torch.isfinite(points).all()):
        raise ValueError(f"{name}: expected finite coordinates, got NaN or Inf")
    return points


def unit_phase(angle: Tensor) -> Tensor:
    """exp(-2 pi i angle) in complex128; `angle` in cycles."""
    angle = (-2.0 * torch.pi) * angle
    return torch.complex(torch.cos(angle), torch.sin(angle))
