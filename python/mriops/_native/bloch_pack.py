"""Packs the physical arguments of a Bloch simulation for the kernels, with the arithmetic of any array framework.

``xp`` is ``torch``, ``numpy`` or ``cupy``; gradients flow through where the framework has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .bloch_shapes import BlochLayout
from .relaxation import relaxation_rate

__all__ = ["pack_magnetization", "pack_spins", "pack_waveform"]


def _joined(xp: Any, parts: list[Any], batch: tuple[int, ...], last: int) -> Any:
    """Rows ``(*any batch, rows, 1 or last)`` one below the other, for the whole batch."""
    return xp.concatenate([xp.broadcast_to(part, (*batch, part.shape[-2], last)) for part in parts], axis=-2)


def pack_waveform(
    xp: Any,
    arrays: Mapping[str, Any],
    layout: BlochLayout,
    accumulate: Callable[[Any], Any],
    *,
    channel_axis: bool,
    gamma: float,
) -> Any:
    """The waveform in Hz and s, one row each: RF real and imaginary parts, gradient axes, dt.

    Parameters
    ----------
    xp
        Array framework.
    arrays
        ``rf``, ``dt`` and, or ``None``, ``gradient`` and ``velocity``.
    layout
        Sizes.
    accumulate
        Running sum over the last axis, in double precision whatever it gives.
    channel_axis
        Whether rf has an axis of channels.
    gamma
        Gyromagnetic ratio [Hz/T].

    Returns
    -------
    array
        ``(*waveform_batch, 2 channels + axes + 1, steps)``, real.
    """
    rf, gradient, dt = arrays["rf"], arrays["gradient"], arrays["dt"]
    rf = rf if channel_axis else rf[..., None, :]
    dt = dt.reshape(1, 1) if dt.ndim == 0 else dt[..., None, :]
    rows = [rf.real * gamma, rf.imag * gamma]
    if gradient is not None:
        fields = gradient.swapaxes(-1, -2) * gamma
        rows.append(fields)
        if arrays["velocity"] is not None:
            every = xp.broadcast_to(dt, (*dt.shape[:-1], layout.steps))
            # What moves is seen where it is in the middle of each step.
            rows.append(fields * (accumulate(every) - every * 0.5))
    return _joined(xp, [*rows, dt], layout.waveform_batch, layout.steps)


def pack_spins(xp: Any, arrays: Mapping[str, Any], layout: BlochLayout, zero: Any, *, channel_axis: bool) -> Any:
    """What each isochromat has for itself, one row each: rates 1/T1 and 1/T2, off-resonance, b1, position, velocity.

    Parameters
    ----------
    xp
        Array framework.
    arrays
        ``t1, t2, off_resonance, b1, position, velocity``, each may be ``None``.
    layout
        Sizes.
    zero
        A real array of shape (), for what is absent.
    channel_axis
        Whether b1 has an axis of channels.

    Returns
    -------
    array
        ``(*spin_batch, 3 + 2 channels + axes, spins)``, real; without rows of b1 where that is ``None``.
    """

    def row(value: Any) -> Any:
        return value.reshape(1, 1) if value.ndim == 0 else value[..., None, :]

    def rate(time: Any) -> Any:
        return row(zero if time is None else relaxation_rate(xp, time, zero))

    off_resonance = arrays["off_resonance"]
    rows = [rate(arrays["t1"]), rate(arrays["t2"])]
    rows.append(row(zero if off_resonance is None else off_resonance))
    b1 = arrays["b1"]
    if b1 is not None:
        b1 = b1 if channel_axis else b1[..., None, :]
        rows += [b1.real, b1.imag]
    rows += [arrays[name].swapaxes(-1, -2) for name in ("position", "velocity") if arrays[name] is not None]
    return _joined(xp, rows, layout.spin_batch, layout.spins)


def pack_magnetization(xp: Any, magnetization: Any, layout: BlochLayout, zero: Any) -> Any:
    """Magnetization at the start, equilibrium where none is given.

    Parameters
    ----------
    xp
        Array framework.
    magnetization
        ``(*batch, spins or 1, 3)`` or ``None``.
    layout
        Sizes.
    zero
        A real array of shape ().

    Returns
    -------
    array
        ``(*batch, spins, 3)``.
    """
    if magnetization is None:
        magnetization = xp.stack([zero, zero, zero + 1])
    return xp.broadcast_to(magnetization, (*magnetization.shape[:-2], layout.spins, 3))
