"""Signals far from one, scaled voxel by voxel so that squares of their derivatives are numbers in single precision."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ._least_squares import Problem

__all__ = ["Scale", "scaled"]

#: Peaks from 1 / _FAR to _FAR stay: derivatives for diffusivities are 1e9 times as large, and their squares 1e31.
_FAR = 2.0**20


class Scale(NamedTuple):
    """What signals were divided by, ``(voxels,)`` or 1, and what parameters are multiplied with, ``(rows, voxels)``."""

    signal: Tensor
    rows: Tensor


def scaled(problem: Problem) -> tuple[Problem, Scale]:
    """The problem with signals near one where they were far from it, and the way back.

    Signals are proportional to their linear parameters, which are divided too, by powers of two: nothing is rounded.
    Signals remain as they are where no parameter is linear, or where a linear one has bounds other than 0, which would
    be other ones in each voxel.
    """
    model, samples = problem.op.model, problem.samples
    one = Scale(samples.new_ones(1), samples.new_ones(1, 1))
    linear = torch.tensor([p.linear for p in model.parameters for _ in range(p.rows)])
    limits = problem.bounds[:, linear]
    if not bool(linear.any()) or bool((limits.isfinite() & (limits != 0)).any()) or samples.numel() == 0:
        return problem, one
    low, high = samples.detach().aminmax(dim=0)
    peak = torch.maximum(high, -low)
    far = ((peak > _FAR) | (peak < 1 / _FAR)) & (peak > 0) & peak.isfinite()
    if not bool(far.any()):
        return problem, one
    exponent = torch.where(far, torch.frexp(peak)[1], 0)
    signal = torch.ldexp(torch.ones_like(peak), exponent)
    rows = torch.where(linear[:, None], signal, torch.ones_like(signal))
    return problem._replace(samples=samples / signal, start=problem.start / rows), Scale(signal, rows)
