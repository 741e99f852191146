"""Extended phase graphs by their definition: all orders, complex, one small matrix per pulse."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from mriops._native.epg_shapes import (
    ARGUMENTS,
    N_SEQUENCE,
    ODD_ORDERS,
    REAL_SIGNAL,
    SEGMENT_ADIABATIC,
    SEGMENT_INVERTS,
    SEGMENT_SPOIL,
)
from mriops._native.relaxation import SHORTEST_TIME

__all__ = ["jacobian", "train"]


def _pulse(f: Tensor, z: Tensor, angle: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation of ``f (orders -K ... K, *atoms)`` and ``z`` by ``angle (*atoms)`` about the axis at ``phase``."""
    mirrored = f.flip(0).conj()
    turn = torch.polar(torch.ones_like(phase), phase)
    cos2, sin2 = torch.cos(angle / 2) ** 2, torch.sin(angle / 2) ** 2
    transverse = cos2 * f + turn**2 * sin2 * mirrored + 1j * turn * torch.sin(angle) * z
    longitudinal = torch.cos(angle) * z + 0.5j * torch.sin(angle) * (turn.conj() * f - turn * mirrored)
    return transverse, longitudinal


def _shifted(f: Tensor, by: int) -> Tensor:
    """Order k moves to k + by; what leaves the array is dropped."""
    empty = torch.zeros_like(f[: abs(by)])
    return f if by == 0 else torch.cat([empty, f[:-by]]) if by > 0 else torch.cat([f[-by:], empty])


def train(*arguments: Any) -> Tensor:
    """Signal of a train: the arguments of the declared op, tensors first, then the program and the number of orders.

    The number of orders is taken as a limit only where it is not 0; without it nothing is dropped.
    """
    flip, phase, duration, time, receiver = arguments[:N_SEQUENCE]
    t1, t2, b1, off_resonance, m0, diffusion, inversion, program, orders = arguments[N_SEQUENCE:]
    t1, t2 = (torch.where(t >= 0, t, torch.nan).clamp(min=SHORTEST_TIME) for t in (t1, t2))
    own = [t for t in (t1, t2, b1, off_resonance, m0, diffusion, inversion) if t is not None]
    shape = torch.broadcast_shapes(*(t.shape for t in own))
    zero = torch.zeros(shape, dtype=t1.dtype, device=t1.device)
    b1 = zero + 1 if b1 is None else b1
    inversion = zero + 1 if inversion is None else inversion
    if diffusion is not None:
        diffusion = torch.where(diffusion >= 0, diffusion, torch.nan)
    frequency = 2 * math.pi * (zero if off_resonance is None else off_resonance)
    odd, real = bool(program[0] & ODD_ORDERS), bool(program[0] & REAL_SIGNAL)
    if real:  # an excitation 90 degrees from the refocusing pulses, whose echoes are real
        phase = torch.zeros_like(flip)
        phase = torch.cat([phase[:1] - math.pi / 2, phase[1:]])
    elif phase is None:
        phase = torch.zeros_like(flip)

    rows = []  # shift, flags, offsets of each segment
    at = 1
    while at < len(program):
        count, shift, flags, samples = program[at : at + 4]
        rows += [(shift, flags, program[at + 4 : at + 4 + samples])] * count
        at += 4 + samples
    if odd:  # entry j is order 2 j + 1, and the excitation's half interval moves one order
        rows = [
            (2 * s + (i == 0), flags, tuple(2 * o + 1 for o in offsets)) for i, (s, flags, offsets) in enumerate(rows)
        ]
    most = sum(abs(shift) for shift, _, _ in rows) + max((abs(o) for _, _, os in rows for o in os), default=0)
    kept = most if orders == 0 else min(most, 2 * orders if odd else orders - 1)
    order = torch.arange(-most, most + 1, dtype=t1.dtype, device=t1.device).reshape(-1, *(1,) * len(shape))
    inside = order.abs() <= kept

    f = torch.zeros((2 * most + 1, *shape), dtype=t1.dtype, device=t1.device).to(
        torch.promote_types(t1.dtype, torch.complex64)
    )
    z = torch.zeros_like(f)
    equilibrium = torch.zeros_like(z)
    equilibrium[most] = 1
    z = z + equilibrium
    signals = []
    j = 0
    for i, (shift, flags, offsets) in enumerate(rows):
        angle = flip[i] * (torch.ones_like(b1) if flags & SEGMENT_ADIABATIC else b1)
        if flags & SEGMENT_INVERTS:
            f, z = torch.zeros_like(f), -inversion * equilibrium
        else:
            f, z = _pulse(f, z, angle, phase[i])
        for offset in offsets:
            factor = torch.exp(-time[j] / t2 - 1j * frequency * time[j])
            if diffusion is not None:
                factor = factor * torch.exp(-diffusion * time[j] * (offset**2 / 3))
            sample = f[most - offset] * factor
            if receiver is not None:
                sample = sample * torch.polar(torch.ones_like(receiver[j]), -receiver[j])
            signals.append(sample if m0 is None else m0 * sample)
            j += 1
        f = _shifted(f, shift) * inside * torch.exp(-duration[i] / t2 - 1j * frequency * duration[i])
        if diffusion is not None:
            f = f * torch.exp(-diffusion * duration[i] * (order**2 - order * shift + shift**2 / 3))
            z = z * torch.exp(-diffusion * duration[i] * order**2)
        if flags & SEGMENT_SPOIL:
            f = torch.zeros_like(f)
        z = equilibrium + (z * inside - equilibrium) * torch.exp(-duration[i] / t1)
    signal = torch.stack(signals) if signals else torch.zeros((0, *shape), dtype=f.dtype, device=f.device)
    return signal.real.contiguous() if real else signal


def jacobian(*arguments: Any) -> Tensor:
    """Signal of a train and its derivatives along tangents ``(n, *atoms)`` of what each atom has, as the op takes them.

    Absent tangents are zero; ``value`` says whether the signal comes first.
    """
    n = len(ARGUMENTS)
    values, tangents, (program, orders, value) = arguments[:n], arguments[n:-3], arguments[-3:]
    which = [i for i, tangent in enumerate(tangents) if tangent is not None]

    def signal(*chosen: Tensor) -> Tensor:
        full = list(values)
        for i, one in zip(which, chosen, strict=True):
            full[N_SEQUENCE + i] = one
        return train(*full, program, orders)

    primals = tuple(values[N_SEQUENCE + i] for i in which)
    rows = [signal(*primals)] if value else []
    for row in zip(*(tangents[i] for i in which), strict=True):
        shapes = [torch.broadcast_shapes(p.shape, t.shape) for p, t in zip(primals, row, strict=True)]
        points = tuple(p.expand(shape) for p, shape in zip(primals, shapes, strict=True))
        along = tuple(t.expand(shape) for t, shape in zip(row, shapes, strict=True))
        rows.append(torch.func.jvp(signal, points, along)[1])
    return torch.stack(rows)
