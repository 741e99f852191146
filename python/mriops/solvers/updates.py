"""What a solver does with its vectors between two applications of the operator.

Where nothing is recorded for derivatives, vectors in CPU memory are updated by kernels on the library's own threads.
That is not about arithmetic: after a parallel operation torch's OpenMP threads go on spinning for milliseconds, on the
processors that the operator's threads are about to need.
"""

from typing import Protocol

import torch

from mriops._native.loader import load
from mriops.ops._guards import readable
from mriops.solvers.flat import Layout, dot
from mriops.solvers.implicit import derivatives_wanted

_CODES = {torch.float32: 0, torch.float64: 1}


class Updates(Protocol):
    """Inner products and updates of real ``(batch, n)`` matrices; factors are ``(batch, 1)``.

    The result of an update may take the place of the argument named.
    """

    def dot(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """``<x, y>`` of each row, ``(batch, 1)``."""
        ...

    def scale(self, x: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        """``factor x`` in place of `x`."""
        ...

    def advance(self, x: torch.Tensor, p: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """``x + step p`` in place of `x`."""
        ...

    def turn(self, z: torch.Tensor, p: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        """``z + factor p`` in place of `p`."""
        ...

    def descend(
        self, p: torch.Tensor, q: torch.Tensor, step: torch.Tensor, x: torch.Tensor, r: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """``x + step p`` in place of `x`, ``r - step q`` in place of `r`, and ``<r, r>`` of the latter."""
        ...


class _Torch:
    """By torch; `in_place` says whether arguments are overwritten, else autograd finds every intermediate."""

    def __init__(self, in_place: bool):
        self._in_place = in_place

    def dot(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return dot(x, y)

    def scale(self, x: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        return torch.mul(x, factor, out=x if self._in_place else None)

    def advance(self, x: torch.Tensor, p: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        return torch.addcmul(x, p, step, out=x if self._in_place else None)

    def turn(self, z: torch.Tensor, p: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        return torch.addcmul(z, p, factor, out=p if self._in_place else None)

    def descend(
        self, p: torch.Tensor, q: torch.Tensor, step: torch.Tensor, x: torch.Tensor, r: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x, r = self.advance(x, p, step), self.advance(r, q, -step)
        return x, r, dot(r, r)


class _Native:
    """By kernels of the CPU. What is overwritten must be contiguous, as vectors that a solver made are."""

    def __init__(self, dtype: torch.dtype):
        self._code = _CODES[dtype]
        self._module = load("cpu")

    def dot(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x, y = x.contiguous(), y.contiguous()
        out = x.new_empty(x.shape[0], 1)
        self._module.vector_dot(x.data_ptr(), y.data_ptr(), out.data_ptr(), *self._rest(x))
        return out

    def scale(self, x: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        return self.add_scaled(None, x, factor, x)

    def advance(self, x: torch.Tensor, p: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        return self.add_scaled(x, p, step, x)

    def turn(self, z: torch.Tensor, p: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        return self.add_scaled(z, p, factor, p)

    def descend(
        self, p: torch.Tensor, q: torch.Tensor, step: torch.Tensor, x: torch.Tensor, r: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        q, step = q.contiguous(), step.contiguous()
        norm2 = x.new_empty(x.shape[0], 1)
        pointers = (t.data_ptr() for t in (p, q, step, x, r, norm2))
        self._module.vector_descend(*pointers, *self._rest(x))
        return x, r, norm2

    def add_scaled(
        self, x: torch.Tensor | None, y: torch.Tensor, factor: torch.Tensor, out: torch.Tensor
    ) -> torch.Tensor:
        """``x + factor y``, or without `x` if that is None."""
        x, y, factor = None if x is None else x.contiguous(), y.contiguous(), factor.contiguous()
        self._module.vector_add_scaled(
            0 if x is None else x.data_ptr(), y.data_ptr(), factor.data_ptr(), out.data_ptr(), *self._rest(y)
        )
        return out

    def _rest(self, x: torch.Tensor) -> tuple[int, int, int, int]:
        return x.shape[0], x.shape[1], self._code, torch.get_num_threads()


def _native_for(x: torch.Tensor) -> _Native | None:
    """Native updates of vectors like `x` if there are any, where no derivatives are wanted."""
    dtype = x.dtype.to_real() if x.is_complex() else x.dtype
    return _Native(dtype) if dtype in _CODES and readable(x) else None


def updates_for(x: torch.Tensor, in_place: bool) -> Updates:
    """How to update vectors like `x`; with `in_place` they are overwritten and no derivatives are wanted."""
    return (_native_for(x) if in_place else None) or _Torch(in_place)


def damped(y: torch.Tensor, x: torch.Tensor, damping: float, layout: Layout) -> torch.Tensor:
    """``y + damping x`` for tensors of a layout, differentiable where derivatives are wanted."""
    native = None if derivatives_wanted() else _native_for(x)
    if native is None:
        return torch.add(y, x, alpha=damping)
    y, x = layout.flatten(y), layout.flatten(x)
    sum_ = torch.empty_like(x, memory_format=torch.contiguous_format)
    return layout.unflatten(native.add_scaled(y, x, y.new_full((y.shape[0], 1), damping), sum_))
