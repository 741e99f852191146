"""What a NUFFT of arrays works out of a trajectory alone, and the checks that come before every call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mriops._native import native_on_cpu
from mriops._native.dtypes import REAL_OF
from mriops._native.nufft_kernel import choose_kernel, grid_size
from mriops._native.nufft_shapes import NUFFT_POINTS, check_coils_at_once, check_im_size, place_of

from ._call import array_facts, array_module, call

__all__ = ["NufftPlan", "ndim_of", "nufft_plan", "prepare", "size_of"]


class NufftPlan(NamedTuple):
    """A trajectory laid out for the kernels; made by :func:`mriops.array.nufft_plan`.

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

    points: Any
    order: Any
    im_size: tuple[int, ...]
    grid: tuple[int, ...]
    width: int
    coils_at_once: int = 0


def ndim_of(trajectory: Any) -> int:
    """Number of spatial axes, which is what the trajectory's last axis says."""
    facts = array_facts("trajectory", trajectory)
    if len(facts.shape) < 2 or facts.shape[-1] not in (2, 3):
        raise ValueError(f"trajectory: expected shape (*batch, samples, 2 or 3), got {tuple(facts.shape)}")
    if trajectory.dtype.kind not in "fiu":
        raise TypeError(f"trajectory: expected a real dtype, got {facts.dtype}")
    return int(facts.shape[-1])


def size_of(name: str, array: Any, ndim: int) -> tuple[int, ...]:
    """The last axes of an image or of maps."""
    shape = tuple(array_facts(name, array).shape)
    axes = "(*batch, {}{})".format("coils, " if name == "csm" else "", ", ".join("zyx"[3 - ndim :]))
    if len(shape) < ndim + (name == "csm") or 0 in shape[len(shape) - ndim :]:
        raise ValueError(f"{name}: expected shape {axes} for a trajectory of {ndim} components, got {shape}")
    return shape[len(shape) - ndim :]


def prepare(
    data: Any,
    name: str,
    trajectory: Any,
    im: tuple[int, ...],
    coils: bool,
    accuracy: tuple[float, float | None, str, NufftPlan | None],
    trajectory_gradient: str = "exact",
) -> tuple[tuple[Any, Any, Any], tuple]:
    """``(trajectory, points, order)`` and ``(grid, width, coils, analytic, coils_at_once)`` of a call."""
    facts = array_facts(name, data)
    eps, upsampling, method, plan = accuracy
    if trajectory_gradient not in ("exact", "analytic"):
        raise ValueError(f"trajectory_gradient: expected 'exact' or 'analytic', got {trajectory_gradient!r}")
    where = array_facts("trajectory", trajectory).device
    if where != facts.device:
        raise ValueError(f"trajectory: expected device {facts.device} (that of {name}), got {where}")
    real = REAL_OF.get(facts.dtype)
    if real is not None and trajectory.dtype.name != real:
        trajectory = trajectory.astype(real)
    analytic = trajectory_gradient == "analytic"
    if method == "exact":
        _check_finite(trajectory)
        return (trajectory, None, None), (im, 0, coils, analytic, 0)
    if method != "auto":
        raise ValueError(f"method: expected 'auto' or 'exact', got {method!r}")
    if plan is None:
        plan = _make_plan(trajectory, im, eps, upsampling)
    elif not isinstance(plan, NufftPlan):
        raise TypeError(f"plan: expected what mriops.array.nufft_plan returns, got {type(plan).__name__}")
    elif plan.im_size != im:
        raise ValueError(f"plan: expected one for images of size {im}, got one for {plan.im_size}")
    return (trajectory, plan.points, plan.order), (plan.grid, plan.width, coils, analytic, plan.coils_at_once)


def _check_finite(trajectory: Any) -> None:
    """Raise for the first coordinate that is NaN or Inf; waits for the device."""
    xp = array_module(trajectory)
    finite = xp.isfinite(trajectory)
    if not bool(finite.all()):
        where = tuple(int(i[0]) for i in xp.nonzero(~finite))
        place = place_of(where, tuple(trajectory.shape))
        raise ValueError(f"trajectory: expected finite coordinates, got {float(trajectory[where])} at {place}")


def _make_plan(trajectory: Any, im_size: tuple[int, ...], eps: float, upsampling: float | None) -> NufftPlan:
    name = "float64" if trajectory.dtype.name == "float64" else "float32"
    width, sigma = choose_kernel(eps, upsampling, name, im_size=im_size, samples=trajectory.shape[-2])
    grid = grid_size(im_size, width, sigma)
    if array_module(trajectory) is not np or not native_on_cpu():  # the CPU's kernel refuses by itself
        _check_finite(trajectory)
    points, order = call(NUFFT_POINTS, (trajectory,), (im_size, grid, width))
    return NufftPlan(points, order, im_size, grid, width)


def nufft_plan(
    trajectory: Any,
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
        Arrays and numbers.

    Raises
    ------
    TypeError
        A trajectory that is no real array.
    ValueError
        Shapes that do not fit, no samples, coordinates that are NaN or Inf (looking for them waits for
        a GPU), ``eps`` out of reach.

    References
    ----------
    Barnett AH, Magland J, af Klinteberg L. A parallel nonuniform fast Fourier transform library based on an
    "exponential of semicircle" kernel. SIAM J Sci Comput 2019;41:C479-C504.
    """
    ndim = ndim_of(trajectory)
    im = check_im_size(im_size, ndim)
    plan = _make_plan(trajectory, im, eps, upsampling)
    return plan._replace(coils_at_once=check_coils_at_once(coils_at_once))
