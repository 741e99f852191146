"""Dictionary matching: the entry with the largest correlation, block by block, compressed, refined between entries."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Dictionary", "Match", "match"]


class Match(NamedTuple):
    """Index of the best entry, the scale (proton density) it comes with, its correlation in [0, 1], its parameters."""

    index: Tensor
    scale: Tensor
    correlation: Tensor
    parameters: Tensor


class Dictionary:
    """Signals of known parameters, normalised and compressed.

    Parameters
    ----------
    signals
        ``(times, entries)``, real or complex.
    parameters
        ``(parameters, entries)``.
    rank
        Keep so many singular vectors; all times if None.

    Attributes
    ----------
    basis
        ``(times, rank)``, orthonormal, or None.
    entries
        Normalised, compressed signals ``(rank or times, entries)``.
    norms
        Of the compressed signals, ``(entries,)``.

    Raises
    ------
    ValueError
        Shapes that do not fit, an entry that is zero or not finite, a rank larger than the number of times.

    References
    ----------
    McGivney DF, et al. SVD compression for magnetic resonance fingerprinting in the time domain. IEEE Trans Med Imaging
    2014;33:2311-2322.
    """

    def __init__(self, signals: Tensor, parameters: Tensor, *, rank: int | None = None) -> None:
        if signals.ndim != 2 or parameters.ndim != 2 or signals.shape[1] != parameters.shape[1]:
            raise ValueError(
                f"parameters: expected (parameters, entries) for signals (times, entries) {tuple(signals.shape)}, "
                f"got {tuple(parameters.shape)}"
            )
        if rank is not None and not 1 <= rank <= min(signals.shape):
            raise ValueError(f"rank: expected 1 to {min(signals.shape)}, got {rank}")
        self.basis: Tensor | None = None
        if rank is not None:
            # Eigenvectors of the small Gram matrix: the same space as the SVD's, without the large factor.
            values = torch.linalg.eigh(
                (signals @ signals.mH).to(torch.complex128 if signals.is_complex() else torch.float64)
            )
            basis = values.eigenvectors[:, -rank:].flip(-1).to(signals.dtype).contiguous()
            self.basis, signals = basis, basis.mH @ signals
        self.norms = signals.abs().square().sum(0).sqrt()
        bad = ~((self.norms > 0) & self.norms.isfinite())
        if bool(bad.any()):
            raise ValueError(f"signals: expected finite entries that are not zero, got entry {int(bad.nonzero()[0])}")
        self.entries = (signals / self.norms).contiguous()
        self.parameters = parameters

    def compress(self, signal: Tensor) -> Tensor:
        """Signals ``(times, *voxels)`` to ``(rank, *voxels)``."""
        if self.basis is None:
            return signal
        if signal.shape[0] == self.basis.shape[1] != self.basis.shape[0]:
            return signal  # compressed by a reconstruction in the subspace
        return torch.tensordot(self.basis.mH.to(signal.dtype), signal, dims=1)


def match(dictionary: Dictionary, signal: Tensor, *, refine: bool = False, block: int = 2048) -> Match:
    """Best entry ``argmax_d |<d, s>|`` of each voxel, never with all correlations in memory.

    Parameters
    ----------
    dictionary
        Entries, with their parameters.
    signal
        ``(times, *voxels)``, or ``(rank, *voxels)`` where it is compressed already.
    refine
        Interpolate parameters between the best entry and the best of its two neighbours in each sorted parameter: a
        parabola through the squared correlations (entries must form a full grid, parameters in C order).
    block
        Voxels at a time.

    Returns
    -------
    Match
        Index, scale, correlation and parameters per voxel.

    Raises
    ------
    ValueError
        The first axis does not fit the dictionary; ``refine`` without a grid.

    References
    ----------
    Ma D, et al. Magnetic resonance fingerprinting. Nature 2013;495:187-192.
    """
    voxels = tuple(signal.shape[1:])
    flat = dictionary.compress(signal).reshape(-1, _count(voxels))
    entries = dictionary.entries
    if flat.shape[0] != entries.shape[0]:
        raise ValueError(f"signal: expected {entries.shape[0]} times first, got {signal.shape[0]}")
    grid = _grid(dictionary.parameters) if refine else None
    parts = [_match_block(dictionary, part, grid) for part in flat.split(block, dim=1)]
    index, scale, correlation, parameters = (torch.cat(p, dim=-1) for p in zip(*parts, strict=True))
    return Match(
        index.reshape(voxels),
        scale.reshape(voxels),
        correlation.reshape(voxels),
        parameters.reshape(-1, *voxels),
    )


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for n in shape:
        count *= n
    return count


def _match_block(dictionary: Dictionary, part: Tensor, grid: list[Tensor] | None) -> tuple[Tensor, ...]:
    products = dictionary.entries.mH @ part  # (entries, block)
    energy = products.abs() if not products.is_complex() else products.real.square() + products.imag.square()
    best = energy.argmax(0)
    at = products.gather(0, best[None])[0]
    norm = part.abs().square().sum(0).sqrt()
    parameters = dictionary.parameters[:, best]
    if grid is not None:
        squared = energy if products.is_complex() else energy.square()
        parameters = _refined(grid, squared, best)
    return best, at / dictionary.norms[best], at.abs() / norm.clamp_min(torch.finfo(norm.dtype).tiny), parameters


def _grid(parameters: Tensor) -> list[Tensor]:
    """Values of each parameter of a full grid in C order."""
    axes = [torch.unique(row) for row in parameters]
    expected = torch.stack([a.reshape(-1) for a in torch.meshgrid(*axes, indexing="ij")])
    if expected.shape != parameters.shape or not torch.equal(expected, parameters):
        raise ValueError("refine: expected parameters on a full grid in C order, got others")
    return axes


def _refined(grid: list[Tensor], energy: Tensor, best: Tensor) -> Tensor:
    """Maximum of the parabola through three neighbours along each axis of the grid."""
    refined, stride = [], energy.shape[0]
    for axis in grid:
        n = len(axis)
        stride //= n
        place = best // stride % n
        inner = (place > 0) & (place < n - 1)
        here = torch.where(inner, place, 1 if n > 2 else 0)
        if n < 3:
            refined.append(axis[place])
            continue
        centre = best + (here - place) * stride
        left, middle, right = (energy.gather(0, (centre + k * stride)[None])[0] for k in (-1, 0, 1))
        x0, x1, x2 = axis[here - 1], axis[here], axis[here + 1]
        # Parabola on a grid that need not be even.
        a, b = (left - middle) / (x0 - x1), (right - middle) / (x2 - x1)
        curvature = (b - a) / (x2 - x0)
        slope = a + curvature * (x1 - x0)
        vertex = x1 - slope / (2 * curvature)
        fine = inner & (curvature < 0) & (vertex > x0) & (vertex < x2)
        refined.append(torch.where(fine, vertex, axis[place]))
    return torch.stack(refined)
