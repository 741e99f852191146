"""Variable-density Poisson-disc sampling masks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mriops._native.arguments import image_size, not_negative, number
from mriops.trajectories.masks import (
    allowed_region,
    centre_box,
    frame_count,
    generator_of,
    stack_frames,
    target_count,
)

JAMMED = 0.697  # points x radius^2 per area when random sequential discs have filled a plane (coverage 0.547)
SURPLUS = 1.03  # accepted before the last points are thinned out to the exact count


def mask_poisson(
    im_size: Sequence[int],
    acceleration: float,
    *,
    acs: int | Sequence[int] = 0,
    seed: int = 0,
    variation: float = 2.0,
    elliptical: bool = False,
    partial_fourier: float = 1.0,
    frames: int | None = None,
) -> Tensor:
    """Random points that keep a distance from each other, which grows away from the centre; round(N/R) of them in all.

    Darts are thrown in random order over all grid points; a dart that hits removes the points closer than
    r = s (1 + variation rho), with rho the distance from the centre, 1 at the edge of the axes (r^2 is dithered by up
    to 1/2 grid unit). The scale s is searched for the count; the few surplus points go at random, so that the
    acceleration is exact and every distance kept.

    Parameters
    ----------
    im_size : sequence of int
        (y, x): a mask over both axes. (z, y, x): over the phase encodes (z, y).
    acceleration : float
        R >= 1; it counts the centre.
    acs : int or (int, int)
        Fully sampled box about the centre N//2; distances are not kept inside it.
    seed : int
    variation : float
        Growth of the distance from centre to edge, >= 0; 0 is uniform density.
    elliptical : bool
        Leave out the corners.
    partial_fourier : float
        As in `mask_equispaced`.
    frames : int, optional
        A leading axis of independent masks.

    Returns
    -------
    Tensor of bool
        (y, x) or (z, y, 1), or with a leading frame axis.

    Raises
    ------
    ValueError
        If variation is negative, or the centre alone has more, or the allowed region fewer, points than asked for.

    References
    ----------
    Bridson. Fast Poisson disk sampling in arbitrary dimensions. SIGGRAPH sketches (2007).
    Vasanawala et al. Practical parallel imaging compressed sensing MRI. ISBI (2011).
    """
    size = image_size(im_size)
    n, lift = (size, size) if len(size) == 2 else (size[:2], (*size[:2], 1))
    number("variation", variation, "a number >= 0", not_negative)
    n_masks = frame_count(frames)
    axes = [(np.arange(m) - m // 2) / (m / 2) for m in n]
    rho = np.hypot(axes[0][:, None], axes[1][None, :])
    y = 0 if len(size) == 2 else 1
    centre, allowed = centre_box(n, acs), allowed_region(n, partial_fourier, y)
    if elliptical:
        allowed &= (rho <= 1.0) | centre
    count = target_count(n, acceleration, centre, allowed)
    rng = generator_of(seed)
    masks = [_draw(1.0 + variation * rho, centre, allowed, count, rng) for _ in range(n_masks)]
    return stack_frames(masks, frames, lift)


def _draw(
    growth: NDArray[np.float64],
    centre: NDArray[np.bool_],
    allowed: NDArray[np.bool_],
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    candidates = np.flatnonzero(allowed & ~centre)
    order = rng.permutation(candidates)
    dither = rng.uniform(-0.5, 0.5, growth.shape)
    wanted = count - int(centre.sum())
    scale = _first_scale(growth.flat[candidates], wanted)
    low, high = 0.0, math.inf  # scales that gave too many and too few points
    best, best_count = candidates, candidates.size
    for _ in range(12):
        kept = _throw(order, scale * growth, dither, growth.shape)
        if wanted <= kept.size < best_count:
            best, best_count = kept, kept.size
        if wanted <= kept.size <= SURPLUS * wanted:
            break
        low, high = (scale, high) if kept.size >= wanted else (low, scale)
        # the count falls about as 1/scale^2; aim a little above it, and stay inside the bracket
        scale *= math.sqrt(max(kept.size, 1) / (0.5 * (1.0 + SURPLUS) * max(wanted, 1)))
        if not low < scale < high:
            scale = 0.5 * (low + high) if math.isfinite(high) else 2.0 * low
    mask = centre.copy()
    mask.flat[rng.permutation(best)[:wanted]] = True
    return mask


def _first_scale(growth: NDArray[np.float64], wanted: int) -> float:
    low, high = 1e-3, 1e3
    for _ in range(40):
        middle = math.sqrt(low * high)
        expected = np.minimum(1.0, JAMMED / (middle * growth) ** 2).sum()
        low, high = (middle, high) if expected > wanted else (low, middle)
    return low


def _throw(
    order: NDArray[np.int64], radius: NDArray[np.float64], dither: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """Keep each point of `order` that no kept point has removed; a kept point removes those closer than its radius."""
    # Squared distances on the grid are integers; dithering the squared radius by half a unit blurs the density steps
    # that this would leave near the centre, where radii are 1 to 2.
    squared = np.ceil(radius**2 + dither).astype(np.int64)
    pad = math.isqrt(int(squared.max())) + 1
    width = shape[1] + 2 * pad
    memory = bytearray(b"\x01") * ((shape[0] + 2 * pad) * width)
    alive = np.frombuffer(memory, dtype=np.uint8).reshape(-1, width)
    stamps: dict[int, tuple[int, NDArray[np.uint8]]] = {}
    rows, columns = np.divmod(order, shape[1])
    places = (rows + pad) * width + columns + pad
    kept = []
    for i, (place, level) in enumerate(zip(places.tolist(), squared.ravel()[order].tolist(), strict=True)):
        if not memory[place]:
            continue
        kept.append(i)
        if level <= 1:
            continue
        if level not in stamps:
            reach = math.isqrt(level - 1)
            span = np.arange(-reach, reach + 1) ** 2
            stamps[level] = reach, (span[:, None] + span >= level).astype(np.uint8)
        reach, stamp = stamps[level]
        row, column = divmod(place, width)
        view = alive[row - reach : row + reach + 1, column - reach : column + reach + 1]
        np.bitwise_and(view, stamp, out=view)
    return order[kept]
