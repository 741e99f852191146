"""The pulse trains of :mod:`mriops.ops.epg`, by their definition."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from mriops._native.epg_trains import (
    balanced,
    dess,
    dess_shape,
    events,
    fast_spin_echo,
    gradient_echo,
    kept_orders,
    over_profile,
)
from mriops.ops._epg_words import TorchWords, optional, own, signal_of

from .epg import jacobian as reference_jacobian, train as reference_train

__all__ = ["epg", "epg_bssfp", "epg_dess", "epg_fisp", "epg_fse", "epg_spgr"]

_CALLS = (reference_train, reference_jacobian)


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
    t1 = own(t1)
    train = gradient_echo(
        TorchWords(), t1, flip_angle, repetition_time, phase, echo_time, inversion_time, efficiency=inversion_efficiency
    )
    return signal_of(
        train,
        t1,
        t2,
        b1,
        off_resonance,
        m0,
        kept_orders(orders),
        calls=_CALLS,
        jacobian=jacobian,
        diffusion=diffusion,
        gradient_moment=gradient_moment,
        inversion_efficiency=inversion_efficiency,
    )


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
    t1 = own(t1)
    train = gradient_echo(
        TorchWords(),
        t1,
        flip_angle,
        repetition_time,
        None,
        echo_time,
        inversion_time,
        spoil=phase_increment is None,
        increment=phase_increment,
        efficiency=inversion_efficiency,
    )
    return signal_of(
        train,
        t1,
        t2,
        b1,
        off_resonance,
        m0,
        kept_orders(orders),
        calls=_CALLS,
        jacobian=jacobian,
        diffusion=diffusion,
        gradient_moment=gradient_moment,
        inversion_efficiency=inversion_efficiency,
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
    t1 = own(t1)
    train = balanced(TorchWords(), t1, flip_angle, repetition_time, echo_time, phase_increment)
    return signal_of(train, t1, t2, b1, off_resonance, m0, 0, calls=_CALLS, jacobian=jacobian)


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
    t1 = own(t1)
    train = dess(TorchWords(), t1, flip_angle, repetition_time, echo_time)
    signal = signal_of(
        train,
        t1,
        t2,
        b1,
        off_resonance,
        m0,
        kept_orders(orders),
        calls=_CALLS,
        jacobian=jacobian,
        diffusion=diffusion,
        gradient_moment=gradient_moment,
    )
    return signal.reshape(dess_shape(signal.shape, jacobian))


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
    t1 = own(t1)
    train = fast_spin_echo(
        TorchWords(), t1, flip_angle, phase, echo_spacing, excitation, phase is None and off_resonance is None
    )
    return over_profile(
        lambda value, factor: signal_of(
            train,
            t1,
            t2,
            value,
            off_resonance,
            m0,
            kept_orders(orders, odd=True),
            calls=_CALLS,
            jacobian=jacobian,
            diffusion=diffusion,
            gradient_moment=gradient_moment,
            b1_factor=factor,
        ),
        optional(b1, t1),
        slice_profile,
        slice_weights,
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
    t1 = own(t1)
    train = events(
        TorchWords(),
        t1,
        flip_angle,
        duration,
        phase,
        0.0 if sample_time is None else sample_time,
        receiver_phase,
        shift,
        sample_segment,
        sample_order,
        spoil,
        adiabatic,
    )
    return signal_of(
        train,
        t1,
        t2,
        b1,
        off_resonance,
        m0,
        kept_orders(orders),
        calls=_CALLS,
        jacobian=jacobian,
        diffusion=diffusion,
        gradient_moment=gradient_moment,
    )
