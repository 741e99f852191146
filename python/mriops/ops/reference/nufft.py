"""The non-uniform discrete Fourier transform as the sum that defines it, in blocks of samples."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .coils import coil_combine, coil_expand
from .precision import complex_of, real_of

if TYPE_CHECKING:
    from mriops.ops._nufft_plan import NufftPlan

__all__ = [
    "nufft",
    "nufft_adjoint",
    "nufft_trajectory_grad",
    "nufft_trajectory_jvp",
    "sense_nufft",
    "sense_nufft_adjoint",
    "sense_nufft_gram",
    "slopes",
]

# Elements of the largest intermediate array: 64 MiB in complex64.
_BLOCK = 1 << 23


def _phase(trajectory: Tensor, axis: int, n: int, dtype: torch.dtype) -> Tensor:
    """``exp(-2 pi i k (r - n//2) / n)``, ``(*batch, n, samples)``."""
    r = (torch.arange(n, device=trajectory.device, dtype=trajectory.dtype) - n // 2) / n
    angle = -2 * pi * r[:, None] * trajectory[..., None, :, axis]
    return torch.exp(1j * angle).to(dtype)


def _blocks(rows: int, samples: int) -> range:
    return range(0, samples, max(1, _BLOCK // max(rows, 1)))


def _forward(image: Tensor, trajectory: Tensor) -> Tensor:
    im = tuple(image.shape[image.ndim - trajectory.shape[-1] :])
    dtype, ndim = complex_of(image.dtype), len(im)
    blocks = []
    flat = image.to(dtype).reshape((*image.shape[: image.ndim - ndim], prod(im[:-1]), im[-1]))
    starts = _blocks(max(image.numel() // im[-1], 1), trajectory.shape[-2])
    for start in starts:
        part = trajectory[..., start : start + starts.step, :]
        y = flat @ _phase(part, ndim - 1, im[-1], dtype)
        for axis in reversed(range(ndim - 1)):
            y = y.reshape((*y.shape[:-2], prod(im[:axis]), im[axis], y.shape[-1]))
            y = (y * _phase(part, axis, im[axis], dtype).unsqueeze(-3)).sum(-2)
        blocks.append(y.squeeze(-2))
    return torch.cat(blocks, -1) / prod(im) ** 0.5


def _adjoint(kspace: Tensor, trajectory: Tensor, im: tuple[int, ...]) -> Tensor:
    dtype, ndim = complex_of(kspace.dtype), len(im)
    total: Any = 0
    batch = torch.broadcast_shapes(kspace.shape[:-1], trajectory.shape[:-2])
    starts = _blocks(max(prod(batch), 1) * prod(im[:-1]), trajectory.shape[-2])
    for start in starts:
        part = trajectory[..., start : start + starts.step, :]
        y = kspace[..., start : start + starts.step].to(dtype).unsqueeze(-2)
        for axis in range(ndim - 1):
            y = y.unsqueeze(-2) * _phase(part, axis, im[axis], dtype).conj().unsqueeze(-3)
            y = y.reshape((*y.shape[:-3], y.shape[-3] * y.shape[-2], y.shape[-1]))
        total = total + y @ _phase(part, ndim - 1, im[-1], dtype).conj().transpose(-1, -2)
    return total.reshape((*total.shape[:-2], *im)) / prod(im) ** 0.5


def slopes(im: tuple[int, ...], like: Tensor) -> list[Tensor]:
    """``-2 pi i (r - n//2) / n`` per axis, broadcastable to an image: what the derivative by k multiplies it with."""
    found = []
    for axis, n in enumerate(im):
        r = (torch.arange(n, device=like.device, dtype=real_of(like.dtype)) - n // 2) / n
        found.append((-2j * pi * r).reshape((n,) + (1,) * (len(im) - 1 - axis)).to(complex_of(like.dtype)))
    return found


def _of_coils(array: Tensor, core: int) -> Tensor:
    """With an axis of one for coils behind the batch."""
    return array.unsqueeze(-core - 1)


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
    """``y[s] = 1/sqrt(N) sum_r x[r] exp(-2 pi i k[s] . (r - N//2) / N)``.

    Parameters
    ----------
    image
        ``(*batch, *im)``.
    trajectory
        ``(*batch, samples, ndim)`` in cycles per field of view.
    eps, upsampling, method, plan, trajectory_gradient
        Not used: the sum is exact.

    Returns
    -------
    Tensor
        ``(*batch, samples)``.
    """
    return _forward(image, trajectory)


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
    """``x[r] = 1/sqrt(N) sum_s w[s] y[s] exp(2 pi i k[s] . (r - N//2) / N)``.

    Parameters
    ----------
    kspace
        ``(*batch, samples)``.
    trajectory
        ``(*batch, samples, ndim)``.
    im_size
        Image size.
    dcf
        Weights ``(*batch, samples)``.
    eps, upsampling, method, plan, trajectory_gradient
        Not used.

    Returns
    -------
    Tensor
        ``(*batch, *im)``.
    """
    return _adjoint(kspace if dcf is None else kspace * dcf, trajectory, tuple(im_size))


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
    """:func:`nufft` of each coil's image ``csm[c] x``.

    Parameters
    ----------
    image
        ``(*batch, *im)``.
    csm
        ``(*batch, coils, *im)``.
    trajectory
        ``(*batch, samples, ndim)``.
    eps, upsampling, method, plan, trajectory_gradient
        Not used.

    Returns
    -------
    Tensor
        ``(*batch, coils, samples)``.
    """
    ndim = trajectory.shape[-1]
    return _forward(coil_expand(image, csm, ndim=ndim), _of_coils(trajectory, 2))


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
    """``x = sum_c conj(csm[c]) A^H w y[c]``.

    Parameters
    ----------
    kspace
        ``(*batch, coils, samples)``.
    csm
        ``(*batch, coils, *im)``.
    trajectory
        ``(*batch, samples, ndim)``.
    dcf
        Weights ``(*batch, samples)``.
    eps, upsampling, method, plan, trajectory_gradient
        Not used.

    Returns
    -------
    Tensor
        ``(*batch, *im)``.
    """
    ndim = trajectory.shape[-1]
    weighted = kspace if dcf is None else kspace * _of_coils(dcf, 1)
    images = _adjoint(weighted, _of_coils(trajectory, 2), tuple(csm.shape[csm.ndim - ndim :]))
    return coil_combine(images, csm, ndim=ndim)


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
    """:func:`sense_nufft_adjoint` of :func:`sense_nufft`: weights count once.

    Parameters
    ----------
    image
        ``(*batch, *im)``.
    csm
        ``(*batch, coils, *im)``.
    trajectory
        ``(*batch, samples, ndim)``.
    dcf
        Weights ``(*batch, samples)``.
    eps, upsampling, method, plan, trajectory_gradient
        Not used.

    Returns
    -------
    Tensor
        ``(*batch, *im)``.
    """
    return sense_nufft_adjoint(sense_nufft(image, csm, trajectory), csm, trajectory, dcf=dcf)


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
    """``sum_d v[s, d] dy[s] / dk[s, d]``, ``dy / dk_d`` the transform of ``-2 pi i (r_d - N_d//2) / N_d x[r]``.

    Parameters
    ----------
    image
        ``(*batch, *im)``.
    trajectory
        ``(*batch, samples, ndim)``.
    tangent
        ``v``, ``(*batch, samples, ndim)``.
    csm
        ``(*batch, coils, *im)``.
    eps, upsampling, method, plan
        Not used.

    Returns
    -------
    Tensor
        ``(*batch, [coils,] samples)``.
    """
    ndim = trajectory.shape[-1]
    if csm is not None:
        image = coil_expand(image, csm, ndim=ndim)
        trajectory, tangent = _of_coils(trajectory, 2), _of_coils(tangent, 2)
    factors = slopes(tuple(image.shape[image.ndim - ndim :]), image)
    terms = [tangent[..., d] * _forward(factor * image, trajectory) for d, factor in enumerate(factors)]
    return sum(terms[1:], start=terms[0])


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
    """``g[s, d] = Re sum conj(k[s]) dy[s] / dk[s, d]`` over coils and all that shares a trajectory.

    Parameters
    ----------
    image
        ``(*batch, *im)``.
    kspace
        Cotangent ``(*batch, [coils,] samples)``.
    trajectory
        ``(*batch, samples, ndim)``.
    csm
        ``(*batch, coils, *im)``.
    eps, upsampling, method, plan
        Not used.

    Returns
    -------
    Tensor
        Real, shape of ``trajectory``.
    """
    ndim, shape = trajectory.shape[-1], trajectory.shape
    if csm is not None:
        image, trajectory = coil_expand(image, csm, ndim=ndim), _of_coils(trajectory, 2)
    factors = slopes(tuple(image.shape[image.ndim - ndim :]), image)
    products = torch.stack([(kspace.conj() * _forward(factor * image, trajectory)).real for factor in factors], -1)
    if csm is not None:
        products = products.sum(-3)
    return products.sum_to_size(shape)
