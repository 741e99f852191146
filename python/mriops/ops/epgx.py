"""Extended phase graphs of two pools that exchange magnetization (EPG-X), under any table of pulses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ._epgx_rules import epgx_op
from ._epgx_words import packed

__all__ = ["epg_exchange", "epg_mt"]


def _signal(train: tuple, saturation: Any, atoms: tuple, layout: tuple) -> Tensor:
    call = packed(train, saturation, atoms, layout)
    signal = epgx_op(call.pulses, call.readouts, call.tissue, *call.parameters)
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
    """Signal of two pools of spins that exchange magnetization, under an arbitrary train of pulses (EPG-X).

    Both pools have all states of :func:`epg` and are turned by the same pulses. Between pulses, with the equilibrium
    ``M_a = 1 - fraction``, ``M_b = fraction`` and the rates ``k_ab = exchange_rate fraction`` (what leaves a for b) and
    ``k_ba = exchange_rate (1 - fraction)``::

        dF_a/dt = -(1/t2 + k_ab) F_a + k_ba F_b - 2 pi i off_resonance F_a
        dF_b/dt = -(1/t2_b + k_ba) F_b + k_ab F_a - 2 pi i (off_resonance + off_resonance_b) F_b
        dZ_a/dt = -(1/t1 + k_ab) Z_a + k_ba Z_b + M_a/t1 at order 0,   dZ_b/dt likewise

    is solved exactly, by 2 x 2 matrix exponentials in closed form that are as accurate where eigenvalues meet and for
    fast exchange. A sample is ``m0 (F_a + F_b) exp(-i receiver_phase)`` at ``sample_time`` after the pulse, when the
    gradient has moved ``sample_order`` orders.

    Parameters
    ----------
    flip_angle
        ``(segments,)`` [rad].
    duration
        From pulse to pulse, a number or ``(segments,)`` [s].
    t1, t2
        Relaxation times of pool a without exchange [s], ``(*atoms)``. All arguments of atoms broadcast. Infinity means
        no relaxation, zero relaxes at once (below 1e-8 s is taken as that), and what is negative or NaN makes its atom
        NaN, and no other one, gradients included.
    t1_b, t2_b
        Those of pool b.
    fraction
        Share of pool b in the equilibrium magnetization, ``(*atoms)``. Values outside 0 to 1 are continued smoothly,
        for the sake of fits on their way.
    exchange_rate
        ``k_ab + k_ba`` [1/s], ``(*atoms)``; a negative one makes its atom NaN.
    off_resonance_b
        Chemical shift of pool b against pool a, ``(*atoms)`` [Hz].
    b1
        Factor on every flip angle, ``(*atoms)``.
    off_resonance
        Of both pools, ``(*atoms)`` [Hz].
    m0
        Equilibrium magnetization of both pools together, real, ``(*atoms)``.
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
    orders
        Dephasing orders kept, 0 to ``orders - 1``. ``None`` keeps, for each block of atoms, those whose echoes have not
        decayed below 1e-4 when they come back, ``exp(-2 orders TR / t2)``, and never more than can be seen.

    Returns
    -------
    Tensor
        ``(samples, *atoms)``, complex. Every tensor has derivatives up to the second order.

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
    Malik SJ, Teixeira RPAG, Hajnal JV. Extended phase graph formalism for systems with magnetization transfer and
    exchange. Magn Reson Med 2018;80:767-779.
    """
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
    """Signal of free spins that exchange magnetization with bound ones, under any train of pulses (EPG-X(MT)).

    Pool a, the free water, has all states of :func:`epg`. Pool b, the macromolecules, decays too fast to have
    transverse states: a pulse multiplies its longitudinal states by ``exp(-saturation b1^2)``. Between pulses, with the
    equilibrium ``M_a = 1 - fraction``, ``M_b = fraction`` and the rates ``k_ab = exchange_rate fraction`` (what leaves
    a for b) and ``k_ba = exchange_rate (1 - fraction)``::

        F_a <- exp(-duration / t2 - 2 pi i off_resonance duration) F_a
        dZ_a/dt = -(1/t1 + k_ab) Z_a + k_ba Z_b + M_a/t1 at order 0,   dZ_b/dt likewise

    of which the second is solved exactly, by a 2 x 2 matrix exponential in closed form that is as accurate where
    eigenvalues meet and for fast exchange. A sample is ``m0 F_a exp(-i receiver_phase)`` at ``sample_time`` after the
    pulse, when the gradient has moved ``sample_order`` orders.

    Parameters
    ----------
    flip_angle
        Of pool a, ``(segments,)`` [rad].
    duration
        From pulse to pulse, a number or ``(segments,)`` [s].
    saturation
        What each pulse does to pool b, a number or ``(segments,)``: the time integral ``W T`` of the rate of saturation
        ``W = pi gamma^2 <B1^2> G(f)`` [1/s], with gamma in [rad/(s T)], 2 pi times ``trajectories.GAMMA``,
        the mean square ``<B1^2>`` [T^2] of the pulse of duration T, and the lineshape ``G`` [s] of the bound pool at
        the pulse's offset.
    t1, t2
        Relaxation times of pool a [s], ``(*atoms)``: t2 is the one observed, with what exchange adds to it. All
        arguments of atoms broadcast. Infinity means no relaxation, zero relaxes at once (below 1e-8 s is taken as
        that), and what is negative or NaN makes its atom NaN, and no other one, gradients included.
    t1_b
        Longitudinal relaxation time of pool b [s], ``(*atoms)``.
    fraction
        Share of pool b in the equilibrium magnetization, ``(*atoms)``. Values outside 0 to 1 are continued smoothly,
        for the sake of fits on their way.
    exchange_rate
        ``k_ab + k_ba`` [1/s], ``(*atoms)``; a negative one makes its atom NaN.
    b1
        Factor on every flip angle, and its square on every saturation, ``(*atoms)``.
    off_resonance
        ``(*atoms)`` [Hz].
    m0
        Equilibrium magnetization of both pools together, real, ``(*atoms)``.
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
        Segments whose flip angle and saturation b1 does not scale.
    orders
        Dephasing orders kept, 0 to ``orders - 1``. ``None`` keeps, for each block of atoms, those whose echoes have not
        decayed below 1e-4 when they come back, ``exp(-2 orders TR / t2)``, and never more than can be seen.

    Returns
    -------
    Tensor
        ``(samples, *atoms)``, complex. Every tensor has derivatives up to the second order.

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
    Malik SJ, Teixeira RPAG, Hajnal JV. Extended phase graph formalism for systems with magnetization transfer and
    exchange. Magn Reson Med 2018;80:767-779.
    """
    atoms = (t1, t2, t1_b, None, fraction, exchange_rate, None, b1, off_resonance, m0)
    train = (flip_angle, duration, phase, sample_time, receiver_phase)
    return _signal(train, saturation, atoms, (shift, sample_segment, sample_order, spoil, adiabatic, orders))
