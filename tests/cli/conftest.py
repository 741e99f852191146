"""The command as users run it, and a small file for it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mriops import ops, phantoms, trajectories
from mriops.io import RawData, write_ismrmrd

TE = [0.01, 0.02, 0.04, 0.08]  # of `series` [s]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@pytest.fixture
def mriops():
    """Runs `mriops ...` in a process of its own."""

    def run(*arguments: object) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "mriops.cli", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)

    return run


def make_raw(n_slices: int = 3) -> RawData:
    size = (48, 40)
    kspace = phantoms.shepp_logan().multicoil_kspace(size, phantoms.fourier_coils(4)).numpy()
    mask = trajectories.mask_equispaced(size, 2, acs=20).expand(size)[:, :1].numpy()
    scale = np.arange(1, n_slices + 1, dtype=np.float32)[:, None, None, None]
    return RawData(
        kspace=scale * kspace * mask,
        mask=np.repeat(mask[None], n_slices, axis=0),
        noise=phantoms.noise_samples(1e-4, 500, n_coils=4).numpy(),
        field_of_view=(4e-3, 0.24, 0.2),
        slice_spacing=5e-3,
        directions=np.eye(3),
        position=np.array([0.0, 0.0, 0.02]),
        acs_size=(20, 40),
        echo_time=(0.004,),
        vendor="Maker",
    )


@pytest.fixture
def scan_file(tmp_path) -> Path:
    write_ismrmrd(make_raw(), tmp_path / "scan.h5")
    return tmp_path / "scan.h5"


@pytest.fixture
def series():
    """T2 map (slices, y, x) with a dark corner, and its echoes (times, slices, y, x)."""
    t2 = torch.linspace(0.03, 0.15, 2 * 6 * 5).reshape(2, 6, 5)
    images = ops.signal_mono_exponential(100.0, t2, TE).numpy()
    images[:, :, :2, :2] = 0
    return t2.numpy(), images
