"""The scan of `mriops demo`: a brain with analytic k-space, seen by coils with correlated noise, as raw data."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from mriops import phantoms, trajectories
from mriops.io import RawData

_READOUT_OVERSAMPLING = 2
_NOISE_SAMPLES = 8192


@dataclasses.dataclass(frozen=True)
class Protocol:
    """What is simulated: matrix, coils, undersampling, noise.

    Attributes
    ----------
    size
        Image size `(y, x)`.
    n_coils
        Receive coils around the head.
    acceleration, acs
        Every `acceleration`-th line and `acs` centre lines.
    snr
        White matter over noise in a coil-combined image of full sampling, about.
    seed
        Of the noise.
    """

    size: tuple[int, int] = (256, 256)
    n_coils: int = 16
    acceleration: int = 4
    acs: int = 24
    snr: float = 40.0
    seed: int = 0


def simulate(protocol: Protocol) -> tuple[RawData, RawData]:
    """The undersampled noisy scan, and the same scan fully sampled and without noise.

    Both have the noise scan, so that both are whitened alike. The readout is oversampled twice, as scanners do.
    K-space is the exact Fourier transform of the object times the coil sensitivities: no grid of the reconstruction
    is in it.
    """
    phantom = phantoms.brain(contrast="t1")
    kspace = _oversampled_kspace(phantom, phantoms.fourier_coils(protocol.n_coils), protocol.size)
    # Signals of tissues are of order one, and so is the root sum of squares of the maps.
    level = 0.5 / protocol.snr
    covariance = phantoms.coil_covariance(protocol.n_coils, protocol.seed, sigma=level)
    noise = phantoms.noise_samples(covariance, _NOISE_SAMPLES, seed=protocol.seed + 1)
    mask = trajectories.mask_equispaced(protocol.size, protocol.acceleration, acs=protocol.acs)
    noisy = phantoms.add_noise(kspace, covariance, seed=protocol.seed + 2) * mask
    lines = np.ascontiguousarray(mask.expand(protocol.size)[None, :, :1].numpy())
    ny, nx = protocol.size
    fov = phantom.fov
    full = RawData(
        kspace=kspace[None].numpy(),
        noise=noise.numpy(),
        recon_size=protocol.size,
        field_of_view=(5e-3, fov, fov * _READOUT_OVERSAMPLING),
        directions=np.eye(3),  # axial: x to the left, y to the back, z to the head
        position=np.zeros(3),
        repetition_time=(0.5,),
        echo_time=(0.01,),
        flip_angle=(float(np.deg2rad(90)),),
        field_strength=3.0,
        vendor="mriops",
        model="simulation",
    )
    acs_size = (min(protocol.acs, ny), nx * _READOUT_OVERSAMPLING)
    return dataclasses.replace(full, kspace=noisy[None].numpy(), mask=lines, acs_size=acs_size), full


def _oversampled_kspace(phantom: phantoms.Phantom, coils: phantoms.FourierCoils, size: tuple[int, int]) -> Tensor:
    """Exact k-space `(coils, y, 2 x)` on a readout of half the spacing.

    That is the Cartesian grid of an object squeezed to half its width in a field of view twice as wide; squeezed coil
    maps have every harmonic doubled.
    """
    narrow = phantom.moved(((1.0, 0.0), (0.0, 1.0 / _READOUT_OVERSAMPLING)))
    old = coils.coefficients
    wide = torch.zeros(*old.shape[:-1], _READOUT_OVERSAMPLING * (old.shape[-1] - 1) + 1, dtype=old.dtype)
    wide[..., ::_READOUT_OVERSAMPLING] = old
    squeezed = dataclasses.replace(coils, coefficients=wide)
    return narrow.multicoil_kspace((size[0], _READOUT_OVERSAMPLING * size[1]), squeezed)
