"""A multi-coil scan whose truth is known, from analytic k-space."""

import dataclasses

import numpy as np
import pytest
import torch

from mriops import phantoms, trajectories
from mriops.io import RawData


@dataclasses.dataclass
class Scan:
    kspace: torch.Tensor  # (coils, y, x), noisy, undersampled
    mask: torch.Tensor
    truth: torch.Tensor  # rss of the noiseless fully sampled coil images


@pytest.fixture(scope="session")
def scan() -> Scan:
    size = (96, 80)
    full = phantoms.shepp_logan().multicoil_kspace(size, phantoms.fourier_coils(8))
    truth = torch.linalg.vector_norm(centred_ifft(full), dim=0)
    mask = trajectories.mask_equispaced(size, 2, acs=24)
    noisy = phantoms.add_noise(full, sigma=5e-3, seed=1)
    return Scan(noisy * mask, mask, truth)


def centred_ifft(kspace: torch.Tensor) -> torch.Tensor:
    axes = (-2, -1)
    return torch.fft.fftshift(torch.fft.ifft2(torch.fft.ifftshift(kspace, axes), norm="ortho"), axes)


@pytest.fixture
def raw(scan) -> RawData:
    mask = np.ascontiguousarray(scan.mask.expand(96, 80)[None, :, :1].numpy())
    return RawData(kspace=scan.kspace[None].numpy(), mask=mask)
