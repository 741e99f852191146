"""In-vivo brains, retrospectively undersampled: ESPIRiT and CG-SENSE by mriops, BART and SigPy, against full sampling.

`python -m benchmarks.real_data` writes benchmarks/results/real_data.csv and docs/images/real_data.png.

Everybody gets the same k-space: equispaced lines R = 2, 3, 4 along y and the 24 centre lines. Everybody estimates maps
from those 24 lines (ESPIRiT, kernel 6, crop 0.8) and solves min |M F S x - y|^2 + 1e-2 |x|^2 with 30 CG iterations.
The reference is the adaptive (Walsh) combination of the fully sampled coil images: nobody's ESPIRiT maps are in it, and
unlike a root sum of squares it does not add up the noise of the coils. NRMSE and SSIM compare magnitudes, after one
factor per image fitted by least squares, inside the head: where the reference, smoothed, exceeds a twentieth of its
99th percentile. Outside, all images are set to zero.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.peers import bart
from mriops import calibration, metrics, ops, recon, trajectories
from mriops.io import read
from mriops.io.atomic import atomic_path

ROOT = Path(__file__).resolve().parents[1]
ACS, ITERATIONS, L2, CROP = 24, 30, 1e-2, 0.8
ACCELERATIONS = (2, 3, 4)
SCANS = {
    "brain, 13 coils, 224 x 224": ("vfa_cart_brain/brain_13ch_fa9.npz", {}),
    "brain, 16 coils, 128 x 128, 3 T": ("flash16_brain_3t/flash16_brain_3t.npz", {"key": "vivo_array16"}),
}
Method = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Row:
    """One reconstruction."""

    scan: str
    acceleration: int
    sampled: float
    method: str
    nrmse: float
    ssim: float


def zero_filled(kspace: Tensor, mask: Tensor) -> Tensor:
    """Missing lines left at zero; coils combined with the same maps."""
    csm = recon.estimate_csm(kspace, acs=ACS)
    return recon.zero_filled(kspace, csm, mask=mask).abs()


def with_mriops(kspace: Tensor, mask: Tensor) -> Tensor:
    """mriops.recon.sense."""
    return recon.sense(kspace, mask=mask, acs=ACS, l2=L2, max_iter=ITERATIONS, tol=0).abs()


def with_bart(kspace: Tensor, mask: Tensor) -> Tensor:
    """`bart ecalib` and `bart pics`."""
    folder = Path(tempfile.mkdtemp(prefix="mriops-bart-"))
    try:
        names = {name: str(folder / name) for name in ("kspace", "csm", "image")}
        bart.write_cfl(folder / "kspace", bart.to_bart(kspace))
        bart.run("ecalib", "-m", "1", "-r", str(ACS), "-k", "6", "-c", str(CROP), names["kspace"], names["csm"])
        settings = ("-S", "-i", str(ITERATIONS), "-l2", "-r", str(L2))
        bart.run("pics", *settings, names["kspace"], names["csm"], names["image"])
        return bart.from_bart(bart.read_cfl(folder / "image")).abs()
    finally:
        shutil.rmtree(folder)


def with_sigpy(kspace: Tensor, mask: Tensor) -> Tensor:
    """sigpy.mri.app.EspiritCalib and SenseRecon."""
    from sigpy.mri import app

    data = kspace.numpy()
    csm = app.EspiritCalib(data, calib_width=ACS, kernel_width=6, crop=CROP, show_pbar=False).run()
    weights = np.broadcast_to(mask.numpy(), data.shape[1:]).astype(np.float32)
    image = app.SenseRecon(data, csm, lamda=L2, weights=weights, max_iter=ITERATIONS, show_pbar=False).run()
    return torch.from_numpy(np.asarray(image)).abs()


def methods() -> dict[str, Method]:
    """Those that are installed."""
    found: dict[str, Method] = {"zero-filled": zero_filled, "mriops": with_mriops}
    if shutil.which("bart"):
        found[f"BART {bart.version()}"] = with_bart
    try:
        import sigpy
    except ImportError:
        return found
    return {**found, f"SigPy {sigpy.__version__}": with_sigpy}


def fully_sampled(kspace: Tensor) -> Tensor:
    """Magnitude of the adaptive combination."""
    image = calibration.adaptive_combine(ops.ifft(kspace, (-2, -1)))
    return torch.as_tensor(image).abs()


def head(reference: Tensor) -> Tensor:
    """Where there is signal: smoothed reference above a twentieth of its 99th percentile."""
    smooth: Tensor = torch.nn.functional.avg_pool2d(reference[None, None], 9, stride=1, padding=4)[0, 0]
    return smooth > torch.quantile(reference, 0.99) / 20


def compare(image: Tensor, reference: Tensor, inside: Tensor) -> tuple[Tensor, float, float]:
    """The image scaled to the reference and set to zero outside, NRMSE, SSIM."""
    image, reference = image * inside, reference * inside
    image = image * ((image * reference).sum() / image.square().sum())
    return image, float(metrics.nrmse(image, reference)), float(metrics.ssim(image, reference))


def run(data: Path) -> tuple[list[Row], dict[str, dict[str, Tensor]]]:
    """All reconstructions, and the images of the highest acceleration."""
    rows, pictures = [], {}
    for scan, (path, options) in SCANS.items():
        kspace = torch.from_numpy(read(data / path, **options).kspace[0])
        reference = fully_sampled(kspace)
        inside = head(reference)
        for acceleration in ACCELERATIONS:
            mask = trajectories.mask_equispaced(tuple(reference.shape), acceleration, acs=ACS)
            shown = {"full sampling": reference * inside}
            for name, method in methods().items():
                image, nrmse, ssim = compare(method(kspace * mask, mask), reference, inside)
                share = 1 / trajectories.acceleration(mask)
                rows.append(Row(scan, acceleration, share, name, nrmse, ssim))
                shown[name] = image
                sys.stdout.write(f"{scan:<34}R = {acceleration}  {name:<16}NRMSE {nrmse:.4f}  SSIM {ssim:.4f}\n")
            pictures[f"{scan}, R = {acceleration}"] = shown
    return rows, pictures


def write_rows(rows: list[Row], path: Path) -> None:
    """The table as CSV."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["scan", "acceleration", "sampled", "method", "nrmse", "ssim"])
        for r in rows:
            numbers = (f"{r.sampled:.3f}", r.method, f"{r.nrmse:.4f}", f"{r.ssim:.4f}")
            writer.writerow([r.scan, r.acceleration, *numbers])


def draw(pictures: dict[str, dict[str, Tensor]], rows: list[Row], path: Path) -> None:
    """Images of the highest acceleration, and errors times five."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chosen = {k: v for k, v in pictures.items() if k.endswith(f"R = {max(ACCELERATIONS)}")}
    columns = max(len(v) for v in chosen.values())
    figure = Figure(figsize=(2.1 * columns, 5.0 * len(chosen)), facecolor="white")
    FigureCanvasAgg(figure)
    parts = figure.subfigures(len(chosen), 1, squeeze=False)[:, 0]
    for part, (title, shown) in zip(parts, chosen.items(), strict=True):
        scan = title.rpartition(",")[0]
        found = {r.method: r for r in rows if (r.scan, r.acceleration) == (scan, max(ACCELERATIONS))}
        part.suptitle(f"{title}, {ACS} calibration lines", fontsize=11, y=0.985)
        _draw_scan(part, shown, found, columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)


def _draw_scan(part: Any, shown: dict[str, Tensor], found: dict[str, Row], columns: int) -> None:
    axes = part.subplots(2, columns, squeeze=False)
    part.subplots_adjust(left=0.01, right=0.99, top=0.86, bottom=0.01, wspace=0.03, hspace=0.03)
    reference = shown["full sampling"]
    top = float(torch.quantile(reference, 0.995))
    shade: Any = None
    for column, (name, image) in enumerate(shown.items()):
        axes[0, column].imshow(image, cmap="gray", vmin=0, vmax=top)
        row = found.get(name)
        below = f"NRMSE {row.nrmse:.3f}  SSIM {row.ssim:.3f}" if row else "adaptive combination"
        axes[0, column].set_title(f"{name}\n{below}", fontsize=8)
        if row:
            shade = axes[1, column].imshow(5 * (image - reference).abs(), cmap="inferno", vmin=0, vmax=top)
    for axis in axes.flat:
        axis.set_axis_off()
    bar = part.colorbar(shade, cax=axes[1, 0].inset_axes((0.45, 0.1, 0.07, 0.75)), ticks=[0, top / 2, top])
    bar.ax.set_yticklabels(["0 %", "10 %", "20 %"], fontsize=8)
    axes[1, 0].text(0.5, 0.92, "error, of white", ha="center", fontsize=8, transform=axes[1, 0].transAxes)


def main() -> int:
    """Run all and write table and figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_data", description=__doc__)
    default = os.environ.get("MRIOPS_DATA") or ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(default), help="folder of the measured data")
    arguments = parser.parse_args()
    rows, pictures = run(arguments.data)
    write_rows(rows, ROOT / "benchmarks" / "results" / "real_data.csv")
    draw(pictures, rows, ROOT / "docs" / "images" / "real_data.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
