"""Non-Cartesian multi-coil encoding: maps are multiplied and coils summed inside the transform."""

from __future__ import annotations

from torch import Tensor

from ._nufft_call import ndim_of, prepare, size_of
from ._nufft_plan import NufftPlan
from ._nufft_rules import adjoint_op, gram_op, nufft_op

__all__ = ["sense_nufft", "sense_nufft_adjoint", "sense_nufft_gram"]


def sense_nufft(
    image: Tensor,
    csm: Tensor,
    trajectory: Tensor,
    *,
    eps: float = 1e-4,
    upsampling: float | None = None,
    method: str = "auto",
    plan: NufftPlan | None = None,
    trajectory_gradient: str = "exact",
) -> Tensor:
    """Non-Cartesian multi-coil encoding ``y[c] = A (csm[c] x)``, with ``A`` the transform of :func:`mriops.ops.nufft`.

    Parameters
    ----------
    image
        ``(*batch, *im)``, complex; real is promoted.
    csm
        Coil sensitivity maps ``(*batch, coils, *im)``.
    trajectory
        ``(*batch, samples, ndim)`` in cycles per field of view, components in the order of the image's axes, range
        ``[-N/2, N/2)``; what lies outside is wrapped periodically. A real trajectory of another precision is converted.
    eps
        Relative L2 error asked for.
    upsampling
        Grid points per pixel, 1.125 to 4; chosen by sizes if ``None``.
    method
        ``"auto"``, or ``"exact"`` for the sum itself: slow, and right to rounding.
    plan
        Of :func:`mriops.ops.nufft_plan` for this trajectory; without one the samples are sorted in this call. It sets
        ``eps`` and ``upsampling``.
    trajectory_gradient
        ``"exact"``: the derivative of what is computed, by that of the spreading kernel, in one pass; ``"analytic"``:
        transforms of ``-2 pi i (r - N//2) / N x[r]``, one per axis.

    Returns
    -------
    Tensor
        ``(*batch, coils, samples)``. Batches of all arguments broadcast.

    Raises
    ------
    TypeError, ValueError
        As :func:`mriops.ops.nufft`.

    References
    ----------
    Pruessmann KP, et al. Advances in sensitivity encoding with arbitrary k-space trajectories. Magn Reson Med
    2001;46:638-651.
    """
    ndim = ndim_of(trajectory)
    im = size_of("image", image, ndim)
    size_of("csm", csm, ndim)
    rows, how = prepare(image, "image", trajectory, im, True, (eps, upsampling, method, plan), trajectory_gradient)
    return nufft_op(image, csm, *rows, *how)


def sense_nufft_adjoint(
    kspace: Tensor,
    csm: Tensor,
    trajectory: Tensor,
    *,
    dcf: Tensor | None = None,
    eps: float = 1e-4,
    upsampling: float | None = None,
    method: str = "auto",
    plan: NufftPlan | None = None,
    trajectory_gradient: str = "exact",
) -> Tensor:
    """Adjoint of :func:`sense_nufft`, with weights: ``x = sum_c conj(csm[c]) A^H w y[c]``.

    Parameters
    ----------
    kspace
        ``(*batch, coils, samples)``, complex; real is promoted.
    csm
        Coil sensitivity maps ``(*batch, coils, *im)``.
    trajectory
        ``(*batch, samples, ndim)`` in cycles per field of view, components in the order of the image's axes, range
        ``[-N/2, N/2)``; what lies outside is wrapped periodically. A real trajectory of another precision is converted.
    dcf
        Density compensation or other real weights ``(*batch, samples)``. Has a gradient.
    eps
        Relative L2 error asked for.
    upsampling
        Grid points per pixel, 1.125 to 4; chosen by sizes if ``None``.
    method
        ``"auto"``, or ``"exact"`` for the sum itself: slow, and right to rounding.
    plan
        Of :func:`mriops.ops.nufft_plan` for this trajectory; without one the samples are sorted in this call. It sets
        ``eps`` and ``upsampling``.
    trajectory_gradient
        ``"exact"``: the derivative of what is computed, by that of the spreading kernel, in one pass; ``"analytic"``:
        transforms of ``-2 pi i (r - N//2) / N x[r]``, one per axis.

    Returns
    -------
    Tensor
        Image ``(*batch, *im)``. Batches of all arguments broadcast.

    Raises
    ------
    TypeError, ValueError
        As :func:`mriops.ops.nufft`.

    References
    ----------
    Pruessmann KP, et al. Advances in sensitivity encoding with arbitrary k-space trajectories. Magn Reson Med
    2001;46:638-651.
    """
    im = size_of("csm", csm, ndim_of(trajectory))
    rows, how = prepare(kspace, "kspace", trajectory, im, True, (eps, upsampling, method, plan), trajectory_gradient)
    return adjoint_op(kspace, csm, dcf, *rows, im, *how)


def sense_nufft_gram(
    image: Tensor,
    csm: Tensor,
    trajectory: Tensor,
    *,
    dcf: Tensor | None = None,
    eps: float = 1e-4,
    upsampling: float | None = None,
    method: str = "auto",
    plan: NufftPlan | None = None,
    trajectory_gradient: str = "exact",
) -> Tensor:
    """Normal operator of :func:`sense_nufft`, fused: ``y = S^H A^H w A S x``. No k-space is stored.

    Weights count once, as in :func:`sense_nufft_adjoint` of :func:`sense_nufft`.

    Parameters
    ----------
    image
        ``(*batch, *im)``, complex; real is promoted.
    csm
        Coil sensitivity maps ``(*batch, coils, *im)``.
    trajectory
        ``(*batch, samples, ndim)`` in cycles per field of view, components in the order of the image's axes, range
        ``[-N/2, N/2)``; what lies outside is wrapped periodically. A real trajectory of another precision is converted.
    dcf
        Density compensation or other real weights ``(*batch, samples)``. Has a gradient.
    eps
        Relative L2 error asked for.
    upsampling
        Grid points per pixel, 1.125 to 4; chosen by sizes if ``None``.
    method
        ``"auto"``, or ``"exact"`` for the sum itself: slow, and right to rounding.
    plan
        Of :func:`mriops.ops.nufft_plan` for this trajectory; without one the samples are sorted in this call. It sets
        ``eps`` and ``upsampling``.
    trajectory_gradient
        ``"exact"``: the derivative of what is computed, by that of the spreading kernel, in one pass; ``"analytic"``:
        transforms of ``-2 pi i (r - N//2) / N x[r]``, one per axis.

    Returns
    -------
    Tensor
        ``(*batch, *im)``. Batches of all arguments broadcast.

    Raises
    ------
    TypeError, ValueError
        As :func:`mriops.ops.nufft`.

    References
    ----------
    Pruessmann KP, et al. Advances in sensitivity encoding with arbitrary k-space trajectories. Magn Reson Med
    2001;46:638-651.
    """
    ndim = ndim_of(trajectory)
    im = size_of("image", image, ndim)
    size_of("csm", csm, ndim)
    rows, how = prepare(image, "image", trajectory, im, True, (eps, upsampling, method, plan), trajectory_gradient)
    return gram_op(image, csm, dcf, *rows, *how)
