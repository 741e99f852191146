"""The signals of the pulse trains: written once for torch, for its references and for arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .epg_trains import (
    Words,
    balanced,
    dess,
    dess_shape,
    events,
    fast_spin_echo,
    gradient_echo,
    kept_orders,
    over_profile,
)

__all__ = ["Atoms", "TrainSignals"]


class Atoms(NamedTuple):
    """Arguments that each atom has, as the caller gave them."""

    t1: Any
    t2: Any
    b1: Any = None
    off_resonance: Any = None
    m0: Any = None
    diffusion: Any = None
    gradient_moment: Any = None
    inversion_efficiency: Any = None


@dataclass(frozen=True)
class TrainSignals:
    """What differs between frameworks, and the signal of each train in terms of that.

    Parameters
    ----------
    own
        Checks t1, whose dtype and device are those of the whole call.
    words
        The words of its framework.
    optional
        ``optional(name, value, t1)``: a number as an array, ``None`` stays.
    signal
        ``signal(train, atoms, orders, jacobian, b1_factor=1.0)``; ``atoms`` in the order of :class:`Atoms`.
    """

    own: Callable[[Any], Any]
    words: Callable[[Any], Words]
    optional: Callable[[str, Any, Any], Any]
    signal: Callable[..., Any]

    def gradient_echo(
        self,
        atoms: Atoms,
        flip_angle: Any,
        repetition_time: Any,
        phase: Any,
        echo_time: Any,
        inversion_time: Any,
        orders: int | None,
        jacobian: Sequence[str] | None,
        *,
        spoil: bool = False,
        increment: float | None = None,
    ) -> Any:
        """See :func:`.epg_trains.gradient_echo`."""
        t1 = self.own(atoms.t1)
        train = gradient_echo(
            self.words(t1),
            t1,
            flip_angle,
            repetition_time,
            phase,
            echo_time,
            inversion_time,
            spoil=spoil,
            increment=increment,
            efficiency=atoms.inversion_efficiency,
        )
        return self.signal(train, (t1, *atoms[1:]), kept_orders(orders), jacobian)

    def balanced(
        self,
        atoms: Atoms,
        flip_angle: Any,
        repetition_time: Any,
        echo_time: Any,
        increment: float,
        jacobian: Sequence[str] | None,
    ) -> Any:
        """See :func:`.epg_trains.balanced`."""
        t1 = self.own(atoms.t1)
        train = balanced(self.words(t1), t1, flip_angle, repetition_time, echo_time, increment)
        return self.signal(train, (t1, *atoms[1:]), 0, jacobian)

    def dess(
        self,
        atoms: Atoms,
        flip_angle: Any,
        repetition_time: Any,
        echo_time: Any,
        orders: int | None,
        jacobian: Sequence[str] | None,
    ) -> Any:
        """See :func:`.epg_trains.dess`."""
        t1 = self.own(atoms.t1)
        train = dess(self.words(t1), t1, flip_angle, repetition_time, echo_time)
        signal = self.signal(train, (t1, *atoms[1:]), kept_orders(orders), jacobian)
        return signal.reshape(dess_shape(signal.shape, jacobian))

    def fast_spin_echo(
        self,
        atoms: Atoms,
        flip_angle: Any,
        phase: Any,
        echo_spacing: Any,
        excitation: Any,
        slice_profile: Sequence[float] | None,
        slice_weights: Sequence[float] | None,
        orders: int | None,
        jacobian: Sequence[str] | None,
    ) -> Any:
        """See :func:`.epg_trains.fast_spin_echo`."""
        t1 = self.own(atoms.t1)
        real = phase is None and atoms.off_resonance is None
        train = fast_spin_echo(self.words(t1), t1, flip_angle, phase, echo_spacing, excitation, real)
        kept = kept_orders(orders, odd=True)
        return over_profile(
            lambda b1, factor: self.signal(train, (t1, atoms.t2, b1, *atoms[3:]), kept, jacobian, factor),
            self.optional("b1", atoms.b1, t1),
            slice_profile,
            slice_weights,
        )

    def events(
        self,
        atoms: Atoms,
        flip_angle: Any,
        duration: Any,
        phase: Any,
        sample_time: Any,
        receiver_phase: Any,
        table: tuple[Any, ...],
        orders: int | None,
        jacobian: Sequence[str] | None,
    ) -> Any:
        """See :func:`.epg_trains.events`; ``table`` is what it takes from ``shift`` on."""
        t1 = self.own(atoms.t1)
        time = 0.0 if sample_time is None else sample_time
        train = events(self.words(t1), t1, flip_angle, duration, phase, time, receiver_phase, *table)
        return self.signal(train, (t1, *atoms[1:]), kept_orders(orders), jacobian)
