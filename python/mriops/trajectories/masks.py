"""Cartesian sampling masks: equispaced, CAIPIRINHA, random and Gaussian phase-encode patterns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mriops._native.arguments import image_size, instance, integer, number, numbers, one_each


def mask_equispaced(
    im_size: Sequence[int],
    acceleration: int | Sequence[int],
    *,
    acs: int | Sequence[int] = 0,
    offset: int | Sequence[int] = 0,
    partial_fourier: float = 1.0,
    frames: int | None = None,
    frame_step: int = 1,
    seed: int | None = None,
) -> Tensor:
    """Every R-th phase-encode line, k = offset (mod R), and a fully sampled centre.

    Parameters
    ----------
    im_size : sequence of int
        (y, x): lines along y. (z, y, x): lines along y for one R, a grid over (z, y) for two.
    acceleration : int or (int, int)
        Spacing R, or (R_z, R_y). The centre lines come on top: `acceleration(mask)` tells what is reached.
    acs : int or (int, int)
        Fully sampled lines about the centre N//2 (for two axes: a box).
    offset : int or (int, int)
        Of the sampled lines from the centre line; 0 samples the centre.
    partial_fourier : float
        In (1/2, 1]: the first (1 - fraction) N lines along y are left out.
    frames : int, optional
        A leading axis of frames, in which the offset along y grows by `frame_step` from frame to frame.
    frame_step : int
    seed : int, optional
        Draw the offset at random instead.

    Returns
    -------
    Tensor of bool
        (y, 1), (1, y, 1) or (z, y, 1), with a leading frame axis if `frames` is given: broadcastable to k-space without
        its coil axis.

    Raises
    ------
    ValueError
        If acceleration is not a positive int up to N, or centre and partial Fourier contradict each other.

    References
    ----------
    Griswold et al. Generalized autocalibrating partially parallel acquisitions. MRM 47:1202 (2002).
    Madore, Glover, Pelc. UNFOLD. MRM 42:813 (1999), for shifts from frame to frame.
    """
    n, lift = _phase_axes(im_size, acceleration)
    rate = _rates(acceleration, n)
    if seed is None:
        start = _per_axis(offset, len(n), "offset")
    else:
        rng = generator_of(seed)
        start = tuple(int(rng.integers(r)) for r in rate)
    step = _frame_step(frame_step)
    lattice = [_lattice(n, rate, (*start[:-1], start[-1] + f * step), 0) for f in range(frame_count(frames))]
    return _finish(lattice, n, acs, partial_fourier, frames, lift)


def mask_caipi(
    im_size: Sequence[int],
    acceleration: Sequence[int],
    shift: int,
    *,
    acs: int | Sequence[int] = 0,
    offset: Sequence[int] = (0, 0),
    partial_fourier: float = 1.0,
    frames: int | None = None,
    frame_step: int = 1,
) -> Tensor:
    """2D CAIPIRINHA: every R_z-th row in z holds every R_y-th point in y, moved by `shift` from each row to the next.

    Parameters
    ----------
    im_size : (z, y, x)
    acceleration : (int, int)
        (R_z, R_y)
    shift : int
        In y, 0 <= shift < R_y; 0 is the rectangular grid.
    acs, offset, partial_fourier, frames, frame_step
        As in `mask_equispaced`.

    Returns
    -------
    Tensor of bool (z, y, 1) or (frames, z, y, 1)

    Raises
    ------
    ValueError
        If im_size is not 3D, or shift is out of range, or as `mask_equispaced` does.

    References
    ----------
    Breuer et al. Controlled aliasing in volumetric parallel imaging (2D CAIPIRINHA). MRM 55:549 (2006).
    """
    if len(image_size(im_size)) != 3 or isinstance(acceleration, Real):
        raise ValueError(f"im_size: expected (z, y, x) with two accelerations, got {tuple(im_size)} and {acceleration}")
    n, lift = _phase_axes(im_size, acceleration)
    rate = _rates(acceleration, n)
    integer("shift", shift, 0, f"0 <= shift < {rate[1]}", rate[1] - 1)
    start = _per_axis(offset, 2, "offset")
    step = _frame_step(frame_step)
    lattice = [_lattice(n, rate, (start[0], start[1] + f * step), shift) for f in range(frame_count(frames))]
    return _finish(lattice, n, acs, partial_fourier, frames, lift)


def mask_random(
    im_size: Sequence[int],
    acceleration: float,
    *,
    acs: int | Sequence[int] = 0,
    seed: int = 0,
    partial_fourier: float = 1.0,
    frames: int | None = None,
) -> Tensor:
    """Uniformly random phase encodes and a fully sampled centre, round(N/R) of them in all.

    Parameters
    ----------
    im_size : sequence of int
        (y, x): random lines along y. (z, y, x): random points (z, y).
    acceleration : float
        R >= 1, reached to the nearest line; it counts the centre.
    acs : int or (int, int)
        Fully sampled lines (points) about the centre N//2.
    seed : int
    partial_fourier : float
        As in `mask_equispaced`.
    frames : int, optional
        A leading axis of independent draws.

    Returns
    -------
    Tensor of bool (y, 1) or (z, y, 1), or with a leading frame axis

    Raises
    ------
    ValueError
        If the centre alone has more, or the allowed region fewer, points than the acceleration asks for.
    """
    return mask_gaussian(
        im_size, acceleration, acs=acs, seed=seed, sigma=math.inf, partial_fourier=partial_fourier, frames=frames
    )


def mask_gaussian(
    im_size: Sequence[int],
    acceleration: float,
    *,
    acs: int | Sequence[int] = 0,
    seed: int = 0,
    sigma: float = 0.2,
    partial_fourier: float = 1.0,
    frames: int | None = None,
) -> Tensor:
    """Random phase encodes drawn without replacement with weight exp(-d^2/(2 sigma^2)), and a fully sampled centre.

    d is the distance from the centre, in units of the axis length.

    Parameters
    ----------
    im_size, acceleration, acs, seed, partial_fourier, frames
        As in `mask_random`.
    sigma : float
        Standard deviation as a fraction of the axis; infinite, this is `mask_random`.

    Returns
    -------
    Tensor of bool (y, 1) or (z, y, 1), or with a leading frame axis

    Raises
    ------
    ValueError
        If sigma is not positive, the centre alone has more, or the allowed region fewer, points than the acceleration
        asks for.
    """
    sigma = number("sigma", sigma, "a positive number", lambda value: value > 0)
    n, lift = _phase_axes(im_size, None)
    centre, allowed = centre_box(n, acs), allowed_region(n, partial_fourier)
    extra = target_count(n, acceleration, centre, allowed) - int(centre.sum())
    candidates = np.flatnonzero(allowed & ~centre)
    place = np.stack(np.unravel_index(candidates, n), -1)
    away = (place - np.array([m // 2 for m in n])) / np.array(n)
    log_weight = -(away**2).sum(-1) / (2.0 * sigma**2)
    rng = generator_of(seed)
    drawn = []
    for _ in range(frame_count(frames)):
        # Gumbel keys: the largest `extra` of them are a weighted draw without replacement
        key = log_weight + rng.gumbel(size=candidates.size)
        mask = centre.copy()
        mask.flat[candidates[np.argpartition(-key, extra - 1)[:extra] if extra else []]] = True
        drawn.append(mask)
    return stack_frames(drawn, frames, lift)


def acceleration(mask: Tensor) -> float:
    """Achieved acceleration: entries of a mask (or of its weights) over those that are not zero.

    Parameters
    ----------
    mask : Tensor
        Of any shape and dtype.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If nothing is sampled.
    """
    sampled = int(torch.count_nonzero(instance("mask", mask, Tensor, "a torch.Tensor")))
    if sampled == 0:
        raise ValueError("mask: expected at least one sampled entry, got none")
    return mask.numel() / sampled


def _phase_axes(im_size: Sequence[int], rate: int | Sequence[int] | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Lengths of the undersampled axes, and the shape of the mask without frames."""
    size = image_size(im_size)
    if len(size) == 2:
        return (size[0],), (size[0], 1)
    if rate is None or not isinstance(rate, (int, Real)):
        return size[:2], (*size[:2], 1)
    return (size[1],), (1, size[1], 1)


def _per_axis(value: int | Sequence[int], axes: int, name: str) -> tuple[int, ...]:
    return tuple(
        int(v) for v in numbers(name, one_each(value, axes), f"an int or {axes} of them", axes, float.is_integer)
    )


def _frame_step(step: int) -> int:
    return integer("frame_step", step, -(2**31), "an integer")


def _rates(rate: int | Sequence[int], n: tuple[int, ...]) -> tuple[int, ...]:
    rates = _per_axis(rate, len(n), "acceleration")
    for r, m in zip(rates, n, strict=True):
        if not 1 <= r <= m:
            raise ValueError(f"acceleration: expected between 1 and the axis length {m}, got {r}")
    return rates


def _lattice(n: tuple[int, ...], rate: tuple[int, ...], offset: tuple[int, ...], shift: int) -> NDArray[np.bool_]:
    axes = [np.arange(m) - m // 2 - o for m, o in zip(n, offset, strict=True)]
    if len(n) == 1:
        return axes[0] % rate[0] == 0
    row = axes[0][:, None]
    return (row % rate[0] == 0) & ((axes[1] - shift * (row // rate[0])) % rate[1] == 0)


def frame_count(frames: int | None) -> int:
    """How many, 1 where there is no axis of them."""
    return 1 if frames is None else integer("frames", frames, 1, "a positive int")


def generator_of(seed: int) -> np.random.Generator:
    """The same seed gives the same mask."""
    return np.random.default_rng(integer("seed", seed, 0))


def centre_box(n: tuple[int, ...], acs: int | Sequence[int]) -> NDArray[np.bool_]:
    """True in the box of `acs` points per axis about N//2."""
    out = np.ones(n, dtype=bool)
    for axis, (m, a) in enumerate(zip(n, _per_axis(acs, len(n), "acs"), strict=True)):
        if not 0 <= a <= m:
            raise ValueError(f"acs: expected between 0 and the axis length {m}, got {a}")
        first = m // 2 - a // 2
        inside = (np.arange(m) >= first) & (np.arange(m) < first + a)
        out &= inside.reshape([-1 if i == axis else 1 for i in range(len(n))])
    return out


def allowed_region(n: tuple[int, ...], partial_fourier: float, axis: int = -1) -> NDArray[np.bool_]:
    """False for the lines along a phase-encode axis, by default the last, that a partial Fourier scan leaves out."""
    number("partial_fourier", partial_fourier, "in (0.5, 1]", lambda value: 0.5 < value <= 1.0)
    out = np.ones(n, dtype=bool)
    lines = n[axis] - math.ceil(partial_fourier * n[axis] - 1e-9)  # 0.55 * 100 is 55.000000000000007
    np.moveaxis(out, axis, -1)[..., :lines] = False
    return out


def target_count(n: tuple[int, ...], rate: float, centre: NDArray[np.bool_], allowed: NDArray[np.bool_]) -> int:
    """round(N/R), if the fully sampled centre and the allowed region leave it possible."""
    number("acceleration", rate, "a number >= 1", lambda value: 1 <= value < math.inf)
    check_centre(centre, allowed)
    count, least, most = max(1, round(math.prod(n) / rate)), int(centre.sum()), int(allowed.sum())
    if not least <= count <= most:
        raise ValueError(
            f"acceleration: expected between {math.prod(n) / most:.4g} and "
            f"{math.prod(n) / max(1, least):.4g} with these acs and partial_fourier, got {rate}"
        )
    return count


def check_centre(centre: NDArray[np.bool_], allowed: NDArray[np.bool_]) -> None:
    """Raise if a partial Fourier scan leaves out part of the fully sampled centre."""
    if bool((centre & ~allowed).any()):
        raise ValueError("partial_fourier: expected to keep the acs lines, got a fraction that leaves some of them out")


def stack_frames(masks: list[NDArray[np.bool_]], frames: int | None, lift: tuple[int, ...]) -> Tensor:
    """Frames stacked (or the only one), with the axes that the mask does not depend on as axes of size 1."""
    stacked = torch.from_numpy(np.stack(masks)).reshape(len(masks), *lift)
    return stacked[0] if frames is None else stacked


def _finish(
    lattice: list[NDArray[np.bool_]],
    n: tuple[int, ...],
    acs: int | Sequence[int],
    partial_fourier: float,
    frames: int | None,
    lift: tuple[int, ...],
) -> Tensor:
    centre, allowed = centre_box(n, acs), allowed_region(n, partial_fourier)
    check_centre(centre, allowed)
    masks = [(points & allowed) | centre for points in lattice]
    if any(not mask.any() for mask in masks):
        raise ValueError("partial_fourier: expected to leave at least one sample, got none")
    return stack_frames(masks, frames, lift)
