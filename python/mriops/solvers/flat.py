"""A batch of vectors as a real ``(batch, n)`` matrix, the form in which solvers update and reduce."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import torch

from mriops._native.arguments import integer, not_negative, number
from mriops.ops._guards import mapped, readable

Operator = Callable[[torch.Tensor], torch.Tensor]

MAPPED = (
    "torch.func.vmap of a solver: expected batch axes (batch_ndim), got tensors that vmap maps over, as jacfwd, jacrev "
    "and hessian do (jacrev with chunk_size=1 does not)"
)


@dataclass(frozen=True)
class Layout:
    """Shape and type of the vectors of one space, and their flat real form.

    Complex vectors are seen as real ones of twice the length: the real part of an inner product, which is all that
    Hermitian iterations need, is then one real dot product, and a real step size costs no complex arithmetic.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    batch_ndim: int

    @classmethod
    def of(cls, x: torch.Tensor, batch_ndim: int) -> "Layout":
        """Layout of tensors like `x`."""
        return cls(tuple(x.shape), x.dtype, x.device, batch_ndim)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Shape of the leading batch axes."""
        return self.shape[: self.batch_ndim]

    def flatten(self, x: torch.Tensor) -> torch.Tensor:
        """``(*batch, ...)`` to real ``(batch, n)``, contiguous; a view where `x` is that already."""
        if x.is_complex():
            x = torch.view_as_real(x.resolve_conj())
        if not x.numel():
            return x.reshape(prod(self.batch_shape), 0)
        # what is computed from rows that lie otherwise would lie so too, and kernels write into it
        return x.resolve_neg().reshape(prod(self.batch_shape), -1).contiguous()

    def unflatten(self, x: torch.Tensor) -> torch.Tensor:
        """Real ``(batch, n)`` to ``(*batch, ...)``; always a view."""
        if self.dtype.is_complex:
            return torch.view_as_complex(x.view(*self.shape, 2))
        return x.view(self.shape)

    def check(self, x: object, name: str) -> torch.Tensor:
        """Raise unless `x` is a tensor of this layout."""
        if not isinstance(x, torch.Tensor):
            raise TypeError(f"{name}: expected a torch.Tensor, got {type(x).__name__}")
        if tuple(x.shape) != self.shape:
            raise ValueError(f"{name}: expected shape {self.shape}, got {tuple(x.shape)}")
        if x.dtype != self.dtype:
            raise TypeError(f"{name}: expected dtype {self.dtype}, got {x.dtype}")
        if x.device != self.device:
            raise ValueError(f"{name}: expected device {self.device}, got {x.device}")
        not_mapped(x)
        return x


def check_damping(damping: torch.Tensor) -> None:
    """Raise if an entry is negative or not finite, where values can be looked at, or vmap maps over them."""
    not_mapped(damping)
    if readable(damping) and damping.numel():
        least, most = damping.detach().aminmax()
        if not 0 <= float(least) <= float(most) < float("inf"):
            raise ValueError(f"damping: expected finite numbers >= 0, got {float(least):g} to {float(most):g}")


def not_mapped(*tensors: torch.Tensor) -> None:
    """Raise where ``torch.func.vmap`` hides an axis: when an iteration stops cannot depend on the item then."""
    if any(map(mapped, tensors)):
        raise NotImplementedError(MAPPED)


def dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Inner product of each row, ``(batch, n)`` -> ``(batch, 1)``."""
    # torch.dot reads both vectors once and writes nothing; the product form writes and reads a third, but needs two
    # launches for any number of rows.
    if a.shape[0] == 1:
        return torch.dot(a[0], b[0]).view(1, 1)
    if a.shape[0] <= 16 and a.shape[1] >= 1024:
        return torch.stack([torch.dot(row_a, row_b) for row_a, row_b in zip(a, b, strict=True)])[:, None]
    return (a * b).sum(-1, keepdim=True)


def peak(a: torch.Tensor) -> torch.Tensor:
    """Largest magnitude of each row, 1 for rows of zeros, ``(batch, n)`` -> ``(batch, 1)``.

    Problems are solved divided by their peak, so that squared norms of very small or large data neither underflow nor
    overflow in single precision.
    """
    if not a.shape[1]:
        return a.new_ones(a.shape[0], 1)
    # two passes without temporaries, both vectorised, which the infinity norm is not
    scale = torch.maximum(a.amax(-1, keepdim=True), -a.amin(-1, keepdim=True))
    return torch.where(scale == 0, torch.ones_like(scale), scale)


def check_problem(
    b: object,
    batch_ndim: int,
    max_iter: int,
    tol: float,
    functions: Sequence[tuple[str, object]],
    callback: object = None,
) -> None:
    """Raise unless the arguments that all solvers share make sense."""
    if not isinstance(b, torch.Tensor):
        raise TypeError(f"b: expected a torch.Tensor, got {type(b).__name__}")
    if not (b.is_floating_point() or b.is_complex()):
        raise TypeError(f"b: expected a floating point or complex tensor, got {b.dtype}")
    integer("batch_ndim", batch_ndim, 0, f"an integer from 0 to {b.ndim} (the axes of b)", b.ndim)
    integer("max_iter", max_iter, 0)
    number("tol", tol, "a finite number >= 0", not_negative)
    for name, function in functions:
        if not callable(function):
            raise TypeError(f"{name}: expected a callable, got {type(function).__name__}")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback: expected a callable or None, got {type(callback).__name__}")


def stop_interval(device: torch.device, check_every: int | None) -> int:
    """Iterations between two looks of the host at the stop flags."""
    if check_every is None:
        return 1 if device.type == "cpu" else 8
    if not isinstance(check_every, int) or check_every < 1:
        raise ValueError(f"check_every: expected an integer >= 1 or None, got {check_every!r}")
    return check_every
