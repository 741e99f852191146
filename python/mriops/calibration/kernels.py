"""Turns the ACS into the row space of its calibration matrix, and that into coil Gram matrices on a small grid."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["CalibrationKernels", "calibration_kernels", "coil_gram_samples", "patch_matrix"]

_SLAB_ELEMENTS = 1 << 22  # patch entries held at a time


@dataclass(frozen=True)
class CalibrationKernels:
    """Left singular vectors of the patch matrix, with their weights.

    Attributes
    ----------
    vectors
        (batch, coils, *kernel_size, kernels): orthonormal patches, strongest first, complex128.
    weights
        (batch, kernels) in [0, 1]: what each contributes to the projector onto the signal space.
    singular_values
        (batch, min(patches, coils * prod(kernel_size))), descending.
    thresholds
        (batch,): the singular value below which vectors were dropped.
    noise_std
        (batch,): standard deviation of the complex noise per sample, estimated from the small singular values.
    """

    vectors: Tensor
    weights: Tensor
    singular_values: Tensor
    thresholds: Tensor
    noise_std: Tensor


def patch_matrix(acs: Tensor, kernel_size: tuple[int, ...]) -> Tensor:
    """All patches of an ACS block as columns.

    Parameters
    ----------
    acs
        (batch, coils, *acs_size).
    kernel_size
        Patch size per spatial axis.

    Returns
    -------
    (batch, coils * prod(kernel_size), patches).
    """
    ndim = len(kernel_size)
    patches = acs
    for axis, k in enumerate(kernel_size):
        patches = patches.unfold(2 + axis, k, 1)
    # (batch, coils, *positions, *kernel) -> (batch, coils, *kernel, *positions)
    order = (0, 1, *range(2 + ndim, 2 + 2 * ndim), *range(2, 2 + ndim))
    return patches.permute(order).reshape(acs.shape[0], acs.shape[1] * math.prod(kernel_size), -1)


def calibration_kernels(
    acs: Tensor, kernel_size: tuple[int, ...], threshold: float | str, *, soft: bool = False
) -> CalibrationKernels:
    """Signal space of all patches of an ACS block.

    The patch matrix M (one patch per column) is never decomposed itself: the smaller of M^H M and M M^H is, in double
    precision, because its condition number is the square of that of M.

    Parameters
    ----------
    acs
        (batch, coils, *acs_size), complex.
    kernel_size
        Patch size per spatial axis.
    threshold
        Fraction of the largest singular value, or "auto": the largest singular value that noise of the estimated
        level has in a patch matrix of this shape (:func:`noise_singular_values`).
    soft
        Weigh the projector's directions by 1 - (threshold / singular value)^2 instead of by 1.
    """
    acs = acs.to(torch.complex128)
    rows = acs.shape[1] * math.prod(kernel_size)
    wide = rows <= math.prod(n - k + 1 for n, k in zip(acs.shape[2:], kernel_size, strict=True))
    gram = _patch_covariance(acs, kernel_size) if wide else _patch_inner_products(acs, kernel_size)
    values, vectors = torch.linalg.eigh(gram)
    sigma = values.flip(-1).clamp_min(0).sqrt()
    noise_std, floor = _noise_level(sigma, acs.shape[1], tuple(acs.shape[2:]), kernel_size)
    # Below 1e-3 of the strongest direction, single-precision data carry no usable patch even without noise; below 1e-7
    # the square root of the Gram matrix's eigenvalues is rounding error.
    limits = (
        torch.maximum(floor, 1e-3 * sigma[:, 0]) if threshold == "auto" else max(float(threshold), 1e-7) * sigma[:, 0]
    )
    count = max(1, int((sigma > limits[:, None]).sum(-1).max()))
    kept = sigma[:, :count]
    basis = vectors.flip(-1)[..., :count]
    if not wide:
        basis = (patch_matrix(acs, kernel_size) @ basis) / kept.clamp_min(torch.finfo(kept.dtype).tiny)[:, None, :]
    weights = (kept > limits[:, None]).to(kept.dtype)
    if soft:
        weights = weights * (1 - (limits[:, None] / kept.clamp_min(torch.finfo(kept.dtype).tiny)) ** 2).clamp_min(0)
    basis = basis.reshape(acs.shape[0], acs.shape[1], *kernel_size, count)
    return CalibrationKernels(basis, weights, sigma, limits, noise_std)


def _patch_covariance(acs: Tensor, kernel_size: tuple[int, ...]) -> Tensor:
    """M M^H, slab by slab along the first axis: in 3D all patches together are hundreds of times the ACS."""
    positions = acs.shape[2] - kernel_size[0] + 1
    per_position = acs.shape[0] * acs.shape[1] * math.prod(kernel_size) * math.prod(acs.shape[3:])
    step = max(1, _SLAB_ELEMENTS // per_position)
    gram: Tensor | None = None
    for first in range(0, positions, step):
        matrix = patch_matrix(acs[:, :, first : min(first + step, positions) + kernel_size[0] - 1], kernel_size)
        part = matrix @ matrix.mH
        gram = part if gram is None else gram.add_(part)
    return gram if gram is not None else acs.new_zeros(acs.shape[0], 0, 0)


def _patch_inner_products(acs: Tensor, kernel_size: tuple[int, ...]) -> Tensor:
    """M^H M, for fewer patches than entries a patch."""
    matrix = patch_matrix(acs, kernel_size)
    return matrix.mH @ matrix


def _noise_level(
    sigma: Tensor, coils: int, acs_size: tuple[int, ...], kernel_size: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Noise standard deviation and its largest singular value, by matching the lower half of the two spectra."""
    unit = torch.tensor(noise_singular_values(coils, acs_size, kernel_size), dtype=sigma.dtype, device=sigma.device)
    n = sigma.shape[-1]
    lower = slice(n - max(1, n // 4), n)
    noise_std = sigma[:, lower].mean(-1) / unit[lower].mean().clamp_min(1e-12)
    return noise_std, noise_std * unit[0]


@functools.lru_cache(maxsize=64)
def noise_singular_values(coils: int, acs_size: tuple[int, ...], kernel_size: tuple[int, ...]) -> tuple[float, ...]:
    """Singular values, descending, of the patch matrix of unit-variance complex white noise (one fixed draw).

    Patches overlap, so the Marchenko-Pastur law does not hold for this matrix: its spectrum is wider. One draw
    suffices because the spectrum of a large random matrix concentrates (measured: < 3 % between draws for 8 coils,
    24 x 24).
    """
    generator = torch.Generator().manual_seed(20130501)
    noise = torch.randn((1, coils, *acs_size), dtype=torch.complex128, generator=generator)
    patches = math.prod(n - k + 1 for n, k in zip(acs_size, kernel_size, strict=True))
    wide = coils * math.prod(kernel_size) <= patches
    gram = _patch_covariance(noise, kernel_size) if wide else _patch_inner_products(noise, kernel_size)
    return tuple(torch.linalg.eigvalsh(gram)[0].flip(-1).clamp_min(0).sqrt().tolist())


def coil_gram_samples(kernels: CalibrationKernels) -> Tensor:
    r"""Image-domain coil operator on the smallest grid that determines it.

    .. math:: G_{cd}(r) = \frac{1}{|k|} \sum_j w_j V_{jc}(r) \overline{V_{jd}(r)}, \quad
              V_{jc}(r) = \sum_a v_{jc}(a) e^{2\pi i a r}

    holds only lags a - b below the kernel size, so 2k - 1 equispaced samples an axis define it everywhere. Its
    eigenvalues lie in [0, 1]; coil sensitivities are eigenvectors for eigenvalue 1.

    Returns
    -------
    (batch, *(2 * kernel_size - 1), coils, coils), Hermitian. Sample q of an axis of L lies at r = q / L from the
    centre of the field of view, in fields of view.
    """
    vectors = kernels.vectors
    kernel_size = vectors.shape[2:-1]
    axes = tuple(range(2, 2 + len(kernel_size)))
    grid = tuple(2 * k - 1 for k in kernel_size)
    scale = (kernels.weights / math.prod(kernel_size)).sqrt()
    scaled = vectors * scale.reshape(scale.shape[0], *(1,) * (vectors.ndim - 2), scale.shape[1])
    spectra = torch.fft.ifftn(scaled, s=grid, dim=axes, norm="forward")
    spectra = spectra.movedim(1, -2)  # (batch, *grid, coils, kernels)
    return spectra @ spectra.mH
