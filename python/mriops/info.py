"""Says in ten lines what was built, what was found, and why something is off: ``python -m mriops.info``."""

import os
import platform
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType

from mriops import __version__, get_cmake_dir
from mriops._native import load

__all__ = ["main", "report"]


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _versions(*distributions: str) -> str:
    return ", ".join(f"{name} {_version(name) or 'not installed'}" for name in distributions)


def _kernels(name: str, describe: Callable[[ModuleType], str]) -> str:
    try:
        module = load(name)
    except (ImportError, ValueError) as error:  # ValueError: MRIOPS_ISA names what this processor lacks
        return f"off: {error}"
    built_from = module.version()
    if built_from != __version__:
        return f"off: built from mriops {built_from}, build it again"
    return describe(module)


def _cpu(module: ModuleType) -> str:
    import numpy as np

    impulse = np.array([0, 0, 1, 0], dtype=np.complex64)  # item 2 is the centre, so its transform is flat
    spectrum = np.empty_like(impulse)
    module.fft(impulse.ctypes.data, spectrum.ctypes.data, 1, 1, 1, 4, 1, False, 0, 0, 1)
    check = "a test transform is right" if np.allclose(spectrum, 0.5) else "off: A TEST TRANSFORM IS WRONG"
    choices = ", ".join(module.isa_choices())
    return f"built with {module.compiler()}; uses {module.isa()} of {choices} (MRIOPS_ISA); {check}"


def _cuda(module: ModuleType) -> str:
    runtime = module.runtime_version()
    built = f"built with CUDA {runtime // 1000}.{runtime % 1000 // 10} for {module.architectures()}"
    problem = module.problem()
    return f"{built}; " + (f"cannot be used here: {problem}" if problem else "a device is there")


def _torch() -> str:
    version = _version("torch")
    if version is None:
        return "not installed: mriops.array serves NumPy and CuPy, mriops.ops and all above it need torch >= 2.6"
    if tuple(int(part) for part in version.split("+")[0].split(".")[:2]) < (2, 6):
        return f"off: {version} is older than 2.6"
    return f"{version}"


def _cupy() -> str:
    names = [name for name in ("cupy", "cupy-cuda11x", "cupy-cuda12x", "cupy-cuda13x") if _version(name)]
    return _versions(*names) if names else "not installed: needed only for CuPy arrays"


def _cpp() -> str:
    try:
        return f"find_package(mriops) with mriops_DIR={get_cmake_dir()}"
    except FileNotFoundError:
        return "no headers or CMake package beside this source tree: the wheel has them"


def report() -> list[str]:
    """What `python -m mriops.info` prints.

    Returns
    -------
    list of str
        Ten lines; a part that does not work has ``off:`` in its line and the reason after it.
    """
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    rows = [
        ("mriops", f"{__version__} in {Path(__file__).parent}"),
        ("python", f"{platform.python_version()} ({sys.executable})"),
        ("machine", f"{platform.system()} {platform.machine()}, {threads} processors for this process"),
        ("_cpu", _kernels("cpu", _cpu)),
        ("_cuda", _kernels("cuda", _cuda)),
        ("_emu", _kernels("emu", lambda _: "built (emulated CUDA kernels, for tests)")),
        ("torch", _torch()),
        ("arrays", f"numpy {_version('numpy')}; cupy {_cupy()}"),
        ("files", _versions("h5py", "ismrmrd", "nibabel", "twixtools")),
        ("C++", _cpp()),
    ]
    return [f"{name:8} {text}" for name, text in rows]


def main() -> int:
    """Write the report to standard output.

    Returns
    -------
    int
        0, or 1 when the CPU kernels do not work.
    """
    lines = report()
    sys.stdout.write("\n".join(lines) + "\n")
    return int(any(line.startswith("_cpu") and "off:" in line for line in lines))


if __name__ == "__main__":
    sys.exit(main())
