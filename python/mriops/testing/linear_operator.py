"""The contract of a linear operator and of a pair of adjoint functions."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .op_case import relative_error

__all__ = ["check_adjoint", "check_linear_operator"]


def _random(shape: Sequence[int], dtype: torch.dtype, generator: torch.Generator, device: torch.device) -> Tensor:
    wide = torch.complex128 if dtype.is_complex else torch.float64
    return torch.randn(tuple(shape), dtype=wide, generator=generator).to(dtype).to(device)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _close(what: str, value: Tensor, truth: Tensor, tolerance: float) -> None:
    error = relative_error(value, truth)
    _require(error <= tolerance, f"{what}: relative error {error:.2e}, allowed {tolerance:.2e}")


def check_adjoint(
    forward: Callable[[Tensor], Tensor], adjoint: Callable[[Tensor], Tensor], x: Tensor, y: Tensor
) -> None:
    """Dot product test ``<y, A x> = <A^H y, x>``.

    Both sides are sums of ``n`` products whose rounding errors are independent: they agree within
    ``16 eps sqrt(n)`` of ``||A x|| ||y||``, n the larger size.

    Parameters
    ----------
    forward
        ``A``.
    adjoint
        ``A^H``.
    x
        A point of the domain.
    y
        A point of the range.

    Raises
    ------
    AssertionError
        Shapes or values disagree.

    References
    ----------
    Claerbout JF. Earth Soundings Analysis: Processing versus Inversion. Blackwell 1992 (the dot product test).
    """
    image, preimage = forward(x), adjoint(y)
    _require(image.shape == y.shape, f"forward: expected shape {tuple(y.shape)}, got {tuple(image.shape)}")
    _require(preimage.shape == x.shape, f"adjoint: expected shape {tuple(x.shape)}, got {tuple(preimage.shape)}")
    left = torch.vdot(y.reshape(-1).to(torch.complex128), image.reshape(-1).to(torch.complex128))
    right = torch.vdot(preimage.reshape(-1).to(torch.complex128), x.reshape(-1).to(torch.complex128))
    if not (x.is_complex() and y.is_complex()):  # between real and complex spaces only the real part pairs up
        left, right = left.real, right.real
    scale = float(torch.linalg.vector_norm(image) * torch.linalg.vector_norm(y))
    n = max(x.numel(), y.numel())
    allowed = 16 * torch.finfo(x.dtype).eps * n**0.5 * scale
    difference = float((left - right).abs())
    _require(difference <= allowed, f"adjoint: <y, Ax> - <A^H y, x> = {difference:.2e}, allowed {allowed:.2e}")


def check_linear_operator(
    op: Any,
    domain_shape: Sequence[int] | None = None,
    range_shape: Sequence[int] | None = None,
    *,
    dtype: torch.dtype = torch.complex64,
    device: torch.device | str = "cpu",
    pickles: bool = True,
    seed: int = 0,
) -> None:
    """Run the contract of a linear operator.

    Linearity, adjoint, ``op.H.H is op``, gram = H op, tangent = operator, gradient = adjoint, and, for modules, deep
    copies and pickles that compute the same.

    Parameters
    ----------
    op
        Has ``__call__``, ``.H`` and ``.gram``.
    domain_shape
        Shape to test with; default ``op.domain_shape``.
    range_shape
        Shape of the result; default that of ``op(x)``.
    dtype
        Of domain and range.
    device
        Where the operator is.
    pickles
        Whether to test ``torch.save`` and deep copies.
    seed
        Of the random points.

    Raises
    ------
    AssertionError
        Names the promise and the figures.
    ValueError
        The operator does not know its domain and ``domain_shape`` is missing.

    References
    ----------
    Ravasi M, Vasconcelos I. PyLops: A linear-operator Python library. SoftwareX 2020;11:100361.
    """
    shape = domain_shape if domain_shape is not None else getattr(op, "domain_shape", None)
    if shape is None:
        raise ValueError("domain_shape: expected a shape, got None, and the operator does not know it")
    generator, place = torch.Generator().manual_seed(seed), torch.device(device)
    x, z = (_random(shape, dtype, generator, place) for _ in range(2))
    image = op(x)
    _require(range_shape is None or tuple(image.shape) == tuple(range_shape), f"range: got shape {tuple(image.shape)}")
    y = _random(image.shape, dtype, generator, place)
    # Each application rounds like one more sum of n terms; 32 covers the chain of two and the transforms inside.
    tolerance = 32 * torch.finfo(dtype).eps * max(x.numel(), y.numel()) ** 0.5
    _check_algebra(op, x, z, y, image, tolerance)
    _check_derivatives(op, x, z, y, image, tolerance)
    if pickles:
        file = io.BytesIO()
        torch.save(op, file)
        file.seek(0)
        _close("pickle", torch.load(file, weights_only=False)(x), image, tolerance)
        _close("deep copy", copy.deepcopy(op)(x), image, tolerance)


def _check_algebra(op: Any, x: Tensor, z: Tensor, y: Tensor, image: Tensor, tolerance: float) -> None:
    factor = 0.6 - 0.8j if x.is_complex() else -1.3
    _close("linearity", op(factor * x + z), factor * image + op(z), tolerance)
    check_adjoint(op, op.H, x, y)
    _require(op.H.H is op, "H: expected op.H.H to be op itself")
    if getattr(op, "gram", None) is not None:
        _close("gram", op.gram(x), op.H(image), tolerance)
        check_adjoint(op.gram, op.gram, x, z)


def _check_derivatives(op: Any, x: Tensor, z: Tensor, y: Tensor, image: Tensor, tolerance: float) -> None:
    _close("jvp", torch.func.jvp(op, (x,), (z,))[1], op(z), tolerance)
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(op(leaf), leaf, y)
    _close("gradient", gradient, op.H(y), tolerance)
    leaf = y.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(op.H(leaf), leaf, x)
    _close("gradient of H", gradient, image, tolerance)
