"""CG-SENSE: regularised least-squares parallel imaging."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mriops._native.arguments import instance, integer, not_negative, number
from mriops.operators import SenseOp
from mriops.recon.coil_maps import estimate_csm
from mriops.solvers import cg


def sense(
    kspace: Tensor,
    *,
    csm: Tensor | None = None,
    mask: Tensor | None = None,
    calib: str = "espirit",
    acs: int | Sequence[int] | None = None,
    n_maps: int = 1,
    l2: float = 0.0,
    max_iter: int = 30,
    tol: float = 1e-5,
    ndim: int = 2,
    callback: Callable[[int, Tensor, Tensor], bool | None] | None = None,
) -> Tensor:
    r"""Solve for the image behind undersampled multi-coil k-space.

    .. math:: \min_x \| M F S x - y \|_2^2 + \lambda \| x \|_2^2

    by conjugate gradients on the normal equations.

    Parameters
    ----------
    kspace
        y `(*batch, coils, *im_size)`, complex.
    csm
        S `(coils, *im_size)` or `(*batch, coils, *im_size)`, with a set axis before the coils if `n_maps > 1`;
        estimated from `kspace` if None.
    mask
        M, sampling or real weights, broadcastable to `(*batch, *im_size)`; where any coil is not zero if None.
    calib, acs, n_maps
        How maps are estimated (`estimate_csm`).
    l2
        lambda. Maps are normalised and transforms unitary, so E^H E has eigenvalues within [0, 1], and 1e-3 to 1e-2
        are common choices whatever the scale of the data.
    max_iter, tol
        At most so many iterations, fewer once the residual of the normal equations fell to `tol` of its start. Few
        iterations regularise too.
    ndim
        Number of spatial axes.
    callback
        As in `mriops.solvers.cg`, for progress or early stopping.

    Returns
    -------
    Tensor (*batch, *im_size), or (*batch, n_maps, *im_size) if `n_maps > 1`
        Differentiable with respect to kspace, csm and mask.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit the others, or calibration data is missing or not finite.

    References
    ----------
    Pruessmann et al., SENSE, Magn Reson Med 42 (1999) 952-962; Advances in sensitivity encoding with arbitrary k-space
    trajectories, Magn Reson Med 46 (2001) 638-651.
    """
    instance("kspace", kspace, Tensor, "a torch.Tensor")
    if not kspace.is_complex() or kspace.ndim < integer("ndim", ndim, 1) + 1:
        raise ValueError(
            f"kspace: expected complex (*batch, coils, *im_size) with {ndim} spatial axes, "
            f"got {kspace.dtype} {tuple(kspace.shape)}"
        )
    number("l2", l2, "a number >= 0", not_negative)
    maps = integer("n_maps", n_maps, 1) > 1
    if csm is None:
        csm = estimate_csm(kspace.detach(), method=calib, acs=acs, n_maps=n_maps, ndim=ndim)
    if mask is None:
        mask = sampling_mask(kspace, ndim=ndim)
    encode = SenseOp(csm, mask, ndim=ndim, maps=maps)
    right = encode.H(kspace)
    batch_ndim = right.ndim - ndim - maps
    return cg(encode.gram, right, max_iter=max_iter, tol=tol, damping=l2, batch_ndim=batch_ndim, callback=callback)


def sampling_mask(kspace: Tensor, *, ndim: int = 2) -> Tensor | None:
    """Where any coil is not zero; reduced to an axis of length 1 where the mask is constant; None if all is sampled.

    Parameters
    ----------
    kspace
        `(*batch, coils, *im_size)`.
    ndim
        Number of spatial axes.

    Returns
    -------
    Tensor of bool, broadcastable to (*batch, *im_size), or None
    """
    sampled = (kspace.detach() != 0).any(dim=-ndim - 1)
    if not sampled.numel():  # an empty batch
        return None
    for axis in range(sampled.ndim):
        first = sampled.narrow(axis, 0, 1)
        if bool((sampled == first).all()):
            sampled = first
    return None if bool(sampled.all()) else torch.atleast_1d(sampled)
