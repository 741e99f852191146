"""What one native call needs, worked out from shapes and dtypes alone: no array framework is imported here.

A *rule* takes the :class:`Facts` of each array argument (``None`` for an absent one) and the parameters of the op,
checks them, and returns a :class:`Plan`. NumPy, CuPy and PyTorch callers share the rules, and so the error messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from .dtypes import cast_dtypes

__all__ = ["Facts", "NativeOp", "Output", "Plan", "make_plan", "repeated_axes"]

Shape = tuple[int, ...]


class Facts(NamedTuple):
    """Shape, dtype name and device name (``cpu``, ``cuda:0``) of one array."""

    shape: Shape
    dtype: str
    device: str


class Output(NamedTuple):
    """One result: ``native_shape``, where given, is what the kernel writes; it is then summed to ``shape``."""

    shape: Shape
    dtype: str
    native_shape: Shape | None = None


class Plan(NamedTuple):
    """One native call.

    Attributes
    ----------
    outputs
        The results, in the order in which the kernel takes their pointers.
    arguments
        The numbers that follow the pointers.
    layouts
        Per input: the shape it is broadcast to (and made contiguous in), or ``None`` to take it as it is.
    zero
        There is nothing to compute (an empty batch): the outputs are zeros and the kernel is not called.
    plain
        No kernel is asked for: the op's plain form serves this call.
    sizing
        The numbers that ``_workspace_bytes`` takes, where these are not ``arguments``.
    """

    outputs: tuple[Output, ...]
    arguments: tuple[int | float | tuple[int, ...], ...]
    layouts: tuple[Shape | None, ...]
    zero: bool = False
    plain: bool = False
    sizing: tuple[int | float, ...] | None = None


class NativeOp(NamedTuple):
    """A function of the native modules.

    Attributes
    ----------
    name
        The same on every floor.
    kinds
        Kind of each array argument, in order (see ``dtypes``).
    rule
        Shape rule: facts of the arrays, then the parameters, to a plan.
    optional
        Array arguments that may be ``None``; their address is 0 then.
    silent
        Array arguments that the function does not take: what it needs of them is in others, they are there for their
        gradient.
    """

    name: str
    kinds: Mapping[str, str]
    rule: Callable[..., Plan]
    optional: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


def repeated_axes(shape: Shape, strides: tuple[int, ...]) -> tuple[slice, ...] | None:
    """Index that takes one element of each axis along which an array repeats itself (stride 0).

    Weights repeated by ``expand`` or ``broadcast_to`` say by it that they do not change along an axis; laid out in full
    they would not, and the kernels would transform that axis for nothing.

    Parameters
    ----------
    shape, strides
        Of the array, strides in any unit.

    Returns
    -------
    tuple of slice or None
        The index; ``None`` where no axis is repeated.
    """
    repeated = [size > 1 and stride == 0 for size, stride in zip(shape, strides, strict=True)]
    return tuple(slice(0, 1) if r else slice(None) for r in repeated) if any(repeated) else None


def make_plan(
    op: NativeOp, facts: tuple[Facts | None, ...], parameters: tuple
) -> tuple[tuple[str | None, ...] | None, Plan | None]:
    """Check one call.

    Parameters
    ----------
    op
        The native function.
    facts
        One entry per array argument.
    parameters
        The arguments that are not arrays.

    Returns
    -------
    tuple
        ``(casts, None)`` where arguments must be converted first (dtype name or ``None`` per argument), or else
        ``(None, plan)``.

    Raises
    ------
    TypeError, ValueError
        With the argument's name, what was expected and what came.
    """
    casts = cast_dtypes(op.kinds, [None if f is None else f.dtype for f in facts])
    first = next(f for f in facts if f is not None)
    first_name = next(iter(op.kinds))
    for name, fact in zip(op.kinds, facts, strict=True):
        if fact is not None and fact.device != first.device:
            raise ValueError(f"{name}: expected device {first.device} (that of {first_name}), got {fact.device}")
    if casts is not None:
        return casts, None
    return None, op.rule(*facts, *parameters)
