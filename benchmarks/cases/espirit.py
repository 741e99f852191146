"""ESPIRiT maps from 24 calibration lines of a 16-coil 320x320 k-space, beside bart ecalib and sigpy.

Quality: the part of the noise-free coil images that the maps cannot explain,
``||x - S S^H x|| / ||x||`` over the object, where S are the maps found; no scale or phase convention enters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from benchmarks.case import Built, Case
from benchmarks.contender import Contender
from benchmarks.peers import bart

ACS = 24
COILS, SIZE = 16, (320, 320)


@dataclass(frozen=True)
class Calibration:
    """Fully sampled noisy k-space (coils, y, x), and the noise-free coil images."""

    kspace: torch.Tensor
    coil_images: torch.Tensor


def acquire() -> Calibration:
    """Simulate a phantom's k-space with noise."""
    from mriops import phantoms

    kspace = phantoms.shepp_logan().multicoil_kspace(SIZE, phantoms.fourier_coils(COILS))
    noise = 1e-3 * kspace.abs().amax() / (SIZE[0] * SIZE[1]) ** 0.5
    generator = torch.Generator().manual_seed(2)
    noisy = kspace + noise * torch.randn(kspace.shape, dtype=kspace.dtype, generator=generator)
    images = torch.fft.fftshift(torch.fft.ifft2(torch.fft.ifftshift(kspace, (-2, -1)), norm="ortho"), (-2, -1))
    return Calibration(noisy, images)


def unexplained(csm: torch.Tensor, coil_images: torch.Tensor) -> float:
    """Return ``||x - S S^H x|| / ||x||`` over the voxels where the object is bright and the maps are not cut away."""
    strength = csm.abs().square().sum(0).sqrt()
    power = coil_images.abs().square().sum(0)
    inside = (power > 0.01 * power.max()) & (strength > 0.5)
    unit = csm / strength.clamp_min(1e-12)
    rest = coil_images - unit * (unit.conj() * coil_images).sum(0)
    return float(rest[:, inside].norm() / coil_images[:, inside].norm())


def _mriops(c: Calibration) -> list[Contender]:
    from mriops import calibration

    def call() -> torch.Tensor:
        with torch.no_grad():
            return calibration.espirit(c.kspace, acs=(ACS, ACS))

    return [Contender("mriops", "espirit", call, lambda x: x)]


def _sigpy(c: Calibration) -> list[Contender]:
    import sigpy.mri.app

    kspace = c.kspace.numpy()

    def call() -> object:
        return sigpy.mri.app.EspiritCalib(kspace, calib_width=ACS, show_pbar=False).run()

    return [Contender("sigpy", "EspiritCalib", call, lambda x: torch.from_numpy(x))]


def build(peers: Sequence[str] | None = None) -> Built:
    """Simulate the acquisition and set up the peers."""
    c = acquire()
    makers = {"mriops": _mriops, "sigpy": _sigpy, "bart": bart.ecalib}
    contenders: list[Contender] = []
    missing: list[str] = []
    for peer, make in makers.items():
        if peers is not None and peer not in peers:
            continue
        try:
            contenders += make(c)
        except (ImportError, bart.BartMissing) as error:
            missing.append(f"{peer}: {error}")
    return Built(contenders, lambda who, result: unexplained(who.canonical(result), c.coil_images), missing)


CASES: tuple[Case, ...] = (
    Case(
        name="espirit-16x320x320",
        title=f"ESPIRiT, 16 coils x 320x320, {ACS} ACS lines",
        build=build,
        goals={"bart": 3.0, "sigpy": 3.0},
        quality_name="unexplained part",
        memory=False,
        seconds=4.0,
    ),
)
