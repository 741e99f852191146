"""Shape rules of the Bloch simulation: how the physical arguments are packed for the kernels, and the kernels' own.

The kernels take one real array per waveform and one for the isochromats (see csrc/spins/bloch.h); packing is done
by the callers with the arithmetic of their arrays, as :func:`bloch_layout` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

from .arguments import integers
from .batches import Array, broadcast, once_or_each
from .dtypes import COMPLEX_OF, DTYPE_CODE
from .plan import Facts, NativeOp, Output, Plan

__all__ = [
    "ARGUMENTS",
    "BLOCH",
    "BLOCH_HVP",
    "BLOCH_JVP",
    "BLOCH_SIGNAL",
    "BLOCH_SIGNAL_HVP",
    "BLOCH_SIGNAL_JVP",
    "BLOCH_SIGNAL_VJP",
    "BLOCH_SPINOR",
    "BLOCH_SPINOR_HVP",
    "BLOCH_SPINOR_JVP",
    "BLOCH_SPINOR_VJP",
    "BLOCH_VJP",
    "GAMMA",
    "POOL_ARGUMENTS",
    "BlochLayout",
    "bloch_layout",
    "check_integrator",
    "check_record",
]

Shape = tuple[int, ...]

#: Gyromagnetic ratio of the proton [Hz/T] (CODATA 2018).
GAMMA = 42.577478518e6

#: Core axes of each physical argument, after the batch.
_CORES: dict[str, tuple[str, ...]] = {
    "rf": ("steps",),
    "gradient": ("steps", "axes"),
    "dt": ("steps",),
    "position": ("spins", "axes"),
    "t1": ("spins",),
    "t2": ("spins",),
    "off_resonance": ("spins",),
    "b1": ("spins",),
    "magnetization": ("spins", "3"),
    "velocity": ("spins", "axes"),
    "receive": ("coils", "spins"),
}
#: The physical arguments, in the order in which they are packed.
ARGUMENTS = tuple(_CORES)
#: What a second pool adds, see :mod:`.bloch_exchange_shapes`.
POOL_ARGUMENTS = ("t1_b", "t2_b", "fraction", "exchange_rate", "off_resonance_b")
_MAY_BE_SCALAR = frozenset(("dt", "t1", "t2", "off_resonance", *POOL_ARGUMENTS))
_OF_WAVEFORM = ("rf", "gradient", "dt")
_OF_SPINS = ("position", "t1", "t2", "off_resonance", "b1", "velocity", *POOL_ARGUMENTS)


class BlochLayout(NamedTuple):
    """Sizes of one simulation: ``waveform_batch`` and ``spin_batch`` are the batches of the packed arrays."""

    spins: int
    steps: int
    channels: int
    axes: int
    waveform_batch: Shape
    spin_batch: Shape


def _common(batches: Mapping[str, Shape], names: Sequence[str]) -> Shape:
    """Batch to which those of the present ones among ``names`` broadcast."""
    return broadcast([Array(name, batches[name], ()) for name in names if name in batches])


def _split_core(name: str, shape: Shape, multi_transmit: bool, sizes: dict[str, tuple[int, str]]) -> Shape:
    """Batch of one argument; its core axes are checked against the sizes found so far, and added to them."""
    core = _CORES.get(name, ("spins",))
    if multi_transmit and name in ("rf", "b1"):
        core = ("channels", *core)
    if not shape and name in _MAY_BE_SCALAR:
        return ()
    if len(shape) < len(core):
        raise ValueError(f"{name}: expected shape ({', '.join(('*batch', *core))}), got {shape}")
    split = len(shape) - len(core)
    for axis, size in zip(core, shape[split:], strict=True):
        if axis == "3":
            if size != 3:
                raise ValueError(f"{name}: expected a last axis of 3 (Mx, My, Mz), got shape {shape}")
            continue
        if size == 0:
            raise ValueError(f"{name}: expected axis {axis} to be at least 1, got shape {shape}")
        if axis == "spins" and size == 1:
            continue
        known, owner = sizes.setdefault(axis, (size, name))
        if size != known:
            raise ValueError(f"{name}: expected {known} {axis} (those of {owner}), got {size}")
    return shape[:split]


def bloch_layout(shapes: Mapping[str, Shape | None], *, multi_transmit: bool, gamma: float) -> BlochLayout:
    """Check the physical arguments of a simulation against each other.

    Parameters
    ----------
    shapes
        Shape by argument name, ``None`` for an absent one.
    multi_transmit
        Whether rf and b1 have an axis of channels.
    gamma
        Gyromagnetic ratio [Hz/T].

    Returns
    -------
    BlochLayout
        Sizes.

    Raises
    ------
    ValueError
        With the argument's name, what was expected and what came.
    TypeError
        ``gamma`` is no number.
    """
    if isinstance(gamma, bool) or not isinstance(gamma, int | float):
        raise TypeError(f"gamma: expected a number [Hz/T], got {gamma!r}")
    if not isinstance(multi_transmit, bool):
        raise TypeError(f"multi_transmit: expected a bool, got {multi_transmit!r}")
    if (shapes.get("gradient") is None) != (shapes.get("position") is None):
        missing, given = ("gradient", "position") if shapes.get("gradient") is None else ("position", "gradient")
        raise ValueError(f"{missing}: expected an array, since {given} is given, got None")
    if shapes.get("velocity") is not None and shapes.get("position") is None:
        raise ValueError("velocity: expected None without gradient and position, got an array")
    if multi_transmit and shapes.get("b1") is None:
        raise ValueError("b1: expected an array of shape (*batch, channels, spins) with multi_transmit, got None")
    sizes: dict[str, tuple[int, str]] = {}
    batches = {
        name: _split_core(name, tuple(shape), multi_transmit, sizes)
        for name, shape in shapes.items()
        if shape is not None
    }
    axes = sizes.get("axes", (0, ""))[0]
    return BlochLayout(
        spins=sizes.get("spins", (1, ""))[0],
        steps=sizes["steps"][0],
        channels=sizes.get("channels", (1, ""))[0],
        axes=axes * (2 if shapes.get("velocity") is not None else 1),
        waveform_batch=_common(batches, _OF_WAVEFORM),
        spin_batch=_common(batches, _OF_SPINS),
    )


def check_integrator(integrator: str) -> bool:
    """Whether precession and nutation are split.

    Parameters
    ----------
    integrator
        ``"exact"`` or ``"split"``.

    Returns
    -------
    bool
        True for ``"split"``.

    Raises
    ------
    ValueError
        Another name.
    """
    if integrator not in ("exact", "split"):
        raise ValueError(f"integrator: expected 'exact' or 'split', got {integrator!r}")
    return integrator == "split"


def check_record(record: Sequence[int] | None, steps: int) -> tuple[int, ...]:
    """Numbers of steps after which states are wanted, by default after all.

    Parameters
    ----------
    record
        Increasing numbers of steps, 0 for the start.
    steps
        Steps of the waveform.

    Returns
    -------
    tuple of int
        The same.

    Raises
    ------
    TypeError, ValueError
        No integers, none at all, out of range or not increasing.
    """
    if record is None:
        return (steps,)
    found = integers("record", record)
    if not found or found[0] < 0 or found[-1] > steps or any(a >= b for a, b in pairwise(found)):
        shown = found if len(found) < 10 else f"({', '.join(map(str, found[:8]))}, ...)"
        raise ValueError(f"record: expected increasing numbers of steps in [0, {steps}], got {shown}")
    return found


# --- the kernels' rules ----------------------------------------------------------------------------------------------

_KERNEL_INPUTS = ("waveform", "spins", "magnetization", "receive")


def _rule(names: tuple[str, ...], kind: str) -> Any:
    """Rule of one native function: ``names`` are its arrays, ``kind`` what it gives."""
    signal, spinor = "receive" in names, "magnetization" not in names

    def core_rank(name: str) -> int:
        return 3 if name.endswith("grad") and not (signal or spinor) else 2

    def rule(*given: Any) -> Plan:
        arrays: tuple[Facts, ...] = given[: len(names)]
        channels, axes, b1, split, record = given[len(names) :]
        shapes = {name: tuple(fact.shape) for name, fact in zip(names, arrays, strict=True)}
        batches = {name: shape[: len(shape) - core_rank(name)] for name, shape in shapes.items()}
        cores = {name: shape[len(batches[name]) :] for name, shape in shapes.items()}
        steps, spins = cores["waveform"][-1], cores["spins"][-1]
        coils = cores["receive"][0] if signal else 0
        record = tuple(record)
        expected = {
            "waveform": (2 * channels + axes + 1, steps),
            "spins": (3 + (2 * channels if b1 else 0) + axes, spins),
            "magnetization": (spins, 3),
            "receive": (coils, spins),
            "grad": (coils, len(record)) if signal else (spins, 2) if spinor else (len(record), spins, 3),
        }
        for name, core in cores.items():
            if core != expected[name.removeprefix("d_")]:
                raise ValueError(
                    f"{name}: expected axes {expected[name.removeprefix('d_')]} after the batch, got {core}"
                )
        batch = _common(batches, names)
        count = prod(batch)
        own, layouts = once_or_each(batches, batch, cores, _KERNEL_INPUTS)
        real = arrays[0].dtype
        data = COMPLEX_OF[real] if signal or spinor else real
        if kind == "value":
            outputs = (Output((*batch, *expected["grad"]), data),)
        else:
            wanted = [n for n in _KERNEL_INPUTS if n in names]
            outputs = tuple(Output((*batch, *cores[n]), data if n == "receive" else real) for n in wanted)
        numbers = (count, spins, steps, channels, axes, bool(b1), bool(split), own, coils, record, DTYPE_CODE[real])
        return Plan(outputs=outputs, arguments=numbers, layouts=layouts, zero=count == 0)  # type: ignore[arg-type]

    return rule


_INPUTS = {
    "bloch": ("waveform", "spins", "magnetization"),
    "bloch_signal": ("waveform", "spins", "magnetization", "receive"),
    "bloch_spinor": ("waveform", "spins"),
}


def _native(name: str, suffix: str = "") -> NativeOp:
    inputs = _INPUTS[name]
    tangents = tuple("d_" + n for n in inputs)
    names = {
        "": inputs,
        "_jvp": (*inputs, *tangents),
        "_vjp": (*inputs, "grad"),
        "_hvp": (*inputs, "grad", *tangents, "d_grad"),
    }[suffix]
    complex_output = name != "bloch"
    kinds = {
        n: "complex" if n.endswith("receive") or (complex_output and n.endswith("grad")) else "real" for n in names
    }
    return NativeOp(name + suffix, kinds, _rule(names, "gradients" if suffix in ("_vjp", "_hvp") else "value"))


BLOCH = _native("bloch")
BLOCH_JVP = _native("bloch", "_jvp")
BLOCH_VJP = _native("bloch", "_vjp")
BLOCH_HVP = _native("bloch", "_hvp")
BLOCH_SIGNAL = _native("bloch_signal")
BLOCH_SIGNAL_JVP = _native("bloch_signal", "_jvp")
BLOCH_SIGNAL_VJP = _native("bloch_signal", "_vjp")
BLOCH_SIGNAL_HVP = _native("bloch_signal", "_hvp")
BLOCH_SPINOR = _native("bloch_spinor")
BLOCH_SPINOR_JVP = _native("bloch_spinor", "_jvp")
BLOCH_SPINOR_VJP = _native("bloch_spinor", "_vjp")
BLOCH_SPINOR_HVP = _native("bloch_spinor", "_hvp")
