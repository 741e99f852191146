"""Extended phase graphs of two pools that exchange magnetization (EPG-X) on NumPy and CuPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mriops._native.epg_trains import events, kept_orders
from mriops._native.epgx_pack import ATOM_ARGUMENTS, pack_pools
from mriops._native.epgx_shapes import EPGX

from ._call import array_facts, call
from ._epg_words import optional, own, words

__all__ = ["epg_exchange", "epg_mt"]


def _atoms(t1: Any, values: tuple) -> dict[str, Any]:
    """Real arrays of t1's precision, by name."""
    found = {}
    for name, value in zip(ATOM_ARGUMENTS, values, strict=True):
        value = optional(name, value, t1)
        if value is None and name in ("t2", "t1_b", "fraction", "exchange_rate"):
            raise TypeError(f"{name}: expected an array or a number, got None")
        if value is not None:
            facts, here = array_facts(name, value), array_facts("t1", t1)
            if value.dtype.kind in "cb":
                raise TypeError(f"{name}: expected a real dtype, got {facts.dtype}")
            if facts.device != here.device:
                raise ValueError(f"{name}: expected device {here.device} (that of t1), got {facts.device}")
            found[name] = value.astype(t1.dtype, copy=False)
    return found


def _signal(train: tuple, saturation: Any, atoms: tuple, layout: tuple) -> Any:
    t1 = own(atoms[0])
    flip_angle, duration, phase, sample_time, receiver_phase = train
    shift, sample_segment, sample_order, spoil, adiabatic, orders = layout
    say = words(t1)
    times = 0.0 if sample_time is None else sample_time
    made = events(
        *(say, t1, flip_angle, duration, phase, times, receiver_phase),
        *(shift, sample_segment, sample_order, spoil, adiabatic),
    )
    if saturation is not None:
        saturation = say.vector("saturation", saturation, made.flip_angle.shape[0], t1)
    pools = pack_pools(
        say.xp, made, saturation, _atoms(t1, (t1, *atoms[1:])), kept_orders(orders), say.xp.zeros((), dtype=t1.dtype)
    )
    signal = call(EPGX, (pools.pulses, pools.readouts, pools.tissue), pools.parameters)
    return signal.reshape((signal.shape[0], *pools.atoms))


def epg_exchange(
    flip_angle: Any,
    duration: Any,
    t1: Any,
    t2: Any,
    t1_b: Any,
    t2_b: Any,
    fraction: Any,
    exchange_rate: Any,
    off_resonance_b: Any = None,
    b1: Any = None,
    off_resonance: Any = None,
    m0: Any = None,
    phase: Any = None,
    sample_time: Any = None,
    receiver_phase: Any = None,
    *,
    shift: int | Sequence[int] = 1,
    sample_segment: Sequence[int] | None = None,
    sample_order: int | Sequence[int] = 0,
    spoil: Sequence[int] = (),
    adiabatic: Sequence[int] = (),
    orders: int | None = None,
) -> Any:
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
    ndarray
        ``(samples, *atoms)``, complex.

    Raises
    ------
    TypeError
        An argument that is not an array, or not real.
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
    flip_angle: Any,
    duration: Any,
    saturation: Any,
    t1: Any,
    t2: Any,
    t1_b: Any,
    fraction: Any,
    exchange_rate: Any,
    b1: Any = None,
    off_resonance: Any = None,
    m0: Any = None,
    phase: Any = None,
    sample_time: Any = None,
    receiver_phase: Any = None,
    *,
    shift: int | Sequence[int] = 1,
    sample_segment: Sequence[int] | None = None,
    sample_order: int | Sequence[int] = 0,
    spoil: Sequence[int] = (),
    adiabatic: Sequence[int] = (),
    orders: int | None = None,
) -> Any:
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
    ndarray
        ``(samples, *atoms)``, complex.

    Raises
    ------
    TypeError
        An argument that is not an array, or not real.
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
