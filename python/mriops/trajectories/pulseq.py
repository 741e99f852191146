"""Trajectories of Pulseq sequence files, read with pypulseq."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mriops._native.arguments import instance, integer, number
from mriops.trajectories.coordinates import check_dtype
from mriops.trajectories.hardware import check_fov
from mriops.trajectories.pulseq_file import read_sequence

_AXES = "zyx"


class PulseqTrajectory(NamedTuple):
    """Where and when a sequence samples.

    Attributes
    ----------
    trajectory : Tensor (acquisitions, samples, ndim)
        [cycles/FOV], components in the order of the image axes (z, y, x).
    time : Tensor (acquisitions, samples)
        Since the centre of the last excitation [s]; since the start where there is none before.
    field_of_view : tuple of float
        Per component [m].
    """

    trajectory: Tensor
    time: Tensor
    field_of_view: tuple[float, ...]


def from_pulseq(
    path: str | os.PathLike[str],
    *,
    field_of_view: float | Sequence[float] | None = None,
    axes: str | None = None,
    samples: int | None = None,
    delay: float = 0.0,
    dtype: torch.dtype = torch.float32,
) -> PulseqTrajectory:
    """The k-space trajectory of a .seq file, at the samples of all its ADC events.

    Parameters
    ----------
    path : path
        Pulseq file, of a version that the installed pypulseq reads.
    field_of_view : float or sequence of float, optional
        One length, or one per component of `axes` [m], without `axes` (y, x) or (z, y, x); the definition FOV of the
        file if not given.
    axes : str, optional
        Gradient axes, in the order of the image axes: "yx", "zyx", or others such as "zx". Without it "zyx" if kz
        varies by more than one cycle/FOV over the samples and `field_of_view` is not one of two, else "yx".
    samples : int, optional
        Keep ADC events with this number of samples only (leaves out noise scans and navigators).
    delay : float
        Time by which gradients come late [s].
    dtype : torch.dtype

    Returns
    -------
    PulseqTrajectory

    Raises
    ------
    ImportError
        If pypulseq is not installed.
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not read by pypulseq (the message has its words), has no ADC event, ADC events of different
        lengths (choose with `samples`), no FOV, or the axes are not of x, y and z.

    Notes
    -----
    Extensions other than triggers, labels and soft delays are refused by name (rotations, for instance); pypulseq
    itself refuses some shapes of files before version 1.4.

    References
    ----------
    Layton et al. Pulseq: a rapid and hardware-independent pulse sequence prototyping framework. MRM 77:1544 (2017).
    Ravi, Geethanath, Vaughan. PyPulseq: a Python package for MRI pulse sequence design. JOSS 4:1725 (2019).
    """
    check_dtype(dtype)
    number("delay", delay, "a finite time [s]")
    if samples is not None:
        integer("samples", samples, 1)
    if axes is not None and (
        not instance("axes", axes, str, "a string of axes or None")
        or set(axes) - set(_AXES)
        or len(set(axes)) < len(axes)
    ):
        raise ValueError(f"axes: expected some of z, y, x, each once, got {axes!r}")
    sequence = read_sequence(Path(path))
    k, time, counts = _acquired(sequence, Path(path), -delay)
    k, time = _chosen(k, time, counts, samples, Path(path))
    if field_of_view is None:
        stated = sequence.definitions.get("FOV")
        if stated is None or np.size(stated) != 3 or not np.all(np.asarray(stated, float) > 0):
            raise ValueError(f"field_of_view: expected a length [m], as {path} defines no FOV; got None")
        lengths = dict(zip("xyz", (float(v) for v in stated)))
    else:
        names = axes or ("yx" if np.size(np.asarray(field_of_view)) == 2 else "zyx")
        lengths = dict(zip(names, check_fov(field_of_view, len(names))))
    if axes is None:
        axes = "zyx" if "z" in lengths and np.ptp(k[..., 2]) * lengths["z"] > 1.0 else "yx"
    chosen = tuple(lengths[a] for a in axes)
    k = k[..., ["xyz".index(a) for a in axes]] * np.array(chosen)
    return PulseqTrajectory(torch.from_numpy(k).to(dtype), torch.from_numpy(time).to(dtype), chosen)


def _acquired(sequence: Any, path: Path, advance: float) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """k (samples, 3) [cycles/m], time since excitation (samples,), and the number of samples of every ADC event."""
    counts = [
        int(sequence.adc_library.data[block[5]][0]) for _, block in sorted(sequence.block_events.items()) if block[5]
    ]
    if not counts:
        raise ValueError(f"{path}: expected ADC events, got none")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            k, _, excitations, _, moments = sequence.calculate_kspace(trajectory_delay=advance)
    except Exception as error:
        raise ValueError(
            f"{path}: pypulseq cannot integrate the gradients ({type(error).__name__}: {error})"
        ) from error
    moments, starts = np.asarray(moments, float), np.sort(np.asarray(excitations, float).ravel())
    if not np.isfinite(k).all() or k.shape[1] != sum(counts):
        raise ValueError(f"{path}: expected {sum(counts)} finite samples of k-space, got {k.shape[1]}")
    last = np.searchsorted(starts, moments, side="right") - 1
    since = moments - np.where(last >= 0, starts[np.maximum(last, 0)] if starts.size else 0.0, 0.0)
    return k.T, since, np.asarray(counts)


def _chosen(
    k: NDArray[Any], time: NDArray[Any], counts: NDArray[Any], samples: int | None, path: Path
) -> tuple[NDArray[Any], NDArray[Any]]:
    lengths = sorted({int(c) for c in counts})
    if samples is None and len(lengths) > 1:
        raise ValueError(f"samples: expected a choice, as the ADC events of {path} have {lengths} samples; got None")
    samples = lengths[0] if samples is None else samples
    if samples not in lengths:
        raise ValueError(f"samples: expected one of {lengths} for {path}, got {samples}")
    begin = np.concatenate([[0], np.cumsum(counts)[:-1]])[counts == samples]
    place = begin[:, None] + np.arange(samples)
    return k[place], time[place]
