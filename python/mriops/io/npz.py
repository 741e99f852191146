"""NumPy .npz and .npy: an interchange format of our own, and foreign archives with a k-space array in them."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from mriops._native.arguments import instance
from mriops.io.atomic import atomic_path
from mriops.io.raw_data import LEADING_AXES, RawData, ScanInfo, default_axes, find_sampling
from mriops.io.source import RawFile

_KEYS = ("kspace", "ksp", "rawdata", "data")
_SKIP = 1 << 22


def write_npz(raw: RawData, path: str | os.PathLike[str], *, compress: bool = False) -> None:
    """Write k-space, mask or trajectory, noise, calibration and scan information; `read` gives the same `RawData` back.

    Some slices of a scan are written as a scan of these slices, in their place.

    Parameters
    ----------
    raw
        What to write.
    path
        The file; replaced if it exists.
    compress
        Deflate the arrays: smaller and slower, mostly in vain for noisy samples.

    Raises
    ------
    TypeError
        If `raw` is not a `RawData`: `write_image` writes images.
    OSError
        If the folder cannot be written to.
    """
    instance("raw", raw, RawData, "a RawData (write_image writes images)")
    info = raw.without_samples()
    if raw.position is not None or (raw.ndim == 2 and raw.slices != range(raw.n_slices)):
        info.position = raw.slice_position(raw.slices.start)
    arrays: dict[str, Any] = {"kspace": raw.kspace, "info": json.dumps(info.info_dict())}
    for name in ("mask", "trajectory", "noise", "acs"):
        if getattr(raw, name) is not None:
            arrays[name] = getattr(raw, name)
    if raw.acs_size is not None:
        arrays["acs_size"] = np.array(raw.acs_size)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        (np.savez_compressed if compress else np.savez)(file, **arrays)


class NpzFile(RawFile):
    """k-space in .npz or .npy; slices are read from the archive without the rest in memory.

    Parameters
    ----------
    path
        The file.
    key
        Array to read; `kspace`, `ksp`, `rawdata` or `data` if None.
    axes
        Names of its axes, any order of the names of `ScanInfo.axes`; by number of axes if None
        (`mriops.io.raw_data.default_axes`). A mask with as many axes, but that of the coils, has them in this order.

    Notes
    -----
    Samples along a `trajectory` are read from files of `write_npz`, which say what image they belong to.
    """

    def __init__(self, path: Path, key: str | None = None, axes: Sequence[str] | None = None) -> None:
        self._path = path
        with path.open("rb") as file:
            self._is_zip = file.read(2) == b"PK"
        self._members = self._list()
        self._key = self._choose(key)
        shape, dtype, fortran = self._header(self._key)
        if dtype.kind != "c" or 0 in shape:
            raise ValueError(
                f"{path}: expected complex k-space in {self._key!r} that is not empty, got {dtype} {shape}"
            )
        info = self._stored_info()
        if "trajectory" in self._members and not info.matrix:
            raise ValueError(
                f"{path}: expected the size of the image beside a trajectory, as write_npz writes it, got none"
            )
        names = tuple(axes) if axes is not None else (info.axes or default_axes(len(shape)))
        self._stored_axes = names[1:] if len(names) == len(shape) + 1 and names[0] == "slice" else names
        self._order = _canonical(self._stored_axes, len(shape), ("shot", "sample") if info.matrix else ("z", "y", "x"))
        # Slices can be skipped on disk only where they are the slowest axis.
        self._lazy = self._is_zip and not fortran and self._stored_axes[0] == "slice" and len(shape) > 1
        lengths = dict(zip(self._stored_axes, shape, strict=True))
        info.axes = self._order
        info.shape = tuple(lengths.get(a, 1) for a in self._order)
        info.format = "npz"
        info.recon_size = info.recon_size or info.im_size
        self.info = info

    def _list(self) -> tuple[str, ...]:
        if not self._is_zip:
            return ("kspace",)
        try:
            with zipfile.ZipFile(self._path) as archive:
                return tuple(n.removesuffix(".npy") for n in archive.namelist())
        except zipfile.BadZipFile as error:
            raise OSError(f"{self._path}: expected a complete npz archive, got a damaged one ({error})") from error

    def _choose(self, key: str | None) -> str:
        candidates = [key] if key is not None else [k for k in _KEYS if k in self._members]
        if not candidates or candidates[0] not in self._members:
            wanted = repr(key) if key is not None else f"one of {', '.join(_KEYS)}"
            raise ValueError(
                f"{self._path}: expected {wanted} in the archive, got {', '.join(self._members)}; choose with key=..."
            )
        return candidates[0]

    @contextmanager
    def _stream(self, key: str) -> Iterator[IO[bytes]]:
        if not self._is_zip:
            with self._path.open("rb") as file:
                yield file
            return
        with zipfile.ZipFile(self._path) as archive, archive.open(key + ".npy") as file:
            yield file

    def _header(self, key: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
        with self._stream(key) as file:
            return _npy_header(file, self._path)

    def _array(self, key: str) -> npt.NDArray[Any] | None:
        if key not in self._members:
            return None
        try:
            if not self._is_zip:
                return np.load(self._path, mmap_mode="r")
            with np.load(self._path) as archive:
                return archive[key]
        except (zipfile.BadZipFile, ValueError, EOFError) as error:
            raise OSError(f"{self._path}: array {key!r} cannot be read, the file is damaged ({error})") from error

    def _stored_info(self) -> ScanInfo:
        """What `write_npz` stored; nothing where an array of this name is somebody else's."""
        if "info" not in self._members or self._header("info")[1].kind != "U":
            return ScanInfo()
        try:
            stored = json.loads(str(self._array("info")))
        except ValueError:
            return ScanInfo()
        return ScanInfo.from_dict(stored) if isinstance(stored, dict) else ScanInfo()

    def _kspace(self, slices: range) -> npt.NDArray[Any]:
        if not self._lazy:
            array = self._array(self._key)
            axes = self._stored_axes
            if array is None:
                raise ValueError(f"{self._path}: expected {self._key!r}, got no such array")
            if "slice" not in axes:
                array, axes = array[None], ("slice", *axes)
            array = array.transpose([axes.index(a) for a in self._order])
            return array[slices.start : slices.stop]
        with self._stream(self._key) as file:
            shape, dtype, _ = _npy_header(file, self._path)
            stride = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
            left = stride * slices.start
            while left:
                left -= len(file.read(min(left, _SKIP))) or left
            bytes_ = file.read(stride * len(slices))
        if len(bytes_) != stride * len(slices):
            raise OSError(f"{self._path}: expected {stride * len(slices)} bytes of {self._key!r}, got {len(bytes_)}")
        array = np.frombuffer(bytes_, dtype).reshape(len(slices), *shape[1:])
        return array.transpose([self._stored_axes.index(a) for a in self._order])

    def _load(self, slices: range) -> RawData:
        kspace = np.require(self._kspace(slices), np.complex64, ["C", "W"])
        coil = self.info.axes.index("coil")
        mask, trajectory = self._array("mask"), self._array("trajectory")
        if mask is not None:
            mask = self._fit_mask(np.asarray(mask != 0), kspace.ndim - 1, slices)
        elif trajectory is None:
            mask = find_sampling(kspace, coil)
        acs, size = self._array("acs"), self._array("acs_size")
        return RawData(
            **vars(self.info),
            kspace=kspace,
            mask=mask,
            trajectory=None if trajectory is None else trajectory[slices.start : slices.stop],
            noise=self._array("noise"),
            acs=None if acs is None else acs[slices.start : slices.stop],
            acs_size=None if size is None else tuple(int(n) for n in size),
            slices=slices,
        ).only_sampled()

    def _fit_mask(self, mask: npt.NDArray[np.bool_], ndim: int, slices: range) -> npt.NDArray[np.bool_]:
        if mask.ndim > ndim:
            raise ValueError(f"{self._path}: expected a mask of at most {ndim} axes, got shape {mask.shape}")
        stored = [a for a in self._stored_axes if a != "coil"]
        if mask.ndim == len(stored):
            mask = mask.transpose([stored.index(a) for a in self._order if a in stored])
        mask = mask.reshape((1,) * (ndim - mask.ndim) + mask.shape)
        if mask.shape[0] > 1:
            mask = mask[slices.start : slices.stop]
        constant = (mask == mask[..., :1]).all()
        return mask[..., :1] if constant else mask

    def close(self) -> None:
        """Nothing is held open."""


def _npy_header(file: IO[bytes], path: Path) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    try:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = reader(file)
    except (ValueError, EOFError) as error:
        raise OSError(f"{path}: expected a NumPy array, got a damaged header ({error})") from error
    return shape, dtype, fortran


def _canonical(axes: tuple[str, ...], ndim: int, last: tuple[str, ...]) -> tuple[str, ...]:
    """The axes in our order; the two at the end of `last` must be among them."""
    wanted = (*LEADING_AXES, "coil", *last)
    if not (len(axes) == len(set(axes)) == ndim and {"coil", *last[-2:]} <= set(axes) <= set(wanted)):
        raise ValueError(
            f"axes: expected {ndim} different names of {', '.join(wanted)} with coil, {last[-2]} and {last[-1]}, "
            f"got {axes}"
        )
    return tuple(a for a in wanted if a in axes or a == "slice")
