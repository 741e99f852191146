"""Images to NIfTI with the orientation and voxel size of the scan."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from mriops.io.atomic import atomic_path
from mriops.io.image import place_image
from mriops.io.optional import require
from mriops.io.raw_data import ScanInfo

_PARTS = ("magnitude", "phase", "complex")


def write_nifti(
    image: Any,
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
        is 3), where slabs become frames. Frames become the fourth, fifth ... NIfTI axis. Arrays, tensors, lists.
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
    TypeError
        If the image is no array of numbers.
    ValueError
        For an unknown part, a name that is not NIfTI's, or an image that is empty or has too few axes.
    OSError
        If the folder cannot be written to.
    ImportError
        If `nibabel` is not installed.
    """
    if part not in _PARTS:
        raise ValueError(f"part: expected one of {', '.join(_PARTS)}, got {part!r}")
    if not str(path).endswith((".nii", ".nii.gz")):
        raise ValueError(f"path: expected a name ending in .nii or .nii.gz, got {path}")
    placed = place_image(image, info, first_slice=first_slice)
    frames = placed.image.ndim - 3
    data = placed.image.transpose(frames + 2, frames + 1, frames, *range(frames))
    values: Any = {"magnitude": _magnitude, "phase": np.angle, "complex": np.asarray}[part](data)
    values = values.astype(np.complex64 if part == "complex" else np.float32)
    affine = placed.affine * [[1e3], [1e3], [1e3], [1]]
    nibabel = require("nibabel", "writing NIfTI")
    file = nibabel.Nifti1Image(values, affine)
    file.header.set_xyzt_units("mm", "sec")
    with atomic_path(path) as temporary:
        nibabel.save(file, str(temporary))


def _magnitude(values: Any) -> Any:
    """Of whole numbers too, where that of -32768 is no number of 16 bits."""
    return np.abs(values.astype(np.float64) if values.dtype.kind == "i" else values)
