"""The Bloch-McConnell equations by matrix exponentials, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mriops._native.relaxation import SHORTEST_TIME

from .bloch import GAMMA, _field, _turn, _value

__all__ = ["bloch_exchange"]


def _relax(m: Tensor, rates: tuple[Tensor, ...], fraction: Tensor, time: Tensor) -> Tensor:
    """``m (..., spins, 2, 3)`` after a time without field."""
    r1_a, r2_a, r1_b, r2_b, k_ab, k_ba = torch.broadcast_tensors(*rates)

    def matrix(a: Tensor, b: Tensor) -> Tensor:
        return torch.stack([torch.stack([-a - k_ab, k_ba], -1), torch.stack([k_ab, -b - k_ba], -1)], -2)

    time = time.unsqueeze(-1).unsqueeze(-1)
    across, along = (torch.linalg.matrix_exp(matrix(*pair) * time) for pair in ((r2_a, r2_b), (r1_a, r1_b)))
    equilibrium = torch.stack([1 - fraction, fraction], -1).unsqueeze(-1)
    longitudinal = equilibrium + along @ (m[..., 2:] - equilibrium)
    return torch.cat((across @ m[..., :2], longitudinal), -1)


def bloch_exchange(
    rf: Tensor,
    gradient: Tensor | None,
    dt: Tensor | float,
    position: Tensor | None,
    t1: Tensor | float | None,
    t2: Tensor | float | None,
    t1_b: Tensor | float | None,
    t2_b: Tensor | float | None,
    fraction: Tensor | float,
    exchange_rate: Tensor | float,
    off_resonance_b: Tensor | float | None = None,
    off_resonance: Tensor | float | None = None,
    b1: Tensor | None = None,
    magnetization: Tensor | None = None,
    velocity: Tensor | None = None,
    *,
    record: Sequence[int] | None = None,
    multi_transmit: bool = False,
    gamma: float = GAMMA,
) -> Tensor:
    """``M <- X(dt/2) R(dt) X(dt/2) M`` for each step, X relaxation and exchange, R a turn of each pool."""
    real = rf.real if rf.is_complex() else rf
    infinite = float("inf")
    dt, times = _value(dt, 0.0, real), [_value(t, infinite, real) for t in (t1, t2, t1_b, t2_b)]
    fraction, exchange_rate = _value(fraction, 0.0, real), _value(exchange_rate, 0.0, real)
    off_resonance, off_resonance_b = _value(off_resonance, 0.0, real), _value(off_resonance_b, 0.0, real)
    rates = tuple(1 / torch.where(t >= 0, t, torch.nan).clamp(min=SHORTEST_TIME) for t in times)
    exchange = torch.where(exchange_rate >= 0, exchange_rate, torch.nan)
    rates += (exchange * fraction, exchange * (1 - fraction))
    steps = rf.shape[-1]
    dt = dt.expand(*dt.shape[:-1], steps)
    middle = dt.cumsum(-1) - dt / 2
    if magnetization is None:
        none = torch.zeros_like(fraction)
        magnetization = torch.stack(
            [torch.stack([none, none, 1 - fraction], -1), torch.stack([none, none, fraction], -1)], -2
        )
    m = magnetization
    wanted = (steps,) if record is None else tuple(record)
    states = [m] if 0 in wanted else []
    for n in range(steps):
        angle, half = 2 * torch.pi * dt[..., n, None], dt[..., n, None] / 2
        frequency, field = _field(rf, gradient, position, off_resonance, b1, velocity, middle, n, multi_transmit, gamma)
        m = _relax(m, rates, fraction, half)
        pools = [
            _turn(m[..., i, :], angle * field.real, angle * field.imag, angle * (frequency + i * off_resonance_b))
            for i in range(2)
        ]
        m = _relax(torch.stack(pools, -2), rates, fraction, half)
        if n + 1 in wanted:
            states.append(m)
    states = torch.stack(torch.broadcast_tensors(*states), -4)
    return states if record is not None else states[..., 0, :, :, :]
