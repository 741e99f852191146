"""`mriops qmri`: a series of images to parameter maps with their uncertainty, as NIfTI in SI units and as pictures."""

from __future__ import annotations

import argparse
import math
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mriops.cli.environment import choose_device, describe
from mriops.cli.job import make_folder, write_json
from mriops.cli.progress import progress
from mriops.cli.qmri_figure import draw_map
from mriops.cli.qmri_files import Series, numbers, read_map, read_series, write_map
from mriops.cli.qmri_water_fat import FAT_FRACTION, fat_peaks, magnitudes

__all__ = ["MODELS", "run"]


class Mapping(NamedTuple):
    """A model of the command line: the signal model, what its times are called, and how its parameters are renamed."""

    model: str
    times: str
    renamed: dict[str, str]
    words: str


MODELS = {
    "t2": Mapping("mono_exponential", "time", {}, "spin echoes: --times are echo times"),
    "t2star": Mapping("mono_exponential", "time", {"t2": "t2star"}, "gradient echoes: --times are echo times"),
    "t1rho": Mapping("mono_exponential", "time", {"t2": "t1rho"}, "--times are spin lock times"),
    "ir": Mapping("inversion_recovery", "inversion_time", {}, "--times are inversion times; --tr where it is short"),
    "sr": Mapping("saturation_recovery", "time", {}, "--times are saturation times"),
    "molli": Mapping("molli", "inversion_time", {}, "--times are inversion times"),
    "vfa": Mapping("spgr", "flip_angle", {}, "--angles and --tr; --b1 where it is known"),
    "adc": Mapping("diffusion", "b_value", {}, "--b-values"),
    "ivim": Mapping("ivim", "b_value", {}, "--b-values"),
    "waterfat": Mapping("water_fat", "echo_time", {}, "complex images: --times are echo times; --field; --peaks"),
}


def run(arguments: argparse.Namespace) -> int:
    """Carry out `mriops qmri`; 0 when all is written."""
    import torch

    from mriops.signals import SignalOp, fit

    started = time.perf_counter()
    device = choose_device("cpu", arguments.threads)
    chosen = MODELS[arguments.model]
    axes = {"time_axis": arguments.time_axis, "slice_axis": arguments.slice_axis}
    series = read_series(Path(arguments.file), key=arguments.key, **axes)
    design = _design(arguments, chosen, series)
    if arguments.model == "waterfat" and not np.iscomplexobj(series.images):
        raise ValueError(f"{arguments.file}: expected complex images for the model waterfat, got real ones")
    signed = arguments.signed or (arguments.model == "vfa" and not np.iscomplexobj(series.images))
    op = SignalOp(chosen.model, magnitude=not signed and not np.iscomplexobj(series.images), **design)
    if op.times != len(series.images):
        raise ValueError(f"{arguments.file}: expected {op.times} images, as many as times, got {len(series.images)}")
    mask = _mask(arguments, series)
    fixed = _known(arguments, series)
    images = torch.from_numpy(series.images)
    parts = []
    with progress("qmri", images.shape[1], quiet=arguments.quiet) as bar:
        for s in range(images.shape[1]):
            known = {name: torch.from_numpy(np.asarray(values[s], np.float32)) for name, values in fixed.items()}
            noise = arguments.noise
            parts.append(
                fit(op, images[:, s], mask=torch.from_numpy(mask[s]), fixed=known, noise=noise, rician=arguments.rician)
            )
            bar.advance()
    out = Path(arguments.out)
    make_folder(out / "png")
    summary = _write(op, chosen, parts, series, mask, out)
    report = {
        "file": str(arguments.file),
        "model": {"name": op.name, "formula": op.model.formula, "reference": op.model.reference},
        "design": {key: [float(v) for v in np.atleast_1d(value)] for key, value in design.items()},
        "magnitude": op.magnitude,
        "maps": summary,
        "voxels": {"fitted": int(mask.sum()), "converged": int(sum(int(p.converged.sum()) for p in parts))},
        "seconds": round(time.perf_counter() - started, 3),
        "versions": describe(device),
        "written": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    write_json(report, out / "report.json")
    if not arguments.quiet:
        for name, row in summary.items():
            sys.stdout.write(f"{name:12s} median {row['median']:.4g} {row['unit']}\n")
        voxels = report["voxels"]
        sys.stdout.write(f"{voxels['converged']} of {voxels['fitted']} voxels converged; wrote {out}\n")
    return 0


def _design(arguments: argparse.Namespace, chosen: Mapping, series: Series) -> dict[str, Any]:
    """Arguments of the signal model, in SI units."""
    needed = {"flip_angle": "--angles", "b_value": "--b-values"}.get(chosen.times, "--times")
    text = {"--angles": arguments.angles, "--b-values": arguments.b_values}.get(needed, arguments.times)
    if text is None:
        raise ValueError(f"{needed}: expected for the model {arguments.model}, got nothing ({chosen.words})")
    values = numbers(text, series, needed)
    if not values:
        raise ValueError(f"{needed}: expected at least one number, got none")
    if needed == "--angles":
        if arguments.tr is None:
            raise ValueError("--tr: expected the repetition time [s] for the model vfa, got nothing")
        return {"flip_angle": [math.radians(v) for v in values], "repetition_time": arguments.tr}
    if needed == "--b-values":
        return {"b_value": [v * 1e6 for v in values]}
    design: dict[str, Any] = {chosen.times: [v * (1e-3 if arguments.ms else 1.0) for v in values]}
    if arguments.model == "waterfat":
        design |= fat_peaks(arguments.field, arguments.peaks)
    if max(design[chosen.times]) > 30:
        raise ValueError(f"--times: expected seconds, got {max(values):g}; add --ms for milliseconds")
    if arguments.model == "ir" and arguments.tr is not None:
        design["repetition_time"] = arguments.tr
    return design


def _known(arguments: argparse.Namespace, series: Series) -> dict[str, np.ndarray]:
    """Maps of the parameters that are not fitted."""
    fixed = {"b1": read_map(arguments.b1, series, "--b1")} if arguments.b1 else {}
    if arguments.two_parameter:
        fixed["efficiency"] = np.ones(series.images.shape[1:], np.float32)
    if arguments.no_decay:
        if arguments.model != "waterfat":
            raise ValueError(f"--no-decay: expected the model waterfat, got {arguments.model}")
        fixed["r2star"] = np.zeros(series.images.shape[1:], np.float32)
    return fixed


def _mask(arguments: argparse.Namespace, series: Series) -> np.ndarray:
    if arguments.mask:
        return read_map(arguments.mask, series, "--mask") != 0
    with np.errstate(invalid="ignore"):
        brightest = np.abs(series.images).max(axis=0)
    top = np.nanpercentile(brightest, 99)
    return brightest > arguments.threshold * top


def _write(
    op: Any, chosen: Mapping, parts: list[Any], series: Series, mask: np.ndarray, out: Path
) -> dict[str, dict[str, Any]]:
    """Maps and pictures; what the report says of each map."""
    summary: dict[str, dict[str, Any]] = {}
    converged = np.stack([p.converged.numpy() for p in parts])
    if op.name == "water_fat":
        parts = [magnitudes(part) for part in parts]
    share = f"{100 * converged[mask].mean() if mask.any() else 0:.1f} % of {int(mask.sum())} voxels converged"
    extra = [FAT_FRACTION] if op.name == "water_fat" else []
    for p in (*op.model.parameters, *extra):
        values = np.stack([part.parameters[p.name].numpy() for part in parts])
        deviation = np.stack([part.uncertainty[p.name].numpy() for part in parts])
        if values.ndim != 3 or not np.any(deviation[np.isfinite(deviation)]):
            continue  # fixed
        name = chosen.renamed.get(p.name) or p.name
        write_map(values, out / f"{name}.nii.gz", series.affine)
        write_map(deviation, out / f"{name}_std.nii.gz", series.affine)
        limits = (0.0, 1.0) if p is FAT_FRACTION else None
        draw_map(values, deviation, out / "png" / f"{name}.png", name=name, unit=p.unit, note=share, limits=limits)
        finite = values[np.isfinite(values)]
        quartiles = np.percentile(finite, (25, 50, 75)) if finite.size else np.full(3, np.nan)
        summary[name] = {
            "unit": p.unit,
            "median": float(quartiles[1]),
            "quartiles": [float(quartiles[0]), float(quartiles[2])],
        }
    write_map(converged, out / "converged.nii.gz", series.affine)
    write_map(np.stack([p.noise.numpy() for p in parts]), out / "noise.nii.gz", series.affine)
    return summary
