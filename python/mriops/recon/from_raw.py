"""One call from raw data to images: what the command line and the demo run for every slice."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mriops import trajectories
from mriops._native.arguments import instance, integer, not_negative, number
from mriops.io import RawData, ScanInfo, crop_centre
from mriops.recon.coil_maps import CALIBRATIONS, estimate_csm
from mriops.recon.combine import rss, zero_filled
from mriops.recon.from_trajectory import prepare_shots, reconstruct_shots
from mriops.recon.prepare import Prepared, prepare
from mriops.recon.sense import sense

METHODS = ("sense", "zero-filled", "rss")
# Widest ESPIRiT calibration region per axis: more costs time and does not sharpen the maps.
_WIDEST_ACS = 24


@dataclass(frozen=True)
class Settings:
    """What `reconstruct` does.

    Attributes
    ----------
    method
        One of `METHODS`.
    calib
        One of `CALIBRATIONS`, how coil maps are estimated.
    n_maps
        Sets of maps (ESPIRiT); images of several sets are combined by root sum of squares.
    l2, max_iter, tol
        Of `mriops.recon.sense`. 1e-3 suits a signal-to-noise ratio of about 40 at R = 4 (the demo); 1e-2 a noisier
        scan (benchmarks/real_data.py), where it lowers the error by 6 % further.
    compress
        Virtual coils, None for all.
    whiten
        Use the noise scan.
    acceleration, acs
        Keep every `acceleration`-th phase-encode line and `acs` centre lines of what was acquired (retrospective
        undersampling); `acceleration` 1 keeps everything.
    device
        torch device.

    Raises
    ------
    TypeError, ValueError
        If a choice is unknown, a number out of range or of the wrong kind, or several sets of maps are asked of another
        method.
    """

    method: str = "sense"
    calib: str = "espirit"
    n_maps: int = 1
    l2: float = 1e-3
    max_iter: int = 30
    tol: float = 1e-5
    compress: int | None = None
    whiten: bool = True
    acceleration: int = 1
    acs: int = 24
    device: torch.device | str = "cpu"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method: expected one of {', '.join(METHODS)}, got {self.method!r}")
        if self.calib not in CALIBRATIONS:
            raise ValueError(f"calib: expected one of {', '.join(CALIBRATIONS)}, got {self.calib!r}")
        for name, least in (("n_maps", 1), ("max_iter", 1), ("acceleration", 1), ("acs", 0)):
            integer(name, getattr(self, name), least)
        for name in ("l2", "tol"):
            number(name, getattr(self, name), "a number >= 0", not_negative)
        if self.compress is not None:
            integer("compress", self.compress, 1, "an integer >= 1 or None")
        instance("whiten", self.whiten, bool, "a bool")
        expected = "the name of a torch device, such as cpu or cuda:0"
        try:
            torch.device(instance("device", self.device, (str, torch.device), expected))
        except RuntimeError:
            raise ValueError(f"device: expected {expected}, got {self.device!r}") from None
        if self.method == "sense" and self.calib != "espirit" and self.n_maps != 1:
            raise ValueError(f"n_maps: expected 1 with calib {self.calib!r}, got {self.n_maps}")

    def check(self, info: ScanInfo) -> None:
        """Refuse a scan that the settings do not fit, before anything is read or computed.

        Raises
        ------
        ValueError
            If there are fewer coils than `compress` or `n_maps`, or the scan has a trajectory and `acceleration` or
            `n_maps` is not 1.
        """
        if info.matrix:
            for name in ("acceleration", "n_maps"):
                if getattr(self, name) != 1:
                    raise ValueError(f"{name}: expected 1 for data with a trajectory, got {getattr(self, name)}")
        if self.compress is not None and self.compress > info.n_coils:
            raise ValueError(f"compress: expected at most the {info.n_coils} coils of the data, got {self.compress}")
        n_coils = self.compress or info.n_coils
        if self.method == "sense" and self.n_maps > n_coils:
            raise ValueError(f"n_maps: expected at most the {n_coils} coils that maps are for, got {self.n_maps}")


def reconstruct(raw: RawData, settings: Settings | None = None) -> Tensor:
    """Images of all slices and frames in `raw`, cropped to the prescribed field of view.

    Parameters
    ----------
    raw
        As `mriops.io.read` gives it; one slice at a time limits memory.
    settings
        Defaults of `Settings` if None.

    Returns
    -------
    Tensor (slices, *frames, *recon_size) on the CPU
        Complex; real for `method="rss"` or several map sets.

    Raises
    ------
    TypeError, ValueError
        If the data or the settings do not fit.
    """
    settings = settings or Settings()
    settings.check(raw)
    image = _from_shots(raw, settings) if raw.trajectory is not None else _from_lines(raw, settings)
    size = tuple(min(n, m) for n, m in zip(raw.recon_size, image.shape[-raw.ndim :], strict=True))
    return crop_centre(image, size).contiguous().cpu()


def _from_shots(raw: RawData, settings: Settings) -> Tensor:
    data = prepare_shots(
        raw, whiten=settings.whiten, n_coils=settings.compress, acs=_WIDEST_ACS, device=settings.device
    )
    return reconstruct_shots(
        data,
        method=settings.method,
        calib=settings.calib,
        acs=_WIDEST_ACS,
        l2=settings.l2,
        max_iter=settings.max_iter,
        tol=settings.tol,
    )


def _from_lines(raw: RawData, settings: Settings) -> Tensor:
    data = prepare(raw, whiten=settings.whiten, n_coils=settings.compress, device=settings.device)
    data = undersample(data, settings.acceleration, settings.acs)
    return _image(data, settings)


def _image(data: Prepared, settings: Settings) -> Tensor:
    ndim, kspace = data.info.ndim, data.kspace
    if settings.method == "rss":
        return rss(kspace, ndim=ndim)
    n_maps = settings.n_maps if settings.method == "sense" else 1
    width = _WIDEST_ACS if settings.calib == "espirit" else max(data.acs_size)
    acs = [min(width, n) for n in data.acs_size]
    csm = estimate_csm(data.calibration, method=settings.calib, acs=acs, n_maps=n_maps, ndim=ndim)
    csm = csm.reshape(csm.shape[0], *(1,) * data.n_frames, *csm.shape[1:])
    if settings.method == "zero-filled":
        return zero_filled(kspace, csm, mask=data.mask, ndim=ndim)
    image = sense(
        kspace,
        csm=csm,
        mask=data.mask,
        n_maps=n_maps,
        l2=settings.l2,
        max_iter=settings.max_iter,
        tol=settings.tol,
        ndim=ndim,
    )
    return torch.linalg.vector_norm(image, dim=-ndim - 1) if n_maps > 1 else image


def undersample(data: Prepared, acceleration: int, acs: int) -> Prepared:
    """Drop phase-encode lines: keep every `acceleration`-th along y and `acs` around the centre.

    Raises
    ------
    ValueError
        If nothing would be left.
    """
    if acceleration == 1:
        return data
    lines = trajectories.mask_equispaced(data.info.im_size, acceleration, acs=acs)
    lines = lines.expand(data.info.im_size)[..., :1].to(data.kspace.device)
    mask = lines.expand(*(1,) * (1 + data.n_frames), *lines.shape)
    mask = mask if data.mask is None else mask & data.mask
    if not bool(mask.any()):
        raise ValueError(
            f"acceleration: expected lines to be left, got none with acceleration {acceleration}, acs {acs}"
        )
    *outer, acs_y, acs_x = data.acs_size
    size = (*outer, min(acs_y, max(acs, 1)), acs_x)
    kspace = data.kspace * mask.unsqueeze(1 + data.n_frames)
    return Prepared(kspace, mask, data.calibration * lines, size, data.info)
