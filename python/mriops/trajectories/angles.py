"""Angles between successive readouts: golden, tiny golden, and the golden means of the sphere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriops._native.arguments import integer, number

# Roots of the modified Fibonacci sequence, Chan et al. (2009).
_MEAN_1, _MEAN_2 = 0.465571231876768, 0.682327803828019


def golden_angle(tiny: int = 1) -> float:
    r"""Angle between successive spokes whose order fills the half circle evenly at any length.

    .. math:: \psi_M = \frac{\pi}{\tau + M - 1}, \qquad \tau = \frac{1 + \sqrt 5}{2}

    Parameters
    ----------
    tiny : int
        M: 1 is the golden angle, 111.25 degrees; larger ones are the tiny golden angles, 7 about 23.63 degrees.

    Returns
    -------
    float
        [rad]

    Raises
    ------
    ValueError
        If M is not a positive int.

    References
    ----------
    Winkelmann et al. An optimal radial profile order based on the golden ratio. IEEE TMI 26:68 (2007).
    Wundrak et al. A small surrogate for the golden angle in time-resolved radial MRI. IEEE TMI 34:1262 (2015).
    """
    return math.pi / ((1 + math.sqrt(5)) / 2 + integer("tiny", tiny, 1) - 1)


def spoke_angles(shots: int, order: str | float, full: bool) -> NDArray[Any]:
    """Angle of every readout [rad]: over pi where readouts run through the centre, over 2 pi where they begin there."""
    integer("shots", shots, 1)
    turn = math.pi if full else 2 * math.pi
    expected = "'uniform', 'golden' or a finite angle between readouts [rad]"
    if not isinstance(order, str):
        step = number("order", order, expected)
    elif order == "uniform":
        step = turn / shots
    elif order == "golden":
        step = golden_angle() * (1 if full else 2)
    else:
        raise ValueError(f"order: expected {expected}, got {order!r}")
    return np.arange(shots) * step


def sphere_directions(shots: int, order: str, full: bool) -> NDArray[Any]:
    """Unit vectors (shots, 3), order (z, y, x), over the half sphere for full spokes, else the sphere."""
    number = np.arange(integer("shots", shots, 1))
    if order == "golden":
        height, azimuth = (number * _MEAN_1) % 1, 2 * math.pi * ((number * _MEAN_2) % 1)
        height = height if full else 2 * height - 1
    elif order == "uniform":
        # Equal heights and the planar golden angle: the lattice of a sunflower on the sphere.
        height = (number + 0.5) / shots
        height = height if full else 2 * height - 1
        azimuth = number * 2 * math.pi * (2 - (1 + math.sqrt(5)) / 2)
    else:
        raise ValueError(f"order: expected 'uniform' or 'golden', got {order!r}")
    across = np.sqrt(1 - height**2)
    return np.stack([height, across * np.sin(azimuth), across * np.cos(azimuth)], axis=-1)


def rotations(angles: NDArray[Any]) -> NDArray[Any]:
    """Matrices (shots, 2, 2) that turn (y, x) from x towards y."""
    c, s = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([c, s], -1), np.stack([-s, c], -1)], -2)
