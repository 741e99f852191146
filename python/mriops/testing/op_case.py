"""What one row of the OpCase table holds: an op's arguments, reference, costs, and the shapes that bite."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import mriops.array
import mriops.ops
import mriops.ops.reference

__all__ = ["OpCase", "Sample", "between", "relative_error"]


@dataclass(frozen=True)
class Sample:
    """Arguments of one call: tensors by name, in the order of the signature, then keywords.

    ``by_name`` are those tensors that the signature takes as keywords.
    """

    tensors: Mapping[str, Tensor | None]
    keywords: Mapping[str, Any]
    positional: tuple[Any, ...] = ()
    by_name: tuple[str, ...] = ()

    def call(self, function: Callable[..., Any], **replaced: Any) -> Any:
        """Call a function with these arguments, some tensors replaced."""
        tensors = {**self.tensors, **replaced}
        named = {name: tensors.pop(name) for name in self.by_name}
        return function(*tensors.values(), *self.positional, **named, **self.keywords)

    def map(self, change: Callable[[Tensor], Tensor]) -> Sample:
        """The same call with every tensor changed."""
        changed = {name: None if t is None else change(t) for name, t in self.tensors.items()}
        return Sample(changed, self.keywords, self.positional, self.by_name)


def _rounding_alone(sample: Sample) -> float:
    """Relative L2 error the op may have beside rounding: none."""
    return 0.0


@dataclass(frozen=True)
class OpCase:
    """One op.

    Attributes
    ----------
    name
        Public name, the same in ``mriops.ops``, ``mriops.ops.reference`` and ``mriops.array``.
    native
        Name of the declared op and of the native function.
    make
        ``make(dtype, seed, **shape)`` -> :class:`Sample`, on the CPU.
    shapes
        Shapes that bite, by name: the arguments of ``make``. ``"gradient"`` is small enough for numerical derivatives.
    differentiable
        Tensor arguments with a gradient, where they are real or complex.
    flops
        ``flops(sample)``: real operations of the algorithm, additions and multiplications.
    points
        ``points(sample)``: how many terms meet in one output value; the tolerance grows with its logarithm.
    large
        Name of a shape that costs more than ``"gradient"``, and has work for several threads.
    accuracy
        ``accuracy(sample)``: relative L2 error the op may have beside rounding, where it is asked to approximate.
    forward_twice
        Whether there are second derivatives by forward mode over forward mode; otherwise they are refused.
    """

    name: str
    native: str
    make: Callable[..., Sample]
    shapes: Mapping[str, Mapping[str, Any]]
    differentiable: tuple[str, ...]
    flops: Callable[[Sample], float]
    points: Callable[[Sample], int]
    large: str = "many_coils"
    accuracy: Callable[[Sample], float] = _rounding_alone
    forward_twice: bool = True

    @property
    def op(self) -> Callable[..., Any]:
        """The op itself."""
        return getattr(mriops.ops, self.name)

    @property
    def reference(self) -> Callable[..., Any]:
        """Its meaning."""
        return getattr(mriops.ops.reference, self.name)

    @property
    def array(self) -> Callable[..., Any]:
        """The same function of arrays."""
        return getattr(mriops.array, self.name)

    def sample(self, shape: str, dtype: torch.dtype = torch.complex64, seed: int = 0) -> Sample:
        """Arguments for a shape of the table."""
        return self.make(dtype, seed, **self.shapes[shape])

    def bytes_moved(self, sample: Sample) -> int:
        """Bytes that any implementation must move: every argument once in, every result once out."""
        outputs = sample.map(lambda t: t.to("meta")).call(self.reference)
        outputs = (outputs,) if isinstance(outputs, Tensor) else outputs
        arrays = [t for t in (*sample.tensors.values(), *outputs) if t is not None]
        return sum(t.numel() * t.element_size() for t in arrays)

    def tolerance(self, sample: Sample, dtype: torch.dtype) -> float:
        """Relative L2 error allowed.

        A transform of ``n`` points in floating point has the error ``eps log2(n)`` times a constant near 1; sums over
        coils and sets and the products add a few ``eps``.
        """
        return torch.finfo(dtype).eps * (4 + math.log2(max(self.points(sample), 1))) + self.accuracy(sample)


def relative_error(value: Tensor, truth: Tensor) -> float:
    """``||value - truth|| / ||truth||`` in double precision; infinite where the shapes differ.

    Parameters
    ----------
    value, truth
        Of any dtype and device.

    Returns
    -------
    float
        Where the truth is zero, the norm of the value.
    """
    if value.shape != truth.shape:
        return math.inf
    wide = torch.complex128 if truth.is_complex() else torch.float64
    value, truth = value.detach().cpu().to(wide), truth.detach().cpu().to(wide)
    norm = torch.linalg.vector_norm(truth)
    difference = torch.linalg.vector_norm(value - truth)
    return float(difference / norm) if norm > 0 else float(difference)


def between(low: float, high: float, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Uniform numbers in double precision."""
    return low + (high - low) * torch.rand(tuple(shape), dtype=torch.float64, generator=generator)
