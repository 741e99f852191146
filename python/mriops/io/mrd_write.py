"""Writes `RawData` as an ISMRMRD version 1 file, with noise scan, calibration flags and geometry."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from mriops._native.arguments import instance
from mriops._native.bloch_shapes import GAMMA
from mriops.io.atomic import atomic_path
from mriops.io.mrd import CALIBRATION, CALIBRATION_AND_IMAGING, NOISE
from mriops.io.optional import require
from mriops.io.raw_data import LEADING_AXES, RawData

_NOISE_READOUT = 512


def write_ismrmrd(raw: RawData, path: str | os.PathLike[str], *, dataset: str = "dataset") -> None:
    """Write an ISMRMRD file: noise scan, separate calibration lines, then the acquired lines of every slice.

    Parameters
    ----------
    raw
        What to write. Lines outside `raw.mask` are not written; lines inside `raw.acs_size` are flagged as
        calibration and imaging. Trajectories are written in cycles per pixel.
    path
        HDF5 file; replaced if it exists.
    dataset
        Name of the group.

    Raises
    ------
    TypeError
        If `raw` is not a `RawData`.
    OSError
        If the folder cannot be written to.
    ValueError
        If the mask varies along the readout: ISMRMRD stores contiguous readouts.
    ImportError
        If `ismrmrd` is not installed.

    References
    ----------
    Inati et al., ISMRM Raw data format, Magn Reson Med 77 (2017) 411-421.
    """
    instance("raw", raw, RawData, "a RawData")
    if raw.mask is not None and raw.mask.shape[-1] != 1:
        raise ValueError(f"mask: expected readout axis 1 (whole lines) to write ISMRMRD, got shape {raw.mask.shape}")
    ismrmrd = require("ismrmrd", "writing ISMRMRD")
    acquisitions = _acquisitions if raw.trajectory is None else _shots
    with atomic_path(path) as temporary:
        temporary.unlink()
        with ismrmrd.Dataset(str(temporary), dataset, mode="w") as file:
            file.write_xml_header(_header(ismrmrd, raw).toXML("utf-8"))
            for number, acquisition in enumerate(acquisitions(ismrmrd, raw)):
                acquisition.scan_counter = number
                file.append_acquisition(acquisition)


def _header(ismrmrd: Any, raw: RawData) -> Any:
    xsd = ismrmrd.xsd
    nz, ny, nx = (1, *raw.im_size)[-3:]
    rz, ry, rx = (1, *raw.recon_size)[-3:]
    vz, vy, vx = (1e3 * v for v in raw.voxel_size or (1e-3, 1e-3, 1e-3))

    def space(z: int, y: int, x: int) -> Any:
        fov = xsd.fieldOfViewMm(x=x * vx, y=y * vy, z=z * vz)
        return xsd.encodingSpaceType(matrixSize=xsd.matrixSizeType(x=x, y=y, z=z), fieldOfView_mm=fov)

    lengths = dict(zip(raw.axes, raw.shape, strict=True))
    limits = xsd.encodingLimitsType(
        kspace_encoding_step_1=xsd.limitType(minimum=0, maximum=ny - 1, center=ny // 2),
        kspace_encoding_step_2=xsd.limitType(minimum=0, maximum=nz - 1, center=nz // 2),
        **{a: xsd.limitType(minimum=0, maximum=lengths.get(a, 1) - 1, center=0) for a in LEADING_AXES},
    )
    encoding = xsd.encodingType(
        encodedSpace=space(nz, ny, nx),
        reconSpace=space(rz, ry, rx),
        encodingLimits=limits,
        trajectory=xsd.trajectoryType.CARTESIAN if raw.trajectory is None else xsd.trajectoryType.OTHER,
    )
    sequence = xsd.sequenceParametersType(
        TR=[1e3 * t for t in raw.repetition_time],
        TE=[1e3 * t for t in raw.echo_time],
        TI=[1e3 * t for t in raw.inversion_time],
        flipAngle_deg=[float(np.rad2deg(a)) for a in raw.flip_angle],
    )
    system = xsd.acquisitionSystemInformationType(
        systemVendor=raw.vendor,
        systemModel=raw.model,
        systemFieldStrength_T=raw.field_strength,
        receiverChannels=raw.n_coils,
    )
    # The schema demands a frequency: that of the proton.
    larmor = round(GAMMA * (raw.field_strength or 0.0))
    return xsd.ismrmrdHeader(
        experimentalConditions=xsd.experimentalConditionsType(H1resonanceFrequency_Hz=larmor),
        acquisitionSystemInformation=system,
        encoding=[encoding],
        sequenceParameters=sequence,
    )


def _noise(ismrmrd: Any, raw: RawData) -> Iterator[Any]:
    if raw.noise is not None:
        for start in range(0, raw.noise.shape[1], _NOISE_READOUT):
            yield _acquisition(ismrmrd, raw.noise[:, start : start + _NOISE_READOUT], 0, (NOISE,))


def _shots(ismrmrd: Any, raw: RawData) -> Iterator[Any]:
    """Acquisitions with trajectories [cycles per pixel], shot by shot."""
    trajectory = raw.trajectory
    if trajectory is None:
        return
    yield from _noise(ismrmrd, raw)
    coil = raw.axes.index("coil")
    lead = raw.axes[1:coil]
    per_pixel = (trajectory / np.array(raw.matrix, np.float32))[..., ::-1]
    for index in np.ndindex(raw.kspace.shape[:coil] + raw.kspace.shape[coil + 1 : -1]):
        s, *frame = index[:-1]
        samples = raw.kspace[(s, *frame, slice(None), index[-1])]
        counters = dict(zip(lead, frame, strict=True))
        yield _line(ismrmrd, raw, samples, s, counters, (index[-1],), (), per_pixel[index])


def _acquisitions(ismrmrd: Any, raw: RawData) -> Iterator[Any]:
    yield from _noise(ismrmrd, raw)
    lead = raw.axes[1 : raw.axes.index("coil")]
    lines = (*raw.kspace.shape[: 1 + len(lead)], *raw.im_size[:-1])
    sampled = np.ones(lines, bool) if raw.mask is None else np.broadcast_to(raw.mask[..., 0], lines)
    for s in range(raw.kspace.shape[0]):
        if raw.acs is not None:
            for line in np.ndindex(raw.acs.shape[2:-1]):
                place = [i - m // 2 + n // 2 for i, m, n in zip(line, raw.acs.shape[2:-1], raw.im_size, strict=False)]
                samples = raw.acs[(s, slice(None), *line)]
                yield _line(ismrmrd, raw, samples, s, {}, tuple(place), (CALIBRATION,))
        for index in np.ndindex(sampled.shape[1:]):
            if not sampled[s][index]:
                continue
            frame, line = index[: len(lead)], index[len(lead) :]
            flags = (CALIBRATION_AND_IMAGING,) if _within(line, raw) else ()
            samples = raw.kspace[(s, *frame, slice(None), *line)]
            yield _line(ismrmrd, raw, samples, s, dict(zip(lead, frame, strict=True)), line, flags)


def _within(line: tuple[int, ...], raw: RawData) -> bool:
    if raw.acs_size is None:
        return False
    pairs = zip(line, raw.im_size, raw.acs_size, strict=False)
    return all(n // 2 - m // 2 <= i < n // 2 - m // 2 + m for i, n, m in pairs)


def _line(
    ismrmrd: Any,
    raw: RawData,
    samples: Any,
    s: int,
    counters: dict[str, int],
    line: tuple[int, ...],
    flags: Any,
    trajectory: Any = None,
) -> Any:
    acquisition = _acquisition(ismrmrd, samples, samples.shape[-1] // 2, flags, trajectory)
    idx = acquisition.idx
    idx.slice = raw.slices[s]
    idx.kspace_encode_step_1 = line[-1]
    idx.kspace_encode_step_2 = line[0] if len(line) == 2 else 0
    for axis, number in counters.items():
        setattr(idx, axis, number)
    if raw.directions is not None or raw.slice_spacing or raw.position is not None:
        directions = np.eye(3) if raw.directions is None else raw.directions
        for axis, name in enumerate(("read_dir", "phase_dir", "slice_dir")):
            getattr(acquisition, name)[:] = directions[:, axis]
        acquisition.position[:] = 1e3 * raw.slice_position(raw.slices[s])
    return acquisition


def _acquisition(ismrmrd: Any, samples: Any, centre: int, flags: tuple[int, ...], trajectory: Any = None) -> Any:
    acquisition = ismrmrd.Acquisition()
    acquisition.resize(samples.shape[1], samples.shape[0], 0 if trajectory is None else trajectory.shape[-1])
    if trajectory is not None:
        acquisition.traj[:] = trajectory
    acquisition.version = 1
    acquisition.available_channels = samples.shape[0]
    acquisition.center_sample = centre
    acquisition.data[:] = samples
    for flag in flags:
        acquisition.setFlag(flag)
    return acquisition
