"""Receiver noise: its covariance over coils, an estimate without a noise scan, and whitening."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mriops._native.arguments import instance, number
from mriops._native.batches import broadcasts_to
from mriops.calibration.acs import check_kspace

__all__ = ["cholesky_factor", "noise_covariance", "noise_from_corners", "prewhiten", "whitening_matrix"]

_PRECISIONS = (torch.float32, torch.float64, torch.complex64, torch.complex128)


def noise_covariance(noise: Tensor, *, coil_dim: int = 0) -> Tensor:
    """Covariance of complex noise samples over coils.

    Psi_cd = (1 / (n - 1)) sum_t (n_c(t) - mean_c) conj(n_d(t) - mean_d)

    Parameters
    ----------
    noise
        Complex samples, coils along ``coil_dim``, all other axes are samples, e.g. (coils, samples).
    coil_dim
        Coil axis.

    Returns
    -------
    (coils, coils), Hermitian, in the dtype of ``noise`` (accumulated in complex128). The diagonal is the variance of
    the complex samples, i.e. of real plus imaginary part.

    Raises
    ------
    TypeError, ValueError
        If ``noise`` is not complex, not finite, or has no more samples than coils (the covariance would be singular).

    References
    ----------
    Kellman P, McVeigh ER. Image reconstruction in SNR units. Magn Reson Med 54:1439 (2005).
    """
    instance("noise", noise, Tensor, "a torch.Tensor")
    if noise.ndim < 1:
        raise ValueError("noise: expected a coil axis, got a tensor without axes")
    if not -noise.ndim <= coil_dim < noise.ndim:
        raise ValueError(f"coil_dim: expected an axis of noise {tuple(noise.shape)}, got {coil_dim}")
    samples = noise.movedim(coil_dim, 0).reshape(noise.shape[coil_dim], -1)
    samples = check_kspace(samples, ndim=1, name="noise").to(torch.complex128)
    coils, count = samples.shape
    if count <= coils:
        raise ValueError(f"noise: expected more samples than coils ({coils}), got {count}")
    samples = samples - samples.mean(1, keepdim=True)
    covariance = samples @ samples.mH / (count - 1)
    return ((covariance + covariance.mH) / 2).to(noise.dtype)


def cholesky_factor(
    covariance: Tensor,
    coils: int | None = None,
    *,
    batch: tuple[int, ...] | None = None,
    dtype: torch.dtype | None = None,
    name: str = "covariance",
) -> Tensor:
    """Lower triangular L with L L^H = ``covariance`` (..., coils, coils), checked.

    Parameters
    ----------
    covariance
        (..., coils, coils).
    coils
        Their number, where it is known.
    batch
        Shape that the leading axes have to broadcast to; any if None.
    dtype
        Of the result, that of ``covariance`` if None.
    name
        Argument name used in messages.

    Raises
    ------
    TypeError
        If the covariance is no tensor, or has no precision to compute in.
    ValueError
        If it has another shape, is not finite, not Hermitian, or not positive definite.
    """
    instance(name, covariance, Tensor, "a torch.Tensor")
    shape, axes = tuple(covariance.shape), ("coils" if coils is None else coils,) * 2
    if len(shape) < 2 or shape[-1] != shape[-2] or 0 in shape or coils not in (None, shape[-1]):
        raise ValueError(f"{name}: expected shape (..., {axes[0]}, {axes[1]}) without empty axes, got {shape}")
    if batch is not None and not broadcasts_to(shape[:-2], batch):
        raise ValueError(f"{name}: expected batch axes that broadcast to {batch}, got {shape}")
    covariance = covariance if dtype is None else covariance.to(dtype)
    if covariance.dtype not in _PRECISIONS:
        raise TypeError(f"{name}: expected {', '.join(str(d) for d in _PRECISIONS)}, got {covariance.dtype}")
    scale = float(covariance.abs().max())
    skew = float((covariance - covariance.mH).abs().max())
    if not math.isfinite(scale) or skew > 1e-3 * scale:
        raise ValueError(f"{name}: expected a finite Hermitian matrix, got asymmetry {skew:g} of {scale:g}")
    factor, info = torch.linalg.cholesky_ex(covariance)
    if bool((info != 0).any()):
        failed = int(info.reshape(-1).max())
        raise ValueError(
            f"{name}: expected a positive definite matrix, got one whose leading minor of order {failed} is not "
            "(a coil without noise, or two identical coils?)"
        )
    return factor


def whitening_matrix(covariance: Tensor) -> Tensor:
    """Matrix W = L^-1 with W Psi W^H = 1, where Psi = L L^H (Cholesky).

    Parameters
    ----------
    covariance
        Psi (..., coils, coils), Hermitian positive definite.

    Returns
    -------
    (..., coils, coils), lower triangular.

    Raises
    ------
    TypeError, ValueError
        As :func:`cholesky_factor`.

    References
    ----------
    Pruessmann KP et al. Advances in sensitivity encoding with arbitrary k-space trajectories. Magn Reson Med 46:638
    (2001).
    """
    factor = cholesky_factor(covariance)
    identity = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device).expand_as(factor)
    return torch.linalg.solve_triangular(factor, identity, upper=False)


def prewhiten(
    kspace: Tensor, noise: Tensor | None = None, *, covariance: Tensor | None = None, ndim: int = 2
) -> Tensor:
    """Mix coils so that their noise is uncorrelated with unit variance: y = L^-1 k, Psi = L L^H.

    Parameters
    ----------
    kspace
        (*batch, coils, *im_size) complex k-space or coil images.
    noise
        Noise samples (coils, ...), complex; or
    covariance
        their covariance (coils, coils) (:func:`noise_covariance`), or one per item of the batch. Give exactly one of
        the two.
    ndim
        Number of spatial axes.

    Returns
    -------
    (*batch, coils, *im_size), contiguous.

    Raises
    ------
    TypeError, ValueError
        If not exactly one of ``noise`` and ``covariance`` is given, coil counts differ, values are not finite, or
        the covariance is not positive definite.

    References
    ----------
    Pruessmann KP et al. Advances in sensitivity encoding with arbitrary k-space trajectories. Magn Reson Med 46:638
    (2001).
    """
    kspace = check_kspace(kspace, ndim=ndim)
    coils, name = kspace.shape[-ndim - 1], "covariance"
    if noise is not None and covariance is None:
        instance("noise", noise, Tensor, "a torch.Tensor or None")
        if noise.ndim < 1 or noise.shape[0] != coils:
            raise ValueError(f"noise: expected {coils} coils on axis 0, got {tuple(noise.shape)}")
        covariance, name = noise_covariance(noise), "covariance of noise"
    elif noise is not None or covariance is None:
        raise ValueError(
            "noise, covariance: expected exactly one of them, got " + ("neither" if noise is None else "both")
        )
    batch = tuple(kspace.shape[: -ndim - 1])
    factor = cholesky_factor(covariance, coils, batch=batch, dtype=torch.complex128, name=name).to(kspace.dtype)
    flat = kspace.reshape(*kspace.shape[:-ndim], -1)
    factor = factor.expand(*flat.shape[:-2], coils, coils)
    return torch.linalg.solve_triangular(factor, flat, upper=False).reshape(kspace.shape).contiguous()


def noise_from_corners(data: Tensor, *, fraction: float = 0.04, ndim: int = 2) -> Tensor:
    """Noise samples from the corners of k-space or of coil images, for data without a noise scan.

    The orthonormal transform keeps white noise white, so that either domain will do where its corners hold no signal.
    k-space corners still do at low resolution or high SNR (the estimate is then too large); image corners do not, but
    without readout oversampling they show the receiver's filter (too small). A noise scan is better than both. Samples
    that are exactly zero in all coils (not acquired) are left out.

    Parameters
    ----------
    data
        (*batch, coils, *im_size), complex, centred k-space or coil images.
    fraction
        Part of the samples to use, 0 < fraction <= 0.5: all corners together.
    ndim
        Number of spatial axes, 2 or 3 (of 1 the two ends are used).

    Returns
    -------
    (coils, samples), batch items joined. Give it to :func:`noise_covariance` or :func:`prewhiten`.

    Raises
    ------
    TypeError, ValueError
        If ``data`` is misshaped or not finite, ``fraction`` is out of range, or too few corner samples were acquired.

    References
    ----------
    Aja-Fernandez S, Vegas-Sanchez-Ferrero G. Statistical analysis of noise in MRI. Springer (2016), ch. 7.
    """
    data = check_kspace(data, ndim=ndim, name="data")
    fraction = number("fraction", fraction, "0 < fraction <= 0.5", lambda value: 0 < value <= 0.5)
    coils = data.shape[-ndim - 1]
    im_size = data.shape[-ndim:]
    corner = torch.ones((), dtype=torch.bool, device=data.device)
    edge = fraction ** (1 / sum(n > 1 for n in im_size)) if any(n > 1 for n in im_size) else 1.0
    for axis, n in enumerate(im_size):
        distance = (torch.arange(n, device=data.device) - n // 2).abs() / max(n / 2, 1)
        outside = (distance > 1 - edge) if n > 1 else torch.ones(1, dtype=torch.bool, device=data.device)
        corner = corner & outside.reshape(-1, *(1,) * (ndim - 1 - axis))
    samples = data.movedim(-ndim - 1, 0)[..., corner].reshape(coils, -1)
    samples = samples[:, (samples != 0).any(0)]
    if samples.shape[1] <= coils:
        raise ValueError(
            f"data: expected more acquired corner samples than coils ({coils}), got {samples.shape[1]} "
            f"in a fraction of {fraction}"
        )
    return samples
