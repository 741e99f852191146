"""Images from samples anywhere in k-space: gridding, and SENSE by conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from mriops import calibration, ops
from mriops._native.arguments import not_negative, number
from mriops.calibration.nonuniform import sample_weights
from mriops.operators import SenseOp
from mriops.recon.coil_maps import estimate_csm
from mriops.solvers import cg


def gridding(
    kspace: Tensor,
    trajectory: Tensor,
    im_size: Sequence[int],
    *,
    csm: Tensor | None = None,
    dcf: Tensor | None = None,
    eps: float = 1e-4,
) -> Tensor:
    """The density-compensated adjoint A^H W y: what is called gridding, without maps as a root sum of squares.

    Parameters
    ----------
    kspace : Tensor (*batch, coils, shots, readout)
        y, complex.
    trajectory : Tensor (*batch, shots, readout, ndim)
        [cycles/FOV]; its batch broadcasts.
    im_size : (y, x) or (z, y, x)
    csm : Tensor (*batch, coils, *im_size), optional
        Coil maps, for a complex image.
    dcf : Tensor, broadcastable to (*batch, shots, readout), optional
        W; `trajectories.dcf_pipe` if not given.
    eps : float
        Accuracy of the NUFFT.

    Returns
    -------
    Tensor (*batch, *im_size)
        Complex with maps, real without.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes do not fit, or k-space is not finite.

    References
    ----------
    Jackson et al. Selection of a convolution function for Fourier inversion using gridding. IEEE TMI 10:473 (1991).
    """
    size = calibration.check_samples(kspace, trajectory, im_size)
    weights = sample_weights(trajectory, size, dcf).flatten(-2)
    points, samples = trajectory.flatten(-3, -2), kspace.flatten(-2)
    if csm is not None:
        return ops.sense_nufft_adjoint(samples, csm, points, dcf=weights, eps=eps)
    points, weights = points.unsqueeze(-3), weights.unsqueeze(-2)
    images = ops.nufft_adjoint(samples, points, size, dcf=weights, eps=eps)
    return calibration.rss(images, ndim=len(size))


def noncartesian_sense(
    kspace: Tensor,
    trajectory: Tensor,
    im_size: Sequence[int],
    *,
    csm: Tensor | None = None,
    dcf: Tensor | None = None,
    calib: str = "espirit",
    acs: int = 24,
    l2: float = 1e-3,
    max_iter: int = 20,
    tol: float = 1e-4,
    eps: float = 1e-4,
    callback: Callable[[int, Tensor, Tensor], bool | None] | None = None,
) -> Tensor:
    r"""Solve for the image behind multi-coil samples anywhere in k-space.

    .. math:: \min_x \| W^{1/2} (A S x - y) \|_2^2 + \lambda \| x \|_2^2

    by conjugate gradients on the normal equations of `mriops.operators.SenseOp`, whose `gram` is a Toeplitz
    convolution for images.

    Parameters
    ----------
    kspace : Tensor (*batch, coils, shots, readout)
        y, complex.
    trajectory : Tensor (*batch, shots, readout, ndim)
        A [cycles/FOV]; its batch broadcasts, such as one per frame.
    im_size : (y, x) or (z, y, x)
    csm : Tensor (*batch, coils, *im_size), optional
        S; estimated from the centre if not given (`nonuniform_csm`), for every batch item.
    dcf : Tensor, broadcastable to (*batch, shots, readout), optional
        W; `trajectories.dcf_pipe` if not given. With the density as weights the eigenvalues of A^H W A are near 1:
        few iterations suffice, at the price of noise somewhat above the least. Ones solve plain least squares.
    calib : str
        Method of `recon.estimate_csm`.
    acs : int
        Width of the centre that maps are estimated from.
    l2 : float
        lambda
    max_iter, tol : int, float
        At most so many iterations, fewer once the residual fell to `tol` of its start.
    eps : float
        Accuracy of the NUFFT.
    callback
        As in `mriops.solvers.cg`.

    Returns
    -------
    Tensor (*batch, *im_size), complex

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes do not fit, k-space is not finite, or maps cannot be estimated.

    References
    ----------
    Pruessmann et al. Advances in sensitivity encoding with arbitrary k-space trajectories. MRM 46:638 (2001).
    Wajer, Pruessmann. Major speedup of reconstruction for sensitivity encoding with arbitrary trajectories. ISMRM 2001,
    for the normal operator as a convolution.
    """
    size = calibration.check_samples(kspace, trajectory, im_size)
    number("l2", l2, "a number >= 0", not_negative)
    if csm is None:
        csm = nonuniform_csm(kspace.detach(), trajectory.detach(), size, calib=calib, acs=acs, eps=eps)
    weights = sample_weights(trajectory, size, dcf)
    encode = SenseOp(csm, trajectory=trajectory, dcf=weights, eps=eps)
    right = encode.H(encode.weigh(kspace))
    batch_ndim = right.ndim - len(size)
    return cg(encode.gram, right, max_iter=max_iter, tol=tol, damping=l2, batch_ndim=batch_ndim, callback=callback)


def nonuniform_csm(
    kspace: Tensor,
    trajectory: Tensor,
    im_size: Sequence[int],
    *,
    calib: str = "espirit",
    acs: int = 24,
    eps: float = 1e-4,
) -> Tensor:
    """Coil sensitivity maps from the centre of k-space, gridded (`calibration.gridded_calibration`).

    Parameters
    ----------
    kspace : Tensor (*batch, coils, shots, readout)
    trajectory : Tensor (shots, readout, ndim) or (*batch, shots, readout, ndim)
        [cycles/FOV]
    im_size : (y, x) or (z, y, x)
    calib : str
        Method of `estimate_csm`.
    acs : int
        Width of the centre.
    eps : float
        Accuracy of the NUFFT.

    Returns
    -------
    Tensor (*batch, coils, *im_size)

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes do not fit, k-space is not finite, or the centre is not sampled.
    """
    ndim = len(tuple(im_size))
    gridded = calibration.gridded_calibration(kspace, trajectory, im_size, acs=acs, eps=eps)
    widths = [min(acs, int(n)) for n in im_size]
    return estimate_csm(gridded, method=calib, acs=widths, ndim=ndim)
