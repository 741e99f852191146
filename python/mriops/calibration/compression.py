"""Coil compression: a few virtual coils that hold (nearly) all of the signal of many."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mriops import ops
from mriops._native.arguments import instance, integer, one_each
from mriops.calibration.acs import check_kspace, extract_acs

__all__ = ["apply_compression", "compress_coils"]


def compress_coils(
    kspace: Tensor,
    n_coils: int,
    *,
    method: str = "svd",
    acs: int | tuple[int, ...] | None = None,
    readout_dim: int = -1,
    window: int = 5,
    ndim: int = 2,
) -> tuple[Tensor, Tensor]:
    """Compress coils to ``n_coils`` virtual coils.

    ``"svd"``: the leading principal components of the samples over coils, one matrix. ``"geometric"``: along a fully
    sampled readout, one matrix per readout position x in image space (from the samples within ``window`` positions),
    which compresses better because the coil profiles vary less within a slab; consecutive matrices are rotated onto
    each other (orthogonal Procrustes), so that virtual coils vary smoothly with x.

    Parameters
    ----------
    kspace
        (*batch, coils, *im_size), complex, centred. All batch items share one set of matrices.
    n_coils
        Number of virtual coils, from 1 to the number of coils.
    method
        "svd" or "geometric".
    acs
        Width of the centred calibration block (one int, or one per axis) that the matrices are computed from. ``None``:
        all samples. The geometric method always uses the whole readout.
    readout_dim
        Fully sampled spatial axis, counted from the end (-1: the last). Used by "geometric" only.
    window
        Odd width of the sliding window along the readout [pixels]. Used by "geometric" only.
    ndim
        Number of spatial axes.

    Returns
    -------
    compressed
        (*batch, n_coils, *im_size).
    matrices
        (n_coils, coils) with orthonormal rows for "svd"; (readout, n_coils, coils) for "geometric". Give them to
        :func:`apply_compression` for further data of the same coils (noise, other slices or contrasts).

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or k-space is misshaped or not finite.

    References
    ----------
    Buehrer M et al. Array compression for MRI with large coil arrays. Magn Reson Med 57:1131 (2007).
    Zhang T et al. Coil compression for accelerated imaging with Cartesian sampling. Magn Reson Med 69:571 (2013).
    """
    kspace = check_kspace(kspace, ndim=ndim)
    coils = kspace.shape[-ndim - 1]
    n_coils = integer("n_coils", n_coils, 1, f"an int from 1 to the number of coils {coils}", coils)
    if method not in ("svd", "geometric"):
        raise ValueError(f'method: expected "svd" or "geometric", got {method!r}')
    if method == "svd":
        block = kspace if acs is None else extract_acs(kspace, acs, ndim=ndim)
        samples = block.movedim(-ndim - 1, 0).reshape(1, coils, -1)
        matrices = _principal_rows(samples, n_coils)[0].to(kspace.dtype)
    else:
        readout_dim = _check_readout(readout_dim, ndim)
        window = integer("window", window, 1, "an odd positive int")
        if window % 2 == 0:
            raise ValueError(f"window: expected an odd positive int, got {window!r}")
        matrices = _geometric_matrices(kspace, n_coils, acs, readout_dim, window, ndim).to(kspace.dtype)
    return apply_compression(kspace, matrices, readout_dim=readout_dim, ndim=ndim), matrices


def apply_compression(kspace: Tensor, matrices: Tensor, *, readout_dim: int = -1, ndim: int = 2) -> Tensor:
    """Apply compression matrices to k-space: y_v = sum_c A_vc k_c, per readout position where A depends on it.

    Parameters
    ----------
    kspace
        (*batch, coils, *im_size), complex.
    matrices
        (n_coils, coils), or (readout, n_coils, coils), from :func:`compress_coils`.
    readout_dim
        The spatial axis the matrices belong to, counted from the end.
    ndim
        Number of spatial axes.

    Returns
    -------
    (*batch, n_coils, *im_size).

    Raises
    ------
    TypeError, ValueError
        If k-space or matrices are no tensors, k-space is not complex, or coil counts or the readout size differ.
    """
    for name, value in (("kspace", kspace), ("matrices", matrices)):
        instance(name, value, Tensor, "a torch.Tensor")
    if not kspace.is_complex():
        raise TypeError(f"kspace: expected a complex tensor, got {kspace.dtype}")
    ndim = integer("ndim", ndim, 1)
    if kspace.ndim < ndim + 1:
        raise ValueError(
            f"kspace: expected (*batch, coils, *im_size) with {ndim} spatial axes, got {tuple(kspace.shape)}"
        )
    coils = kspace.shape[-ndim - 1]
    if matrices.ndim not in (2, 3) or matrices.shape[-1] != coils:
        raise ValueError(
            f"matrices: expected (n_coils, {coils}) or (readout, n_coils, {coils}), got {tuple(matrices.shape)}"
        )
    if matrices.ndim == 2:
        batch, im_size = kspace.shape[: -ndim - 1], kspace.shape[-ndim:]
        flat = kspace.reshape(*batch, coils, math.prod(im_size))
        return (matrices.to(kspace.dtype) @ flat).reshape(*batch, matrices.shape[0], *im_size)
    readout_dim = _check_readout(readout_dim, ndim)
    size = kspace.shape[readout_dim]
    if matrices.shape[0] != size:
        raise ValueError(f"matrices: expected {size} readout positions, got {matrices.shape[0]}")
    hybrid = ops.ifft(kspace, readout_dim)
    # (*batch, coils, *im_size) -> (*batch, *others, readout, coils)
    moved = hybrid.movedim(-ndim - 1, -1).movedim(readout_dim - 1, -2)
    mixed = torch.einsum("xvc,...xc->...xv", matrices.to(kspace.dtype), moved)
    mixed = mixed.movedim(-2, readout_dim - 1).movedim(-1, -ndim - 1)
    return ops.fft(mixed, readout_dim)


def _check_readout(readout_dim: int, ndim: int) -> int:
    return integer("readout_dim", readout_dim, -ndim, f"a spatial axis from {-ndim} to -1", -1)


def _principal_rows(samples: Tensor, count: int) -> Tensor:
    """Conjugated leading left singular vectors of (items, coils, samples) as rows (items, count, coils)."""
    samples = samples.to(torch.complex128)
    vectors = torch.linalg.eigh(samples @ samples.mH)[1]
    return vectors.flip(-1)[..., :count].mH


def _geometric_matrices(
    kspace: Tensor, count: int, acs: int | tuple[int, ...] | None, readout_dim: int, window: int, ndim: int
) -> Tensor:
    """Aligned compression matrices (readout, count, coils)."""
    if acs is not None:
        widths = list(one_each(acs, ndim))
        if len(widths) != ndim:
            raise ValueError(f"acs: expected {ndim} entries (one per spatial axis), got {len(widths)}")
        widths[readout_dim] = kspace.shape[readout_dim]
        kspace = extract_acs(kspace, widths, ndim=ndim)
    hybrid = ops.ifft(kspace, readout_dim)
    coils = hybrid.shape[-ndim - 1]
    moved = hybrid.movedim(readout_dim, 0).movedim(-ndim, 1)  # (readout, coils, *batch, *others)
    samples = moved.reshape(moved.shape[0], coils, -1).to(torch.complex128)
    covariance = samples @ samples.mH
    half = window // 2
    total = torch.zeros_like(covariance)
    for shift in range(-half, half + 1):
        low, high = max(0, -shift), min(len(total), len(total) - shift)
        if high > low:
            total[low:high] += covariance[low + shift : high + shift]
    rows = torch.linalg.eigh(total)[1].flip(-1)[..., :count].mH
    return _align(rows)


def _align(rows: Tensor) -> Tensor:
    """Rotate each matrix onto its neighbour, from the middle outwards: A_x <- U V^H A_x, A_{x-1} A_x^H = U S V^H."""
    aligned = list(rows)
    middle = len(aligned) // 2
    order = [(x, x - 1) for x in range(middle + 1, len(aligned))] + [(x, x + 1) for x in range(middle - 1, -1, -1)]
    for here, neighbour in order:
        u, _, vh = torch.linalg.svd(aligned[neighbour] @ aligned[here].mH)
        aligned[here] = u @ vh @ aligned[here]
    return torch.stack(aligned)
