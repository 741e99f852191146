"""Pulse sequences as a table of blocks with RF, gradient and ADC events, and the waveform that a simulation plays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mriops._native.arguments import instance, integer, not_negative, number, positive

__all__ = ["Adc", "Block", "Gradient", "RfPulse", "Sequence", "Waveform"]

#: Gradient axes, in the order of position and trajectory components.
AXES = ("z", "y", "x")
# Breakpoints nearer than this are one: a tenth of the finest raster in use (0.1 us).
_SAME = 1e-8


@dataclass(frozen=True)
class RfPulse:
    """An RF pulse of piecewise constant field.

    Attributes
    ----------
    signal
        ``(samples,)`` complex [T].
    edges
        ``(samples + 1,)`` times from the start of the block, more than 10 ns apart [s].
    frequency
        Offset of the carrier [Hz]: the field turns by ``exp(-2 pi i frequency t)`` from the first edge, as spins of
        that off-resonance do.
    phase
        Of the carrier [rad]: the field has the factor ``exp(i phase)``.

    Raises
    ------
    ValueError
        Samples that are not finite, edges that do not increase or are not one more.
    """

    signal: NDArray[np.complexfloating]
    edges: NDArray[np.floating]
    frequency: float = 0.0
    phase: float = 0.0

    def __post_init__(self) -> None:
        signal, edges = np.asarray(self.signal), np.asarray(self.edges)
        if signal.ndim != 1 or signal.size == 0 or not np.isfinite(signal).all():
            raise ValueError(f"signal: expected finite samples (samples,), got shape {signal.shape}")
        if edges.dtype.kind == "c":
            raise TypeError(f"edges: expected real times, got {edges.dtype}")
        if edges.shape != (signal.size + 1,) or not (np.diff(edges) > _SAME).all() or edges[0] < 0:
            raise ValueError(f"edges: expected {signal.size + 1} increasing times from 0 on, got shape {edges.shape}")
        number("frequency", self.frequency, "a finite number [Hz]")
        number("phase", self.phase, "a finite number [rad]")


@dataclass(frozen=True)
class Gradient:
    """A gradient, linear between its points and zero outside.

    Attributes
    ----------
    times
        ``(points,)`` increasing, from the start of the block [s].
    amplitudes
        ``(points,)`` [T/m].

    Raises
    ------
    ValueError
        Times that decrease or are fewer than two, amplitudes that are not finite or not as many.
    """

    times: NDArray[np.floating]
    amplitudes: NDArray[np.floating]

    def __post_init__(self) -> None:
        times, amplitudes = np.asarray(self.times), np.asarray(self.amplitudes)
        if times.ndim != 1 or times.size < 2 or not (np.diff(times) >= 0).all() or times[0] < 0:
            raise ValueError(f"times: expected two or more increasing times from 0 on, got {times}")
        if amplitudes.shape != times.shape or not np.isfinite(amplitudes).all():
            raise ValueError(f"amplitudes: expected {times.size} finite values (those of times), got {amplitudes}")

    def area(self, until: NDArray[np.floating]) -> NDArray[np.floating]:
        """Integral from the start of the block [T s/m]."""
        t, g = np.asarray(self.times, float), np.asarray(self.amplitudes, float)
        corners = np.concatenate([[0.0], np.cumsum(0.5 * (g[1:] + g[:-1]) * np.diff(t))])
        at = np.clip(until, t[0], t[-1])
        i = np.clip(np.searchsorted(t, at, side="right") - 1, 0, t.size - 2)
        width = np.maximum(t[i + 1] - t[i], np.finfo(float).tiny)
        rest = at - t[i]
        return corners[i] + rest * (g[i] + 0.5 * rest / width * (g[i + 1] - g[i]))


@dataclass(frozen=True)
class Adc:
    """A readout: sample ``i`` is taken at ``delay + (i + 1/2) dwell``.

    Attributes
    ----------
    samples
        How many.
    dwell
        Time between samples [s].
    delay
        From the start of the block [s].
    frequency, phase
        Of the receiver [Hz, rad]: the signal is multiplied by ``exp(2 pi i frequency t - i phase)``, t from the start
        of the readout, which undoes what :class:`RfPulse` does with the same values.

    Raises
    ------
    ValueError
        No samples, or times that are not positive.
    """

    samples: int
    dwell: float
    delay: float = 0.0
    frequency: float = 0.0
    phase: float = 0.0

    def __post_init__(self) -> None:
        integer("samples", self.samples, 1, "at least 1")
        number("dwell", self.dwell, "a positive time [s]", positive)
        number("delay", self.delay, "a time >= 0 [s]", not_negative)
        number("frequency", self.frequency, "a finite number [Hz]")
        number("phase", self.phase, "a finite number [rad]")

    def times(self) -> NDArray[np.floating]:
        """When samples are taken, from the start of the block [s]."""
        return self.delay + (np.arange(self.samples) + 0.5) * self.dwell


@dataclass(frozen=True)
class Block:
    """What happens at once; ``duration`` [s] is at least that of every event.

    Attributes
    ----------
    duration
        [s].
    rf
        A pulse.
    gradients
        By axis name, of ``z, y, x``.
    adc
        A readout.

    Raises
    ------
    ValueError
        A duration shorter than an event, or an axis other than z, y and x.
    """

    duration: float
    rf: RfPulse | None = None
    gradients: Mapping[str, Gradient] = field(default_factory=dict)
    adc: Adc | None = None

    def __post_init__(self) -> None:
        number("duration", self.duration, "a time >= 0 [s]", not_negative)
        ends = {"rf": self.rf.edges[-1]} if self.rf is not None else {}
        for axis, gradient in self.gradients.items():
            if axis not in AXES:
                raise ValueError(f"gradients: expected axes among {AXES}, got {axis!r}")
            ends[f"gradient {axis}"] = gradient.times[-1]
        if self.adc is not None:
            ends["adc"] = self.adc.times()[-1]
        for name, end in ends.items():
            if end > self.duration + _SAME:
                raise ValueError(f"duration: expected at least {end} (the end of {name}), got {self.duration}")


class Waveform(NamedTuple):
    """A sequence as :func:`mriops.ops.bloch_signal` plays it.

    Attributes
    ----------
    rf
        ``(steps,)`` complex [T].
    gradient
        ``(steps, 3)`` along z, y, x [T/m]: the mean of each step.
    dt
        ``(steps,)`` [s].
    record
        Numbers of steps after which samples are taken.
    demodulation
        ``(samples,)`` factors of the receiver.
    """

    rf: NDArray[np.complexfloating]
    gradient: NDArray[np.floating]
    dt: NDArray[np.floating]
    record: tuple[int, ...]
    demodulation: NDArray[np.complexfloating]


class Sequence:
    """A table of blocks, played one after the other.

    Parameters
    ----------
    blocks
        To begin with.

    References
    ----------
    Layton KJ, et al. Pulseq: a rapid and hardware-independent pulse sequence prototyping framework. Magn Reson Med
    2017;77:1544-1552.
    """

    def __init__(self, blocks: Iterable[Block] = ()) -> None:
        self._blocks: list[Block] = []
        for block in instance("blocks", blocks, Iterable, "an iterable of Block"):
            self.append(block)

    def append(self, block: Block) -> None:
        """Add a block at the end.

        Parameters
        ----------
        block
            What to add.

        Raises
        ------
        TypeError
            It is no :class:`Block`.
        """
        if not isinstance(block, Block):
            raise TypeError(f"block: expected Block, got {type(block).__qualname__}")
        self._blocks.append(block)

    def __len__(self) -> int:
        return len(self._blocks)

    def __iter__(self) -> Iterator[Block]:
        return iter(self._blocks)

    def __getitem__(self, index: int) -> Block:
        return self._blocks[index]

    @property
    def duration(self) -> float:
        """Of all blocks [s]."""
        return float(sum(block.duration for block in self))

    def waveform(self, *, rf_step: float | None = None) -> Waveform:
        """Steps of constant field: one per RF sample, and one between events without RF.

        Without RF an isochromat at rest sees the integral of a gradient alone, so that one step is exact however the
        gradient changes in it.

        Parameters
        ----------
        rf_step
            Join RF samples to steps of about this length [s]; one step per sample if not given. The error grows with
            its square.

        Returns
        -------
        Waveform
            Steps of all blocks.

        Raises
        ------
        ValueError
            The sequence is empty, or ``rf_step`` not positive.
        """
        if rf_step is not None:
            number("rf_step", rf_step, "a positive time [s]", lambda value: value > 0)
        parts = [_block_steps(block, rf_step) for block in self if block.duration > 0]
        if not parts:
            raise ValueError("sequence: expected at least one block that takes time, got none")
        starts = np.cumsum([0, *(part.dt.size for part in parts)])
        record = [start + n for part, start in zip(parts, starts[:-1], strict=True) for n in part.record]
        return Waveform(
            np.concatenate([part.rf for part in parts]),
            np.concatenate([part.gradient for part in parts]),
            np.concatenate([part.dt for part in parts]),
            tuple(int(n) for n in record),
            np.concatenate([part.demodulation for part in parts]),
        )


def _joined(pulse: RfPulse, rf_step: float | None) -> tuple[NDArray[np.complexfloating], NDArray[np.floating]]:
    """Samples with the carrier's phase and their edges, joined to longer steps of the same area."""
    edges, signal = np.asarray(pulse.edges, float), np.asarray(pulse.signal, complex)
    middle = 0.5 * (edges[1:] + edges[:-1]) - edges[0]
    signal = signal * np.exp(1j * pulse.phase - 2j * np.pi * pulse.frequency * middle)
    if rf_step is None:
        return signal, edges
    count = max(1, round((edges[-1] - edges[0]) / rf_step))
    new = np.linspace(edges[0], edges[-1], count + 1)
    area: NDArray[np.complexfloating] = np.append(0j, np.cumsum(signal * np.diff(edges)))
    at = np.interp(new, edges, area.real) + 1j * np.interp(new, edges, area.imag)
    return np.diff(at) / np.diff(new), new


def _block_steps(block: Block, rf_step: float | None) -> Waveform:
    samples = block.adc.times() if block.adc is not None else np.zeros(0)
    signal, edges = _joined(block.rf, rf_step) if block.rf is not None else (np.zeros(0, complex), np.zeros(0))
    points = np.sort(np.concatenate([[0.0, block.duration], samples, edges]))
    points = points[np.concatenate([[True], np.diff(points) > _SAME])]
    dt = np.diff(points)
    rf = np.zeros(dt.size, complex)
    if edges.size:
        middle = 0.5 * (points[1:] + points[:-1])
        i = np.searchsorted(edges, middle) - 1
        inside = (i >= 0) & (i < signal.size)
        rf[inside] = signal[i[inside]]
    gradient = np.zeros((dt.size, len(AXES)))
    for axis, waveform in block.gradients.items():
        gradient[:, AXES.index(axis)] = np.diff(waveform.area(points)) / dt
    record = np.searchsorted(points, samples - _SAME)
    if (np.diff(record) < 1).any():
        raise ValueError(f"adc: expected a dwell time above {_SAME} s, got {block.adc.dwell if block.adc else 0}")
    factor = np.ones(samples.size, complex)
    if block.adc is not None:
        since = samples - block.adc.delay
        factor = np.exp(2j * np.pi * block.adc.frequency * since - 1j * block.adc.phase)
    return Waveform(rf, gradient, dt, tuple(record.tolist()), factor)
