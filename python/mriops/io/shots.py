"""Acquisitions of an ISMRMRD file that carry a trajectory: shots and where their samples lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mriops.io.mrd_header import Encoding

UNITS = ("auto", "pixel", "fov", "1/m")
# Coordinates of at most this size are taken as cycles per pixel: [-0.5, 0.5] and rounding.
_LARGEST_PER_PIXEL = 0.5 + 1e-3


def shot_shape(heads: npt.NDArray[Any], lead: tuple[str, ...], n_slices: int, source: str) -> tuple[int, int]:
    """Number of shots and samples, which every slice and frame must have alike.

    Parameters
    ----------
    heads
        Headers of the imaging acquisitions.
    lead
        Counters that make frames.
    n_slices
        Slices of the file.
    source
        Name of the file, for messages.

    Raises
    ------
    ValueError
        If they differ.
    """
    samples = heads["number_of_samples"].astype(int) - heads["discard_pre"] - heads["discard_post"]
    idx = heads["idx"]
    keys = np.stack([idx["slice"], *(idx[a] for a in lead)], axis=-1).astype(int)
    _, counts = np.unique(keys, axis=0, return_counts=True)
    frames = n_slices * int(np.prod([int(idx[a].max()) + 1 for a in lead]))
    if len({int(c) for c in counts}) != 1 or len(counts) != frames:
        raise ValueError(
            f"{source}: expected equally many shots in each of {frames} slices and frames, got "
            f"{sorted({int(c) for c in counts})} in {len(counts)}"
        )
    if len(set(samples.tolist())) != 1 or samples[0] < 1:
        raise ValueError(f"{source}: expected one number of samples in all readouts, got {sorted(set(samples))}")
    return int(counts[0]), int(samples[0])


def coordinates(row: Any, encoding: Encoding, source: str, number: int) -> npt.NDArray[np.float32]:
    """The trajectory of one acquisition as the file has it, components (y, x) or (z, y, x), without discarded samples.

    Raises
    ------
    ValueError
        If the acquisition has none, or one of another length.
    """
    head = row["head"]
    n, given = int(head["number_of_samples"]), int(head["trajectory_dimensions"])
    ndim = encoding.ndim
    if given < ndim or row["traj"].size != n * given:
        raise ValueError(
            f"{source}: acquisition {number}: expected a trajectory of {n} samples x {ndim} or more components, got "
            f"{row['traj'].size} values in {given} components"
        )
    values = np.asarray(row["traj"], np.float32).reshape(n, given)[:, ndim - 1 :: -1]
    return values[int(head["discard_pre"]) : n - int(head["discard_post"])]


def to_cycles(
    trajectory: npt.NDArray[np.float32], encoding: Encoding, units: str, source: str
) -> tuple[npt.NDArray[np.float32], str]:
    """The trajectory in cycles per encoded field of view, and what its units were taken for.

    Raises
    ------
    ValueError
        If it has NaN or Inf, or leaves [-N/2, N/2].
    """
    if not np.isfinite(trajectory).all():
        raise ValueError(f"{source}: expected a finite trajectory, got NaN or Inf")
    size = np.array(encoding.matrix[3 - encoding.ndim :], np.float32)
    fov = np.array(encoding.field_of_view[3 - encoding.ndim :], np.float32)
    if units == "auto":
        units = "pixel" if np.abs(trajectory).max() <= _LARGEST_PER_PIXEL else "fov"
    k = trajectory * {"pixel": size, "fov": np.ones_like(size), "1/m": fov}[units]
    # Delayed or rounded edges may lie a few samples outside; a factor of two is other units.
    if bool((np.abs(k) > 0.6 * size).any()):
        raise ValueError(
            f"{source}: expected coordinates within half the matrix {tuple(size.astype(int))}, got up to "
            f"{np.abs(k).max():.4g} if they are in units of {units!r}; choose with trajectory_units=..."
        )
    return k, units
