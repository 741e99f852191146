"""The numbers and the program of each pulse train, made in the words of the caller's array framework."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

from .arguments import integers, numbers, whole
from .epg_shapes import ODD_ORDERS, OWN, REAL_SIGNAL, SEGMENT_ADIABATIC, SEGMENT_INVERTS, SEGMENT_SPOIL

__all__ = [
    "Train",
    "Words",
    "balanced",
    "dess",
    "dess_shape",
    "diffusion_rate",
    "directions",
    "events",
    "fast_spin_echo",
    "gradient_echo",
    "kept_orders",
    "over_profile",
]


class Words(Protocol):
    """What torch, numpy and cupy say differently."""

    def vector(self, name: str, value: Any, n: int | None, like: Any) -> Any:
        """``value`` as ``(n,)`` of the dtype and device of ``like``; a number is repeated."""
        ...

    def join(self, *parts: Any) -> Any:
        """One vector after the other."""
        ...

    def largest(self, *arrays: Any) -> float | None:
        """Largest absolute value of the sum of vectors, ``None`` where values cannot be looked at."""
        ...

    def pairs(self, first: Any, second: Any) -> Any:
        """Two vectors interleaved."""
        ...

    def warn(self, message: str) -> None:
        """Tell the caller of the public function."""
        ...


class Train(NamedTuple):
    """Arguments of the kernels that all atoms share."""

    flip_angle: Any
    phase: Any
    duration: Any
    sample_time: Any
    receiver_phase: Any
    program: tuple[int, ...]


def kept_orders(orders: int | None, *, odd: bool = False) -> int:
    """The kernels' number of orders: 0 where T2 decides."""
    if orders is None:
        return 0
    found = whole(orders)
    if found is None or found < 1:
        raise ValueError(f"orders: expected None or an integer of at least 1, got {orders!r}")
    return max(1, found // 2) if odd else found


def _angles(words: Words, name: str, value: Any, n: int | None, like: Any) -> Any:
    angles = words.vector(name, value, n, like)
    largest = words.largest(angles)
    if largest is not None and largest > 4 * math.pi:
        words.warn(f"{name}: expected radians, got {largest:g} (more than 4 pi): are these degrees?")
    return angles


def _flip_angles(words: Words, flip_angle: Any, like: Any) -> tuple[Any, int]:
    flips = _angles(words, "flip_angle", flip_angle, None, like)
    n = int(flips.shape[0])
    if n == 0:
        raise ValueError("flip_angle: expected at least one pulse, got an empty train")
    return flips, n


def _durations(words: Words, name: str, value: Any, n: int, like: Any) -> Any:
    durations = words.vector(name, value, n, like)
    short = words.largest(words.vector(name, 0.0, n, like), durations)
    if short is not None and not short <= 0:  # NaN is not
        raise ValueError(f"{name}: expected times of at least 0 s, got {-short:g}")
    return durations


def _echo_times(words: Words, echo_time: Any, repetition: Any, n: int, like: Any) -> Any:
    echo = _durations(words, "echo_time", echo_time, n, like)
    late = words.largest(echo, repetition)
    if late is not None and late > 0:
        raise ValueError(f"echo_time: expected at most the repetition_time, got {late:g} s more")
    return echo


def _quadratic(increment: float, n: int) -> list[float]:
    """``increment i (i + 1) / 2``, less whole turns, so that single precision keeps it."""
    return [math.fmod(increment * (i * (i + 1) / 2), 2 * math.pi) for i in range(n)]


def gradient_echo(
    words: Words,
    like: Any,
    flip_angle: Any,
    repetition_time: Any,
    phase: Any,
    echo_time: Any,
    inversion_time: Any,
    *,
    spoil: bool = False,
    increment: float | None = None,
    efficiency: Any = None,
) -> Train:
    """One pulse, one sample and one shift per repetition, perhaps after an inversion."""
    if efficiency is not None and inversion_time is None:
        raise ValueError("inversion_efficiency: expected None without an inversion_time")
    flips, n = _flip_angles(words, flip_angle, like)
    duration = _durations(words, "repetition_time", repetition_time, n, like)
    echo = _echo_times(words, echo_time, duration, n, like)
    if increment is not None:
        phase = _quadratic(increment, n)
    phases = None if phase is None else words.vector("phase", phase, n, like)
    receiver = phases
    program: tuple[int, ...] = (n, 1, SEGMENT_SPOIL if spoil else 0, 1, 0)
    if inversion_time is not None:
        flips = words.join(words.vector("inversion", math.pi, 1, like), flips)
        duration = words.join(_durations(words, "inversion_time", inversion_time, 1, like), duration)
        phases = None if phases is None else words.join(phases[:1], phases)
        program = (1, 0, SEGMENT_SPOIL | SEGMENT_INVERTS, 0, *program)
    return Train(flips, phases, duration, echo, receiver, (0, *program))


def balanced(words: Words, like: Any, flip_angle: Any, repetition_time: Any, echo_time: Any, increment: float) -> Train:
    """Balanced repetitions: nothing is shifted, and the phase of the pulses grows linearly."""
    flips, n = _flip_angles(words, flip_angle, like)
    duration = _durations(words, "repetition_time", repetition_time, n, like)
    echo = 0.5 * duration if echo_time is None else _echo_times(words, echo_time, duration, n, like)
    phases = words.vector("phase", [math.fmod(increment * i, 2 * math.pi) for i in range(n)], n, like)
    return Train(flips, phases, duration, echo, phases, (0, n, 0, 0, 1, 0))


def dess(words: Words, like: Any, flip_angle: Any, repetition_time: Any, echo_time: Any) -> Train:
    """Two samples per repetition: the FID, and the echo as long before the next pulse."""
    flips, n = _flip_angles(words, flip_angle, like)
    duration = _durations(words, "repetition_time", repetition_time, n, like)
    echo = _echo_times(words, echo_time, duration, n, like)
    return Train(flips, None, duration, words.pairs(echo, duration - echo), None, (0, n, 1, 0, 2, 0, 1))


def dess_shape(shape: Sequence[int], jacobian: Sequence[str] | None) -> tuple[int, ...]:
    """Shape of a signal of :func:`dess` with an axis for its two samples."""
    lead = 0 if jacobian is None else 1
    return (*shape[:lead], shape[lead] // 2, 2, *shape[lead + 1 :])


def fast_spin_echo(
    words: Words, like: Any, flip_angle: Any, phase: Any, echo_spacing: Any, excitation: Any, real: bool
) -> Train:
    """An excitation, then refocusing pulses between which gradients dephase by two orders."""
    flips, n = _flip_angles(words, flip_angle, like)
    spacing = _durations(words, "echo_spacing", echo_spacing, n, like)
    half = 0.5 * spacing
    flips = words.join(_angles(words, "excitation", excitation, 1, like), flips)
    phases = None
    if not real:
        turned = words.vector("phase", 0.0 if phase is None else phase, n, like)
        phases = words.join(words.vector("phase", -0.5 * math.pi, 1, like), turned)
    flags = ODD_ORDERS | (REAL_SIGNAL if real else 0)
    return Train(flips, phases, words.join(half[:1], spacing), half, None, (flags, 1, 0, 0, 0, n, 1, 0, 1, 0))


def _per_segment(name: str, values: int | Sequence[int], n: int) -> tuple[int, ...]:
    one = whole(values)
    each = integers(name, values) if one is None else (one,) * n
    if len(each) != n:
        raise ValueError(f"{name}: expected an integer or {n} of them, got {len(each)}")
    return each


def _segments_of(name: str, indices: Sequence[int], n: int) -> tuple[int, ...]:
    found = integers(name, indices)
    for index in found:
        if not 0 <= index < n:
            raise ValueError(f"{name}: expected segments 0 to {n - 1}, got {index}")
    return found


def events(
    words: Words,
    like: Any,
    flip_angle: Any,
    duration: Any,
    phase: Any,
    sample_time: Any,
    receiver_phase: Any,
    shift: int | Sequence[int],
    sample_segment: Sequence[int] | None,
    sample_order: Sequence[int] | int,
    spoil: Sequence[int],
    adiabatic: Sequence[int],
) -> Train:
    """An arbitrary train, segment by segment."""
    flips, n = _flip_angles(words, flip_angle, like)
    segments = tuple(range(n)) if sample_segment is None else _segments_of("sample_segment", sample_segment, n)
    n_samples = len(segments)
    if any(a > b for a, b in pairwise(segments)):
        raise ValueError(f"sample_segment: expected segments in ascending order, got {segments}")
    shifts, offsets = _per_segment("shift", shift, n), _per_segment("sample_order", sample_order, n_samples)
    spoiled, unscaled = set(_segments_of("spoil", spoil, n)), set(_segments_of("adiabatic", adiabatic, n))
    for name, values in (("shift", shifts), ("sample_order", offsets)):
        wide = next((value for value in values if abs(value) > 64), None)
        if wide is not None:
            raise ValueError(f"{name}: expected at most 64 orders, got {wide}")
    program: list[int] = [0]
    rows: list[tuple[int, ...]] = []
    at = 0
    for i in range(n):
        count = segments.count(i)
        flags = (SEGMENT_SPOIL if i in spoiled else 0) | (SEGMENT_ADIABATIC if i in unscaled else 0)
        rows.append((shifts[i], flags, count, *offsets[at : at + count]))
        at += count
    i = 0
    while i < n:  # runs of equal segments
        j = i
        while j < n and rows[j] == rows[i]:
            j += 1
        program += [j - i, *rows[i]]
        i = j
    return Train(
        flips,
        None if phase is None else words.vector("phase", phase, n, like),
        _durations(words, "duration", duration, n, like),
        _durations(words, "sample_time", sample_time, n_samples, like),
        None if receiver_phase is None else words.vector("receiver_phase", receiver_phase, n_samples, like),
        tuple(program),
    )


def over_profile(
    signal: Callable[[Any, float], Any], b1: Any, profile: Sequence[float] | None, weights: Sequence[float] | None
) -> Any:
    """Weighted sum of the signals of the parts of a slice: ``signal`` takes b1 there, and the factor on it."""
    if profile is None:
        if weights is not None:
            raise ValueError("slice_weights: expected None without a slice_profile")
        return signal(b1, 1.0)
    factors = numbers("slice_profile", profile, "finite numbers")
    parts = (1 / len(factors),) * len(factors)
    if weights is not None:
        parts = numbers("slice_weights", weights, f"{len(factors)} numbers", len(factors))
    total = None
    for factor, part in zip(factors, parts, strict=True):
        one = part * signal(factor if b1 is None else factor * b1, factor)
        total = one if total is None else total + one
    return total


def diffusion_rate(diffusion: Any, gradient_moment: Any) -> tuple[Any, Any]:
    """Rate [1/s] by which diffusion damps order 1, and its derivative for the coefficient: squared wave number."""
    if diffusion is None and gradient_moment is None:
        return None, 1.0
    if diffusion is None or gradient_moment is None:
        name, other = ("diffusion", "gradient_moment")[:: 1 if diffusion is None else -1]
        raise ValueError(f"{name}: expected a value, as {other} has one, got None")
    if gradient_moment.ndim != 0:
        raise ValueError(f"gradient_moment: expected a number, got shape {tuple(gradient_moment.shape)}")
    squared = gradient_moment * gradient_moment
    return diffusion * squared, squared


def directions(jacobian: Sequence[str], values: Sequence[Any]) -> list[list[float] | None]:
    """For each argument of atoms its tangents, one number per name in ``jacobian``; ``None`` where all are 0."""
    if not isinstance(jacobian, Sequence):
        raise TypeError(f"jacobian: expected names of arguments, got {jacobian!r}")
    names = [jacobian] if isinstance(jacobian, str) else list(jacobian)
    given = [name for name, value in zip(OWN, values, strict=True) if value is not None]
    for name in names:
        if name not in given:
            raise ValueError(f"jacobian: expected names of arguments that are given, {given}, got {name!r}")
    if not names:
        raise ValueError("jacobian: expected at least one name, got none")
    return [[float(name == own) for name in names] if own in names else None for own in OWN]
