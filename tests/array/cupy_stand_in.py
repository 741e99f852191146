"""CuPy without a GPU: arrays in CPU memory that are as strict as CuPy's about what they are mixed with."""

import operator
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor")
_COMPARE = ("eq", "ne", "lt", "le", "gt", "ge")
_TAKES_ARRAYS_OF_NUMPY = ("array", "asarray", "ascontiguousarray")
_ARRAYS_ONLY = ("stack", "concatenate")


class Device:
    """What ``array.device`` is."""

    id = 0

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: object) -> None:
        pass


class ndarray:
    """An array that mixes with its like and with numbers alone, and never becomes numpy's unasked."""

    __module__ = "cupy"
    __array_ufunc__ = None

    def __init__(self, held: Any) -> None:
        self.held = np.asarray(held)
        self.device = Device()

    @property
    def data(self) -> Any:
        return type("MemoryPointer", (), {"ptr": self.held.ctypes.data})()

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("implicit conversion to a NumPy array is not allowed")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "held":
            raise AttributeError(name)
        value = getattr(self.held, name)
        return _calling(value, f"ndarray.{name}") if callable(value) else _give(value)

    def __getitem__(self, index: Any) -> Any:
        return _give(self.held[_take(index, "index")])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.held[_take(index, "index")] = _take(value, "value")

    def __len__(self) -> int:
        return len(self.held)

    def __bool__(self) -> bool:
        return bool(self.held)

    def __float__(self) -> float:
        return float(self.held)

    def __int__(self) -> int:
        return int(self.held)

    def __neg__(self) -> "ndarray":
        return ndarray(-self.held)

    def __invert__(self) -> "ndarray":
        return ndarray(~self.held)

    def __abs__(self) -> "ndarray":
        return ndarray(abs(self.held))


def _take(value: Any, where: str) -> Any:
    if isinstance(value, ndarray):
        return value.held
    if isinstance(value, np.ndarray):
        raise TypeError(f"{where}: unsupported type {type(value)}")
    if isinstance(value, (tuple, list)):
        return type(value)(_take(item, where) for item in value)
    return value


def _give(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return ndarray(value)
    if isinstance(value, (tuple, list)) and any(isinstance(item, np.ndarray) for item in value):
        return type(value)(_give(item) for item in value)
    return value


def _calling(function: Callable[..., Any], where: str) -> Callable[..., Any]:
    def call(*args: Any, **keywords: Any) -> Any:
        name = where.rpartition(".")[2]
        if name in _ARRAYS_ONLY and not all(isinstance(item, ndarray) for item in args[0]):
            raise TypeError(f"{where}: only cupy arrays can be joined, got {[type(item) for item in args[0]]}")
        if name in _TAKES_ARRAYS_OF_NUMPY:
            args = tuple(a.held if isinstance(a, ndarray) else a for a in args)
        keywords = {key: _take(value, where) for key, value in keywords.items()}
        return _give(function(*(args if name in _TAKES_ARRAYS_OF_NUMPY else _take(args, where)), **keywords))

    return call


def _operators() -> None:
    for name in (*_BINARY, *_COMPARE):
        act = getattr(operator, name if hasattr(operator, name) else f"{name}_")
        forward = lambda a, b, act=act, name=name: _give(act(a.held, _take(b, name)))  # noqa: E731
        setattr(ndarray, f"__{name}__", forward)
        if name in _BINARY:
            backward = lambda a, b, act=act, name=name: _give(act(_take(b, name), a.held))  # noqa: E731
            setattr(ndarray, f"__r{name}__", backward)


_operators()


def module() -> ModuleType:
    """A module ``cupy`` with numpy's functions for stand-in arrays."""

    class Fft:
        def __getattr__(self, name: str) -> Any:
            return _calling(getattr(np.fft, name), f"cupy.fft.{name}")

    class Cupy(ModuleType):
        fft, ndarray = Fft(), ndarray

        class cuda:
            Device = Device

            @staticmethod
            def get_current_stream() -> Any:
                return type("Stream", (), {"ptr": 0})()

        @staticmethod
        def asnumpy(array: ndarray) -> np.ndarray:
            return array.held

        def __getattr__(self, name: str) -> Any:
            value = getattr(np, name)
            return value if isinstance(value, type) or not callable(value) else _calling(value, f"cupy.{name}")

    return Cupy("cupy")
