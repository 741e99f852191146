"""Pulseq files as sequences to simulate, read with pypulseq."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from mriops._native.bloch_shapes import GAMMA
from mriops.trajectories.pulseq_file import read_sequence

from .sequence import Adc, Block, Gradient, RfPulse, Sequence

__all__ = ["read_pulseq"]

# What does nothing to spins, and what is understood; anything else in a block is an error.
_IGNORED = {"block_duration", "label", "trig", "trigger", "delay", "soft_delay"}
_KNOWN = {"rf", "gx", "gy", "gz", "adc"}


def read_pulseq(path: str | os.PathLike[str], *, gamma: float = GAMMA) -> Sequence:
    """Blocks of a .seq file.

    Phases and frequencies of Pulseq are counted in the sense in which spins precess: its carrier ``exp(i (phase + 2 pi
    f t))`` is the complex conjugate of the one here, and so are its RF shapes. A slice-selective pulse then excites the
    slice at ``f / gradient``, as on the scanner.

    Parameters
    ----------
    path
        Pulseq file, of a version that the installed pypulseq reads.
    gamma
        Gyromagnetic ratio [Hz/T], which turns the file's Hz into T.

    Returns
    -------
    Sequence
        One block per block of the file; labels, triggers and the like are left out.

    Raises
    ------
    ImportError
        pypulseq is not installed.
    FileNotFoundError
        There is no such file.
    ValueError
        The file has extensions other than triggers, labels and soft delays, is not read by pypulseq, or a block has an
        event that cannot be simulated; the message names the block.

    References
    ----------
    Layton KJ, et al. Pulseq: a rapid and hardware-independent pulse sequence prototyping framework. Magn Reson Med
    2017;77:1544-1552. Ravi KS, Geethanath S, Vaughan JT. PyPulseq: a Python package for MRI pulse sequence design. J
    Open Source Softw 2019;4:1725.
    """
    path = Path(path)
    source, sequence = read_sequence(path), Sequence()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pypulseq warns of every version but its own
        for number in source.block_events:
            try:
                sequence.append(_block(source.get_block(number), gamma))
            except Exception as error:
                raise ValueError(f"{path}: block {number} cannot be simulated: {error}") from error
    return sequence


def _block(block: Any, gamma: float) -> Block:
    events = {name: value for name, value in vars(block).items() if value is not None and name not in _IGNORED}
    for name in events:
        if name not in _KNOWN:
            raise ValueError(f"expected RF, gradients and ADC, got {name}")
    for name in ("rf", "adc"):
        event = events.get(name)
        if event is not None and (getattr(event, "freq_ppm", 0) or getattr(event, "phase_ppm", 0)):
            raise ValueError(
                f"expected {name} offsets in Hz and rad, got offsets in ppm of a field that the file omits"
            )
    rf = _rf(events["rf"], gamma) if "rf" in events else None
    gradients = {name[1]: _gradient(events[name], gamma) for name in ("gx", "gy", "gz") if name in events}
    adc = _adc(events["adc"]) if "adc" in events else None
    # Files before 1.4 have no durations: a block lasts as long as its events.
    ends = [float(block.block_duration), rf.edges[-1] if rf else 0.0, *(g.times[-1] for g in gradients.values())]
    if adc is not None:
        ends.append(adc.delay + adc.samples * adc.dwell)
    return Block(float(max(ends)), rf, gradients, adc)


def _rf(rf: Any, gamma: float) -> RfPulse:
    t, signal = np.asarray(rf.t, float), np.asarray(rf.signal, complex)
    step = t[1] - t[0] if t.size > 1 else 2 * t[0]
    if np.allclose(np.diff(t), step, rtol=1e-3, atol=1e-9) and abs(t[0] - step / 2) < 1e-3 * step:
        edges = np.maximum(np.concatenate([t - step / 2, [t[-1] + step / 2]]), 0.0)  # samples in the middle of a raster
        values = signal
    else:
        edges, values = t, 0.5 * (signal[1:] + signal[:-1])  # corners of a polygon
    return RfPulse(values.conj() / gamma, float(rf.delay) + edges, float(rf.freq_offset), -float(rf.phase_offset))


def _gradient(gradient: Any, gamma: float) -> Gradient:
    delay = float(gradient.delay)
    if gradient.type == "trap":
        durations = [gradient.rise_time, gradient.flat_time, gradient.fall_time]
        times = delay + np.concatenate([[0.0], np.cumsum(np.asarray(durations, float))])
        return Gradient(times, np.array([0.0, 1.0, 1.0, 0.0]) * float(gradient.amplitude) / gamma)
    if gradient.type != "grad":
        raise ValueError(f"expected a trapezoid or a shape, got a gradient of type {gradient.type!r}")
    times, values = np.asarray(gradient.tt, float), np.asarray(gradient.waveform, float)
    end = float(gradient.shape_dur)
    if times[0] > 0:  # samples in the middle of the raster: the file, or pypulseq, says what the ends are
        times, values = np.concatenate([[0.0], times]), np.concatenate([[float(gradient.first)], values])
    if times[-1] < end - 1e-9:
        times, values = np.concatenate([times, [end]]), np.concatenate([values, [float(gradient.last)]])
    return Gradient(delay + times, values / gamma)


def _adc(adc: Any) -> Adc:
    modulation = getattr(adc, "phase_modulation", None)
    if modulation is not None and np.size(modulation) and np.any(modulation):
        raise ValueError("expected an ADC of constant phase, got a phase modulation")
    return Adc(
        int(adc.num_samples), float(adc.dwell), float(adc.delay), float(adc.freq_offset), -float(adc.phase_offset)
    )
