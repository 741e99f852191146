"""Shape rule of the centred orthonormal transform, and how transforms over any axes become native passes.

The native call sees an array as ``(batch, nz, ny, nx)`` and transforms a subset of the last three. Neighbouring axes
that are not transformed are merged, so an axis anywhere is transformed where it lies, with no copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from .arguments import integers, one_each
from .dtypes import DTYPE_CODE
from .plan import Facts, NativeOp, Output, Plan

__all__ = ["FFT", "normalize_dims", "split_dims"]


def normalize_dims(rank: int, dims: int | Sequence[int]) -> tuple[int, ...]:
    """Axes as sorted negative indices.

    Parameters
    ----------
    rank
        Number of axes of the array.
    dims
        One axis or several, integers of any kind, negative counted from the end.

    Returns
    -------
    tuple of int
        Sorted, in ``[-rank, -1]``.

    Raises
    ------
    TypeError
        An axis is no integer.
    ValueError
        No axis, an axis twice, or an axis out of range.
    """
    result = []
    for axis in integers("dims", one_each(dims, 1)):
        if not -rank <= axis < rank:
            raise ValueError(f"dims: expected axes in [{-rank}, {rank - 1}] for {rank} axes, got {axis}")
        result.append(axis if axis < 0 else axis - rank)
    if not result:
        raise ValueError("dims: expected at least one axis, got none")
    if len(set(result)) != len(result):
        raise ValueError(f"dims: expected distinct axes, got {dims}")
    return tuple(sorted(result))


def _segments(dims: Sequence[int]) -> list[tuple[int, int, bool]]:
    """Runs ``(first axis, end, transformed)`` from the first transformed axis to the last of the array."""
    wanted = set(dims)
    runs: list[tuple[int, int, bool]] = []
    for axis in range(min(dims), 0):
        if axis in wanted:
            runs.append((axis, axis + 1, True))
        elif runs and not runs[-1][2]:
            runs[-1] = (runs[-1][0], axis + 1, False)
        else:
            runs.append((axis, axis + 1, False))
    return runs


def split_dims(dims: Sequence[int]) -> list[tuple[int, ...]]:
    """Groups of axes, last axes first, each of which one native pass transforms.

    Parameters
    ----------
    dims
        Sorted negative axes (see :func:`normalize_dims`).

    Returns
    -------
    list of tuple of int
        Almost always one group; more where the axes and the gaps between them do not fit three extents.
    """
    groups: list[tuple[int, ...]] = []
    left = list(dims)
    while left:
        group: list[int] = []
        while left and len(_segments([left[-1], *group])) <= 3:
            group.insert(0, left.pop())
        groups.append(tuple(group))
    return groups


def _fft_rule(x: Facts, dims: Sequence[int], inverse: bool) -> Plan:
    rank = len(x.shape)
    axes = normalize_dims(rank, list(dims))
    runs = _segments(axes)
    if len(runs) > 3:
        raise ValueError(f"dims: expected axes that one pass can transform, got {tuple(dims)} of {rank}")
    for axis in axes:
        if x.shape[axis] == 0:
            raise ValueError(f"x: expected transformed axes (dims {tuple(dims)}) of at least 1, got {tuple(x.shape)}")
    extents = [prod(x.shape[rank + a : rank + b]) for a, b, _ in runs]
    bits = sum(1 << (len(runs) - 1 - i) for i, run in enumerate(runs) if run[2])
    batch = prod(x.shape[: rank + axes[0]])
    padded = [1] * (3 - len(extents)) + extents
    return Plan(
        outputs=(Output(tuple(x.shape), x.dtype),),
        arguments=(batch, *padded, bits, bool(inverse), DTYPE_CODE[x.dtype]),
        layouts=(None,),
        zero=batch * prod(extents) == 0,
    )


FFT = NativeOp("fft", {"x": "complex"}, _fft_rule)
