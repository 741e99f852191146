"""Multiplication by coil sensitivities and its adjoint."""

from __future__ import annotations

from torch import Tensor

__all__ = ["coil_combine", "coil_expand"]


def coil_expand(image: Tensor, csm: Tensor, *, ndim: int = 2, maps: bool = False) -> Tensor:
    """``y[c] = csm[c] x``, or ``sum_m csm[m, c] x[m]`` with ``maps``.

    Parameters
    ----------
    image
        ``(*batch, [maps,] *im)``.
    csm
        ``(*batch, [maps,] coils, *im)``.
    ndim
        Number of spatial axes.
    maps
        Whether there is an axis of map sets.

    Returns
    -------
    Tensor
        ``(*batch, coils, *im)``.
    """
    product = image.unsqueeze(-ndim - 1) * csm
    return product.sum(-ndim - 2) if maps else product


def coil_combine(coil_images: Tensor, csm: Tensor, *, ndim: int = 2, maps: bool = False) -> Tensor:
    """``x = sum_c conj(csm[c]) y[c]``, for each map set with ``maps``.

    Parameters
    ----------
    coil_images
        ``(*batch, coils, *im)``.
    csm
        ``(*batch, [maps,] coils, *im)``.
    ndim
        Number of spatial axes.
    maps
        Whether there is an axis of map sets.

    Returns
    -------
    Tensor
        ``(*batch, [maps,] *im)``.
    """
    if maps:
        coil_images = coil_images.unsqueeze(-ndim - 2)
    return (csm.conj() * coil_images).sum(-ndim - 1)
