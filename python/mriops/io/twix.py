"""Siemens twix (.dat) through `twixtools`: Cartesian scans of VB, VD, VE and XA raw files."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mriops.io.kspace_grid import KspaceGrid, Readout
from mriops.io.optional import require
from mriops.io.raw_data import RawData, ScanInfo
from mriops.io.source import RawFile

_COUNTERS = {"average": "cAve", "repetition": "cRep", "set": "cSet", "phase": "cPhs", "contrast": "cEco"}
_US, _MM = 1e-6, 1e-3


class TwixFile(RawFile):
    """The last measurement of a twix file; noise from any of its measurements.

    Phase-correction, navigator and other non-imaging lines are left out and counted in `info.notes`; ramp sampling
    and EPI ghosts are not corrected. Reflected lines are mirrored.

    References
    ----------
    twixtools, https://github.com/pehses/twixtools.
    """

    def __init__(self, path: Path) -> None:
        twixtools = require("twixtools", "reading Siemens twix files")
        try:
            scans = twixtools.read_twix(str(path), verbose=False, parse_pmu=False)
            scans = [s for s in scans if isinstance(s, dict) and "mdb" in s]
            if not scans or not scans[-1]["mdb"]:
                raise ValueError("it holds no readouts")
        except Exception as error:  # twixtools raises whatever its struct parsing runs into
            raise ValueError(f"{path}: expected a Siemens twix file, got one that cannot be read ({error})") from error
        self._path, self._scan = str(path), scans[-1]
        self._noise_lines = [m for s in scans for m in s["mdb"] if m.is_flag_set("NOISEADJSCAN")]
        self._sort_out()

    def _sort_out(self) -> None:
        self._lines: dict[int, list[Any]] = {}
        self._acs_lines: dict[int, list[Any]] = {}
        skipped: Counter[str] = Counter()
        most = Counter[str]()
        partitions = 1
        for m in self._scan["mdb"]:
            if m.is_flag_set("NOISEADJSCAN") or m.is_flag_set("ACQEND") or m.is_flag_set("SYNCDATA"):
                continue
            if m.is_flag_set("PATREFSCAN") and not m.is_flag_set("PATREFANDIMASCAN"):
                if not m.is_flag_set("PHASCOR"):
                    self._acs_lines.setdefault(m.cSlc, []).append(m)
                continue
            if m.is_flag_set("PHASCOR") or not m.is_image_scan():
                skipped["phase correction" if m.is_flag_set("PHASCOR") else "other"] += 1
                continue
            self._lines.setdefault(m.cSlc, []).append(m)
            partitions = max(partitions, m.cPar + 1)
            for axis, name in _COUNTERS.items():
                most[axis] = max(most[axis], getattr(m, name) + 1)
        if not self._lines:
            raise ValueError(f"{self._path}: expected imaging lines, got only {dict(skipped)}")
        notes = [f"{n} {kind} lines were left out" for kind, n in skipped.items()]
        if skipped["phase correction"]:
            notes.append("EPI: ramp sampling and ghost correction are not applied")
        self._set_info(partitions, most, notes)

    def _set_info(self, partitions: int, most: Counter[str], notes: list[str]) -> None:
        first = next(iter(self._lines.values()))[0]
        n_coils, nx = first.data.shape
        yaps, dicom = self._scan["hdr"].get("MeasYaps", {}), self._scan["hdr"].get("Dicom", {})
        ny = max(m.cLin for lines in self._lines.values() for m in lines) + 1
        prescribed = int(yaps.get("sKSpace", {}).get("lPhaseEncodingLines", ny))
        ny = max(ny, prescribed)
        if partitions > 1:
            partitions = max(partitions, int(yaps.get("sKSpace", {}).get("lPartitions", partitions)))
        # An asymmetric echo is shorter than the grid by what is missing on the short side of the centre.
        centre = int(first.mdh.CenterCol)
        nx = max(nx, 2 * (nx - centre), 2 * centre)
        oversampling = float(dicom.get("flReadoutOSFactor") or 1.0)
        lead = tuple(a for a in _COUNTERS if most[a] > 1)
        spatial = ((partitions,) if partitions > 1 else ()) + (ny, nx)
        info = ScanInfo(format="twix", axes=("slice", *lead, "coil", *("z", "y", "x")[3 - len(spatial) :]))
        slices = yaps.get("sSliceArray", {}).get("asSlice", [])
        self._slice_of = self._order_slices(slices, info)
        info.shape = (len(self._slice_of), *(most[a] for a in lead), n_coils, *spatial)
        info.recon_size = (*spatial[:-1], round(nx / oversampling))
        if slices:
            s = slices[self._slice_of[0]] if self._slice_of[0] < len(slices) else slices[0]
            thickness, phase, read = (_MM * float(s.get(k, 0)) for k in ("dThickness", "dPhaseFOV", "dReadoutFOV"))
            phase_oversampling = 1 + float(yaps.get("sKSpace", {}).get("dPhaseOversamplingForDialog", 0.0))
            if min(thickness, phase, read) > 0:
                info.field_of_view = (thickness, phase * phase_oversampling, read * oversampling)
                info.recon_size = (*spatial[:-2], round(ny / phase_oversampling), info.recon_size[-1])
        self._times(info, yaps)
        info.vendor, info.model = dicom.get("Manufacturer"), dicom.get("ManufacturersModelName")
        field_strength = dicom.get("flMagneticFieldStrength")
        info.field_strength = float(field_strength) if field_strength else None
        info.notes = tuple(notes)
        self._lead = lead
        self._grid = KspaceGrid(info.shape[1:], len(lead), self._path)
        self.info = info

    def _order_slices(self, slices: list[Any], info: ScanInfo) -> list[int]:
        present = sorted(self._lines)
        geometry = self._scan.get("geometry")
        if not geometry or len(slices) <= max(present):
            return present
        rotation = np.asarray(geometry[0].prs_to_pcs(), float)
        info.directions = rotation[:, [1, 0, 2]]
        centre = {
            s: _MM * np.array([float(slices[s].get("sPosition", {}).get(k, 0.0)) for k in ("dSag", "dCor", "dTra")])
            for s in present
        }
        along = {s: float(centre[s] @ info.directions[:, 2]) for s in present}
        present.sort(key=along.__getitem__)
        info.position = centre[present[0]]
        if len(present) > 1:
            info.slice_spacing = (along[present[-1]] - along[present[0]]) / (len(present) - 1) or None
        return present

    @staticmethod
    def _times(info: ScanInfo, yaps: dict[str, Any]) -> None:
        contrasts = int(yaps.get("lContrasts", 1))
        info.repetition_time = tuple(_US * float(t) for t in yaps.get("alTR", [])[:1])
        # The protocol pads the list with defaults; only the first lContrasts are echoes of this scan.
        info.echo_time = tuple(_US * float(t) for t in yaps.get("alTE", [])[:contrasts])
        info.inversion_time = tuple(
            _US * float(t) for t in yaps.get("alTI", [])[:1] if "lInversion" in str(yaps.keys())
        )
        info.flip_angle = tuple(math.radians(float(a)) for a in yaps.get("adFlipAngleDegree", [])[:1])

    def _readouts(self, lines: list[Any]) -> Iterator[Readout]:
        size = self._grid.im_size
        for m in lines:
            pre, post = int(m.mdh.CutOff.Pre), int(m.mdh.CutOff.Post)
            n = m.data.shape[1]
            reverse = m.is_flag_set("REFLECT")
            yield Readout(
                samples=np.asarray(m.data[:, pre : n - post], np.complex64),
                first=size[-1] // 2 - int(m.mdh.CenterCol) + pre,
                y=m.cLin - int(m.mdh.CenterLin) + size[-2] // 2,
                z=m.cPar - int(m.mdh.CenterPar) + size[0] // 2 if len(size) == 3 else 0,
                lead=tuple(getattr(m, _COUNTERS[a]) for a in self._lead),
                reverse=reverse,
                calibration=m.is_flag_set("PATREFANDIMASCAN"),
            )

    def _load(self, slices: range) -> RawData:
        kspace = np.zeros((len(slices), *self.info.shape[1:]), np.complex64)
        masks, sizes, calibrations = [], [], []
        for out, s in zip(kspace, slices, strict=True):
            masks.append(self._grid.fill(out, self._readouts(self._lines[self._slice_of[s]])))
            sizes.append(self._grid.calibration_size())
            if self._slice_of[s] in self._acs_lines:
                calibrations.append(self._grid.gather_calibration(self._readouts(self._acs_lines[self._slice_of[s]])))
        mask = np.stack(masks)
        whole = len(calibrations) == len(slices) and len({c.shape for c in calibrations}) == 1
        noise = [m.data for m in self._noise_lines if m.data.shape[0] == self.info.n_coils]
        return RawData(
            **vars(self.info),
            kspace=kspace,
            mask=None if mask.all() else mask,
            noise=np.concatenate(noise, axis=1).astype(np.complex64) if noise else None,
            acs=np.stack(calibrations) if whole else None,
            acs_size=sizes[0],
            slices=slices,
        )

    def close(self) -> None:
        """Close the file under the readouts."""
        for lines in self._lines.values():
            fid = getattr(lines[0], "fid", None)
            if fid is not None:
                fid.close()
            break
