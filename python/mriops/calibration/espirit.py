"""ESPIRiT: coil sensitivity maps as eigenvectors of the calibration data's row space (public entry)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mriops._native.arguments import integer, number, one_each, positive, sizes
from mriops.calibration.acs import check_kspace, detect_acs, extract_acs
from mriops.calibration.eigenmaps import EigenSettings, eigen_maps
from mriops.calibration.kernels import CalibrationKernels, calibration_kernels, coil_gram_samples

__all__ = ["espirit"]

_DEFAULT_ACS = 24
_DEFAULT_KERNEL = 6
_AUTO_CROP_RANGE = (0.5, 0.99)


@torch.no_grad()
def espirit(
    kspace: Tensor,
    *,
    acs: int | Sequence[int] | Sequence[slice] | None = None,
    kernel_size: int | Sequence[int] | None = None,
    threshold: float | str = 0.02,
    crop: float | str = 0.8,
    n_maps: int = 1,
    soft: bool = False,
    smooth: bool = False,
    max_iter: int = 60,
    tol: float = 1e-4,
    ndim: int = 2,
    return_eigenvalues: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    r"""Coil sensitivity maps from autocalibration data.

    All patches (of ``kernel_size``, over all coils) of the ACS span a low-dimensional space with projector P. At every
    pixel r the coil sensitivities s(r) solve

    .. math:: G(r)\, s(r) = s(r), \qquad G(r) = \frac{1}{|k|} E(r)^H P E(r),
              \quad (E(r) s)_{ca} = s_c e^{-2\pi i a r}

    and are found as the leading eigenvectors of the coils x coils matrix G(r), whose eigenvalues lie in [0, 1].

    Parameters
    ----------
    kspace
        (*batch, coils, *im_size), complex64 or complex128, centred (DC at N//2). Only the ACS is read. Every batch
        item gets its own maps.
    acs
        Centred ACS width (one int, or one per axis), or one slice per axis. ``None``: the fully sampled centre, no
        more than 24 samples an axis.
    kernel_size
        Patch size (one int, or one per axis) [k-space samples]; 6 by default, and where the ACS has fewer than 12
        samples half of them, since few places for a patch say little of its span. Axes of size 1 always use 1.
    threshold
        Singular vectors of the patch matrix below this fraction of the largest singular value are left out of P. (BART
        states the square: its default 0.001 is 0.0316 here.) ``"auto"``: the largest singular value that noise alone
        would have; the noise level comes from the smallest quarter of the singular values, and the shape of the noise
        spectrum from a simulated ACS of the same size.
    crop
        A map is zero where its eigenvalue is below this. ``"auto"``: the value in [0.5, 0.99] that minimises Stein's
        unbiased risk estimate of projecting the low-resolution (Hann-tapered) coil images onto the maps.
    n_maps
        Number of sets of maps (soft-SENSE), 1 <= n_maps <= coils.
    soft
        Weigh the directions of P by 1 - (threshold / singular value)^2 instead of cutting off sharply.
    smooth
        Fade the maps out around ``crop`` (S-curve of the square root of the eigenvalue) instead of cutting them.
    max_iter
        Limit of matrix-vector products per pixel. Pixels that have not converged keep their last vector: they are
        those where two eigenvalues (nearly) coincide.
    tol
        Convergence: residual of the eigenvector equation relative to the leading eigenvalue. The error of the vectors
        is at most about tol / (relative gap of the eigenvalues).
    ndim
        Number of spatial axes, 1, 2 or 3.
    return_eigenvalues
        Also return the eigenvalues, at all pixels.

    Returns
    -------
    csm
        (*batch, coils, *im_size) for n_maps = 1, else (*batch, n_maps, coils, *im_size), dtype of ``kspace``. At every
        pixel the nonzero maps are orthonormal over coils (unless ``smooth``). Phase: each map is real and positive in
        the first principal virtual coil of the ACS, sum_c conj(u_c) csm_c >= 0, where u is the leading coil
        eigenvector of the ACS with its largest entry real and positive.
    eigenvalues
        (*batch, *im_size) or (*batch, n_maps, *im_size), real; only if ``return_eigenvalues``.

    Raises
    ------
    TypeError
        If ``kspace`` is not a complex tensor, or an option not a number of its kind.
    ValueError
        If k-space holds NaN or Inf, the ACS is too small for the kernel, is all zero, or an option is out of range.

    Notes
    -----
    Not differentiable (runs without gradient). Deterministic. Beyond the result, memory is a few megabytes per image
    (hundreds on a CUDA device, where blocks are larger), plus 48 n^2 bytes for the eigenvectors of the calibration
    matrix, where n is the smaller of its sides (coils * prod(kernel_size), or the number of patches).

    References
    ----------
    Uecker M et al. ESPIRiT - an eigenvalue approach to autocalibrating parallel MRI. Magn Reson Med 71:990 (2014).
    Crop: Iyer S et al. SURE-based automatic parameter selection for ESPIRiT calibration. Magn Reson Med 84:3423 (2020).
    """
    _check_options(threshold, crop, max_iter, tol)
    kspace, block, kernel = _calibration_block(kspace, acs, kernel_size, ndim)
    coils, im_size = kspace.shape[-ndim - 1], tuple(kspace.shape[-ndim:])
    integer("n_maps", n_maps, 1, f"an int from 1 to the number of coils {coils}", coils)
    kernels = calibration_kernels(block, kernel, threshold, soft=soft)
    keep = _AUTO_CROP_RANGE[0] if isinstance(crop, str) else _lowest_kept(crop, smooth)
    settings = EigenSettings(n_maps, 0.0 if return_eigenvalues else keep, tol, max_iter)
    reference = _principal_coil(block).to(kspace.dtype)
    csm, values = eigen_maps(coil_gram_samples(kernels).to(kspace.dtype), reference, im_size, settings)
    for item in range(csm.shape[0]):
        level = _sure_crop(csm[item], values[item], block[item], kernels, item) if isinstance(crop, str) else crop
        _set_phase_and_support(csm[item], values[item], reference[item], level, smooth)
    shape = (*kspace.shape[: -ndim - 1], *csm.shape[1:])
    csm, values = csm.reshape(shape), values.reshape(*shape[: -ndim - 1], *im_size)
    if n_maps == 1:
        csm, values = csm.squeeze(-ndim - 2), values.squeeze(-ndim - 1)
    return (csm, values) if return_eigenvalues else csm


def _check_options(threshold: float | str, crop: float | str, max_iter: int, tol: float) -> None:
    for name, value, upper, fits in (
        ("threshold", threshold, "< 1", lambda x: 0 <= x < 1),
        ("crop", crop, "<= 1", lambda x: 0 <= x <= 1),
    ):
        if not isinstance(value, str):
            number(name, value, f"0 <= {name} {upper}", fits)
        elif value != "auto":
            raise ValueError(f'{name}: expected a number or "auto", got {value!r}')
    integer("max_iter", max_iter, 1, "a positive int")
    number("tol", tol, "a positive number", positive)


def _calibration_block(
    kspace: Tensor,
    acs: int | Sequence[int] | Sequence[slice] | None,
    kernel_size: int | Sequence[int] | None,
    ndim: int,
) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Checked k-space, its ACS (batch, coils, *acs_size), and the kernel size per axis."""
    kspace = check_kspace(kspace, ndim=ndim)
    im_size = tuple(kspace.shape[-ndim:])
    if acs is None:
        widths = [s.stop - s.start for s in detect_acs(kspace, ndim=ndim)]
        acs = [min(w, _DEFAULT_ACS) for w in widths]
    block = extract_acs(kspace, acs, ndim=ndim)
    acs_size, coils = tuple(block.shape[-ndim:]), block.shape[-ndim - 1]
    if kernel_size is None:
        kernel_size = [min(_DEFAULT_KERNEL, (width + 1) // 2) for width in acs_size]
    widths = sizes("kernel_size", one_each(kernel_size, ndim), f"a positive int or {ndim} of them", ndim)
    kernel = tuple(1 if n == 1 else k for k, n in zip(widths, im_size, strict=True))
    patches = math.prod(max(0, n - k + 1) for n, k in zip(acs_size, kernel, strict=True))
    if patches < coils:
        raise ValueError(
            f"acs: expected at least as many {kernel} patches as coils ({coils}), got {patches} patches "
            f"in an ACS of {acs_size}"
        )
    block = block.reshape(-1, coils, *acs_size)
    empty = (block.abs().reshape(block.shape[0], -1).amax(1) == 0).nonzero()
    if empty.numel():
        raise ValueError(f"kspace: expected a nonzero ACS, got all zeros in batch item {int(empty[0])}")
    return kspace, block, kernel


def _principal_coil(block: Tensor) -> Tensor:
    """Leading eigenvector (batch, coils) of the ACS's coil covariance, its largest entry real and positive."""
    samples = block.reshape(*block.shape[:2], -1).to(torch.complex128)
    leading = torch.linalg.eigh(samples @ samples.mH)[1][..., -1]
    largest = leading.gather(1, leading.abs().argmax(1, keepdim=True))
    return leading * (largest.conj() / largest.abs())


def _lowest_kept(crop: float, smooth: bool) -> float:
    return max(0.0, 2 * crop - 1) ** 2 if smooth else crop


def _support_weight(values: Tensor, crop: float, smooth: bool) -> Tensor:
    if not smooth:
        return (values >= crop).to(values.dtype)
    # S-curve from 0 at sqrt(value) = 2 crop - 1 over 1/2 at crop to 1 at 1.
    x = ((values.clamp_min(0).sqrt() - crop) / max(1 - crop, 1e-6)).clamp(-1, 1)
    return 0.5 * (1 + 2 * x / (1 + x * x))


def _set_phase_and_support(csm: Tensor, values: Tensor, reference: Tensor, crop: float, smooth: bool) -> None:
    """In place: rotate every map (maps, coils, *im_size) to be positive in the reference coil, and crop it."""
    for one, value in zip(csm, values, strict=True):
        flat = one.view(one.shape[0], -1)
        virtual = reference.conj() @ flat
        size = virtual.abs()
        factor = torch.where(size > 0, virtual.conj() / size.clamp_min(torch.finfo(size.dtype).tiny), 1)
        flat *= factor * _support_weight(value.reshape(-1), crop, smooth)


def _sure_crop(csm: Tensor, values: Tensor, block: Tensor, kernels: CalibrationKernels, item: int) -> float:
    """Crop level with the least estimated risk.

    Keeping a pixel adds 2 sigma^2 (one degree of freedom) to the risk of the projected low-resolution coil images y
    and removes |s^H y|^2; maps are taken as fixed. Sorted by eigenvalue, the best cut is the largest cumulated gain.
    """
    im_size, acs_size = csm.shape[2:], block.shape[1:]
    axes = tuple(range(1, csm.ndim - 1))
    taper = torch.ones((), dtype=values.dtype, device=block.device)
    for axis, n in enumerate(acs_size):
        # Without a taper the ringing of the low-resolution images counts as signal of the background.
        window = torch.sin(math.pi * (torch.arange(n, device=block.device) + 0.5) / n) ** 2
        taper = taper * window.to(values.dtype).reshape(-1, *(1,) * (len(acs_size) - 1 - axis))
    images = torch.fft.ifftn((block * taper).to(csm.dtype), s=im_size, dim=axes, norm="ortho")
    # A corner-anchored block only turns the phase of all coils alike; the eigenvectors' frame is centred.
    images = torch.fft.fftshift(images, dim=axes)
    energy = (csm[0].conj() * images).sum(0).abs().square().reshape(-1).double()
    pixels = math.prod(im_size)
    variance = float(kernels.noise_std[item]) ** 2 * float(taper.square().sum()) / pixels
    order = values[0].reshape(-1).argsort(descending=True)
    gain = (energy[order] - 2 * variance).cumsum(0)
    level = float(values[0].reshape(-1)[order[int(gain.argmax())]])
    return min(max(level, _AUTO_CROP_RANGE[0]), _AUTO_CROP_RANGE[1])
