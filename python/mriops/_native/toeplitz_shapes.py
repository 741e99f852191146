"""Shape rule of the Toeplitz normal operator: spectrum of the point-spread function on a grid of twice the size."""

from __future__ import annotations

from math import prod

from .batches import broadcast, flatten, lay_out, leading, pad, take_apart
from .dtypes import DTYPE_CODE
from .plan import Facts, NativeOp, Output, Plan

__all__ = ["SENSE_TOEPLITZ"]

_AXES = ("z", "y", "x")


def _sense_toeplitz(image: Facts, csm: Facts | None, kernel: Facts, ndim: int) -> Plan:
    if ndim not in (2, 3):
        raise ValueError(f"ndim: expected 2 or 3, got {ndim!r}")
    axes = _AXES[3 - ndim :]
    x, t = take_apart("image", image, axes), take_apart("kernel", kernel, axes)
    twice = tuple(2 * n for n in x.core)
    if t.core != twice:
        raise ValueError(f"kernel: expected spatial axes {twice}, twice those of image, got {t.core}")
    maps = None if csm is None else take_apart("csm", csm, ("coils", *axes))
    if maps is not None and maps.core[1:] != x.core:
        raise ValueError(f"csm: expected spatial axes {x.core} (those of image), got {maps.core[1:]}")
    batch = broadcast([x, t] if maps is None else [x, t, maps])
    groups = leading([t.batch], batch)
    flat = flatten(batch, groups, maps)
    sizes = (flat.batch, flat.coils, *pad(x.core, 3), ndim, flat.per_csm, flat.per_group)
    return Plan(
        outputs=(Output((*batch, *x.core), image.dtype),),
        arguments=(*sizes, DTYPE_CODE[image.dtype]),
        layouts=(lay_out(x, batch), flat.csm_layout, lay_out(t, groups)),
        zero=prod(batch) == 0,
    )


SENSE_TOEPLITZ = NativeOp(
    "sense_toeplitz", {"image": "complex", "csm": "complex", "kernel": "real"}, _sense_toeplitz, ("csm",)
)
