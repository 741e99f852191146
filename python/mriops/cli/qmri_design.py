"""Times, angles and other settings of a measurement from a small file: JSON, CSV with a line of names, or npz."""

from __future__ import annotations

import csv
import json
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["read_columns", "read_directions", "read_train"]

#: Endings of names that say another unit than SI.
_UNITS = {"_deg": math.pi / 180, "_ms": 1e-3, "_s": 1.0, "_rad": 1.0}


def read_columns(path: Path) -> dict[str, Any]:
    """Arguments by name, in SI units: numbers, lists, text.

    Names may end in ``_deg``, ``_rad``, ``_ms`` or ``_s``, which is taken off; without, they are in SI units.

    Parameters
    ----------
    path
        ``.json`` (an object), ``.csv`` (names in the first line) or ``.npz``.

    Returns
    -------
    dict
        By name.

    Raises
    ------
    ValueError
        The file is not readable, or a value is no number.
    FileNotFoundError
        There is no such file.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    readers = {".json": _json, ".csv": _csv, ".npz": _npz}
    if path.suffix not in readers:
        raise ValueError(f"{path}: expected a file .json, .csv or .npz")
    try:
        raw = readers[path.suffix](path)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: not a readable {path.suffix[1:]} file ({error})") from error
    columns: dict[str, Any] = {}
    for name, value in raw.items():
        ending = next((e for e in _UNITS if name.endswith(e)), "")
        plain = name.removesuffix(ending)
        if plain in columns:
            raise ValueError(f"{path}: expected {plain} once, got it twice, the second time as {name}")
        columns[plain] = value if value is None or isinstance(value, str) else _scaled(path, name, value, ending)
    return columns


def _json(path: Path) -> dict[str, Any]:
    stored = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(stored, dict):
        raise ValueError(f"expected an object of names, got {type(stored).__name__}")
    return stored


def _csv(path: Path) -> dict[str, Any]:
    with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets begin with a byte order mark
        lines = [line for line in csv.reader(file) if any(part.strip() for part in line)]
    if len(lines) < 2:
        raise ValueError("expected a line of names and lines of numbers below")
    names = [name.strip() for name in lines[0]]
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(names):
            raise ValueError(f"line {number}: expected {len(names)} values, got {len(line)}")
    columns = {name: [line[i].strip() for line in lines[1:]] for i, name in enumerate(names)}
    return {name: column[0] if _is_word(column) else column for name, column in columns.items()}


def _is_word(column: list[str]) -> bool:
    """Whether all lines repeat one text that is no number, such as the kind of spoiling."""
    if len(set(column)) > 1:
        return False
    try:
        float(column[0])
    except ValueError:
        return True
    return False


def _npz(path: Path) -> dict[str, Any]:
    with np.load(path) as stored:
        return {name: stored[name].item() if stored[name].ndim == 0 else stored[name] for name in stored.files}


def _scaled(path: Path, name: str, value: Any, ending: str) -> Any:
    try:
        values = np.asarray(value, dtype=np.float64) * _UNITS.get(ending, 1.0)
    except (TypeError, ValueError):
        raise ValueError(f"{path}: {name}: expected numbers, got {str(value)[:60]}") from None
    return float(values) if values.ndim == 0 else values.tolist()


def read_train(path: Path) -> Any:
    """The :class:`mriops.signals.PulseTrain` of a file.

    Raises
    ------
    ValueError
        Names that a train does not have or lacks, or values that do not fit.
    """
    from mriops.signals import PulseTrain

    columns = read_columns(path)
    known = tuple(PulseTrain.__dataclass_fields__)
    needed = known[:3]
    missing = [name for name in needed if name not in columns]
    unknown = sorted(set(columns) - set(known))
    if missing or unknown:
        got = ("no " + ", ".join(missing)) if missing else ("also " + ", ".join(unknown))
        raise ValueError(f"{path}: expected {', '.join(needed)} and perhaps {', '.join(known[3:])}, got {got}")
    inversion = columns.get("inversion_time")
    if isinstance(inversion, list) and len(set(inversion)) == 1:
        columns["inversion_time"] = inversion[0]  # a column repeats what the whole train has
    try:
        return PulseTrain(**columns)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def read_directions(path: Path) -> list[list[float]]:
    """Unit vectors ``(times, 3)`` of a text file with three rows (bvec) or three columns; zeros stay.

    Raises
    ------
    ValueError
        Neither three rows nor three columns.
    """
    try:
        rows = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: expected rows of numbers ({error})") from error
    if 3 not in rows.shape:
        raise ValueError(f"{path}: expected three rows or three columns, got shape {rows.shape}")
    return unit_vectors(rows.T if rows.shape[0] == 3 else rows)


def unit_vectors(rows: Any) -> list[list[float]]:
    """Rows divided by their length; zeros stay."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(length > 0, length, 1)).tolist()
