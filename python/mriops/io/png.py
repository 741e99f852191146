"""Grey-scale PNG pictures, written without an imaging library."""

from __future__ import annotations

import os
import struct
import zlib
from typing import Any

import numpy as np

from mriops.io.arrays import as_numpy
from mriops.io.atomic import atomic_path


def write_png(image: Any, path: str | os.PathLike[str], *, window: tuple[float, float] | None = None) -> None:
    """Write an image as 8-bit grey PNG: its values, or of a complex one the magnitudes.

    Parameters
    ----------
    image
        `(y, x)`, real or complex, array, tensor or lists; row 0 is on top.
    path
        The file.
    window
        Values shown black and white; 0 and the 99.5th percentile if None.

    Raises
    ------
    TypeError
        If the image is no array of numbers.
    ValueError
        If the image does not have two axes, or is empty.
    OSError
        If the folder cannot be written to.
    """
    image = as_numpy("image", image)
    if image.ndim != 2 or image.size == 0:
        raise ValueError(f"image: expected a non-empty (y, x), got shape {image.shape}")
    values = np.nan_to_num(np.abs(image) if np.iscomplexobj(image) else image).astype(np.float64)
    low, high = window or (0.0, float(np.percentile(values, 99.5)))
    grey = np.clip((values - low) / (high - low if high > low else 1.0), 0, 1)
    rows = np.round(255 * grey).astype(np.uint8)
    # Filter byte 0 (none) before every row.
    packed = np.pad(rows, ((0, 0), (1, 0))).tobytes()
    header = struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], 8, 0, 0, 0, 0)
    with atomic_path(path) as temporary:
        temporary.write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + _chunk(b"IHDR", header)
            + _chunk(b"IDAT", zlib.compress(packed, 6))
            + _chunk(b"IEND", b"")
        )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
