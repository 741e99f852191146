"""The Toeplitz normal operator on NumPy and CuPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from mriops._native.nufft_shapes import check_im_size
from mriops._native.toeplitz_shapes import SENSE_TOEPLITZ

from ._call import array_facts, array_module, call
from ._nufft_plan import ndim_of
from .nufft import nufft_adjoint

__all__ = ["sense_toeplitz", "toeplitz", "toeplitz_kernel"]


def _checked_weights(dcf: Any, trajectory: Any) -> Any:
    facts, own = array_facts("dcf", dcf), array_facts("trajectory", trajectory)
    if dcf.dtype.kind == "c":
        raise TypeError(f"dcf: expected a real dtype, got {facts.dtype}")
    if facts.device != own.device:
        raise ValueError(f"dcf: expected device {own.device} (that of trajectory), got {facts.device}")
    if len(facts.shape) < 1 or facts.shape[-1] != own.shape[-2]:
        raise ValueError(f"dcf: expected samples {own.shape[-2]} (those of trajectory), got {tuple(facts.shape)}")
    return dcf


def toeplitz_kernel(
    trajectory: Any,
    im_size: Sequence[int],
    *,
    dcf: Any = None,
    eps: float = 1e-6,
    upsampling: float | None = None,
    method: str = "auto",
) -> Any:
    """Spectrum of the point-spread function of a trajectory, on a grid of twice the image's size.

    ``K[l] = sum_r p[r] exp(-2 pi i l r / 2N)`` with ``p[r] = 1/N sum_s w[s] exp(2 pi i k[s] r / N)``, ``-N <= r < N``.
    It is real, since ``p[-r] = conj(p[r])``. Worked out in double precision, whatever that of the trajectory.

    Parameters
    ----------
    trajectory
        ``(*batch, samples, ndim)`` in cycles per field of view.
    im_size
        Image size, ``(y, x)`` or ``(z, y, x)``.
    dcf
        Real weights ``(*batch, samples)``.
    eps
        Relative L2 error asked for.
    upsampling
        Of the transform of twice the size.
    method
        ``"auto"``, or ``"exact"`` for the sum itself.

    Returns
    -------
    ndarray
        Real ``(*batch, *2 im_size)`` in the precision of the trajectory, zero frequency first.

    Raises
    ------
    TypeError, ValueError
        As :func:`mriops.array.nufft_adjoint`.

    References
    ----------
    Fessler JA, Lee S, Olafsson VT, Shi HR, Noll DC. Toeplitz-based iterative image reconstruction for MRI with
    correction for magnetic field inhomogeneity. IEEE Trans Signal Process 2005;53:3393-3402.
    """
    ndim = ndim_of(trajectory)
    im = check_im_size(im_size, ndim)
    xp = array_module(trajectory)
    wide = tuple(2 * n for n in im)
    fine = trajectory.astype("float64")
    weights = xp.ones_like(fine[..., 0]) if dcf is None else _checked_weights(dcf, trajectory)
    points = nufft_adjoint(weights.astype("complex128"), 2 * fine, wide, eps=eps, upsampling=upsampling, method=method)
    axes = tuple(range(-ndim, 0))
    if points.size == 0:  # an empty batch
        return points.real.astype("float64" if trajectory.dtype.name == "float64" else "float32")
    spectrum = xp.fft.fftn(xp.fft.ifftshift(points, axes=axes), axes=axes).real
    precision = "float64" if trajectory.dtype.name == "float64" else "float32"
    return (prod(wide) ** 0.5 / prod(im) * spectrum).astype(precision)


def toeplitz(image: Any, kernel: Any, *, ndim: int = 2) -> Any:
    """Normal operator ``A^H w A`` of :func:`mriops.array.nufft` as a convolution.

    Zero-pads to twice the size, transforms, multiplies by the spectrum, transforms back, crops: no interpolation.

    Parameters
    ----------
    image
        ``(*batch, *im)``, complex; real is promoted.
    kernel
        Of :func:`toeplitz_kernel`: real ``(*batch, *2 im)``.
    ndim
        Number of spatial axes, 2 or 3.

    Returns
    -------
    ndarray
        ``(*batch, *im)``. Batches broadcast.

    Raises
    ------
    TypeError
        A dtype that is not complex64, complex128 or its real partner; precisions mixed; a complex kernel.
    ValueError
        Shapes that do not fit, arrays on different devices.

    References
    ----------
    Fessler JA, Lee S, Olafsson VT, Shi HR, Noll DC. Toeplitz-based iterative image reconstruction for MRI with
    correction for magnetic field inhomogeneity. IEEE Trans Signal Process 2005;53:3393-3402.
    """
    return call(SENSE_TOEPLITZ, (image, None, kernel), (ndim,))


def sense_toeplitz(image: Any, csm: Any, kernel: Any, *, ndim: int = 2) -> Any:
    """Normal operator of :func:`mriops.array.sense_nufft` as a convolution: ``y = sum_c conj(csm[c]) T (csm[c] x)``.

    ``T`` is the convolution of :func:`toeplitz`. The same as :func:`mriops.array.sense_nufft_gram` up to the accuracy
    of both.

    Parameters
    ----------
    image
        ``(*batch, *im)``, complex; real is promoted.
    csm
        Coil sensitivity maps ``(*batch, coils, *im)``.
    kernel
        Of :func:`toeplitz_kernel`: real ``(*batch, *2 im)``.
    ndim
        Number of spatial axes, 2 or 3.

    Returns
    -------
    ndarray
        ``(*batch, *im)``. Batches of all arguments broadcast.

    Raises
    ------
    TypeError, ValueError
        As :func:`toeplitz`.

    References
    ----------
    Fessler JA, Lee S, Olafsson VT, Shi HR, Noll DC. Toeplitz-based iterative image reconstruction for MRI with
    correction for magnetic field inhomogeneity. IEEE Trans Signal Process 2005;53:3393-3402.
    """
    return call(SENSE_TOEPLITZ, (image, csm, kernel), (ndim,))
