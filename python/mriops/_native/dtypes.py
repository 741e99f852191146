"""Which dtypes an op takes and what is converted silently, by names, for every array framework alike.

Kinds of argument:

* ``complex``: complex64 or complex128; float32 or float64 is promoted to its complex partner;
* ``weight``: bool stays; every real or integer dtype is converted to the real partner of the data's precision;
* ``real``: as ``weight``, without bool;
* ``index``: int32 or int64, taken as it is;
* ``any``: taken as it is.

The first ``complex`` argument fixes the precision, the first floating-point one where there is none. Other ``complex``
arguments must have the same precision: mixing them is an error, because either silent choice costs somebody dearly
(half of the digits, or twice the memory).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["COMPLEX_OF", "DTYPE_CODE", "REAL_OF", "cast_dtypes"]

REAL_OF = {"complex64": "float32", "complex128": "float64", "float32": "float32", "float64": "float64"}
COMPLEX_OF = {"float32": "complex64", "float64": "complex128", "complex64": "complex64", "complex128": "complex128"}
DTYPE_CODE = {"complex64": 0, "complex128": 1, "float32": 0, "float64": 1}

_REAL = frozenset(
    (
        *("float16", "bfloat16", "float32", "float64"),
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    )
)
_INDEX = frozenset(("int32", "int64"))


def cast_dtypes(kinds: Mapping[str, str], dtypes: Sequence[str | None]) -> tuple[str | None, ...] | None:
    """Find the conversions an op's arguments need.

    Parameters
    ----------
    kinds
        Kind by argument name, in order.
    dtypes
        The arguments' dtype names; ``None`` for an absent argument.

    Returns
    -------
    tuple or None
        Per argument the dtype to convert to or ``None``; ``None`` alone where nothing is to be done.

    Raises
    ------
    TypeError
        A dtype the argument cannot have, or complex arguments of different precision.
    """
    precision = chooser = None
    for name, dtype in zip(kinds, dtypes, strict=True):
        if dtype is not None and kinds[name] == "complex":
            if dtype not in COMPLEX_OF:
                raise TypeError(f"{name}: expected complex64, complex128, float32 or float64, got {dtype}")
            precision, chooser = REAL_OF[dtype], name
            break
    if precision is None:
        for name, dtype in zip(kinds, dtypes, strict=True):
            if kinds[name] in ("real", "weight") and dtype in ("float32", "float64"):
                precision, chooser = dtype, name
                break
    casts = [
        None if dtype is None else _cast_one(name, kinds[name], dtype, precision or "float32", chooser)
        for name, dtype in zip(kinds, dtypes, strict=True)
    ]
    return tuple(casts) if any(cast is not None for cast in casts) else None


def _cast_one(name: str, kind: str, dtype: str, precision: str, chooser: str | None) -> str | None:
    target: str | None = None
    if kind == "complex":
        if REAL_OF.get(dtype) != precision:
            expected = f"{COMPLEX_OF[precision]} or {precision}"
            raise TypeError(f"{name}: expected {expected} (the precision of {chooser}), got {dtype}")
        target = COMPLEX_OF[precision]
    elif kind == "weight" or kind == "real":
        if kind == "weight" and dtype == "bool":
            return None
        if dtype not in _REAL:
            raise TypeError(f"{name}: expected {'bool or ' if kind == 'weight' else ''}a real dtype, got {dtype}")
        target = precision
    elif kind == "index" and dtype not in _INDEX:
        raise TypeError(f"{name}: expected int32 or int64, got {dtype}")
    return None if target is None or target == dtype else target
