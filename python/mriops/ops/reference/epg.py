"""Extended phase graphs by their definition: all orders, complex, one small matrix per pulse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

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

from .phase_graph import Segment, kept_orders, pulse, segments

__all__ = ["jacobian", "train"]


class _Tissue(NamedTuple):
    """What each atom has. Frequency in rad/s; without m0 or diffusion there is nothing to multiply by."""

    shape: torch.Size
    t1: Tensor
    t2: Tensor
    b1: Tensor
    frequency: Tensor
    m0: Tensor | None
    diffusion: Tensor | None
    inversion: Tensor

    def transverse(self, time: Tensor, moment: Tensor | float) -> Tensor:
        """Factor of transverse states after a time, in which gradients of a mean squared ``moment`` act."""
        factor = torch.exp(-time / self.t2 - 1j * self.frequency * time)
        return factor if self.diffusion is None else factor * torch.exp(-self.diffusion * time * moment)


def _tissue(*own: Any) -> _Tissue:
    shape = torch.broadcast_shapes(*(t.shape for t in own if t is not None))
    t1, t2, b1, off_resonance, m0, diffusion, inversion = own
    t1, t2 = (torch.where(t >= 0, t, torch.nan).clamp(min=SHORTEST_TIME) for t in (t1, t2))
    zero = torch.zeros(shape, dtype=t1.dtype, device=t1.device)
    return _Tissue(
        shape,
        t1,
        t2,
        b1=zero + 1 if b1 is None else b1,
        frequency=2 * math.pi * (zero if off_resonance is None else off_resonance),
        m0=m0,
        diffusion=None if diffusion is None else torch.where(diffusion >= 0, diffusion, torch.nan),
        inversion=zero + 1 if inversion is None else inversion,
    )


def _phases(phase: Tensor | None, flip: Tensor, real: bool) -> Tensor:
    if phase is not None and not real:
        return phase
    phase = torch.zeros_like(flip)
    # Real echoes come of an excitation 90 degrees from the refocusing pulses.
    return torch.cat([phase[:1] - math.pi / 2, phase[1:]]) if real else phase


def _rows(program: Sequence[int]) -> list[Segment]:
    """Segments; of odd orders entry j is order 2 j + 1, and the half interval of the excitation moves by one."""
    rows = segments(program)
    if not program[0] & ODD_ORDERS:
        return rows
    return [Segment(2 * s + (i == 0), flags, tuple(2 * k + 1 for k in ks)) for i, (s, flags, ks) in enumerate(rows)]


def _shifted(f: Tensor, by: int) -> Tensor:
    """Order k moves to k + by; what leaves the array is dropped."""
    empty = torch.zeros_like(f[: abs(by)])
    return f if by == 0 else torch.cat([empty, f[:-by]]) if by > 0 else torch.cat([f[-by:], empty])


def train(*arguments: Any) -> Tensor:
    """Signal of a train: the arguments of the declared op, tensors first, then the program and the number of orders.

    The number of orders is taken as a limit only where it is not 0; without it nothing is dropped.
    """
    flip, phase, duration, time, receiver = arguments[:N_SEQUENCE]
    *own, program, orders = arguments[N_SEQUENCE:]
    tissue, rows, real = _tissue(*own), _rows(program), bool(program[0] & REAL_SIGNAL)
    phase = _phases(phase, flip, real)
    limit = 2 * orders if program[0] & ODD_ORDERS else orders - 1
    most, kept = kept_orders(rows, limit if orders else None)
    dtype, device = tissue.t1.dtype, tissue.t1.device
    order = torch.arange(-most, most + 1, dtype=dtype, device=device).reshape(-1, *(1,) * len(tissue.shape))
    inside = order.abs() <= kept

    f = torch.zeros((2 * most + 1, *tissue.shape), dtype=torch.promote_types(dtype, torch.complex64), device=device)
    equilibrium = torch.zeros_like(f)
    equilibrium[most] = 1
    z = equilibrium
    signals: list[Tensor] = []
    for i, (shift, flags, sampled) in enumerate(rows):
        if flags & SEGMENT_INVERTS:
            f, z = torch.zeros_like(f), -tissue.inversion * equilibrium
        else:
            f, z = pulse(f, z, flip[i] * (1 if flags & SEGMENT_ADIABATIC else tissue.b1), phase[i])
        for k in sampled:
            j = len(signals)
            sample = f[most - k] * tissue.transverse(time[j], k**2 / 3)
            if receiver is not None:
                sample = sample * torch.polar(torch.ones_like(receiver[j]), -receiver[j])
            signals.append(sample if tissue.m0 is None else tissue.m0 * sample)
        f = _shifted(f, shift) * inside * tissue.transverse(duration[i], order**2 - order * shift + shift**2 / 3)
        if flags & SEGMENT_SPOIL:
            f = torch.zeros_like(f)
        if tissue.diffusion is not None:
            z = z * torch.exp(-tissue.diffusion * duration[i] * order**2)
        z = equilibrium + (z * inside - equilibrium) * torch.exp(-duration[i] / tissue.t1)
    signal = torch.stack(signals) if signals else torch.zeros((0, *tissue.shape), dtype=f.dtype, device=f.device)
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
