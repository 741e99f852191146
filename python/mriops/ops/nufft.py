"""Non-uniform Fourier transforms of images: samples anywhere in k-space.

A sample's kernel weights are evaluated once and serve all images that share a trajectory. Gradients of
every order in image, maps, k-space, weights and trajectory are made of the family's own members.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mriops._native.nufft_shapes import check_im_size

from ._nufft_call import ndim_of, prepare, size_of
from ._nufft_plan import NufftPlan, nufft_plan
from ._nufft_rules import adjoint_op, nufft_op, trajectory_grad_op, trajectory_jvp_op

__all__ = [
    "NufftPlan",
    "nufft",
    "nufft_adjoint",
    "nufft_plan",
    "nufft_trajectory_grad",
    "nufft_trajectory_jvp",
]


def nufft(
    image: Tensor,
    trajectory: Tensor,
    *,
    eps: float = 1e-4,
    upsampling: float | None = None,
    method: str = "auto",
    plan: NufftPlan | None = None,
    trajectory_gradient: str = "exact",
) -> Tensor:
    """Non-uniform Fourier transform of an image (type 2).

    ``y[s] = 1/sqrt(N) sum_r x[r] exp(-2 pi i k[s] . (r - N//2) / N)``: on a Cartesian grid the same as
    :func:`mriops.ops.fft`.

    Parameters
    ----------
    image
        ``(*batch, *im)``, complex; real is promoted and has a real gradient.
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
        Of :func:`nufft_plan` for this trajectory; without one the samples are sorted in this call. It sets ``eps`` and
        ``upsampling``.
    trajectory_gradient
        ``"exact"``: the derivative of what is computed, by that of the spreading kernel, in one pass; ``"analytic"``:
        transforms of ``-2 pi i (r - N//2) / N x[r]``, one per axis.

    Returns
    -------
    Tensor
        ``(*batch, samples)``. Batches broadcast by numpy's rules: coil images ``(frames, coils, *im)`` go with a
        trajectory per frame ``(frames, 1, samples, ndim)``.

    Raises
    ------
    TypeError
        A dtype that is not complex64, complex128 or its real partner; a trajectory that is not real; precisions mixed.
    ValueError
        Shapes that do not fit, no samples, coordinates that are NaN or Inf (with their index), ``eps`` out of reach of
        the dtype, a plan for something else, tensors on different devices.

    References
    ----------
    Fessler JA, Sutton BP. Nonuniform fast Fourier transforms using min-max interpolation. IEEE Trans Signal Process
    2003;51:560-574.
    """
    im = size_of("image", image, ndim_of(trajectory))
    rows, how = prepare(image, "image", trajectory, im, False, (eps, upsampling, method, plan), trajectory_gradient)
    return nufft_op(image, None, *rows, *how)


def nufft_adjoint(
    kspace: Tensor,
    trajectory: Tensor,
    im_size: Sequence[int],
    *,
    dcf: Tensor | None = None,
    eps: float = 1e-4,
    upsampling: float | None = None,
    method: str = "auto",
    plan: NufftPlan | None = None,
    trajectory_gradient: str = "exact",
) -> Tensor:
    """Adjoint of :func:`nufft` (type 1): ``x[r] = 1/sqrt(N) sum_s w[s] y[s] exp(2 pi i k[s] . (r - N//2) / N)``.

    Parameters
    ----------
    kspace
        ``(*batch, samples)``, complex; real is promoted.
    trajectory
        ``(*batch, samples, ndim)`` in cycles per field of view, components in the order of the image's axes, range
        ``[-N/2, N/2)``; what lies outside is wrapped periodically. A real trajectory of another precision is converted.
    im_size
        Image size, ``(y, x)`` or ``(z, y, x)``.
    dcf
        Density compensation or other real weights ``(*batch, samples)``. Has a gradient.
    eps
        Relative L2 error asked for.
    upsampling
        Grid points per pixel, 1.125 to 4; chosen by sizes if ``None``.
    method
        ``"auto"``, or ``"exact"`` for the sum itself: slow, and right to rounding.
    plan
        Of :func:`nufft_plan` for this trajectory; without one the samples are sorted in this call. It sets ``eps`` and
        ``upsampling``.
    trajectory_gradient
        ``"exact"``: the derivative of what is computed, by that of the spreading kernel, in one pass; ``"analytic"``:
        transforms of ``-2 pi i (r - N//2) / N x[r]``, one per axis.

    Returns
    -------
    Tensor
        Image ``(*batch, *im_size)``.

    Raises
    ------
    TypeError, ValueError
        As :func:`nufft`.

    References
    ----------
    Fessler JA, Sutton BP. Nonuniform fast Fourier transforms using min-max interpolation. IEEE Trans Signal Process
    2003;51:560-574.
    """
    ndim = ndim_of(trajectory)
    im = check_im_size(im_size, ndim)
    rows, how = prepare(kspace, "kspace", trajectory, im, False, (eps, upsampling, method, plan), trajectory_gradient)
    return adjoint_op(kspace, None, dcf, *rows, im, *how)


def nufft_trajectory_jvp(
    image: Tensor,
    trajectory: Tensor,
    tangent: Tensor,
    *,
    csm: Tensor | None = None,
    eps: float = 1e-4,
    upsampling: float | None = None,
    method: str = "auto",
    plan: NufftPlan | None = None,
) -> Tensor:
    """Change of k-space when the trajectory moves: ``sum_d v[s, d] dy[s] / dk[s, d]``, of what :func:`nufft` computes.

    Parameters
    ----------
    image
        ``(*batch, *im)``, complex; real is promoted.
    trajectory
        ``(*batch, samples, ndim)`` in cycles per field of view, components in the order of the image's axes, range
        ``[-N/2, N/2)``; what lies outside is wrapped periodically. A real trajectory of another precision is converted.
    tangent
        Direction ``v``, ``(*batch, samples, ndim)``.
    csm
        Coil sensitivity maps ``(*batch, coils, *im)``; then of :func:`sense_nufft`.
    eps
        Relative L2 error asked for.
    upsampling
        Grid points per pixel, 1.125 to 4; chosen by sizes if ``None``.
    method
        ``"auto"``, or ``"exact"`` for the sum itself: slow, and right to rounding.
    plan
        Of :func:`nufft_plan` for this trajectory; without one the samples are sorted in this call. It sets ``eps`` and
        ``upsampling``.

    Returns
    -------
    Tensor
        ``(*batch, samples)``, with maps ``(*batch, coils, samples)``.

    Raises
    ------
    TypeError, ValueError
        As :func:`nufft`.

    References
    ----------
    Wang G, Fessler JA. Efficient approximation of Jacobian matrices involving a non-uniform fast Fourier transform
    (NUFFT). IEEE Trans Comput Imaging 2023;9:43-54.
    """
    im = size_of("image", image, ndim_of(trajectory))
    rows, how = prepare(image, "image", trajectory, im, csm is not None, (eps, upsampling, method, plan))
    return trajectory_jvp_op(image, csm, tangent, *rows, *how)


def nufft_trajectory_grad(
    image: Tensor,
    kspace: Tensor,
    trajectory: Tensor,
    *,
    csm: Tensor | None = None,
    eps: float = 1e-4,
    upsampling: float | None = None,
    method: str = "auto",
    plan: NufftPlan | None = None,
) -> Tensor:
    """Gradient of ``Re <kspace, nufft(image)>`` for the trajectory, summed over coils and all that shares a trajectory.

    Adjoint of :func:`nufft_trajectory_jvp` in its tangent.

    Parameters
    ----------
    image
        ``(*batch, *im)``, complex; real is promoted.
    kspace
        ``(*batch, samples)``, with maps ``(*batch, coils, samples)``.
    trajectory
        ``(*batch, samples, ndim)`` in cycles per field of view, components in the order of the image's axes, range
        ``[-N/2, N/2)``; what lies outside is wrapped periodically. A real trajectory of another precision is converted.
    csm
        Coil sensitivity maps ``(*batch, coils, *im)``.
    eps
        Relative L2 error asked for.
    upsampling
        Grid points per pixel, 1.125 to 4; chosen by sizes if ``None``.
    method
        ``"auto"``, or ``"exact"`` for the sum itself: slow, and right to rounding.
    plan
        Of :func:`nufft_plan` for this trajectory; without one the samples are sorted in this call. It sets ``eps`` and
        ``upsampling``.

    Returns
    -------
    Tensor
        Real, the shape of ``trajectory``, per cycle per field of view.

    Raises
    ------
    TypeError, ValueError
        As :func:`nufft`.

    References
    ----------
    Wang G, Fessler JA. Efficient approximation of Jacobian matrices involving a non-uniform fast Fourier transform
    (NUFFT). IEEE Trans Comput Imaging 2023;9:43-54.
    """
    im = size_of("image", image, ndim_of(trajectory))
    rows, how = prepare(image, "image", trajectory, im, csm is not None, (eps, upsampling, method, plan))
    return trajectory_grad_op(image, csm, kspace, *rows, *how)
