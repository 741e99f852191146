"""Velocity from the phases of encoded images, unwrapped from the weakest difference of encodings to the strongest."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

__all__ = ["encoded_velocity"]


def _tree(encodings: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Pairs of images that join all of them, by the smallest differences of encodings, ascending (Kruskal)."""
    group = list(range(len(encodings)))
    pairs = itertools.combinations(group, 2)
    chosen = []
    for a, b in sorted(pairs, key=lambda pair: math.dist(encodings[pair[0]], encodings[pair[1]])):
        if group[a] != group[b]:
            chosen.append((a, b))
            old, new = group[b], group[a]
            group = [new if g == old else g for g in group]
    return chosen


def encoded_velocity(xp: Any, rows: Sequence[Sequence[float]], signal: Any) -> dict[str, Any]:
    """The velocity ``(3, voxels)`` [m/s] of least magnitude that explains phase differences.

    ``angle(s_b conj(s_a)) = (e_b - e_a) . v`` up to whole turns. Pairs of images are taken by ascending
    ``|e_b - e_a|``; each phase gets the turns that bring it next to what the pairs before it say. Right where the
    weakest encodings do not alias.

    Parameters
    ----------
    xp
        numpy or torch.
    rows
        Encodings ``(3, times)`` [rad s/m].
    signal
        ``(times, voxels)``, complex.

    Returns
    -------
    dict
        ``velocity``.
    """
    encodings = list(zip(*rows, strict=True))
    velocity = xp.zeros_like(xp.stack([signal.real[0]] * 3))
    differences: list[list[float]] = []
    phases: list[Any] = []
    for a, b in _tree(encodings):
        difference = [y - x for x, y in zip(encodings[a], encodings[b], strict=True)]
        if not any(difference):
            continue  # a repetition
        phase = xp.angle(signal[b] * signal[a].conj())
        expected = sum(d * v for d, v in zip(difference, velocity, strict=True))
        phases.append(phase + 2 * math.pi * xp.round((expected - phase) / (2 * math.pi)))
        differences.append(difference)
        inverse = xp.linalg.pinv(xp.asarray(differences, dtype=phase.dtype))
        velocity = inverse @ xp.stack(phases)
    return {"velocity": velocity}
