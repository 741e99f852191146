"""Weighted sums of shape transforms at points and on Cartesian lattices, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mriops.phantoms.shapes import Shape

LATTICE_PER_BLOCK = 1 << 20


def point_spectrum(shapes: Sequence[Shape], weights: Tensor, k: Tensor) -> Tensor:
    """sum_s weights[w, s] S_s(k).

    Parameters
    ----------
    shapes : sequence of Shape
    weights : Tensor (sets, shapes), complex128
    k : Tensor (points, ndim), float64

    Returns
    -------
    Tensor (sets, points), complex128
    """
    out = k.new_zeros((weights.shape[0], k.shape[0]), dtype=torch.complex128)
    for shape, weight in zip(shapes, weights.T, strict=True):
        out += weight[:, None] * shape.fourier(k)
    return out


def lattice_spectrum(
    shapes: Sequence[Shape], weights: Tensor, half_widths: Sequence[int], spacing: float, device: torch.device
) -> Tensor:
    """sum_s weights[w, s] S_s(spacing * l) for integer -half_width <= l <= half_width on each axis.

    Shapes are real, S(-k) = conj S(k), so that half of the lattice is evaluated and mirrored.

    Returns
    -------
    Tensor (sets, *(2 half_widths + 1)), complex128
    """
    axes = [torch.arange(-h, h + 1, dtype=torch.float64, device=device) * spacing for h in half_widths]
    half = half_widths[0]
    shape_of = [2 * h + 1 for h in half_widths]
    out = torch.zeros([weights.shape[0], *shape_of], dtype=torch.complex128, device=device)
    mirrored = tuple(range(len(half_widths)))
    rows_per_block = max(2, LATTICE_PER_BLOCK // torch.Size(shape_of[1:]).numel())
    for first in range(half, 2 * half + 1, rows_per_block):
        last = min(first + rows_per_block, 2 * half + 1)
        skip = 1 if first == half else 0  # plane l = 0 is its own mirror image
        for shape, weight in zip(shapes, weights.T, strict=True):
            block = shape.fourier_grid([axes[0][first:last], *axes[1:]])
            weight = weight.reshape([-1] + [1] * block.ndim)
            out[:, first:last] += weight * block
            if last - first > skip:
                mirror = block[skip:].flip(mirrored).conj()
                out[:, 2 * half + 1 - last : 2 * half + 1 - first - skip] += weight * mirror
    return out


def coil_point_spectrum(
    shapes: Sequence[Shape], weights: Tensor, k: Tensor, shifts: Tensor, coefficients: Tensor
) -> Tensor:
    """sum_s,l weights[w, s] coefficients[c, l] S_s(k - shifts[l]) as a tensor (sets, coils, points)."""
    out = k.new_zeros((weights.shape[0], coefficients.shape[0], k.shape[0]), dtype=torch.complex128)
    for shape, weight in zip(shapes, weights.T, strict=True):
        out += weight[:, None, None] * shape.fourier_shifted(k, shifts, coefficients)
    return out


def coil_lattice_spectrum(
    shapes: Sequence[Shape],
    weights: Tensor,
    im_size: Sequence[int],
    coefficients: Tensor,
    period: int,
    *,
    scale: float,
    dtype: torch.dtype,
) -> Tensor:
    """Multi-coil k-space on the Cartesian grid, scale sum_l a[c, l] S(k - l/period).

    With an integer period all shifted points lie on one lattice of spacing 1/period, which is evaluated once; every
    output then is a small dense window of it times the coefficients, done as a matrix product.

    Parameters
    ----------
    coefficients : Tensor (coils, *(2 order + 1))
        Fourier coefficients of the maps, order -order..order on each axis.

    Returns
    -------
    Tensor (sets, coils, *im_size) of `dtype`
    """
    ndim = len(im_size)
    coils, terms = coefficients.shape[0], coefficients.shape[1]
    orders = [(n - 1) // 2 for n in coefficients.shape[1:]]
    half_widths = [period * (n // 2) + order for n, order in zip(im_size, orders, strict=True)]
    lattice = lattice_spectrum(shapes, weights, half_widths, 1.0 / period, coefficients.device)
    windows = lattice
    for axis, (n, order) in enumerate(zip(im_size, orders, strict=True)):
        windows = windows.unfold(1 + axis, 2 * order + 1, period).narrow(1 + axis, 0, n)
    # window element j holds S at shift l = order - j
    kernel = (scale * coefficients).flip(tuple(range(1, ndim + 1))).reshape(coils, -1).T
    out = torch.empty((weights.shape[0], coils, *im_size), dtype=dtype, device=coefficients.device)
    per_row = torch.Size(im_size[1:]).numel() * terms**ndim
    rows_per_block = max(1, LATTICE_PER_BLOCK // per_row)
    for s in range(weights.shape[0]):
        for first in range(0, im_size[0], rows_per_block):
            block = windows[s, first : first + rows_per_block]
            product = block.reshape(-1, kernel.shape[0]) @ kernel
            out[s, :, first : first + rows_per_block] = product.T.reshape(coils, *block.shape[:ndim])
    return out
