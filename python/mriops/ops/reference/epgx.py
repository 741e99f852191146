"""Extended phase graphs of two pools, by their definition: all orders, matrix exponentials of small matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mriops._native.epg_shapes import SEGMENT_ADIABATIC, SEGMENT_SPOIL
from mriops.ops._epgx_words import packed

from .phase_graph import kept_orders, pulse, segments

__all__ = ["epg_exchange", "epg_mt"]


def _rates(a: Tensor, b: Tensor, k_ab: Tensor, k_ba: Tensor) -> Tensor:
    """``(atoms, 2, 2)``: d/dt of two pools that decay with a and b."""
    return torch.stack([torch.stack([-a - k_ab, k_ba + 0 * a], -1), torch.stack([k_ab + 0 * b, -b - k_ba], -1)], -2)


def _after(rates: Tensor, time: Tensor, state: Tensor) -> Tensor:
    """``state (orders, pools, atoms)`` after a time."""
    return torch.einsum("apq,kqa->kpa", torch.linalg.matrix_exp(rates * time).to(state.dtype), state)


def _train(pulses: Tensor, readouts: Tensor, tissue: Tensor, program: Sequence[int], orders: int, both: bool) -> Tensor:
    """Signal ``(samples, atoms)``; 0 orders means that nothing is dropped."""
    r1_a, r2_a, r1_b, r2_b, k_ab, k_ba, fraction, b1, off_resonance, off_resonance_b, m0 = tissue
    rows = segments(program)
    frequency = 2 * math.pi * off_resonance
    longitudinal = _rates(r1_a, r1_b, k_ab, k_ba)
    mixed = (k_ab, k_ba) if both else (0 * k_ab, 0 * k_ba)
    transverse = _rates(
        torch.complex(r2_a, frequency), torch.complex(r2_b, frequency + 2 * math.pi * off_resonance_b), *mixed
    )
    most, kept = kept_orders(rows, orders - 1 if orders else None)
    inside = (torch.arange(-most, most + 1, device=tissue.device).abs() <= kept).reshape(-1, 1, 1)

    origin = torch.zeros((2 * most + 1, 1, 1), dtype=transverse.dtype, device=tissue.device)
    origin[most] = 1
    equilibrium = origin * torch.stack([1 - fraction, fraction])
    z = equilibrium
    f = torch.zeros_like(z)
    seen = torch.tensor([1, 1 if both else 0], dtype=tissue.dtype, device=tissue.device).reshape(1, 2, 1)
    signals = []
    for i, (shift, flags, sampled) in enumerate(rows):
        flip, phase, duration, saturation = pulses[:, i]
        scale = torch.ones_like(b1) if flags & SEGMENT_ADIABATIC else b1
        f, turned = pulse(f, z, flip * scale, phase)
        if not both:
            turned = torch.stack([turned[:, 0], z[:, 1] * torch.exp(-saturation * scale**2)], 1)
        f, z = f * seen, turned
        for k in sampled:
            time, receiver = readouts[:, len(signals)]
            sample = _after(transverse, time, f[most - k : most - k + 1]).sum((0, 1))
            signals.append(m0 * sample * torch.polar(torch.ones_like(receiver), -receiver))
        f = torch.zeros_like(f) if flags & SEGMENT_SPOIL else _after(transverse, duration, f.roll(shift, 0) * inside)
        z = equilibrium + _after(longitudinal, duration, z * inside - equilibrium)
    return torch.stack(signals) if signals else torch.zeros((0, tissue.shape[1]), dtype=f.dtype, device=f.device)


def _signal(train: tuple, saturation: Any, atoms: tuple, layout: tuple) -> Tensor:
    call = packed(train, saturation, atoms, layout)
    signal = _train(call.pulses, call.readouts, call.tissue, *call.parameters[:3])
    return signal.reshape(signal.shape[0], *call.atoms)


def epg_exchange(
    flip_angle: Tensor,
    duration: Tensor | float,
    t1: Tensor,
    t2: Tensor | float,
    t1_b: Tensor | float,
    t2_b: Tensor | float,
    fraction: Tensor | float,
    exchange_rate: Tensor | float,
    off_resonance_b: Tensor | float | None = None,
    b1: Tensor | float | None = None,
    off_resonance: Tensor | float | None = None,
    m0: Tensor | float | None = None,
    phase: Tensor | None = None,
    sample_time: Tensor | float | None = None,
    receiver_phase: Tensor | float | None = None,
    *,
    shift: int | Sequence[int] = 1,
    sample_segment: Sequence[int] | None = None,
    sample_order: int | Sequence[int] = 0,
    spoil: Sequence[int] = (),
    adiabatic: Sequence[int] = (),
    orders: int | None = None,
) -> Tensor:
    """Two pools that exchange magnetization."""
    atoms = (t1, t2, t1_b, t2_b, fraction, exchange_rate, off_resonance_b, b1, off_resonance, m0)
    train = (flip_angle, duration, phase, sample_time, receiver_phase)
    return _signal(train, None, atoms, (shift, sample_segment, sample_order, spoil, adiabatic, orders))


def epg_mt(
    flip_angle: Tensor,
    duration: Tensor | float,
    saturation: Tensor | float,
    t1: Tensor,
    t2: Tensor | float,
    t1_b: Tensor | float,
    fraction: Tensor | float,
    exchange_rate: Tensor | float,
    b1: Tensor | float | None = None,
    off_resonance: Tensor | float | None = None,
    m0: Tensor | float | None = None,
    phase: Tensor | None = None,
    sample_time: Tensor | float | None = None,
    receiver_phase: Tensor | float | None = None,
    *,
    shift: int | Sequence[int] = 1,
    sample_segment: Sequence[int] | None = None,
    sample_order: int | Sequence[int] = 0,
    spoil: Sequence[int] = (),
    adiabatic: Sequence[int] = (),
    orders: int | None = None,
) -> Tensor:
    """Two pools that exchange longitudinal magnetization, one of which has nothing else."""
    atoms = (t1, t2, t1_b, None, fraction, exchange_rate, None, b1, off_resonance, m0)
    train = (flip_angle, duration, phase, sample_time, receiver_phase)
    return _signal(train, saturation, atoms, (shift, sample_segment, sample_order, spoil, adiabatic, orders))
