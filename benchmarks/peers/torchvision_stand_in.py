"""Lets peers that import torchvision without using it here be imported on machines with a CPU build of torch only.

The torchvision wheel of the package index is built against a CUDA torch and cannot be imported beside the CPU build
(`operator torchvision::nms does not exist`). mrpro and deepinv import it for image augmentation, which no benchmark
touches. The stand-in answers every attribute with an empty class; anything that really calls it fails loudly.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from types import ModuleType
from typing import ClassVar


class _Absent:
    """What every name of the stand-in is: importable, usable as a base class or annotation, not callable for work."""

    BILINEAR = NEAREST = BICUBIC = None

    def __init__(self, *args: object, **kwargs: object) -> None:
        raise RuntimeError("torchvision is a stand-in in the benchmark process; install torchvision to use it")


class _StandIn(ModuleType):
    __path__: ClassVar[list[str]] = []
    __version__ = "0.0.stand-in"

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "IMG_EXTENSIONS":
            return ()
        return _Absent


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] != "torchvision":
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def install() -> bool:
    """Put the stand-in in place unless torchvision can be imported; True if it is now in use."""
    try:
        return isinstance(importlib.import_module("torchvision"), _StandIn)
    except (ImportError, OSError, RuntimeError):  # absent, or built for another torch
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        sys.meta_path.insert(0, _Finder())
        return True
