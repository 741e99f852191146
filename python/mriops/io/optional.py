"""Imports a file library when it is first needed and names the extra that brings it."""

from __future__ import annotations

import importlib
from types import ModuleType

_EXTRA_OF = {
    "h5py": "io",
    "ismrmrd": "io",
    "nibabel": "io",
    "twixtools": "twix",
    "matplotlib": "cli",
    "rich": "cli",
}


def require(module: str, purpose: str) -> ModuleType:
    """The module, imported now.

    Raises
    ------
    ImportError
        If it is not installed; the message names `purpose` and the extra of mriops that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        extra = _EXTRA_OF.get(package)
        hint = f"pip install 'mriops[{extra}]'" if extra else f"pip install {package}"
        raise ImportError(f"{purpose} needs the package {package!r}, which is not installed: {hint}") from error
