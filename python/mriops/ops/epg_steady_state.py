"""Extended phase graphs of gradient-echo trains on their way to a steady state: FISP, SPGR, bSSFP, DESS."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from mriops._native.epg_signals import Atoms

from ._epg_rules import TRAINS

__all__ = ["epg_bssfp", "epg_dess", "epg_fisp", "epg_spgr"]


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
    """Unbalanced steady-state train (FISP, MRF): every repetition is pulse, echo, and a gradient that shifts by one.

    The sample of repetition n is ``m0 F_0 exp(-echo_time / t2 - 2 pi i off_resonance echo_time - i phase_n)``, taken
    from the states after pulse n (see :func:`epg` for those). The receiver follows the phase of the pulse.

    Parameters
    ----------
    flip_angle
        ``(pulses,)`` [rad].
    repetition_time
        A number or ``(pulses,)`` [s].
    t1, t2
        Relaxation times [s], ``(*atoms)``. The precision is that of ``t1``, to which all else is converted. All
        arguments of atoms broadcast. Infinity means no relaxation, zero relaxes at once (below 1e-8 s is taken as
        that), and what is negative or NaN makes its atom NaN, and no other one, gradients included.
    b1
        Factor on every flip angle, ``(*atoms)``.
    off_resonance
        ``(*atoms)`` [Hz].
    m0
        Equilibrium magnetization, real, ``(*atoms)``.
    phase
        Phase of the pulses, ``(pulses,)`` [rad]; 0 where absent.
    echo_time
        From pulse to sample, a number or ``(pulses,)`` [s].
    inversion_time
        Time from an adiabatic inversion with perfect spoiling to the first pulse [s]; no inversion where ``None``.
    inversion_efficiency
        How much of m0 the inversion turns over, ``(*atoms)``; 1, all of it, where ``None``. Not scaled by b1.
    diffusion
        Coefficient, not negative, ``(*atoms)`` [m^2/s]; no diffusion where ``None``. Gradients are taken as
        constant from pulse to pulse: going from order k to l in t damps by
        ``exp(-diffusion gradient_moment^2 t (k^2 + k l + l^2) / 3)``.
    gradient_moment
        Phase per distance of one order, by which the gradient of a repetition dephases, a number [rad/m].
    orders
        Dephasing orders kept, 0 to ``orders - 1``. ``None`` keeps, for each block of atoms, those whose echoes have not
        decayed below 1e-4 when they come back, ``exp(-2 orders TR / t2)``, and never more than can be seen.
    jacobian
        Names of arguments of atoms to differentiate for, such as ``("t1", "t2", "b1")``: signal and derivatives come
        from one sweep, stacked ``[s, ds/dt1, ds/dt2, ds/db1]``. They are differentiable in reverse mode.

    Returns
    -------
    Tensor
        ``(pulses, *atoms)``, complex; ``(1 + derivatives, pulses, *atoms)`` with ``jacobian``.
        Derivatives exist for every tensor argument, times included.

    Raises
    ------
    TypeError
        An argument that is not a tensor, or not real.
    ValueError
        An empty train, lengths or shapes that do not fit, an echo later than the next pulse.

    Warns
    -----
    UserWarning
        An angle larger than 4 pi: degrees, most likely.

    References
    ----------
    Weigel M. Extended phase graphs: dephasing, RF pulses, and echoes - pure and simple. J Magn Reson Imaging
    2015;41:266-295.
    Jiang Y, et al. MR fingerprinting using fast imaging with steady state precession (FISP) with spiral readout. Magn
    Reson Med 2015;74:1621-1631.
    """
    atoms = Atoms(t1, t2, b1, off_resonance, m0, diffusion, gradient_moment, inversion_efficiency)
    return TRAINS.gradient_echo(atoms, flip_angle, repetition_time, phase, echo_time, inversion_time, orders, jacobian)


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
    """Spoiled gradient-echo train (SPGR, FLASH): :func:`epg_fisp` whose RF phase grows quadratically.

    Pulse n has the phase ``phase_increment n (n + 1) / 2``, and the receiver follows. Without an increment nothing
    transverse outlives a repetition: perfect spoiling, which tends to Ernst's formula.

    Parameters
    ----------
    flip_angle
        ``(pulses,)`` [rad].
    repetition_time
        A number or ``(pulses,)`` [s].
    t1, t2
        Relaxation times [s], ``(*atoms)``. The precision is that of ``t1``, to which all else is converted. All
        arguments of atoms broadcast. Infinity means no relaxation, zero relaxes at once (below 1e-8 s is taken as
        that), and what is negative or NaN makes its atom NaN, and no other one, gradients included.
    b1
        Factor on every flip angle, ``(*atoms)``.
    off_resonance
        ``(*atoms)`` [Hz].
    m0
        Equilibrium magnetization, real, ``(*atoms)``.
    echo_time
        From pulse to sample, a number or ``(pulses,)`` [s].
    phase_increment
        Of the RF spoiling [rad], a plain number; ``None`` for perfect spoiling.
    inversion_time
        Time from an adiabatic inversion with perfect spoiling to the first pulse [s]; no inversion where ``None``.
    inversion_efficiency
        How much of m0 the inversion turns over, ``(*atoms)``; 1, all of it, where ``None``. Not scaled by b1.
    diffusion
        Coefficient, not negative, ``(*atoms)`` [m^2/s]; no diffusion where ``None``. Gradients are taken as
        constant from pulse to pulse: going from order k to l in t damps by
        ``exp(-diffusion gradient_moment^2 t (k^2 + k l + l^2) / 3)``.
    gradient_moment
        Phase per distance of one order, by which the gradient of a repetition dephases, a number [rad/m].
    orders
        Dephasing orders kept, 0 to ``orders - 1``. ``None`` keeps, for each block of atoms, those whose echoes have not
        decayed below 1e-4 when they come back, ``exp(-2 orders TR / t2)``, and never more than can be seen.
    jacobian
        Names of arguments of atoms to differentiate for, such as ``("t1", "t2", "b1")``: signal and derivatives come
        from one sweep, stacked ``[s, ds/dt1, ds/dt2, ds/db1]``. They are differentiable in reverse mode.

    Returns
    -------
    Tensor
        ``(pulses, *atoms)``, complex; ``(1 + derivatives, pulses, *atoms)`` with ``jacobian``.

    Raises
    ------
    TypeError
        An argument that is not a tensor, or not real.
    ValueError
        An empty train, lengths or shapes that do not fit, an echo later than the next pulse.

    Warns
    -----
    UserWarning
        An angle larger than 4 pi: degrees, most likely.

    References
    ----------
    Zur Y, Wood ML, Neuringer LJ. Spoiling of transverse magnetization in steady-state sequences. Magn Reson Med
    1991;21:251-263.
    """
    atoms = Atoms(t1, t2, b1, off_resonance, m0, diffusion, gradient_moment, inversion_efficiency)
    return TRAINS.gradient_echo(
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
    """Balanced steady-state train (bSSFP, TrueFISP): no gradient is left over, so that one order is all there is.

    Pulse n has the phase ``n phase_increment``, and the receiver follows.

    Parameters
    ----------
    flip_angle
        ``(pulses,)`` [rad].
    repetition_time
        A number or ``(pulses,)`` [s].
    t1, t2
        Relaxation times [s], ``(*atoms)``. The precision is that of ``t1``, to which all else is converted. All
        arguments of atoms broadcast. Infinity means no relaxation, zero relaxes at once (below 1e-8 s is taken as
        that), and what is negative or NaN makes its atom NaN, and no other one, gradients included.
    b1
        Factor on every flip angle, ``(*atoms)``.
    off_resonance
        ``(*atoms)`` [Hz].
    m0
        Equilibrium magnetization, real, ``(*atoms)``.
    echo_time
        From pulse to sample, a number or ``(pulses,)`` [s]; half the repetition time where ``None``.
    phase_increment
        From pulse to pulse [rad], a plain number.
    jacobian
        Names of arguments of atoms to differentiate for, such as ``("t1", "t2", "b1")``: signal and derivatives come
        from one sweep, stacked ``[s, ds/dt1, ds/dt2, ds/db1]``. They are differentiable in reverse mode.

    Returns
    -------
    Tensor
        ``(pulses, *atoms)``, complex; ``(1 + derivatives, pulses, *atoms)`` with ``jacobian``.

    Raises
    ------
    TypeError
        An argument that is not a tensor, or not real.
    ValueError
        An empty train, lengths or shapes that do not fit, an echo later than the next pulse.

    Warns
    -----
    UserWarning
        An angle larger than 4 pi: degrees, most likely.

    References
    ----------
    Freeman R, Hill HDW. Phase and intensity anomalies in Fourier transform NMR. J Magn Reson 1971;4:366-383.
    """
    atoms = Atoms(t1, t2, b1, off_resonance, m0)
    return TRAINS.balanced(atoms, flip_angle, repetition_time, echo_time, phase_increment, jacobian)


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
    """Double-echo steady-state train (DESS): the FID after each pulse, and the echo before the next.

    The FID is sampled ``echo_time`` after the pulse, the echo ``echo_time`` before the next one, behind the gradient.

    Parameters
    ----------
    flip_angle
        ``(pulses,)`` [rad].
    repetition_time
        A number or ``(pulses,)`` [s].
    t1, t2
        Relaxation times [s], ``(*atoms)``. The precision is that of ``t1``, to which all else is converted. All
        arguments of atoms broadcast. Infinity means no relaxation, zero relaxes at once (below 1e-8 s is taken as
        that), and what is negative or NaN makes its atom NaN, and no other one, gradients included.
    b1
        Factor on every flip angle, ``(*atoms)``.
    off_resonance
        ``(*atoms)`` [Hz].
    m0
        Equilibrium magnetization, real, ``(*atoms)``.
    echo_time
        From pulse to FID and from echo to pulse, a number or ``(pulses,)`` [s].
    diffusion
        Coefficient, not negative, ``(*atoms)`` [m^2/s]; no diffusion where ``None``. Gradients are taken as
        constant from pulse to pulse: going from order k to l in t damps by
        ``exp(-diffusion gradient_moment^2 t (k^2 + k l + l^2) / 3)``.
    gradient_moment
        Phase per distance of one order, by which the gradient of a repetition dephases, a number [rad/m].
    orders
        Dephasing orders kept, 0 to ``orders - 1``. ``None`` keeps, for each block of atoms, those whose echoes have not
        decayed below 1e-4 when they come back, ``exp(-2 orders TR / t2)``, and never more than can be seen.
    jacobian
        Names of arguments of atoms to differentiate for, such as ``("t1", "t2", "b1")``: signal and derivatives come
        from one sweep, stacked ``[s, ds/dt1, ds/dt2, ds/db1]``. They are differentiable in reverse mode.

    Returns
    -------
    Tensor
        ``(pulses, 2, *atoms)``, complex: FID and echo; ``(1 + derivatives, pulses, 2, *atoms)`` with ``jacobian``.

    Raises
    ------
    TypeError
        An argument that is not a tensor, or not real.
    ValueError
        An empty train, lengths or shapes that do not fit, an echo later than the next pulse.

    Warns
    -----
    UserWarning
        An angle larger than 4 pi: degrees, most likely.

    References
    ----------
    Bruder H, Fischer H, Graumann R, Deimling M. A new steady-state imaging sequence for simultaneous acquisition of two
    MR images with clearly different contrasts. Magn Reson Med 1988;7:35-42.
    """
    atoms = Atoms(t1, t2, b1, off_resonance, m0, diffusion, gradient_moment)
    return TRAINS.dess(atoms, flip_angle, repetition_time, echo_time, orders, jacobian)
