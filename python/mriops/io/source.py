"""One door for all raw formats: recognise the file by what is in it, then read whole or slice by slice."""

from __future__ import annotations

import abc
import importlib
import inspect
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mriops._native.arguments import instance
from mriops.io.optional import require
from mriops.io.raw_data import RawData, ScanInfo

if TYPE_CHECKING:
    from typing_extensions import Self

FORMATS: dict[str, tuple[str, str]] = {
    "fastmri": ("mriops.io.fastmri", "FastMriFile"),
    "ismrmrd": ("mriops.io.mrd", "MrdFile"),
    "cfl": ("mriops.io.cfl", "CflFile"),
    "npz": ("mriops.io.npz", "NpzFile"),
    "twix": ("mriops.io.twix", "TwixFile"),
}
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


# What h5py, zipfile and numpy run into where bytes are not what they were.
_DAMAGE = (
    *(OSError, UnicodeError, KeyError, IndexError, EOFError, OverflowError, RuntimeError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)


@contextmanager
def _readable(path: Path | None) -> Iterator[None]:
    """Say of a damaged file that it is damaged, whatever a library stumbles over in it."""
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, OSError) and (path is None or path.name in str(error)):
            raise
        what = " ".join(str(argument) for argument in error.args) or type(error).__name__
        raise OSError(f"{path}: expected a complete raw file, got one that cannot be read ({what})") from error


class RawFile(abc.ABC):
    """A raw file that is open: `info` is known, samples are read on demand. A context manager.

    Attributes
    ----------
    info
        Of the whole file.
    path
        Where it lies.
    """

    info: ScanInfo
    path: Path | None = None

    @abc.abstractmethod
    def _load(self, slices: range) -> RawData: ...

    @abc.abstractmethod
    def close(self) -> None:
        """Release the file."""

    def read(self, slices: range | None = None) -> RawData:
        """The samples of some slices (3D: slabs), all by default.

        Raises
        ------
        TypeError
            If `slices` is not a range.
        ValueError
            If a slice is not in the file.
        OSError
            If the file is damaged.
        """
        n = self.info.n_slices
        slices = range(n) if slices is None else slices
        instance("slices", slices, range, "a range")
        if len(slices) == 0 or slices.step != 1 or slices.start < 0 or slices.stop > n:
            raise ValueError(f"slices: expected a non-empty range within 0..{n - 1} with step 1, got {slices}")
        with _readable(self.path):
            return self._load(slices)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_raw(path: str | os.PathLike[str], format: str | None = None, **options: Any) -> RawFile:
    """Open a raw file; read it slice by slice with `RawFile.read(range(i, i + 1))`.

    Parameters
    ----------
    path
        The file (either of the pair for BART cfl).
    format
        One of `FORMATS`; found from the content if None.
    options
        `dataset`, `encoding`, `trajectory_units` (ismrmrd); `key` (npz); `axes` (npz, cfl).

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no file at `path`.
    TypeError
        If the format does not take an option.
    ValueError
        If the content is not a known raw format, or contradicts itself.
    OSError
        If the file is damaged or cannot be read.
    ImportError
        If the library for the format is not installed.
    """
    path = Path(path)
    if format is not None and format not in FORMATS:
        raise ValueError(f"format: expected one of {', '.join(FORMATS)}, got {format!r}")
    if path.name and not path.is_file() and path.with_name(path.name + ".cfl").exists():
        path = path.with_name(path.name + ".cfl")
    if path.is_dir():
        raise IsADirectoryError(f"expected a raw data file, got a folder: {path}")
    if not path.exists():
        raise FileNotFoundError(f"no such file: {path}")
    with _readable(path):
        format = format or _recognise(path)
        module, name = FORMATS[format]
        reader = getattr(importlib.import_module(module), name)
        known = list(inspect.signature(reader).parameters)[1:]
        if strange := sorted(set(options) - set(known)):
            expected = f"the options {', '.join(known)}" if known else "no options"
            raise TypeError(f"{path}: expected {expected} for {format} files, got {', '.join(strange)}")
        file = reader(path, **options)
    file.path = path
    return file


def read(path: str | os.PathLike[str], format: str | None = None, **options: Any) -> RawData:
    """Read a whole raw file; parameters and errors of `open_raw`.

    Examples
    --------
    >>> raw = read("scan.h5")                                  # doctest: +SKIP
    >>> raw.axes, raw.kspace.shape                             # doctest: +SKIP
    (('slice', 'coil', 'y', 'x'), (12, 16, 256, 512))
    """
    with open_raw(path, format, **options) as file:
        return file.read()


def _recognise(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(16)
    if path.suffix in (".cfl", ".hdr"):
        return "cfl"
    if start.startswith(_HDF5_SIGNATURE):
        return _recognise_hdf5(path)
    if start[:4] == b"PK\x03\x04" or start.startswith(b"\x93NUMPY"):
        return "npz"
    if start.startswith(b"yardl"):
        raise ValueError(f"{path}: this is an MRD version 2 stream; expected an ISMRMRD/MRD version 1 HDF5 file")
    if path.suffix == ".dat":
        return "twix"
    raise ValueError(
        f"{path}: not a known raw format; expected HDF5 (fastMRI, ISMRMRD), BART cfl, npz or Siemens .dat, "
        f"got a file that starts with {start!r}"
    )


def open_hdf5(path: Path) -> Any:
    """The open `h5py.File`.

    Raises
    ------
    OSError
        If the file is truncated or is not HDF5.
    """
    h5py = require("h5py", "reading HDF5 files")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise OSError(
            f"{path}: expected a complete HDF5 file, got one that is damaged or truncated ({error})"
        ) from error


def _recognise_hdf5(path: Path) -> str:
    with open_hdf5(path) as file:
        keys = list(file.keys())
        if "kspace" in keys:
            return "fastmri"
        groups = [k for k in keys if hasattr(file[k], "keys")]
        if any("data" in file[k] or "xml" in file[k] for k in groups):
            return "ismrmrd"
        inside = [f"{k}/{name}" for k in groups for name in file[k]]
        if any("header" in file[name] and "data" in file[name] for name in inside if hasattr(file[name], "keys")):
            raise ValueError(f"{path}: holds ISMRMRD images ({', '.join(inside)}), expected raw acquisitions")
    raise ValueError(
        f"{path}: expected a dataset 'kspace' (fastMRI) or a group with 'xml' and 'data' (ISMRMRD), got {keys}"
    )
