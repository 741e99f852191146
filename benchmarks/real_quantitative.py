"""T1 of a measured radial brain with variable flip angles: image by image, through a subspace, straight from k-space.

`python -m benchmarks.real_quantitative` writes benchmarks/results/real_quantitative.csv and
docs/images/real_quantitative.png. With `--pyqmri PYTHON` it adds PyQMRI to the former and leaves the latter as it is:
`benchmarks.peers.pyqmri_process` says what that Python needs.

Ten flip angles of 34 spokes each (or of every second spoke), five virtual coils, B1 measured. Image by image: SENSE, by
mriops and by BART, then a fit in each voxel. Subspace: three coefficient images of all flip angles, then the same fit.
Model-based: T1 and M0 from k-space with l2, total variation or wavelets. White matter is the most frequent T1 in an
ellipse inside the brain, grey matter the median of what is 0.25 s longer; the difference is the median of the relative
one to SENSE and fit of all spokes, which is no truth. Times are CPU times.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.peers import bart, pyqmri_process
from benchmarks.real_noncartesian import Row, write_rows
from mriops import recon, trajectories
from mriops.io.atomic import atomic_path
from mriops.operators import SenseOp
from mriops.signals import Dictionary, SignalOp, fit

ROOT = Path(__file__).resolve().parents[1]
SIZE = (256, 256)


@dataclass(frozen=True)
class Scan:
    """k-space (flips, coils, spokes, readout), trajectory [cycles/FOV], maps, density, model of the measurement, B1."""

    kspace: Tensor
    trajectory: Tensor
    csm: Tensor
    dcf: Tensor
    op: SignalOp
    b1: Tensor


def load(data: Path, step: int) -> Scan:
    """Every `step`-th spoke."""
    stored = np.load(data / "vfa_radial_brain" / "vfa_radial_brain.npz")
    path = torch.from_numpy(stored["traj"] * np.float32(SIZE[0]))[:, ::step].contiguous()
    flips, tr = np.deg2rad(stored["flip_deg"]).tolist(), 1e-3 * float(stored["TR_ms"])
    op = SignalOp("spgr", flip_angle=flips, repetition_time=tr)
    kspace = torch.from_numpy(stored["kspace"])[:, :, ::step].contiguous()
    # B1 is stored with its axes exchanged: as it lies there T1 of white matter spreads a quarter wider, as wide as
    # without B1.
    csm, b1 = torch.from_numpy(stored["csm"]), torch.from_numpy(stored["b1_rel"]).float().T.contiguous()
    return Scan(kspace, path, csm, trajectories.dcf_pipe(path, SIZE), op, b1)


def fitted(scan: Scan, images: Tensor) -> Tensor:
    """T1 of images, voxel by voxel."""
    return fit(scan.op, images, fixed={"b1": scan.b1}).parameters["t1"]


def image_by_image(scan: Scan) -> Tensor:
    """SENSE, then a fit."""
    images = recon.noncartesian_sense(
        scan.kspace, scan.trajectory, SIZE, csm=scan.csm, dcf=scan.dcf, l2=5e-2, max_iter=15
    )
    return fitted(scan, images)


def with_bart(scan: Scan) -> Tensor:
    """The same with `bart pics`."""
    folder = Path(tempfile.mkdtemp(prefix="mriops-bart-"))
    try:
        names = {name: str(folder / name) for name in ("kspace", "traj", "csm", "weights", "image")}
        bart.write_cfl(folder / "csm", bart.to_bart(scan.csm))
        images = []
        for kspace, path, dcf in zip(scan.kspace, scan.trajectory, scan.dcf, strict=True):
            # BART: (1, readout, spokes, coils), trajectory (3, readout, spokes) with x first.
            bart.write_cfl(folder / "kspace", kspace.permute(2, 1, 0)[None].numpy())
            points = torch.cat([path.flip(-1), torch.zeros(*path.shape[:-1], 1)], -1)
            bart.write_cfl(folder / "traj", points.permute(2, 1, 0).numpy())
            bart.write_cfl(folder / "weights", dcf.sqrt().T[None].numpy())
            settings = ("-S", "-l2", "-r", "0.05", "-i", "15", "-t", names["traj"], "-p", names["weights"])
            bart.run("pics", *settings, names["kspace"], names["csm"], names["image"])
            images.append(bart.from_bart(bart.read_cfl(folder / "image")))
        return fitted(scan, torch.stack(images))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def subspace(scan: Scan) -> Tensor:
    """Three coefficient images for all flip angles, then a fit of the images they make."""
    grid = torch.meshgrid(torch.logspace(-1, 0.8, 60), torch.linspace(0.6, 1.4, 17), indexing="ij")
    t1, b1 = (axis.reshape(-1) for axis in grid)
    signals = scan.op(m0=torch.ones_like(t1), t1=t1, b1=b1)
    basis = Dictionary(signals.to(torch.complex64), torch.stack([t1, b1]), rank=3).basis
    coefficients = recon.subspace_sense(
        scan.kspace, basis, trajectory=scan.trajectory, csm=scan.csm, dcf=scan.dcf, l2=2e-2, max_iter=20
    )
    return fitted(scan, torch.tensordot(basis, coefficients, 1))


def model_based(scan: Scan, **penalty: Any) -> Tensor:
    """T1 straight from k-space."""
    encoding = SenseOp(scan.csm, trajectory=scan.trajectory, dcf=scan.dcf)
    flips, tr = scan.op.design[0].float(), float(scan.op.design[1, 0])
    return recon.t1_vfa(encoding.weigh(scan.kspace), encoding, flips, tr, b1=scan.b1, **penalty)[0]


def with_pyqmri(scan: Scan, python: Path, steps: int) -> Tensor:
    """The same by PyQMRI with total variation, run by its own Python."""
    path = scan.trajectory
    # Areas of cells on its grid of half a cycle, one set for all flip angles. Their scale is the weight of the data.
    dcf = 2 * math.pi / path.shape[1] * path[0].norm(dim=-1)
    flips, tr = scan.op.design[0].float(), float(scan.op.design[1, 0])
    return pyqmri_process.t1(python, steps, scan.kspace, path, scan.csm, dcf, scan.b1, flips, tr)


METHODS: dict[str, Callable[[Scan], Tensor]] = {
    "SENSE, fit": image_by_image,
    "BART pics, fit": with_bart,
    "subspace of rank 3, fit": subspace,
    "model-based, l2": lambda s: model_based(s, l2=1e-6, max_iter=10, cg_iter=40),
    "model-based, TV": lambda s: model_based(s, l2=1e-7, tv=1e-5, max_iter=10, cg_iter=40),
    "model-based, wavelets": lambda s: model_based(s, l2=1e-7, wavelet=1e-5, max_iter=10, cg_iter=100),
}


def ellipse() -> Tensor:
    """Inside the brain."""
    y, x = torch.meshgrid(*(torch.arange(n) for n in SIZE), indexing="ij")
    return ((y - 145) / 75) ** 2 + ((x - 128) / 55) ** 2 < 1


def rows_of(scan: str, method: str, t1: Tensor, reference: Tensor, seconds: float) -> list[Row]:
    """White matter, grey matter, difference, time."""
    inside = ellipse()
    values = t1[inside & t1.isfinite() & (t1 > 0.5) & (t1 < 2.6)]
    white = 0.5 + 0.05 * (int(torch.histc(values, 42, 0.5, 2.6).argmax()) + 0.5)
    difference = ((t1 - reference).abs() / reference)[inside].nanmedian()
    return [
        Row(scan, method, "white matter [s]", white),
        Row(scan, method, "grey matter [s]", float(values[values > white + 0.25].median())),
        Row(scan, method, "difference to SENSE, fit", float(difference)),
        Row(scan, method, "CPU time [s]", seconds),
    ]


def draw(maps: dict[str, dict[str, Tensor]], path: Path) -> None:
    """A row of maps per number of spokes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = max(len(part) for part in maps.values())
    figure = Figure(figsize=(2.3 * columns + 0.9, 3.05 * len(maps)), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(maps), columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    picture: Any = None
    for row, (scan, part) in zip(axes, maps.items(), strict=True):
        for axis, (method, t1) in zip(row, part.items()):
            picture = axis.imshow(t1[35:250, 45:215], cmap="viridis", vmin=0, vmax=3, interpolation="nearest")
            axis.set_title(f"{method}\n{scan}", fontsize=8)
    bar = figure.colorbar(picture, ax=axes, extend="max", fraction=0.02, pad=0.01)
    bar.set_label("T1 [s]")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def add_pyqmri(scan: Scan, python: Path, steps: int, table: Path) -> None:
    """Its T1 from all spokes; rows of others stay as they are in the file."""
    name, method = f"{scan.trajectory.shape[1]} spokes", f"PyQMRI, TV, {steps} steps"
    reference, begin = image_by_image(scan), _cpu()
    t1 = with_pyqmri(scan, python, steps)
    found = rows_of(name, method, t1, reference, _cpu() - begin)
    say(found)
    write_rows(rows_of_others(table, {method}) + found, table)


def rows_of_others(table: Path, methods: Collection[str]) -> list[Row]:
    """What the file has of other methods."""
    if not table.exists():
        return []
    with table.open(newline="") as file:
        kept = [Row(r["scan"], r["method"], r["measure"], float(r["value"])) for r in csv.DictReader(file)]
    return [r for r in kept if r.method not in methods]


def say(found: list[Row]) -> None:
    """One line for the four figures of a map."""
    sys.stdout.write(f"{found[0].scan:10s} {found[0].method:24s}" + "".join(f"{r.value:10.4g}" for r in found) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run all and write table and figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_quantitative", description=__doc__)
    default = os.environ.get("MRIOPS_DATA") or ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(default), help="folder of the measured data")
    parser.add_argument("--out", type=Path, default=ROOT, help="root of the repository")
    parser.add_argument("--pyqmri", type=Path, metavar="PYTHON", help="add PyQMRI, run by this Python, to the table")
    parser.add_argument("--steps", type=int, default=7, help="Gauss-Newton steps of PyQMRI (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    table = arguments.out / "benchmarks" / "results" / "real_quantitative.csv"
    if arguments.pyqmri:
        add_pyqmri(load(arguments.data, 1), arguments.pyqmri, arguments.steps, table)
        return 0
    rows: list[Row] = []
    maps: dict[str, dict[str, Tensor]] = {}
    reference: Tensor | None = None
    for step in (1, 2):
        scan = load(arguments.data, step)
        name = f"{scan.trajectory.shape[1]} spokes"
        maps[name] = {}
        for method, run in METHODS.items():
            if run is with_bart and not shutil.which("bart"):
                continue
            begin = _cpu()
            t1 = run(scan)
            seconds, maps[name][method] = _cpu() - begin, t1
            reference = t1 if reference is None else reference
            found = rows_of(name, method, t1, reference, seconds)
            rows += found
            say(found)
    write_rows(rows + rows_of_others(table, METHODS), table)
    draw(maps, arguments.out / "docs" / "images" / "real_quantitative.png")
    return 0


def _cpu() -> float:
    """CPU seconds of this process and of the programs it ran."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    sys.exit(main())
