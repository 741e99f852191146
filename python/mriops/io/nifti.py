"""Images to NIfTI with the orientation and voxel size of the scan."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from mriops.io.atomic import atomic_path
from mriops.io.optional import require
from mriops.io.raw_data import ScanInfo

_PARTS = ("magnitude", "phase", "complex")


def write_nifti(
    image: npt.ArrayLike,
    path: str | os.PathLike[str],
    *,
    info: ScanInfo | None = None,
    part: str = "magnitude",
    first_slice: int = 0,
) -> None:
    """Write an image as NIfTI-1, RAS+, millimetres.

    Parameters
    ----------
    image
        `(y, x)`, `(slices, y, x)`, `(slices, *frames, y, x)` in 2D; `(slabs, *frames, z, y, x)` in 3D (`info.ndim`
        is 3), where slabs become frames. Frames become the fourth, fifth ... NIfTI axis.
    path
        Ends in `.nii` or `.nii.gz`.
    info
        Scan the image comes from; gives orientation and voxel size [m]. Without it voxels are 1 mm.
    part
        `"magnitude"` or `"phase"` [rad] as float32, `"complex"` as complex64.
    first_slice
        Slice of the scan that is index 0 of the image.

    Raises
    ------
    ValueError
        For an unknown part, a name that is not NIfTI's, or an image with too few axes.
    OSError
        If the folder cannot be written to.
    ImportError
        If `nibabel` is not installed.
    """
    if part not in _PARTS:
        raise ValueError(f"part: expected one of {', '.join(_PARTS)}, got {part!r}")
    if not str(path).endswith((".nii", ".nii.gz")):
        raise ValueError(f"path: expected a name ending in .nii or .nii.gz, got {path}")
    image = np.asarray(image)
    ndim = 2 if info is None else info.ndim
    if image.ndim < ndim:
        raise ValueError(f"image: expected at least {ndim} axes, got shape {image.shape}")
    size = image.shape[-ndim:]
    affine = (info or ScanInfo(axes=("slice", "coil", "y", "x"), shape=(1, 1, *size))).affine(
        size, first_slice=first_slice
    )
    if info is not None and info.swapped:
        image = info.picture(image)
        affine = affine[:, [1, 0, 2, 3]]
    data = _ordered(image, ndim)
    values: Any = {"magnitude": np.abs, "phase": np.angle, "complex": np.asarray}[part](data)
    values = values.astype(np.complex64 if part == "complex" else np.float32)
    affine[:3] *= 1e3
    nibabel = require("nibabel", "writing NIfTI")
    file = nibabel.Nifti1Image(values, affine)
    file.header.set_xyzt_units("mm", "sec")
    with atomic_path(path) as temporary:
        nibabel.save(file, str(temporary))


def _ordered(image: npt.NDArray[Any], ndim: int) -> npt.NDArray[Any]:
    """Axes `(x, y, z, frames...)` of an image with slices first."""
    if image.ndim == 2:
        image = image[None]
    if ndim == 2:
        image = np.moveaxis(image, 0, -3)
    elif image.ndim > 3 and image.shape[0] == 1:
        image = image[0]
    spatial = image.ndim - 3
    return image.transpose(spatial + 2, spatial + 1, spatial, *range(spatial))
