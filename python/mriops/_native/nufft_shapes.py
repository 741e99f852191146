"""Shape rules of the NUFFT family: who shares a trajectory, and what the kernels cannot index is laid out first.

With ``im`` the last axes, image ``(*batch, *im)``, csm ``(*batch, coils, *im)``, trajectory ``(*batch, samples,
ndim)``, kspace ``(*batch, samples)`` or, with csm, ``(*batch, coils, samples)``, dcf ``(*batch, samples)``. All batches
broadcast. The kernels see one flat batch, in which item ``b`` uses trajectory ``b // batch_per_traj`` and maps ``b //
batch_per_csm``. Without maps, everything that shares a trajectory is one item with many coils, because the kernel's
weights are then evaluated once for all of it.

Every rule ends with ``(grid, width, coils, analytic, coils_at_once)``: size of the oversampled grid, width of the
kernel, 0 for the exact sum, whether kspace has an axis of coils, that is, whether there are maps, how the trajectory's
gradient is taken, which shapes do not depend on, and how many coils share the grid's memory at most, 0 for as many as
are quick together.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from .arguments import image_size, integer
from .batches import Array, broadcast, flatten, lay_out, leading, pad, take_apart
from .dtypes import DTYPE_CODE, REAL_OF
from .nufft_kernel import MAX_WIDTH
from .plan import Facts, NativeOp, Output, Plan

__all__ = [
    "NUFFT",
    "NUFFT_ADJOINT",
    "NUFFT_GRAM",
    "NUFFT_POINTS",
    "NUFFT_TRAJECTORY_GRAD",
    "NUFFT_TRAJECTORY_JVP",
    "check_coils_at_once",
    "check_im_size",
    "place_of",
]

Shape = tuple[int, ...]
_AXES = ("z", "y", "x")


def check_im_size(im_size: object, ndim: int | None = None) -> Shape:
    """Image size as a tuple of two or three positive integers (``ndim`` where given), or an error that names it."""
    size = image_size(im_size)
    if ndim is not None and len(size) != ndim:
        raise ValueError(f"im_size: expected {ndim} axes, the components of the trajectory, got {size}")
    return size


def check_coils_at_once(coils_at_once: object) -> int:
    """A positive integer, or 0 for ``None``; else an error that names it."""
    return 0 if coils_at_once is None else integer("coils_at_once", coils_at_once, 1, most=2**31 - 1)


def place_of(where: Shape, shape: Shape) -> str:
    """Words for an index of a trajectory ``(*batch, samples, ndim)``, as the CPU's kernel has them."""
    number = 0
    for i, n in zip(where, shape[:-2]):
        number = number * n + i
    batch = f" of trajectory {number}" if prod(shape[:-2]) > 1 else ""
    return f"sample {where[-2]}, component {where[-1]}{batch}"


def _trajectory(trajectory: Facts, ndim: int) -> Array:
    t = take_apart("trajectory", trajectory, ("samples", "ndim"))
    if t.core[1] != ndim:
        raise ValueError(
            f"trajectory: expected {ndim} components {_AXES[3 - ndim :]} on its last axis, got shape {t.batch + t.core}"
        )
    return t


def _same(name: str, axis: str, other: str, expected: Shape | int, got: Shape | int) -> None:
    if expected != got:
        raise ValueError(f"{name}: expected {axis} {expected} (those of {other}), got {got}")


def _check_plan(trajectory: Facts, points: Facts | None, order: Facts | None, width: int) -> None:
    if width == 0:
        return
    if points is None or order is None:
        raise ValueError("plan: expected points and order of a plan, got None")
    if tuple(points.shape) != tuple(trajectory.shape) or tuple(order.shape) != tuple(trajectory.shape[:-1]):
        raise ValueError(
            f"plan: expected one made for a trajectory of shape {tuple(trajectory.shape)}, got points of shape "
            f"{tuple(points.shape)} and order of shape {tuple(order.shape)}"
        )
    if points.dtype != trajectory.dtype:
        raise TypeError(f"plan: expected points of {trajectory.dtype}, the precision of the data, got {points.dtype}")
    if order.dtype != "int32":
        raise TypeError(f"plan: expected order of int32, got {order.dtype}")


class _Problem(NamedTuple):
    """What the members of the family have in common."""

    batch: Shape  # broadcast
    groups: Shape  # of those that have a trajectory of their own; same rank as batch
    coils: Shape  # () or (coils,)
    arguments: tuple[int, ...]  # NUFFT_SHAPE
    csm_layout: Shape | None


def _problem(
    im: Shape, csm: Facts | None, rows: list[Array], others: list[Array], grid: Shape, width: int, coils_at_once: int
) -> _Problem:
    """``rows``: the trajectory and what must have one row for each of its own; ``others``: first the data."""
    ndim = len(im)
    if len(grid) != ndim or not 0 <= width <= MAX_WIDTH:
        raise ValueError(f"grid: expected {ndim} sizes and a width up to {MAX_WIDTH}, got {grid} and {width}")
    maps = None
    if csm is not None:
        maps = take_apart("csm", csm, ("coils", *_AXES[3 - ndim :]))
        _same("csm", "spatial axes", others[0].name, im, maps.core[1:])
    batch = broadcast([*others, *rows] if maps is None else [*others, *rows, maps])
    groups = leading([row.batch for row in rows], batch)
    flat = flatten(batch, groups, maps)
    sizes = (flat.batch, flat.coils, rows[0].core[0], *pad(im, 3), ndim, flat.per_csm, flat.per_group)
    arguments = (*sizes, *pad(tuple(grid), 3), width, coils_at_once)
    return _Problem(batch, groups, () if maps is None else maps.core[:1], arguments, flat.csm_layout)


def _check_coils(csm: Facts | None, coils: bool) -> None:
    if coils != (csm is not None):
        raise ValueError(f"csm: expected {'maps' if coils else 'None'} with coils={coils}, got the opposite")


def _kspace(kspace: Facts, csm: Facts | None, coils: bool, samples: int, ndim: int) -> Array:
    _check_coils(csm, coils)
    k = take_apart("kspace", kspace, ("coils", "samples") if coils else ("samples",))
    _same("kspace", "samples", "trajectory", samples, k.core[-1])
    if csm is not None and len(csm.shape) > ndim:
        _same("kspace", "coils", "csm", csm.shape[-ndim - 1], k.core[0])
    return k


def _weights(dcf: Facts | None, samples: int) -> Array | None:
    if dcf is None:
        return None
    w = take_apart("dcf", dcf, ("samples",))
    _same("dcf", "samples", "trajectory", samples, w.core[0])
    return w


def _dcf_plan(w: Array | None, groups: Shape) -> tuple[int, Shape | None]:
    """Stride of the rows and layout."""
    if w is None or all(n == 1 for n in w.batch):
        return 0, None
    return w.core[0], lay_out(w, groups)


def _image(image: Facts, ndim: int) -> Array:
    return take_apart("image", image, _AXES[3 - ndim :])


def _plan(
    p: _Problem, outputs: Output, layouts: tuple[Shape | None, ...], trailing: tuple[int, ...], dtype: str, width: int
) -> Plan:
    return Plan(
        outputs=(outputs,),
        arguments=(*p.arguments, *trailing, DTYPE_CODE[dtype]),
        layouts=layouts,
        zero=prod(p.batch) == 0,
        plain=width == 0,
        sizing=(*p.arguments, DTYPE_CODE[dtype]),
    )


def _row_layouts(t: Array, groups: Shape) -> tuple[Shape | None, Shape | None]:
    """Of points and order."""
    return lay_out(t, groups), lay_out(Array("order", t.batch, t.core[:1]), groups)


# --- points ----------------------------------------------------------------------------------------------------------


def _nufft_points(trajectory: Facts, im_size: Sequence[int], grid: Sequence[int], width: int) -> Plan:
    im = tuple(im_size)
    t = _trajectory(trajectory, len(im))
    p = _problem(im, None, [t], [t], tuple(grid), width, 0)
    shape = tuple(trajectory.shape)
    return Plan(
        outputs=(Output(shape, trajectory.dtype), Output(shape[:-1], "int32")),
        arguments=(*p.arguments, DTYPE_CODE[trajectory.dtype]),
        layouts=(None,),
        zero=prod(shape) == 0,
    )


# --- forward and adjoint ---------------------------------------------------------------------------------------------


def _nufft(
    image: Facts,
    csm: Facts | None,
    trajectory: Facts,
    points: Facts | None,
    order: Facts | None,
    grid: Sequence[int],
    width: int,
    coils: bool,
    analytic: bool,
    coils_at_once: int,
) -> Plan:
    ndim = len(grid)
    x, t = _image(image, ndim), _trajectory(trajectory, ndim)
    _check_coils(csm, coils)
    _check_plan(trajectory, points, order, width)
    p = _problem(x.core, csm, [t], [x], tuple(grid), width, coils_at_once)
    rows = t.core[:1]
    layouts = (
        lay_out(x, p.batch),
        p.csm_layout,
        None,
        *_row_layouts(t, p.groups),
    )
    return _plan(p, Output((*p.batch, *p.coils, *rows), image.dtype), layouts, (0,), image.dtype, width)


def _nufft_adjoint(
    kspace: Facts,
    csm: Facts | None,
    dcf: Facts | None,
    trajectory: Facts,
    points: Facts | None,
    order: Facts | None,
    im_size: Sequence[int],
    grid: Sequence[int],
    width: int,
    coils: bool,
    analytic: bool,
    coils_at_once: int,
) -> Plan:
    im = tuple(im_size)
    t = _trajectory(trajectory, len(im))
    k, w = _kspace(kspace, csm, coils, t.core[0], len(im)), _weights(dcf, t.core[0])
    _check_plan(trajectory, points, order, width)
    p = _problem(im, csm, [t] if w is None else [t, w], [k], tuple(grid), width, coils_at_once)
    stride, dcf_layout = _dcf_plan(w, p.groups)
    layouts = (
        lay_out(k, p.batch),
        p.csm_layout,
        dcf_layout,
        None,
        *_row_layouts(t, p.groups),
    )
    return _plan(p, Output((*p.batch, *im), kspace.dtype), layouts, (stride, 0), kspace.dtype, width)


def _nufft_gram(
    image: Facts,
    csm: Facts | None,
    dcf: Facts | None,
    trajectory: Facts,
    points: Facts | None,
    order: Facts | None,
    grid: Sequence[int],
    width: int,
    coils: bool,
    analytic: bool,
    coils_at_once: int,
) -> Plan:
    ndim = len(grid)
    x, t = _image(image, ndim), _trajectory(trajectory, ndim)
    _check_coils(csm, coils)
    w = _weights(dcf, t.core[0])
    _check_plan(trajectory, points, order, width)
    p = _problem(x.core, csm, [t] if w is None else [t, w], [x], tuple(grid), width, coils_at_once)
    stride, dcf_layout = _dcf_plan(w, p.groups)
    layouts = (
        lay_out(x, p.batch),
        p.csm_layout,
        dcf_layout,
        None,
        *_row_layouts(t, p.groups),
    )
    return _plan(p, Output((*p.batch, *x.core), image.dtype), layouts, (stride,), image.dtype, width)


# --- derivatives by the trajectory -----------------------------------------------------------------------------------


def _nufft_trajectory_grad(
    image: Facts,
    csm: Facts | None,
    kspace: Facts,
    trajectory: Facts,
    points: Facts | None,
    order: Facts | None,
    grid: Sequence[int],
    width: int,
    coils: bool,
    analytic: bool,
    coils_at_once: int,
) -> Plan:
    ndim = len(grid)
    x, t = _image(image, ndim), _trajectory(trajectory, ndim)
    k = _kspace(kspace, csm, coils, t.core[0], ndim)
    _check_plan(trajectory, points, order, width)
    p = _problem(x.core, csm, [t], [x, k], tuple(grid), width, coils_at_once)
    layouts = (
        lay_out(x, p.batch),
        p.csm_layout,
        lay_out(k, p.batch),
        None,
        *_row_layouts(t, p.groups),
    )
    native = None if lay_out(t, p.groups) is None else (*p.groups, *t.core)
    output = Output((*t.batch, *t.core), REAL_OF[image.dtype], native)
    return _plan(p, output, layouts, (), image.dtype, width)


def _nufft_trajectory_jvp(
    image: Facts,
    csm: Facts | None,
    tangent: Facts,
    trajectory: Facts,
    points: Facts | None,
    order: Facts | None,
    grid: Sequence[int],
    width: int,
    coils: bool,
    analytic: bool,
    coils_at_once: int,
) -> Plan:
    ndim = len(grid)
    x, t = _image(image, ndim), _trajectory(trajectory, ndim)
    v = take_apart("tangent", tangent, ("samples", "ndim"))
    _same("tangent", "samples and components", "trajectory", t.core, v.core)
    _check_coils(csm, coils)
    _check_plan(trajectory, points, order, width)
    p = _problem(x.core, csm, [t, v], [x], tuple(grid), width, coils_at_once)
    layouts = (
        lay_out(x, p.batch),
        p.csm_layout,
        lay_out(v, p.groups),
        None,
        *_row_layouts(t, p.groups),
    )
    return _plan(p, Output((*p.batch, *p.coils, *t.core[:1]), image.dtype), layouts, (), image.dtype, width)


_ROWS = {"trajectory": "real", "points": "any", "order": "any"}
_OPTIONAL = ("csm", "points", "order")

NUFFT_POINTS = NativeOp("nufft_points", {"trajectory": "real"}, _nufft_points)
NUFFT = NativeOp("nufft", {"image": "complex", "csm": "complex", **_ROWS}, _nufft, _OPTIONAL, ("trajectory",))
NUFFT_ADJOINT = NativeOp(
    "nufft_adjoint",
    {"kspace": "complex", "csm": "complex", "dcf": "real", **_ROWS},
    _nufft_adjoint,
    ("csm", "dcf", "points", "order"),
    ("trajectory",),
)
NUFFT_GRAM = NativeOp(
    "nufft_gram",
    {"image": "complex", "csm": "complex", "dcf": "real", **_ROWS},
    _nufft_gram,
    ("csm", "dcf", "points", "order"),
    ("trajectory",),
)
NUFFT_TRAJECTORY_GRAD = NativeOp(
    "nufft_trajectory_grad",
    {"image": "complex", "csm": "complex", "kspace": "complex", **_ROWS},
    _nufft_trajectory_grad,
    _OPTIONAL,
    ("trajectory",),
)
NUFFT_TRAJECTORY_JVP = NativeOp(
    "nufft_trajectory_jvp",
    {"image": "complex", "csm": "complex", "tangent": "real", **_ROWS},
    _nufft_trajectory_jvp,
    _OPTIONAL,
    ("trajectory",),
)
