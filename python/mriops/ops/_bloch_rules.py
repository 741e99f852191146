"""The Bloch kernels as differentiable ops on packed arrays: families of states, signal and spinor."""

from __future__ import annotations

from mriops._native.bloch_shapes import (
    BLOCH,
    BLOCH_HVP,
    BLOCH_JVP,
    BLOCH_SIGNAL,
    BLOCH_SIGNAL_HVP,
    BLOCH_SIGNAL_JVP,
    BLOCH_SIGNAL_VJP,
    BLOCH_SPINOR,
    BLOCH_SPINOR_HVP,
    BLOCH_SPINOR_JVP,
    BLOCH_SPINOR_VJP,
    BLOCH_VJP,
)

from ._families import define_family

__all__ = ["bloch_signal_op", "bloch_spinor_op", "bloch_states_op"]

_PARAMETERS = "int channels, int axes, bool b1, bool split, int[] record"


#: ``(waveform, spins, magnetization, channels, axes, b1, split, record)`` -> states ``(*batch, records, spins, 3)``.
bloch_states_op = define_family(
    (BLOCH, BLOCH_JVP, BLOCH_VJP, BLOCH_HVP), _PARAMETERS, lambda name: 3 if name.endswith("grad") else 2
)
#: ``(waveform, spins, magnetization, receive, ...)`` -> signal ``(*batch, coils, records)``.
bloch_signal_op = define_family(
    (BLOCH_SIGNAL, BLOCH_SIGNAL_JVP, BLOCH_SIGNAL_VJP, BLOCH_SIGNAL_HVP), _PARAMETERS, lambda name: 2
)
#: ``(waveform, spins, ...)`` -> alpha and beta ``(*batch, spins, 2)``.
bloch_spinor_op = define_family(
    (BLOCH_SPINOR, BLOCH_SPINOR_JVP, BLOCH_SPINOR_VJP, BLOCH_SPINOR_HVP), _PARAMETERS, lambda name: 2
)
