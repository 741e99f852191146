"""Packs a pulse train and the atoms of two pools for the kernels, with the arithmetic of any array framework.

``xp`` is ``torch``, ``numpy`` or ``cupy``; gradients flow through where the framework has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import nan, prod
from typing import Any, NamedTuple

from .epg_trains import Train
from .relaxation import relaxation_rate

__all__ = ["ATOM_ARGUMENTS", "PackedPools", "pack_pools"]

#: What each atom has, by the names of the public functions.
ATOM_ARGUMENTS = (
    *("t1", "t2", "t1_b", "t2_b", "fraction", "exchange_rate"),
    *("off_resonance_b", "b1", "off_resonance", "m0"),
)


class PackedPools(NamedTuple):
    """Arguments of the kernels; the signal is ``(samples, n)``, to be reshaped to ``(samples, *atoms)``."""

    pulses: Any
    readouts: Any
    tissue: Any
    parameters: tuple[tuple[int, ...], int, bool, bool]
    atoms: tuple[int, ...]


def _common_shape(arrays: Mapping[str, Any]) -> tuple[int, ...]:
    """Numpy's rules, with the name of the argument that does not fit."""
    rank = max(array.ndim for array in arrays.values())
    result = [1] * rank
    for name, array in arrays.items():
        for i, size in enumerate(array.shape, rank - array.ndim):
            if size != 1 and result[i] not in (1, size):
                raise ValueError(
                    f"{name}: expected a shape that broadcasts with {tuple(result)}, got {tuple(array.shape)}"
                )
            if size != 1:
                result[i] = size
    return tuple(result)


def pack_pools(xp: Any, train: Train, saturation: Any, atoms: Mapping[str, Any], orders: int, zero: Any) -> PackedPools:
    """Arrays of the kernels from a train and the physical arguments.

    Parameters
    ----------
    xp
        Array framework.
    train
        The pulses.
    saturation
        Per segment; ``None`` where pool b has transverse states.
    atoms
        By name, those of :data:`ATOM_ARGUMENTS` that there are; without ``t2_b`` pool b has no transverse states.
    orders
        Dephasing orders kept; 0 where t2 decides.
    zero
        A real array of shape (), for what is absent.

    Returns
    -------
    PackedPools
        The rest of a call.

    Raises
    ------
    ValueError
        Shapes that do not broadcast.
    """
    given = {name: value for name, value in atoms.items() if value is not None}
    shape = _common_shape(given)
    one = zero + 1
    valid = given["exchange_rate"] >= 0
    for name in ("t1", "t2", "t1_b", "t2_b"):
        valid = valid & (given[name] >= 0) if name in given else valid

    def rate(name: str) -> Any:
        return relaxation_rate(xp, given[name], zero) if name in given else zero

    fraction = given["fraction"]
    exchange = given["exchange_rate"] + xp.where(given["exchange_rate"] >= 0, zero, zero + nan)
    rows = (
        *(rate("t1"), rate("t2"), rate("t1_b"), rate("t2_b")),
        *(exchange * fraction, exchange * (1 - fraction), fraction, given.get("b1", one)),
        *(given.get("off_resonance", zero), given.get("off_resonance_b", zero)),
        xp.where(valid, given.get("m0", one), zero + nan),  # all of an atom becomes NaN by this
    )
    tissue = xp.stack([xp.broadcast_to(row, shape) for row in rows]).reshape((len(rows), prod(shape)))

    def or_zeros(row: Any, like: Any) -> Any:
        return xp.zeros_like(like) if row is None else row

    real = all(value is None for value in (train.phase, given.get("off_resonance"), given.get("t2_b")))
    flips, times = train.flip_angle, train.sample_time
    return PackedPools(
        xp.stack([flips, or_zeros(train.phase, flips), train.duration, or_zeros(saturation, flips)]),
        xp.stack([times, or_zeros(train.receiver_phase, times)]),
        tissue,
        (tuple(train.program), orders, "t2_b" in given, real),
        shape,
    )
