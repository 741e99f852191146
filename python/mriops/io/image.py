"""Images with their place in the patient: the layout that all image files share, and .npz files of it."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mriops.io.arrays import as_numpy
from mriops.io.atomic import atomic_path
from mriops.io.raw_data import ScanInfo


class PlacedImage(NamedTuple):
    """An image and where it lies.

    Attributes
    ----------
    image
        `(*frames, z, y, x)`; z are the slices in 2D.
    affine
        `(4, 4)` map from image index `(x, y, z, 1)` to patient RAS [m].
    voxel_size
        Acquired, order `(z, y, x)` [m]: in 2D z is the thickness of a slice, and the affine has the distance of slices.
        None where it is not known; the affine then takes 1 mm.
    """

    image: npt.NDArray[Any]
    affine: npt.NDArray[np.float64]
    voxel_size: tuple[float, float, float] | None


def place_image(image: Any, info: ScanInfo | None = None, *, first_slice: int = 0) -> PlacedImage:
    """An image of a reconstruction, turned the way the source shows it, and its place.

    Parameters
    ----------
    image, info, first_slice
        As in `write_nifti`.

    Raises
    ------
    TypeError
        If the image is no array of numbers.
    ValueError
        If it is empty, or has too few axes.
    """
    values = as_numpy("image", image)
    ndim = 2 if info is None else info.ndim
    if values.ndim < ndim or values.size == 0:
        raise ValueError(f"image: expected at least {ndim} axes, none of them empty, got shape {values.shape}")
    size = values.shape[-ndim:]
    known = info or ScanInfo(axes=("slice", "coil", "y", "x"), shape=(1, 1, *size))
    affine, voxel = known.affine(size, first_slice=first_slice), known.voxel_size
    values = known.picture(values)
    if known.swapped:
        affine = affine[:, [1, 0, 2, 3]]
        voxel = voxel and (voxel[0], voxel[2], voxel[1])
    if values.ndim == 2:
        values = values[None]
    if ndim == 2:
        values = np.moveaxis(values, 0, -3)
    elif values.ndim > 3 and values.shape[0] == 1:
        values = values[0]
    return PlacedImage(values, affine, voxel)


def write_image(
    image: Any,
    path: str | os.PathLike[str],
    *,
    info: ScanInfo | None = None,
    first_slice: int = 0,
    compress: bool = False,
) -> None:
    """Write an image as .npz, complex where it is complex: the arrays `image`, `affine` and, if known, `voxel_size`.

    Parameters
    ----------
    image, info, first_slice
        As in `write_nifti`. Stored as `(*frames, z, y, x)`, which are the axes of the NIfTI file in reverse order.
    path
        The file; replaced if it exists.
    compress
        Deflate the arrays: smaller and slower.

    Raises
    ------
    TypeError
        If the image is no array of numbers.
    ValueError
        If it is empty, or has too few axes.
    OSError
        If the folder cannot be written to.
    """
    placed = place_image(image, info, first_slice=first_slice)
    arrays: dict[str, Any] = {"image": placed.image, "affine": placed.affine}
    if placed.voxel_size is not None:
        arrays["voxel_size"] = np.array(placed.voxel_size)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        (np.savez_compressed if compress else np.savez)(file, **arrays)


def read_image(path: str | os.PathLike[str]) -> PlacedImage:
    """Read an image that `write_image` wrote.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    PlacedImage
        The image `(*frames, z, y, x)`, its affine, and its voxel size where the file has one.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    ValueError
        If it is no .npz file with the arrays of an image.
    OSError
        If the file is damaged or cannot be read.
    """
    path = Path(path)
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            raise ValueError(f"{path}: expected an npz file as write_image writes it, got another format")
    try:
        with np.load(path) as archive:
            names = archive.files
            arrays = {name: archive[name] for name in PlacedImage._fields if name in names}
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError) as error:
        raise OSError(f"{path}: expected a complete npz file, got a damaged one ({error})") from error
    if not {"image", "affine"} <= arrays.keys():
        raise ValueError(f"{path}: expected the arrays image and affine, as write_image writes them, got {names}")
    image, affine, voxel = arrays["image"], arrays["affine"], arrays.get("voxel_size")
    if image.ndim < 3 or affine.shape != (4, 4) or (voxel is not None and voxel.shape != (3,)):
        shapes = {name: values.shape for name, values in arrays.items()}
        raise ValueError(f"{path}: expected image (*frames, z, y, x), affine (4, 4), voxel_size (3,), got {shapes}")
    return PlacedImage(image, affine, None if voxel is None else (float(voxel[0]), float(voxel[1]), float(voxel[2])))
