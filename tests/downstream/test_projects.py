"""Two projects that depend on mriops, built and run against the installed wheel."""

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.downstream]
HERE = Path(__file__).parent

# 4 smooth coils with unit sum of squares, every second line and 8 calibration lines.
PROBLEM = """
import json, sys
import numpy as np
rng = np.random.default_rng(0)
ny, nx = 36, 31
y, x = np.mgrid[-1:1:ny * 1j, -1:1:nx * 1j]
centres = ((1, 0), (-1, 0), (0, 1), (0, -1))
csm = np.stack([np.exp(-((y - a) ** 2 + (x - b) ** 2) + 1j * (a * x - b * y)) for a, b in centres])
csm = (csm / np.sqrt((abs(csm) ** 2).sum(0))).astype(np.complex64)
image = (rng.standard_normal((ny, nx)) + 1j * rng.standard_normal((ny, nx))).astype(np.complex64)
mask = np.zeros((ny, nx), bool)
mask[::2] = mask[14:22] = True
def F(x): return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(x, axes=(-2, -1)), norm="ortho"), axes=(-2, -1))
def FH(x): return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(x, axes=(-2, -1)), norm="ortho"), axes=(-2, -1))
kspace = (mask * F(csm * image)).astype(np.complex64)
gram = (csm.conj() * FH(mask * F(csm * image))).sum(0)
def error(got, expected): return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))
"""


@pytest.fixture(scope="module")
def extension(fresh_python: Any) -> Any:
    pytest.importorskip("pybind11")
    fresh_python.install(HERE / "gram_extension")
    return fresh_python


@pytest.fixture(scope="module")
def brainrecon(fresh_python: Any) -> Any:
    fresh_python.install(HERE / "pure_python")
    return fresh_python


def test_normal_operator_called_from_cpp(extension: Any) -> None:
    out = json.loads(
        extension(
            PROBLEM + "import gram_extension as e, mriops.array as array\n"
            "ours = array.sense_gram(image, csm, mask)\n"
            "print(json.dumps([[error(e.gram(image, csm, mask, t), gram) for t in (1, 3)],"
            " error(e.gram(image, csm, mask), ours), e.largest_eigenvalue(image, csm, mask, 200), e.isa()]))"
        )
    )
    errors, against_python, eigenvalue, isa = out
    # Two transforms of 1116 points: a few eps of complex64.
    assert max(errors) < 1e-6
    assert against_python < 1e-7  # the same kernels, so the same numbers
    assert 0.5 < eigenvalue <= 1 + 1e-5  # unit sum of squares and a mask of zeros and ones: at most 1
    assert isa.startswith(("x86-64", "generic"))


def test_bad_sizes_are_refused_in_cpp(extension: Any) -> None:
    code = "\ntry: e.gram(image[:, :0], csm[:, :, :0], mask[:, :0])\nexcept ValueError as error: print(error)"
    out = extension(PROBLEM + "import gram_extension as e" + code)
    assert "nx: expected >= 1, got 0" in out


def test_pure_python_project_reconstructs(brainrecon: Any) -> None:
    code = (
        "import torch, brainrecon\n"
        "t = torch.from_numpy\n"
        "x = brainrecon.sense(t(kspace), t(csm), t(mask), max_iter=300)\n"
        "print(error(mask * F(csm * x.numpy()), kspace), error(x.numpy(), image))"
    )
    misfit, wrong = map(float, brainrecon(PROBLEM + code).split())
    assert misfit < 1e-4  # tol = 1e-7 on the normal equations, whose condition is below 1e3
    assert wrong < 1e-2


def test_pure_python_project_without_torch(brainrecon: Any) -> None:
    code = (
        "import brainrecon\n"
        "x = brainrecon.landweber(kspace, csm, mask)\n"
        "print(error(mask * F(csm * x), kspace), 'torch' in sys.modules)"
    )
    misfit, torch_came_in = brainrecon(PROBLEM + code).split()
    assert float(misfit) < 0.05
    assert torch_came_in == "False"
