"""BART as the process it is: the CPU time of the child, less what it needs to start and to read its files.

``bart pics`` is run with 1 and with 30 iterations; the difference, times 30/29, is the time of 30 iterations. Start-up,
file input, output and the first adjoint are so left out, in BART's favour. ``bart ecalib`` has no such knob: from its
time that of ``bart copy`` on the same file is taken.
"""

from __future__ import annotations

import atexit
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.contender import Contender, Sample


class BartMissing(RuntimeError):
    """BART is not installed."""


def write_cfl(path: Path, array: np.ndarray) -> None:
    """Write ``array`` as path.hdr/.cfl, first axis fastest (Fortran order), as BART reads it."""
    dims = [*array.shape, *[1] * (16 - array.ndim)]
    path.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(map(str, dims)) + "\n")
    array.astype(np.complex64).ravel(order="F").tofile(path.with_suffix(".cfl"))


def read_cfl(path: Path) -> np.ndarray:
    """Read path.hdr/.cfl."""
    dims = [int(word) for word in path.with_suffix(".hdr").read_text().splitlines()[1].split()]
    return np.fromfile(path.with_suffix(".cfl"), np.complex64).reshape(dims, order="F")


def to_bart(coil_images: torch.Tensor) -> np.ndarray:
    """(coils, y, x) -> BART's (x, y, 1, coils): readout first."""
    return coil_images.permute(2, 1, 0).unsqueeze(2).resolve_conj().numpy()


def from_bart(array: np.ndarray) -> torch.Tensor:
    """BART's (x, y, 1, coils or 1) -> (coils, y, x), or (y, x) for one coil."""
    array = np.squeeze(array[:, :, 0, :, ...].reshape(array.shape[0], array.shape[1], -1))
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, (0, 1), (-1, -2))))


def run(*arguments: str) -> Sample:
    """Run ``bart`` and return its CPU time (user + system) and wall time.

    Raises
    ------
    BartMissing
        If there is no ``bart`` on the path.
    RuntimeError
        If it fails, with what it said.
    """
    program = shutil.which("bart")
    if program is None:
        raise BartMissing("bart: expected the program on the PATH")
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([program, *arguments], capture_output=True, text=True, env=environment)
    wall = time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"bart {' '.join(arguments)}: {done.stderr[-500:]}")
    return Sample(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall)


def difference(long: Sample, short: Sample, factor: float = 1.0) -> Sample:
    """Time of the work itself; the clock of a process ticks in ms, so never below zero."""
    return Sample(max(long.cpu - short.cpu, 0.0) * factor, max(long.wall - short.wall, 0.0) * factor)


def _folder() -> Path:
    if shutil.which("bart") is None:
        raise BartMissing("bart: expected the program on the PATH")
    folder = Path(tempfile.mkdtemp(prefix="mriops-bart-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def pics(acquisition: Any) -> list[Contender]:
    """Return ``bart pics`` for an acquisition of `benchmarks.cases.cg_sense`."""
    from benchmarks.cases.cg_sense import ITERATIONS

    folder = _folder()
    write_cfl(folder / "kspace", to_bart(acquisition.kspace))
    write_cfl(folder / "csm", to_bart(acquisition.csm))
    # Without a pattern BART takes the samples that are not zero in any coil.
    files = [str(folder / "kspace"), str(folder / "csm"), str(folder / "image")]

    def iterate(count: int) -> Sample:
        return run("pics", "-S", "-i", str(count), *files)

    def call() -> np.ndarray:
        iterate(ITERATIONS)
        return read_cfl(folder / "image")

    def timer(call: Callable[[], Any], calls: int) -> Sample:
        return difference(iterate(ITERATIONS), iterate(1), ITERATIONS / (ITERATIONS - 1))

    return [Contender("bart", "pics", call, from_bart, timer, note=version())]


def ecalib(calibration: Any) -> list[Contender]:
    """Return ``bart ecalib`` for a calibration of `benchmarks.cases.espirit`."""
    from benchmarks.cases.espirit import ACS

    folder = _folder()
    write_cfl(folder / "kspace", to_bart(calibration.kspace))
    kspace, csm = str(folder / "kspace"), str(folder / "csm")

    def call() -> np.ndarray:
        run("ecalib", "-m", "1", "-r", str(ACS), kspace, csm)
        return read_cfl(folder / "csm")

    def timer(call: Callable[[], Any], calls: int) -> Sample:
        work = run("ecalib", "-m", "1", "-r", str(ACS), kspace, csm)
        return difference(work, run("copy", kspace, str(folder / "copied")))

    return [Contender("bart", "ecalib", call, from_bart, timer, note=version())]


def version() -> str:
    """Return what ``bart version`` says, without its leading v."""
    program = shutil.which("bart")
    if program is None:
        return ""
    return subprocess.run([program, "version"], capture_output=True, text=True).stdout.strip().lstrip("v")
