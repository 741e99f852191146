"""The NUFFT family and the Toeplitz normal operator by array functions alone: ``method="exact"``, and devices without
kernels."""

from __future__ import annotations

from math import pi, prod
from typing import Any

import numpy as np

__all__ = [
    "nufft",
    "nufft_adjoint",
    "nufft_gram",
    "nufft_points",
    "nufft_trajectory_grad",
    "nufft_trajectory_jvp",
    "sense_toeplitz",
]

# Elements of the largest intermediate array.
_BLOCK = 1 << 23


def _phase(xp: Any, trajectory: Any, axis: int, n: int, dtype: Any) -> Any:
    """``exp(-2 pi i k (r - n//2) / n)``, ``(*batch, n, samples)``."""
    r = ((xp.arange(n) - n // 2) / n).astype(trajectory.dtype)
    return xp.exp(-2j * pi * (r[:, None] * trajectory[..., None, :, axis])).astype(dtype)


def _forward(xp: Any, image: Any, trajectory: Any) -> Any:
    ndim = trajectory.shape[-1]
    im = image.shape[image.ndim - ndim :]
    flat = image.reshape((*image.shape[: image.ndim - ndim], prod(im[:-1]), im[-1]))
    step = max(1, _BLOCK // max(image.size // im[-1], 1))
    blocks = []
    for start in range(0, trajectory.shape[-2], step):
        part = trajectory[..., start : start + step, :]
        y = flat @ _phase(xp, part, ndim - 1, im[-1], image.dtype)
        for axis in reversed(range(ndim - 1)):
            y = y.reshape((*y.shape[:-2], prod(im[:axis]), im[axis], y.shape[-1]))
            y = (y * xp.expand_dims(_phase(xp, part, axis, im[axis], image.dtype), -3)).sum(axis=-2)
        blocks.append(y[..., 0, :])
    return (xp.concatenate(blocks, axis=-1) / prod(im) ** 0.5).astype(image.dtype)


def _adjoint(xp: Any, kspace: Any, trajectory: Any, im: tuple[int, ...]) -> Any:
    ndim = len(im)
    batch = np.broadcast_shapes(kspace.shape[:-1], trajectory.shape[:-2])
    step = max(1, _BLOCK // max(prod(batch) * prod(im[:-1]), 1))
    total: Any = 0
    for start in range(0, trajectory.shape[-2], step):
        part = trajectory[..., start : start + step, :]
        y = xp.expand_dims(kspace[..., start : start + step], -2)
        for axis in range(ndim - 1):
            phase = _phase(xp, part, axis, im[axis], kspace.dtype).conj()
            y = xp.expand_dims(y, -2) * xp.expand_dims(phase, -3)
            y = y.reshape((*y.shape[:-3], y.shape[-3] * y.shape[-2], y.shape[-1]))
        total = total + y @ xp.swapaxes(_phase(xp, part, ndim - 1, im[-1], kspace.dtype).conj(), -1, -2)
    return (total.reshape((*total.shape[:-2], *im)) / prod(im) ** 0.5).astype(kspace.dtype)


def _slopes(xp: Any, im: tuple[int, ...], dtype: Any) -> list[Any]:
    return [
        (-2j * pi * (xp.arange(n) - n // 2) / n).reshape((n,) + (1,) * (len(im) - 1 - axis)).astype(dtype)
        for axis, n in enumerate(im)
    ]


def _expand(xp: Any, image: Any, csm: Any, trajectory: Any) -> tuple[Any, Any]:
    """Coil images, and a trajectory that broadcasts with them."""
    if csm is None:
        return image, trajectory
    return xp.expand_dims(image, -trajectory.shape[-1] - 1) * csm, xp.expand_dims(trajectory, -3)


def nufft_points(xp: Any, trajectory: Any, im_size: Any, grid: Any, width: int) -> Any:
    """Wrapped coordinates, in the order they have."""
    if not bool(xp.isfinite(trajectory).all()):
        where = tuple(int(i) for i in xp.argwhere(~xp.isfinite(trajectory))[0])
        place = f"sample {where[-2]}, component {where[-1]}"
        raise ValueError(f"trajectory: expected finite coordinates, got {float(trajectory[where])} at {place}")
    size = xp.asarray([float(n) for n in im_size]).astype(trajectory.dtype)
    points = xp.remainder(trajectory + size / 2, size) - size / 2
    order = xp.arange(trajectory.shape[-2], dtype=xp.int32)
    return points, xp.broadcast_to(order, trajectory.shape[:-1]).copy()


def nufft(xp: Any, image: Any, csm: Any, trajectory: Any, *_: Any) -> Any:
    """Image to samples."""
    return _forward(xp, *_expand(xp, image, csm, trajectory))


def nufft_adjoint(xp: Any, kspace: Any, csm: Any, dcf: Any, trajectory: Any, _p: Any, _o: Any, im: Any, *_: Any) -> Any:
    """Samples to image."""
    ndim = trajectory.shape[-1]
    if csm is None:
        return _adjoint(xp, kspace if dcf is None else kspace * dcf, trajectory, tuple(im))
    weighted = kspace if dcf is None else kspace * xp.expand_dims(dcf, -2)
    images = _adjoint(xp, weighted, xp.expand_dims(trajectory, -3), tuple(im))
    return (csm.conj() * images).sum(axis=-ndim - 1)


def nufft_gram(xp: Any, image: Any, csm: Any, dcf: Any, trajectory: Any, *_: Any) -> Any:
    """Image to image."""
    im = image.shape[image.ndim - trajectory.shape[-1] :]
    return nufft_adjoint(xp, nufft(xp, image, csm, trajectory), csm, dcf, trajectory, None, None, im)


def nufft_trajectory_jvp(xp: Any, image: Any, csm: Any, tangent: Any, trajectory: Any, *_: Any) -> Any:
    """Change of k-space in a direction of the trajectory."""
    images, rows = _expand(xp, image, csm, trajectory)
    steps = tangent if csm is None else xp.expand_dims(tangent, -3)
    im = image.shape[image.ndim - trajectory.shape[-1] :]
    slopes = _slopes(xp, im, image.dtype)
    return sum(steps[..., d] * _forward(xp, slope * images, rows) for d, slope in enumerate(slopes))


def nufft_trajectory_grad(xp: Any, image: Any, csm: Any, kspace: Any, trajectory: Any, *_: Any) -> Any:
    """Gradient for the trajectory."""
    images, rows = _expand(xp, image, csm, trajectory)
    im = image.shape[image.ndim - trajectory.shape[-1] :]
    slopes = _slopes(xp, im, image.dtype)
    parts = xp.stack([(kspace.conj() * _forward(xp, slope * images, rows)).real for slope in slopes], axis=-1)
    parts = parts if csm is None else parts.sum(axis=-3)
    lead = parts.ndim - trajectory.ndim
    padded = (1,) * lead + trajectory.shape
    axes = tuple(i for i, (have, want) in enumerate(zip(parts.shape, padded, strict=True)) if have != want)
    return parts.sum(axis=axes, keepdims=True).reshape(trajectory.shape)


def sense_toeplitz(xp: Any, image: Any, csm: Any, kernel: Any, ndim: int) -> Any:
    """Image to image by a convolution."""
    im, axes = image.shape[image.ndim - ndim :], tuple(range(-ndim, 0))
    images = image if csm is None else xp.expand_dims(image, -ndim - 1) * csm
    spectrum = kernel if csm is None else xp.expand_dims(kernel, -ndim - 1)
    wide = xp.fft.ifftn(xp.fft.fftn(images, s=[2 * n for n in im], axes=axes) * spectrum, axes=axes)
    result = wide[(..., *(slice(0, n) for n in im))].astype(image.dtype)
    return xp.ascontiguousarray(result) if csm is None else (csm.conj() * result).sum(axis=-ndim - 1)
