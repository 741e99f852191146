"""Coefficient images of a temporal subspace from k-space: low-rank fingerprinting, T2 shuffling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mriops import trajectories
from mriops._native.arguments import image_size, instance, not_negative, number
from mriops.operators import LinearOperator, SenseOp, SubspaceNufftOp, SubspaceOp
from mriops.recon.coil_maps import estimate_csm
from mriops.recon.nonuniform import nonuniform_csm
from mriops.recon.sense import sampling_mask
from mriops.solvers import cg


def subspace_sense(
    kspace: Tensor,
    basis: Tensor,
    *,
    trajectory: Tensor | None = None,
    im_size: Sequence[int] | None = None,
    mask: Tensor | None = None,
    csm: Tensor | None = None,
    dcf: Tensor | None = None,
    calib: str = "espirit",
    l2: float = 1e-3,
    max_iter: int = 30,
    tol: float = 1e-4,
    callback: Callable[[int, Tensor, Tensor], bool | None] | None = None,
) -> Tensor:
    r"""Solve for the coefficient images whose frames ``x_t = sum_k basis[t, k] a_k`` explain all k-space.

    .. math:: \min_a \sum_t \| W_t^{1/2} (A_t S (\Phi a)_t - y_t) \|_2^2 + \lambda \| a \|_2^2

    by conjugate gradients; frames are never formed along a trajectory (`mriops.operators.SubspaceNufftOp`).

    Parameters
    ----------
    kspace : Tensor (frames, coils, shots, readout), or (frames, coils, y, x) without trajectory
        y, complex.
    basis : Tensor (frames, coefficients)
        Phi, best with orthonormal columns, such as `Dictionary.basis`.
    trajectory : Tensor (frames, shots, readout, ndim), optional
        [cycles/FOV]
    im_size : (y, x) or (z, y, x)
        Needed with a trajectory and without maps; otherwise that of the maps or of k-space, if given.
    mask : Tensor (frames, y, x), optional
        Without trajectory; where any coil is not zero if None.
    csm : Tensor (coils, *im_size), optional
        S; estimated from all frames together if not given.
    dcf : Tensor (frames, shots, readout), optional
        W, with a trajectory; `trajectories.dcf_pipe` of all frames together if not given.
    calib : str
        Method of `recon.estimate_csm`.
    l2 : float
        lambda
    max_iter, tol : int, float
        At most so many iterations, fewer once the residual fell to `tol` of its start.
    callback
        As in `mriops.solvers.cg`.

    Returns
    -------
    Tensor (coefficients, *im_size), complex

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes do not fit, `dcf` comes without or `mask` with a trajectory, or maps cannot be estimated.

    References
    ----------
    Tamir et al. T2 shuffling: sharp, multicontrast, volumetric fast spin-echo imaging. Magn Reson Med 77, 2017.
    Assländer et al. Low rank alternating direction method of multipliers reconstruction for MR fingerprinting. Magn
    Reson Med 79, 2018.
    """
    number("l2", l2, "a number >= 0", not_negative)
    instance("kspace", kspace, Tensor, "a torch.Tensor")
    instance("basis", basis, Tensor, "a torch.Tensor")
    if not kspace.is_complex() or kspace.ndim < 4:
        raise ValueError(
            f"kspace: expected complex (frames, coils, shots, readout) or (frames, coils, y, x), "
            f"got {kspace.dtype} {tuple(kspace.shape)}"
        )
    if basis.ndim != 2 or basis.shape[0] != kspace.shape[0]:
        raise ValueError(f"basis: expected shape ({kspace.shape[0]}, coefficients), got {tuple(basis.shape)}")
    if csm is not None:
        instance("csm", csm, Tensor, "a torch.Tensor")
    if trajectory is None:
        if dcf is not None:
            raise ValueError("dcf: expected none without a trajectory, got some")
        _checked_size(im_size, tuple(kspace.shape[2:]), "kspace")
        encode, right = _cartesian(kspace, basis, mask, csm, calib)
    else:
        if mask is not None:
            raise ValueError("mask: expected none with a trajectory, got one")
        encode, right = _along(kspace, basis, trajectory, im_size, csm, dcf, calib)
    return cg(encode.gram, right, max_iter=max_iter, tol=tol, damping=l2, callback=callback)


def _checked_size(im_size: Sequence[int] | None, size: tuple[int, ...], of: str) -> tuple[int, ...]:
    """The size of ``of``, which is `im_size` if that is given."""
    if im_size is not None and image_size(im_size, len(size)) != size:
        raise ValueError(f"im_size: expected the size of {of} {size}, got {tuple(im_size)}")
    return size


def _cartesian(
    kspace: Tensor, basis: Tensor, mask: Tensor | None, csm: Tensor | None, calib: str
) -> tuple[LinearOperator, Tensor]:
    ndim = kspace.ndim - 2
    sampled = sampling_mask(kspace, ndim=ndim) if mask is None else mask
    if csm is None:
        weights = torch.ones(kspace.shape[0], *kspace.shape[2:], dtype=kspace.real.dtype, device=kspace.device)
        weights = weights if sampled is None else weights * sampled.detach()
        # The mean over frames that sampled a place: `kspace` may hold more than the mask lets count.
        total, weight = (kspace.detach() * (weights != 0).unsqueeze(1)).sum(0), weights.sum(0)
        csm = estimate_csm(total / torch.where(weight == 0, 1, weight), method=calib, ndim=ndim)
    encode = SenseOp(csm, sampled, ndim=ndim) @ SubspaceOp(basis, ndim=ndim)
    return encode, encode.H(kspace)


def _along(
    kspace: Tensor,
    basis: Tensor,
    trajectory: Tensor,
    im_size: Sequence[int] | None,
    csm: Tensor | None,
    dcf: Tensor | None,
    calib: str,
) -> tuple[LinearOperator, Tensor]:
    instance("trajectory", trajectory, Tensor, "a torch.Tensor")
    if trajectory.ndim != 4 or trajectory.shape[:3] != (kspace.shape[0], *kspace.shape[2:]):
        expected = ", ".join(str(n) for n in (kspace.shape[0], *kspace.shape[2:]))
        raise ValueError(f"trajectory: expected shape ({expected}, ndim), got {tuple(trajectory.shape)}")
    if csm is None and im_size is None:
        raise ValueError("im_size: expected the size of the images, as no maps are given, got None")
    shots, ndim = trajectory.flatten(0, 1), trajectory.shape[-1]
    if csm is not None:
        if csm.ndim != ndim + 1:
            raise ValueError(f"csm: expected shape (coils, *im_size) for {ndim} axes, got {tuple(csm.shape)}")
        size = _checked_size(im_size, tuple(csm.shape[-ndim:]), "csm")
    else:
        size = image_size(im_size, ndim)
        csm = nonuniform_csm(kspace.detach().transpose(0, 1).flatten(1, 2), shots.detach(), size, calib=calib)
    if dcf is None:
        # Of all frames together: it is their sum that the normal operator weighs.
        dcf = trajectories.dcf_pipe(shots, size).reshape(trajectory.shape[:3])
    encode = SubspaceNufftOp(csm, trajectory, basis, dcf=dcf)
    return encode, encode.H(encode.weigh(kspace))
