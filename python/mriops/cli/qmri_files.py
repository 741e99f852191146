"""Image series in, parameter maps out: npz and NIfTI, with the geometry of the input."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mriops.io.atomic import atomic_path
from mriops.io.optional import require

__all__ = ["Series", "inside", "numbers", "numbers_of", "read_map", "read_series", "whole", "write_map"]

_KEYS = ("images", "image", "data", "signal")


class Series(NamedTuple):
    """Images ``(times, slices, y, x)``, the affine of the file [mm] or None, and what else an npz file holds."""

    images: npt.NDArray[Any]
    affine: npt.NDArray[np.float64] | None
    extras: dict[str, npt.NDArray[Any]]


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Say of a damaged file that it is damaged, with its name."""
    try:
        yield
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise OSError(f"{path}: expected a complete file, got a damaged one ({error})") from error


def _nifti(path: Path) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    nibabel = require("nibabel", "reading NIfTI")
    try:
        file = nibabel.load(str(path))
    except Exception as error:
        raise ValueError(f"{path}: not a NIfTI file that nibabel can read ({error})") from error
    with whole(path):
        return np.asarray(file.dataobj), np.asarray(file.affine, dtype=np.float64)


def read_series(
    path: Path, *, key: str | None = None, time_axis: int | None = None, slice_axis: int | None = None
) -> Series:
    """Read a series of images.

    Parameters
    ----------
    path
        ``.npz``, ``.npy``, ``.nii`` or ``.nii.gz``.
    key
        Array in an npz file.
    time_axis
        Axis of the times; the last one of NIfTI, the first one of NumPy files if None.
    slice_axis
        Axis of the slices of a NumPy file; the first one beside the times if None.

    Returns
    -------
    Series
        With times first.

    Raises
    ------
    ValueError
        The file is not readable, has another number of axes than 3 or 4, or not the axes asked for.
    OSError
        It is damaged.

    Notes
    -----
    Where the times are not the last axis of a NIfTI file, the affine follows the axes of three; of four it is left out,
    as it says nothing of the fourth, which is then an axis of space.
    """
    _check_exists(path)
    extras: dict[str, npt.NDArray[Any]] = {}
    affine = None
    if path.name.endswith((".nii", ".nii.gz")):
        values, affine = _nifti(path)
        if values.ndim not in (3, 4):
            raise ValueError(f"{path}: expected axes (x, y[, z], times), got shape {values.shape}")
        if slice_axis is not None:
            raise ValueError(f"--slice-axis: expected none with NIfTI files, whose third axis it is, got {slice_axis}")
        first = _axis("--time-axis", time_axis, -1, values.ndim)
        values = np.moveaxis(values, first, -1)
        affine = _affine_of_space(affine, first, values.ndim)
        images = values.transpose(*reversed(range(values.ndim)))  # (times, [z,] y, x)
    else:
        images, extras, name = _numpy(path, key)
        if images.ndim not in (3, 4):
            raise ValueError(f"{path}: expected three or four axes, times among them, got shape {images.shape}")
        first = _axis("--time-axis", time_axis, 0, images.ndim)
        second = None
        if slice_axis is None:
            images = np.moveaxis(images, first, 0)
        else:
            second = _axis("--slice-axis", slice_axis, 0, images.ndim)
            if images.ndim == 3 or second == first:
                raise ValueError(
                    f"--slice-axis: expected another axis than that of the times ({first}) of four, got {slice_axis} "
                    f"of {images.ndim}"
                )
            images = np.moveaxis(images, (first, second), (0, 1))
        if name == "image" and images.ndim == 4 and first == 0 and second in (None, 1):
            affine = _affine_of(extras.get("affine"))
    if images.ndim == 3:
        images = images[:, None]
    dtype = np.complex64 if np.iscomplexobj(images) else np.float32
    return Series(np.ascontiguousarray(images, dtype=dtype), affine, extras)


def _affine_of_space(affine: npt.NDArray[np.float64], time_axis: int, ndim: int) -> npt.NDArray[np.float64] | None:
    """The affine of the axes beside the times, which come last; None where it has no column for one of them."""
    if time_axis == ndim - 1:
        return affine
    if ndim == 4:
        return None
    return affine[:, [*(axis for axis in range(3) if axis != time_axis), time_axis, 3]]


def _axis(name: str, given: int | None, usual: int, ndim: int) -> int:
    """An axis, counted from the front."""
    axis = usual if given is None else given
    if not -ndim <= axis < ndim:
        raise ValueError(f"{name}: expected an axis from {-ndim} to {ndim - 1}, got {axis}")
    return axis % ndim


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")


def _numpy(path: Path, key: str | None) -> tuple[npt.NDArray[Any], dict[str, npt.NDArray[Any]], str | None]:
    """The array, those beside it, and its name in an archive."""
    try:
        with whole(path):
            stored = np.load(path)
    except ValueError as error:
        raise ValueError(f"{path}: expected npz, npy, nii or nii.gz ({error})") from error
    if isinstance(stored, np.ndarray):
        return stored, {}, None
    with stored:
        names = list(stored.files)
        only = names[0] if len(names) == 1 else None
        chosen = key or next((name for name in _KEYS if name in names), only)
        if chosen not in names:
            raise ValueError(f"{path}: expected one of the arrays {', '.join(names)} (--key), got {chosen}")
        with whole(path):
            return stored[chosen], _plain(stored, [name for name in names if name != chosen]), chosen


def _plain(stored: Any, names: list[str]) -> dict[str, npt.NDArray[Any]]:
    """Those arrays that can be read: arrays of Python objects cannot, and are nothing for us."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name in names:
        with suppress(ValueError):
            arrays[name] = stored[name]
    return arrays


def _affine_of(stored: npt.NDArray[Any] | None) -> npt.NDArray[np.float64] | None:
    """The affine [m] that `mriops.io.write_image` puts beside an image, in the unit of NIfTI [mm]."""
    if stored is None or stored.shape != (4, 4) or stored.dtype.kind != "f" or not np.isfinite(stored).all():
        return None
    return stored * np.array([[1e3], [1e3], [1e3], [1.0]])


def read_map(text: str, series: Series, what: str) -> npt.NDArray[Any]:
    """One map ``(slices, y, x)`` from a file, or by ``@name`` from the npz file of the series.

    Raises
    ------
    ValueError
        The map does not have the size of the images.
    FileNotFoundError
        There is no such file.
    """
    if text.startswith("@"):
        values = numbers_of(text, series, what)
    elif not Path(text).is_file():
        raise FileNotFoundError(f"{what}: expected a file, or @name, got {text!r}, which is none")
    elif text.endswith((".nii", ".nii.gz")):
        values = _nifti(Path(text))[0]
        values = values.transpose(*reversed(range(values.ndim)))
    else:
        values = _numpy(Path(text), None)[0]
    shape = series.images.shape[1:]
    values = values[None] if values.ndim == 2 else values
    if values.shape != shape:
        raise ValueError(f"{what}: expected a map of shape {shape} (slices, y, x), got {values.shape}")
    return np.ascontiguousarray(values)


def inside(mask: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where a mask is neither 0 nor NaN, which other software writes outside."""
    return np.nan_to_num(mask) != 0


def numbers_of(text: str, series: Series, what: str) -> npt.NDArray[Any]:
    """The array ``@name`` of the npz file."""
    name = text[1:]
    if name not in series.extras:
        raise ValueError(f"{what}: expected one of {', '.join(series.extras) or 'no arrays'} after @, got {name!r}")
    return series.extras[name]


def numbers(text: str, series: Series, what: str) -> list[float]:
    """Numbers separated by commas, or the array ``@name``.

    Raises
    ------
    ValueError
        Text that is no number.
    """
    if text.startswith("@"):
        return [float(v) for v in numbers_of(text, series, what).reshape(-1)]
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise ValueError(f"{what}: expected numbers separated by commas, or @name, got {text!r}") from None


def write_map(values: npt.NDArray[Any], path: Path, affine: npt.NDArray[np.float64] | None) -> None:
    """Write a map ``(slices[, components], y, x)`` as float32 NIfTI, components last, whole or not at all."""
    nibabel = require("nibabel", "writing NIfTI")
    order = (2, 1, 0) if values.ndim == 3 else (3, 2, 0, 1)
    file = nibabel.Nifti1Image(values.astype(np.float32).transpose(order), np.eye(4) if affine is None else affine)
    file.header.set_xyzt_units("mm", "sec")
    with atomic_path(path) as temporary:
        nibabel.save(file, str(temporary))
