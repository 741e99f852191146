"""Arguments taken apart into batch and core axes, batches that broadcast, and how rows of a batch are shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple

from .plan import Facts

__all__ = [
    "Array",
    "Flat",
    "broadcast",
    "broadcasts_to",
    "flatten",
    "lay_out",
    "leading",
    "once_or_each",
    "pad",
    "per_group",
    "take_apart",
]

Shape = tuple[int, ...]


class Array(NamedTuple):
    """An argument taken apart at its core axes."""

    name: str
    batch: Shape
    core: Shape


def take_apart(name: str, facts: Facts, axes: tuple[str, ...]) -> Array:
    """Split an argument at its core axes, none of which may be empty; raises what the caller is to see."""
    shape = tuple(facts.shape)
    if len(shape) < len(axes):
        raise ValueError(f"{name}: expected shape (*batch, {', '.join(axes)}), got {shape}")
    split = len(shape) - len(axes)
    for label, size in zip(axes, shape[split:], strict=True):
        if size == 0:
            raise ValueError(f"{name}: expected axis {label} to be at least 1, got shape {shape}")
    return Array(name, shape[:split], shape[split:])


def broadcast(arrays: Sequence[Array]) -> Shape:
    """Common batch shape, numpy's rules."""
    result = [1] * max([0, *(len(a.batch) for a in arrays)])
    for array in arrays:
        offset = len(result) - len(array.batch)
        for i, size in enumerate(array.batch):
            if size == 1 or result[offset + i] == size:
                continue
            if result[offset + i] != 1:
                others = {a.name: a.batch for a in arrays if a is not array}
                raise ValueError(f"{array.name}: expected batch axes that broadcast with {others}, got {array.batch}")
            result[offset + i] = size
    return tuple(result)


def broadcasts_to(shape: Shape, to: Shape) -> bool:
    """Whether an array of ``shape`` broadcasts to ``to``, and not the other way round."""
    return len(shape) <= len(to) and all(n in (1, m) for n, m in zip(shape[::-1], to[::-1], strict=False))


def pad(batch: Shape, rank: int) -> Shape:
    """Ones in front."""
    return (1,) * (rank - len(batch)) + batch


def leading(wanted: Sequence[Shape], batch: Shape) -> Shape:
    """Smallest leading part of ``batch``, followed by ones, that each of ``wanted`` broadcasts to."""
    used = 0
    for own in wanted:
        for i, size in enumerate(pad(own, len(batch))):
            if size != 1:
                used = max(used, i + 1)
    return batch[:used] + (1,) * (len(batch) - used)


def lay_out(array: Array, groups: Shape) -> Shape | None:
    """Shape to lay an array out in; ``None`` where it lies so already, up to axes of one."""
    return None if pad(array.batch, len(groups)) == groups else (*groups, *array.core)


def per_group(groups: Shape, batch: Shape) -> int:
    """Items of a flat batch that share each item of ``groups``, a leading part of it; 1 where there are no items."""
    n_batch = prod(batch)
    return n_batch // prod(groups) if n_batch else 1


class Flat(NamedTuple):
    """The flat batch of kernels that take maps or none."""

    batch: int
    coils: int
    per_csm: int
    per_group: int
    csm_layout: Shape | None


def flatten(batch: Shape, groups: Shape, maps: Array | None) -> Flat:
    """One item per item of ``batch``; without maps, one per item of ``groups``, with all that shares it as coils."""
    if maps is None:
        return Flat(prod(groups), per_group(groups, batch), 1, 1, None)
    own = leading([maps.batch], batch)
    return Flat(prod(batch), maps.core[0], per_group(own, batch), per_group(groups, batch), lay_out(maps, own))


def once_or_each(
    batches: Mapping[str, Shape], batch: Shape, cores: Mapping[str, Shape], inputs: Sequence[str]
) -> tuple[int, tuple[Shape | None, ...]]:
    """Which inputs of a kernel there are once per item of the batch, as bits, and how all of its arrays are laid out.

    A tangent (``d_`` and the name of an input) and its argument are read alike: once per item, or once for all. What is
    no input (cotangents) is there for every item.
    """
    own, layouts = 0, []
    for name, lies in batches.items():
        group = name.removeprefix("d_")
        if group in inputs:
            if all(prod(batches[n]) == 1 for n in (group, "d_" + group) if n in batches):
                layouts.append(None)
                continue
            own |= 1 << inputs.index(group)
        layouts.append(None if pad(lies, len(batch)) == batch else (*batch, *cores[group]))
    return own, tuple(layouts)
