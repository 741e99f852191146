"""From a requested accuracy to the kernel that reaches it: width in grid points, and size of the oversampled grid.

The grid has ``g >= upsampling N`` points per axis. A kernel of ``w`` points aliases by about
``exp(-pi w sqrt(1 - 1 / upsampling))``, so a finer grid needs a narrower kernel: less work per sample, more per
transform. In single precision a wide kernel on a coarse grid makes things worse, because its window falls so far
towards the edge of the image that dividing by it raises rounding errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, inf, log2

from .arguments import number

__all__ = ["LARGEST_GRID", "MAX_WIDTH", "MIN_EPS", "choose_kernel", "grid_size", "measured_error"]

#: Widest kernel there is.
MAX_WIDTH = 16
#: Longest axis of a grid, whose cells and fractions of cells share 64 bits.
LARGEST_GRID = 1 << 17
_MIN_WIDTH = 2
#: Smallest accuracy per real dtype. Below it rounding of coordinates and transforms, not the kernel, is the error.
MIN_EPS = {"float32": 1e-6, "float64": 2e-13}


# Correct digits, -log10 of the relative L2 error, by precision, then (upsampling, axes), for widths 2 to 16: what
# `python -m benchmarks.nufft_digits` measures.
_DIGITS: dict[str, dict[tuple[float, int], tuple[float, ...]]] = {
    "float64": {
        (1.25, 2): (0.83, 1.53, 2.18, 2.79, 3.4, 3.99, 4.58, 5.17, 5.77, 6.38, 6.99, 7.61, 8.23, 8.83, 9.42),
        (1.25, 3): (0.75, 1.45, 2.1, 2.72, 3.32, 3.92, 4.51, 5.1, 5.69, 6.3, 6.92, 7.55, 8.17, 8.78, 9.22),
        (1.40625, 2): (0.98, 1.79, 2.53, 3.29, 4, 4.73, 5.44, 6.17, 6.89, 7.62, 8.36, 9.1, 9.85, 10.6, 11.33),
        (1.40625, 3): (0.89, 1.7, 2.45, 3.21, 3.92, 4.66, 5.37, 6.09, 6.81, 7.55, 8.29, 9.03, 9.79, 10.55, 11.26),
        (1.5, 2): (1.05, 1.9, 2.69, 3.51, 4.29, 5.06, 5.83, 6.61, 7.38, 8.17, 8.96, 9.76, 10.57, 11.36, 12.15),
        (1.5, 3): (0.96, 1.81, 2.61, 3.42, 4.21, 4.98, 5.76, 6.53, 7.31, 8.09, 8.88, 9.69, 10.51, 11.31, 12.09),
        (2.0, 2): (1.29, 2.27, 3.23, 4.21, 5.17, 6.13, 7.09, 8.04, 9, 9.96, 10.92, 11.89, 12.85, 13.44, 13.47),
        (2.0, 3): (1.19, 2.18, 3.15, 4.11, 5.09, 6.05, 7.01, 7.96, 8.92, 9.88, 10.84, 11.81, 12.77, 13.35, 13.38),
    },
    "float32": {
        (1.25, 2): (0.83, 1.53, 2.18, 2.79, 3.4, 3.99, 4.58, 4.98, 4.83, 4.48, 4.07, 3.72, 3.37, 3.02, 2.59),
        (1.25, 3): (0.75, 1.45, 2.1, 2.72, 3.32, 3.92, 4.48, 4.44, 3.95, 3.41, 2.88, 2.32, 1.77, 1.23, 0.67),
        (1.40625, 2): (0.98, 1.79, 2.53, 3.29, 4, 4.73, 5.44, 5.7, 5.65, 5.53, 5.28, 5.13, 4.86, 4.58, 4.36),
        (1.40625, 3): (0.89, 1.7, 2.45, 3.21, 3.92, 4.66, 5.36, 5.52, 5.32, 5.02, 4.7, 4.36, 4, 3.61, 3.26),
        (1.5, 2): (1.05, 1.9, 2.69, 3.51, 4.29, 5.06, 5.82, 6.29, 5.89, 5.83, 5.72, 5.58, 5.35, 5.24, 5.02),
        (1.5, 3): (0.96, 1.81, 2.61, 3.42, 4.21, 4.98, 5.74, 6.08, 5.72, 5.58, 5.37, 5.13, 4.85, 4.57, 4.26),
        (2.0, 2): (1.29, 2.27, 3.23, 4.21, 5.17, 6.13, 6.81, 6.82, 6.82, 6.66, 6.58, 6.61, 6.5, 6.52, 6.5),
        (2.0, 3): (1.19, 2.18, 3.15, 4.11, 5.09, 6.05, 6.73, 6.74, 6.75, 6.56, 6.46, 6.5, 6.37, 6.38, 6.35),
    },
}


# Small images have more of their pixels near the edge, where the error is largest: no size that `python -m
# benchmarks.nufft_digits --margins` measures is worse than the table by more.
def _margin(im_size: Sequence[int]) -> float:
    return 1.3 if all(n >= 24 for n in im_size) else 1.7


def measured_error(width: int, upsampling: float, im_size: Sequence[int], dtype: str) -> float:
    """Relative L2 error of a kernel.

    Parameters
    ----------
    width
        Grid points, 2 to 16.
    upsampling
        Grid points per pixel, at least 1.25; between measured ones the next coarser counts.
    im_size
        Image size, of two axes or three.
    dtype
        ``float32`` or ``float64``.

    Returns
    -------
    float
        The error that :func:`choose_kernel` expects.
    """
    table = _DIGITS.get(dtype, _DIGITS["float32"])
    sigma = max(s for s, _ in table if s <= upsampling)
    return _margin(im_size) * 10.0 ** -table[sigma, 3 if len(im_size) == 3 else 2][width - _MIN_WIDTH]


def _width(eps: float, upsampling: float, im_size: Sequence[int], dtype: str) -> int | None:
    """Narrowest kernel whose error stays below ``eps``; ``None`` where there is none."""
    widths = range(_MIN_WIDTH, MAX_WIDTH + 1)
    return next((w for w in widths if measured_error(w, upsampling, im_size, dtype) <= eps), None)


def choose_kernel(
    eps: float, upsampling: float | None, dtype: str, *, im_size: Sequence[int] = (), samples: int = 0
) -> tuple[int, float]:
    """Kernel width and oversampling for an accuracy.

    Parameters
    ----------
    eps
        Relative L2 error asked for.
    upsampling
        Grid points per pixel, 1.25 to 4; ``None`` to choose the quickest.
    dtype
        ``float32`` or ``float64``, the precision of the coordinates.
    im_size, samples
        Sizes the choice of oversampling depends on.

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
            "upsampling", upsampling, "None or a number from 1.25 to 4", lambda value: 1.25 <= value <= 4
        )
        width = _width(eps, upsampling, im_size, dtype)
        if width is None:
            least = min(measured_error(w, upsampling, im_size, dtype) for w in range(_MIN_WIDTH, MAX_WIDTH + 1))
            raise ValueError(f"eps: expected at least {least:.2g} with upsampling {upsampling:g}, got {eps!r}")
        return width, upsampling
    best: tuple[int, float] | None = None
    least = inf
    # Their grids transform well where the image does: 45/32 of a power of two is 2^a 3^2 5. Written here, they stay
    # numbers for torch.compile, which takes floats elsewhere for symbols; of those it cannot trace a `min` by `key`.
    for sigma in (2.0, 1.5, 1.40625, 1.25):
        width = _width(eps, sigma, im_size, dtype)
        if width is not None:
            cost = _cost(width, sigma, im_size, samples)
            if cost < least:
                best, least = (width, sigma), cost
    if best is None:  # upsampling 2 reaches every accuracy above
        raise ValueError(f"eps: expected an accuracy that a kernel reaches, got {eps!r}")
    return best


def _cost(width: int, upsampling: float, im_size: Sequence[int], samples: int) -> float:
    """Nanoseconds per coil on one core with AVX-512, fitted to a few workloads: only the ratio of two matters.

    What a sample costs is mostly reaching its cells, and little the number of them.
    """
    points = 1.0
    for n in im_size:
        points *= _grid_points(n, width, upsampling)
    per_sample = 13 + 0.1 * width**2 if len(im_size) < 3 else 80 + 0.17 * width**3
    return 0.13 * points * log2(max(points, 2.0)) + per_sample * samples


def grid_size(im_size: Sequence[int], width: int, upsampling: float) -> tuple[int, ...]:
    """Even sizes ``2^a 3^b 5^c`` of at least ``upsampling`` times the image's and twice the kernel's.

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
    n += n % 2
    while True:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 2
