"""Dictionary matching: the entry with the largest correlation, block by block, compressed, refined between entries."""

from __future__ import annotations

import copy
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from mriops._native.arguments import instance, integer

__all__ = ["Dictionary", "Match", "match"]

#: Entries in double precision at a time.
_ENTRIES = 4096


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
        ``(times, entries)``, real or complex; integers become floating-point numbers.
    parameters
        ``(parameters, entries)``.
    rank
        Keep so many singular vectors; all times if None. As many as there are times are the times themselves: the
        basis is the identity.

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
    TypeError
        Signals or parameters that are not tensors, such as a plain ``dict`` of parameters; a rank that is no integer.
    ValueError
        Shapes that do not fit, an entry that is zero or not finite, a rank larger than the number of times or entries.

    References
    ----------
    McGivney DF, et al. SVD compression for magnetic resonance fingerprinting in the time domain. IEEE Trans Med Imaging
    2014;33:2311-2322.
    """

    def __init__(self, signals: Tensor, parameters: Tensor, *, rank: int | None = None) -> None:
        for name, value in {"signals": signals, "parameters": parameters}.items():
            instance(name, value, Tensor, "torch.Tensor")
        if signals.ndim != 2 or parameters.ndim != 2 or signals.shape[1] != parameters.shape[1]:
            raise ValueError(
                f"parameters: expected (parameters, entries) for signals (times, entries) {tuple(signals.shape)}, "
                f"got {tuple(parameters.shape)}"
            )
        if not (signals.is_floating_point() or signals.is_complex()):
            signals = signals.to(torch.get_default_dtype())
        self.basis: Tensor | None = None
        if rank is not None:
            most = min(signals.shape)
            rank = integer("rank", rank, 1, f"1 to {most}", most)
            self.basis = _basis(signals, rank)
            signals = signals if rank == len(signals) else self.basis.mH @ signals
        self.norms = signals.abs().square().sum(0).sqrt()
        bad = ~((self.norms > 0) & self.norms.isfinite())
        if bool(bad.any()):
            raise ValueError(f"signals: expected finite entries that are not zero, got entry {int(bad.nonzero()[0])}")
        self.entries = (signals / self.norms).contiguous()
        self.parameters = parameters

    def compress(self, signal: Tensor) -> Tensor:
        """Signals ``(times, *voxels)`` to ``(rank, *voxels)``.

        Parameters
        ----------
        signal
            ``(times, *voxels)``; what is compressed already, by a reconstruction in the subspace, stays. With as many
            singular vectors as times both are the same.

        Returns
        -------
        Tensor
            ``(rank, *voxels)``, or the signal where the dictionary has no basis.

        Raises
        ------
        TypeError
            A signal that is no tensor.
        ValueError
            The first axis is neither that of times nor that of the basis.
        """
        instance("signal", signal, Tensor, "torch.Tensor")
        kept = self.entries.shape[0]
        times = kept if self.basis is None else self.basis.shape[0]
        first = signal.shape[0] if signal.ndim else 0
        if first not in (times, kept):
            also = "" if self.basis is None else f" (or {kept}, compressed)"
            raise ValueError(f"signal: expected {times} times first{also}, got shape {tuple(signal.shape)}")
        if self.basis is None or first == kept:
            return signal
        # Real signals of a complex basis become complex: half of the basis would be lost otherwise.
        common = torch.promote_types(self.basis.dtype, signal.dtype)
        return torch.tensordot(self.basis.mH.to(common), signal.to(common), dims=1)

    def subset(self, entries: Tensor) -> Dictionary:
        """The same basis with some of the entries: those of a known B1, say.

        Parameters
        ----------
        entries
            Their numbers, or a mask.

        Returns
        -------
        Dictionary
            A new one.
        """
        part = copy.copy(self)
        part.entries, part.norms = self.entries[:, entries].contiguous(), self.norms[entries]
        part.parameters = self.parameters[:, entries]
        return part


def _basis(signals: Tensor, rank: int) -> Tensor:
    """Singular vectors ``(times, rank)`` of signals, those of the largest values first."""
    times = len(signals)
    if rank == times:  # any other rotation would make compressed signals and signals look alike
        return torch.eye(times, dtype=signals.dtype, device=signals.device)
    # Eigenvectors of the small Gram matrix: the same space as the SVD's, without the large factor. They see squares of
    # singular values, so that sums are in double precision.
    dtype = torch.complex128 if signals.is_complex() else torch.float64
    gram = torch.zeros(times, times, dtype=dtype, device=signals.device)
    for part in signals.split(_ENTRIES, dim=1):
        wide = part.to(dtype)
        gram += wide @ wide.mH
    return torch.linalg.eigh(gram).eigenvectors[:, -rank:].flip(-1).to(signals.dtype).contiguous()


def match(dictionary: Dictionary, signal: Tensor, *, refine: bool = False, block: int = 2048) -> Match:
    """Best entry ``argmax_d |<d, s>|`` of each voxel, never with all correlations in memory.

    Parameters
    ----------
    dictionary
        Entries, with their parameters.
    signal
        ``(times, *voxels)``, or ``(rank, *voxels)`` where it is compressed already. Real or complex, whatever the
        entries are; the finer of the two precisions is that of the match.
    refine
        Interpolate parameters between the best entry and its neighbours: the maximum of the quadratic form through the
        squared correlations (entries must form a full grid, parameters in C order). Whole parameters become
        floating-point numbers.
    block
        Voxels at a time, at least 1.

    Returns
    -------
    Match
        Index, scale, correlation and parameters per voxel.

    Raises
    ------
    TypeError
        A dictionary that is no :class:`Dictionary`, such as a plain ``dict``; a signal that is no tensor; a block that
        is no integer.
    ValueError
        The first axis does not fit the dictionary; ``refine`` without a grid; a block below 1.

    References
    ----------
    Ma D, et al. Magnetic resonance fingerprinting. Nature 2013;495:187-192.
    """
    instance("dictionary", dictionary, Dictionary, "mriops.signals.Dictionary")
    block = integer("block", block, 1)
    entries, kept = dictionary.entries, dictionary.compress(signal)
    voxels = tuple(signal.shape[1:])
    common = torch.promote_types(entries.dtype, kept.dtype)
    flat, entries = kept.reshape(len(kept), prod(voxels)).to(common), entries.to(common)
    grid = _grid(dictionary.parameters) if refine else None
    parts = [_match_block(dictionary, entries, part, grid) for part in flat.split(block, dim=1)]
    index, scale, correlation, parameters = (torch.cat(p, dim=-1) for p in zip(*parts, strict=True))
    return Match(
        index.reshape(voxels),
        scale.reshape(voxels),
        correlation.reshape(voxels),
        parameters.reshape(len(parameters), *voxels),
    )


def _match_block(
    dictionary: Dictionary, entries: Tensor, part: Tensor, grid: list[Tensor] | None
) -> tuple[Tensor, ...]:
    products = entries.mH @ part  # (entries, block)
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
    if not parameters.is_floating_point():
        parameters = parameters.to(torch.get_default_dtype())
    axes = [torch.unique(row) for row in parameters]
    expected = torch.stack([a.reshape(-1) for a in torch.meshgrid(*axes, indexing="ij")])
    if expected.shape != parameters.shape or not torch.equal(expected, parameters):
        raise ValueError("refine: expected parameters on a full grid in C order, got others")
    return axes


def _refined(grid: list[Tensor], energy: Tensor, best: Tensor) -> Tensor:
    """Maximum of the quadratic form through the neighbours of the best entry, products of parameters included.

    Parameters trade against each other: a parabola along each axis alone would stay on the ridge. At the rim of an axis
    the parameter stays where it is; where the form has no maximum within the neighbours, parabolas are all there is.
    """
    strides, places, inner, stride = [], [], [], energy.shape[0]
    for axis in grid:
        stride //= len(axis)
        place = best // stride % len(axis)
        strides.append(stride)
        places.append(place)
        inner.append((place > 0) & (place < len(axis) - 1))

    def at(offsets: dict[int, int]) -> Tensor:
        """Energy beside the best entry; where an axis has no neighbours, that of the entry itself."""
        index = best
        for i, k in offsets.items():
            index = index + torch.where(inner[i], k * strides[i], 0)
        return energy.gather(0, index[None])[0]

    n, dtype = len(grid), grid[0].dtype
    slope = energy.new_zeros(n, len(best), dtype=dtype)
    hessian = energy.new_zeros(n, n, len(best), dtype=dtype)
    below, above = torch.zeros_like(slope), torch.zeros_like(slope)
    here = torch.stack([axis[place] for axis, place in zip(grid, places, strict=True)])
    middle = at({})
    for i, axis in enumerate(grid):
        # A length of one where there are no neighbours keeps the form regular; its slope and products are zero.
        below[i] = torch.where(inner[i], here[i] - axis[(places[i] - 1).clamp_min(0)], 1.0)
        above[i] = torch.where(inner[i], axis[(places[i] + 1).clamp_max(len(axis) - 1)] - here[i], 1.0)
        left, right = (middle - at({i: -1})) / below[i], (at({i: 1}) - middle) / above[i]
        span = below[i] + above[i]
        slope[i] = (left * above[i] + right * below[i]) / span  # the grid need not be even
        hessian[i, i] = torch.where(inner[i], 2 * (right - left) / span, -1.0)
        for j in range(i):
            mixed = at({i: 1, j: 1}) - at({i: 1, j: -1}) - at({i: -1, j: 1}) + at({i: -1, j: -1})
            hessian[i, j] = hessian[j, i] = mixed / (span * (below[j] + above[j]))
    return here + _step(slope, hessian, below, above)


def _step(slope: Tensor, hessian: Tensor, below: Tensor, above: Tensor) -> Tensor:
    """To the maximum, in units of the distance to the neighbours, or along each axis where there is none near by."""
    length = torch.minimum(below, above)
    g, h = slope * length, hessian * length[:, None] * length
    diagonal = h.diagonal(dim1=0, dim2=1).T
    alone = torch.where(diagonal < 0, -g / diagonal, 0)
    matrix = h.permute(2, 0, 1)
    regular = torch.linalg.eigvalsh(matrix)[:, -1] < 0
    safe = torch.where(regular[:, None, None], matrix, -torch.eye(len(g), dtype=h.dtype, device=h.device))
    step = -torch.linalg.solve(safe, g.T[..., None])[..., 0].T
    fits = regular & ((step > -below / length) & (step < above / length)).all(0)
    step = torch.where(fits, step, alone) * length
    return torch.where((step > -below) & (step < above), step, 0)
