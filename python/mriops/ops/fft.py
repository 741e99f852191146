"""Centred orthonormal Fourier transforms over any axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mriops._native.fft_shapes import FFT, normalize_dims, split_dims

from . import reference
from ._declaration import OpDeclaration
from ._factory import define_op

__all__ = ["fft", "ifft"]


def _plain(x: Tensor, dims: Sequence[int], inverse: bool) -> Tensor:
    return (reference.ifft if inverse else reference.fft)(x, tuple(dims))


def _vmap(in_dims: tuple, x: Tensor, dims: Sequence[int], inverse: bool) -> tuple[Tensor, int]:
    axes = normalize_dims(x.ndim - 1, list(dims))  # counted from the end, so that an axis in front changes nothing
    return _fft(x.movedim(in_dims[0], 0), axes, inverse), 0


_fft = define_op(
    OpDeclaration(
        native=FFT,
        schema="(Tensor x, int[] dims, bool inverse) -> Tensor",
        core_rank={"x": lambda dims, inverse: -min(dims)},
        adjoint={"x": lambda grad, x, dims, inverse: _fft(grad, dims, not inverse)},
        multilinear=True,
        vmap=_vmap,
        plain=_plain,
    )
)


# By rank and dims, of those that are hashable: dims as first given, and their groups. There are few.
_known_groups: dict[tuple, tuple[tuple, list[tuple[int, ...]]]] = {}


def _groups(rank: int, dims: int | Sequence[int]) -> list[tuple[int, ...]]:
    """Axes per native pass; remembered, since working it out takes as long as the rest of a small transform."""
    if type(dims) is not tuple or torch.compiler.is_dynamo_compiling():
        return split_dims(normalize_dims(rank, dims))
    try:
        known = _known_groups.get((rank, dims))
    except TypeError:  # what cannot be hashed is no integer
        known = None
    if known is not None and (known[0] is dims or _are_ints(dims)):
        return known[1]
    groups = split_dims(normalize_dims(rank, dims))
    if _are_ints(dims):
        _known_groups[rank, dims] = dims, groups
    return groups


def _are_ints(dims: tuple) -> bool:
    """Whether equality says everything: True and 1.0 equal 1, and the hash of a tensor says nothing of its value."""
    for dim in dims:  # noqa: SIM110  # `all` of a generator takes four times as long
        if type(dim) is not int:
            return False
    return True


def _transform(x: Tensor, dims: int | Sequence[int], inverse: bool) -> Tensor:
    rank: Any = getattr(x, "ndim", None)
    if not isinstance(rank, int):
        raise TypeError(f"x: expected torch.Tensor, got {type(x).__module__}.{type(x).__qualname__}")
    for group in _groups(rank, dims):
        x = _fft(x, group, inverse)
    return x


def fft(x: Tensor, dims: int | Sequence[int]) -> Tensor:
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
    Tensor
        Same shape as ``x``. A NaN or Inf spreads over the transformed axes it lies on.

    Raises
    ------
    TypeError
        ``x`` has another dtype or is no tensor, ``dims`` holds something that is no integer.
    ValueError
        ``dims`` is empty, repeats an axis or is out of range; a transformed axis is empty.

    References
    ----------
    Cooley JW, Tukey JW. An algorithm for the machine calculation of complex Fourier series. Math Comput 1965;19:297.
    """
    return _transform(x, dims, False)


def ifft(x: Tensor, dims: int | Sequence[int]) -> Tensor:
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
    Tensor
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
