"""`mriops recon`: a raw file to NIfTI, npz, pictures and a report, slice by slice."""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from mriops.cli.environment import choose_device, describe
from mriops.cli.job import REPORT, FinishedSlice, Job, keep_inputs, make_folder, new_results, write_json
from mriops.cli.progress import progress
from mriops.io import ScanInfo, open_raw, write_image, write_nifti, write_png
from mriops.recon import Settings, reconstruct

NIFTI, PHASE, NPZ = "image.nii.gz", "phase.nii.gz", "image.npz"
# As `_write_results` names them; other pictures in the folder are not ours.
_PICTURE = re.compile(r"slice_\d{4,}(_frame_\d{3,})?\.png")


def run(arguments: argparse.Namespace) -> int:
    """Carry out `mriops recon`; 0 when all is written."""
    device = choose_device(arguments.device, arguments.threads)
    settings = Settings(
        method=arguments.method,
        calib=arguments.calib,
        n_maps=arguments.maps,
        l2=arguments.l2,
        max_iter=arguments.max_iter,
        tol=arguments.tol,
        compress=arguments.compress,
        whiten=not arguments.no_whiten,
        acceleration=arguments.acceleration,
        acs=arguments.acs,
        device=str(device),
    )
    return reconstruct_file(
        Path(arguments.file),
        Path(arguments.out),
        settings,
        options=file_options(arguments),
        slices=arguments.slices,
        phase=arguments.phase,
        restart=arguments.restart,
        quiet=arguments.quiet,
    )


def file_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of `mriops.io.open_raw` that were given."""
    options: dict[str, Any] = {
        name: getattr(arguments, name) for name in ("format", "key", "dataset", "trajectory_units")
    }
    options["axes"] = tuple(arguments.axes.split(",")) if arguments.axes else None
    return {name: value for name, value in options.items() if value is not None}


def reconstruct_file(
    file: Path,
    out: Path,
    settings: Settings,
    *,
    options: dict[str, Any] | None = None,
    slices: str | None = None,
    phase: bool = False,
    restart: bool = False,
    quiet: bool = False,
) -> int:
    """Reconstruct every slice that is not finished yet, then write NIfTI, npz, pictures and report into `out`.

    Results of an earlier run stay until all slices are finished; then those that are not written again are deleted.

    Returns
    -------
    int
        0.

    Raises
    ------
    ValueError, OSError, ImportError
        If the file cannot be read, the settings do not fit it, or the folder cannot be written to or has the file
        among its results.
    TypeError
        If an option of the reader is unknown.
    """
    started = time.perf_counter()
    with open_raw(file, **options or {}) as raw_file:
        info = raw_file.info
        chosen = _parse_slices(slices, info.n_slices)
        settings.check(info)
        keep_inputs((str(file),), _results(out))
        if not quiet:
            sys.stderr.writelines(f"note: {note}\n" for note in info.notes)
        key = {**dataclasses.asdict(settings), "options": options or {}}
        job = Job(out, file, key, restart=restart)
        left = [s for s in chosen if not job.is_finished(s)]
        if job.continued and len(left) < len(chosen):
            sys.stderr.write(f"continuing: {len(chosen) - len(left)} of {len(chosen)} slices are finished\n")
        with progress("recon", len(chosen), done=len(chosen) - len(left), quiet=quiet) as bar:
            for s in left:
                begin = time.perf_counter()
                raw = raw_file.read(range(s, s + 1))
                try:
                    image = reconstruct(raw, settings)[0].numpy()
                except ValueError as error:
                    raise ValueError(f"{file}: slice {s}: {error}") from error
                job.save(s, image, time.perf_counter() - begin)
                bar.advance()
    finished = _finished(job, chosen)
    with new_results(out, _results(out)):
        _write_results(np.stack([f.image for f in finished]), info, chosen, out, phase=phase)
    report = _report(info, file, settings, chosen, [f.seconds for f in finished])
    report["seconds"]["this run"] = round(time.perf_counter() - started, 3)
    report["slices"]["computed in this run"] = len(left)
    write_json(report, out / REPORT)
    if not quiet:
        sys.stdout.write(f"wrote {out / NIFTI}, {out / NPZ}, {len(chosen)} slices in {out / 'png'}, {out / REPORT}\n")
    return 0


def _parse_slices(text: str | None, n: int) -> range:
    if text is None:
        return range(n)
    start, colon, stop = text.partition(":")
    try:
        first = int(start) if start else 0
        last = (int(stop) if stop else n) if colon else first + 1
    except ValueError:
        raise ValueError(f"--slices: expected A:B, got {text!r}") from None
    if not 0 <= first < last <= n:
        raise ValueError(f"--slices: expected A:B within 0:{n}, got {text!r}")
    return range(first, last)


def _results(out: Path) -> list[Path]:
    """What this command has left, or would write, in a folder."""
    pictures = (path for path in (out / "png").glob("slice_*.png") if _PICTURE.fullmatch(path.name))
    return [*(out / name for name in (NIFTI, NPZ, PHASE, REPORT)), *pictures]


def _finished(job: Job, chosen: range) -> list[FinishedSlice]:
    finished = {s: job.load(s) for s in chosen}
    if lost := [s for s, part in finished.items() if part is None]:
        raise OSError(f"finished slices {lost} have gone from {job.out}; run the same command again")
    return [part for part in finished.values() if part is not None]


def _write_results(images: np.ndarray, info: ScanInfo, chosen: range, out: Path, *, phase: bool) -> None:
    """NIfTI, npz and pictures of `images (slices, *frames, *recon_size)`."""
    write_nifti(images, out / NIFTI, info=info, first_slice=chosen.start)
    write_image(images, out / NPZ, info=info, first_slice=chosen.start)
    if phase and np.iscomplexobj(images):
        write_nifti(images, out / PHASE, info=info, part="phase", first_slice=chosen.start)
    make_folder(out / "png")
    window = (0.0, float(np.percentile(np.abs(images), 99.7)))
    for s, image in zip(chosen, images, strict=True):
        for frame, picture in _pictures(image, info):
            write_png(info.picture(picture), out / "png" / f"slice_{s:04d}{frame}.png", window=window)


def _pictures(image: np.ndarray, info: ScanInfo) -> list[tuple[str, np.ndarray]]:
    """Two-dimensional pictures of a slice with frames; of a 3D slab the middle partition."""
    magnitude = np.abs(image)
    if info.ndim == 3:
        magnitude = magnitude.take(magnitude.shape[-3] // 2, axis=-3)
    frames = magnitude.reshape(-1, *magnitude.shape[-2:])
    if len(frames) == 1:
        return [("", frames[0])]
    return [(f"_frame_{i:03d}", frame) for i, frame in enumerate(frames)]


def _report(info: ScanInfo, file: Path, settings: Settings, chosen: range, seconds: list[float]) -> dict[str, Any]:
    import torch

    return {
        "file": str(file),
        "scan": info.info_dict(),
        "settings": dataclasses.asdict(settings),
        "slices": {"first": chosen.start, "count": len(chosen)},
        "seconds": {"slices": [round(s, 4) for s in seconds], "total": round(sum(seconds), 4)},
        "versions": describe(torch.device(settings.device)),
        "written": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "images": {
            "nifti": NIFTI,
            "npz": NPZ,
            "png": "png",
            "units": "arbitrary (SNR units where a noise scan was used)",
        },
    }
