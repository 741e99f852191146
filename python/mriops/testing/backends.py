"""Chooses the compiled module that tests run on: the CPU's, the emulated CUDA kernels, or a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import torch

from mriops import _native

__all__ = ["available_backends", "use_backend"]


def available_backends() -> tuple[str, ...]:
    """Backends this machine and this build can run.

    Returns
    -------
    tuple of str
        ``"cpu"``, and ``"emu"`` and ``"cuda"`` where they are.
    """
    found = ["cpu"]
    # A module that is there and cannot be loaded is a fault, which `use_backend` tells; it is not left out here.
    if find_spec("mriops._emu") is not None:
        found.append("emu")
    if find_spec("mriops._cuda") is not None and torch.cuda.is_available():
        found.append("cuda")
    return tuple(found)


@contextmanager
def use_backend(name: str) -> Iterator[torch.device]:
    """Run ops on one backend within the context.

    Parameters
    ----------
    name
        ``"cpu"``, ``"emu"`` (the CUDA kernels, emulated, on tensors in CPU memory) or ``"cuda"``.

    Yields
    ------
    torch.device
        Where the tensors must lie.

    Raises
    ------
    ValueError
        Another name.
    ImportError
        This build does not have the module.
    RuntimeError
        ``"cuda"`` without a GPU.
    """
    if name == "cuda":
        _native.load(name)
        if not torch.cuda.is_available():
            raise RuntimeError("cuda: expected a GPU that torch can use, got none")
        yield torch.device("cuda", torch.cuda.current_device())
    else:
        with _native.use_backend(name):
            yield torch.device("cpu")
