"""Shape rules of the Bloch simulation of two pools, on packed arrays; see ``csrc/spins/bloch_exchange.h``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import nan, prod
from typing import Any

from .batches import Array, broadcast, once_or_each
from .bloch_pack import pack_waveform
from .bloch_shapes import POOL_ARGUMENTS, BlochLayout, bloch_layout, check_record
from .dtypes import DTYPE_CODE
from .plan import Facts, NativeOp, Output, Plan
from .relaxation import relaxation_rate

__all__ = [
    "BLOCH_EXCHANGE",
    "BLOCH_EXCHANGE_HVP",
    "BLOCH_EXCHANGE_JVP",
    "BLOCH_EXCHANGE_VJP",
    "EXCHANGE_ARGUMENTS",
    "pack_exchange",
]

#: The physical arguments, in the order of the public functions.
EXCHANGE_ARGUMENTS = (
    *("rf", "gradient", "dt", "position", "t1", "t2"),
    *POOL_ARGUMENTS,
    *("off_resonance", "b1", "magnetization", "velocity"),
)
_ROWS = 9  # of `spins`, before b1 and position
_INPUTS = ("waveform", "spins", "magnetization")


def _rule(names: tuple[str, ...], gradients: bool) -> Callable[..., Plan]:
    """Rule of one native function, whose arrays are ``names``."""

    def rule(*given: Any) -> Plan:
        arrays: tuple[Facts, ...] = given[: len(names)]
        channels, axes, b1, record = given[len(names) :]
        ranks = [3 if name.endswith("grad") else 2 for name in names]
        steps, spins = arrays[0].shape[-1], arrays[1].shape[-1]
        cores = {
            "waveform": (2 * channels + axes + 1, steps),
            "spins": (_ROWS + (2 * channels if b1 else 0) + axes, spins),
            "magnetization": (spins, 6),
            "grad": (len(record), spins, 6),
        }
        batches = {}
        for name, fact, rank in zip(names, arrays, ranks, strict=True):
            batches[name] = tuple(fact.shape[: len(fact.shape) - rank])
            expected = cores[name.removeprefix("d_")]
            if tuple(fact.shape[len(batches[name]) :]) != expected:
                raise ValueError(f"{name}: expected axes {expected} after the batch, got shape {tuple(fact.shape)}")
        batch = broadcast([Array(name, own, cores[name.removeprefix("d_")]) for name, own in batches.items()])
        own, layouts = once_or_each(batches, batch, cores, _INPUTS)
        dtype, count = arrays[0].dtype, prod(batch)
        wanted = _INPUTS if gradients else ("grad",)
        return Plan(
            outputs=tuple(Output((*batch, *cores[name]), dtype) for name in wanted),
            arguments=(count, spins, steps, channels, axes, bool(b1), own, tuple(record), DTYPE_CODE[dtype]),
            layouts=layouts,
            zero=count == 0,
        )

    return rule


def _native(suffix: str, names: tuple[str, ...]) -> NativeOp:
    return NativeOp("bloch_exchange" + suffix, dict.fromkeys(names, "real"), _rule(names, suffix in ("_vjp", "_hvp")))


_TANGENTS = tuple("d_" + name for name in _INPUTS)
BLOCH_EXCHANGE = _native("", _INPUTS)
BLOCH_EXCHANGE_JVP = _native("_jvp", (*_INPUTS, *_TANGENTS))
BLOCH_EXCHANGE_VJP = _native("_vjp", (*_INPUTS, "grad"))
BLOCH_EXCHANGE_HVP = _native("_hvp", (*_INPUTS, "grad", *_TANGENTS, "d_grad"))


def _pack_spins(xp: Any, arrays: Mapping[str, Any], layout: BlochLayout, zero: Any, channel_axis: bool) -> Any:
    def row(value: Any) -> Any:
        return value.reshape(1, 1) if value.ndim == 0 else value[..., None, :]

    def given(name: str) -> Any:
        return row(zero if arrays[name] is None else arrays[name])

    def rate(name: str) -> Any:
        return row(zero if arrays[name] is None else relaxation_rate(xp, arrays[name], zero))

    fraction, exchange = given("fraction"), given("exchange_rate")
    exchange = exchange + xp.where(exchange >= 0, zero, zero + nan)  # its gradient is NaN too
    rows = [*(rate(name) for name in ("t1", "t2", "t1_b", "t2_b")), exchange * fraction, exchange * (1 - fraction)]
    rows += [fraction, given("off_resonance"), given("off_resonance_b")]
    b1 = arrays["b1"]
    if b1 is not None:
        b1 = b1 if channel_axis else b1[..., None, :]
        rows += [b1.real, b1.imag]
    rows += [arrays[name].swapaxes(-1, -2) for name in ("position", "velocity") if arrays[name] is not None]
    spread = [xp.broadcast_to(r, (*layout.spin_batch, r.shape[-2], layout.spins)) for r in rows]
    return xp.concatenate(spread, axis=-2)


def pack_exchange(
    xp: Any,
    arrays: Mapping[str, Any],
    zero: Any,
    record: Any,
    accumulate: Callable[[Any], Any],
    *,
    multi_transmit: bool,
    gamma: float,
) -> tuple[Any, Any, Any, tuple]:
    """The arrays and parameters of the kernels from the physical arguments.

    Parameters
    ----------
    xp
        Array framework.
    arrays
        By name, as :data:`EXCHANGE_ARGUMENTS`; ``None`` for an absent one.
    zero
        A real array of shape ().
    record
        As the public functions take it.
    accumulate
        As :func:`mriops._native.bloch_pack.pack_waveform`.
    multi_transmit
        Whether rf and b1 have an axis of channels.
    gamma
        Gyromagnetic ratio [Hz/T].

    Returns
    -------
    tuple
        Waveform, spins, magnetization ``(*batch, spins, 6)``, and ``(channels, axes, b1, record)``.

    Raises
    ------
    ValueError, TypeError
        Shapes that do not fit; see :func:`mriops._native.bloch_shapes.bloch_layout`.
    """
    start = arrays["magnetization"]
    shapes = {name: None if value is None else tuple(value.shape) for name, value in arrays.items()}
    if start is not None:
        if start.ndim < 3 or tuple(start.shape[-2:]) != (2, 3):
            raise ValueError(
                f"magnetization: expected shape (*batch, spins, 2, 3) (pools; Mx, My, Mz), got {tuple(start.shape)}"
            )
        shapes["magnetization"] = (*start.shape[:-2], 3)
    layout = bloch_layout(shapes, multi_transmit=multi_transmit, gamma=gamma)
    spins = _pack_spins(xp, arrays, layout, zero, multi_transmit)
    if start is None:  # equilibrium
        fraction = spins[..., 6, :]
        none = fraction * 0
        start = xp.stack([none, none, 1 - fraction, none, none, fraction], -1)
    else:
        start = start.reshape((*start.shape[:-2], 6))
        start = xp.broadcast_to(start, (*start.shape[:-2], layout.spins, 6))
    waveform = pack_waveform(xp, arrays, layout, accumulate, channel_axis=multi_transmit, gamma=gamma)
    parameters = (layout.channels, layout.axes, arrays["b1"] is not None, check_record(record, layout.steps))
    return waveform, spins, start, parameters
