"""Noise amplification of parallel imaging: analytic for uniform undersampling, pseudo replicas for the rest."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mriops._native.arguments import instance, integer, sizes, whole
from mriops.calibration import check_kspace
from mriops.calibration.noise import cholesky_factor
from mriops.phantoms.noise import add_noise


def gfactor(
    csm: Tensor,
    acceleration: int | Sequence[int],
    *,
    caipi_shift: int = 0,
    noise_covariance: Tensor | None = None,
    ndim: int = 2,
) -> Tensor:
    """SENSE g-factor of a uniformly undersampled scan, g_i = sqrt([(S^H Psi^-1 S)^-1]_ii [S^H Psi^-1 S]_ii).

    S holds the sensitivities of the R pixels that fold onto each other. Pixels without sensitivity in any coil are left
    out of the system, and have g = 0; where the rest cannot be told apart (more of them than coils, or parallel
    columns) g is infinite.

    Parameters
    ----------
    csm : Tensor (*batch, coils, *im_size), complex
        Finite: one NaN would spoil all the pixels that fold onto it.
    acceleration : int or sequence of int
        R per axis, order (z, y, x); one number is along y. Each R must divide its axis: otherwise equispaced lines do
        not close around k-space, and every pixel aliases with every other.
    caipi_shift : int
        Shift in y from one sampled row in z to the next, as in `trajectories.mask_caipi`; 3D only.
    noise_covariance : Tensor (coils, coils), optional
        Psi, Hermitian positive definite, or one per item of the batch; identity by default.
    ndim : {2, 3}

    Returns
    -------
    Tensor (*batch, *im_size), real, of the precision of csm (computed in float64); empty where the batch is

    Raises
    ------
    TypeError, ValueError
        If R does not divide its axis, the shift does not close around the field of view, shapes do not fit, csm holds
        NaN or Inf, or the covariance is not Hermitian positive definite.

    References
    ----------
    Pruessmann, Weiger, Scheidegger, Boesiger. SENSE: sensitivity encoding for fast MRI. MRM 42:952 (1999).
    Breuer et al. Controlled aliasing in volumetric parallel imaging (2D CAIPIRINHA). MRM 55:549 (2006).
    """
    ndim = integer("ndim", ndim, 2, "2 or 3", 3)
    csm = check_kspace(csm, ndim=ndim, name="csm", empty_batch=True)
    im_size = tuple(csm.shape[-ndim:])
    groups = _alias_groups(im_size, _rates(acceleration, im_size), caipi_shift).to(csm.device)
    white = _whiten(csm.detach().to(torch.complex128).flatten(-ndim), noise_covariance)
    out = torch.zeros((*csm.shape[: -ndim - 1], math.prod(im_size)), dtype=torch.float64, device=csm.device)
    block = max(1, (1 << 22) // max(1, white.shape[:-1].numel() * groups.shape[1]))
    for first in range(0, groups.shape[0], block):
        index = groups[first : first + block]
        out[..., index] = _amplification(white[..., index].movedim(-3, -2))
    return out.unflatten(-1, im_size).to(csm.real.dtype)


def noise_pseudo_replica(
    reconstruct: Callable[[Tensor], Tensor],
    kspace: Tensor,
    *,
    noise_covariance: Tensor | float = 1.0,
    mask: Tensor | None = None,
    n_replicas: int = 100,
    seed: int = 0,
    ndim: int = 2,
) -> Tensor:
    """Standard deviation of a reconstruction's noise, from reconstructions of the data with synthetic noise added.

    Parameters
    ----------
    reconstruct : callable
        (*batch, coils, *im_size) -> image of any shape. Should be linear in k-space, or linear enough at this noise.
    kspace : Tensor (*batch, coils, *im_size)
        The data the noise is added to; zeros will do for a linear reconstruction.
    noise_covariance : Tensor (coils, coils) or float
        E[n n^H] of the noise added.
    mask : Tensor, optional
        Broadcastable to (*batch, *im_size): noise is added only where it is not zero.
    n_replicas : int
        The relative error of the result is 1/(2 sqrt(n_replicas - 1)).
    seed : int
    ndim : int
        Number of k-space axes after the coils (1 for non-Cartesian samples).

    Returns
    -------
    Tensor like the image, real: sqrt(E|image - E image|^2)

    Raises
    ------
    TypeError, ValueError
        If n_replicas is no integer of at least 2, or as `phantoms.add_noise` does.

    References
    ----------
    Robson, Grant, Madhuranthakam, Lattanzi, Sodickson, McKenzie. Comprehensive quantification of signal-to-noise ratio
    and g-factor for image-based and k-space-based parallel imaging reconstructions. MRM 60:895 (2008).
    """
    n_replicas = integer("n_replicas", n_replicas, 2)
    seed = integer("seed", seed, -(2**63), "an integer")
    with torch.no_grad():
        clean = reconstruct(kspace)
        total, energy = torch.zeros_like(clean), torch.zeros_like(clean.real)
        for replica in range(n_replicas):
            noisy = add_noise(kspace, noise_covariance, seed + replica, ndim=ndim, mask=mask)
            deviation = reconstruct(noisy) - clean
            total += deviation
            energy += deviation.abs().square()
        variance = (energy - total.abs().square() / n_replicas) / (n_replicas - 1)
        return variance.clamp_min(0.0).sqrt()


def gfactor_pseudo_replica(
    reconstruct: Callable[[Tensor], Tensor],
    reference: Callable[[Tensor], Tensor],
    kspace: Tensor,
    *,
    mask: Tensor,
    noise_covariance: Tensor | float = 1.0,
    n_replicas: int = 100,
    seed: int = 0,
    ndim: int = 2,
) -> Tensor:
    """g-factor of any linear reconstruction, sigma_undersampled / (sigma_full sqrt(R)), from pseudo replicas.

    R is the achieved acceleration, entries of the mask over sampled ones.

    Parameters
    ----------
    reconstruct : callable
        Undersampled k-space (*batch, coils, *im_size), zero off the mask, -> image.
    reference : callable
        The same for fully sampled k-space, with the same scale of images.
    kspace : Tensor (*batch, coils, *im_size)
        Fully sampled data, or zeros for linear reconstructions.
    mask : Tensor
        Broadcastable to (*batch, *im_size).
    noise_covariance, n_replicas, seed, ndim
        As in `noise_pseudo_replica`; the relative error is sqrt(2)/(2 sqrt(n_replicas - 1)).

    Returns
    -------
    Tensor like the image, real; 0 where the reference has no noise

    Raises
    ------
    TypeError, ValueError
        If the mask is no tensor or samples nothing, or as `noise_pseudo_replica` does.

    References
    ----------
    Robson et al. Comprehensive quantification of signal-to-noise ratio and g-factor for image-based and k-space-based
    parallel imaging reconstructions. MRM 60:895 (2008).
    """
    instance("kspace", kspace, Tensor, "a torch.Tensor")
    sampled = int(torch.count_nonzero(instance("mask", mask, Tensor, "a torch.Tensor")))
    if sampled == 0:
        raise ValueError("mask: expected at least one sampled entry, got none")
    options = {"noise_covariance": noise_covariance, "n_replicas": n_replicas, "ndim": ndim}
    on_mask = (mask != 0).to(kspace.device)
    on_mask = on_mask.unsqueeze(-ndim - 1) if on_mask.ndim >= ndim else on_mask
    accelerated = noise_pseudo_replica(reconstruct, kspace * on_mask, mask=mask, seed=seed, **options)
    # independent noise for the two, so that their errors add as stated
    full = noise_pseudo_replica(reference, kspace, seed=seed + n_replicas, **options)
    ratio = accelerated / (full * math.sqrt(mask.numel() / sampled))
    return torch.where(full > 0, ratio, torch.zeros_like(ratio))


def _rates(acceleration: int | Sequence[int], im_size: tuple[int, ...]) -> tuple[int, ...]:
    ndim = len(im_size)
    one = whole(acceleration)
    given = acceleration if one is None else (*(1,) * (ndim - 2), one, 1)
    rates = sizes("acceleration", given, f"a positive int or {ndim} of them", ndim)
    for r, n in zip(rates, im_size, strict=True):
        if n % r:
            raise ValueError(f"acceleration: expected to divide the image size {im_size}, got {rates}")
    return rates


def _alias_groups(im_size: tuple[int, ...], rates: tuple[int, ...], shift: int) -> Tensor:
    """Flat pixel indices (groups, R): each row holds the pixels that fold onto each other.

    Pixel offsets d keep exp(2 pi i d.k/N) the same at every sampled k: d_y = j N_y/R_y, and, for rows shifted from each
    other, d_z = (m - j shift/R_y) N_z/R_z.
    """
    if shift and (len(im_size) != 3 or not 0 <= shift < rates[1]):
        raise ValueError(f"caipi_shift: expected 0, or 0 <= shift < R_y with 3D maps, got {shift}")
    if shift and (shift * (im_size[0] // rates[0])) % rates[1]:
        raise ValueError(
            f"caipi_shift: expected shift {shift} x {im_size[0] // rates[0]} rows to be a multiple of R_y = {rates[1]}"
        )
    block = [n // r for n, r in zip(im_size, rates, strict=True)]
    first = torch.cartesian_prod(*[torch.arange(b) for b in block]).reshape(-1, len(im_size))
    fold = torch.cartesian_prod(*[torch.arange(r) for r in rates]).reshape(-1, len(im_size))
    offset = fold * torch.tensor(block)
    if shift:
        offset[:, 0] -= fold[:, 1] * (shift * block[0] // rates[1])
    pixel = (first[:, None] + offset) % torch.tensor(im_size)
    flat = torch.zeros_like(pixel[..., 0])
    for axis, n in enumerate(im_size):
        flat = flat * n + pixel[..., axis]
    return flat


def _whiten(csm: Tensor, noise_covariance: Tensor | None) -> Tensor:
    """L^-1 S for Psi = L L^H; csm (*batch, coils, pixels)."""
    if noise_covariance is None:
        return csm
    *batch, n_coils, _ = csm.shape
    factor = cholesky_factor(noise_covariance, n_coils, batch=tuple(batch), dtype=csm.dtype, name="noise_covariance")
    factor = factor.detach().to(csm.device).expand(*batch, n_coils, n_coils)
    return torch.linalg.solve_triangular(factor, csm, upper=False)


def _amplification(columns: Tensor) -> Tensor:
    """g (..., groups, R) from whitened sensitivities (..., groups, coils, R)."""
    norm = torch.linalg.vector_norm(columns, dim=-2)
    seen = norm > 0
    unit = columns / torch.where(seen, norm, 1.0).unsqueeze(-2)
    gram = unit.mH @ unit  # unit diagonal: g_i^2 = [gram^-1]_ii
    gram = gram + torch.diag_embed((~seen).to(gram.dtype))
    value, vector = torch.linalg.eigh(gram)
    # eigenvalues of a matrix of trace R carry rounding of eps R; below that, directions count as not encoded
    floor = 8.0 * torch.finfo(value.dtype).eps * value.shape[-1]
    share = vector.abs().square()
    squared = torch.where(value > floor, 1.0 / value.clamp_min(floor), 0.0)
    g = (share * squared.unsqueeze(-2)).sum(-1).sqrt()
    lost = ((share > 1e-12) & (value <= floor).unsqueeze(-2)).any(-1)
    g = torch.where(lost, torch.inf, g.clamp_min(1.0))
    return torch.where(seen, g, 0.0)
