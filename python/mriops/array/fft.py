"""Centred orthonormal Fourier transforms of NumPy and CuPy arrays over any axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mriops._native.fft_shapes import FFT, normalize_dims, split_dims

from ._call import array_facts, call

__all__ = ["fft", "ifft"]


def _transform(x: Any, dims: int | Sequence[int], inverse: bool) -> Any:
    for group in split_dims(normalize_dims(len(array_facts("x", x).shape), dims)):
        x = call(FFT, (x,), (group, inverse))
    return x


def fft(x: Any, dims: int | Sequence[int]) -> Any:
    """Centred orthonormal discrete Fourier transform.

    ``y[k] = 1/sqrt(N) sum_n x[n] exp(-2 pi i (k - N//2)(n - N//2) / N)`` along each axis of ``dims``: image and k-space
    centres lie at index ``N//2``, for even and odd ``N``.

    Parameters
    ----------
    x
        Any shape; complex64 or complex128 (float32 and float64 are promoted).
    dims
        Axis or axes to transform, anywhere in the array; no axis is moved or copied for it.

    Returns
    -------
    ndarray
        Same shape as ``x``. A NaN or Inf spreads over the transformed axes it lies on.

    Raises
    ------
    TypeError
        ``x`` has another dtype or is no array, ``dims`` holds something that is no integer.
    ValueError
        ``dims`` is empty, repeats an axis or is out of range; a transformed axis is empty.

    References
    ----------
    Cooley JW, Tukey JW. An algorithm for the machine calculation of complex Fourier series. Math Comput 1965;19:297.
    """
    return _transform(x, dims, False)


def ifft(x: Any, dims: int | Sequence[int]) -> Any:
    """Inverse, and adjoint, of :func:`fft`.

    ``x[n] = 1/sqrt(N) sum_k y[k] exp(2 pi i (k - N//2)(n - N//2) / N)`` along each axis of ``dims``.

    Parameters
    ----------
    x
        Any shape; complex64 or complex128 (float32 and float64 are promoted).
    dims
        Axis or axes to transform.

    Returns
    -------
    ndarray
        Same shape as ``x``.

    Raises
    ------
    TypeError, ValueError
        As :func:`fft`.

    References
    ----------
    Cooley JW, Tukey JW. An algorithm for the machine calculation of complex Fourier series. Math Comput 1965;19:297.
    """
    return _transform(x, dims, True)
