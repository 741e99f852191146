"""Shape rules of the Cartesian SENSE family: batches broadcast, and what the kernels cannot index is laid out first.

With ``im`` the last ``ndim`` axes, image ``(*batch, [maps,] *im)``, csm ``(*batch, [maps,] coils, *im)``, kspace
``(*batch, coils, *im)``, mask broadcastable to ``(*batch, *im)``. The kernels see one flat batch, in which item ``b``
uses the maps ``b // batch_per_csm``, and a mask by strides; every other pattern of broadcasting is materialised.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from .dtypes import DTYPE_CODE
from .plan import Facts, NativeOp, Output, Plan

__all__ = [
    "COIL_COMBINE",
    "COIL_EXPAND",
    "SENSE",
    "SENSE_ADJOINT",
    "SENSE_CSM_ADJOINT",
    "SENSE_GRAM",
]

Shape = tuple[int, ...]


class _Array(NamedTuple):
    """An argument taken apart: ``core`` without spatial axes, e.g. ``(maps, coils)`` for csm."""

    name: str
    batch: Shape
    core: Shape
    im: Shape


def _take_apart(name: str, facts: Facts, core: tuple[str, ...], ndim: int) -> _Array:
    shape = tuple(facts.shape)
    n_core = len(core)
    axes = ["*batch", *core, *("z", "y", "x")[3 - ndim :]]
    if len(shape) < n_core + ndim:
        raise ValueError(f"{name}: expected shape ({', '.join(axes)}), got {shape}")
    split = len(shape) - ndim
    result = _Array(name, shape[: split - n_core], shape[split - n_core : split], shape[split:])
    for label, size in zip(axes[1:], shape[split - n_core :], strict=True):
        if size == 0:
            raise ValueError(f"{name}: expected axis {label} to be at least 1, got shape {shape}")
    return result


def _same(first: _Array, second: _Array, axis: str, expected: Shape | int, got: Shape | int) -> None:
    if expected != got:
        raise ValueError(f"{second.name}: expected {axis} {expected} (those of {first.name}), got {got}")


def _check_parameters(ndim: int, maps: bool) -> None:
    if not isinstance(ndim, int) or ndim not in (2, 3):
        raise ValueError(f"ndim: expected 2 or 3, got {ndim!r}")
    if not isinstance(maps, bool):
        raise TypeError(f"maps: expected a bool, got {maps!r}")


def _broadcast(arrays: list[_Array]) -> Shape:
    """Common batch shape, numpy's rules."""
    result = list(max((a.batch for a in arrays), key=len))
    for array in arrays:
        offset = len(result) - len(array.batch)
        for i, size in enumerate(array.batch):
            if size == 1 or result[offset + i] == size:
                continue
            if result[offset + i] != 1:
                others = [a.batch for a in arrays if a is not array]
                raise ValueError(f"{array.name}: expected batch axes that broadcast with {others}, got {array.batch}")
            result[offset + i] = size
    return tuple(result)


def _pad(batch: Shape, rank: int) -> Shape:
    return (1,) * (rank - len(batch)) + batch


def _leading(wanted: Shape, batch: Shape) -> Shape:
    """Smallest leading part of ``batch``, followed by ones, that ``wanted`` (same rank) broadcasts to."""
    used = 0
    for i, (w, _) in enumerate(zip(wanted, batch, strict=True)):
        if w != 1:
            used = i + 1
    return batch[:used] + (1,) * (len(batch) - used)


class _Mask(NamedTuple):
    kind: int
    strides: tuple[int, int, int, int]
    layout: Shape | None


def _mask_array(mask: Facts | None, im: Shape) -> _Array | None:
    if mask is None:
        return None
    shape, ndim = tuple(mask.shape), len(im)
    padded = (1,) * (ndim - len(shape)) + shape
    for size, extent in zip(padded[len(padded) - ndim :], im, strict=True):
        if size != 1 and size != extent:
            raise ValueError(f"mask: expected axes that broadcast to {im} (no coil axis), got shape {shape}")
    return _Array("mask", padded[: len(padded) - ndim], (), padded[len(padded) - ndim :])


def _mask_plan(mask: Facts | None, array: _Array | None, batch: Shape) -> _Mask:
    if mask is None or array is None:
        return _Mask(0, (0, 0, 0, 0), None)
    sz, sy, sx = _pad(array.im, 3)
    strides = [0, 0 if sz == 1 else sy * sx, 0 if sy == 1 else sx, 0 if sx == 1 else 1]
    own, layout = _pad(array.batch, len(batch)), None
    if any(n != 1 for n in own):
        strides[0] = sz * sy * sx
        if own != batch:
            layout = (*batch, *array.im)
    return _Mask(1 if mask.dtype == "bool" else 2, (strides[0], strides[1], strides[2], strides[3]), layout)


def _arguments(
    batch: Shape, maps: int, coils: int, im: Shape, per_csm: int, mask: _Mask, dtype: str
) -> tuple[int, ...]:
    extents = _pad(im, 3)
    return (prod(batch), maps, coils, *extents, len(im), per_csm, mask.kind, *mask.strides, DTYPE_CODE[dtype])


def _per_csm(groups: Shape, batch: Shape) -> int:
    """Batch items per set of maps, where the maps' batch is ``groups``, a leading part of ``batch``."""
    n_groups = prod(groups)
    return prod(batch) // n_groups if n_groups else 1


def _full(array: _Array, batch: Shape) -> Shape | None:
    return None if array.batch == batch else (*batch, *array.core, *array.im)


def _encode(
    first: Facts, csm: Facts, mask: Facts | None, ndim: int, maps: bool, *, name: str, kspace_in: bool, kspace_out: bool
) -> Plan:
    """Rule of every op whose second argument is csm: image or coil images in, image or coil images out."""
    _check_parameters(ndim, maps)
    map_axis = ("maps",) if maps else ()
    c = _take_apart("csm", csm, (*map_axis, "coils"), ndim)
    a = _take_apart(name, first, ("coils",) if kspace_in else map_axis, ndim)
    _same(c, a, "spatial axes", c.im, a.im)
    if kspace_in:
        _same(c, a, "coils", c.core[-1], a.core[0])
    elif maps:
        _same(c, a, "maps", c.core[0], a.core[0])
    m = _mask_array(mask, c.im)
    batch = _broadcast([a, c] if m is None else [a, c, m])
    own = _pad(c.batch, len(batch))
    groups = _leading(own, batch)
    mask_plan = _mask_plan(mask, m, batch)
    core = (c.core[-1],) if kspace_out else c.core[:-1]
    return Plan(
        outputs=(Output((*batch, *core, *c.im), first.dtype),),
        arguments=_arguments(
            batch, c.core[0] if maps else 1, c.core[-1], c.im, _per_csm(groups, batch), mask_plan, first.dtype
        ),
        layouts=(_full(a, batch), None if own == groups else (*groups, *c.core, *c.im), mask_plan.layout),
        zero=prod(batch) == 0,
    )


def _sense(image: Facts, csm: Facts, mask: Facts | None, ndim: int, maps: bool) -> Plan:
    return _encode(image, csm, mask, ndim, maps, name="image", kspace_in=False, kspace_out=True)


def _sense_adjoint(kspace: Facts, csm: Facts, mask: Facts | None, ndim: int, maps: bool) -> Plan:
    return _encode(kspace, csm, mask, ndim, maps, name="kspace", kspace_in=True, kspace_out=False)


def _sense_gram(image: Facts, csm: Facts, mask: Facts | None, ndim: int, maps: bool) -> Plan:
    return _encode(image, csm, mask, ndim, maps, name="image", kspace_in=False, kspace_out=False)


def _coil_expand(image: Facts, csm: Facts, ndim: int, maps: bool) -> Plan:
    plan = _encode(image, csm, None, ndim, maps, name="image", kspace_in=False, kspace_out=True)
    return plan._replace(layouts=plan.layouts[:2])


def _coil_combine(coil_images: Facts, csm: Facts, ndim: int, maps: bool) -> Plan:
    plan = _encode(coil_images, csm, None, ndim, maps, name="coil_images", kspace_in=True, kspace_out=False)
    return plan._replace(layouts=plan.layouts[:2])


def _sense_csm_adjoint(
    kspace: Facts, image: Facts, mask: Facts | None, csm_batch: tuple[int, ...], ndim: int, maps: bool
) -> Plan:
    _check_parameters(ndim, maps)
    k = _take_apart("kspace", kspace, ("coils",), ndim)
    x = _take_apart("image", image, ("maps",) if maps else (), ndim)
    _same(k, x, "spatial axes", k.im, x.im)
    m = _mask_array(mask, k.im)
    batch = _broadcast([k, x] if m is None else [k, x, m])
    wanted = tuple(csm_batch)
    own = _pad(wanted, len(batch))
    if len(own) > len(batch) or any(w != 1 and w != n for w, n in zip(own, batch, strict=True)):
        raise ValueError(f"csm_batch: expected axes that broadcast to the batch {batch}, got {wanted}")
    groups = _leading(own, batch)
    mask_plan = _mask_plan(mask, m, batch)
    n_maps = x.core[0] if maps else 1
    core = (*x.core, *k.core, *k.im)
    arguments = _arguments(batch, n_maps, k.core[0], k.im, _per_csm(groups, batch), mask_plan, kspace.dtype)
    return Plan(
        outputs=(Output((*wanted, *core), kspace.dtype, None if groups == own else (*groups, *core)),),
        arguments=arguments,
        layouts=(_full(k, batch), _full(x, batch), mask_plan.layout),
        zero=prod(batch) == 0,
    )


_ENCODE = {"csm": "complex", "mask": "weight"}

SENSE = NativeOp("sense", {"image": "complex", **_ENCODE}, _sense, ("mask",))
SENSE_ADJOINT = NativeOp("sense_adjoint", {"kspace": "complex", **_ENCODE}, _sense_adjoint, ("mask",))
SENSE_GRAM = NativeOp("sense_gram", {"image": "complex", **_ENCODE}, _sense_gram, ("mask",))
SENSE_CSM_ADJOINT = NativeOp(
    "sense_csm_adjoint", {"kspace": "complex", "image": "complex", "mask": "weight"}, _sense_csm_adjoint, ("mask",)
)
COIL_EXPAND = NativeOp("coil_expand", {"image": "complex", "csm": "complex"}, _coil_expand)
COIL_COMBINE = NativeOp("coil_combine", {"coil_images": "complex", "csm": "complex"}, _coil_combine)
