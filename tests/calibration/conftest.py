"""Multi-coil data with known sensitivities, for the calibration tests."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor


@dataclass(frozen=True)
class Scan:
    """Simulated fully sampled scan: ``csm`` has unit norm over coils, ``coil_images`` = image * csm."""

    kspace: Tensor
    image: Tensor
    csm: Tensor
    coil_images: Tensor
    noise_std: float

    @property
    def support(self) -> Tensor:
        return self.image.abs() > 0


def centred_fft(x: Tensor, ndim: int, inverse: bool = False) -> Tensor:
    axes = tuple(range(-ndim, 0))
    transform = torch.fft.ifftn if inverse else torch.fft.fftn
    return torch.fft.fftshift(transform(torch.fft.ifftshift(x, dim=axes), dim=axes, norm="ortho"), dim=axes)


def _scan(coils: int, im_size: tuple[int, ...], noise: float, seed: int, dtype: torch.dtype) -> Scan:
    ndim = len(im_size)
    axes = [(torch.arange(n, dtype=torch.float64) - n // 2) / n for n in im_size]
    r = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    radius = torch.tensor([0.42, 0.34, 0.4][:ndim], dtype=torch.float64).reshape(-1, *(1,) * ndim)
    inner = torch.tensor([0.1, -0.08, 0.05][:ndim], dtype=torch.float64).reshape(-1, *(1,) * ndim)
    image = (((r / radius) ** 2).sum(0) < 1).double() - 0.7 * ((((r - inner) / 0.12) ** 2).sum(0) < 1).double()
    image = image * torch.exp(1j * (1.5 * r[0] + 4 * r[-1] ** 2))
    maps = []
    for coil in range(coils):
        angle = 2 * math.pi * coil / coils
        centre = torch.tensor([math.cos(angle), math.sin(angle), 0.4 * (-1) ** coil][:ndim]).double() * 0.6
        distance = ((r - centre.reshape(-1, *(1,) * ndim)) ** 2).sum(0)
        maps.append(torch.exp(-distance / 0.3) * torch.exp(1j * (angle + 2 * r[0] * math.cos(angle) + r[-1])))
    csm = torch.stack(maps)
    coil_images = csm * image
    generator = torch.Generator().manual_seed(seed)
    std = noise * float(coil_images.abs().square().mean().sqrt())
    kspace = centred_fft(coil_images, ndim)
    kspace = kspace + std * torch.randn(kspace.shape, dtype=torch.complex128, generator=generator)
    norm = csm.abs().square().sum(0).sqrt()
    return Scan(kspace.to(dtype), (image * norm).to(dtype), (csm / norm).to(dtype), coil_images.to(dtype), std)


@pytest.fixture(scope="session")
def make_scan() -> Callable[..., Scan]:
    """make_scan(coils, im_size, noise=0.0, seed=0, dtype=torch.complex64), computed once per set of arguments."""
    made: dict[tuple[object, ...], Scan] = {}

    def make(
        coils: int,
        im_size: tuple[int, ...],
        noise: float = 0.0,
        seed: int = 0,
        dtype: torch.dtype = torch.complex64,
    ) -> Scan:
        key = (coils, im_size, noise, seed, dtype)
        if key not in made:
            made[key] = _scan(coils, im_size, noise, seed, dtype)
        return made[key]

    return make
