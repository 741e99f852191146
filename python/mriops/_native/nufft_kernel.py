"""From a requested accuracy to the kernel that reaches it: width in grid points, and size of the oversampled grid.

The grid has ``g >= upsampling N`` points per axis. A kernel of ``w`` points aliases by about
``exp(-pi w sqrt(1 - 1 / upsampling))``, so a finer grid needs a narrower kernel: less work per sample, more per
transform. For every width there is a coarsest grid that keeps the accuracy, and the cheapest of these is chosen. In
single precision a wide kernel on a coarse grid makes things worse, because its window falls so far towards the edge of
the image that dividing by it raises rounding errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, inf, log2, log10, sqrt

from .arguments import number

__all__ = ["LARGEST_GRID", "LEAST_UPSAMPLING", "MAX_WIDTH", "MIN_EPS", "choose_kernel", "grid_size", "measured_error"]

#: Widest kernel there is.
MAX_WIDTH = 16
#: Coarsest grid, in points per pixel.
LEAST_UPSAMPLING = 1.125
#: Longest axis of a grid, whose cells and fractions of cells share 64 bits.
LARGEST_GRID = 1 << 17
_MIN_WIDTH = 2
_WIDTHS = range(_MIN_WIDTH, MAX_WIDTH + 1)
#: Smallest accuracy per real dtype. Below it rounding of coordinates and transforms, not the kernel, is the error.
MIN_EPS = {"float32": 1e-6, "float64": 2e-13}


# Correct digits, -log10 of the relative L2 error, by precision, then (upsampling, axes), for widths 2 to 16: what
# `python -m benchmarks.nufft_digits` measures.
_DIGITS: dict[str, dict[tuple[float, int], tuple[float, ...]]] = {
    "float64": {
        (1.125, 2): (0.67, 1.23, 1.72, 2.19, 2.63, 3.05, 3.48, 3.92, 4.36, 4.82, 5.27, 5.73, 6.18, 6.62, 7.06),
        (1.125, 3): (0.58, 1.16, 1.65, 2.11, 2.56, 2.98, 3.41, 3.85, 4.3, 4.75, 5.21, 5.68, 6.12, 6.09, 5.26),
        (1.25, 2): (0.83, 1.53, 2.18, 2.79, 3.4, 3.99, 4.58, 5.17, 5.77, 6.38, 6.99, 7.61, 8.23, 8.83, 9.42),
        (1.25, 3): (0.75, 1.45, 2.1, 2.72, 3.32, 3.92, 4.51, 5.1, 5.69, 6.3, 6.92, 7.55, 8.17, 8.78, 9.21),
        (1.40625, 2): (0.98, 1.79, 2.53, 3.29, 4, 4.73, 5.44, 6.17, 6.89, 7.62, 8.36, 9.1, 9.85, 10.6, 11.33),
        (1.40625, 3): (0.89, 1.7, 2.45, 3.21, 3.92, 4.66, 5.37, 6.09, 6.81, 7.55, 8.29, 9.03, 9.79, 10.54, 11.26),
        (1.5, 2): (1.05, 1.9, 2.69, 3.51, 4.29, 5.06, 5.83, 6.61, 7.38, 8.17, 8.96, 9.76, 10.57, 11.36, 12.15),
        (1.5, 3): (0.96, 1.81, 2.61, 3.42, 4.21, 4.98, 5.76, 6.53, 7.31, 8.09, 8.88, 9.69, 10.51, 11.31, 12.09),
        (1.6875, 2): (1.17, 2.06, 2.96, 3.83, 4.71, 5.57, 6.43, 7.28, 8.15, 9.01, 9.89, 10.78, 11.66, 12.54, 13.22),
        (1.6875, 3): (1.07, 1.99, 2.87, 3.74, 4.62, 5.49, 6.34, 7.21, 8.07, 8.94, 9.81, 10.69, 11.58, 12.47, 13.13),
        (2.0, 2): (1.29, 2.27, 3.23, 4.21, 5.17, 6.13, 7.09, 8.04, 9, 9.96, 10.92, 11.89, 12.85, 13.44, 13.47),
        (2.0, 3): (1.19, 2.18, 3.15, 4.11, 5.09, 6.05, 7.01, 7.96, 8.92, 9.88, 10.84, 11.81, 12.77, 13.35, 13.38),
    },
    "float32": {
        (1.125, 2): (0.67, 1.23, 1.72, 2.19, 2.63, 3.05, 3.48, 3.68, 3.2, 2.62, 2.01, 1.55, 1.1, 0.31, -0.2),
        (1.125, 3): (0.58, 1.16, 1.65, 2.11, 2.56, 2.98, 3.1, 2.38, 1.58, 0.77, -0.06, -0.91, -1.76, -2.6, -3.46),
        (1.25, 2): (0.83, 1.53, 2.18, 2.79, 3.4, 3.99, 4.58, 4.99, 4.8, 4.5, 4.12, 3.8, 3.39, 3.01, 2.6),
        (1.25, 3): (0.75, 1.45, 2.1, 2.72, 3.32, 3.92, 4.48, 4.43, 3.95, 3.43, 2.88, 2.32, 1.78, 1.24, 0.68),
        (1.40625, 2): (0.98, 1.79, 2.53, 3.29, 4, 4.73, 5.44, 5.69, 5.63, 5.51, 5.29, 5.11, 4.87, 4.58, 4.33),
        (1.40625, 3): (0.89, 1.7, 2.45, 3.21, 3.92, 4.66, 5.35, 5.52, 5.31, 5.01, 4.69, 4.33, 3.96, 3.59, 3.21),
        (1.5, 2): (1.05, 1.9, 2.69, 3.51, 4.29, 5.06, 5.82, 6.29, 5.88, 5.83, 5.72, 5.58, 5.36, 5.24, 5.02),
        (1.5, 3): (0.96, 1.81, 2.61, 3.42, 4.21, 4.98, 5.74, 6.08, 5.72, 5.6, 5.36, 5.12, 4.84, 4.57, 4.26),
        (1.6875, 2): (1.17, 2.06, 2.96, 3.83, 4.71, 5.57, 6.39, 6.64, 6.52, 6.23, 6.19, 6.12, 6.06, 5.96, 5.83),
        (1.6875, 3): (1.07, 1.99, 2.87, 3.74, 4.62, 5.49, 6.28, 6.49, 6.36, 6.11, 6.02, 5.94, 5.81, 5.65, 5.48),
        (2.0, 2): (1.29, 2.27, 3.23, 4.21, 5.17, 6.13, 6.83, 6.84, 6.82, 6.67, 6.58, 6.63, 6.51, 6.53, 6.51),
        (2.0, 3): (1.19, 2.18, 3.15, 4.11, 5.09, 6.05, 6.74, 6.75, 6.74, 6.56, 6.46, 6.51, 6.37, 6.38, 6.36),
    },
}


# Small images have more of their pixels near the edge, where the error is largest: no size that `python -m
# benchmarks.nufft_digits --margins` measures is worse than the table by more, where it is not rounding.
def _margin(im_size: Sequence[int]) -> float:
    least = min(im_size)
    return 1.1 if least >= 64 else 1.5 if least >= 24 else 1.7


def _fineness(upsampling: float) -> float:
    """What the digits of a kernel grow with, about in proportion: see Barnett below."""
    return sqrt(1 - 1 / upsampling)


_Point = tuple[float, float]


def _points(dtype: str, axes: int, width: int) -> list[_Point]:
    """``(fineness, digits)`` of a width, from the coarsest grid to the finest; straight lines lie between them.

    Where rounding takes digits, what lies between two grids is no better than the coarser.
    """
    points: list[_Point] = []
    for (sigma, d), row in _DIGITS[dtype].items():
        if d == axes:
            at, digits = _fineness(sigma), row[width - _MIN_WIDTH]
            if points and digits < _DIGITS["float64"][sigma, d][width - _MIN_WIDTH] - 0.02:
                points.append((at * (1 - 1e-6), points[-1][1]))
            points.append((at, digits))
    return points


_LINES = {(dtype, d, w): list(pairwise(_points(dtype, d, w))) for dtype in _DIGITS for d in (2, 3) for w in _WIDTHS}


def _lines(width: int, im_size: Sequence[int], dtype: str) -> list[tuple[_Point, _Point]]:
    return _LINES[dtype if dtype in _DIGITS else "float32", 3 if len(im_size) == 3 else 2, width]


def measured_error(width: int, upsampling: float, im_size: Sequence[int], dtype: str) -> float:
    """Relative L2 error of a kernel.

    Parameters
    ----------
    width
        Grid points, 2 to 16.
    upsampling
        Grid points per pixel, at least 1.125; more than 2 count as 2.
    im_size
        Image size, of two axes or three.
    dtype
        ``float32`` or ``float64``.

    Returns
    -------
    float
        The error that :func:`choose_kernel` expects.
    """
    lines = _lines(width, im_size, dtype)
    at, digits = _fineness(upsampling), lines[-1][1][1]
    for (t0, d0), (t1, d1) in lines:
        if at <= t1:
            digits = d0 + (at - t0) / (t1 - t0) * (d1 - d0)
            break
    return _margin(im_size) * 10.0**-digits


def _coarsest(eps: float, width: int, im_size: Sequence[int], dtype: str) -> float | None:
    """Smallest oversampling at which a width stays below ``eps``; ``None`` where there is none."""
    lines = _lines(width, im_size, dtype)
    digits = log10(_margin(im_size) / eps) + 1e-9
    if digits <= lines[0][0][1]:
        return LEAST_UPSAMPLING
    for (t0, d0), (t1, d1) in lines:
        if digits <= d1:
            return 1 / (1 - (t0 + (digits - d0) / (d1 - d0) * (t1 - t0)) ** 2)
    return None


def choose_kernel(
    eps: float, upsampling: float | None, dtype: str, *, im_size: Sequence[int], samples: int
) -> tuple[int, float]:
    """Kernel width and oversampling for an accuracy.

    Parameters
    ----------
    eps
        Relative L2 error asked for.
    upsampling
        Grid points per pixel, 1.125 to 4; ``None`` to choose the quickest: of every width the coarsest grid that
        keeps ``eps``.
    dtype
        ``float32`` or ``float64``, the precision of the coordinates.
    im_size, samples
        Sizes the choice depends on.

    Returns
    -------
    tuple
        ``(width, upsampling)``.

    Raises
    ------
    TypeError
        ``eps`` or ``upsampling`` is no number.
    ValueError
        ``eps`` is out of reach of the dtype or of the oversampling, or not below 1.

    References
    ----------
    Barnett AH. Aliasing error of the exp(beta sqrt(1 - z^2)) kernel in the nonuniform fast Fourier transform. Appl
    Comput Harmon Anal 2021;51:1-16.
    """
    eps = number("eps", eps, "a number")
    least = MIN_EPS.get(dtype, MIN_EPS["float32"])
    if not least <= eps < 1:
        hint = " (complex128 reaches 2e-13)" if dtype == "float32" and eps > 0 else ""
        raise ValueError(f"eps: expected {least:g} <= eps < 1 for coordinates of {dtype}, got {eps!r}{hint}")
    if upsampling is not None:
        upsampling = number(
            "upsampling",
            upsampling,
            f"None or a number from {LEAST_UPSAMPLING:g} to 4",
            lambda value: LEAST_UPSAMPLING <= value <= 4,
        )
        for width in _WIDTHS:
            if measured_error(width, upsampling, im_size, dtype) <= eps:
                return width, upsampling
        least = min(measured_error(w, upsampling, im_size, dtype) for w in _WIDTHS)
        raise ValueError(f"eps: expected at least {least:.2g} with upsampling {upsampling:g}, got {eps!r}")
    best: tuple[int, float] | None = None
    least = inf
    for width in _WIDTHS:
        taps = _TAP * width ** len(im_size) * samples
        if taps >= least:
            break
        sigma = _coarsest(eps, width, im_size, dtype)
        if sigma is not None:
            cost = taps + _transforms(im_size, [_grid_points(n, width, sigma) for n in im_size])
            if cost < least:
                best, least = (width, sigma), cost
    if best is None:  # upsampling 2 reaches every accuracy above
        raise ValueError(f"eps: expected an accuracy that a kernel reaches, got {eps!r}")
    return best


# What a tap takes, beside a point of a transform and factor of two: fitted to the scans of `benchmarks/scans.py` with
# twelve coils in 2D and eight in 3D, on one core with AVX-512.
_TAP = 0.4


def _transforms(im_size: Sequence[int], grid: Sequence[int]) -> float:
    """Points of the transforms times the logarithms of their lengths; outer axes come first, the others are pixels."""
    total, lines = 0.0, 1.0
    for n in im_size:
        lines *= n
    for n, g in zip(im_size, grid, strict=True):
        lines *= g / n
        total += lines * log2(g)
    return total


def grid_size(im_size: Sequence[int], width: int, upsampling: float) -> tuple[int, ...]:
    """Multiples of four ``2^a 3^b 5^c`` of at least ``upsampling`` times the image's and twice the kernel's.

    Parameters
    ----------
    im_size
        Image size.
    width, upsampling
        From :func:`choose_kernel`.

    Returns
    -------
    tuple of int
        Size of the oversampled grid.

    Raises
    ------
    ValueError
        A grid larger than the kernels' coordinates can tell apart.
    """
    for n in im_size:
        if upsampling * n > LARGEST_GRID:
            raise ValueError(
                f"im_size: expected sizes of at most {int(LARGEST_GRID / upsampling)} (grids of {LARGEST_GRID} points, "
                f"{upsampling:g} per pixel), got {tuple(im_size)}"
            )
    return tuple(_grid_points(n, width, upsampling) for n in im_size)


def _grid_points(n: int, width: int, upsampling: float) -> int:
    return _next_smooth(max(ceil(upsampling * n - 1e-9), 2 * width))


def _next_smooth(n: int) -> int:
    n += -n % 4
    while n <= LARGEST_GRID:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 4
    return n  # refused by `grid_size`
