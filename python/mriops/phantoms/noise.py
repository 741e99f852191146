"""Complex Gaussian receiver noise with a coil covariance, and the noise scan that goes with it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mriops._native.arguments import instance, integer, not_negative, number
from mriops._native.batches import broadcasts_to


def add_noise(
    kspace: Tensor,
    covariance: Tensor | float | None = None,
    seed: int = 0,
    *,
    sigma: float | None = None,
    ndim: int = 2,
    mask: Tensor | None = None,
) -> Tensor:
    """k-space plus noise n with E[n n^H] = covariance over coils, white over samples.

    The centred orthonormal transform keeps the covariance: noise of the coil images has the same one.

    Parameters
    ----------
    kspace : Tensor (*batch, coils, *samples)
        Complex; the coil axis stands before the last `ndim` axes.
    covariance : Tensor (coils, coils) or float, optional
        Hermitian positive semidefinite; a number c stands for c times the identity. It is the full complex variance
        E|n|^2, half of it in each of real and imaginary part.
    seed : int
        The same seed gives the same noise on every device.
    sigma : float, optional
        Instead of covariance: standard deviation sqrt(E|n|^2) of uncorrelated coils.
    ndim : int
        Number of sample axes: 2 or 3 for Cartesian grids, 1 for non-Cartesian samples.
    mask : Tensor, optional
        Broadcastable to (*batch, *samples); where it is zero no noise is added.

    Returns
    -------
    Tensor like kspace

    Raises
    ------
    ValueError
        If not exactly one of covariance and sigma is given, or shapes or definiteness do not fit.
    """
    if not instance("kspace", kspace, Tensor, "a torch.Tensor").is_complex():
        raise TypeError(f"kspace: expected a complex tensor, got {kspace.dtype}")
    if kspace.ndim < integer("ndim", ndim, 1) + 1:
        raise ValueError(f"kspace: expected shape (*batch, coils, {ndim} sample axes), got {tuple(kspace.shape)}")
    n_coils = kspace.shape[-ndim - 1]
    if not n_coils:
        raise ValueError(f"kspace: expected at least one coil, got shape {tuple(kspace.shape)}")
    if mask is not None:
        instance("mask", mask, Tensor, "a torch.Tensor or None")
        spatial, batch = tuple(kspace.shape[kspace.ndim - ndim :]), tuple(kspace.shape[: -ndim - 1])
        if not broadcasts_to(tuple(mask.shape), (*batch, *spatial)):
            expected = f"a shape that broadcasts to {(*batch, *spatial)} (no coil axis)"
            raise ValueError(f"mask: expected {expected}, got {tuple(mask.shape)}")
    factor = _factor(covariance, sigma, n_coils)
    samples = tuple(kspace.shape[kspace.ndim - ndim :])
    white = _white_noise((*kspace.shape[: kspace.ndim - ndim - 1], math.prod(samples), n_coils), seed)
    noise = (white @ factor.T).transpose(-1, -2).reshape(kspace.shape).to(kspace.device, kspace.dtype)
    if mask is not None:
        sampled = mask.to(noise.device) != 0
        noise = noise * (sampled.unsqueeze(-ndim - 1) if sampled.ndim >= ndim else sampled)
    return kspace + noise


def noise_samples(
    covariance: Tensor | float | None = None,
    n_samples: int = 4096,
    seed: int = 0,
    *,
    sigma: float | None = None,
    n_coils: int | None = None,
    dtype: torch.dtype = torch.complex64,
) -> Tensor:
    """A noise-only scan for prewhitening.

    Parameters
    ----------
    covariance, sigma
        As in `add_noise`.
    n_samples : int
    seed : int
        Take another one than for the data.
    n_coils : int, optional
        Needed where covariance is not a matrix.

    Returns
    -------
    Tensor (coils, n_samples) of `dtype`

    Raises
    ------
    TypeError, ValueError
        If the number of coils is unknown or contradictory, n_samples is not positive, or as `add_noise` does.
    """
    if n_coils is None:
        if not isinstance(covariance, Tensor) or covariance.ndim != 2:
            raise ValueError("n_coils: expected an int where covariance is not a matrix (a torch.Tensor), got None")
        n_coils = covariance.shape[0]
    integer("n_coils", n_coils, 1)
    integer("n_samples", n_samples, 1)
    factor = _factor(covariance, sigma, n_coils)
    return (factor @ _white_noise((n_samples, n_coils), seed).T).to(dtype)


def coil_covariance(
    n_coils: int, seed: int = 0, *, sigma: float = 1.0, correlation: float = 0.3, spread: float = 0.2
) -> Tensor:
    """A plausible noise covariance of a receive array: neighbours correlate, gains differ.

    Psi_ij = g_i g_j sigma^2 correlation^d(i,j) exp(i (phi_i - phi_j)), d the distance around a ring of coils.

    Parameters
    ----------
    n_coils : int
    seed : int
    sigma : float
        Typical standard deviation of one coil, sqrt(E|n|^2).
    correlation : float
        Of direct neighbours, in [0, 1).
    spread : float
        Standard deviation of log gains.

    Returns
    -------
    Tensor (n_coils, n_coils), complex128, positive definite

    Raises
    ------
    TypeError, ValueError
        If a number is none, n_coils is not positive, sigma or spread negative, or correlation outside [0, 1).
    """
    integer("n_coils", n_coils, 1)
    number("sigma", sigma, "a finite number >= 0", not_negative)
    number("correlation", correlation, "0 <= correlation < 1", lambda value: 0 <= value < 1)
    number("spread", spread, "a finite number >= 0", not_negative)
    generator = torch.Generator().manual_seed(seed)
    gain = sigma * torch.exp(spread * torch.randn(n_coils, generator=generator, dtype=torch.float64))
    phase = (2.0 * math.pi) * torch.rand(n_coils, generator=generator, dtype=torch.float64)
    index = torch.arange(n_coils)
    distance = (index[:, None] - index).abs()
    distance = torch.minimum(distance, n_coils - distance)
    weight = torch.polar(gain, phase)
    # correlation^d on a ring is a circulant with positive spectrum
    return weight[:, None] * weight.conj() * torch.where(distance == 0, 1.0, correlation ** distance.to(torch.float64))


def _white_noise(shape: tuple[int, ...], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(integer("seed", seed, -(2**63), "an integer"))
    return torch.randn(shape, generator=generator, dtype=torch.complex128)  # E|n|^2 = 1


def _factor(covariance: Tensor | float | None, sigma: float | None, n_coils: int) -> Tensor:
    """L (coils, coils) with L L^H = covariance; eigenvectors, so that singular covariances are allowed."""
    if (covariance is None) == (sigma is None):
        raise ValueError(
            "covariance: expected exactly one of covariance and sigma, got " + ("none" if sigma is None else "both")
        )
    if sigma is not None:
        covariance = number("sigma", sigma, "a finite number >= 0", not_negative) ** 2
    try:
        matrix = torch.as_tensor(covariance, dtype=torch.complex128).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        expected = f"a number or shape {(n_coils, n_coils)}"
        raise TypeError(f"covariance: expected {expected}, got {type(covariance).__name__}") from None
    if matrix.ndim == 0:
        matrix = matrix * torch.eye(n_coils, dtype=torch.complex128)
    if tuple(matrix.shape) != (n_coils, n_coils):
        raise ValueError(f"covariance: expected a number or shape {(n_coils, n_coils)}, got {tuple(matrix.shape)}")
    largest = float(matrix.abs().max())
    if not math.isfinite(largest) or float((matrix - matrix.mH).abs().max()) > 1e-5 * largest:
        raise ValueError("covariance: expected a finite Hermitian matrix, got one that is not")
    value, vector = torch.linalg.eigh(matrix)
    if float(value[0]) < -1e-5 * largest:
        raise ValueError(f"covariance: expected a positive semidefinite matrix, got eigenvalue {float(value[0]):.3g}")
    return vector * value.clamp_min(0.0).sqrt()
