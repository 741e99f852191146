"""Shape rules of the Cartesian SENSE family: batches broadcast, and what the kernels cannot index is laid out first.

With ``im`` the last ``ndim`` axes, image ``(*batch, [maps,] *im)``, csm ``(*batch, [maps,] coils, *im)``, kspace
``(*batch, coils, *im)``, mask broadcastable to ``(*batch, *im)``. The kernels see one flat batch, in which item ``b``
uses the maps ``b // batch_per_csm``, and a mask by strides; every other pattern of broadcasting is materialised.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from .batches import Array, broadcast, broadcasts_to, lay_out, leading, pad, per_group, take_apart
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
_AXES = ("z", "y", "x")


def _same(first: Array, second: Array, axis: str, expected: Shape | int, got: Shape | int) -> None:
    if expected != got:
        raise ValueError(f"{second.name}: expected {axis} {expected} (those of {first.name}), got {got}")


def _check_parameters(ndim: int, maps: bool) -> None:
    if not isinstance(ndim, int) or ndim not in (2, 3):
        raise ValueError(f"ndim: expected 2 or 3, got {ndim!r}")
    if not isinstance(maps, bool):
        raise TypeError(f"maps: expected a bool, got {maps!r}")


class _Mask(NamedTuple):
    kind: int
    strides: tuple[int, int, int, int]
    layout: Shape | None


def _mask_array(mask: Facts | None, im: Shape) -> Array | None:
    if mask is None:
        return None
    shape, ndim = tuple(mask.shape), len(im)
    padded = (1,) * (ndim - len(shape)) + shape
    for size, extent in zip(padded[len(padded) - ndim :], im, strict=True):
        if size != 1 and size != extent:
            raise ValueError(f"mask: expected axes that broadcast to {im} (no coil axis), got shape {shape}")
    return Array("mask", padded[: len(padded) - ndim], padded[len(padded) - ndim :])


def _mask_plan(mask: Facts | None, array: Array | None, batch: Shape) -> _Mask:
    if mask is None or array is None:
        return _Mask(0, (0, 0, 0, 0), None)
    sz, sy, sx = pad(array.core, 3)
    strides = [0, 0 if sz == 1 else sy * sx, 0 if sy == 1 else sx, 0 if sx == 1 else 1]
    layout = None
    if any(n != 1 for n in array.batch):
        strides[0] = sz * sy * sx
        layout = lay_out(array, batch)
    return _Mask(1 if mask.dtype == "bool" else 2, (strides[0], strides[1], strides[2], strides[3]), layout)


def _arguments(
    batch: Shape, maps: int, coils: int, im: Shape, per_csm: int, mask: _Mask, dtype: str
) -> tuple[int, ...]:
    return (prod(batch), maps, coils, *pad(im, 3), len(im), per_csm, mask.kind, *mask.strides, DTYPE_CODE[dtype])


def _encode(
    first: Facts, csm: Facts, mask: Facts | None, ndim: int, maps: bool, *, name: str, kspace_in: bool, kspace_out: bool
) -> Plan:
    """Rule of every op whose second argument is csm: image or coil images in, image or coil images out."""
    _check_parameters(ndim, maps)
    map_axis, axes = ("maps",) if maps else (), _AXES[3 - ndim :]
    c = take_apart("csm", csm, (*map_axis, "coils", *axes))
    a = take_apart(name, first, (*(("coils",) if kspace_in else map_axis), *axes))
    im, coils = c.core[-ndim:], c.core[-ndim - 1]
    _same(c, a, "spatial axes", im, a.core[-ndim:])
    if kspace_in:
        _same(c, a, "coils", coils, a.core[0])
    elif maps:
        _same(c, a, "maps", c.core[0], a.core[0])
    m = _mask_array(mask, im)
    batch = broadcast([a, c] if m is None else [a, c, m])
    groups = leading([c.batch], batch)
    mask_plan = _mask_plan(mask, m, batch)
    core = (coils,) if kspace_out else c.core[: -ndim - 1]
    n_maps = c.core[0] if maps else 1
    return Plan(
        outputs=(Output((*batch, *core, *im), first.dtype),),
        arguments=_arguments(batch, n_maps, coils, im, per_group(groups, batch), mask_plan, first.dtype),
        layouts=(lay_out(a, batch), lay_out(c, groups), mask_plan.layout),
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
    axes = _AXES[3 - ndim :]
    k = take_apart("kspace", kspace, ("coils", *axes))
    x = take_apart("image", image, (*(("maps",) if maps else ()), *axes))
    coils, im = k.core[0], k.core[1:]
    _same(k, x, "spatial axes", im, x.core[-ndim:])
    m = _mask_array(mask, im)
    batch = broadcast([k, x] if m is None else [k, x, m])
    wanted = tuple(csm_batch)
    if not broadcasts_to(wanted, batch):
        raise ValueError(f"csm_batch: expected axes that broadcast to the batch {batch}, got {wanted}")
    groups = leading([wanted], batch)
    mask_plan = _mask_plan(mask, m, batch)
    n_maps = x.core[0] if maps else 1
    core = (*x.core[:-ndim], coils, *im)
    arguments = _arguments(batch, n_maps, coils, im, per_group(groups, batch), mask_plan, kspace.dtype)
    return Plan(
        outputs=(
            Output((*wanted, *core), kspace.dtype, None if groups == pad(wanted, len(batch)) else (*groups, *core)),
        ),
        arguments=arguments,
        layouts=(lay_out(k, batch), lay_out(x, batch), mask_plan.layout),
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
