"""Bloch simulations of whole sequences and of single pulses."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mriops import ops
from mriops._native.arguments import finite, instance, number, positive
from mriops._native.bloch_shapes import GAMMA

from .sequence import Sequence

__all__ = ["simulate", "slice_profile"]


def simulate(
    sequence: Sequence,
    position: Tensor,
    t1: Tensor | float | None,
    t2: Tensor | float | None,
    receive: Tensor,
    off_resonance: Tensor | float | None = None,
    b1: Tensor | None = None,
    magnetization: Tensor | None = None,
    velocity: Tensor | None = None,
    *,
    rf_step: float | None = None,
    gamma: float = GAMMA,
) -> Tensor:
    """Signal of a phantom of isochromats under a sequence, at the samples of all its readouts.

    ``s[c, j] = exp(i receiver phase) sum_r receive[c, r] (Mx + i My)[r, t_j]``: with coil maps times proton density in
    ``receive`` this is multi-coil k-space, in the sign convention of :func:`mriops.ops.nufft`.

    Parameters
    ----------
    sequence
        What is played.
    position
        ``(spins, 3)`` along z, y, x [m].
    t1, t2
        ``(spins,)`` or one for all [s]; ``None`` for no relaxation.
    receive
        ``(coils, spins)`` or ``(spins,)``: coil sensitivity times proton density. Complex; its dtype is that of the
        simulation.
    off_resonance
        ``(spins,)`` or one for all [Hz].
    b1
        ``(spins,)`` relative transmit sensitivity.
    magnetization
        ``(spins, 3)`` at the start; equilibrium if not given.
    velocity
        ``(spins, 3)`` along z, y, x [m/s]. Within a step without RF the gradient is then its mean: the first moment of
        gradients that change within one is not exact.
    rf_step
        Join RF samples to steps of about this length [s].
    gamma
        Gyromagnetic ratio [Hz/T].

    Returns
    -------
    Tensor
        ``(coils, samples)``; differentiable in every tensor argument.

    Raises
    ------
    ValueError
        The sequence has no readout, or shapes do not fit.
    TypeError
        ``receive`` is not complex.

    References
    ----------
    Stocker T, Vahedipour K, Pflugfelder D, Shah NJ. High-performance computing MRI simulations. Magn Reson Med
    2010;64:186-193.
    """
    instance("sequence", sequence, Sequence, "a Sequence")
    instance("receive", receive, Tensor, "a torch.Tensor")
    if not receive.is_complex():
        raise TypeError(f"receive: expected complex64 or complex128, got {receive.dtype}")
    waveform = sequence.waveform(rf_step=rf_step)
    if not waveform.record:
        raise ValueError("sequence: expected a block with an ADC event, got none")
    real = torch.float32 if receive.dtype == torch.complex64 else torch.float64
    like = {"dtype": real, "device": receive.device}
    signal = ops.bloch_signal(
        torch.from_numpy(waveform.rf).to(receive.device, receive.dtype),
        torch.from_numpy(waveform.gradient).to(**like),
        torch.from_numpy(waveform.dt).to(**like),
        position,
        t1,
        t2,
        receive if receive.ndim > 1 else receive[None],
        off_resonance,
        b1,
        magnetization,
        velocity,
        record=waveform.record,
        gamma=gamma,
    )
    return signal * torch.from_numpy(waveform.demodulation).to(receive.device, receive.dtype)


def slice_profile(
    rf: Tensor,
    gradient: Tensor | float,
    dt: Tensor | float,
    position: Tensor,
    *,
    t1: Tensor | float | None = None,
    t2: Tensor | float | None = None,
    off_resonance: Tensor | float | None = None,
    b1: Tensor | None = None,
    rewind: Tensor | float = 0.5,
    gamma: float = GAMMA,
) -> Tensor:
    """Magnetization along the slice direction after a pulse under a constant gradient and a rewinder.

    Parameters
    ----------
    rf
        ``(*batch, steps)`` complex or real [T]; its precision is that of the simulation.
    gradient
        During the pulse, one number [T/m].
    dt
        Duration of a step, one number [s].
    position
        ``(spins,)`` along the slice direction [m].
    t1, t2
        ``(spins,)`` or one for all [s]; ``None`` for no relaxation.
    off_resonance
        ``(spins,)`` or one for all [Hz].
    b1
        ``(spins,)`` relative transmit sensitivity.
    rewind
        Area of the rewinder as a part of the pulse's: 0.5 for a symmetric excitation, 0 for none. It takes no time.
    gamma
        Gyromagnetic ratio [Hz/T].

    Returns
    -------
    Tensor
        ``(*batch, spins, 3)``: Mx, My, Mz, from equilibrium; differentiable in every tensor argument.

    Raises
    ------
    TypeError
        What is no tensor or number.
    ValueError
        Shapes that do not fit, a number that is not finite, a step that takes no time.

    References
    ----------
    Pauly J, Le Roux P, Nishimura D, Macovski A. Parameter relations for the Shinnar-Le Roux selective excitation pulse
    design algorithm. IEEE Trans Med Imaging 1991;10:53-65.
    """
    instance("rf", rf, Tensor, "a torch.Tensor")
    instance("position", position, Tensor, "a torch.Tensor")
    if position.ndim != 1 or position.is_complex() or position.dtype == torch.bool:
        raise ValueError(f"position: expected real values (spins,), got {position.dtype} {tuple(position.shape)}")
    if rf.ndim < 1 or not (rf.is_complex() or rf.is_floating_point()):
        raise ValueError(f"rf: expected real or complex values (*batch, steps), got {rf.dtype} {tuple(rf.shape)}")
    real = rf.real if rf.is_complex() else rf
    position, steps = position.to(real), rf.shape[-1]
    strength = _one("gradient", gradient, "a finite gradient [T/m]", finite, real)
    step = _one("dt", dt, "a positive time [s]", positive, real)
    part = _one("rewind", rewind, "a finite part", finite, real)
    m = ops.bloch(rf, strength.expand(steps, 1), step, position[:, None], t1, t2, off_resonance, b1, gamma=gamma)
    turn = 2 * torch.pi * gamma * steps * strength * step * part
    transverse = torch.complex(m[..., 0], m[..., 1]) * torch.polar(torch.ones_like(position), turn * position)
    return torch.stack([transverse.real, transverse.imag, m[..., 2]], -1)


def _one(name: str, value: Tensor | float, expected: str, fits: Callable[[float], bool], like: Tensor) -> Tensor:
    """A number, or a tensor of one, which keeps its derivatives."""
    if not isinstance(value, Tensor):
        return torch.full((), number(name, value, expected, fits), dtype=like.dtype, device=like.device)
    if value.ndim or value.is_complex() or value.dtype == torch.bool:
        raise ValueError(f"{name}: expected {expected}, one for all, got {value.dtype} {tuple(value.shape)}")
    return value.to(like)
