"""The Toeplitz normal operator: ``A^H w A`` is a convolution, whose spectrum is worked out once per trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from mriops._native.nufft_shapes import check_im_size
from mriops._native.toeplitz_shapes import SENSE_TOEPLITZ

from . import reference
from ._declaration import OpDeclaration
from ._factory import define_op
from ._nufft_call import ndim_of, require_tensor
from .coils import coil_combine, coil_expand
from .nufft import nufft_adjoint

__all__ = ["sense_toeplitz", "toeplitz", "toeplitz_kernel"]


def _apply(image: Tensor, kernel: Tensor, ndim: int) -> Tensor:
    """Of coil images, each kernel for all coils."""
    return toeplitz_op(image, None, kernel.unsqueeze(-ndim - 1), ndim)


def _csm_grad(grad: Tensor, image: Tensor, csm: Tensor, kernel: Tensor, ndim: int) -> Tensor:
    # <g, S^H T S x>: once for the right S, once for the left.
    right = _apply(coil_expand(grad, csm, ndim=ndim), kernel, ndim) * image.conj().unsqueeze(-ndim - 1)
    return right + _apply(coil_expand(image, csm, ndim=ndim), kernel, ndim) * grad.conj().unsqueeze(-ndim - 1)


def _kernel_grad(grad: Tensor, image: Tensor, csm: Tensor | None, kernel: Any, ndim: int) -> Tensor:
    """``Re conj(F g) F x / N`` over the padded grid, summed over coils."""
    if csm is not None:
        grad, image = coil_expand(grad, csm, ndim=ndim), coil_expand(image, csm, ndim=ndim)
    axes, wide = tuple(range(-ndim, 0)), tuple(kernel.shape[len(kernel.shape) - ndim :])
    spectra = [torch.fft.fftn(x, s=wide, dim=axes) for x in (grad, image)]
    product = (spectra[0].conj() * spectra[1]).real / prod(wide)
    return product if csm is None else product.sum(-ndim - 1)


def _jvp(tangents: tuple, image: Tensor, csm: Tensor | None, kernel: Tensor, ndim: int) -> Tensor:
    d_image, d_csm, d_kernel = tangents
    terms = []
    if d_image is not None:
        terms.append(toeplitz_op(d_image, csm, kernel, ndim))
    if d_kernel is not None:
        terms.append(toeplitz_op(image, csm, d_kernel, ndim))
    if d_csm is not None and csm is not None:
        inner = _apply(coil_expand(image, d_csm, ndim=ndim), kernel, ndim)
        terms.append(coil_combine(inner, csm, ndim=ndim))
        inner = _apply(coil_expand(image, csm, ndim=ndim), kernel, ndim)
        terms.append(coil_combine(inner, d_csm, ndim=ndim))
    return sum(terms[1:], start=terms[0])


def _plain(image: Tensor, csm: Tensor | None, kernel: Tensor, ndim: int) -> Tensor:
    if csm is None:
        return reference.toeplitz(image, kernel, ndim=ndim)
    return reference.sense_toeplitz(image, csm, kernel, ndim=ndim)


toeplitz_op = define_op(
    OpDeclaration(
        native=SENSE_TOEPLITZ,
        schema="(Tensor image, Tensor? csm, Tensor kernel, int ndim) -> Tensor",
        core_rank={"image": lambda ndim: ndim, "csm": lambda ndim: ndim + 1, "kernel": lambda ndim: ndim},
        adjoint={
            "image": lambda grad, image, csm, kernel, ndim: toeplitz_op(grad, csm, kernel, ndim),
            "csm": _csm_grad,
            "kernel": _kernel_grad,
        },
        jvp=_jvp,
        plain=_plain,
    )
)


def _checked_weights(dcf: Any, trajectory: Tensor) -> Tensor:
    require_tensor("dcf", dcf)
    if dcf.is_complex():
        raise TypeError(f"dcf: expected a real dtype, got {dcf.dtype}")
    if dcf.device != trajectory.device:
        raise ValueError(f"dcf: expected device {trajectory.device} (that of trajectory), got {dcf.device}")
    if dcf.ndim < 1 or dcf.shape[-1] != trajectory.shape[-2]:
        raise ValueError(f"dcf: expected samples {trajectory.shape[-2]} (those of trajectory), got {tuple(dcf.shape)}")
    return dcf


def toeplitz_kernel(
    trajectory: Tensor,
    im_size: Sequence[int],
    *,
    dcf: Tensor | None = None,
    eps: float = 1e-6,
    upsampling: float | None = None,
    method: str = "auto",
) -> Tensor:
    """Spectrum of the point-spread function of a trajectory, on a grid of twice the image's size.

    ``K[l] = sum_r p[r] exp(-2 pi i l r / 2N)`` with ``p[r] = 1/N sum_s w[s] exp(2 pi i k[s] r / N)``, ``-N <= r < N``.
    It is real, since ``p[-r] = conj(p[r])``. Worked out in double precision, whatever that of the trajectory.

    Parameters
    ----------
    trajectory
        ``(*batch, samples, ndim)`` in cycles per field of view. Has a gradient.
    im_size
        Image size, ``(y, x)`` or ``(z, y, x)``.
    dcf
        Real weights ``(*batch, samples)``. Has a gradient.
    eps
        Relative L2 error asked for.
    upsampling
        Of the transform of twice the size.
    method
        ``"auto"``, or ``"exact"`` for the sum itself.

    Returns
    -------
    Tensor
        Real ``(*batch, *2 im_size)`` in the precision of the trajectory, zero frequency first.

    Raises
    ------
    TypeError, ValueError
        As :func:`mriops.ops.nufft_adjoint`.

    References
    ----------
    Fessler JA, Lee S, Olafsson VT, Shi HR, Noll DC. Toeplitz-based iterative image reconstruction for MRI with
    correction for magnetic field inhomogeneity. IEEE Trans Signal Process 2005;53:3393-3402.
    """
    ndim = ndim_of(trajectory)
    im = check_im_size(im_size, ndim)
    wide = tuple(2 * n for n in im)
    fine = trajectory.to(torch.float64)
    weights = torch.ones_like(fine[..., 0]) if dcf is None else _checked_weights(dcf, trajectory).to(torch.float64)
    points = nufft_adjoint(weights.to(torch.complex128), 2 * fine, wide, eps=eps, upsampling=upsampling, method=method)
    axes = tuple(range(-ndim, 0))
    if points.numel() == 0:  # an empty batch, which torch does not transform
        return points.real.to(torch.float64 if trajectory.dtype == torch.float64 else torch.float32)
    spectrum = torch.fft.fftn(torch.fft.ifftshift(points, dim=axes), dim=axes).real
    precision = torch.float64 if trajectory.dtype == torch.float64 else torch.float32
    return (prod(wide) ** 0.5 / prod(im) * spectrum).to(precision)


def toeplitz(image: Tensor, kernel: Tensor, *, ndim: int = 2) -> Tensor:
    """Normal operator ``A^H w A`` of :func:`mriops.ops.nufft` as a convolution.

    Zero-pads to twice the size, transforms, multiplies by the spectrum, transforms back, crops: no interpolation.

    Parameters
    ----------
    image
        ``(*batch, *im)``, complex; real is promoted.
    kernel
        Of :func:`toeplitz_kernel`: real ``(*batch, *2 im)``. Has a gradient.
    ndim
        Number of spatial axes, 2 or 3.

    Returns
    -------
    Tensor
        ``(*batch, *im)``. Batches broadcast.

    Raises
    ------
    TypeError
        A dtype that is not complex64, complex128 or its real partner; precisions mixed; a complex kernel.
    ValueError
        Shapes that do not fit, tensors on different devices.

    References
    ----------
    Fessler JA, Lee S, Olafsson VT, Shi HR, Noll DC. Toeplitz-based iterative image reconstruction for MRI with
    correction for magnetic field inhomogeneity. IEEE Trans Signal Process 2005;53:3393-3402.
    """
    return toeplitz_op(image, None, kernel, ndim)


def sense_toeplitz(image: Tensor, csm: Tensor, kernel: Tensor, *, ndim: int = 2) -> Tensor:
    """Normal operator of :func:`mriops.ops.sense_nufft` as a convolution: ``y = sum_c conj(csm[c]) T (csm[c] x)``.

    ``T`` is the convolution of :func:`toeplitz`. The same as :func:`mriops.ops.sense_nufft_gram` up to the accuracy of
    both.

    Parameters
    ----------
    image
        ``(*batch, *im)``, complex; real is promoted.
    csm
        Coil sensitivity maps ``(*batch, coils, *im)``.
    kernel
        Of :func:`toeplitz_kernel`: real ``(*batch, *2 im)``. Has a gradient.
    ndim
        Number of spatial axes, 2 or 3.

    Returns
    -------
    Tensor
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
    return toeplitz_op(image, csm, kernel, ndim)
