"""Phantoms: weighted sums of shapes with exact k-space at any coordinates, images, and multi-coil data."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mriops._native.arguments import image_size, integer, sizes
from mriops.phantoms.coils import FourierCoils
from mriops.phantoms.raster import coverage
from mriops.phantoms.shapes import Shape
from mriops.phantoms.spectrum import coil_lattice_spectrum, coil_point_spectrum, lattice_spectrum, point_spectrum


class Phantom:
    """An object m(r) = sum_s value_s [r in shape_s] with exact Fourier transform.

    On the Cartesian grid of `im_size` the k-space is sqrt(prod im_size) int m(r) exp(-2 pi i k.r) dr with r in fields
    of view, which is what the centred orthonormal `ops.fft` of an image of m approximates; the two differ by what
    sampling does (aliasing of the image's spectrum, truncation of the object's). No grid enters, so reconstructions of
    such data commit no inverse crime.

    Parameters
    ----------
    shapes : sequence of Shape
        All of the same ndim. Values add where shapes overlap.
    values : array (*batch, shapes), real or complex
        Leading axes, such as time or contrast, become leading axes of every result at no cost in transforms.
    fov : float
        Side of the (cubic) field of view [m]; only for voxel sizes written to files.

    Raises
    ------
    ValueError
        If shapes are empty, of mixed dimension, or their number is not the last axis of values.

    References
    ----------
    Guerquin-Kern, Lejeune, Pruessmann, Unser. Realistic analytical phantoms for parallel MRI. IEEE TMI 31:626 (2012).
    """

    def __init__(self, shapes: Sequence[Shape], values: Sequence[complex] | Tensor, *, fov: float = 0.24) -> None:
        self.shapes = tuple(shapes)
        if not self.shapes or any(s.ndim != self.shapes[0].ndim for s in self.shapes):
            raise ValueError(
                f"shapes: expected at least one, all 2D or all 3D, got ndim {[s.ndim for s in self.shapes]}"
            )
        self.values = torch.as_tensor(values, dtype=torch.complex128).detach().cpu()
        if self.values.ndim == 0 or self.values.shape[-1] != len(self.shapes):
            raise ValueError(
                f"values: expected shape (*batch, {len(self.shapes)}), one per shape, got {tuple(self.values.shape)}"
            )
        self.fov = float(fov)

    @property
    def ndim(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return self.shapes[0].ndim

    def image(
        self,
        im_size: Sequence[int],
        *,
        kind: str = "pixel",
        oversample: int = 8,
        dtype: torch.dtype = torch.complex64,
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """The object on a grid.

        Parameters
        ----------
        im_size : sequence of int
            (y, x) or (z, y, x).
        kind : {"pixel", "bandlimited"}
            "pixel": mean of m over each pixel. "bandlimited": inverse DFT of the exact k-space on the grid, the image
            (with its Gibbs ringing) that a noiseless fully sampled scan gives: the reference for reconstructions.
        oversample : int
            Lines per pixel and leading axis for "pixel" (lengths along the last axis are exact).

        Returns
        -------
        Tensor (*batch, *im_size) of `dtype`
        """
        im_size = image_size(im_size, self.ndim)
        if kind == "bandlimited":
            axes = tuple(range(-self.ndim, 0))
            kspace = self.kspace(im_size, dtype=torch.complex128, device=device)
            shifted = torch.fft.ifftn(torch.fft.ifftshift(kspace, axes), dim=axes, norm="ortho")
            return torch.fft.fftshift(shifted, axes).to(dtype)
        if kind != "pixel":
            raise ValueError(f"kind: expected 'pixel' or 'bandlimited', got {kind!r}")
        integer("oversample", oversample, 1)
        weights = self._weights(device)
        out = torch.zeros((weights.shape[0], *im_size), dtype=torch.complex128, device=device)
        for shape, weight in zip(self.shapes, weights.T, strict=True):
            fraction = coverage(shape, im_size, oversample, device)
            out += weight.reshape([-1] + [1] * self.ndim) * fraction
        return out.reshape(*self.values.shape[:-1], *im_size).to(dtype)

    def kspace(
        self,
        coords: Tensor | Sequence[int],
        *,
        im_size: Sequence[int] | None = None,
        dtype: torch.dtype = torch.complex64,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Exact k-space, computed in float64.

        Parameters
        ----------
        coords : Tensor (..., ndim) or sequence of int
            k in cycles per field of view, order (z, y, x); or the `im_size` of a Cartesian grid, k = n - N//2.
        im_size : sequence of int, optional
            With coordinates: scale by sqrt(prod(im_size)) as the orthonormal transforms of an image of that size do.
            Without: the plain integral over the field of view.

        Returns
        -------
        Tensor (*batch, ...) or (*batch, *im_size) of `dtype`
        """
        batch = self.values.shape[:-1]
        if not isinstance(coords, Tensor):
            size = self._grid(coords)
            weights = self._weights(device) * math.sqrt(math.prod(size))
            full = lattice_spectrum(self.shapes, weights, [n // 2 for n in size], 1.0, weights.device)
            for axis, n in enumerate(size):
                full = full.narrow(1 + axis, 0, n)
            return full.reshape(*batch, *size).to(dtype)
        points = self._check_coords(coords, device)
        weights = self._weights(points.device) * self._scale(im_size)
        out = point_spectrum(self.shapes, weights, points.reshape(-1, self.ndim))
        return out.reshape((*batch, *points.shape[:-1])).to(dtype)

    def multicoil_kspace(
        self,
        coords: Tensor | Sequence[int],
        coils: FourierCoils,
        *,
        im_size: Sequence[int] | None = None,
        dtype: torch.dtype = torch.complex64,
    ) -> Tensor:
        """Exact k-space of the object seen by every coil, sum_l a_cl S(k - l/period).

        Parameters
        ----------
        coords : Tensor (..., ndim) or sequence of int
            As in `kspace`. A Cartesian grid is much faster: it shares one lattice among all coils and terms.
        coils : FourierCoils
            Sensitivities as Fourier series; `coils.maps(im_size)` are the maps that belong to the data.
        im_size : sequence of int, optional
            As in `kspace`.

        Returns
        -------
        Tensor (*batch, coils, ...) or (*batch, coils, *im_size) of `dtype`
        """
        if coils.ndim != self.ndim:
            raise ValueError(f"coils: expected {self.ndim}D sensitivities, got {coils.ndim}D")
        batch, n_coils = self.values.shape[:-1], coils.coefficients.shape[0]
        if not isinstance(coords, Tensor):
            size = self._grid(coords)
            weights, scale = self._weights(coils.coefficients.device), math.sqrt(math.prod(size))
            out = coil_lattice_spectrum(
                self.shapes, weights, size, coils.coefficients, coils.period, scale=scale, dtype=dtype
            )
            return out.reshape(*batch, n_coils, *size)
        points = self._check_coords(coords, None)
        weights = self._weights(points.device) * self._scale(im_size)
        shifts, coefficients = coils.terms(points.device)
        out = coil_point_spectrum(self.shapes, weights, points.reshape(-1, self.ndim), shifts, coefficients)
        return out.reshape(*batch, n_coils, *points.shape[:-1]).to(dtype)

    def moved(self, matrix: Sequence[Sequence[float]] | Tensor, shift: Sequence[float] | None = None) -> Phantom:
        """The object under r -> matrix r + shift (a rotation, or any affine map), again with exact k-space.

        Parameters
        ----------
        matrix : array (ndim, ndim)
            Acting on (z, y, x) about the centre of the field of view.
        shift : sequence of float (ndim,)
            [field of view]
        """
        transform = torch.as_tensor(matrix, dtype=torch.float64)
        if tuple(transform.shape) != (self.ndim, self.ndim):
            raise ValueError(f"matrix: expected shape {(self.ndim, self.ndim)}, got {tuple(transform.shape)}")
        offset = torch.as_tensor([0.0] * self.ndim if shift is None else shift, dtype=torch.float64)
        if tuple(offset.shape) != (self.ndim,):
            raise ValueError(f"shift: expected {self.ndim} numbers, got shape {tuple(offset.shape)}")
        return Phantom([s.moved(transform, offset) for s in self.shapes], self.values, fov=self.fov)

    def _grid(self, coords: Sequence[int]) -> tuple[int, ...]:
        return sizes("coords", coords, f"a Tensor (..., {self.ndim}), or {self.ndim} sizes of a grid", self.ndim)

    def _weights(self, device: torch.device | str | None) -> Tensor:
        return self.values.reshape(-1, len(self.shapes)).to(device or "cpu")

    def _check_coords(self, coords: Tensor, device: torch.device | str | None) -> Tensor:
        if coords.ndim == 0 or coords.shape[-1] != self.ndim:
            raise ValueError(f"coords: expected shape (..., {self.ndim}), got {tuple(coords.shape)}")
        if coords.is_complex() or not bool(torch.isfinite(coords).all()):
            raise ValueError("coords: expected finite real coordinates, got complex, NaN or Inf")
        return coords.detach().to(device or coords.device, torch.float64)

    def _scale(self, im_size: Sequence[int] | None) -> float:
        return 1.0 if im_size is None else math.sqrt(math.prod(image_size(im_size, self.ndim)))
