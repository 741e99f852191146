"""`mriops demo`: simulate a scan, write it as ISMRMRD, reconstruct it from that file, compare with the truth."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mriops import metrics
from mriops.cli.environment import choose_device, describe
from mriops.cli.figure import draw
from mriops.cli.job import Job, make_folder, write_json
from mriops.cli.recon import reconstruct_file
from mriops.cli.simulation import Protocol, simulate
from mriops.io import read, write_ismrmrd
from mriops.recon import Settings

_QUICK = {"size": (128, 128), "n_coils": 8, "acceleration": 3}
_METHODS = {"Zero-filled": "zero-filled", "CG-SENSE": "sense"}


def run(arguments: argparse.Namespace) -> int:
    """Carry out `mriops demo`; 0 when the figure is written."""
    device = choose_device(arguments.device, arguments.threads)
    out = Path(arguments.out)
    make_folder(out)
    protocol = Protocol(seed=arguments.seed, **(_QUICK if arguments.quick else {}))
    say = (lambda text: None) if arguments.quiet else (lambda text: _write(text))

    begin = time.perf_counter()
    say(f"simulating {protocol.n_coils} coils, {protocol.size[0]} x {protocol.size[1]}, R = {protocol.acceleration}")
    scan, truth = simulate(protocol)
    write_ismrmrd(scan, out / "scan.h5")
    write_ismrmrd(truth, out / "reference.h5")
    say(f"wrote {out / 'scan.h5'} ({(out / 'scan.h5').stat().st_size / 2**20:.1f} MiB)")
    seconds = {"simulation": time.perf_counter() - begin}

    reference = _reconstruct(out, "reference", Settings(method="rss", device=str(device)))
    images = {}
    for name, method in _METHODS.items():
        begin = time.perf_counter()
        images[name] = _reconstruct(out, method, Settings(method=method, device=str(device)), file="scan")
        seconds[name] = time.perf_counter() - begin
    scores = {name: _scores(image, reference) for name, image in images.items()}
    raw = read(out / "scan.h5")
    size = raw.recon_size
    mask = np.ones(size, bool) if raw.mask is None else np.broadcast_to(raw.mask[0], size)
    pattern = f"R = {protocol.acceleration} and {protocol.acs} calibration lines"
    title = f"Analytic brain phantom, {protocol.n_coils} coils, {pattern}, ESPIRiT maps"
    voxel = (raw.voxel_size or (1e-3,) * 3)[2]
    draw(reference, images, mask, scores, out / "figure.png", title=title, voxel=voxel)
    write_json({"scores": scores, "seconds": seconds, "versions": describe(device)}, out / "demo.json")
    say(_table(scores, seconds))
    say(f"wrote {out / 'figure.png'}")
    return 0


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _reconstruct(out: Path, name: str, settings: Settings, *, file: str | None = None) -> np.ndarray:
    """Through the code of `mriops recon`, from the file, anew."""
    path, folder = out / f"{file or name}.h5", out / name
    reconstruct_file(path, folder, settings, restart=True, quiet=True)
    return np.abs(Job.finished_images(folder)[0])


def _scores(image: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    got, expected = torch.from_numpy(image), torch.from_numpy(reference)
    return {
        "NRMSE": float(metrics.nrmse(got, expected)),
        "SSIM": float(metrics.ssim(got, expected)),
        "PSNR": float(metrics.psnr(got, expected)),
    }


def _table(scores: dict[str, dict[str, float]], seconds: dict[str, Any]) -> str:
    lines = [f"{'':<14}{'NRMSE':>8}{'SSIM':>8}{'PSNR [dB]':>11}{'time [s]':>10}"]
    for name, s in scores.items():
        lines.append(f"{name:<14}{s['NRMSE']:>8.4f}{s['SSIM']:>8.4f}{s['PSNR']:>11.2f}{seconds[name]:>10.2f}")
    return "\n".join(lines)
