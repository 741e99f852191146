"""Differentiable MRI operators on hand-written CPU and CUDA kernels, for PyTorch, NumPy and CuPy.

Rooms load on first use, so ``import mriops`` imports neither torch nor a compiled module:
``mriops.ops`` (functions on tensors), ``mriops.array`` (the same on NumPy and CuPy arrays), ``mriops.operators``,
``mriops.solvers``, ``mriops.trajectories``, ``mriops.signals``, ``mriops.calibration``, ``mriops.phantoms``,
``mriops.metrics``, ``mriops.io``, ``mriops.recon``, ``mriops.testing``.
"""

import importlib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from mriops._version import __version__

if TYPE_CHECKING:  # tells type checkers and editors what __getattr__ finds at run time
    from mriops import (
        array as array,
        calibration as calibration,
        io as io,
        metrics as metrics,
        operators as operators,
        ops as ops,
        phantoms as phantoms,
        recon as recon,
        signals as signals,
        solvers as solvers,
        testing as testing,
        trajectories as trajectories,
    )

__all__ = ["__version__", "get_cmake_dir", "get_include"]

_ROOMS = (
    "array",
    "calibration",
    "io",
    "metrics",
    "operators",
    "ops",
    "phantoms",
    "recon",
    "signals",
    "solvers",
    "testing",
    "trajectories",
)


def __getattr__(name: str) -> ModuleType:
    if name in _ROOMS:
        try:
            return importlib.import_module(f"mriops.{name}")
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise ImportError(
                f"mriops.{name} needs torch >= 2.6, which is not installed: pip install 'mriops[torch]' "
                "(mriops.array serves NumPy and CuPy arrays without it)",
                name="torch",
            ) from error
    raise AttributeError(f"module 'mriops' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS])


def _installed(folder: str) -> str:
    for root in __path__:  # an editable installation has two: the source tree and what was built
        path = Path(root, folder)
        if path.is_dir():
            return str(path.resolve())
    raise FileNotFoundError(f"mriops: expected a folder {folder!r} in {list(__path__)}, where only the wheel puts one")


def get_include() -> str:
    """Folder to pass to a C++ compiler, so that ``#include <mriops/sense/dispatch.h>`` finds the headers.

    Returns
    -------
    str
        Absolute path.

    Raises
    ------
    FileNotFoundError
        If mriops runs straight from a source tree (the wheel puts the headers in place).
    """
    return _installed("include")


def get_cmake_dir() -> str:
    """Folder for ``-Dmriops_DIR=...``, so that ``find_package(mriops CONFIG)`` gives the target ``mriops::kernels``.

    Returns
    -------
    str
        Absolute path.

    Raises
    ------
    FileNotFoundError
        If mriops runs straight from a source tree (the wheel puts the package config in place).
    """
    return _installed("cmake")
