"""Design of a measurement (times, angles) to the rows that the signal kernels read; ``xp`` is numpy or torch.

All but additions and products is done in double precision: tensors and arrays then give the same bits.
"""

from __future__ import annotations

import math
from typing import Any

__all__ = [
    "diffusion_row",
    "encoding_rows",
    "kurtosis_rows",
    "label_rows",
    "look_locker_rows",
    "plain_rows",
    "recovery_rows",
    "tensor_rows",
    "train_rows",
    "water_fat_rows",
]

#: Index triples and multiplicities of a symmetric tensor of rank 4, in the order of the kurtosis tensor's components.
_RANK_FOUR = (
    *((0, 0, 0, 0), (1, 1, 1, 1), (2, 2, 2, 2)),
    *((0, 0, 0, 1), (0, 0, 0, 2), (0, 1, 1, 1), (1, 1, 1, 2), (0, 2, 2, 2), (1, 2, 2, 2)),
    *((0, 0, 1, 1), (0, 0, 2, 2), (1, 1, 2, 2)),
    *((0, 0, 1, 2), (0, 1, 1, 2), (0, 1, 2, 2)),
)
_MULTIPLICITY = (1, 1, 1, 4, 4, 4, 4, 4, 4, 6, 6, 6, 12, 12, 12)


def plain_rows(xp: Any, *design: Any) -> list[Any]:
    """The arguments themselves."""
    return list(design)


def recovery_rows(xp: Any, inversion_time: Any, repetition_time: Any) -> list[Any]:
    """Infinite repetition times become 1e18 s, which leaves nothing of the last term."""
    return [inversion_time, xp.clip(repetition_time, None, 1e18)]


def _unit_vectors(direction: Any) -> list[Any]:
    if direction.ndim != 2 or direction.shape[-1] != 3:
        raise ValueError(f"direction: expected shape (times, 3), got {tuple(direction.shape)}")
    return [direction[:, i] for i in range(3)]


def diffusion_row(xp: Any, b_value: Any) -> list[Any]:
    """b alone."""
    return [b_value]


def tensor_rows(xp: Any, b_value: Any, direction: Any) -> list[Any]:
    """What the six components of the tensor are multiplied by in the exponent."""
    x, y, z = _unit_vectors(direction)
    pairs = ((x, x, 1), (y, y, 1), (z, z, 1), (x, y, 2), (x, z, 2), (y, z, 2))
    return [b_value * (m * (u * v)) for u, v, m in pairs]


def kurtosis_rows(xp: Any, b_value: Any, direction: Any) -> list[Any]:
    """What the components of the tensor, and those of the kurtosis tensor times MD^2, are multiplied by."""
    axes = _unit_vectors(direction)
    square = b_value * b_value / -6
    products = [
        square * (m * ((axes[i] * axes[j]) * (axes[k] * axes[n])))
        for (i, j, k, n), m in zip(_RANK_FOUR, _MULTIPLICITY, strict=True)
    ]
    return [*tensor_rows(xp, b_value, direction), *products]


def encoding_rows(xp: Any, encoding: Any) -> list[Any]:
    """Components of the velocity encoding."""
    if encoding.ndim != 2 or encoding.shape[-1] != 3:
        raise ValueError(f"encoding: expected shape (times, 3), got {tuple(encoding.shape)}")
    return [encoding[:, i] for i in range(3)]


def water_fat_rows(xp: Any, echo_time: Any, fat_frequency: Any, fat_amplitude: Any) -> list[Any]:
    """Echo times, real and imaginary part of the sum over the peaks."""
    if fat_frequency.ndim > 1 or fat_frequency.shape != fat_amplitude.shape:
        raise ValueError(
            f"fat_amplitude: expected the shape of fat_frequency {tuple(fat_frequency.shape)}, (peaks,), "
            f"got {tuple(fat_amplitude.shape)}"
        )
    frequency, amplitude = fat_frequency.reshape(-1), fat_amplitude.reshape(-1)
    angle = -2 * math.pi * frequency * echo_time.reshape(-1, 1)
    return [echo_time, (amplitude * xp.cos(angle)).sum(-1), (amplitude * xp.sin(angle)).sum(-1)]


def _one_number(name: str, value: Any) -> None:
    if value.ndim > 0 and value.shape != (1,):
        raise ValueError(f"{name}: expected one number, got shape {tuple(value.shape)}")


def look_locker_rows(xp: Any, time: Any, flip_angle: Any, repetition_time: Any) -> list[Any]:
    """The arguments themselves; angle and repetition time are one number each: the approach has one rate."""
    _one_number("flip_angle", flip_angle)
    _one_number("repetition_time", repetition_time)
    return [time, flip_angle, repetition_time]


def label_rows(xp: Any, time: Any, label_duration: Any, partition: Any) -> list[Any]:
    """Times, durations, and the inverse of the partition coefficient, which is one number."""
    _one_number("partition", partition)
    return [time, label_duration, 1 / partition]


def train_rows(
    xp: Any, delay: Any, flip_angle: Any, repetition_time: Any, n_before: Any, n_after: Any, final_delay: Any
) -> list[Any]:
    """The arguments themselves; the final delay is one number."""
    _one_number("final_delay", final_delay)
    return [delay, flip_angle, repetition_time, n_before, n_after, final_delay]
