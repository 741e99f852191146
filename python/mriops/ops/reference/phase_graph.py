"""What phase graphs of one pool and of two have in common: a pulse, and the segments of a program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Segment", "kept_orders", "pulse", "segments"]


class Segment(NamedTuple):
    """A pulse and what follows it: the shift, flags, and the order that each of its samples is taken at."""

    shift: int
    flags: int
    sampled: tuple[int, ...]


def segments(program: Sequence[int]) -> list[Segment]:
    """The segments of a program one by one; see :mod:`mriops._native.epg_trains`."""
    found: list[Segment] = []
    at = 1
    while at < len(program):
        count, shift, flags, samples = program[at : at + 4]
        found += [Segment(shift, flags, tuple(program[at + 4 : at + 4 + samples]))] * count
        at += 4 + samples
    return found


def kept_orders(rows: Sequence[Segment], limit: int | None) -> tuple[int, int]:
    """The highest order that can be reached or sampled, and the highest one kept: the same without a limit."""
    highest = sum(abs(row.shift) for row in rows) + max((abs(k) for row in rows for k in row.sampled), default=0)
    return highest, highest if limit is None else min(highest, limit)


def pulse(f: Tensor, z: Tensor, angle: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation of ``f (orders -K ... K, ..., atoms)`` and ``z`` by ``angle (atoms)`` about the axis at ``phase``."""
    mirrored = f.flip(0).conj()
    turn = torch.polar(torch.ones_like(phase), phase)
    cos2, sin2 = torch.cos(angle / 2) ** 2, torch.sin(angle / 2) ** 2
    transverse = cos2 * f + turn**2 * sin2 * mirrored + 1j * turn * torch.sin(angle) * z
    longitudinal = torch.cos(angle) * z + 0.5j * torch.sin(angle) * (turn.conj() * f - turn * mirrored)
    return transverse, longitudinal
