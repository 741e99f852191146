"""From raw data to what a reconstruction uses: averaged, whitened, cropped along the readout, compressed, ACS found."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mriops import calibration
from mriops.io import RawData, ScanInfo, crop_centre, remove_oversampling

# Frames that show the same coils and nearly the same object; contrasts may cancel when averaged.
_AVERAGED_FOR_CALIBRATION = ("repetition", "set", "phase")


@dataclass
class Prepared:
    """K-space ready for reconstruction.

    Attributes
    ----------
    kspace
        `(slices, *frames, coils, *im_size)`, complex64.
    mask
        bool, broadcastable to `kspace` without its coil axis; None if fully sampled.
    calibration
        `(slices, coils, *im_size)`: k-space to take coil maps from.
    acs_size
        Size of the fully sampled centre of `calibration`, one number per spatial axis.
    info
        The scan, with the sizes of `kspace`.
    """

    kspace: Tensor
    mask: Tensor | None
    calibration: Tensor
    acs_size: tuple[int, ...]
    info: ScanInfo

    @property
    def n_frames(self) -> int:
        """Number of axes between slices and coils."""
        return self.kspace.ndim - 2 - self.info.ndim


def prepare(
    raw: RawData,
    *,
    whiten: bool = True,
    keep_oversampling: bool = False,
    n_coils: int | None = None,
    device: torch.device | str = "cpu",
) -> Prepared:
    """Average, prewhiten (with the noise scan, if there is one), crop the readout, compress coils, find the ACS.

    Parameters
    ----------
    raw
        As `mriops.io.read` gives it.
    whiten
        Decorrelate the coils' noise to unit variance.
    keep_oversampling
        Leave the readout as acquired.
    n_coils
        Virtual coils to compress to (SVD of the calibration region); all coils if None.
    device
        Where the result lies.

    Returns
    -------
    Prepared

    Raises
    ------
    ValueError
        If k-space has no sampled centre, has NaN or Inf, or there are fewer coils than `n_coils`.
    """
    if raw.trajectory is not None:
        raise ValueError("raw: expected k-space on a grid, got data with a trajectory (use prepare_shots)")
    calibration.check_kspace(torch.from_numpy(raw.kspace), ndim=raw.ndim)
    raw = average(raw.only_sampled())
    if whiten:
        raw = whitened(raw)
    if not keep_oversampling:
        raw = remove_oversampling(raw)
    kspace = torch.from_numpy(raw.kspace).to(device)
    mask = None if raw.mask is None else torch.from_numpy(raw.mask).to(device)
    source, acs_size = _calibration(raw)
    source = source.to(device)
    if n_coils is not None and n_coils < raw.n_coils:
        matrices = calibration.compress_coils(source, n_coils, acs=acs_size, ndim=raw.ndim)[1]
        kspace = calibration.apply_compression(kspace, matrices, ndim=raw.ndim)
        source = calibration.apply_compression(source, matrices, ndim=raw.ndim)
    elif n_coils is not None and n_coils > raw.n_coils:
        raise ValueError(f"n_coils: expected at most the {raw.n_coils} coils of the data, got {n_coils}")
    info = raw.without_samples()
    coil = info.axes.index("coil")
    info.shape = (*info.shape[:coil], kspace.shape[coil], *info.shape[coil + 1 :])
    return Prepared(kspace, mask, source, acs_size, info)


def whitened(raw: RawData) -> RawData:
    """Coils mixed so that their noise is white, if there is a noise scan long enough to tell."""
    if raw.noise is None or raw.noise.shape[1] <= raw.n_coils:
        return raw
    covariance = calibration.noise_covariance(torch.from_numpy(raw.noise))
    whitening = calibration.whitening_matrix(covariance.to(torch.complex128)).numpy()
    return _mix_coils(raw, whitening.astype(np.complex64))


def average(raw: RawData) -> RawData:
    """The mean over the average axis of what was acquired; with trajectories, which may differ, the shots of all."""
    if "average" not in raw.axes:
        return raw
    axis = raw.axes.index("average")
    axes, shape = (tuple(v[:axis]) + tuple(v[axis + 1 :]) for v in (raw.axes, raw.shape))
    if raw.trajectory is not None:
        kspace, paths = _into_shots(raw.kspace, axis, shots=-2), _into_shots(raw.trajectory, axis, shots=-3)
        shape = (*shape[:-2], kspace.shape[-2], shape[-1])
        return dataclasses.replace(raw, kspace=kspace, trajectory=paths, axes=axes, shape=shape)
    kspace, mask = _mean(raw, axis)
    return dataclasses.replace(raw, kspace=kspace, mask=mask, axes=axes, shape=shape)


def _into_shots(array: np.ndarray, axis: int, *, shots: int) -> np.ndarray:
    """An axis put before that of the shots (counted from the end), and both made one."""
    moved = np.moveaxis(array, axis, shots - 1)
    return moved.reshape(*moved.shape[: shots - 1], -1, *moved.shape[shots + 1 :])


def _mean(raw: RawData, axis: int) -> tuple[np.ndarray, np.ndarray | None]:
    if raw.mask is None:
        return raw.kspace.mean(axis=axis), None
    repeats = raw.kspace.shape[axis] // raw.mask.shape[axis]
    counts = repeats * raw.mask.sum(axis=axis)
    # One coil axis, at its place after one of the leading axes has gone.
    weights = np.expand_dims(np.maximum(counts, 1), raw.axes.index("coil") - 1).astype(np.float32)
    mask = counts > 0
    return raw.kspace.sum(axis=axis) / weights, None if mask.all() else mask


def _mix_coils(raw: RawData, matrix: np.ndarray) -> RawData:
    coil = raw.axes.index("coil")
    kspace = np.moveaxis(np.tensordot(matrix, raw.kspace, axes=(1, coil)), 0, coil)
    acs = None if raw.acs is None else np.moveaxis(np.tensordot(matrix, raw.acs, axes=(1, 1)), 0, 1)
    return dataclasses.replace(
        raw,
        kspace=np.ascontiguousarray(kspace),
        acs=None if acs is None else np.ascontiguousarray(acs),
        noise=None if raw.noise is None else matrix @ raw.noise,
    )


def _calibration(raw: RawData) -> tuple[Tensor, tuple[int, ...]]:
    if raw.acs is not None:
        source = np.zeros((*raw.acs.shape[:2], *raw.im_size), raw.acs.dtype)
        size = tuple(min(m, n) for m, n in zip(raw.acs.shape[2:], raw.im_size, strict=True))
        crop_centre(source, size)[...] = crop_centre(raw.acs, size)
        return torch.from_numpy(source), size
    while any(a in raw.axes for a in _AVERAGED_FOR_CALIBRATION):
        axis = next(i for i, a in enumerate(raw.axes) if a in _AVERAGED_FOR_CALIBRATION)
        kspace, mask = _mean(raw, axis)
        axes, shape = (tuple(v[:axis]) + tuple(v[axis + 1 :]) for v in (raw.axes, raw.shape))
        raw = dataclasses.replace(raw, kspace=kspace, mask=mask, axes=axes, shape=shape)
    kspace, mask = raw.kspace, raw.mask
    if "contrast" in raw.axes:
        axis = raw.axes.index("contrast")
        energy = np.linalg.norm(np.moveaxis(kspace, axis, 0).reshape(kspace.shape[axis], -1), axis=1)
        strongest = int(energy.argmax())
        kspace = kspace.take(strongest, axis=axis)
        mask = None if mask is None else mask.take(min(strongest, mask.shape[axis] - 1), axis=axis)
    if mask is None:
        return torch.from_numpy(kspace), raw.im_size
    sampled = np.broadcast_to(mask, (*mask.shape[: -raw.ndim], *raw.im_size))
    block = calibration.detect_acs(torch.from_numpy(sampled.copy()), ndim=raw.ndim)
    return torch.from_numpy(kspace), tuple(s.stop - s.start for s in block)
