"""Centred orthonormal Fourier transform by torch.fft."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["fft", "ifft"]


def _axes(x: Tensor, dims: int | Sequence[int]) -> tuple[int, ...]:
    axes = (dims,) if isinstance(dims, int) else tuple(dims)
    return tuple(axis % x.ndim for axis in axes)


def fft(x: Tensor, dims: int | Sequence[int]) -> Tensor:
    """``y[k] = 1/sqrt(N) sum_n x[n] exp(-2 pi i (k - N//2)(n - N//2) / N)`` along each axis of ``dims``.

    Parameters
    ----------
    x
        Any shape.
    dims
        Axes to transform.

    Returns
    -------
    Tensor
        Same shape as ``x``, complex.
    """
    axes = _axes(x, dims)
    if x.numel() == 0:  # MKL refuses an empty batch
        return x.clone()
    return torch.fft.fftshift(torch.fft.fftn(torch.fft.ifftshift(x, axes), dim=axes, norm="ortho"), axes)


def ifft(x: Tensor, dims: int | Sequence[int]) -> Tensor:
    """Inverse and adjoint of :func:`fft`.

    Parameters
    ----------
    x
        Any shape.
    dims
        Axes to transform.

    Returns
    -------
    Tensor
        Same shape as ``x``, complex.
    """
    axes = _axes(x, dims)
    if x.numel() == 0:  # MKL refuses an empty batch
        return x.clone()
    return torch.fft.fftshift(torch.fft.ifftn(torch.fft.ifftshift(x, axes), dim=axes, norm="ortho"), axes)
