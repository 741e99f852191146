"""Cropping to the prescribed field of view: of images, and of k-space along the readout."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mriops.io.raw_data import RawData


def crop_centre(image: Any, size: Sequence[int]) -> Any:
    """The centred part of the last `len(size)` axes: index N//2 becomes size//2. Works on arrays and tensors.

    Parameters
    ----------
    image
        `(..., *im_size)`.
    size
        Of the result, one number per axis.

    Returns
    -------
    array or tensor
        A view, `(..., *size)`.

    Raises
    ------
    ValueError
        If `size` is larger than the image.
    """
    shape = tuple(image.shape)
    tail = shape[len(shape) - len(size) :]
    if len(size) > len(shape) or any(m < 1 or m > n for m, n in zip(size, tail, strict=True)):
        raise ValueError(f"size: expected at most the image size {tail}, got {tuple(size)}")
    window = tuple(slice(n // 2 - m // 2, n // 2 - m // 2 + m) for m, n in zip(size, tail, strict=True))
    return image[(..., *window)]


def _centred_ifft(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(x, axes=-1), axis=-1, norm="ortho"), axes=-1)


def _centred_fft(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.fft.fftshift(np.fft.fft(np.fft.ifftshift(x, axes=-1), axis=-1, norm="ortho"), axes=-1)


def crop_readout(kspace: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """k-space `(..., x)` of the centred `size` image columns; white noise keeps its variance per sample.

    Raises
    ------
    ValueError
        If `size` exceeds the readout.
    """
    return _centred_fft(crop_centre(_centred_ifft(kspace), (size,))).astype(kspace.dtype, copy=False)


def remove_oversampling(raw: RawData) -> RawData:
    """Crop the readout to the prescribed field of view, `recon_size[-1]` columns.

    The readout direction is always fully sampled, so the columns outside carry noise only. Readouts that are not
    (asymmetric echo, a mask that varies along x) are left as they are.

    Parameters
    ----------
    raw
        k-space on a grid.

    Returns
    -------
    RawData
        With new arrays, or `raw` itself where there is nothing to crop.
    """
    n, target = raw.im_size[-1], raw.recon_size[-1]
    if target >= n or (raw.mask is not None and raw.mask.shape[-1] != 1):
        return raw
    shape = (*raw.shape[:-1], target)
    fov = raw.field_of_view
    if fov is not None:
        fov = (fov[0], fov[1], fov[2] * target / n)
    acs = raw.acs
    if acs is not None and acs.shape[-1] > 1:
        # Calibration may be shorter in k-space: the same share of its field of view is kept.
        acs = crop_readout(acs, max(1, round(acs.shape[-1] * target / n)))
    acs_size = raw.acs_size and (*raw.acs_size[:-1], min(raw.acs_size[-1], target))
    return dataclasses.replace(
        raw, kspace=crop_readout(raw.kspace, target), shape=shape, field_of_view=fov, acs=acs, acs_size=acs_size
    )
