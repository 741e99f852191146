"""Time segments: phase and decay of every voxel as a sum over few times, with an error that holds for the map's values.

The voxels of a map are gathered in cells of the plane of rates ``z``. Within a cell ``exp(-z t)`` is a short power
series, so that sums over voxels of ``|exp(-z t) - sum_l B_l(t) exp(-z t_l)|^2`` are quadratic forms of its moments: the
error is that of every voxel, not of a mean that stands for a cell. Functions of time are Chebyshev series.

Derivatives by ``z`` are fitted beside values: where a map has few rates, fewer segments would do for all its values,
but not for gradients.
"""

from __future__ import annotations

import bisect
import functools
import math
from typing import NamedTuple

import torch

from mriops._native.batches import broadcasts_to

_MAX_SEGMENTS = 512
# Terms of the power series; cells are as wide as these allow with a remainder of `_REMAINDER` eps.
_TERMS, _REMAINDER = 16, 1e-3
# Penalty of weights relative to eps: with an error of eps, sqrt(sum_l |B_l|^2) stays below about 1 / _DAMPING.
_DAMPING = 1e-2
# Signals beyond exp(_GROWTH) leave no digits of an error relative to one.
_GROWTH = 30.0
# Of series of hundreds of terms and phases of thousands of radians, relative to signals.
_ROUNDING = 1e-11
# Elements of the largest table worked on at once.
_TABLE = 1 << 22
# Voxels whose powers stay in the caches.
_BLOCK = 1 << 12


class Segmentation(NamedTuple):
    """``exp(-z t)`` as ``sum_l weights[l](t) exp(-z times[l])``.

    Attributes
    ----------
    times
        Segment times [s], ``(segments,)``, float64.
    weights
        Interpolation, ``(segments, *samples)``, complex128.
    error
        Bound of the root mean square error over the voxels of the map at every sample, relative to one; mostly within
        a tenth of it.
    """

    times: torch.Tensor
    weights: torch.Tensor
    error: float


class _Axis(NamedTuple):
    """Times ``centre + half u``, ``|u| <= 1``; middle of frequencies [rad/s]; largest signal; the spread in words."""

    centre: float
    half: float
    middle: float
    largest: float
    spread: str

    def place(self, times: torch.Tensor) -> torch.Tensor:
        """``u`` of times."""
        return ((times - self.centre) / (self.half or 1.0)).clamp(-1, 1)


class _Cell(NamedTuple):
    """Voxels near a rate ``c``.

    The sum over them of ``|h(z)|^2`` is that of ``|factor . series|^2``, ``series[k] = (-radius u)^k / k! exp(-c u)``
    where ``h = exp(-z t)``, and sums of such over times likewise.
    """

    rate: complex
    radius: float
    log_scale: float
    factor: torch.Tensor


def _powers(x: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """``size x^k``, ``(terms, x)``."""
    result = torch.empty((_TERMS, len(x)), dtype=x.dtype)
    result[0] = size
    for k in range(1, _TERMS):
        torch.mul(result[k - 1], x, out=result[k])
    return result


def _cell(rate: torch.Tensor, log_size: torch.Tensor, n_voxels: int) -> _Cell:
    """One cell of dimensionless rates and the logarithms of their magnitudes at the centre of time."""
    parts = torch.view_as_real(rate)
    low, high = parts.amin(0), parts.amax(0)
    middle = complex(*((low + high) / 2).tolist())
    offset = rate - middle
    radius = float(offset.abs().max())
    offset /= radius or 1.0
    log_scale = float(log_size.max())
    moments = torch.zeros((_TERMS, _TERMS), dtype=rate.dtype)
    size = (log_size - log_scale).exp()
    for block in zip(offset.split(_BLOCK), size.split(_BLOCK), strict=True):
        rows = _powers(*block)
        moments += rows.conj() @ rows.mT
    values, vectors = torch.linalg.eigh(moments / n_voxels)
    # What rounding leaves unknown of the moments counts as if it were there.
    values = values.clamp_min(0) + _TERMS * torch.finfo(torch.float64).eps * values.sum()
    return _Cell(middle, radius, log_scale, values.sqrt()[:, None] * vectors.mH)


def _cells(z: torch.Tensor, axis: _Axis, eps: float) -> list[_Cell]:
    """The voxels of a map, cell by cell."""
    rate = (z - 1j * axis.middle) * axis.half
    parts = torch.view_as_real(rate)
    low, extent = parts.amin(0), parts.amax(0) - parts.amin(0)
    radius = (math.factorial(_TERMS) * _REMAINDER * eps / max(axis.largest, 1.0)) ** (1 / _TERMS)
    width = radius * (math.sqrt(2) if bool((extent > 0).all()) else 2)
    counts = (extent / width).ceil().clamp_min(1)
    place = ((parts - low) / extent.clamp_min(1e-300) * counts).long().minimum(counts.long() - 1)
    key, order = (place[:, 0] * int(counts[1]) + place[:, 1]).sort()
    sizes = key.unique_consecutive(return_counts=True)[1].tolist()
    log_size = (-axis.centre * z.real)[order]
    groups = zip(rate[order].split(sizes), log_size.split(sizes), strict=True)
    return [_cell(*group, len(z)) for group in groups]


def _remainder(cells: list[_Cell]) -> float:
    """Root mean square over voxels of what the power series and rounding leave, at the worst time."""
    result = []
    for u in (-1.0, 1.0):  # a sum of exponentials is largest at an end
        total = 0.0
        for cell in cells:
            left = cell.radius**_TERMS / math.factorial(_TERMS) / (1 - cell.radius / (_TERMS + 1)) + _ROUNDING
            size = float(cell.factor.abs().square().sum())
            total += size * (left * math.exp(cell.log_scale - cell.rate.real * u)) ** 2
        result.append(math.sqrt(total))
    return max(result)


def _series(cells: list[_Cell], u: torch.Tensor) -> torch.Tensor:
    """``exp(-z t)`` of the voxels at times ``u``, ``(rows, u)``; norms of columns are root mean squares over voxels."""
    factorial = torch.tensor([math.factorial(k) for k in range(_TERMS)], dtype=torch.float64)
    monomials = _powers(-u, torch.ones_like(u)) / factorial[:, None]
    k = torch.arange(_TERMS, dtype=torch.float64)
    rate = torch.tensor([cell.rate for cell in cells], dtype=torch.complex128)
    scale = torch.tensor([cell.log_scale for cell in cells], dtype=torch.float64)
    factors = torch.stack([cell.factor * cell.radius**k for cell in cells])
    carrier = torch.exp(scale[:, None] - rate[:, None] * u)
    return ((factors @ monomials.to(factors.dtype)) * carrier[:, None]).flatten(0, 1)


def _chebyshev(n: int, u: torch.Tensor) -> torch.Tensor:
    """Polynomials of degree below ``n`` at ``u``, ``(n, u)``."""
    return torch.cos(torch.arange(n, dtype=u.dtype)[:, None] * torch.acos(u))


def _roots(n: int) -> torch.Tensor:
    return torch.cos((torch.arange(n, dtype=torch.float64) + 0.5) * (math.pi / n))


def _at(coefficients: torch.Tensor, polynomials: torch.Tensor) -> torch.Tensor:
    """Complex series at real polynomials."""
    return torch.complex(coefficients.real @ polynomials, coefficients.imag @ polynomials)


def _compressed(cells: list[_Cell]) -> torch.Tensor:
    """Chebyshev coefficients of `_series` and of ``u`` times it, its derivative by the rate, ``(2, rank, degree)``.

    Up to a unitary matrix in front, the same of both.
    """
    band = max(abs(cell.rate) + cell.radius for cell in cells)
    # Coefficients of exp(i band u) are Bessel functions J_n(band): below 1e-16 from here on.
    degree = math.ceil(band + 11.5 * band ** (1 / 3)) + 24 + _TERMS
    u = _roots(degree)
    rows = torch.zeros((0, degree), dtype=torch.complex128)
    step = max(1, _TABLE // (_TERMS * degree))
    for start in range(0, len(cells), step):
        rows = torch.cat((rows, _series(cells[start : start + step], u)))
        if len(rows) > degree:
            rows = torch.linalg.qr(rows, mode="r").R
    _, sizes, functions = torch.linalg.svd(rows, full_matrices=False)
    rank = int((sizes > 1e-16 * sizes[0]).sum())
    transform = _chebyshev(degree, u).mT * (2 / degree)
    transform[:, 0] /= 2
    values = sizes[:rank, None] * functions[:rank]
    return _at(torch.stack((values, u * values)), transform)


class _Fit(NamedTuple):
    """Segment times ``u`` and Chebyshev coefficients of weights, ``(segments, degree)``, and residuals of signals."""

    nodes: torch.Tensor
    weights: torch.Tensor
    residual: torch.Tensor

    def errors(self, remainder: float, polynomials: torch.Tensor) -> tuple[float, float]:
        """Bounds of the root mean square errors over voxels at given times: of values and of derivatives."""
        rms = torch.linalg.vector_norm(_at(self.residual, polynomials), dim=1)
        sums = _at(self.weights, polynomials).abs().sum(0)
        values, derivatives = (rms + remainder * (1 + sums)).amax(1).tolist()
        return values, derivatives


def _nodes(n: int, u: torch.Tensor, eps: float) -> torch.Tensor:
    """Where ``n`` segments lie: equidistant but for the ends, where they are denser, and no more than samples."""
    # Equidistant ones take up to half as many more (109 instead of 73 at 60 cycles and an eps of 1e-5), and weights
    # that are a hundred times as large.
    bend = 1 / math.cosh(math.log(eps) / n)
    return u if n >= len(u) else torch.asin(bend * _roots(n).flip(0)) / math.asin(bend)


def _fit(signals: torch.Tensor, nodes: torch.Tensor, eps: float) -> _Fit:
    """Segments with weights of least ``errors^2 + (_DAMPING eps)^2 sum_l |B_l|^2``."""
    rows = signals.flatten(0, 1)
    basis = _at(rows, _chebyshev(rows.shape[1], nodes))
    left, sizes, right = torch.linalg.svd(basis, full_matrices=False)
    inverse = sizes / (sizes.square() + (_DAMPING * eps) ** 2)
    weights = right.mH @ (inverse[:, None] * (left.mH @ rows))
    return _Fit(nodes, weights, (rows - basis @ weights).reshape(signals.shape))


def _search(signals: torch.Tensor, remainder: float, u: torch.Tensor, eps: float) -> tuple[_Fit | None, float]:
    """About the fewest segments that reach `eps` and their error; no segments and the error that is reached."""
    degree = signals.shape[-1]
    coarse = _chebyshev(degree, u if len(u) <= degree else _roots(degree))
    # A polynomial is at most 1 / cos(pi / 8) times its largest value at four times as many roots as its degree.
    slack, points = (1.0, u) if len(u) <= 4 * degree else (1.0824, _roots(4 * degree))
    fine = _chebyshev(degree, points)

    @functools.cache
    def error(n: int) -> float:
        return slack * max(_fit(signals, _nodes(n, u, eps), eps).errors(remainder, coarse))

    most = min(_MAX_SEGMENTS, len(u))
    sizes = [*(1 << k for k in range((most - 1).bit_length())), most]
    enough = next((n for n in sizes if error(n) <= eps), None)
    if enough is None:
        return None, min(error(n) for n in sizes)
    failed = max((n for n in sizes if n < enough), default=0)
    between = range(failed + 1, enough)
    least = between.start + bisect.bisect_left(between, True, key=lambda n: error(n) <= eps)
    reached = math.inf
    for n in range(least, min(2 * enough, most) + 1):
        fit = _fit(signals, _nodes(n, u, eps), eps)
        values, derivatives = fit.errors(remainder, fine)
        found = slack * max(values, derivatives)
        if found <= eps:
            return fit, slack * values
        reached = min(reached, found)
    return None, reached


def segment(
    rate: torch.Tensor, times: torch.Tensor, *, eps: float = 1e-3, mask: torch.Tensor | None = None
) -> Segmentation:
    """About the fewest time segments whose least-squares interpolation reaches an error.

    Minimises ``sum_voxels (|e(z, t)|^2 + |e'(z, t)|^2) / n + (eps / 100)^2 sum_l |B_l(t)|^2`` for every ``t`` over the
    voxels of the map, where ``e = exp(-z t) - sum_l B_l(t) exp(-z t_l)`` and ``e'`` is its derivative by ``z`` relative
    to half the duration, with times from the middle one. Takes as many segments as bring the root mean squares of both
    over voxels below `eps` at every ``t``: about the spread of frequencies times the duration, and 5 to 20 more; two
    for a single rate. The last term keeps weights small. Segments are equidistant but for the ends, where they are
    denser; where samples are fewer, they are the segments. Worked out in float64 on the CPU.

    Parameters
    ----------
    rate
        ``z = R2* + 2 pi i f`` [1/s] per voxel, complex.
    times
        Sampling times [s] from the centre of excitation, any shape.
    eps
        Error allowed, of values relative to one, of derivatives relative to the largest ``|t|``.
    mask
        Voxels that count, bool, broadcastable to `rate`; all by default.

    Returns
    -------
    Segmentation
        Times, weights and the error reached by values.

    Raises
    ------
    TypeError
        A mask that is not bool.
    ValueError
        No finite map, an empty mask or one of another shape, maps that spread over more than 512 cycles, signals that
        grow beyond ``exp(30)``, or an error that 512 segments do not reach.

    References
    ----------
    Sutton BP, Noll DC, Fessler JA. Fast, iterative image reconstruction for MRI in the presence of field
    inhomogeneities. IEEE Trans Med Imaging 2003;22:178-188.

    Kosloff D, Tal-Ezer H. A modified Chebyshev pseudospectral method with an O(1/N) time step restriction. J Comput
    Phys 1993;104:457-469 (where the segments lie).

    Fessler JA, Lee S, Olafsson VT, Shi HR, Noll DC. Toeplitz-based iterative image reconstruction for MRI with
    correction for magnetic field inhomogeneity. IEEE Trans Signal Process 2005;53:3393-3402.
    """
    if not bool(torch.isfinite(torch.view_as_real(rate.detach())).all()) or rate.numel() == 0:
        raise ValueError("off_resonance: expected finite values, got NaN, Inf or none")
    if mask is not None:
        _check_mask(mask, tuple(rate.shape))
    values = rate.detach()
    z = (values if mask is None else values[mask.expand(values.shape)]).flatten().to("cpu", torch.complex128)
    distinct, where = times.detach().to("cpu", torch.float64).flatten().unique(return_inverse=True)
    if not bool(torch.isfinite(distinct).all()):
        raise ValueError("times: expected finite values, got NaN or Inf")
    axis = _axis(z, distinct)
    u = axis.place(distinct)
    cells = _cells(z, axis, eps)
    fit, error = _search(_compressed(cells), _remainder(cells), u, eps)
    if fit is None:
        raise ValueError(
            f"eps: expected an error that {_MAX_SEGMENTS} segments reach, {error:.1e} for {axis.spread}, got {eps}"
        )
    weights = torch.empty((len(fit.nodes), len(u)), dtype=torch.complex128)
    step = max(1, _TABLE // fit.weights.shape[1])
    for block, at in zip(weights.split(step, 1), u.split(step), strict=True):
        turns = torch.exp(-1j * axis.middle * axis.half * (at - fit.nodes[:, None]))
        block.copy_(_at(fit.weights, _chebyshev(fit.weights.shape[1], at)) * turns)
    nodes = axis.centre + axis.half * fit.nodes
    weights = weights[:, where].reshape(-1, *times.shape)
    return Segmentation(nodes.to(rate.device), weights.to(rate.device), error)


def _axis(z: torch.Tensor, times: torch.Tensor) -> _Axis:
    """What rates and times span; raises where that is too much."""
    first, last = float(times[0]), float(times[-1])
    parts = torch.view_as_real(z)
    low, high = parts.amin(0).tolist(), parts.amax(0).tolist()
    spread = (
        f"{(high[1] - low[1]) / (2 * math.pi):.4g} Hz and R2* of {low[0]:.4g} to {high[0]:.4g} 1/s over "
        f"{1e3 * (last - first):.4g} ms"
    )
    growth = max(-rate * time for rate in (low[0], high[0]) for time in (first, last))
    largest = math.exp(min(growth, _GROWTH))
    axis = _Axis((first + last) / 2, (last - first) / 2, (low[1] + high[1]) / 2, largest, spread)
    cycles = float((z - 1j * axis.middle).abs().max()) * axis.half * 2 / math.pi
    if cycles > _MAX_SEGMENTS:
        raise ValueError(
            f"off_resonance: expected maps whose spread times the duration is at most {_MAX_SEGMENTS} cycles (a mask "
            f"leaves out voxels), got {cycles:.0f}, from {spread}"
        )
    if growth > _GROWTH:
        raise ValueError(f"r2star: expected signals that stay below exp({_GROWTH:.0f}), got exp({growth:.0f})")
    return axis


def _check_mask(mask: torch.Tensor, shape: tuple[int, ...]) -> None:
    if not isinstance(mask, torch.Tensor) or mask.dtype != torch.bool:
        kind = mask.dtype if isinstance(mask, torch.Tensor) else type(mask).__name__
        raise TypeError(f"mask: expected a tensor of bool, got {kind}")
    if not broadcasts_to(tuple(mask.shape), shape):
        raise ValueError(f"mask: expected a shape that broadcasts to {shape}, got {tuple(mask.shape)}")
    if not bool(mask.any()):
        raise ValueError("mask: expected at least one voxel, got none")
