"""Cartesian multi-coil encoding: coil sensitivities, Fourier transform, sampling weights, and the adjoints."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .coils import coil_combine, coil_expand
from .fft import fft, ifft

__all__ = ["sense", "sense_adjoint", "sense_csm_adjoint", "sense_gram"]


def _weigh(kspace: Tensor, mask: Tensor | None, ndim: int) -> Tensor:
    if mask is None:
        return kspace
    mask = mask.reshape((1,) * (ndim - mask.ndim) + tuple(mask.shape))
    return kspace * mask.unsqueeze(-ndim - 1)


def _spatial(ndim: int) -> tuple[int, ...]:
    return tuple(range(-ndim, 0))


def sense(image: Tensor, csm: Tensor, mask: Tensor | None = None, *, ndim: int = 2, maps: bool = False) -> Tensor:
    """``k[c] = w F sum_m csm[m, c] x[m]``.

    Parameters
    ----------
    image
        ``(*batch, [maps,] *im)``.
    csm
        ``(*batch, [maps,] coils, *im)``.
    mask
        Bool or real weights, broadcastable to ``(*batch, *im)``.
    ndim
        Number of spatial axes.
    maps
        Whether there is an axis of map sets.

    Returns
    -------
    Tensor
        ``(*batch, coils, *im)``.
    """
    return _weigh(fft(coil_expand(image, csm, ndim=ndim, maps=maps), _spatial(ndim)), mask, ndim)


def sense_adjoint(
    kspace: Tensor, csm: Tensor, mask: Tensor | None = None, *, ndim: int = 2, maps: bool = False
) -> Tensor:
    """``x[m] = sum_c conj(csm[m, c]) F^H w k[c]``, the adjoint of :func:`sense`.

    Parameters
    ----------
    kspace
        ``(*batch, coils, *im)``.
    csm
        ``(*batch, [maps,] coils, *im)``.
    mask
        Bool or real weights, broadcastable to ``(*batch, *im)``.
    ndim
        Number of spatial axes.
    maps
        Whether there is an axis of map sets.

    Returns
    -------
    Tensor
        ``(*batch, [maps,] *im)``.
    """
    return coil_combine(ifft(_weigh(kspace, mask, ndim), _spatial(ndim)), csm, ndim=ndim, maps=maps)


def sense_gram(image: Tensor, csm: Tensor, mask: Tensor | None = None, *, ndim: int = 2, maps: bool = False) -> Tensor:
    """:func:`sense_adjoint` of :func:`sense`: weights count squared.

    Parameters
    ----------
    image
        ``(*batch, [maps,] *im)``.
    csm
        ``(*batch, [maps,] coils, *im)``.
    mask
        Bool or real weights, broadcastable to ``(*batch, *im)``.
    ndim
        Number of spatial axes.
    maps
        Whether there is an axis of map sets.

    Returns
    -------
    Tensor
        ``(*batch, [maps,] *im)``.
    """
    return sense_adjoint(sense(image, csm, mask, ndim=ndim, maps=maps), csm, mask, ndim=ndim, maps=maps)


def sense_csm_adjoint(
    kspace: Tensor,
    image: Tensor,
    mask: Tensor | None = None,
    *,
    csm_batch: Sequence[int] = (),
    ndim: int = 2,
    maps: bool = False,
) -> Tensor:
    """``csm[m, c] = sum_b conj(x[b, m]) F^H w k[b, c]``, the adjoint of ``csm -> sense(image, csm, mask)``.

    Parameters
    ----------
    kspace
        ``(*batch, coils, *im)``.
    image
        ``(*batch, [maps,] *im)``.
    mask
        Bool or real weights, broadcastable to ``(*batch, *im)``.
    csm_batch
        Batch shape of the result, which broadcasts to ``batch``; the batch is summed to it.
    ndim
        Number of spatial axes.
    maps
        Whether there is an axis of map sets.

    Returns
    -------
    Tensor
        ``(*csm_batch, [maps,] coils, *im)``.
    """
    coil_images = ifft(_weigh(kspace, mask, ndim), _spatial(ndim))
    if maps:
        coil_images = coil_images.unsqueeze(-ndim - 2)
    product = image.conj().unsqueeze(-ndim - 1) * coil_images
    core = product.shape[product.ndim - ndim - 1 - int(maps) :]
    return product.sum_to_size((*csm_batch, *core))
