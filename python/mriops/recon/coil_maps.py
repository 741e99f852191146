"""Coil sensitivity maps from the calibration region, by any of the methods of mriops.calibration."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mriops import calibration, ops
from mriops._native.arguments import one_each, sizes

CALIBRATIONS = ("espirit", "walsh", "adaptive")


def estimate_csm(
    kspace: Tensor,
    *,
    method: str = "espirit",
    acs: int | Sequence[int] | None = None,
    n_maps: int = 1,
    ndim: int = 2,
) -> Tensor:
    """Coil sensitivity maps of every batch item.

    Parameters
    ----------
    kspace
        `(*batch, coils, *im_size)` with a fully sampled centre.
    method
        `"espirit"`; `"walsh"` or `"adaptive"`: the local principal component of low-resolution coil images, from the
        calibration region under a Hann window.
    acs
        Centred calibration width, one number or one per axis; detected if None (ESPIRiT: at most 24 samples an axis).
    n_maps
        Sets of maps, with ESPIRiT only.
    ndim
        Number of spatial axes.

    Returns
    -------
    Tensor (*batch, [n_maps,] coils, *im_size)

    Raises
    ------
    ValueError
        For an unknown method, or data that the method cannot use.

    References
    ----------
    Uecker et al., ESPIRiT, Magn Reson Med 71 (2014) 990-1001.
    Walsh, Gmitro, Marcellin, Adaptive reconstruction of phased array MR imagery, Magn Reson Med 43 (2000) 682-690.
    """
    if method not in CALIBRATIONS:
        raise ValueError(f"method: expected one of {', '.join(CALIBRATIONS)}, got {method!r}")
    if method == "espirit":
        csm = calibration.espirit(kspace, acs=acs, n_maps=n_maps, ndim=ndim)
        return csm if isinstance(csm, Tensor) else csm[0]
    if n_maps != 1:
        raise ValueError(f"n_maps: expected 1 with method {method!r}, got {n_maps}")
    return calibration.walsh(low_resolution(kspace, acs=acs, ndim=ndim), ndim=ndim)


def low_resolution(kspace: Tensor, *, acs: int | Sequence[int] | None = None, ndim: int = 2) -> Tensor:
    """Coil images of the calibration region alone, on the full grid.

    Parameters
    ----------
    kspace
        `(*batch, coils, *im_size)`.
    acs
        As in `estimate_csm`.
    ndim
        Number of spatial axes.

    Returns
    -------
    Tensor like kspace
    """
    im_size = kspace.shape[-ndim:]
    if acs is None:
        widths = [s.stop - s.start for s in calibration.detect_acs(kspace, ndim=ndim)]
    else:
        expected = f"a positive width or {ndim} of them (one per spatial axis)"
        widths = sizes("acs", one_each(acs, ndim), expected, ndim)
    for axis, (n, width) in enumerate(zip(im_size, widths, strict=True)):
        width = min(width, n)
        if width == n:
            continue
        taper = torch.zeros(n, dtype=kspace.real.dtype, device=kspace.device)
        # Interior points of a symmetric Hann window around N//2.
        hann = torch.hann_window(width + 2, periodic=False, dtype=taper.dtype, device=taper.device)[1:-1]
        taper[n // 2 - width // 2 : n // 2 - width // 2 + width] = hann
        kspace = kspace * taper.reshape([-1] + [1] * (ndim - 1 - axis))
    return ops.ifft(kspace, tuple(range(-ndim, 0)))
