"""The words of torch that trains for two pools are written in."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mriops._native.epg_trains import events, kept_orders
from mriops._native.epgx_pack import ATOM_ARGUMENTS, PackedPools, pack_pools

from ._epg_words import TorchWords, optional, own

__all__ = ["packed"]


def _atoms(t1: Tensor, values: tuple) -> dict[str, Tensor]:
    """Real tensors of t1's precision, by name."""
    found = {}
    for name, value in zip(ATOM_ARGUMENTS, values, strict=True):
        if value is None and name in ("t2", "t1_b", "fraction", "exchange_rate"):
            raise TypeError(f"{name}: expected torch.Tensor or a number, got None")
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = optional(name, value, t1)
        if value is None:
            continue
        if not isinstance(value, Tensor):
            kind = type(value)
            raise TypeError(f"{name}: expected torch.Tensor or a number, got {kind.__module__}.{kind.__qualname__}")
        if value.is_complex() or value.dtype == torch.bool:
            raise TypeError(f"{name}: expected a real dtype, got {value.dtype}")
        if value.device != t1.device:
            raise ValueError(f"{name}: expected device {t1.device} (that of t1), got {value.device}")
        found[name] = value.to(t1.dtype)
    return found


def packed(train: tuple, saturation: Any, atoms: tuple, layout: tuple) -> PackedPools:
    """Arguments of the kernels, or of the reference, from those of the public functions.

    Parameters
    ----------
    train
        ``flip_angle, duration, phase, sample_time, receiver_phase``.
    saturation
        Per segment, or ``None`` where pool b has transverse states.
    atoms
        As :data:`mriops._native.epgx_pack.ATOM_ARGUMENTS`.
    layout
        ``shift, sample_segment, sample_order, spoil, adiabatic, orders``.

    Returns
    -------
    PackedPools
        Packed tensors and parameters.
    """
    t1 = own(atoms[0])
    flip_angle, duration, phase, sample_time, receiver_phase = train
    shift, sample_segment, sample_order, spoil, adiabatic, orders = layout
    words = TorchWords()
    times = 0.0 if sample_time is None else sample_time
    made = events(
        *(words, t1, flip_angle, duration, phase, times, receiver_phase),
        *(shift, sample_segment, sample_order, spoil, adiabatic),
    )
    if saturation is not None:
        saturation = words.vector("saturation", saturation, made.flip_angle.shape[0], t1)
    zero = torch.zeros((), dtype=t1.dtype, device=t1.device)
    return pack_pools(torch, made, saturation, _atoms(t1, (t1, *atoms[1:])), kept_orders(orders), zero)
