"""What every function of the NUFFT family does with its arguments before the op: checks, precision, plan."""

from __future__ import annotations

from operator import index
from typing import Any

import torch
from torch import Tensor

from ._nufft_plan import NufftPlan, make_plan
from .reference.precision import real_of

__all__ = ["ndim_of", "prepare", "require_tensor", "size_of"]


def require_tensor(name: str, tensor: Any) -> None:
    if not isinstance(tensor, Tensor):
        kind = type(tensor)
        raise TypeError(f"{name}: expected torch.Tensor, got {kind.__module__}.{kind.__qualname__}")


def ndim_of(trajectory: Any) -> int:
    """Number of spatial axes, which is what the trajectory's last axis says."""
    require_tensor("trajectory", trajectory)
    if trajectory.ndim < 2 or trajectory.shape[-1] not in (2, 3):
        raise ValueError(f"trajectory: expected shape (*batch, samples, 2 or 3), got {tuple(trajectory.shape)}")
    if trajectory.is_complex() or trajectory.dtype == torch.bool:
        raise TypeError(f"trajectory: expected a real dtype, got {trajectory.dtype}")
    return int(trajectory.shape[-1])


def size_of(name: str, array: Any, ndim: int) -> tuple[int, ...]:
    """The last axes of an image or of maps."""
    require_tensor(name, array)
    axes = "(*batch, {}{})".format("coils, " if name == "csm" else "", ", ".join("zyx"[3 - ndim :]))
    shape = tuple(array.shape)
    if len(shape) < ndim + (name == "csm") or 0 in shape[len(shape) - ndim :]:
        raise ValueError(f"{name}: expected shape {axes} for a trajectory of {ndim} components, got {shape}")
    # The grid is made for one size: torch.compile shall see numbers here, and compile again for another.
    return tuple(index(n) for n in shape[len(shape) - ndim :])


def prepare(
    data: Any,
    name: str,
    trajectory: Tensor,
    im: tuple[int, ...],
    coils: bool,
    accuracy: tuple[float, float | None, str, NufftPlan | None],
    trajectory_gradient: str = "exact",
) -> tuple[tuple[Tensor, Tensor | None, Tensor | None], tuple]:
    """``(trajectory, points, order)`` and ``(grid, width, coils, analytic, coils_at_once)`` of a call."""
    require_tensor(name, data)
    eps, upsampling, method, plan = accuracy
    if trajectory_gradient not in ("exact", "analytic"):
        raise ValueError(f"trajectory_gradient: expected 'exact' or 'analytic', got {trajectory_gradient!r}")
    if data.device != trajectory.device:
        raise ValueError(f"trajectory: expected device {data.device} (that of {name}), got {trajectory.device}")
    real = real_of(data.dtype)
    if trajectory.dtype != real and real in (torch.float32, torch.float64):
        trajectory = trajectory.to(real)
    analytic = trajectory_gradient == "analytic"
    if method == "exact":
        return (trajectory, None, None), (im, 0, coils, analytic, 0)
    if method != "auto":
        raise ValueError(f"method: expected 'auto' or 'exact', got {method!r}")
    if plan is None:
        plan = make_plan(trajectory, im, eps, upsampling)
    elif not isinstance(plan, NufftPlan):
        raise TypeError(f"plan: expected what mriops.ops.nufft_plan returns, got {type(plan).__name__}")
    elif plan.im_size != im:
        raise ValueError(f"plan: expected one for images of size {im}, got one for {plan.im_size}")
    return (trajectory, plan.points, plan.order), (plan.grid, plan.width, coils, analytic, plan.coils_at_once)
