"""The normal operator of non-uniform sampling as a convolution, by transforms of twice the size."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from .coils import coil_combine, coil_expand
from .nufft import nufft_adjoint
from .precision import complex_of

__all__ = ["sense_toeplitz", "toeplitz", "toeplitz_kernel"]


def toeplitz_kernel(
    trajectory: Tensor,
    im_size: Sequence[int],
    *,
    dcf: Tensor | None = None,
    eps: float = 1e-6,
    upsampling: float | None = None,
    method: str = "auto",
) -> Tensor:
    """Spectrum ``K[l] = sum_r p[r] exp(-2 pi i l r / 2N)`` of ``p[r] = 1/N sum_s w[s] exp(2 pi i k[s] r / N)``.

    Parameters
    ----------
    trajectory
        ``(*batch, samples, ndim)``.
    im_size
        Image size.
    dcf
        Weights ``(*batch, samples)``.
    eps, upsampling, method
        Not used.

    Returns
    -------
    Tensor
        Real ``(*batch, *2 im)``, zero frequency first.
    """
    ndim, wide = len(im_size), tuple(2 * n for n in im_size)
    weights = torch.ones_like(trajectory[..., 0]) if dcf is None else dcf
    points = nufft_adjoint(weights.to(complex_of(weights.dtype)), 2 * trajectory, wide)
    axes = tuple(range(-ndim, 0))
    scale = prod(wide) ** 0.5 / prod(im_size)
    return scale * torch.fft.fftn(torch.fft.ifftshift(points, dim=axes), dim=axes).real


def toeplitz(image: Tensor, kernel: Tensor, *, ndim: int = 2) -> Tensor:
    """Zero-pad to twice the size, transform, multiply by the spectrum, transform back, crop.

    Parameters
    ----------
    image
        ``(*batch, *im)``.
    kernel
        Real ``(*batch, *2 im)``.
    ndim
        Number of spatial axes.

    Returns
    -------
    Tensor
        ``(*batch, *im)``.
    """
    im, axes = image.shape[image.ndim - ndim :], tuple(range(-ndim, 0))
    if image.numel() == 0:
        return image + 0 * kernel[(..., *(slice(0, n) for n in im))]
    wide = torch.fft.ifftn(torch.fft.fftn(image, s=[2 * n for n in im], dim=axes) * kernel, dim=axes)
    return wide[(..., *(slice(0, n) for n in im))].contiguous()


def sense_toeplitz(image: Tensor, csm: Tensor, kernel: Tensor, *, ndim: int = 2) -> Tensor:
    """``y = sum_c conj(csm[c]) T (csm[c] x)`` with ``T`` of :func:`toeplitz`.

    Parameters
    ----------
    image
        ``(*batch, *im)``.
    csm
        ``(*batch, coils, *im)``.
    kernel
        Real ``(*batch, *2 im)``.
    ndim
        Number of spatial axes.

    Returns
    -------
    Tensor
        ``(*batch, *im)``.
    """
    images = toeplitz(coil_expand(image, csm, ndim=ndim), kernel.unsqueeze(-ndim - 1), ndim=ndim)
    return coil_combine(images, csm, ndim=ndim)
