"""Extended phase graphs: signals of echo trains and of any table of pulses, with all derivatives."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from mriops._native.epg_signals import Atoms

from ._epg_rules import TRAINS

__all__ = ["epg", "epg_fse"]


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
    """Echoes of a fast spin-echo train (CPMG) with any refocusing angles.

    The excitation is 90 degrees from the axis of the refocusing pulses (Carr-Purcell-Meiboom-Gill), and equal gradients
    before and after each of them dephase by one order each: echoes come from odd orders alone. Without ``phase`` and
    ``off_resonance`` the signal is real, positive for perfect refocusing, and is computed in real numbers.

    Parameters
    ----------
    flip_angle
        Refocusing angles ``(echoes,)`` [rad].
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
        Of the refocusing pulses, ``(echoes,)`` [rad], where the excitation has -pi/2.
    echo_spacing
        From echo to echo [s], a number.
    excitation
        Its flip angle [rad].
    slice_profile
        Flip angles across the slice relative to the nominal ones, a sequence of numbers; the signal is the weighted
        sum.
    slice_weights
        Of the parts of the profile; equal, with sum 1, where ``None``.
    diffusion
        Coefficient, not negative, ``(*atoms)`` [m^2/s]; no diffusion where ``None``. Gradients are taken as
        constant from pulse to pulse: going from order k to l in t damps by
        ``exp(-diffusion gradient_moment^2 t (k^2 + k l + l^2) / 3)``.
    gradient_moment
        Phase per distance of one order, by which the gradient of half an echo spacing dephases, a number [rad/m].
    orders
        Dephasing orders kept, 0 to ``orders - 1``. ``None`` keeps, for each block of atoms, those whose echoes have not
        decayed below 1e-4 when they come back, ``exp(-orders echo_spacing / t2)``, and never more than can be seen.
    jacobian
        Names of arguments of atoms to differentiate for, such as ``("t1", "t2", "b1")``: signal and derivatives come
        from one sweep, stacked ``[s, ds/dt1, ds/dt2, ds/db1]``. They are differentiable in reverse mode.

    Returns
    -------
    Tensor
        ``(echoes, *atoms)``, real; complex where ``phase`` or ``off_resonance`` is given. With ``jacobian``
        ``(1 + derivatives, echoes, *atoms)``.

    Raises
    ------
    TypeError
        An argument that is not a tensor, or not real.
    ValueError
        An empty train, lengths or shapes that do not fit.

    Warns
    -----
    UserWarning
        An angle larger than 4 pi: degrees, most likely.

    References
    ----------
    Hennig J. Multiecho imaging sequences with low refocusing flip angles. J Magn Reson 1988;78:397-407.
    Lebel RM, Wilman AH. Transverse relaxometry with stimulated echo compensation. Magn Reson Med 2010;64:1005-1014.
    """
    atoms = Atoms(t1, t2, b1, off_resonance, m0, diffusion, gradient_moment)
    return TRAINS.fast_spin_echo(
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
    """Signal of an arbitrary train of pulses, as a table of segments: pulse, free precession, samples.

    With the states ``F_k`` (which multiplies ``exp(i k theta)``) and ``Z_k``, and rotations clockwise, a pulse of angle
    ``a = flip_angle b1`` about the axis at ``phase`` p is::

        F_k <- cos^2(a/2) F_k + e^{2ip} sin^2(a/2) conj(F_-k) + i e^{ip} sin(a) Z_k
        Z_k <- cos(a) Z_k + (i/2) sin(a) (e^{-ip} F_k - e^{ip} conj(F_-k))

    and the rest of the segment ``F_k <- exp(-duration / t2 - 2 pi i off_resonance duration) F_{k-shift}``,
    ``Z_k <- 1_{k=0} + exp(-duration / t1) (Z_k - 1_{k=0})``. A sample is ``m0 F_0 exp(-i receiver_phase)`` at
    ``sample_time`` after the pulse, when the gradient has moved ``sample_order`` orders.

    Parameters
    ----------
    flip_angle
        ``(segments,)`` [rad].
    duration
        From pulse to pulse, a number or ``(segments,)`` [s].
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
        Of the pulses, ``(segments,)`` [rad].
    sample_time
        From the pulse before it, a number or ``(samples,)`` [s]; 0 where ``None``.
    receiver_phase
        A number or ``(samples,)`` [rad].
    shift
        Orders by which the gradients of a segment dephase: an integer or one per segment.
    sample_segment
        Segment of each sample, ascending; one sample in every segment where ``None``.
    sample_order
        Orders by which they have dephased when the sample is taken: an integer or one per sample.
    spoil
        Segments that nothing transverse outlives.
    adiabatic
        Segments whose flip angle b1 does not scale.
    diffusion
        Coefficient, not negative, ``(*atoms)`` [m^2/s]; no diffusion where ``None``. Gradients are taken as
        constant from pulse to pulse: going from order k to l in t damps by
        ``exp(-diffusion gradient_moment^2 t (k^2 + k l + l^2) / 3)``.
    gradient_moment
        Phase per distance of one order, a number [rad/m].
    orders
        Dephasing orders kept, 0 to ``orders - 1``. ``None`` keeps, for each block of atoms, those whose echoes have not
        decayed below 1e-4 when they come back, ``exp(-2 orders TR / t2)``, and never more than can be seen.
    jacobian
        Names of arguments of atoms to differentiate for, such as ``("t1", "t2", "b1")``: signal and derivatives come
        from one sweep, stacked ``[s, ds/dt1, ds/dt2, ds/db1]``. They are differentiable in reverse mode.

    Returns
    -------
    Tensor
        ``(samples, *atoms)``, complex; ``(1 + derivatives, samples, *atoms)`` with ``jacobian``.

    Raises
    ------
    TypeError
        An argument that is not a tensor, or not real.
    ValueError
        An empty train, lengths or shapes that do not fit, segments that do not exist.

    Warns
    -----
    UserWarning
        An angle larger than 4 pi: degrees, most likely.

    References
    ----------
    Weigel M. Extended phase graphs: dephasing, RF pulses, and echoes - pure and simple. J Magn Reson Imaging
    2015;41:266-295.
    """
    atoms = Atoms(t1, t2, b1, off_resonance, m0, diffusion, gradient_moment)
    table = (shift, sample_segment, sample_order, spoil, adiabatic)
    return TRAINS.events(atoms, flip_angle, duration, phase, sample_time, receiver_phase, table, orders, jacobian)
