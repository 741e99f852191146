"""The pulse trains of :mod:`mriops.ops.epg`, by their definition."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from mriops._native.epg_signals import Atoms
from mriops.ops._epg_words import train_signals

from .epg import jacobian as reference_jacobian, train as reference_train

__all__ = ["epg", "epg_bssfp", "epg_dess", "epg_fisp", "epg_fse", "epg_spgr"]

_TRAINS = train_signals((reference_train, reference_jacobian))


def epg_fisp(
    flip_angle: Tensor,
    repetition_time: Tensor | float,
    t1: Tensor,
    t2: Tensor,
    b1: Tensor | float | None = None,
    off_resonance: Tensor | float | None = None,
    m0: Tensor | float | None = None,
    phase: Tensor | None = None,
    *,
    echo_time: Tensor | float,
    inversion_time: Tensor | float | None = None,
    inversion_efficiency: Tensor | float | None = None,
    diffusion: Tensor | float | None = None,
    gradient_moment: Tensor | float | None = None,
    orders: int | None = None,
    jacobian: Sequence[str] | None = None,
) -> Tensor:
    """Unbalanced steady-state train (FISP, MRF): every repetition is pulse, echo, and a gradient that shifts by one."""
    atoms = Atoms(t1, t2, b1, off_resonance, m0, diffusion, gradient_moment, inversion_efficiency)
    return _TRAINS.gradient_echo(atoms, flip_angle, repetition_time, phase, echo_time, inversion_time, orders, jacobian)


def epg_spgr(
    flip_angle: Tensor,
    repetition_time: Tensor | float,
    t1: Tensor,
    t2: Tensor,
    b1: Tensor | float | None = None,
    off_resonance: Tensor | float | None = None,
    m0: Tensor | float | None = None,
    *,
    echo_time: Tensor | float,
    phase_increment: float | None = math.radians(117.0),
    inversion_time: Tensor | float | None = None,
    inversion_efficiency: Tensor | float | None = None,
    diffusion: Tensor | float | None = None,
    gradient_moment: Tensor | float | None = None,
    orders: int | None = None,
    jacobian: Sequence[str] | None = None,
) -> Tensor:
    """Spoiled gradient-echo train (SPGR, FLASH): :func:`epg_fisp` whose RF phase grows quadratically."""
    atoms = Atoms(t1, t2, b1, off_resonance, m0, diffusion, gradient_moment, inversion_efficiency)
    return _TRAINS.gradient_echo(
        atoms,
        flip_angle,
        repetition_time,
        None,
        echo_time,
        inversion_time,
        orders,
        jacobian,
        spoil=phase_increment is None,
        increment=phase_increment,
    )


def epg_bssfp(
    flip_angle: Tensor,
    repetition_time: Tensor | float,
    t1: Tensor,
    t2: Tensor,
    b1: Tensor | float | None = None,
    off_resonance: Tensor | float | None = None,
    m0: Tensor | float | None = None,
    *,
    echo_time: Tensor | float | None = None,
    phase_increment: float = math.pi,
    jacobian: Sequence[str] | None = None,
) -> Tensor:
    """Balanced steady-state train (bSSFP, TrueFISP): no gradient is left over, so that one order is all there is."""
    atoms = Atoms(t1, t2, b1, off_resonance, m0)
    return _TRAINS.balanced(atoms, flip_angle, repetition_time, echo_time, phase_increment, jacobian)


def epg_dess(
    flip_angle: Tensor,
    repetition_time: Tensor | float,
    t1: Tensor,
    t2: Tensor,
    b1: Tensor | float | None = None,
    off_resonance: Tensor | float | None = None,
    m0: Tensor | float | None = None,
    *,
    echo_time: Tensor | float,
    diffusion: Tensor | float | None = None,
    gradient_moment: Tensor | float | None = None,
    orders: int | None = None,
    jacobian: Sequence[str] | None = None,
) -> Tensor:
    """Double-echo steady-state train (DESS): the FID after each pulse, and the echo before the next."""
    atoms = Atoms(t1, t2, b1, off_resonance, m0, diffusion, gradient_moment)
    return _TRAINS.dess(atoms, flip_angle, repetition_time, echo_time, orders, jacobian)


def epg_fse(
    flip_angle: Tensor,
    t1: Tensor,
    t2: Tensor,
    b1: Tensor | float | None = None,
    off_resonance: Tensor | float | None = None,
    m0: Tensor | float | None = None,
    phase: Tensor | None = None,
    *,
    echo_spacing: Tensor | float,
    excitation: Tensor | float = math.pi / 2,
    slice_profile: Sequence[float] | None = None,
    slice_weights: Sequence[float] | None = None,
    diffusion: Tensor | float | None = None,
    gradient_moment: Tensor | float | None = None,
    orders: int | None = None,
    jacobian: Sequence[str] | None = None,
) -> Tensor:
    """Echoes of a fast spin-echo train (CPMG) with any refocusing angles."""
    atoms = Atoms(t1, t2, b1, off_resonance, m0, diffusion, gradient_moment)
    return _TRAINS.fast_spin_echo(
        atoms, flip_angle, phase, echo_spacing, excitation, slice_profile, slice_weights, orders, jacobian
    )


def epg(
    flip_angle: Tensor,
    duration: Tensor | float,
    t1: Tensor,
    t2: Tensor,
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
    diffusion: Tensor | float | None = None,
    gradient_moment: Tensor | float | None = None,
    orders: int | None = None,
    jacobian: Sequence[str] | None = None,
) -> Tensor:
    """Signal of an arbitrary train of pulses, as a table of segments: pulse, free precession, samples."""
    atoms = Atoms(t1, t2, b1, off_resonance, m0, diffusion, gradient_moment)
    table = (shift, sample_segment, sample_order, spoil, adiabatic)
    return _TRAINS.events(atoms, flip_angle, duration, phase, sample_time, receiver_phase, table, orders, jacobian)
