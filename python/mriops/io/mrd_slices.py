"""The slices of an ISMRMRD file: which there are, in what order they lie, and where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class SlicePlaces:
    """Slices in spatial order, or in that of their counters where positions are not known.

    Attributes
    ----------
    counters
        The counter of each slice in the file.
    directions
        As in `ScanInfo`; None where the file does not say.
    position
        Of the first slice, patient LPS [m]; None where it is not known.
    spacing
        Mean distance of neighbouring slices [m]; None for a single slice, and where positions do not tell.
    notes
        What was found and changed.
    """

    counters: tuple[int, ...]
    directions: npt.NDArray[np.float64] | None
    position: npt.NDArray[np.float64] | None
    spacing: float | None
    notes: tuple[str, ...]


def place_slices(heads: npt.NDArray[np.void]) -> SlicePlaces:
    """Order the slices of imaging acquisitions by the finite positions of each.

    Parameters
    ----------
    heads
        Headers of the imaging acquisitions, at least one.
    """
    number = heads["idx"]["slice"]
    counters = np.unique(number)
    finite = np.asarray(np.isfinite(heads["position"]).all(axis=1))
    notes = []
    if not finite.all():
        notes.append(f"{(~finite).sum()} readouts without a finite position were left out of the geometry")
    directions = _directions(heads)
    unknown = [int(s) for s in counters if not finite[number == s].any()]
    if unknown:
        notes.append(f"no finite position in slices {unknown}: the position of the scan is not known")
    if unknown or directions is None:
        return SlicePlaces(tuple(counters.tolist()), directions, None, None, tuple(notes))
    positions = 1e-3 * np.stack([heads["position"][finite & (number == s)].mean(axis=0, dtype=float) for s in counters])
    along = positions @ directions[:, 2]
    order = np.argsort(along, kind="stable")
    if (np.diff(order) < 0).any():
        notes.append("slices were put into spatial order")
    spacing = float(np.diff(along[order]).mean()) if len(order) > 1 else 0.0
    return SlicePlaces(
        tuple(counters[order].tolist()), directions, positions[order[0]], spacing if spacing > 0 else None, tuple(notes)
    )


def _directions(heads: npt.NDArray[np.void]) -> npt.NDArray[np.float64] | None:
    """Of the first acquisition that has unit vectors, as columns."""
    directions = np.stack([heads[f"{name}_dir"] for name in ("read", "phase", "slice")], axis=-1).astype(float)
    known = np.flatnonzero((np.abs(np.linalg.norm(directions, axis=1) - 1) < 1e-2).all(axis=1))
    return directions[known[0]] if known.size else None
