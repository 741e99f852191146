"""Density compensation by iteration: weights that the kernel of the field of view turns into ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mriops import ops
from mriops._native.arguments import image_size, integer
from mriops.trajectories.coordinates import finite, readouts


@torch.no_grad()
def dcf_pipe(trajectory: Tensor, im_size: Sequence[int], *, max_iter: int = 20, eps: float = 1e-3) -> Tensor:
    r"""Weights by the fixed-point iteration of Pipe and Menon.

    .. math:: w \leftarrow \frac{w}{|C w|}, \qquad C = A\, \Lambda\, A^H

    A is the NUFFT onto an image of twice the field of view and Lambda a triangle over it, the autocorrelation of the
    field of view: C convolves in k-space with its (nonnegative) transform, |jinc|^2-like, which integrates to one.
    Where Cw = 1 the point-spread function is that of k-space sampled evenly, for all distances within the object.

    Parameters
    ----------
    trajectory : Tensor (*batch, shots, readout, ndim)
        [cycles/FOV]. Each batch item (frame) for itself, all in one call.
    im_size : (y, x) or (z, y, x)
        N
    max_iter : int
        Iterations; 10 to 30 are usual, and density errors fall like their square root where samples are dense.
    eps : float
        Accuracy of the NUFFT.

    Returns
    -------
    Tensor (*batch, shots, readout)
        [(cycles/FOV)^ndim]

    Raises
    ------
    TypeError, ValueError
        If the trajectory is not a real floating-point tensor, shapes do not fit, there is no sample, a coordinate is
        not finite, or max_iter is not positive.

    References
    ----------
    Pipe, Menon. Sampling density compensation in MRI: rationale and an iterative numerical solution. MRM 41:179 (1999).
    Johnson, Pipe. Convolution kernel design and efficient algorithm for sampling density correction. MRM 61:439 (2009).
    """
    im_size = image_size(im_size)
    ndim = len(im_size)
    readouts(trajectory, im_size)
    finite("trajectory", trajectory)
    integer("max_iter", max_iter, 1)
    size = tuple(2 * n for n in im_size)
    # Cycles per doubled field of view.
    precision = torch.promote_types(trajectory.dtype, torch.float32)
    samples = 2 * trajectory.detach().to(precision).flatten(-3, -2)
    window = torch.ones((), dtype=samples.dtype, device=samples.device)
    for axis, n in enumerate(size):
        line = 1 - (torch.arange(n, dtype=samples.dtype, device=samples.device) - n // 2).abs() / (n // 2)
        window = window * line.reshape([-1] + [1] * (ndim - 1 - axis))
    # The orthonormal pair on the doubled grid has the kernel (1/prod(2N)) sum_r exp(...): per cycle/FOV, times 2^ndim.
    window = window * 2**ndim
    plan = ops.nufft_plan(samples, size, eps=eps)
    complex_dtype = torch.complex128 if samples.dtype == torch.float64 else torch.complex64
    weights = torch.ones(samples.shape[:-1], dtype=samples.dtype, device=samples.device)
    for _ in range(max_iter):
        image = ops.nufft_adjoint(weights.to(complex_dtype), samples, size, eps=eps, plan=plan)
        response = ops.nufft(image * window, samples, eps=eps, plan=plan).abs()
        weights = weights / response.clamp_min(torch.finfo(samples.dtype).tiny)
    return weights.unflatten(-1, trajectory.shape[-3:-1]).to(trajectory.dtype)
