"""The Bloch-McConnell kernels as differentiable ops on packed arrays."""

from __future__ import annotations

from mriops._native.bloch_exchange_shapes import (
    BLOCH_EXCHANGE,
    BLOCH_EXCHANGE_HVP,
    BLOCH_EXCHANGE_JVP,
    BLOCH_EXCHANGE_VJP,
)

from ._families import define_family

__all__ = ["bloch_exchange_op"]

#: ``(waveform, spins, magnetization, channels, axes, b1, record)`` -> states ``(*batch, records, spins, 6)``.
bloch_exchange_op = define_family(
    (BLOCH_EXCHANGE, BLOCH_EXCHANGE_JVP, BLOCH_EXCHANGE_VJP, BLOCH_EXCHANGE_HVP),
    "int channels, int axes, bool b1, int[] record",
    lambda name: 3 if name.endswith("grad") else 2,
)
