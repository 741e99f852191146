"""Compiles the routes into build/bindings: the torch-free ones with CMake, the libtorch one as torch's users do."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from benchmarks.machine import ROOT
from mriops import _native

HERE = Path(__file__).parent
BUILD = ROOT / "build" / "bindings"


def _run(*command: object) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


def compile_routes() -> None:
    """Build the nanobind and pybind11 modules and the static library of the kernels."""
    generator = ("-G", "Ninja") if shutil.which("ninja") else ()
    isa = _native.load("cpu").isa()
    only = [f"-DMRIOPS_ONLY_ISA={isa.removeprefix('x86-64-')}"] if isa.startswith("x86-64-") else []
    _run("cmake", "-S", HERE, "-B", BUILD, *generator, *only, f"-DPython_EXECUTABLE={sys.executable}")
    _run("cmake", "--build", BUILD, "--parallel", "2")


def module(name: str) -> ModuleType:
    """Return a compiled module from the build folder."""
    file = next(BUILD.glob(f"{name}.*.so"))
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file}: expected a Python extension module")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def load_libtorch_op() -> None:
    """Compile the libtorch op (half a minute) and register ``torch.ops.mriops_bindings_benchmark.gram``."""
    from torch.utils import cpp_extension

    folder = BUILD / "libtorch"
    folder.mkdir(parents=True, exist_ok=True)
    cpp_extension.load(
        "mriops_libtorch_route",
        [str(HERE / "libtorch_route.cpp")],
        extra_include_paths=[str(ROOT / "csrc"), str(HERE)],
        extra_cflags=["-O2"],
        extra_ldflags=[str(BUILD / "mriops" / "libmriops_kernels.a")],
        build_directory=str(folder),
        is_python_module=False,
    )
