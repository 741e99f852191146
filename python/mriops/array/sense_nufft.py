"""Non-Cartesian multi-coil encoding of NumPy and CuPy arrays."""

from __future__ import annotations

from typing import Any

from mriops._native.nufft_shapes import NUFFT, NUFFT_ADJOINT, NUFFT_GRAM

from ._call import call
from ._nufft_plan import NufftPlan, ndim_of, prepare, size_of

__all__ = ["sense_nufft", "sense_nufft_adjoint", "sense_nufft_gram"]


def sense_nufft(
    image: Any,
    csm: Any,
    trajectory: Any,
    *,
    eps: float = 1e-4,
    upsampling: float | None = None,
    method: str = "auto",
    plan: NufftPlan | None = None,
    trajectory_gradient: str = "exact",
) -> Any:
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
        Of :func:`mriops.array.nufft_plan` for this trajectory; without one the samples are sorted in this call. It sets
        ``eps`` and ``upsampling``.
    trajectory_gradient
        Not used: the same signature as the op.

    Returns
    -------
    ndarray
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
    return call(NUFFT, (image, csm, *rows), how)


def sense_nufft_adjoint(
    kspace: Any,
    csm: Any,
    trajectory: Any,
    *,
    dcf: Any = None,
    eps: float = 1e-4,
    upsampling: float | None = None,
    method: str = "auto",
    plan: NufftPlan | None = None,
    trajectory_gradient: str = "exact",
) -> Any:
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
        Density compensation or other real weights ``(*batch, samples)``.
    eps
        Relative L2 error asked for.
    upsampling
        Grid points per pixel, 1.125 to 4; chosen by sizes if ``None``.
    method
        ``"auto"``, or ``"exact"`` for the sum itself: slow, and right to rounding.
    plan
        Of :func:`mriops.array.nufft_plan` for this trajectory; without one the samples are sorted in this call. It sets
        ``eps`` and ``upsampling``.
    trajectory_gradient
        Not used: the same signature as the op.

    Returns
    -------
    ndarray
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
    return call(NUFFT_ADJOINT, (kspace, csm, dcf, *rows), (im, *how))


def sense_nufft_gram(
    image: Any,
    csm: Any,
    trajectory: Any,
    *,
    dcf: Any = None,
    eps: float = 1e-4,
    upsampling: float | None = None,
    method: str = "auto",
    plan: NufftPlan | None = None,
    trajectory_gradient: str = "exact",
) -> Any:
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
        Density compensation or other real weights ``(*batch, samples)``.
    eps
        Relative L2 error asked for.
    upsampling
        Grid points per pixel, 1.125 to 4; chosen by sizes if ``None``.
    method
        ``"auto"``, or ``"exact"`` for the sum itself: slow, and right to rounding.
    plan
        Of :func:`mriops.array.nufft_plan` for this trajectory; without one the samples are sorted in this call. It sets
        ``eps`` and ``upsampling``.
    trajectory_gradient
        Not used: the same signature as the op.

    Returns
    -------
    ndarray
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
    return call(NUFFT_GRAM, (image, csm, dcf, *rows), how)
