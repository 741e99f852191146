"""Bloch simulations of whole sequences and of single pulses."""

from __future__ import annotations

import torch
from torch import Tensor

from mriops import ops
from mriops._native.arguments import instance
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
    gradient: float,
    dt: float,
    position: Tensor,
    *,
    t1: Tensor | float | None = None,
    t2: Tensor | float | None = None,
    off_resonance: Tensor | float | None = None,
    b1: Tensor | None = None,
    rewind: float = 0.5,
    gamma: float = GAMMA,
) -> Tensor:
    """Magnetization along the slice direction after a pulse under a constant gradient and a rewinder.

    Parameters
    ----------
    rf
        ``(*batch, steps)`` complex [T].
    gradient
        During the pulse [T/m].
    dt
        Duration of a step [s].
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
        ``(*batch, spins, 3)``: Mx, My, Mz, from equilibrium.

    Raises
    ------
    ValueError
        Shapes that do not fit.

    References
    ----------
    Pauly J, Le Roux P, Nishimura D, Macovski A. Parameter relations for the Shinnar-Le Roux selective excitation pulse
    design algorithm. IEEE Trans Med Imaging 1991;10:53-65.
    """
    real = rf.real if rf.is_complex() else rf
    waveform = real.new_full((rf.shape[-1], 1), gradient)
    m = ops.bloch(rf, waveform, dt, position[:, None], t1, t2, off_resonance, b1, gamma=gamma)
    turn = 2 * torch.pi * gamma * gradient * dt * rf.shape[-1] * rewind
    transverse = torch.complex(m[..., 0], m[..., 1]) * torch.polar(torch.ones_like(position), turn * position)
    return torch.stack([transverse.real, transverse.imag, m[..., 2]], -1)
