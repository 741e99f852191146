"""From a requested accuracy to the kernel that reaches it: width in grid points, and size of the oversampled grid.

The grid has ``g >= upsampling N`` points per axis. A kernel of ``w`` points aliases by about
``exp(-pi w sqrt(1 - 1 / upsampling))``, so a finer grid needs a narrower kernel: less work per sample, more per
transform. In single precision a wide kernel on a coarse grid makes things worse, because its window falls so far
towards the edge of the image that dividing by it raises rounding errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2

from .arguments import number

__all__ = ["LARGEST_GRID", "MAX_WIDTH", "MIN_EPS", "choose_kernel", "grid_size", "measured_error"]

#: Widest kernel there is.
MAX_WIDTH = 16
#: Longest axis of a grid, whose cells and fractions of cells share 64 bits.
LARGEST_GRID = 1 << 17
_MIN_WIDTH = 2
#: Smallest accuracy per real dtype. Below it rounding of coordinates and transforms, not the kernel, is the error.
MIN_EPS = {"float32": 1e-6, "float64": 2e-13}
_UPSAMPLINGS = (2.0, 1.5, 1.25)


# Small images have more of their pixels near the edge, where the error is largest, the more so the wider the kernel:
# measured errors of 12 x 14 x 16 to 100 x 90 pixels stay below the table times a factor from 1.2 to 2.
def _margin(width: int) -> float:
    return min(max(1.2, 1.2 + 0.21 * (width - 7)), 2.0)


# Correct digits, -log10 of the relative L2 error against direct sums in double precision, measured with random images
# and uniformly random samples, the worse of forward and adjoint, for widths 2 to 16: by precision, then (upsampling,
# axes). Rounded down.
_DIGITS: dict[str, dict[tuple[float, int], tuple[float, ...]]] = {
    "float64": {
        (1.25, 2): (0.83, 1.54, 2.14, 2.81, 3.41, 3.96, 4.26, 4.99, 5.28, 5.93, 6.29, 6.85, 7.69, 7.72, 8.93),
        (1.25, 3): (0.74, 1.42, 1.99, 2.59, 3.16, 3.67, 4.06, 4.64, 5.03, 5.55, 5.97, 6.47, 7.54, 7.59, 8.47),
        (1.5, 2): (1.05, 1.9, 2.7, 3.51, 4.27, 5.07, 5.81, 6.49, 7.15, 7.79, 8.46, 9.07, 9.75, 10.39, 11.7),
        (1.5, 3): (0.96, 1.79, 2.57, 3.34, 4.06, 4.81, 5.52, 6.17, 6.81, 7.45, 8.07, 8.71, 9.35, 9.98, 11.6),
        (2.0, 2): (1.28, 2.28, 3.24, 4.21, 5.18, 6.13, 7.07, 8.01, 8.88, 9.74, 10.58, 11.41, 12.22, 13.03, 13.45),
        (2.0, 3): (1.2, 2.18, 3.13, 4.08, 5.01, 5.94, 6.84, 7.73, 8.57, 9.4, 10.23, 11.03, 11.85, 12.67, 13.23),
    },
    "float32": {
        (1.25, 2): (0.85, 1.54, 2.15, 2.81, 3.41, 3.95, 4.26, 4.92, 4.82, 4.53, 4.18, 3.84, 3.25, 2.93, 2.55),
        (1.25, 3): (0.74, 1.42, 1.99, 2.6, 3.15, 3.66, 4.04, 4.17, 3.58, 3, 2.49, 1.75, 1.2, 0.74, -0.14),
        (1.5, 2): (1.05, 1.9, 2.7, 3.51, 4.27, 5.06, 5.8, 6.26, 5.9, 5.82, 5.75, 5.6, 5.43, 5.22, 4.97),
        (1.5, 3): (0.96, 1.79, 2.55, 3.34, 4.06, 4.81, 5.5, 5.89, 5.62, 5.39, 5.08, 4.85, 4.53, 4.21, 3.66),
        (2.0, 2): (1.29, 2.26, 3.25, 4.22, 5.19, 6.13, 6.73, 6.79, 6.81, 6.64, 6.64, 6.61, 6.58, 6.56, 6.5),
        (2.0, 3): (1.2, 2.17, 3.13, 4.08, 5.01, 5.93, 6.57, 6.64, 6.62, 6.5, 6.49, 6.45, 6.42, 6.39, 6.31),
    },
}


def measured_error(width: int, upsampling: float, ndim: int, dtype: str) -> float:
    """Relative L2 error of a kernel.

    Parameters
    ----------
    width
        Grid points, 2 to 16.
    upsampling
        Grid points per pixel, at least 1.25; between measured ones the next coarser counts.
    ndim
        2 or 3.
    dtype
        ``float32`` or ``float64``.

    Returns
    -------
    float
        The error that :func:`choose_kernel` expects.
    """
    table = _DIGITS.get(dtype, _DIGITS["float32"])
    sigma = max(s for s, _ in table if s <= upsampling)
    return _margin(width) * 10.0 ** -table[sigma, ndim][width - _MIN_WIDTH]


def _width(eps: float, upsampling: float, ndim: int, dtype: str) -> int | None:
    """Narrowest kernel whose error stays below ``eps``; ``None`` where there is none."""
    widths = range(_MIN_WIDTH, MAX_WIDTH + 1)
    return next((w for w in widths if measured_error(w, upsampling, ndim, dtype) <= eps), None)


def choose_kernel(
    eps: float, upsampling: float | None, dtype: str, *, im_size: Sequence[int] = (), samples: int = 0
) -> tuple[int, float]:
    """Kernel width and oversampling for an accuracy.

    Parameters
    ----------
    eps
        Relative L2 error asked for.
    upsampling
        Grid points per pixel, 1.25 to 2 (up to 4 are taken); ``None`` to choose the quickest.
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
    ndim = 3 if len(im_size) == 3 else 2
    if upsampling is not None:
        upsampling = number(
            "upsampling", upsampling, "None or a number from 1.25 to 4", lambda value: 1.25 <= value <= 4
        )
        width = _width(eps, upsampling, ndim, dtype)
        if width is None:
            least = min(measured_error(w, upsampling, ndim, dtype) for w in range(_MIN_WIDTH, MAX_WIDTH + 1))
            raise ValueError(f"eps: expected at least {least:.2g} with upsampling {upsampling:g}, got {eps!r}")
        return width, upsampling
    widths = [(_width(eps, sigma, ndim, dtype), sigma) for sigma in _UPSAMPLINGS]
    choices = [(width, sigma) for width, sigma in widths if width is not None]
    return min(choices, key=lambda choice: _cost(*choice, im_size, samples))


def _cost(width: int, upsampling: float, im_size: Sequence[int], samples: int) -> float:
    """Nanoseconds per coil on one core with AVX-512, fitted to a few workloads: only the ratio of two matters.

    What a sample costs is mostly reaching its cells, and little the number of them.
    """
    pixels = 1.0
    for n in im_size:
        pixels *= n
    points = pixels * upsampling ** len(im_size)
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
    return tuple(_next_smooth(max(ceil(upsampling * n - 1e-9), 2 * width)) for n in im_size)


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
