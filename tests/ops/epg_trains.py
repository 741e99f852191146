"""Pulse trains and tissue that the tests of phase graphs share."""

from __future__ import annotations

import math

import torch
from torch import Tensor

INFINITE = torch.tensor(math.inf, dtype=torch.float64)
DEGREE = math.pi / 180


def seconds(*values: float) -> list[Tensor]:
    """Numbers in double precision."""
    return [torch.tensor(value, dtype=torch.float64) for value in values]


def constant(angle: float, n: int) -> Tensor:
    """A train of equal pulses, given in degrees."""
    return torch.full((n,), angle * DEGREE, dtype=torch.float64)


def fingerprint(n: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Flip angles and repetition times that vary."""
    i = torch.arange(n, dtype=torch.float64)
    return ((10 + 60 * torch.sin(0.02 * i).abs()) * DEGREE).to(dtype), (0.012 + 0.003 * torch.sin(i).abs()).to(dtype)
