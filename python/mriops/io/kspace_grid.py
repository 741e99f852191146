"""Places readouts on the Cartesian grid: partial echoes, reversed lines, repeated lines, calibration lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Readout:
    """One line: `samples (coils, n)` that begin at grid column `first` of line `(z, y)` of frame `lead`.

    `reverse`: acquired from the last column to the first, mirrored on the grid. `calibration`: flagged as also
    belonging to the calibration region.
    """

    samples: npt.NDArray[np.complex64]
    first: int
    y: int
    z: int = 0
    lead: tuple[int, ...] = ()
    reverse: bool = False
    calibration: bool = False


class KspaceGrid:
    """The grid of one slice (2D) or slab (3D).

    Parameters
    ----------
    shape
        `(*lead, coils, *im_size)`.
    n_lead
        Number of leading axes.
    source
        Name of the file, for messages.
    """

    def __init__(self, shape: tuple[int, ...], n_lead: int, source: str) -> None:
        self.lead_size, self.n_coils = shape[:n_lead], shape[n_lead]
        self.im_size = shape[n_lead + 1 :]
        self._source = source
        self._flagged = np.zeros(self.im_size[:-1], bool)

    def fill(self, kspace: npt.NDArray[np.complex64], readouts: Iterable[Readout]) -> npt.NDArray[np.bool_]:
        """Write readouts into `kspace (*lead, coils, *im_size)`, the mean where a line came more than once.

        Returns
        -------
        mask
            `(*lead, *im_size)`; readout axis 1 if all lines are complete.

        Raises
        ------
        ValueError
            If a readout lies outside the grid.
        """
        nx = self.im_size[-1]
        counts = np.zeros((*self.lead_size, *self.im_size), np.uint16)
        self._flagged[:] = False
        for r in readouts:
            samples, first = self._columns(r, nx)
            line = (r.z, r.y) if len(self.im_size) == 3 else (r.y,)
            self._check(r, line, first, samples.shape, nx)
            columns = slice(first, first + samples.shape[1])
            kspace[(*r.lead, slice(None), *line, columns)] += samples
            counts[(*r.lead, *line, columns)] += 1
            if r.calibration:
                self._flagged[line] = True
        if counts.size and counts.max() > 1:
            kspace /= np.maximum(counts, 1)[(slice(None),) * len(self.lead_size) + (None,)]
        mask: npt.NDArray[np.bool_] = np.asarray(counts > 0)
        lines = np.asarray(mask.any(axis=-1, keepdims=True))
        return lines if np.array_equal(np.broadcast_to(lines, mask.shape), mask) else mask

    @staticmethod
    def _columns(r: Readout, nx: int) -> tuple[npt.NDArray[np.complex64], int]:
        if not r.reverse:
            return r.samples, r.first
        return r.samples[:, ::-1], nx - r.first - r.samples.shape[1]

    def _check(self, r: Readout, line: tuple[int, ...], first: int, shape: tuple[int, ...], nx: int) -> None:
        inside = all(0 <= i < n for i, n in zip(line, self.im_size[:-1], strict=True))
        inside &= all(i < n for i, n in zip(r.lead, self.lead_size, strict=True))
        if not inside or first < 0 or first + shape[1] > nx or shape[0] != self.n_coils:
            raise ValueError(
                f"{self._source}: expected readouts of {self.n_coils} coils within the encoded matrix {self.im_size}, "
                f"got {shape[0]} coils, line {line}, columns {first}..{first + shape[1] - 1}, frame {r.lead}"
            )

    def calibration_size(self) -> tuple[int, ...] | None:
        """Size of the centred block whose lines the last `fill` saw flagged as calibration."""
        if not self._flagged[tuple(n // 2 for n in self._flagged.shape)]:
            return None
        return (*_centred_block(self._flagged), self.im_size[-1])

    def gather_calibration(self, readouts: Iterable[Readout]) -> npt.NDArray[np.complex64]:
        """Separate calibration lines as the centred block `(coils, *acs_size)` that they fill, frames averaged.

        Raises
        ------
        ValueError
            If a readout lies outside the grid.
        """
        kspace = np.zeros((self.n_coils, *self.im_size), np.complex64)
        still = [Readout(r.samples, r.first, r.y, r.z, (), r.reverse) for r in readouts]
        grid = KspaceGrid(kspace.shape, 0, self._source)
        mask = grid.fill(kspace, still)
        lines = _centred_block(np.asarray(mask.any(axis=-1)))
        filled = np.broadcast_to(mask, self.im_size)[_centre(self.im_size[:-1], lines)]
        size = (*lines, *_centred_block(np.asarray(filled.all(axis=tuple(range(len(lines)))))))
        return kspace[(slice(None), *_centre(self.im_size, size))].copy()


def _centre(sizes: tuple[int, ...], widths: tuple[int, ...]) -> tuple[slice, ...]:
    starts = (n // 2 - m // 2 for n, m in zip(sizes, widths, strict=True))
    return tuple(slice(start, start + m) for start, m in zip(starts, widths, strict=True))


def _centred_block(lines: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    """Size of the largest centred block of True that grows evenly; at least one line."""
    size = [1] * lines.ndim
    growing = True
    while growing:
        growing = False
        for axis, n in enumerate(lines.shape):
            larger = list(size)
            larger[axis] += 1
            if larger[axis] <= n and lines[_centre(lines.shape, tuple(larger))].all():
                size, growing = larger, True
    return tuple(size)
