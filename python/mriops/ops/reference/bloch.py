"""The Bloch equations by matrix exponentials, step by step: what the kernels are tested against."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["bloch", "bloch_signal", "bloch_spinor"]

GAMMA = 42.577478518e6  # of the proton [Hz/T]


def _turn(m: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """M turned by the vector (x, y, z) [rad], in the sense of dM/dt = M x w."""
    x, y, z = torch.broadcast_tensors(x, y, z)
    none = torch.zeros_like(x)
    rows = [torch.stack(row, -1) for row in ((none, z, -y), (-z, none, x), (y, -x, none))]
    return (torch.linalg.matrix_exp(torch.stack(rows, -2)) @ m.unsqueeze(-1)).squeeze(-1)


def _relax(m: Tensor, t1: Tensor, t2: Tensor, time: Tensor) -> Tensor:
    e1, e2 = torch.exp(-time / t1), torch.exp(-time / t2)
    return torch.stack((m[..., 0] * e2, m[..., 1] * e2, 1 + (m[..., 2] - 1) * e1), -1)


def _value(value: Tensor | float | None, default: float, like: Tensor) -> Tensor:
    """An argument with an axis of its own at the end."""
    tensor = torch.as_tensor(default if value is None else value, dtype=like.dtype, device=like.device)
    return tensor if tensor.ndim else tensor.unsqueeze(0)


def _field(
    rf: Tensor,
    gradient: Tensor | None,
    position: Tensor | None,
    off_resonance: Tensor,
    b1: Tensor | None,
    velocity: Tensor | None,
    middle: Tensor,
    n: int,
    multi_transmit: bool,
    gamma: float,
) -> tuple[Tensor, Tensor]:
    """Frequency and transverse field [Hz] of step n."""
    frequency = off_resonance
    if gradient is not None and position is not None:
        place = position if velocity is None else position + middle[..., n, None, None] * velocity
        frequency = frequency + gamma * (place @ gradient[..., n, :, None]).squeeze(-1)
    field = rf[..., n, None] * gamma
    if b1 is not None:
        field = (b1 * field).sum(-2) if multi_transmit else b1 * field
    return frequency, field if field.is_complex() else torch.complex(field, torch.zeros_like(field))


def _simulate(
    arguments: tuple, record: Sequence[int] | None, multi_transmit: bool, integrator: str, gamma: float
) -> Tensor:
    rf, gradient, dt, position, t1, t2, off_resonance, b1, magnetization, velocity = arguments
    real = rf.real if rf.is_complex() else rf
    dt, t1, t2 = _value(dt, 0.0, real), _value(t1, float("inf"), real), _value(t2, float("inf"), real)
    off_resonance = _value(off_resonance, 0.0, real)
    steps = rf.shape[-1]
    dt = dt.expand(*dt.shape[:-1], steps)
    middle = dt.cumsum(-1) - dt / 2
    sides = {"exact": (0.0, 1.0), "split": (0.5, 0.0)}[integrator]  # precession before and after, and with the RF
    m = magnetization if magnetization is not None else real.new_tensor([0.0, 0.0, 1.0])
    wanted = (steps,) if record is None else tuple(record)
    states = [m] if 0 in wanted else []
    for n in range(steps):
        angle, half = 2 * torch.pi * dt[..., n, None], dt[..., n, None] / 2
        frequency, field = _field(rf, gradient, position, off_resonance, b1, velocity, middle, n, multi_transmit, gamma)
        none = torch.zeros_like(field.real)
        m = _relax(m, t1, t2, half)
        m = _turn(m, none, none, sides[0] * angle * frequency)
        m = _turn(m, angle * field.real, angle * field.imag, sides[1] * angle * frequency)
        m = _turn(m, none, none, sides[0] * angle * frequency)
        m = _relax(m, t1, t2, half)
        if n + 1 in wanted:
            states.append(m)
    return torch.stack(torch.broadcast_tensors(*states), -3)


def bloch(
    rf: Tensor,
    gradient: Tensor | None,
    dt: Tensor | float,
    position: Tensor | None,
    t1: Tensor | float | None,
    t2: Tensor | float | None,
    off_resonance: Tensor | float | None = None,
    b1: Tensor | None = None,
    magnetization: Tensor | None = None,
    velocity: Tensor | None = None,
    *,
    record: Sequence[int] | None = None,
    multi_transmit: bool = False,
    integrator: str = "exact",
    gamma: float = GAMMA,
) -> Tensor:
    """``M <- E(dt/2) exp(dt Omega) E(dt/2) M`` for each step, ``Omega M = 2 pi M x (Re b, Im b, f)``.

    Parameters
    ----------
    rf, gradient, dt, position, t1, t2, off_resonance, b1, magnetization, velocity, multi_transmit, gamma
        As :func:`mriops.ops.bloch`.
    record
        Numbers of steps after which states are wanted.
    integrator
        ``"exact"``, or ``"split"``: half of the precession before and half after the nutation.

    Returns
    -------
    Tensor
        ``(*batch, [records,] spins, 3)``.
    """
    arguments = (rf, gradient, dt, position, t1, t2, off_resonance, b1, magnetization, velocity)
    states = _simulate(arguments, record, multi_transmit, integrator, gamma)
    return states if record is not None else states[..., 0, :, :]


def bloch_signal(
    rf: Tensor,
    gradient: Tensor | None,
    dt: Tensor | float,
    position: Tensor | None,
    t1: Tensor | float | None,
    t2: Tensor | float | None,
    receive: Tensor,
    off_resonance: Tensor | float | None = None,
    b1: Tensor | None = None,
    magnetization: Tensor | None = None,
    velocity: Tensor | None = None,
    *,
    record: Sequence[int] | None = None,
    multi_transmit: bool = False,
    integrator: str = "exact",
    gamma: float = GAMMA,
) -> Tensor:
    """``s[c, j] = sum_r receive[c, r] (Mx + i My)[r, t_j]``.

    Parameters
    ----------
    rf, gradient, dt, position, t1, t2, off_resonance, b1, magnetization, velocity, multi_transmit, gamma
        As :func:`mriops.ops.bloch`.
    receive
        ``(*batch, coils, spins)``.
    record
        Numbers of steps after which the signal is wanted.
    integrator
        As :func:`bloch`.

    Returns
    -------
    Tensor
        ``(*batch, coils, records)``.
    """
    arguments = (rf, gradient, dt, position, t1, t2, off_resonance, b1, magnetization, velocity)
    states = _simulate(arguments, record, multi_transmit, integrator, gamma)
    transverse = torch.complex(states[..., 0], states[..., 1])
    return (receive.unsqueeze(-2) * transverse.unsqueeze(-3)).sum(-1)


def bloch_spinor(
    rf: Tensor,
    gradient: Tensor | None,
    dt: Tensor | float,
    position: Tensor | None,
    off_resonance: Tensor | float | None = None,
    b1: Tensor | None = None,
    velocity: Tensor | None = None,
    *,
    multi_transmit: bool = False,
    gamma: float = GAMMA,
) -> Tensor:
    """First column of the product of ``exp(i w.sigma / 2)`` over the steps.

    Parameters
    ----------
    rf, gradient, dt, position, off_resonance, b1, velocity, multi_transmit, gamma
        As :func:`mriops.ops.bloch_spinor`.

    Returns
    -------
    Tensor
        alpha, beta: ``(*batch, spins, 2)``.
    """
    real = rf.real if rf.is_complex() else rf
    dt, off_resonance = _value(dt, 0.0, real), _value(off_resonance, 0.0, real)
    dt = dt.expand(*dt.shape[:-1], rf.shape[-1])
    middle = dt.cumsum(-1) - dt / 2
    spinor = torch.complex(real.new_tensor([1.0, 0.0]), real.new_zeros(2)).unsqueeze(-1)
    for n in range(rf.shape[-1]):
        angle = torch.pi * dt[..., n, None]
        frequency, field = _field(rf, gradient, position, off_resonance, b1, velocity, middle, n, multi_transmit, gamma)
        z, field = angle * frequency, 1j * angle * field
        z, field = torch.broadcast_tensors(torch.complex(torch.zeros_like(z), z), field)
        generator = torch.stack([torch.stack([z, -field.conj()], -1), torch.stack([field, -z], -1)], -2)
        spinor = torch.linalg.matrix_exp(generator) @ spinor
    return spinor.squeeze(-1)
