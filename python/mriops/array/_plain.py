"""The ops by array functions alone, for sizes that a CUDA module has no kernel for; also the reference on arrays."""

from __future__ import annotations

from typing import Any

from ._plain_nufft import (
    nufft,
    nufft_adjoint,
    nufft_gram,
    nufft_points,
    nufft_trajectory_grad,
    nufft_trajectory_jvp,
    sense_toeplitz,
)
from ._plain_spins import (
    bloch,
    bloch_exchange,
    bloch_signal,
    bloch_spinor,
    epg,
    epg_jacobian,
    epgx,
    signal_model,
    signal_model_jacobian,
)

__all__ = [
    "bloch",
    "bloch_exchange",
    "bloch_signal",
    "bloch_spinor",
    "coil_combine",
    "coil_expand",
    "epg",
    "epg_jacobian",
    "epgx",
    "fft",
    "nufft",
    "nufft_adjoint",
    "nufft_gram",
    "nufft_points",
    "nufft_trajectory_grad",
    "nufft_trajectory_jvp",
    "sense",
    "sense_adjoint",
    "sense_csm_adjoint",
    "sense_gram",
    "sense_toeplitz",
    "signal_model",
    "signal_model_jacobian",
]


def fft(xp: Any, x: Any, dims: tuple[int, ...], inverse: bool) -> Any:
    """Centred orthonormal transform."""
    transform = xp.fft.ifftn if inverse else xp.fft.fftn
    moved = transform(xp.fft.ifftshift(x, axes=dims), axes=dims, norm="ortho")
    return xp.fft.fftshift(moved, axes=dims).astype(x.dtype)


def coil_expand(xp: Any, image: Any, csm: Any, ndim: int, maps: bool) -> Any:
    """Image to coil images."""
    product = xp.expand_dims(image, -ndim - 1) * csm
    return product.sum(axis=-ndim - 2) if maps else product


def coil_combine(xp: Any, coil_images: Any, csm: Any, ndim: int, maps: bool) -> Any:
    """Coil images to image."""
    if maps:
        coil_images = xp.expand_dims(coil_images, -ndim - 2)
    return (csm.conj() * coil_images).sum(axis=-ndim - 1)


def _weigh(xp: Any, kspace: Any, mask: Any, ndim: int) -> Any:
    if mask is None:
        return kspace
    mask = mask.reshape((1,) * (ndim - mask.ndim) + mask.shape)
    return kspace * xp.expand_dims(mask, -ndim - 1)


def _spatial(ndim: int) -> tuple[int, ...]:
    return tuple(range(-ndim, 0))


def sense(xp: Any, image: Any, csm: Any, mask: Any, ndim: int, maps: bool) -> Any:
    """Image to weighted multi-coil k-space."""
    return _weigh(xp, fft(xp, coil_expand(xp, image, csm, ndim, maps), _spatial(ndim), False), mask, ndim)


def sense_adjoint(xp: Any, kspace: Any, csm: Any, mask: Any, ndim: int, maps: bool) -> Any:
    """Weighted multi-coil k-space to image."""
    return coil_combine(xp, fft(xp, _weigh(xp, kspace, mask, ndim), _spatial(ndim), True), csm, ndim, maps)


def sense_gram(xp: Any, image: Any, csm: Any, mask: Any, ndim: int, maps: bool) -> Any:
    """Image to image."""
    return sense_adjoint(xp, sense(xp, image, csm, mask, ndim, maps), csm, mask, ndim, maps)


def sense_csm_adjoint(
    xp: Any, kspace: Any, image: Any, mask: Any, csm_batch: tuple[int, ...], ndim: int, maps: bool
) -> Any:
    """k-space and image to maps."""
    coil_images = fft(xp, _weigh(xp, kspace, mask, ndim), _spatial(ndim), True)
    if maps:
        coil_images = xp.expand_dims(coil_images, -ndim - 2)
    product = xp.expand_dims(image.conj(), -ndim - 1) * coil_images
    core = product.shape[product.ndim - ndim - 1 - int(maps) :]
    shape = (*csm_batch, *core)
    padded = (1,) * (product.ndim - len(shape)) + shape
    axes = tuple(i for i, (have, want) in enumerate(zip(product.shape, padded, strict=True)) if have != want)
    return product.sum(axis=axes, keepdims=True).reshape(shape)
