"""Images without solving anything: root sum of squares, and the coil-combined zero-filled image."""

from __future__ import annotations

from torch import Tensor

from mriops import calibration, ops
from mriops._native.arguments import instance, integer


def rss(kspace: Tensor, *, ndim: int = 2) -> Tensor:
    """Root sum of squares of the coil images, sqrt(sum_c |F^H k_c|^2).

    Parameters
    ----------
    kspace
        `(*batch, coils, *im_size)`, zero where nothing was acquired.
    ndim
        Number of spatial axes.

    Returns
    -------
    Tensor (*batch, *im_size), real

    Raises
    ------
    ValueError
        If axes are missing.

    References
    ----------
    Roemer et al., The NMR phased array, Magn Reson Med 16 (1990) 192-225.
    """
    instance("kspace", kspace, Tensor, "a torch.Tensor")
    if kspace.ndim < integer("ndim", ndim, 1) + 1:
        raise ValueError(
            f"kspace: expected (*batch, coils, *im_size) with {ndim} spatial axes, got {tuple(kspace.shape)}"
        )
    return calibration.rss(ops.ifft(kspace, tuple(range(-ndim, 0))), ndim=ndim)


def zero_filled(kspace: Tensor, csm: Tensor, *, mask: Tensor | None = None, ndim: int = 2) -> Tensor:
    """Coil-combined image of zero-filled k-space, E^H k.

    Parameters
    ----------
    kspace
        `(*batch, coils, *im_size)`, zero where nothing was acquired.
    csm
        `(coils, *im_size)` or `(*batch, coils, *im_size)`, sum_c |csm_c|^2 = 1.
    mask
        Sampling or weights, broadcastable to `(*batch, *im_size)`. The image is not divided by the acceleration:
        a densely sampled centre carries the intensity.
    ndim
        Number of spatial axes.

    Returns
    -------
    Tensor (*batch, *im_size), complex

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    return ops.sense_adjoint(kspace, csm, mask, ndim=ndim)
