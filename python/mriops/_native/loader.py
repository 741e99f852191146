"""Finds the compiled module of a device type, loading each one when it is first asked for."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

_MODULES = {"cpu": "mriops._cpu", "cuda": "mriops._cuda", "emu": "mriops._emu"}
_MISSING = {
    "cpu": "this installation is broken: install mriops again",
    "cuda": "this installation was built without CUDA kernels: build mriops from source with nvcc on the PATH and "
    "MRIOPS_CUDA=ON",
    "emu": "the emulated CUDA kernels are built for tests only: run `make native` in the source tree",
}

_loaded: dict[str, ModuleType] = {}
_listeners: list[Callable[[], object]] = []


def on_backend_switch(forget: Callable[[], object]) -> None:
    """Register what drops remembered native functions when :func:`use_backend` changes the module behind them.

    Parameters
    ----------
    forget
        Called without arguments, after each change.
    """
    _listeners.append(forget)


def _serve_cpu_by(module: ModuleType) -> None:
    _loaded["cpu"] = module
    for forget in _listeners:
        forget()


def load(name: str) -> ModuleType:
    """Import one compiled module.

    Parameters
    ----------
    name
        ``"cpu"``, ``"cuda"`` or ``"emu"``.

    Returns
    -------
    ModuleType
        ``mriops._cpu``, ``mriops._cuda`` or ``mriops._emu``, which have the same functions.

    Raises
    ------
    ValueError
        If there is no such module in mriops.
    ImportError
        If this installation does not have it, with what to do about it.
    """
    if name not in _MODULES:
        raise ValueError(f"device: expected one of {', '.join(_MODULES)}, got {name!r}")
    try:
        return importlib.import_module(_MODULES[name])
    except ModuleNotFoundError as error:
        if error.name != _MODULES[name]:
            raise
        raise ImportError(f"{_MODULES[name]} is missing: {_MISSING[name]}", name=error.name) from error


def backend(device_type: str) -> ModuleType:
    """The compiled module that serves arrays of a device type.

    Parameters
    ----------
    device_type
        ``"cpu"`` or ``"cuda"``, as in ``tensor.device.type``.

    Returns
    -------
    ModuleType
        See :func:`load`. Inside :func:`use_backend` another module may serve ``"cpu"``.

    Raises
    ------
    ValueError, ImportError
        As :func:`load`.
    """
    try:
        return _loaded[device_type]
    except KeyError:
        if device_type not in ("cpu", "cuda"):
            raise ValueError(f"device: expected cpu or cuda, got {device_type!r}") from None
        return _loaded.setdefault(device_type, load(device_type))


def native_on_cpu() -> bool:
    """Whether arrays in CPU memory are served by ``mriops._cpu``, and not by what :func:`use_backend` put in its place.

    Returns
    -------
    bool
        False for the emulated CUDA kernels.
    """
    return backend("cpu").__name__ == _MODULES["cpu"]


@contextmanager
def use_backend(name: str) -> Iterator[ModuleType]:
    """Within the context, arrays in CPU memory go to another module: the emulated CUDA kernels are tested this way.

    Applies to the whole process, threads included.

    Parameters
    ----------
    name
        ``"cpu"`` or ``"emu"``.

    Raises
    ------
    ValueError, ImportError
        As :func:`load`; ``"cuda"`` cannot read CPU memory.
    """
    if name not in ("cpu", "emu"):
        raise ValueError(f"backend: expected cpu or emu, got {name!r}")
    before = backend("cpu")
    _serve_cpu_by(load(name))
    try:
        yield _loaded["cpu"]
    finally:
        _serve_cpu_by(before)
