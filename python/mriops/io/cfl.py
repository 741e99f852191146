"""BART cfl/hdr pairs: plain arrays, and k-space with BART's order of axes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mriops._native.arguments import instance
from mriops.io.arrays import as_numpy
from mriops.io.atomic import atomic_path
from mriops.io.raw_data import RawData, ScanInfo, find_sampling
from mriops.io.source import RawFile

# Position of each axis in a cfl file (bart/src/misc/mri.h); the file is in Fortran order, axis 0 fastest.
BART_AXES = {
    "x": 0,
    "y": 1,
    "z": 2,
    "coil": 3,
    "contrast": 5,
    "repetition": 10,
    "phase": 11,
    "slice": 13,
    "average": 14,
}
_UNUSED = {4: "MAPS", 6: "COEFF", 7: "COEFF2", 8: "ITER", 9: "CSHIFT", 12: "LEVEL", 15: "BATCH"}


def pair_of(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Header and data of a BART array, named with or without `.cfl` or `.hdr`."""
    path = Path(path)
    base = path.with_suffix("") if path.suffix in (".cfl", ".hdr") else path
    return base.with_name(base.name + ".hdr"), base.with_name(base.name + ".cfl")


def map_cfl(path: str | os.PathLike[str]) -> npt.NDArray[np.complex64]:
    """Memory map of a cfl file, read-only, axes as BART orders them; parameters and errors of `read_cfl`."""
    header, data = pair_of(path)
    for part in (header, data):
        if not part.is_file():
            raise FileNotFoundError(
                f"expected the pair {header.name}, {data.name} in {header.parent}, got no {part.name}"
            )
    lines = [line for line in header.read_text(errors="replace").splitlines() if line and not line.startswith("#")]
    try:
        shape = tuple(int(n) for n in lines[0].split())
    except (ValueError, IndexError):
        shape = ()
    if not shape or min(shape) < 1:
        raise ValueError(f"{header}: expected a line of positive sizes, got {lines[:1]}")
    expected, size = 8 * int(np.prod(shape, dtype=np.int64)), data.stat().st_size
    if size != expected:
        raise ValueError(f"{data}: expected {expected} bytes for sizes {shape} of complex64, got {size}")
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return np.memmap(data, np.complex64, "r", shape=shape, order="F")


def read_cfl(path: str | os.PathLike[str]) -> npt.NDArray[np.complex64]:
    """Read a BART array.

    Parameters
    ----------
    path
        Of the pair, with or without `.cfl` or `.hdr`.

    Returns
    -------
    array
        Axes as BART orders them (READ first), trailing axes of length 1 removed.

    Raises
    ------
    FileNotFoundError
        If one of the pair is missing.
    ValueError
        If the header has no sizes, or the data file is not of that size.
    """
    return np.array(map_cfl(path), order="F")


def write_cfl(array: Any, path: str | os.PathLike[str]) -> None:
    """Write a BART array; axes are written in the order given (READ first).

    Parameters
    ----------
    array
        Up to 16 axes, array, tensor or lists; converted to complex64.
    path
        Of the pair, with or without `.cfl` or `.hdr`; replaced if it exists.

    Raises
    ------
    TypeError
        If the array is none of numbers.
    ValueError
        If the array is empty, or has more than the 16 axes of BART.
    OSError
        If the folder cannot be written to.
    """
    array = as_numpy("array", array).astype(np.complex64, copy=False)
    if array.size == 0 or array.ndim > 16:
        raise ValueError(f"array: expected up to 16 axes, none of them empty, got shape {array.shape}")
    header, data = pair_of(path)
    sizes = (*array.shape, *(1,) * (16 - array.ndim))
    with atomic_path(data) as temporary_data, atomic_path(header) as temporary_header:
        temporary_header.write_text("# Dimensions\n" + " ".join(map(str, sizes)) + "\n")
        with temporary_data.open("wb") as file:
            # The transpose in C order is the array in Fortran order, without a copy of a Fortran array.
            file.write(np.ascontiguousarray(array.T).data)


def write_bart(raw: RawData, path: str | os.PathLike[str]) -> None:
    """Write the k-space of `raw` as BART orders it: READ, PHS1, PHS2, COIL, ..., SLICE, AVG.

    Parameters
    ----------
    raw
        k-space on a grid. A cfl file has no place for noise, geometry or times; what was not acquired is zero.
    path
        As in `write_cfl`.

    Raises
    ------
    TypeError
        If `raw` is not a `RawData`.
    ValueError
        If an axis has no place in BART's order (`set`, or the shots and samples of a trajectory).
    OSError
        If the folder cannot be written to.
    """
    instance("raw", raw, RawData, "a RawData (write_cfl writes arrays)")
    strange = [a for a in raw.axes if a not in BART_AXES]
    if strange:
        raise ValueError(f"axes: expected only {', '.join(BART_AXES)} for BART, got {', '.join(strange)}")
    order = sorted(raw.axes, key=BART_AXES.__getitem__)
    moved = np.transpose(raw.kspace, [raw.axes.index(a) for a in order])
    sizes = [1] * 16
    for axis, n in zip(order, moved.shape, strict=True):
        sizes[BART_AXES[axis]] = n
    write_cfl(moved.reshape(sizes), path)


class CflFile(RawFile):
    """k-space in a BART file, memory-mapped. What was acquired is what is not zero, as in BART."""

    def __init__(self, path: Path, axes: tuple[str, ...] | None = None) -> None:
        mapped = map_cfl(path)
        if axes is not None:
            # Axes of length 1 at the end, such as a single coil's, are not to be seen in the file.
            mapped = mapped.reshape(mapped.shape + (1,) * (len(axes) - mapped.ndim), order="F")
            if len(axes) != mapped.ndim or not set(axes) <= set(BART_AXES) or len(set(axes)) != len(axes):
                raise ValueError(f"axes: expected {mapped.ndim} of {', '.join(BART_AXES)}, got {axes}")
            named = dict(zip(axes, mapped.shape, strict=True))
            view = mapped
        else:
            sizes = (*mapped.shape, *(1,) * (16 - mapped.ndim))
            used = [name for number, name in _UNUSED.items() if sizes[number] > 1]
            if used or (sizes[0] == 1 and sizes[2] > 1):
                what = f"axes {', '.join(used)}" if used else "READ = 1 (non-Cartesian samples)"
                raise ValueError(f"{path}: expected Cartesian k-space in BART's order of axes, got {what} in {sizes}")
            named = {name: sizes[number] for name, number in BART_AXES.items()}
            keep = [a for a in BART_AXES if named[a] > 1 or a in ("x", "y", "coil", "slice")]
            view = mapped.reshape(sizes, order="F").transpose(
                [BART_AXES[a] for a in keep] + [i for i in range(16) if i not in {BART_AXES[a] for a in keep}]
            )[(..., *(0,) * (16 - len(keep)))]
            axes = tuple(keep)
        if "slice" not in axes:
            view, axes = view[..., None], (*axes, "slice")
        wanted = ("slice", "average", "repetition", "phase", "contrast", "coil", "z", "y", "x")
        order = [a for a in wanted if a in axes]
        if not {"coil", "y", "x"} <= set(order):
            raise ValueError(f"axes: expected at least coil, y and x, got {axes}")
        self._view = view.transpose([axes.index(a) for a in order])
        self.info = ScanInfo(format="cfl", axes=tuple(order), shape=self._view.shape)
        self.info.recon_size = self.info.im_size

    def _load(self, slices: range) -> RawData:
        kspace = np.array(self._view[slices.start : slices.stop], order="C")  # never the map itself, which is read-only
        mask = find_sampling(kspace, self.info.axes.index("coil"))
        return RawData(**vars(self.info), kspace=kspace, mask=mask, slices=slices)

    def close(self) -> None:
        """Release the memory map."""
        self._view = np.empty((0, *self._view.shape[1:]), np.complex64)
