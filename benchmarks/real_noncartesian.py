"""Measured non-Cartesian scans: radial with and without delay correction, undersampled hearts, EPI and its ghost.

`python -m benchmarks.real_noncartesian` writes benchmarks/results/real_noncartesian.csv and
docs/images/real_noncartesian.png.

Radial phantom: 256 spokes against the Cartesian scan of the same bottle, each from its Pulseq file; root sum of squares
of gridded coil images; NRMSE inside the smoothed object, after one least-squares factor. Brain: 34 spokes of one flip
angle and all 340, SENSE, against the images that came with the data. Heart: 25 spokes, no reference. GRE: the Cartesian
echoes of a Pulseq trajectory by NUFFT against the FFT. EPI: ghost in the half-shifted object, of the object, root mean
square, before and after correction by the navigator.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mriops import calibration, metrics, ops, recon, trajectories
from mriops.io.atomic import atomic_path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Row:
    """One figure."""

    scan: str
    method: str
    measure: str
    value: float


@dataclass(frozen=True)
class Picture:
    """One image of the page; `error` is shown below it, times `gain`."""

    title: str
    image: Tensor
    error: Tensor | None = None
    gain: float = 5.0


Result = tuple[list[Row], list[Picture]]


def samples(path: Path) -> Tensor:
    """Stored k-space (coils, shots, readout)."""
    return torch.from_numpy(np.load(path)["kspace"])


def scaled(image: Tensor, reference: Tensor, inside: Tensor) -> tuple[Tensor, float]:
    """The image, times a factor fitted inside, and its NRMSE there."""
    image = image * ((image * reference)[inside].sum() / image[inside].square().sum())
    return image, float(metrics.nrmse(image * inside, reference * inside))


def object_of(reference: Tensor, share: float = 0.1) -> Tensor:
    """Where the smoothed reference exceeds a share of its 99th percentile."""
    smooth: Tensor = torch.nn.functional.avg_pool2d(reference[None, None], 7, stride=1, padding=3)[0, 0]
    return smooth > share * torch.quantile(reference, 0.99)


def radial_phantom(data: Path) -> Result:
    """256 spokes with the nominal trajectory and with delays found from them, against the Cartesian twin."""
    folder, size = data / "radial_phantom_3t", (256, 256)
    lines = trajectories.from_pulseq(folder / "sol22_gre_reordering_chen.seq").trajectory
    reference = recon.gridding(
        samples(folder / "cartesian_gre_reordered.npz"), lines, size, dcf=torch.ones(lines.shape[:-1])
    )
    inside = object_of(reference)
    kspace = samples(folder / "radial_256spokes.npz")
    nominal = trajectories.from_pulseq(folder / "sol24_gre2radial_chen.seq").trajectory
    delays = trajectories.radial_delays(kspace, nominal)
    name = "radial phantom, 256 spokes"
    rows = [
        Row(name, "delays", "T_yy [samples]", float(delays[0, 0])),
        Row(name, "delays", "T_xx [samples]", float(delays[1, 1])),
        Row(name, "delays", "T_yx [samples]", float(delays[0, 1])),
    ]
    pictures = [Picture("Cartesian twin", reference)]
    paths = {"nominal": nominal, "delays corrected": trajectories.delayed(nominal, delays)}
    for method, path in paths.items():
        image = recon.gridding(kspace, path, size, dcf=trajectories.dcf_radial(nominal, size))
        image, nrmse = scaled(image, reference, inside)
        rows.append(Row(name, f"gridding, {method}", "NRMSE", nrmse))
        pictures.append(Picture(f"radial, {method}\nNRMSE {nrmse:.3f}", image, (image - reference).abs()))
    # As the original method compares: the spokes of this scan have phases against each other.
    other = trajectories.delayed(nominal, trajectories.radial_delays(kspace, nominal, phase=True))
    image = recon.gridding(kspace, other, size, dcf=trajectories.dcf_radial(nominal, size))
    rows.append(Row(name, "gridding, delays by complex values", "NRMSE", scaled(image, reference, inside)[1]))
    few = paths["delays corrected"][::6]
    image = recon.noncartesian_sense(kspace[:, ::6], few, size, l2=1e-2).abs()
    gridded, plain = scaled(recon.gridding(kspace[:, ::6], few, size), reference, inside)
    # The reference is a root sum of squares, SENSE divides by that of the maps, which is one.
    image, nrmse = scaled(image, reference, inside)
    rows += [
        Row(name + ", 43 of them", "gridding", "NRMSE", plain),
        Row(name + ", 43 of them", "SENSE", "NRMSE", nrmse),
    ]
    pictures.append(Picture(f"43 spokes, gridding\nNRMSE {plain:.3f}", gridded, (gridded - reference).abs()))
    pictures.append(Picture(f"43 spokes, SENSE\nNRMSE {nrmse:.3f}", image, (image - reference).abs()))
    return rows, pictures


def radial_brain(data: Path) -> Result:
    """34 spokes of one flip angle, with the maps of the data and with maps from all spokes."""
    stored = np.load(data / "vfa_radial_brain" / "vfa_radial_brain.npz")
    size, flip = (256, 256), 4  # 9 degrees
    k = torch.from_numpy(stored["traj"] * np.float32(256))
    kspace = torch.from_numpy(stored["kspace"])
    reference = torch.from_numpy(stored["ref_images"][1]).abs()
    inside = object_of(reference)
    given = torch.from_numpy(stored["csm"])
    together = kspace.transpose(0, 1).flatten(1, 2)
    csm = recon.nonuniform_csm(together, k.flatten(0, 1), size)
    name = "brain, 34 spokes, 5 virtual coils"
    rows, pictures = [], [Picture("with the data, 9 degrees", reference)]
    for method, maps in (("maps of the data", given), ("ESPIRiT, all spokes", csm)):
        image = recon.noncartesian_sense(kspace[flip], k[flip], size, csm=maps, l2=5e-2, max_iter=15).abs()
        image, nrmse = scaled(image, reference, inside)
        rows.append(Row(name, f"SENSE, {method}", "NRMSE to the image of the data", nrmse))
        pictures.append(Picture(f"SENSE, 34 spokes, {method}\nNRMSE {nrmse:.3f}", image, (image - reference).abs()))
    image = recon.gridding(kspace[flip], k[flip], size, csm=given).abs()
    image, nrmse = scaled(image, reference, inside)
    rows.append(Row(name, "gridding, maps of the data", "NRMSE to the image of the data", nrmse))
    pictures.insert(1, Picture(f"gridding, 34 spokes\nNRMSE {nrmse:.3f}", image, (image - reference).abs()))
    adjoint = calibration.adjoint_maps(together, k.flatten(0, 1), size)
    head = inside & (csm.norm(dim=0) > 0)
    for method, maps in (("Walsh, all spokes", adjoint), ("maps of the data", given)):
        alike = (maps.conj() * csm).sum(0).abs()[head].median()
        rows.append(Row(name, f"ESPIRiT against {method}", "median cosine", float(alike)))
    whole = recon.noncartesian_sense(together, k.flatten(0, 1), size, csm=csm, l2=1e-3).abs()
    pictures.append(Picture("SENSE, all 340 spokes", scaled(whole, reference, inside)[0]))
    return rows, pictures


def heart(data: Path) -> Result:
    """25 spokes: gridding, SENSE by ESPIRiT and by Walsh's maps."""
    stored = np.load(data / "cardiac_radial_12ch" / "cardiac_radial_12ch.npz")
    size = (256, 256)
    k, kspace = torch.from_numpy(stored["traj"] * np.float32(256)), torch.from_numpy(stored["kspace"])
    weights = trajectories.dcf_radial(k, size)
    pictures = [Picture("heart, 25 spokes, gridding", recon.gridding(kspace, k, size, dcf=weights))]
    for calib in ("espirit", "walsh"):
        image = recon.noncartesian_sense(kspace, k, size, dcf=weights, calib=calib, l2=2e-2, max_iter=15)
        pictures.append(Picture(f"SENSE, maps by {calib}", image.abs()))
    return [], pictures


def echoes(data: Path) -> Result:
    """Cartesian echoes by their Pulseq trajectory: the NUFFT against the FFT, and bipolar echoes in their place."""
    folder, size = data / "gre_multiecho_phantom_3t", (256, 256)
    rows, pictures = [], []
    for stem in ("02_GRE_3echoes", "03_GRE_3echoes_bipolar"):
        path = trajectories.from_pulseq(folder / f"{stem}.seq").trajectory.unflatten(0, (256, 3)).transpose(0, 1)
        kspace = samples(folder / f"{stem}.npz").unflatten(1, (256, 3)).transpose(1, 2)
        ones = torch.ones(path.shape[:-1])
        images = torch.stack([recon.gridding(kspace[:, e], path[e], size, dcf=ones[e]) for e in range(3)])
        for e in range(3):
            order = kspace[:, e].flip(-1) if stem.endswith("bipolar") and e == 1 else kspace[:, e]
            plain = calibration.rss(ops.ifft(order, (-2, -1)))
            rows.append(
                Row(f"{stem}, echo {e + 1}", "NUFFT against FFT", "NRMSE", float(metrics.nrmse(images[e], plain)))
            )
        pictures.append(Picture(f"{stem}\necho 1", images[0]))
        pictures.append(Picture("echo 2", images[1]))
    return rows, pictures


def epi(data: Path) -> Result:
    """Ramp-sampled EPI: the nominal trajectory, and lines put in place by the navigator."""
    folder, size = data / "epi_phantom_3t", (128, 128)
    nominal = trajectories.from_pulseq(folder / "05_EPI.seq").trajectory
    kspace = samples(folder / "05_EPI.npz")
    found = calibration.epi_phase(samples(folder / "05_EPI_noPE.npz"), nominal, size[1])
    name = "EPI, 128 lines, ramp-sampled"
    rows = [
        Row(name, "navigator", "shift [cycles/FOV]", float(found.shift)),
        Row(name, "navigator", "phase [rad]", float(found.phase)),
    ]
    corrected = found.correct(kspace, nominal)
    images = {
        method: recon.gridding(y, k, size, dcf=trajectories.dcf_voronoi(k, size))
        for method, (y, k) in {"nominal": (kspace, nominal), "navigator": corrected}.items()
    }
    bright = images["navigator"] > 0.2 * torch.quantile(images["navigator"], 0.99)
    ghost = bright.roll(64, 0) & ~bright
    pictures = []
    for method, image in images.items():
        share = float(image[ghost].square().mean().sqrt() / image[bright].square().mean().sqrt())
        rows.append(Row(name, method, "ghost, of the object", share))
        pictures.append(Picture(f"EPI, {method}\nghost {100 * share:.0f} %", image, image, 10.0))
    return rows, pictures


def write_rows(rows: list[Row], path: Path) -> None:
    """The figures as CSV."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["scan", "method", "measure", "value"])
        writer.writerows([r.scan, r.method, r.measure, f"{r.value:.4g}"] for r in rows)


def draw(parts: dict[str, list[Picture]], path: Path) -> None:
    """A row of images per scan, errors below where there is a reference."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = max(len(p) for p in parts.values())
    tall = [1 + any(p.error is not None for p in part) for part in parts.values()]
    figure = Figure(figsize=(2.3 * columns, 2.45 * sum(tall)), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    sections = figure.subfigures(len(parts), 1, height_ratios=tall, squeeze=False)[:, 0]
    for section, pictures, rows in zip(sections, parts.values(), tall, strict=True):
        _draw_part(section, pictures, rows, columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _draw_part(section: Any, pictures: list[Picture], rows: int, columns: int) -> None:
    axes = section.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for column, picture in zip(axes.T, pictures):
        top = float(torch.quantile(picture.image.flatten(), 0.995))
        column[0].imshow(picture.image, cmap="gray", vmin=0, vmax=top)
        column[0].set_title(picture.title, fontsize=8)
        if picture.error is not None:
            column[1].imshow(picture.gain * picture.error, cmap="inferno", vmin=0, vmax=top)
            what = "window" if picture.error is picture.image else "error"
            column[1].text(
                0.03, 0.03, f"{what} x {picture.gain:.0f}", color="w", fontsize=7, transform=column[1].transAxes
            )


SCANS = {"phantom": radial_phantom, "brain": radial_brain, "heart": heart, "GRE": echoes, "EPI": epi}


def main() -> int:
    """Run all and write table and figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_noncartesian", description=__doc__)
    default = os.environ.get("MRIOPS_DATA") or ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(default), help="folder of the measured data")
    parser.add_argument("--out", type=Path, default=ROOT, help="root of the repository")
    arguments = parser.parse_args()
    rows, parts = [], {}
    for name, run in SCANS.items():
        figures, parts[name] = run(arguments.data)
        rows += figures
        sys.stdout.writelines(f"{r.scan:<34}{r.method:<30}{r.measure:<32}{r.value:.4g}\n" for r in figures)
    write_rows(rows, arguments.out / "benchmarks" / "results" / "real_noncartesian.csv")
    draw(parts, arguments.out / "docs" / "images" / "real_noncartesian.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
