"""Calibration data and coil maps from samples anywhere in k-space."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mriops import ops, trajectories
from mriops._native.arguments import image_size, instance, integer
from mriops._native.batches import Array, broadcast, broadcasts_to
from mriops.calibration.adaptive import walsh
from mriops.solvers import cg
from mriops.trajectories.coordinates import finite, readouts

__all__ = ["adjoint_maps", "gridded_calibration"]

# Wider than the calibration region on each side: what is cut off there rings into the first samples inside.
_MARGIN = 8


@torch.no_grad()
def gridded_calibration(
    kspace: Tensor,
    trajectory: Tensor,
    im_size: Sequence[int],
    *,
    acs: int = 24,
    max_iter: int = 20,
    l2: float = 1e-3,
    eps: float = 1e-4,
) -> Tensor:
    r"""Cartesian k-space of the centre, from the samples there.

    .. math:: x_c = \arg\min_x \sum_{|k_s| < m/2} w_s\, |(A x)_s - y_{cs}|^2 + \lambda \|x\|^2

    with the NUFFT A of an image of m = acs + 16 points over the whole field of view and density weights w; its Fourier
    transform, cut to `acs` points and surrounded with zeros, is what `espirit` and `walsh` take coil maps from.

    Parameters
    ----------
    kspace : Tensor (*batch, coils, shots, readout)
        y, complex.
    trajectory : Tensor (shots, readout, ndim) or (*batch, shots, readout, ndim)
        [cycles/FOV]. Batch axes broadcast with those of `kspace`.
    im_size : (y, x) or (z, y, x)
    acs : int
        Points per axis; fewer where an axis is shorter.
    max_iter : int
        Conjugate-gradient iterations.
    l2 : float
        lambda, relative to A^H W A, whose eigenvalues are near 1.
    eps : float
        Accuracy of the NUFFT.

    Returns
    -------
    Tensor (*batch, coils, *im_size)
        Zero outside the centred box of `acs` points.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes do not fit, or no sample lies in the centre.

    References
    ----------
    Uecker et al. ESPIRiT. MRM 71:990 (2014). Rosenfeld. An optimal and efficient new gridding algorithm using singular
    value decomposition. MRM 40:14 (1998), for gridding as a least-squares problem.
    """
    size = check_samples(kspace, trajectory, im_size)
    ndim = len(size)
    integer("acs", acs, 2)
    if trajectory.ndim > 3:
        arrays = Array("kspace", tuple(kspace.shape[:-3]), ()), Array("trajectory", tuple(trajectory.shape[:-3]), ())
        batch = broadcast(arrays)
        paths = trajectory.expand(*batch, *trajectory.shape[-3:]).reshape(-1, *trajectory.shape[-3:])
        coils = kspace.expand(*batch, *kspace.shape[-3:]).reshape(-1, *kspace.shape[-3:])
        if not len(coils):
            return kspace.new_zeros(*batch, kspace.shape[-3], *size)
        items = zip(coils, paths, strict=True)
        done = [gridded_calibration(y, k, size, acs=acs, max_iter=max_iter, l2=l2, eps=eps) for y, k in items]
        return torch.stack(done).reshape(*batch, kspace.shape[-3], *size)
    box = tuple(min(n, acs) for n in size)
    grid = tuple(min(n, m + 2 * _MARGIN) for n, m in zip(size, box, strict=True))
    centre = torch.tensor([m / 2 for m in grid], dtype=trajectory.dtype, device=trajectory.device)
    inside = (trajectory.abs() < centre).all(dim=-1)
    if not bool(inside.any()):
        raise ValueError(f"trajectory: expected samples within {acs // 2} cycles/FOV of the centre, got none")
    points = trajectory[inside].to(kspace.dtype.to_real())
    weights = trajectories.dcf_pipe(points[None], grid, eps=max(eps, 1e-3))[0]
    samples = kspace[..., inside]
    plan = ops.nufft_plan(points, grid, eps=eps)
    right = ops.nufft_adjoint(samples, points, grid, dcf=weights, eps=eps, plan=plan)

    def normal(image: Tensor) -> Tensor:
        encoded = ops.nufft(image, points, eps=eps, plan=plan)
        return ops.nufft_adjoint(encoded, points, grid, dcf=weights, eps=eps, plan=plan)

    image = cg(normal, right, max_iter=max_iter, tol=1e-4, damping=l2, batch_ndim=right.ndim - ndim)
    low = ops.fft(image, tuple(range(-ndim, 0)))
    out = torch.zeros(*low.shape[:-ndim], *size, dtype=low.dtype, device=low.device)
    out[(..., *_window(size, box))] = low[(..., *_window(grid, box))]
    return out


def adjoint_maps(
    kspace: Tensor,
    trajectory: Tensor,
    im_size: Sequence[int],
    *,
    dcf: Tensor | None = None,
    window: int = 7,
    eps: float = 1e-4,
) -> Tensor:
    """Coil maps from the adjoint alone: Walsh's local principal component of density-compensated coil images.

    Needs no calibration region, and undersampling blurs it less than one might fear, since artefacts are incoherent
    between neighbouring pixels while maps are smooth.

    Parameters
    ----------
    kspace : Tensor (*batch, coils, shots, readout)
        Complex.
    trajectory : Tensor (*batch, shots, readout, ndim)
        [cycles/FOV]
    im_size : (y, x) or (z, y, x)
    dcf : Tensor, broadcastable to (*batch, shots, readout), optional
        Density compensation; `trajectories.dcf_pipe` if not given.
    window : int
        Odd width of the neighbourhood [pixels].
    eps : float
        Accuracy of the NUFFT.

    Returns
    -------
    Tensor (*batch, coils, *im_size)
        With sum_c |csm_c|^2 = 1 where there is signal.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes do not fit.

    References
    ----------
    Walsh, Gmitro, Marcellin. Adaptive reconstruction of phased array MR imagery. MRM 43:682 (2000).
    """
    size = check_samples(kspace, trajectory, im_size)
    weights = sample_weights(trajectory, size, dcf).flatten(-2).unsqueeze(-2)
    points = trajectory.flatten(-3, -2).unsqueeze(-3)
    images = ops.nufft_adjoint(kspace.flatten(-2), points, size, dcf=weights, eps=eps)
    return walsh(images, window=window, ndim=len(size))


def check_samples(kspace: Tensor, trajectory: Tensor, im_size: Sequence[int]) -> tuple[int, ...]:
    """The image size, if k-space belongs to the trajectory.

    Parameters
    ----------
    kspace : Tensor (*batch, coils, shots, readout)
        Complex.
    trajectory : Tensor (*batch, shots, readout, ndim)
        [cycles/FOV]
    im_size : (y, x) or (z, y, x)

    Returns
    -------
    tuple of int
        `im_size`.

    Raises
    ------
    TypeError
        If k-space is not complex, or the trajectory not a real floating-point tensor.
    ValueError
        If shapes do not fit, or k-space is not finite, where values can be looked at: not in `torch.compile`,
        `torch.func` transforms and on tensors without values.
    """
    size = image_size(im_size)
    readouts(trajectory, size)
    if not instance("kspace", kspace, Tensor, "a torch.Tensor").is_complex():
        raise TypeError(f"kspace: expected a complex tensor, got {kspace.dtype}")
    if kspace.ndim < 3 or kspace.shape[-2:] != trajectory.shape[-3:-1]:
        shots, readout = trajectory.shape[-3:-1]
        raise ValueError(f"kspace: expected (*batch, coils, {shots}, {readout}), got {tuple(kspace.shape)}")
    finite("kspace", kspace, "values")
    return size


def sample_weights(trajectory: Tensor, im_size: Sequence[int], dcf: Tensor | None) -> Tensor:
    """Weights of every sample: those given, spread over the axes that they leave out, or `trajectories.dcf_pipe`.

    Parameters
    ----------
    trajectory : Tensor (*batch, shots, readout, ndim)
        [cycles/FOV]
    im_size : (y, x) or (z, y, x)
    dcf : Tensor, optional
        Real, broadcastable to (*batch, shots, readout).

    Returns
    -------
    Tensor (*batch, shots, readout)

    Raises
    ------
    TypeError
        If weights are not real numbers.
    ValueError
        If shapes do not fit.
    """
    if dcf is None:
        return trajectories.dcf_pipe(trajectory, im_size)
    if instance("dcf", dcf, Tensor, "a torch.Tensor or None").is_complex() or dcf.dtype == torch.bool:
        raise TypeError(f"dcf: expected real weights, got {dcf.dtype}")
    samples = tuple(trajectory.shape[-3:-1])
    if not broadcasts_to(tuple(dcf.shape[-2:]), samples):
        raise ValueError(
            f"dcf: expected weights that broadcast to (*batch, {samples[0]}, {samples[1]}), got {tuple(dcf.shape)}"
        )
    weights = dcf if dcf.is_floating_point() else dcf.to(trajectory.dtype)
    return weights.expand(*dcf.shape[:-2], *samples)


def _window(size: Sequence[int], box: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(size, box, strict=True))
