"""The machine a reconstruction runs on: device, threads, versions, for the report."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

import torch

from mriops import __version__


def choose_device(name: str, threads: int | None) -> torch.device:
    """The torch device for `--device`, with `--threads` set.

    Raises
    ------
    ValueError
        If the name is not a device, or there is no such device here.
    """
    if threads:
        torch.set_num_threads(threads)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ValueError(f"--device: expected auto, cpu or cuda[:N], got {name!r}")
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise ValueError(f"--device: expected one of the {torch.cuda.device_count()} CUDA devices here, got {name!r}")
    return device


def describe(device: torch.device) -> dict[str, Any]:
    """Versions and device, for JSON."""
    return {
        "mriops": __version__,
        "torch": torch.__version__,
        "numpy": metadata.version("numpy"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
    }
