"""ISMRMRD / MRD version 1 (HDF5): acquisitions are indexed once by their headers, samples are read slice by slice."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mriops.io.kspace_grid import KspaceGrid, Readout
from mriops.io.mrd_header import Encoding, parse_header
from mriops.io.mrd_slices import place_slices
from mriops.io.raw_data import LEADING_AXES, RawData, ScanInfo
from mriops.io.shots import UNITS, coordinates, shot_shape, to_cycles
from mriops.io.source import RawFile, open_hdf5

# Bit n-1 of the flags of an acquisition.
NOISE, CALIBRATION, CALIBRATION_AND_IMAGING, REVERSE = 19, 20, 21, 22
_NOT_IMAGING = {
    23: "navigator",
    24: "phase correction",
    26: "HP feedback",
    27: "dummy",
    28: "RT feedback",
    29: "surface coil correction",
    30: "phase stabilisation reference",
    31: "phase stabilisation",
}
# Samples in memory at once beside the result: acquisitions of one HDF5 read.
_BLOCK = 256


class MrdFile(RawFile):
    """An ISMRMRD file.

    Parameters
    ----------
    path
        HDF5 file.
    dataset
        Group in the file; the only one with raw data if None.
    encoding
        Which encoding of the header (and `encoding_space_ref` of the acquisitions) to read.
    trajectory_units
        Of trajectories that are not Cartesian: cycles per `"pixel"`, per `"fov"`, or `"1/m"`, as the format leaves it
        open. `"auto"`: per pixel if none exceeds 0.5, else per field of view.

    Notes
    -----
    Lines are placed by `kspace_encode_step_1/2` relative to the centre of the encoding limits, readouts by
    `center_sample` without the `discard_pre/post` samples. Lines acquired more than once under the same counters
    are averaged. Reversed readouts are mirrored; the half-sample shift of EPI is left to ghost correction.

    A noise scan of another dwell time is scaled to the variance that noise has in the readouts, as it grows with the
    bandwidth; and by the share of the bandwidth that the receiver passes, where the header states it.

    Where the header names a trajectory that is neither Cartesian nor EPI, samples are kept as `(shots, samples)` in the
    order of acquisition, with the trajectories of the acquisitions. Averages are further shots. A third component of
    planar trajectories (density weights, by a convention of some programs) is not read.
    """

    def __init__(
        self, path: Path, dataset: str | None = None, encoding: int = 0, trajectory_units: str = "auto"
    ) -> None:
        if trajectory_units not in UNITS:
            raise ValueError(f"trajectory_units: expected one of {', '.join(UNITS)}, got {trajectory_units!r}")
        self._units = trajectory_units
        self._file = open_hdf5(path)
        try:
            self._open(str(path), dataset, encoding)
        except BaseException:
            self._file.close()
            raise

    def _open(self, path: str, dataset: str | None, number: int) -> None:
        group = self._group(path, dataset)
        if "xml" not in group:
            raise ValueError(f"{path}: expected an ISMRMRD header '{group.name}/xml', got only {list(group.keys())}")
        if "data" not in group:
            raise ValueError(f"{path}: expected acquisitions '{group.name}/data', got only {list(group.keys())}")
        stored = np.ravel(group["xml"][()])
        header = parse_header(stored[0] if stored.size else b"", path)
        if not 0 <= number < len(header.encodings):
            raise ValueError(f"encoding: expected 0..{len(header.encodings) - 1} for {path}, got {number}")
        encoding = header.encodings[number]
        self._encoding = encoding
        self._gridded = encoding.trajectory in ("cartesian", "epi")
        self._path, self._data = path, group["data"]
        if getattr(getattr(self._data, "dtype", None), "names", None) is None or "head" not in self._data.dtype.names:
            raise ValueError(f"{path}: expected acquisitions with a head in '{group.name}/data', got other data")
        if self._data.shape[0] == 0:
            raise ValueError(f"{path}: expected at least one acquisition, got none")
        self._heads = self._data.fields("head")[:]
        self._sort_out(encoding, header.info, number)
        self._noise_scale = self._scale_of_noise(header.noise_bandwidth)

    def _group(self, path: str, dataset: str | None) -> Any:
        if dataset is None:
            found = [k for k in self._file if hasattr(self._file[k], "keys") and "data" in self._file[k]]
            found = found or [k for k in self._file if hasattr(self._file[k], "keys")]
            if len(found) != 1:
                raise ValueError(f"{path}: expected one dataset, got {found}; choose with dataset=...")
            dataset = found[0]
        if dataset not in self._file:
            raise ValueError(f"dataset: expected one of {list(self._file)} in {path}, got {dataset!r}")
        return self._file[dataset]

    def _has(self, flag: int) -> npt.NDArray[np.bool_]:
        return (self._heads["flags"].astype(np.uint64) >> np.uint64(flag - 1)) & np.uint64(1) != 0

    def _sort_out(self, encoding: Encoding, info: ScanInfo, number: int) -> None:
        heads = self._heads
        imaging = heads["encoding_space_ref"] == number
        noise = self._has(NOISE)
        skipped: Counter[str] = Counter()
        for flag, name in _NOT_IMAGING.items():
            skipped[name] = int((self._has(flag) & imaging & ~noise).sum())
            imaging &= ~self._has(flag)
        calibration = self._has(CALIBRATION) & ~self._has(CALIBRATION_AND_IMAGING)
        self._noise = np.flatnonzero(noise)
        self._acs = np.flatnonzero(imaging & ~noise & calibration)
        self._imaging = np.flatnonzero(imaging & ~noise & ~calibration)
        if self._imaging.size == 0:
            raise ValueError(f"{self._path}: expected imaging acquisitions of encoding {number}, got none")
        notes = [f"{n} {name} readouts were left out" for name, n in skipped.items() if n]
        channels = sorted({int(c) for c in heads["active_channels"][self._imaging]})
        if len(channels) != 1:
            raise ValueError(f"{self._path}: expected one number of channels in all imaging readouts, got {channels}")
        self._check_discards(np.concatenate([self._imaging, self._acs]))
        self._geometry(encoding, info, channels[0], notes)
        if encoding.trajectory == "epi" or (self._has(REVERSE)[self._imaging].any() and skipped["phase correction"]):
            notes.append("EPI: ramp sampling and ghost correction are not applied")
        info.notes = tuple(notes)
        self.info = info

    def _check_discards(self, which: npt.NDArray[np.intp]) -> None:
        heads = self._heads[which]
        samples, pre, post = (heads[n].astype(int) for n in ("number_of_samples", "discard_pre", "discard_post"))
        for at in np.flatnonzero(pre + post > samples)[:1]:
            raise ValueError(
                f"{self._path}: acquisition {which[at]}: expected at most its {samples[at]} samples to be discarded, "
                f"got discard_pre {pre[at]} and discard_post {post[at]}"
            )

    def _geometry(self, encoding: Encoding, info: ScanInfo, n_coils: int, notes: list[str]) -> None:
        first = self._heads[self._imaging]
        idx = first["idx"]
        if self._gridded:
            encoding = _as_stored(encoding, first, notes)
        # The largest counter, not the encoding limits: converters often leave the limits at the prescribed number.
        counts = {axis: int(idx[axis].max()) + 1 for axis in LEADING_AXES[1:]}
        lead = tuple(a for a in LEADING_AXES[1:] if counts[a] > 1 and (self._gridded or a != "average"))
        spatial = ("z", "y", "x")[3 - encoding.ndim :] if self._gridded else ("shot", "sample")
        info.axes = ("slice", *lead, "coil", *spatial)
        info.format = "ismrmrd"
        info.field_of_view = encoding.field_of_view
        info.recon_size = encoding.recon_size()
        size = encoding.matrix[3 - encoding.ndim :]
        if self._gridded:
            self._centres = self._step_centres(encoding, notes)
        else:
            info.matrix = size
        places = place_slices(first)
        notes.extend(places.notes)
        self._slice_of = places.counters
        self._lead = lead
        frame = (len(places.counters), *(counts[a] for a in lead), n_coils)
        if self._gridded:
            info.shape = (*frame, *size)
            self._grid = KspaceGrid(info.shape[1:], n_lead=len(lead), source=self._path)
        else:
            shots = shot_shape(first, lead, len(places.counters), self._path)
            info.shape = (*frame, *shots)
            notes.append(f"trajectory {encoding.trajectory!r}: {shots[0]} shots of {shots[1]} samples a frame")
        info.directions, info.position = places.directions, places.position
        if info.n_slices > 1:
            info.slice_spacing = places.spacing or encoding.field_of_view[0]

    def _step_centres(self, encoding: Encoding, notes: list[str]) -> tuple[int, int]:
        centres = []
        for step, n in ((1, encoding.matrix[1]), (2, encoding.matrix[0])):
            name = f"kspace_encoding_step_{step}"
            used = int(self._heads["idx"][f"kspace_encode_step_{step}"][self._imaging].max())
            _, _, centre = encoding.limits.get(name, (0, n - 1, n // 2))
            if centre == 0 and used > (n - 1) // 2:
                # Some converters leave the centre at its default; lines beyond the upper half prove it wrong.
                notes.append(f"{name}: the header gives centre 0, {n // 2} was used")
                centre = n // 2
            centres.append(centre)
        return centres[0], centres[1]

    def _rows(self, which: npt.NDArray[np.intp]) -> Any:
        """Stored acquisitions with their samples (channels, samples)."""
        for block in _runs(which):
            try:
                rows = self._data[block.start : block.stop]
            except OSError as error:
                raise OSError(f"{self._path}: acquisitions {block} cannot be read, the file is damaged") from error
            for number, row in zip(block, rows, strict=True):
                head = row["head"]
                n, channels = int(head["number_of_samples"]), int(head["active_channels"])
                if row["data"].size != 2 * n * channels:
                    raise ValueError(
                        f"{self._path}: acquisition {number}: expected {channels} channels x {n} samples, "
                        f"got {row['data'].size // 2} values"
                    )
                samples = np.ascontiguousarray(row["data"], np.float32).view(np.complex64).reshape(channels, n)
                yield row, samples

    def _readouts(self, which: npt.NDArray[np.intp]) -> Any:
        """Lines of the grid."""
        size = self._grid.im_size
        for row, samples in self._rows(which):
            head = row["head"]
            idx, flags = head["idx"], int(head["flags"])
            yield Readout(
                samples=samples[:, int(head["discard_pre"]) : samples.shape[1] - int(head["discard_post"])],
                first=size[-1] // 2 - int(head["center_sample"]) + int(head["discard_pre"]),
                y=int(idx["kspace_encode_step_1"]) - self._centres[0] + size[-2] // 2,
                z=int(idx["kspace_encode_step_2"]) - self._centres[1] + size[0] // 2 if len(size) == 3 else 0,
                lead=tuple(int(idx[a]) for a in self._lead),
                reverse=bool((flags >> (REVERSE - 1)) & 1),
                calibration=bool((flags >> (CALIBRATION_AND_IMAGING - 1)) & 1),
            )

    def _load_shots(self, slices: range) -> RawData:
        """Samples and trajectories in the order of acquisition."""
        info, heads = self.info, self._heads
        coil, ndim = info.axes.index("coil"), len(info.matrix)
        kspace = np.zeros((len(slices), *info.shape[1:]), np.complex64)
        path = np.zeros((len(slices), *info.shape[1:coil], *info.shape[coil + 1 :], ndim), np.float32)
        for out, at, s in zip(kspace, path, slices, strict=True):
            mine = self._imaging[heads["idx"]["slice"][self._imaging] == self._slice_of[s]]
            filled = np.zeros(info.shape[1:coil], int)
            for number, (row, samples) in zip(mine, self._rows(mine), strict=True):
                head = row["head"]
                frame = tuple(int(head["idx"][a]) for a in self._lead)
                begin, end = int(head["discard_pre"]), samples.shape[1] - int(head["discard_post"])
                out[(*frame, slice(None), filled[frame])] = samples[:, begin:end]
                at[(*frame, filled[frame])] = coordinates(row, self._encoding, self._path, int(number))
                filled[frame] += 1
        path, _ = to_cycles(path, self._encoding, self._units, self._path)
        return RawData(**vars(info), kspace=kspace, trajectory=path, noise=self._read_noise(), slices=slices)

    def _load(self, slices: range) -> RawData:
        if not self._gridded:
            return self._load_shots(slices)
        slice_index = self._heads["idx"]["slice"]
        kspace = np.zeros((len(slices), *self.info.shape[1:]), np.complex64)
        masks, sizes, calibrations = [], [], []
        for out, s in zip(kspace, slices, strict=True):
            mine = self._imaging[slice_index[self._imaging] == self._slice_of[s]]
            masks.append(self._grid.fill(out, self._readouts(mine)))
            sizes.append(self._grid.calibration_size())
            acs = self._acs[slice_index[self._acs] == self._slice_of[s]]
            if acs.size:
                calibrations.append(self._grid.gather_calibration(self._readouts(acs)))
        mask = np.stack(masks)
        whole = calibrations and len(calibrations) == len(slices) and len({c.shape for c in calibrations}) == 1
        return RawData(
            **vars(self.info),
            kspace=kspace,
            mask=None if mask.all() else mask,
            noise=self._read_noise(),
            acs=np.stack(calibrations) if whole else None,
            acs_size=sizes[0],
            slices=slices,
        )

    def _scale_of_noise(self, passed: float) -> npt.NDArray[np.float32]:
        """Per noise readout: variance is density times bandwidth, of which the receiver passes a share."""
        dwell = self._heads["sample_time_us"].astype(np.float64)
        readouts, noise = float(np.median(dwell[self._imaging])), dwell[self._noise]
        if not readouts > 0:
            return np.ones(noise.shape, np.float32)
        return np.sqrt(np.where(noise > 0, noise / (readouts * passed), 1.0)).astype(np.float32)

    def _read_noise(self) -> npt.NDArray[np.complex64] | None:
        rows = zip(self._noise_scale, self._rows(self._noise), strict=True)
        blocks = [scale * samples for scale, (_, samples) in rows if samples.shape[0] == self.info.n_coils]
        return np.concatenate(blocks, axis=1) if blocks else None

    def close(self) -> None:
        """Close the HDF5 file."""
        self._file.close()


def _as_stored(encoding: Encoding, heads: npt.NDArray[Any], notes: list[str]) -> Encoding:
    """The encoding, with the readout of the reconstructed space if the oversampling was removed before the file."""
    nz, ny, nx = encoding.matrix
    recon_x = encoding.recon_matrix[2]
    centred = (heads["number_of_samples"] == recon_x) & (heads["center_sample"] == recon_x // 2)
    if not (recon_x < nx and centred.all()):
        return encoding
    notes.append(f"the header announces {nx} samples per readout, all have {recon_x}: oversampling was removed before")
    fov = (*encoding.field_of_view[:2], encoding.recon_field_of_view[2])
    return dataclasses.replace(encoding, matrix=(nz, ny, recon_x), field_of_view=fov)


def _runs(numbers: npt.NDArray[np.intp]) -> list[range]:
    """Consecutive numbers as ranges of at most `_BLOCK`: HDF5 reads ranges far faster than lists."""
    runs = []
    for part in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
        runs.extend(range(int(a), min(int(a) + _BLOCK, int(part[-1]) + 1)) for a in part[::_BLOCK])
    return runs
