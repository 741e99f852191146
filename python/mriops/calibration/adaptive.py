"""Coil maps and coil combination from coil images alone: adaptive combination after Walsh, root sum of squares."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mriops._native.arguments import integer, not_negative, number, one_each, sizes
from mriops.calibration.acs import check_kspace
from mriops.calibration.eigenmaps import leading_eigenvector
from mriops.calibration.noise import cholesky_factor

__all__ = ["adaptive_combine", "rss", "walsh"]

_SLAB_ELEMENTS = 1 << 21  # covariance entries held at a time


def rss(coil_images: Tensor, *, ndim: int = 2) -> Tensor:
    """Root sum of squares over coils, sqrt(sum_c |x_c|^2).

    Parameters
    ----------
    coil_images
        (*batch, coils, *im_size), real or complex.
    ndim
        Number of spatial axes.

    Returns
    -------
    (*batch, *im_size), real.

    Raises
    ------
    TypeError
        If coil_images is not a tensor.
    ValueError
        If the coil axis is missing.

    References
    ----------
    Roemer PB et al. The NMR phased array. Magn Reson Med 16:192 (1990).
    """
    if not isinstance(coil_images, Tensor):
        raise TypeError(f"coil_images: expected a torch.Tensor, got {type(coil_images).__name__}")
    if not (coil_images.is_floating_point() or coil_images.is_complex()):
        raise TypeError(f"coil_images: expected a floating-point or complex tensor, got {coil_images.dtype}")
    if coil_images.ndim < integer("ndim", ndim, 1) + 1:
        raise ValueError(
            f"coil_images: expected (*batch, coils, *im_size) with {ndim} spatial axes, got {tuple(coil_images.shape)}"
        )
    return torch.linalg.vector_norm(coil_images, dim=-ndim - 1)


@torch.no_grad()
def walsh(
    coil_images: Tensor,
    *,
    window: int | Sequence[int] = 7,
    noise_covariance: Tensor | None = None,
    max_iter: int = 30,
    tol: float = 1e-4,
    ndim: int = 2,
) -> Tensor:
    r"""Coil sensitivity maps as the local principal component of coil images.

    .. math:: R_{cd}(r) = \sum_{|r' - r| \le w/2} x_c(r') \overline{x_d(r')}

    (box window, cut at the edges), and csm(r) = the leading eigenvector of R(r). With a noise covariance Psi, the
    leading eigenvector of the whitened covariance, coloured again and normalised. Not differentiable.

    Parameters
    ----------
    coil_images
        (*batch, coils, *im_size), complex.
    window
        Odd width of the box (one int, or one per axis) [pixels].
    noise_covariance
        (coils, coils) or (*batch, coils, coils), Hermitian positive definite.
    max_iter
        Limit of matrix-vector products per pixel.
    tol
        Convergence of the eigenvectors, relative to the eigenvalue.
    ndim
        Number of spatial axes.

    Returns
    -------
    (*batch, coils, *im_size) with sum_c |csm_c|^2 = 1 where there is signal, else 0. Phase: real and positive in the
    coil that is strongest over the whole image.

    Raises
    ------
    TypeError, ValueError
        For non-complex, non-finite or misshaped images, an even or non-positive window, or a covariance that is not
        positive definite.

    References
    ----------
    Walsh DO, Gmitro AF, Marcellin MW. Adaptive reconstruction of phased array MR imagery. Magn Reson Med 43:682 (2000).
    """
    images = check_kspace(coil_images, ndim=ndim, name="coil_images")
    expected = f"an odd positive int or {ndim} of them"
    widths = sizes("window", one_each(window, ndim), expected, ndim)
    if any(w % 2 == 0 for w in widths):
        raise ValueError(f"window: expected {expected}, got {window!r}")
    integer("max_iter", max_iter, 1)
    number("tol", tol, "a number >= 0", not_negative)
    coils, im_size = images.shape[-ndim - 1], images.shape[-ndim:]
    batch = images.shape[: -ndim - 1]
    flat = images.reshape(-1, coils, *im_size)
    factor = None
    if noise_covariance is not None:
        factor = cholesky_factor(
            noise_covariance, coils, batch=tuple(batch), dtype=images.dtype, name="noise_covariance"
        )
        factor = factor.expand(*batch, coils, coils).reshape(-1, coils, coils)
        white = torch.linalg.solve_triangular(factor, flat.reshape(flat.shape[0], coils, -1), upper=False)
        flat = white.reshape(flat.shape)
    csm = torch.stack([_walsh_item(item, widths, max_iter, tol) for item in flat])
    if factor is not None:
        csm = (factor @ csm.reshape(csm.shape[0], coils, -1)).reshape(csm.shape)
        csm = csm / rss(csm, ndim=ndim).unsqueeze(-ndim - 1).clamp_min(torch.finfo(csm.dtype).tiny)
    strongest = _unit_scale(images.reshape(csm.shape[0], coils, -1)).abs().square().sum(-1).argmax(-1)
    for one, coil in zip(csm, strongest.tolist(), strict=True):
        one *= torch.exp(-1j * one[coil].angle())
    return csm.reshape(*batch, coils, *im_size)


def adaptive_combine(
    coil_images: Tensor,
    *,
    window: int | Sequence[int] = 7,
    noise_covariance: Tensor | None = None,
    max_iter: int = 30,
    tol: float = 1e-4,
    ndim: int = 2,
    return_csm: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    r"""Combine coil images with locally adapted weights.

    .. math:: m = \frac{\sum_c \overline{w_c} x_c}{\sum_c \overline{w_c}\, csm_c}, \quad w = \Psi^{-1} csm

    with csm from :func:`walsh` (Psi = identity if no ``noise_covariance`` is given).

    Parameters
    ----------
    coil_images, window, noise_covariance, max_iter, tol, ndim
        As in :func:`walsh`.
    return_csm
        Also return the maps.

    Returns
    -------
    image
        (*batch, *im_size), complex.
    csm
        (*batch, coils, *im_size), if ``return_csm``.

    Raises
    ------
    TypeError, ValueError
        As in :func:`walsh`.

    References
    ----------
    Walsh DO, Gmitro AF, Marcellin MW. Adaptive reconstruction of phased array MR imagery. Magn Reson Med 43:682 (2000).
    """
    csm = walsh(coil_images, window=window, noise_covariance=noise_covariance, max_iter=max_iter, tol=tol, ndim=ndim)
    coil_axis = -ndim - 1
    if noise_covariance is None:
        image = (csm.conj() * coil_images).sum(coil_axis)
    else:
        factor = cholesky_factor(noise_covariance, csm.shape[coil_axis], dtype=csm.dtype, name="noise_covariance")
        flat = csm.flatten(-ndim)
        weights = torch.cholesky_solve(flat, factor.expand(*flat.shape[:-2], *factor.shape[-2:])).reshape(csm.shape)
        scale = (weights.conj() * csm).sum(coil_axis).real.clamp_min(torch.finfo(csm.dtype).tiny)
        image = (weights.conj() * coil_images).sum(coil_axis) / scale
    return (image, csm) if return_csm else image


def _unit_scale(items: Tensor) -> Tensor:
    """Each item divided by its peak, so that products of very small or large values stay in range."""
    peaks = items.abs().amax(tuple(range(1, items.ndim)), keepdim=True)
    return items / peaks.clamp_min(torch.finfo(items.dtype).tiny)


def _walsh_item(images: Tensor, widths: tuple[int, ...], max_iter: int, tol: float) -> Tensor:
    """Maps (coils, *im_size) of one item, line by line along the first spatial axis so that memory stays small."""
    size = images.shape[1:]
    csm = torch.zeros_like(images)
    half = widths[0] // 2
    scaled = _unit_scale(images[None])[0]
    rows = max(1, _SLAB_ELEMENTS // (images.shape[0] ** 2 * images[0, 0].numel()))
    for first in range(0, size[0], rows):
        last = min(size[0], first + rows)
        low, high = max(0, first - half), min(size[0], last + half)
        slab = scaled[:, low:high]
        local = slab[:, None] * slab[None].conj()
        for axis, width in enumerate(widths):
            local = _box_sum(local, 2 + axis, width)
        local = local[:, :, first - low : last - low]
        gram = local.reshape(*local.shape[:2], -1).permute(2, 0, 1).contiguous()
        vector = leading_eigenvector(gram, max_iter=max_iter, tol=tol)
        csm[:, first:last] = vector.T.reshape(csm[:, first:last].shape)
    return csm


def _box_sum(x: Tensor, dim: int, width: int) -> Tensor:
    """Sum over a centred window, cut at the edges. Sums of shifted copies: running differences would cancel digits."""
    half = min(width // 2, x.shape[dim] - 1)
    if half == 0:
        return x
    out = x.clone()
    size = x.shape[dim]
    for shift in range(1, half + 1):
        out.narrow(dim, 0, size - shift).add_(x.narrow(dim, shift, size - shift))
        out.narrow(dim, shift, size - shift).add_(x.narrow(dim, 0, size - shift))
    return out
