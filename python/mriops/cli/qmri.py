"""`mriops qmri`: a series of images to parameter maps with their uncertainty, as NIfTI in SI units and as pictures."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from mriops.cli.environment import choose_device, describe
from mriops.cli.job import REPORT, keep_inputs, make_folder, new_results, write_json
from mriops.cli.qmri_derived import DERIVED, derived
from mriops.cli.qmri_figure import draw_map
from mriops.cli.qmri_files import Series, inside, read_map, read_series, write_map
from mriops.cli.qmri_measurement import measurement
from mriops.cli.qmri_models import MODELS, Mapping, result_files

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Carry out `mriops qmri`; 0 when all is written."""
    if arguments.model == "mrf":
        from mriops.cli.qmri_mrf import run_fingerprints

        return run_fingerprints(arguments)
    from mriops.cli.qmri_slices import fit_slices
    from mriops.signals import SignalOp

    started = time.perf_counter()
    device = choose_device("cpu", arguments.threads)
    chosen = MODELS[arguments.model]
    out = Path(arguments.out)
    results = result_files(out)
    files = (arguments.file, arguments.mask, arguments.b1, arguments.sequence, arguments.directions)
    keep_inputs((*files, *(text for _, _, text in _fixes(arguments))), results)
    axes = {"time_axis": arguments.time_axis, "slice_axis": arguments.slice_axis}
    series = read_series(Path(arguments.file), key=arguments.key, **axes)
    design = measurement(arguments, chosen, series)
    if chosen.kind == "complex" and not np.iscomplexobj(series.images):
        raise ValueError(f"{arguments.file}: expected complex images for the model {arguments.model}, got real ones")
    signed = arguments.signed or (chosen.kind == "signed" and not np.iscomplexobj(series.images))
    op = SignalOp(chosen.model, magnitude=not signed and not np.iscomplexobj(series.images), **design)
    if op.times != len(series.images):
        raise ValueError(f"{arguments.file}: expected {op.times} images, as many as times, got {len(series.images)}")
    mask = _mask(arguments, series)
    if not mask.any():
        raise ValueError(f"{'--mask' if arguments.mask else '--threshold'}: expected voxels to fit, got none")
    fixed = _known(arguments, series)
    make_folder(out / "png")  # before the work, which would be lost where nothing can be written
    parts, computed = fit_slices(arguments, op, series.images, mask, fixed)
    with new_results(out, results):
        summary = _write(op, chosen, parts, series, mask, set(fixed), out)
    report = {
        "file": str(arguments.file),
        "model": {"name": op.name, "formula": op.model.formula, "reference": op.model.reference},
        "design": {key: np.atleast_1d(value).astype(float).tolist() for key, value in design.items()},
        "magnitude": op.magnitude,
        "maps": summary,
        "voxels": {"fitted": int(mask.sum()), "converged": int(sum(int(p.converged.sum()) for p in parts))},
        "slices": {"total": len(parts), "computed in this run": computed},
        "seconds": round(time.perf_counter() - started, 3),
        "versions": describe(device),
        "written": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    write_json(report, out / REPORT)
    if not arguments.quiet:
        for name, row in summary.items():
            held = f", {row['at_bounds']} voxels at its bounds" if row["at_bounds"] else ""
            sys.stdout.write(f"{name:12s} median {row['median']:.4g} {row['unit']}{held}\n")
        voxels = report["voxels"]
        sys.stdout.write(f"{voxels['converged']} of {voxels['fitted']} voxels converged; wrote {out}\n")
    return 0


def _fixes(arguments: argparse.Namespace) -> list[tuple[str, str, str]]:
    return [item.partition("=") for item in arguments.fix or ()]


def _known(arguments: argparse.Namespace, series: Series) -> dict[str, np.ndarray]:
    """Maps of the parameters that are not fitted."""
    fixed = {"b1": read_map(arguments.b1, series, "--b1")} if arguments.b1 else {}
    if arguments.two_parameter:
        fixed["efficiency"] = np.ones(series.images.shape[1:], np.float32)
    if arguments.no_decay:
        if arguments.model != "waterfat":
            raise ValueError(f"--no-decay: expected the model waterfat, got {arguments.model}")
        fixed["r2star"] = np.zeros(series.images.shape[1:], np.float32)
    for name, equals, text in _fixes(arguments):
        if not text:
            raise ValueError(f"--fix: expected NAME=NUMBER or NAME=FILE, got {name + equals!r}")
        try:
            fixed[name] = np.full(series.images.shape[1:], float(text), np.float32)
        except ValueError:
            fixed[name] = read_map(text, series, f"--fix {name}")
    return fixed


def _mask(arguments: argparse.Namespace, series: Series) -> np.ndarray:
    if arguments.mask:
        return inside(read_map(arguments.mask, series, "--mask"))
    with np.errstate(invalid="ignore"):
        brightest = np.abs(series.images).max(axis=0)
    top = np.nanpercentile(brightest, 99)
    return brightest > arguments.threshold * top


def _at_bounds(values: np.ndarray, lower: float, upper: float) -> int:
    """How many values lie on a finite bound, as rounded to the values' precision."""
    low, high = values.dtype.type(lower), values.dtype.type(upper)
    return int(((values <= low) & np.isfinite(low) | (values >= high) & np.isfinite(high)).sum())


def _write(
    op: Any, chosen: Mapping, parts: list[Any], series: Series, mask: np.ndarray, fixed: set[str], out: Path
) -> dict[str, dict[str, Any]]:
    """Maps and pictures; what the report says of each map."""
    summary: dict[str, dict[str, Any]] = {}
    converged = np.stack([p.converged.numpy() for p in parts])
    parts = [derived(op.name, part) for part in parts]
    share = f"{100 * converged[mask].mean() if mask.any() else 0:.1f} % of {int(mask.sum())} voxels converged"
    extra = [parameter for parameter, *_ in DERIVED.get(op.name, [])]
    for p in (*op.model.parameters, *extra):
        values = np.stack([part.parameters[p.name].numpy() for part in parts])
        deviation = np.stack([part.uncertainty[p.name].numpy() for part in parts])
        finite = values[np.isfinite(values)]
        if values.ndim < 3 or p.name in fixed or (finite.size and np.all(finite == p.default)):
            continue  # known
        name = chosen.renamed.get(p.name) or p.name
        write_map(values, out / f"{name}.nii.gz", series.affine)
        write_map(deviation, out / f"{name}_std.nii.gz", series.affine)
        if values.ndim == 4:
            continue  # components have no picture of their own
        limits = (0.0, 1.0) if p in extra and p.upper == 1 else None
        draw_map(values, deviation, out / "png" / f"{name}.png", name=name, unit=p.unit, note=share, limits=limits)
        quartiles = np.percentile(finite, (25, 50, 75)) if finite.size else np.full(3, np.nan)
        summary[name] = {
            "unit": p.unit,
            "median": float(quartiles[1]),
            "quartiles": [float(quartiles[0]), float(quartiles[2])],
            "at_bounds": 0 if p in extra else _at_bounds(finite, p.lower, p.upper),
        }
    write_map(converged, out / "converged.nii.gz", series.affine)
    write_map(np.stack([p.noise.numpy() for p in parts]), out / "noise.nii.gz", series.affine)
    return summary
