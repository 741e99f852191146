"""What a linear operator is, and what sums, multiples, products and adjoints of operators are."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from numbers import Number, Real
from typing import Any

import torch

from mriops._native.arguments import instance

Shape = tuple[int, ...]


class LinearOperator(torch.nn.Module):
    """A linear map from one tensor to one tensor, ``y = A x``, with its adjoint ``A^H``.

    A subclass writes `forward` and `adjoint`, and `normal` where ``A^H A`` has a shorter way than one after the other.
    Tensors are kept with `keep`, so that ``.to()``, ``state_dict`` and pickling hold for them; moving to another
    precision leaves real tensors real and complex ones complex.

    `domain_shape` and `range_shape` are the trailing axes that the operator knows; further leading axes are a batch.
    They are None where any shape fits.

    References
    ----------
    Claerbout. Earth soundings analysis: processing versus inversion, 1992, chapter 5 (adjoint operators).
    """

    domain_shape: Shape | None = None
    range_shape: Shape | None = None

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        """``A^H y``."""
        raise TypeError(f"{type(self).__name__}: expected a method adjoint(y), got a class without one")

    def normal(self, x: torch.Tensor) -> torch.Tensor:
        """``A^H A x``."""
        return self.adjoint(self(x))

    def keep(self, name: str, tensor: torch.Tensor | None) -> None:
        """Hold a tensor under `name`: a `torch.nn.Parameter` as parameter, any other as buffer, gradients intact."""
        if isinstance(tensor, torch.nn.Parameter):
            self.register_parameter(name, tensor)
        else:
            self.register_buffer(name, tensor)

    @property
    def H(self) -> LinearOperator:
        """Adjoint operator; ``A.H.H is A``."""
        return self._derived("_adjoint_ref", AdjointOp)

    @property
    def gram(self) -> LinearOperator:
        """Normal operator ``A^H A``, self-adjoint, as one step where the class knows one."""
        return self._derived("_gram_ref", GramOp)

    def _derived(self, name: str, kind: Callable[[LinearOperator], LinearOperator]) -> LinearOperator:
        # Held weakly: the derived operator holds this one, and a cycle would keep coil maps on a GPU alive until
        # Python's garbage collector runs.
        reference = self.__dict__.get(name)
        derived = None if reference is None else reference()
        if derived is None:
            derived = kind(self)
            self.__dict__[name] = weakref.ref(derived)
        return derived

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_adjoint_ref", "_gram_ref")}

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> LinearOperator:
        # torch's .to(dtype) makes all floating and complex tensors the same kind: weights would become complex, or
        # coil maps lose their imaginary part.
        def same_kind(tensor: torch.Tensor) -> torch.Tensor:
            if tensor.is_complex():
                pair = fn(torch.view_as_real(tensor.resolve_conj()))
                return torch.view_as_complex((pair.real if pair.is_complex() else pair).contiguous())
            moved = fn(tensor)
            return moved.real if moved.is_complex() else moved

        return super()._apply(same_kind, recurse)

    def __matmul__(self, other: LinearOperator) -> LinearOperator:
        if not isinstance(other, LinearOperator):
            return NotImplemented
        return other.gram if isinstance(self, AdjointOp) and self.op is other else ComposedOp(self, other)

    def __add__(self, other: LinearOperator) -> LinearOperator:
        return SumOp(self, other) if isinstance(other, LinearOperator) else NotImplemented

    def __radd__(self, other: int) -> LinearOperator:
        return self if isinstance(other, int) and other == 0 else NotImplemented  # the start of sum(operators)

    def __sub__(self, other: LinearOperator) -> LinearOperator:
        return SumOp(self, -other) if isinstance(other, LinearOperator) else NotImplemented

    def __neg__(self) -> LinearOperator:
        return ScaledOp(-1, self)

    def __mul__(self, scalar: complex | torch.Tensor) -> LinearOperator:
        return ScaledOp(scalar, self) if isinstance(scalar, Number | torch.Tensor) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, scalar: complex | torch.Tensor) -> LinearOperator:
        return ScaledOp(1 / scalar, self) if isinstance(scalar, Number | torch.Tensor) else NotImplemented

    def extra_repr(self) -> str:
        """Shapes, for printing."""
        names = [f"(*, {', '.join(map(str, s))})" if s else "(*)" for s in (self.domain_shape, self.range_shape)]
        return " -> ".join(names)

    def check_adjoint(
        self,
        domain_shape: Shape | None = None,
        range_shape: Shape | None = None,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        seed: int = 0,
    ) -> None:
        """Raise unless ``<A x, y> = <x, A^H y>`` for random ``x`` and ``y``.

        Parameters
        ----------
        domain_shape, range_shape
            Shapes of ``x`` and ``y``; those of the operator by default, where it knows them.
        dtype, device
            Of ``x`` and ``y``; by default those of the operator's first floating tensor (complex), or complex64.
        seed
            Of the random numbers.

        Raises
        ------
        ValueError
            If shapes are unknown or wrong, or if the products differ by more than ``50 eps ||A x|| ||y||``: transforms
            and sums err by a small multiple of eps, relative to norms.
        """
        held = next((t for t in (*self.parameters(), *self.buffers()) if t.is_floating_point() or t.is_complex()), None)
        if dtype is None:
            dtype = torch.complex64 if held is None else held.dtype.to_complex()
        device = device or (torch.device("cpu") if held is None else held.device)
        domain_shape = self.domain_shape if domain_shape is None else domain_shape
        if domain_shape is None:
            raise ValueError("domain_shape: expected a shape, as this operator fits any, got None")
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            x = torch.randn(domain_shape, dtype=dtype, generator=generator).to(device)
            Ax = self(x)
            y = torch.randn(range_shape or Ax.shape, dtype=Ax.dtype, generator=generator).to(device)
            if y.shape != Ax.shape:
                raise ValueError(f"range_shape: expected {tuple(Ax.shape)}, the shape of A(x), got {tuple(y.shape)}")
            AHy = self.adjoint(y)
            if AHy.shape != x.shape:
                raise ValueError(f"adjoint: expected shape {tuple(x.shape)} of the domain, got {tuple(AHy.shape)}")
            left, right = _inner(Ax, y), _inner(x, AHy)
            size = float(torch.linalg.vector_norm(Ax) * torch.linalg.vector_norm(y))
        if not abs(left - right) <= 50 * torch.finfo(dtype).eps * size:
            raise ValueError(
                f"adjoint: expected <A x, y> = <x, A^H y>, got {left:.6g} and {right:.6g}, a difference of "
                f"{abs(left - right) / size:.2g} relative to ||A x|| ||y||"
            )


def _inner(a: torch.Tensor, b: torch.Tensor) -> complex:
    return complex(torch.vdot(*(t.flatten().to(torch.complex128) for t in (a, b))))


class AdjointOp(LinearOperator):
    """``A^H``; made by ``A.H``."""

    def __init__(self, op: LinearOperator):
        super().__init__()
        self.op = op

    @property
    def domain_shape(self) -> Shape | None:  # type: ignore[override]
        return self.op.range_shape

    @property
    def range_shape(self) -> Shape | None:  # type: ignore[override]
        return self.op.domain_shape

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        return self.op.adjoint(y)

    def adjoint(self, x: torch.Tensor) -> torch.Tensor:
        return self.op(x)

    @property
    def H(self) -> LinearOperator:
        return self.op


class GramOp(LinearOperator):
    """``A^H A``; made by ``A.gram`` and ``A.H @ A``."""

    def __init__(self, op: LinearOperator):
        super().__init__()
        self.op = op

    @property
    def domain_shape(self) -> Shape | None:  # type: ignore[override]
        return self.op.domain_shape

    range_shape = domain_shape  # type: ignore[assignment]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.op.normal(x)

    def adjoint(self, x: torch.Tensor) -> torch.Tensor:
        return self.op.normal(x)

    @property
    def H(self) -> LinearOperator:
        return self


class ComposedOp(LinearOperator):
    """``A B``; made by ``A @ B``. The normal operator is ``B^H (A^H A) B``.

    Raises
    ------
    ValueError
        If the range of ``B`` does not fit the domain of ``A``.
    """

    def __init__(self, outer: LinearOperator, inner: LinearOperator):
        super().__init__()
        self.outer, self.inner = outer, inner
        left, right = outer.domain_shape, inner.range_shape
        if left is not None and right is not None and not trailing_axes_agree(left, right):
            raise ValueError(
                f"A @ B: expected the range of B to fit the domain of A, trailing axes {left}, got {right} "
                f"({type(outer).__name__} @ {type(inner).__name__})"
            )

    @property
    def domain_shape(self) -> Shape | None:  # type: ignore[override]
        return _extended(self.inner.domain_shape, self.inner.range_shape, self.outer.domain_shape)

    @property
    def range_shape(self) -> Shape | None:  # type: ignore[override]
        return _extended(self.outer.range_shape, self.outer.domain_shape, self.inner.range_shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.outer(self.inner(x))

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        return self.inner.adjoint(self.outer.adjoint(y))

    def normal(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner.adjoint(self.outer.normal(self.inner(x)))


class SumOp(LinearOperator):
    """``A + B``; made by ``A + B`` and ``A - B``.

    Both map one domain to one range. Only a batch may broadcast: axes that lead domain and range of an operator alike.

    Raises
    ------
    ValueError
        If domains or ranges differ: when the sum is made, as far as the operators know theirs, or else when it is
        applied, also by `H` and `gram`.
    """

    def __init__(self, left: LinearOperator, right: LinearOperator):
        super().__init__()
        self.left, self.right = left, right
        if not may_add(left, right):
            raise ValueError(
                f"A + B: expected operators with the same domain and range, got {left.extra_repr()} "
                f"({type(left).__name__}) and {right.extra_repr()} ({type(right).__name__})"
            )

    @property
    def domain_shape(self) -> Shape | None:  # type: ignore[override]
        return joined(self.left.domain_shape, self.right.domain_shape)

    @property
    def range_shape(self) -> Shape | None:  # type: ignore[override]
        return joined(self.left.range_shape, self.right.range_shape)

    def _added(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        # torch would broadcast, and the adjoint of that is a sum, which the sum of the adjoints does not have
        if left.shape != right.shape:
            raise ValueError(
                f"A + B: expected results of one shape, got {tuple(left.shape)} ({type(self.left).__name__}) and "
                f"{tuple(right.shape)} ({type(self.right).__name__})"
            )
        return left + right

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._added(self.left(x), self.right(x))

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        return self._added(self.left.adjoint(y), self.right.adjoint(y))


class ScaledOp(LinearOperator):
    """``s A``; made by ``s * A``. The scalar is a number or a tensor with one element, which may be trained.

    Raises
    ------
    TypeError
        If the scalar is no number, or `op` no operator.
    ValueError
        If a tensor has more elements.
    """

    def __init__(self, scalar: complex | torch.Tensor, op: LinearOperator):
        super().__init__()
        if isinstance(scalar, torch.Tensor):
            if scalar.numel() != 1:
                raise ValueError(
                    f"scalar: expected a number or a tensor with one element, got shape {tuple(scalar.shape)} (for "
                    "weights use DiagonalOp(weights) @ A)"
                )
            self.keep("scalar", scalar)
        else:
            instance("scalar", scalar, Number, "a number or a tensor with one element")
            # Python's own, which keep the precision of the other factor, and their imaginary part with any library.
            self.scalar = float(scalar) if isinstance(scalar, Real) else complex(scalar)
        self.op = instance("op", op, LinearOperator, "a LinearOperator")

    @property
    def domain_shape(self) -> Shape | None:  # type: ignore[override]
        return self.op.domain_shape

    @property
    def range_shape(self) -> Shape | None:  # type: ignore[override]
        return self.op.range_shape

    def _scalar(self) -> Any:
        # zero-dimensional, so that the product keeps the precision of the other factor
        return self.scalar.reshape(()) if isinstance(self.scalar, torch.Tensor) else self.scalar

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._scalar() * self.op(x)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        s = self._scalar()
        return (s.conj() if isinstance(s, torch.Tensor) else s.conjugate()) * self.op.adjoint(y)

    def normal(self, x: torch.Tensor) -> torch.Tensor:
        s = self._scalar()
        if isinstance(s, torch.Tensor) and not s.is_complex():
            return s * (s * self.op.normal(x))  # a scalar of few digits may have no square
        return abs(s) ** 2 * self.op.normal(x)


def trailing_axes_agree(a: Shape, b: Shape) -> bool:
    """Whether trailing axes agree; an axis of length one may stand for a batch that broadcasts."""
    return all(n == m or 1 in (n, m) for n, m in zip(a[::-1], b[::-1], strict=False))


def may_add(a: LinearOperator, b: LinearOperator) -> bool:
    """Whether two operators can have one domain and one range up to a batch, as far as they know these."""
    domains, ranges = (a.domain_shape, b.domain_shape), (a.range_shape, b.range_shape)
    if not all(s is None or t is None or trailing_axes_agree(s, t) for s, t in (domains, ranges)):
        return False
    sides = [(d, r) for d, r in zip(domains, ranges, strict=True) if d is not None and r is not None]
    if len(sides) < 2:
        return True
    batches = [_shared_lead(d, r) for d, r in sides]
    n_domain, n_range = (max(len(s) - n for s, n in zip(side, batches, strict=True)) for side in zip(*sides))
    (d, r), (e, s) = sides
    # what either does not have as a batch is no batch of the sum, and has to be the same
    if any(len(p) < n_domain or len(p) - n_domain != len(q) - n_range for p, q in sides):
        return False
    return d[len(d) - n_domain :] == e[len(e) - n_domain :] and r[len(r) - n_range :] == s[len(s) - n_range :]


def _shared_lead(a: Shape, b: Shape) -> int:
    """Number of leading axes that two shapes have in common."""
    return next((i for i, (n, m) in enumerate(zip(a, b, strict=False)) if n != m), min(len(a), len(b)))


def joined(a: Shape | None, b: Shape | None) -> Shape | None:
    """Shape that both broadcast to, None being no shape yet."""
    return b if a is None else a if b is None else tuple(torch.broadcast_shapes(a, b))


def _extended(shape: Shape | None, at: Shape | None, other: Shape | None) -> Shape | None:
    """`shape` of one side of an operator, with the batch axes that `other` has in front of `at` on the other side."""
    if shape is None or at is None or other is None:
        return shape
    return other[: max(len(other) - len(at), 0)] + shape
