"""A build of the C++ tests, shared by the tests of this folder."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mriops import _native

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def cpp_build() -> Path:
    """Where the C++ test programs are built; with MRIOPS_SANITIZE, with sanitizers and in a folder of their own."""
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.skip("needs cmake")
    sanitize = os.environ.get("MRIOPS_SANITIZE", "")
    installed = ROOT / "build" / "install"  # where `make test` has compiled the same kernels already
    if not sanitize and (installed / "CMakeCache.txt").exists():
        build, configure = installed, [cmake, "-S", ROOT, "-B", installed, "-DMRIOPS_TESTS=ON"]
    else:
        build = ROOT / "build" / ("tests" + (f"-{sanitize.replace(',', '-')}" if sanitize else ""))
        configure = [cmake, "-S", ROOT, "-B", build, "-DMRIOPS_PYTHON=OFF", "-DMRIOPS_CUDA=OFF", "-DMRIOPS_TESTS=ON"]
        configure += [f"-DMRIOPS_SANITIZE={sanitize}"]
        if sanitize:  # the widest vectors reach furthest beside an array; all instruction sets would take minutes more
            widest = _native.load("cpu").isa_choices()[-1]
            configure += [f"-DMRIOPS_ONLY_ISA={widest.removeprefix('x86-64-')}"] * widest.startswith("x86-64-")
        if shutil.which("ninja") and not (build / "CMakeCache.txt").exists():
            configure += ["-G", "Ninja"]
    # Races are looked for in the pool; kernels share nothing, and would take minutes more to compile.
    target = "pool" if sanitize == "thread" else "native_tests"
    for command in (configure, [cmake, "--build", build, "--parallel", "2", "--target", target]):
        run = subprocess.run(command, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    return build
