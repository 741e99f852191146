"""`mriops qmri --model mrf`: fingerprints looked up in a dictionary, from images or through a subspace from k-space."""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mriops.cli.environment import choose_device, describe
from mriops.cli.job import REPORT, Job, identity, keep_inputs, make_folder, new_results, write_json
from mriops.cli.progress import progress
from mriops.cli.qmri_design import read_train
from mriops.cli.qmri_figure import draw_map
from mriops.cli.qmri_files import Series, inside, read_map, read_series, whole, write_map
from mriops.cli.qmri_measurement import refuse
from mriops.cli.qmri_models import FINGERPRINT_UNITS, result_files
from mriops.cli.qmri_options import FINGERPRINT_DEFAULTS
from mriops.signals import Dictionary, PulseTrain, fingerprint_deviation, fingerprints, match

__all__ = ["run_fingerprints"]

_B1_STEP = 0.02
#: Options of the other models, whose measurement and known parameters a train does not take.
_FOREIGN = (
    *("--times", "--ms", "--angles", "--b-values", "--directions", "--tr", "--field", "--peaks"),
    *("--no-decay", "--two-parameter", "--fix", "--rician"),
)

#: Options of reconstructions.
_KSPACE = ("--im-size", "--l2", "--max-iter")


class _Kspace(NamedTuple):
    """What an npz file of raw data holds; a slice axis comes first, of length 1 where all slices share it."""

    kspace: np.ndarray
    trajectory: Tensor | None
    mask: Tensor | None
    csm: Tensor | None
    dcf: Tensor | None
    im_size: tuple[int, ...] | None


class _Lookup(NamedTuple):
    """Dictionary, its deviations ``(parameters, entries)`` or None, names of what is fitted, whether B1 is known."""

    train: PulseTrain
    dictionary: Dictionary
    deviation: Tensor | None
    names: tuple[str, ...]
    b1_known: bool
    real: bool


def run_fingerprints(arguments: argparse.Namespace) -> int:
    """Carry out `mriops qmri --model mrf`; 0 when all is written.

    Raises
    ------
    ValueError, OSError
        The sequence, the grid or the data do not fit, or an option is of other models, named in one line.
    """
    refuse(arguments, _FOREIGN, "another model")
    given = {option for option in _KSPACE if getattr(arguments, option[2:].replace("-", "_")) is not None}
    for name, default in FINGERPRINT_DEFAULTS.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, default)
    started = time.perf_counter()
    device = choose_device("cpu", arguments.threads)
    if arguments.sequence is None:
        raise ValueError("--sequence: expected a file with flip angles and times for the model mrf, got nothing")
    train = read_train(Path(arguments.sequence))
    file, out = Path(arguments.file), Path(arguments.out)
    keep_inputs((arguments.file, arguments.mask, arguments.b1, arguments.sequence), result_files(out))
    raw = _raw(file, train, arguments)
    series = (
        read_series(file, key=arguments.key, time_axis=arguments.time_axis, slice_axis=arguments.slice_axis)
        if (raw is None)
        else Series(np.empty((0, *_volume(raw)), np.float32), None, {})
    )
    if raw is None and given:
        raise ValueError(f"{min(given)}: expected k-space in {file}, got images")
    if raw is None and len(series.images) != len(train):
        raise ValueError(f"{file}: expected {len(train)} images, as many as pulses, got {len(series.images)}")
    b1 = read_map(arguments.b1, series, "--b1").astype(np.float32) if arguments.b1 else None
    masked = inside(read_map(arguments.mask, series, "--mask")) if arguments.mask else None
    lookup = _lookup(arguments, train, b1, real=raw is None and not np.iscomplexobj(series.images), raw=raw is not None)
    settings = {
        "train": dataclasses.asdict(train),
        **{name: getattr(arguments, name) for name in ("t1", "t2", "b1", "b1_grid", "rank", "l2", "max_iter")},
        **{name: getattr(arguments, name) for name in ("signed", "noise", "threshold", "mask", "key", "im_size")},
        "axes": [arguments.time_axis, arguments.slice_axis],
        "maps": [identity(Path(name)) for name in (arguments.b1, arguments.mask) if name and not name.startswith("@")],
    }
    make_folder(out / "png")  # before the work, which would be lost where nothing can be written
    job = Job(out, file, settings, restart=arguments.restart)
    slices = len(series.images[0]) if raw is None else len(raw.kspace)
    left = [s for s in range(slices) if not job.is_finished(s)]
    with progress("qmri", slices, done=slices - len(left), quiet=arguments.quiet) as bar:
        for s in left:
            begin = time.perf_counter()
            signal = torch.from_numpy(series.images[:, s]) if raw is None else _coefficients(raw, s, lookup, arguments)
            chosen = None if masked is None else torch.from_numpy(masked[s])
            field = None if b1 is None else torch.from_numpy(b1[s])
            maps = _maps(lookup, signal, chosen, field, arguments)
            job.save(s, maps.numpy(), time.perf_counter() - begin)
            bar.advance()
    with new_results(out, result_files(out)):
        summary = _write(job, _rows(lookup), series.affine)
    fitted = next(iter(summary.values()))["voxels"]
    report = {
        "file": str(file),
        "model": {"name": "mrf", "from": "images" if raw is None else "k-space, subspace", "pulses": len(train)},
        "sequence": dataclasses.asdict(train),
        "dictionary": {"entries": lookup.dictionary.entries.shape[1], "rank": lookup.dictionary.entries.shape[0]},
        "settings": {name: value for name, value in settings.items() if name != "train"},
        "maps": summary,
        "slices": {"total": slices, "computed in this run": len(left)},
        "seconds": round(time.perf_counter() - started, 3),
        "versions": describe(device),
        "written": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    write_json(report, out / REPORT)
    if not arguments.quiet:
        sys.stdout.writelines(f"{n:12s} median {row['median']:.4g} {row['unit']}\n" for n, row in summary.items())
        sys.stdout.write(f"{fitted} voxels; wrote {out}\n")
    return 0


def _raw(file: Path, train: PulseTrain, arguments: argparse.Namespace) -> _Kspace | None:
    """Raw data, if the file is an npz file with the array ``kspace`` and no other array was asked for."""
    if file.suffix != ".npz" or not file.exists() or arguments.key not in (None, "kspace"):
        return None
    try:
        with whole(file), np.load(file) as stored:
            if "kspace" not in stored.files:
                return None
            names = ("kspace", "trajectory", "mask", "csm", "dcf")
            arrays = {name: stored[name] for name in names if name in stored.files}
    except ValueError as error:
        raise ValueError(f"{file}: expected arrays of numbers ({error})") from error
    kspace = arrays["kspace"]
    kspace = kspace[None] if kspace.ndim == 4 else kspace
    if kspace.ndim != 5 or not np.iscomplexobj(kspace) or kspace.shape[1] != len(train):
        raise ValueError(
            f"{file}: kspace: expected complex ([slices,] {len(train)} frames, coils, shots, readout) or "
            f"(..., coils, y, x), got {kspace.dtype} {arrays['kspace'].shape}"
        )
    size = None
    if arguments.im_size:
        try:
            size = tuple(int(n) for n in arguments.im_size.split(","))
        except ValueError:
            raise ValueError(f"--im-size: expected Y,X, got {arguments.im_size!r}") from None
    csm = arrays.get("csm")
    if csm is not None:
        csm = csm[None] if csm.ndim == 3 else csm
        if csm.ndim != 4 or len(csm) not in (1, len(kspace)):
            raise ValueError(f"{file}: csm: expected ([slices,] coils, y, x), got {arrays['csm'].shape}")
        if size not in (None, csm.shape[2:]):
            raise ValueError(f"--im-size: expected that of csm {csm.shape[2:]}, got {size}")
        size = csm.shape[2:]
        csm = torch.from_numpy(csm.astype(np.complex64))
    frames, shots = "frames, shots, readout", kspace.shape[1:2] + kspace.shape[3:]
    trajectory = _stacked(file, arrays, "trajectory", f"{frames}, 2", (*shots, 2), len(kspace))
    if trajectory is None and "dcf" in arrays:
        raise ValueError(f"{file}: dcf: expected none without trajectory, got {arrays['dcf'].shape}")
    if trajectory is not None and "mask" in arrays:
        raise ValueError(f"{file}: mask: expected none with trajectory, got {arrays['mask'].shape}")
    mask = _stacked(file, arrays, "mask", "frames, y, x", shots, len(kspace))
    dcf = _stacked(file, arrays, "dcf", frames, shots, len(kspace))
    if trajectory is not None and size is None:
        raise ValueError("--im-size: expected the size of the images, as the file has no csm, got nothing")
    return _Kspace(kspace.astype(np.complex64), trajectory, mask, csm, dcf, size)


def _stacked(
    file: Path, arrays: dict[str, np.ndarray], name: str, axes: str, shape: tuple[int, ...], slices: int
) -> Tensor | None:
    """An array, single precision, with an axis of slices in front; a mask may be the same in all frames or lines."""
    if name not in arrays:
        return None
    values = arrays[name]
    stack = values[None] if values.ndim == len(shape) else values
    if name == "mask" and values.ndim == 2:
        stack = values[None, None]
    lengths = [(n, 1) if name == "mask" else (n,) for n in shape]
    fits = stack.ndim == len(shape) + 1 and len(stack) in (1, slices)
    if not fits or any(n not in some for n, some in zip(stack.shape[1:], lengths, strict=True)):
        either = " or (y, x)" if name == "mask" else ""
        raise ValueError(
            f"{file}: {name}: expected ([slices,] {axes}){either} for {slices} slices of {shape}, got {values.shape}"
        )
    return torch.from_numpy(stack.astype(np.float32))


def _volume(raw: _Kspace) -> tuple[int, ...]:
    return (len(raw.kspace), *(raw.kspace.shape[-2:] if raw.trajectory is None else raw.im_size or ()))


def _grid(text: str, name: str, *, powers: bool = True) -> Tensor:
    """Values of FIRST:LAST:COUNT or of a list."""
    try:
        if ":" not in text:
            return torch.tensor(sorted(float(part) for part in text.split(",")))
        first, last, count = text.split(":")
        n = int(count)
        if n < 1 or (powers and not 0 < float(first) <= float(last)):
            raise ValueError
        if powers:
            return torch.logspace(math.log10(float(first)), math.log10(float(last)), n)
        return torch.linspace(float(first), float(last), n)
    except ValueError:
        raise ValueError(f"{name}: expected FIRST:LAST:COUNT or positive numbers, got {text!r}") from None


def _lookup(
    arguments: argparse.Namespace, train: PulseTrain, b1: np.ndarray | None, *, real: bool, raw: bool
) -> _Lookup:
    t1, t2 = _grid(arguments.t1, "--t1"), _grid(arguments.t2, "--t2")
    field = None if arguments.b1_grid is None else _grid(arguments.b1_grid, "--b1-grid", powers=False)
    if b1 is not None and field is None:
        known = b1[np.isfinite(b1) & (b1 > 0)]
        if not known.size:
            raise ValueError("--b1: expected positive values, got none")
        steps = np.unique(np.clip(np.round(known / _B1_STEP), 1, None))
        field = torch.from_numpy((steps * _B1_STEP).astype(np.float32))
    magnitude = real and not arguments.signed
    entries = len(t1) * len(t2) * (1 if field is None else len(field))
    rank = min(arguments.rank, len(train), entries)
    dictionary = fingerprints(train, t1, t2, field, rank=rank, magnitude=magnitude)
    deviation = None
    if not raw:
        # Aliasing and noise that a reconstruction has coloured have no such bound.
        rows = dictionary.parameters
        known_field = rows[2] if b1 is not None else None
        fitted = rows[:2] if b1 is not None else rows
        deviation = fingerprint_deviation(train, fitted, b1=known_field, magnitude=magnitude)
    names = ("t1", "t2", "b1") if field is not None and b1 is None else ("t1", "t2")
    return _Lookup(train, dictionary, deviation, names, b1 is not None, real)


def _coefficients(raw: _Kspace, s: int, lookup: _Lookup, arguments: argparse.Namespace) -> Tensor:
    from mriops import recon

    basis = lookup.dictionary.basis
    if basis is None:  # a rank is always given
        raise RuntimeError("dictionary: expected a basis")
    stacks = {"csm": raw.csm, "trajectory": raw.trajectory, "dcf": raw.dcf, "mask": raw.mask}
    options: dict[str, Any] = {name: x[min(s, len(x) - 1)] for name, x in stacks.items() if x is not None}
    options |= {"l2": arguments.l2, "max_iter": arguments.max_iter, "im_size": raw.im_size}
    return recon.subspace_sense(torch.from_numpy(raw.kspace[s]), basis, **options)


def _rows(lookup: _Lookup) -> list[str]:
    deviations = [f"{name}_std" for name in lookup.names] if lookup.deviation is not None else []
    return [*lookup.names, "m0", "correlation", *deviations]


def _steps(lookup: _Lookup, b1: Tensor | None) -> Iterator[tuple[Tensor | None, Tensor]]:
    """Numbers of the entries that a group of voxels may take, None for all, and which voxels these are."""
    if b1 is None:
        yield None, torch.tensor(True)
        return
    field = lookup.dictionary.parameters[2]
    values = torch.unique(field)
    nearest = (b1.reshape(-1, 1) - values).abs().argmin(1).reshape(b1.shape)
    for i, value in enumerate(values):
        yield (field == value).nonzero()[:, 0], nearest == i


def _maps(
    lookup: _Lookup, signal: Tensor, chosen: Tensor | None, b1: Tensor | None, arguments: argparse.Namespace
) -> Tensor:
    """Rows of `_rows` ``(rows, y, x)``, NaN outside."""
    # Real images are matched by complex entries of a constant phase.
    dtype = lookup.dictionary.entries.dtype
    energy = signal.abs().square().sum(0)
    finite = energy.isfinite() if b1 is None else energy.isfinite() & b1.isfinite() & (b1 > 0)
    within = chosen
    if within is None:
        top = torch.quantile(energy[finite].sqrt(), 0.99) if bool(finite.any()) else energy.new_tensor(0)
        within = torch.greater(energy.sqrt(), arguments.threshold * top)
    within = within & finite & (energy > 0)
    result = torch.full((len(_rows(lookup)), *energy.shape), math.nan)
    for entries, voxels in _steps(lookup, b1):
        here = within & voxels
        if not bool(here.any()):
            continue
        dictionary = lookup.dictionary if entries is None else lookup.dictionary.subset(entries)
        found = match(dictionary, signal[:, here].to(dtype), refine=True)
        rows = [*found.parameters[: len(lookup.names)], found.scale.abs(), found.correlation]
        if lookup.deviation is not None:
            index = found.index if entries is None else entries[found.index]
            noise = _noise(lookup, energy[here], found.scale.abs() * dictionary.norms[found.index], arguments)
            rows += list(lookup.deviation[:, index] * noise / found.scale.abs())
        result[:, here] = torch.stack(rows).float()
    return result


def _noise(lookup: _Lookup, energy: Tensor, kept: Tensor, arguments: argparse.Namespace) -> Tensor:
    """Standard deviation per real sample: given, or what the entry leaves of the signal."""
    if arguments.noise is not None:
        return torch.full_like(energy, arguments.noise)
    times, fitted = len(lookup.train), len(lookup.names)
    freedom = times - 1 - fitted if lookup.real else 2 * times - 2 - fitted
    return ((energy - kept.square()).clamp_min(0) / max(freedom, 1)).sqrt()


def _write(job: Job, rows: list[str], affine: Any) -> dict[str, dict[str, Any]]:
    stack = Job.finished_images(job.out)  # (slices, rows, y, x)
    maps = dict(zip(rows, np.moveaxis(stack, 1, 0), strict=True))
    summary: dict[str, dict[str, Any]] = {}
    for name, values in maps.items():
        write_map(values, job.out / f"{name}.nii.gz", affine)
        if name not in FINGERPRINT_UNITS or name == "correlation":
            continue
        unit, deviation = FINGERPRINT_UNITS[name], maps.get(f"{name}_std")
        below = None if deviation is not None else "correlation with the entry"
        lower = maps["correlation"] if deviation is None else deviation
        finite = values[np.isfinite(values)]
        note = f"fingerprints, {finite.size} voxels"
        draw_map(values, lower, job.out / "png" / f"{name}.png", name=name, unit=unit, note=note, below=below)
        quartiles = np.percentile(finite, (25, 50, 75)) if finite.size else np.full(3, np.nan)
        summary[name] = {
            "unit": unit,
            "voxels": int(finite.size),
            "median": float(quartiles[1]),
            "quartiles": [float(quartiles[0]), float(quartiles[2])],
        }
    return summary
