"""What the declarations of the NUFFT family share: ranks and schemas, axes for coils, weights, sums.

All arguments after ``order`` are ``how``: ``(grid, width, coils, analytic, coils_at_once)``.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

__all__ = [
    "HOW",
    "RANKS",
    "ROWS",
    "alone",
    "component",
    "im_of",
    "image_rank",
    "kspace_rank",
    "overlap",
    "per_coil",
    "ranks",
    "total",
    "weigh",
]


def im_of(image: Tensor, how: tuple) -> tuple[int, ...]:
    """Size of an image."""
    ndim = len(how[0])
    return tuple(image.shape[len(image.shape) - ndim :])


def per_coil(rows: tuple) -> tuple:
    """Trajectory, points and order with an axis of one for coils behind the batch."""
    trajectory, points, order = rows
    return (
        trajectory.unsqueeze(-3),
        None if points is None else points.unsqueeze(-3),
        None if order is None else order.unsqueeze(-2),
    )


def alone(how: tuple) -> tuple:
    """The same transform without maps."""
    return (*how[:2], False, *how[3:])


def overlap(a: Tensor, b: Tensor, coils: bool) -> Tensor:
    """``Re sum_c conj(a) b``: the gradient for weights."""
    product = (a.conj() * b).real
    return product.sum(-2) if coils else product


def weigh(kspace: Tensor, dcf: Tensor | None, coils: bool) -> Tensor:
    """k-space times weights, which have no axis for coils."""
    if dcf is None:
        return kspace
    return kspace * (dcf.unsqueeze(-2) if coils else dcf)


def component(tangent: Tensor, d: int, coils: bool) -> Tensor:
    """One component of a direction of the trajectory, as what multiplies k-space."""
    return tangent[..., d].unsqueeze(-2) if coils else tangent[..., d]


def total(terms: list[Tensor]) -> Tensor:
    """Sum of at least one tensor."""
    return sum(terms[1:], start=terms[0])


RANKS: dict[str, Any] = {
    "csm": lambda *how: len(how[-5]) + 1,
    "dcf": lambda *how: 1,
    "trajectory": lambda *how: 2,
    "points": lambda *how: 2,
    "order": lambda *how: 1,
}


def ranks(*names: str, **own: Any) -> dict[str, Any]:
    """``core_rank`` of an op: of the rows, of what is named, and those given."""
    return {**{name: RANKS[name] for name in (*names, "trajectory", "points", "order")}, **own}


def image_rank(*how: Any) -> int:
    """Core axes of an image."""
    return len(how[-5])


def kspace_rank(*how: Any) -> int:
    """Core axes of k-space: samples, with maps coils too."""
    return 1 + bool(how[-3])


HOW = "int[] grid, int width, bool coils, bool analytic, int coils_at_once"
ROWS = "Tensor trajectory, Tensor? points, Tensor? order"
