"""What a NUFFT works out of a trajectory alone: plain tensors and numbers, made once and used by every call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mriops._native import native_on_cpu
from mriops._native.nufft_kernel import choose_kernel, grid_size
from mriops._native.nufft_shapes import NUFFT_POINTS, check_coils_at_once, check_im_size, place_of

from ._declaration import OpDeclaration
from ._factory import define_op

__all__ = ["NufftPlan", "check_finite", "make_plan", "nufft_plan"]


class NufftPlan(NamedTuple):
    """A trajectory laid out for the kernels; made by :func:`mriops.ops.nufft_plan`.

    Attributes
    ----------
    points
        The trajectory, ``(*batch, samples, ndim)``, wrapped into ``[-N/2, N/2)`` and sorted by tiles of the grid; in
        planes with many samples beside cells by cell too.
    order
        Place of each sorted point in the trajectory, int32, ``(*batch, samples)``.
    im_size
        Image size.
    grid
        Size of the oversampled grid.
    width
        Width of the kernel in grid points.
    coils_at_once
        Coil images that share the memory of a grid, at most; 0 for as many as are quick together.
    """

    points: Tensor
    order: Tensor
    im_size: tuple[int, ...]
    grid: tuple[int, ...]
    width: int
    coils_at_once: int = 0


def check_finite(trajectory: Tensor) -> None:
    """Raise for the first coordinate that is NaN or Inf; waits for the device, unless it records a CUDA graph."""
    if trajectory.device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        return
    finite = trajectory.isfinite()
    if not bool(finite.all()):
        where = tuple(int(i) for i in (~finite).nonzero()[0])
        place = place_of(where, tuple(trajectory.shape))
        raise ValueError(f"trajectory: expected finite coordinates, got {float(trajectory[where])} at {place}")


def _refuse(trajectory: Tensor, im_size: Sequence[int], grid: Sequence[int], width: int) -> None:
    # The CPU's kernel refuses by itself, in the pass that sorts.
    if trajectory.device.type != "cpu" or not native_on_cpu():
        check_finite(trajectory)


def _plain(trajectory: Tensor, im_size: Sequence[int], grid: Sequence[int], width: int) -> tuple[Tensor, Tensor]:
    check_finite(trajectory)
    size = torch.tensor([float(n) for n in im_size], dtype=trajectory.dtype, device=trajectory.device)
    points = torch.remainder(trajectory + size / 2, size) - size / 2
    order = torch.arange(trajectory.shape[-2], dtype=torch.int32, device=trajectory.device)
    return points, order.expand(trajectory.shape[:-1]).contiguous()


_points = define_op(
    OpDeclaration(
        native=NUFFT_POINTS,
        schema="(Tensor trajectory, int[] im_size, int[] grid, int width) -> (Tensor, Tensor)",
        core_rank={"trajectory": lambda im_size, grid, width: 2},
        refuse=_refuse,
        plain=_plain,
        derivative=True,
    )
)


def make_plan(trajectory: Tensor, im_size: tuple[int, ...], eps: float, upsampling: float | None) -> NufftPlan:
    """:func:`nufft_plan` for a checked size."""
    name = "float64" if trajectory.dtype == torch.float64 else "float32"
    n_samples = trajectory.shape[-2] if trajectory.ndim > 1 else 0
    width, sigma = choose_kernel(eps, upsampling, name, im_size=im_size, samples=n_samples)
    grid = grid_size(im_size, width, sigma)
    points, order = _points(trajectory.detach(), im_size, grid, width)
    return NufftPlan(points, order, im_size, grid, width)


def nufft_plan(
    trajectory: Tensor,
    im_size: Sequence[int],
    *,
    eps: float = 1e-4,
    upsampling: float | None = None,
    coils_at_once: int | None = None,
) -> NufftPlan:
    """Sort a trajectory once, for many calls of the NUFFT family.

    A call without a plan makes one and forgets it. A plan belongs to the values of its trajectory: after an optimiser
    has moved them, make another. Its coordinates have the precision of ``trajectory``, which has to be the data's.

    Parameters
    ----------
    trajectory
        ``(*batch, samples, ndim)`` in cycles per field of view, components in the order of the image's axes. What lies
        outside ``[-N/2, N/2)`` is wrapped periodically.
    im_size
        Image size, ``(y, x)`` or ``(z, y, x)``.
    eps
        Relative L2 error asked for.
    upsampling
        Grid points per pixel, 1.125 to 4; chosen by sizes if ``None``.
    coils_at_once
        Coil images that share the memory of a grid, at most. Fewer take less memory and more time; as many as are quick
        together if ``None``. Results differ by rounding.

    Returns
    -------
    NufftPlan
        Tensors and numbers: moves, pickles and traces as they do.

    Raises
    ------
    TypeError
        A trajectory that is no real tensor.
    ValueError
        Shapes that do not fit, no samples, coordinates that are NaN or Inf, ``eps`` out of reach. Looking for NaN and
        Inf waits for a GPU; while a CUDA graph is recorded it is left out, and such coordinates count as 0.

    References
    ----------
    Barnett AH, Magland J, af Klinteberg L. A parallel nonuniform fast Fourier transform library based on an
    "exponential of semicircle" kernel. SIAM J Sci Comput 2019;41:C479-C504.
    """
    if not isinstance(trajectory, Tensor):
        kind = type(trajectory)
        raise TypeError(f"trajectory: expected torch.Tensor, got {kind.__module__}.{kind.__qualname__}")
    plan = make_plan(trajectory, check_im_size(im_size), eps, upsampling)
    return plan._replace(coils_at_once=check_coils_at_once(coils_at_once))
