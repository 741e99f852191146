"""fastMRI HDF5 files: k-space `(slices, [coils,] rows = readout, columns = phase)`, read slice by slice."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mriops.io.mrd_header import parse_header
from mriops.io.raw_data import RawData, ScanInfo, find_sampling
from mriops.io.source import RawFile, open_hdf5


class FastMriFile(RawFile):
    """A fastMRI file, single-coil or multi-coil, training or test.

    The file stores the readout along the rows; k-space is transposed so that the readout is the last axis, and
    `info.swapped` makes pictures come out as in the file.

    References
    ----------
    Zbontar et al., fastMRI: an open dataset and benchmarks for accelerated MRI, arXiv:1811.08839 (2018).
    """

    def __init__(self, path: Path) -> None:
        self._file = open_hdf5(path)
        try:
            self._open(path)
        except BaseException:
            self._file.close()
            raise

    def _open(self, path: Path) -> None:
        if "kspace" not in self._file:
            raise ValueError(f"{path}: expected a dataset 'kspace', got {list(self._file.keys())}")
        self._path, self._kspace = path, self._file["kspace"]
        shape = getattr(self._kspace, "shape", None)  # of a group, and of a dataset that is null, there is none
        if shape is None:
            raise ValueError(f"{path}: expected an array 'kspace', got {self._kspace!r}")
        kind = self._kspace.dtype.kind
        if len(shape) not in (3, 4) or kind != "c" or 0 in shape:
            raise ValueError(
                f"{path}: expected complex kspace (slices, [coils,] rows, columns), got {self._kspace.dtype} {shape}"
            )
        coils = shape[1] if len(shape) == 4 else 1
        rows, columns = shape[-2:]
        info = ScanInfo()
        size = (columns, rows)
        recon = size
        if "ismrmrd_header" in self._file:
            header = parse_header(self._file["ismrmrd_header"][()], str(path))
            info, encoding = header.info, header.encodings[0]
            info.field_of_view = encoding.field_of_view
            # The header's matrix may be a few lines short of the stored columns; the share of the field counts.
            recon = encoding.recon_size(size)
        info.format, info.swapped = "fastmri", True
        info.axes, info.shape = ("slice", "coil", "y", "x"), (shape[0], coils, *size)
        info.recon_size = recon
        if shape[0] > 1 and info.field_of_view:
            info.slice_spacing = info.field_of_view[0]
        self.info = info
        self._mask = np.asarray(self._file["mask"][()], bool).reshape(-1) if "mask" in self._file else None
        if self._mask is not None and self._mask.shape != (columns,):
            raise ValueError(f"{path}: expected a mask of {columns} columns, got {self._mask.shape}")

    def _load(self, slices: range) -> RawData:
        try:
            stored = self._kspace[slices.start : slices.stop]
        except OSError as error:
            raise OSError(f"{self._path}: slices {slices} cannot be read, the file is damaged ({error})") from error
        stored = stored.reshape(len(slices), *self.info.shape[1:2], *stored.shape[-2:])
        kspace = np.ascontiguousarray(np.swapaxes(stored, -1, -2), np.complex64)
        mask = find_sampling(kspace, 1) if self._mask is None else self._mask[None, :, None]
        return RawData(**vars(self.info), kspace=kspace, mask=mask, slices=slices).only_sampled()

    def close(self) -> None:
        """Close the HDF5 file."""
        self._file.close()
