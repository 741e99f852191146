"""Arguments that are no arrays: numbers, counts and sizes, refused with their name, what was expected and what came.

Each function returns the argument. The wrong kind is a ``TypeError``, what does not fit is a ``ValueError``.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from numbers import Real
from operator import index
from typing import Any, NoReturn

__all__ = [
    "finite",
    "image_size",
    "instance",
    "integer",
    "not_negative",
    "number",
    "numbers",
    "one_each",
    "positive",
    "sizes",
    "whole",
]


def _refuse(error: type[Exception], name: str, expected: str, value: Any) -> NoReturn:
    shape = tuple(getattr(value, "shape", None) or ())
    shown = f"{type(value).__name__} of shape {shape}" if shape else repr(value)
    if len(shown) >= 100:
        shown = f"{shown[:90]}..."
    raise error(f"{name}: expected {expected}, got {shown}")


def _is_sequence(value: Any) -> bool:
    return not isinstance(value, str | bytes) and hasattr(value, "__iter__") and getattr(value, "ndim", 1) == 1


def finite(value: float) -> bool:
    """Neither infinite nor NaN, by what torch.compile can trace."""
    return -inf < value < inf


def positive(value: float) -> bool:
    """And finite."""
    return 0 < value < inf


def not_negative(value: float) -> bool:
    """And finite."""
    return 0 <= value < inf


def number(name: str, value: Any, expected: str, fits: Callable[[float], bool] = finite) -> float:
    """A real number, or an array of one without axes, as a float that ``fits``."""
    if isinstance(value, Real):
        real = not isinstance(value, bool)
    else:
        real = getattr(value, "ndim", None) == 0 and ("float" in str(value.dtype) or "int" in str(value.dtype))
    if not real:
        _refuse(TypeError, name, expected, value)
    found = float(value)
    if not fits(found):
        _refuse(ValueError, name, expected, value)
    return found


def numbers(
    name: str, values: Any, expected: str, count: int | None = None, fits: Callable[[float], bool] = finite
) -> tuple[float, ...]:
    """Real numbers that ``fit``, at least one, or as many as ``count``."""
    if not _is_sequence(values):
        _refuse(TypeError, name, expected, values)
    found = tuple(number(name, value, expected, fits) for value in values)
    if not found if count is None else len(found) != count:
        raise ValueError(f"{name}: expected {expected}, got {len(found) or 'none'}")
    return found


def one_each(value: Any, count: int) -> Any:
    """One value for all as ``count`` of them; what is a sequence stays."""
    return value if hasattr(value, "__len__") and getattr(value, "ndim", 1) else (value,) * count


def whole(value: Any) -> int | None:
    """An integer of any kind, or an array of one without axes, as an int; None for all else, bools too."""
    if isinstance(value, int):
        return None if isinstance(value, bool) else value
    if getattr(value, "ndim", 0) != 0 or "bool" in str(getattr(value, "dtype", "")):
        return None
    try:
        return index(value)
    except TypeError:  # floating-point arrays have __index__, and refuse in it
        return None


def integer(name: str, value: Any, least: int, expected: str | None = None, most: float = inf) -> int:
    """A whole number from ``least`` to ``most``."""
    expected = expected or f"an integer >= {least}"
    found = whole(value)
    if found is None:
        _refuse(TypeError, name, expected, value)
    if not least <= found <= most:
        _refuse(ValueError, name, expected, value)
    return int(found)


def sizes(name: str, value: Any, expected: str, *axes: int) -> tuple[int, ...]:
    """Positive lengths of as many axes as one of ``axes`` says."""
    if not _is_sequence(value):
        _refuse(TypeError, name, expected, value)
    given = tuple(value)
    # A number also where torch.compile has a symbol, which `int` keeps.
    found = tuple(index(n) for n in map(whole, given) if n is not None)
    if len(found) != len(given):
        _refuse(TypeError, name, expected, given)
    if len(found) not in axes or any(n < 1 for n in found):
        _refuse(ValueError, name, expected, given)
    return found


def integers(name: str, values: Any) -> tuple[int, ...]:
    """Integers of any kind, in one axis."""
    if not _is_sequence(values):
        _refuse(TypeError, name, "integers", values)
    given = tuple(values)
    found = tuple(map(whole, given))
    if None in found:
        _refuse(TypeError, name, "integers", given[found.index(None)])
    return found  # type: ignore[return-value]


def image_size(im_size: Any, ndim: int | None = None) -> tuple[int, ...]:
    """Two or three positive lengths, or ``ndim`` of them."""
    if ndim is not None:
        return sizes("im_size", im_size, f"{ndim} positive ints", ndim)
    return sizes("im_size", im_size, "(y, x) or (z, y, x) of positive ints", 2, 3)


def instance(name: str, value: Any, kind: type | tuple[type, ...], expected: str) -> Any:
    """A value of a kind, ``expected`` in words."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected {expected}, got {type(value).__name__}")
    return value
