"""PyQMRI as a process of its own Python: T1 and M0 of flip angles straight from k-space, on the CPU through pocl.

PyQMRI 1.3.0 wants NumPy 1 and an older pyopencl, so that it gets an environment of its own:

    python -m venv pyqmri
    pyqmri/bin/pip install 'numpy<2' 'setuptools<80' h5py mako matplotlib pyfftw numexpr sympy inputimeout scipy \
        scikit-image ipyparallel appdirs pytools==2023.1.1
    pyqmri/bin/pip install --no-deps pyqmri==1.3.0 pyopencl==2023.1.4 pocl-binary-distribution

Its transforms come from gpyfft, which no package index has: where it is missing, `pyqmri_program` puts FFTW in its
place.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

_PROGRAM = Path(__file__).with_name("pyqmri_program.py")


def write_scan(
    path: Path, kspace: Tensor, trajectory: Tensor, csm: Tensor, dcf: Tensor, b1: Tensor, flips: Tensor, tr: float
) -> None:
    """Write a slice (flips, coils, spokes, readout) as PyQMRI reads it: degrees, ms, samples without their density.

    Its trajectory is in cycles per pixel, real part along y; it transposes B1 when it reads it. Samples are scaled so
    that its first guess, M0 = 1, is of the right size: on the scale of the scan its T1 ends at a bound everywhere.
    """
    import h5py

    samples = (kspace * (2.25 / kspace.abs().max())).unsqueeze(2).numpy()
    points = (trajectory / csm.shape[-1]).numpy()
    with h5py.File(path, "w") as file:
        file["real_dat"], file["imag_dat"] = samples.real, samples.imag
        file["real_traj"], file["imag_traj"] = points[..., 0], points[..., 1]
        file["dcf"], file["fa_corr"] = dcf.numpy(), b1.T[None].numpy()
        file["Coils"] = csm.unsqueeze(1).numpy()
        settings: Mapping[str, Any] = {
            "TR": [1e3 * tr],
            "flip_angle(s)": np.rad2deg(flips.numpy()),
            "image_dimensions": [*csm.shape[-2:], 1],
            "data_normalized_with_dcf": [0.0],
        }
        file.attrs.update(settings)


def t1(python: Path, steps: int, *scan: Any) -> Tensor:
    """T1 in [s] after Gauss-Newton steps with PyQMRI's own total variation; `scan` is what `write_scan` takes.

    Raises
    ------
    RuntimeError
        If it fails, with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="mriops-pyqmri-") as folder:
        write_scan(Path(folder, "scan.h5"), *scan)
        environment = {**os.environ, "POCL_MAX_PTHREAD_COUNT": str(torch.get_num_threads())}
        environment.pop("PYTHONPATH", None)
        command = [str(python), str(_PROGRAM), "scan.h5", "t1.npy", str(steps)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"pyqmri: {done.stderr[-500:]}")
        return torch.from_numpy(1e-3 * np.load(Path(folder, "t1.npy"))).float()
