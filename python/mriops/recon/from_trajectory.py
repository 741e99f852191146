"""From raw data with a trajectory to images: whitened, coils compressed, maps from the centre, SENSE or gridding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mriops import calibration, trajectories
from mriops.io import RawData
from mriops.recon.nonuniform import gridding, noncartesian_sense, nonuniform_csm
from mriops.recon.prepare import average, whitened


@dataclass
class PreparedShots:
    """Samples ready for reconstruction.

    Attributes
    ----------
    kspace
        `(slices, *frames, coils, shots, samples)`, complex64.
    trajectory
        `(slices, *frames, shots, samples, ndim)` [cycles/FOV].
    im_size
        Encoded size.
    """

    kspace: Tensor
    trajectory: Tensor
    im_size: tuple[int, ...]


def prepare_shots(
    raw: RawData, *, whiten: bool = True, n_coils: int | None = None, acs: int = 24, device: torch.device | str = "cpu"
) -> PreparedShots:
    """Prewhiten with the noise scan, and compress coils by the SVD of the gridded centre of the first slice and frame.

    Parameters
    ----------
    raw
        With a trajectory.
    whiten
        Decorrelate the coils' noise to unit variance.
    n_coils
        Virtual coils to compress to; all coils if None.
    acs
        Width of the centre that the compression is worked out from.
    device
        Where the result lies.

    Returns
    -------
    PreparedShots

    Raises
    ------
    ValueError
        If the data has no trajectory, NaN or Inf, or fewer coils than `n_coils`.
    """
    if raw.trajectory is None:
        raise ValueError("raw: expected data with a trajectory, got k-space on a grid")
    calibration.check_kspace(torch.from_numpy(raw.kspace), ndim=2)
    raw = whitened(average(raw)) if whiten else average(raw)
    kspace = torch.from_numpy(raw.kspace).to(device)
    trajectory = torch.from_numpy(raw.trajectory).to(device)
    if n_coils is not None and n_coils > raw.n_coils:
        raise ValueError(f"n_coils: expected at most the {raw.n_coils} coils of the data, got {n_coils}")
    if n_coils is not None and n_coils < raw.n_coils:
        coil = raw.axes.index("coil")
        first = (0,) * coil
        centre = calibration.gridded_calibration(kspace[first], trajectory[first], raw.matrix, acs=acs)
        widths = tuple(min(acs, n) for n in raw.matrix)
        matrix = calibration.compress_coils(centre, n_coils, acs=widths, ndim=raw.ndim)[1]
        kspace = calibration.apply_compression(kspace, matrix, ndim=2)
    return PreparedShots(kspace, trajectory, raw.matrix)


def reconstruct_shots(
    data: PreparedShots,
    *,
    method: str = "sense",
    calib: str = "espirit",
    acs: int = 24,
    l2: float = 1e-3,
    max_iter: int = 30,
    tol: float = 1e-5,
) -> Tensor:
    """Images of all slices and frames.

    Maps of a slice come from the samples of all its frames together.

    Parameters
    ----------
    data
        As `prepare_shots` gives it.
    method
        `"sense"`, `"zero-filled"` (gridding with maps) or `"rss"` (gridding).
    calib, acs, l2, max_iter, tol
        As in `noncartesian_sense`.

    Returns
    -------
    Tensor (slices, *frames, *im_size)

    Raises
    ------
    TypeError, ValueError
        If data or settings do not fit.
    """
    size = data.im_size
    dcf = trajectories.dcf_pipe(data.trajectory, size)
    if method == "rss":
        return gridding(data.kspace, data.trajectory, size, dcf=dcf)
    frames = tuple(range(1, data.kspace.ndim - 3))
    images = []
    for kspace, trajectory, weights in zip(data.kspace, data.trajectory, dcf, strict=True):
        # (*frames, coils, shots, samples) -> (coils, all shots, samples)
        together = kspace.reshape(-1, *kspace.shape[-3:]).transpose(0, 1).flatten(1, 2)
        path = trajectory.reshape(-1, *trajectory.shape[-2:])
        csm = nonuniform_csm(together, path, size, calib=calib, acs=acs)
        csm = csm.reshape(*(1,) * len(frames), *csm.shape)
        if method == "zero-filled":
            images.append(gridding(kspace, trajectory, size, csm=csm, dcf=weights))
            continue
        images.append(
            noncartesian_sense(kspace, trajectory, size, csm=csm, dcf=weights, l2=l2, max_iter=max_iter, tol=tol)
        )
    return torch.stack(images)
