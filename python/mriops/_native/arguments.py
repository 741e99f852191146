"""Arguments that are no arrays: numbers, counts and sizes, refused with their name, what was expected and what came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from numbers import Real
from typing import Any

__all__ = ["instance", "integer", "number", "numbers", "sizes"]


def _shown(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape is not None and tuple(shape):
        return f"{type(value).__name__} of shape {tuple(shape)}"
    text = repr(value)
    return text if len(text) < 100 else f"{text[:90]}..."


def _real(value: Any) -> float | None:
    """A number, or an array of one without axes, as a float."""
    if isinstance(value, Real):
        return None if isinstance(value, bool) else float(value)
    if getattr(value, "ndim", None) != 0 or not ("float" in str(value.dtype) or "int" in str(value.dtype)):
        return None
    return float(value)


def number(name: str, value: Any, expected: str, fits: Callable[[float], bool] = isfinite) -> float:
    """A real number.

    Parameters
    ----------
    name
        Of the argument.
    value
        What came.
    expected
        In words, such as ``"a number > 0 [s]"``.
    fits
        Whether a number is one of these.

    Returns
    -------
    float
        The same.

    Raises
    ------
    TypeError
        No real number.
    ValueError
        One that does not fit.
    """
    found = _real(value)
    if found is None:
        raise TypeError(f"{name}: expected {expected}, got {_shown(value)}")
    if not fits(found):
        raise ValueError(f"{name}: expected {expected}, got {_shown(value)}")
    return found


def numbers(name: str, values: Any, expected: str) -> tuple[float, ...]:
    """Finite real numbers.

    Parameters
    ----------
    name
        Of the argument.
    values
        What came.
    expected
        In words, such as ``"numbers"``.

    Returns
    -------
    tuple of float
        The same.

    Raises
    ------
    TypeError
        No sequence, or not of real numbers.
    ValueError
        Empty, or one is not finite.
    """
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__") or getattr(values, "ndim", 1) != 1:
        raise TypeError(f"{name}: expected {expected}, got {_shown(values)}")
    found = tuple(number(name, value, expected) for value in values)
    if not found:
        raise ValueError(f"{name}: expected {expected}, got none")
    return found


def integer(name: str, value: Any, least: int, expected: str | None = None) -> int:
    """A whole number of at least ``least``.

    Parameters
    ----------
    name
        Of the argument.
    value
        What came.
    least
        Lower bound.
    expected
        In words; of the bound if not given.

    Returns
    -------
    int
        The same.

    Raises
    ------
    TypeError
        No integer.
    ValueError
        A smaller one.
    """
    expected = expected or f"an integer >= {least}"
    if isinstance(value, bool) or not hasattr(value, "__index__") or getattr(value, "ndim", 0) != 0:
        raise TypeError(f"{name}: expected {expected}, got {_shown(value)}")
    if value < least:
        raise ValueError(f"{name}: expected {expected}, got {_shown(value)}")
    return int(value)


def sizes(name: str, value: Any, expected: str, *axes: int) -> tuple[int, ...]:
    """Positive lengths of axes.

    Parameters
    ----------
    name
        Of the argument.
    value
        What came.
    expected
        In words, such as ``"(y, x) of positive ints"``.
    axes
        How many there may be.

    Returns
    -------
    tuple of int
        The same.

    Raises
    ------
    TypeError
        No sequence, or not of integers.
    ValueError
        Too few or too many, or one below 1.
    """
    message = f"{name}: expected {expected}, got {_shown(tuple(value) if isinstance(value, Sequence) else value)}"
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__") or getattr(value, "ndim", 1) != 1:
        raise TypeError(message)
    found = tuple(value)
    if any(isinstance(n, bool) or not hasattr(n, "__index__") for n in found):
        raise TypeError(message)
    if len(found) not in axes or any(n < 1 for n in found):
        raise ValueError(message)
    return tuple(int(n) for n in found)


def instance(name: str, value: Any, kind: type | tuple[type, ...], expected: str) -> Any:
    """A value of a kind.

    Parameters
    ----------
    name
        Of the argument.
    value
        What came.
    kind
        Its class, or several.
    expected
        In words, such as ``"a torch.Tensor"``.

    Returns
    -------
    object
        The same.

    Raises
    ------
    TypeError
        Another kind.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected {expected}, got {type(value).__name__}")
    return value
