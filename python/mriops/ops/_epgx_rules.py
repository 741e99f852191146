"""The kernels of two-pool extended phase graphs as differentiable ops on packed arrays."""

from __future__ import annotations

from mriops._native.epgx_shapes import EPGX, EPGX_HVP, EPGX_JVP, EPGX_VJP

from ._families import define_family

__all__ = ["epgx_op"]

#: ``(pulses, readouts, tissue, program, orders, transverse, real)`` -> signal ``(*batch, samples, atoms)``.
epgx_op = define_family(
    (EPGX, EPGX_JVP, EPGX_VJP, EPGX_HVP), "int[] program, int orders, bool transverse, bool real", lambda name: 2
)
