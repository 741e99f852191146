"""The border to packages that know no tensors: lazy imports, arrays in and out, derivatives across."""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch

from mriops.operators.algebra import LinearOperator, Shape

ArrayFunction = Callable[[Any], Any]


def require(package: str, adapter: str) -> ModuleType:
    """Import an optional package.

    Raises
    ------
    ModuleNotFoundError
        With the name of the adapter that needs it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != package.split(".")[0]:
            raise
        name = package.split(".")[0]
        raise ModuleNotFoundError(
            f"{adapter}: expected the package {name!r}, which is not installed", name=name
        ) from None


def check_operator(op: object) -> LinearOperator:
    """Raise unless `op` is a LinearOperator."""
    if not isinstance(op, LinearOperator):
        raise TypeError(f"op: expected a mriops LinearOperator, got {type(op).__name__}")
    return op


def held_like(op: LinearOperator) -> tuple[torch.dtype, torch.device]:
    """Complex dtype and device of the operator's first floating tensor; complex64 on the CPU if it has none."""
    for tensor in (*op.parameters(), *op.buffers()):
        if tensor.is_floating_point() or tensor.is_complex():
            return tensor.dtype.to_complex(), tensor.device
    return torch.complex64, torch.device("cpu")


def find_shapes(
    op: LinearOperator, domain_shape: Shape | None, range_shape: Shape | None, dtype: torch.dtype, device: torch.device
) -> tuple[Shape, Shape]:
    """Shapes of both sides: those given, those the operator knows, or that of ``A 0``.

    Raises
    ------
    ValueError
        If the domain is unknown, or the range is not what was given.
    """
    domain = op.domain_shape if domain_shape is None else tuple(domain_shape)
    if domain is None:
        raise ValueError("domain_shape: expected a shape, as this operator fits any, got None")
    with torch.no_grad():
        found = tuple(op(torch.zeros(domain, dtype=dtype, device=device)).shape)
    if range_shape is not None and tuple(range_shape) != found:
        raise ValueError(f"range_shape: expected {found}, the shape of A(x), got {tuple(range_shape)}")
    return domain, found


def to_tensor(array: Any, dtype: torch.dtype | None, device: torch.device) -> torch.Tensor:
    """NumPy or CuPy array to tensor."""
    if isinstance(array, np.ndarray):
        # torch has neither negative strides nor read-only memory
        tensor = torch.from_numpy(np.require(array, requirements=["C", "W"]))
    else:
        tensor = torch.from_dlpack(array)
    return tensor.to(device=device, dtype=dtype)


def to_array(tensor: torch.Tensor, like: Any = None) -> Any:
    """Tensor to an array of the same package as `like`, NumPy by default."""
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if like is None or isinstance(like, np.ndarray):
        return tensor.cpu().numpy()
    return require("cupy", "to_sigpy").from_dlpack(tensor.to(f"cuda:{like.device.id}").contiguous())


class _Foreign(torch.autograd.Function):
    """A linear map on arrays, whose derivative is the map itself, and the gradient its adjoint."""

    @staticmethod
    def forward(x: torch.Tensor, apply: ArrayFunction, adjoint: ArrayFunction) -> torch.Tensor:
        array = to_array(x)
        result = np.require(apply(array), requirements=["C", "W"])
        if np.may_share_memory(result, array):  # autograd would not know that one is a view of the other
            result = result.copy()
        return torch.as_tensor(result, device=x.device)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: torch.Tensor) -> None:
        x, ctx.direct, ctx.transposed = inputs
        ctx.dtype, ctx.range_dtype = x.dtype, output.dtype

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple:
        gradient = apply_foreign(grad.to(ctx.range_dtype), ctx.transposed, ctx.direct)
        if gradient.is_complex() and not ctx.dtype.is_complex:  # a real argument has a real gradient
            gradient = gradient.real
        return gradient.to(ctx.dtype), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor, *_: None) -> torch.Tensor:
        return apply_foreign(tangent, ctx.direct, ctx.transposed)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple, x: torch.Tensor, apply: ArrayFunction, adjoint: ArrayFunction
    ) -> tuple[torch.Tensor, int]:
        return torch.stack([apply_foreign(row, apply, adjoint) for row in x.unbind(in_dims[0])]), 0


def apply_foreign(x: torch.Tensor, apply: ArrayFunction, adjoint: ArrayFunction) -> torch.Tensor:
    """Apply a linear function of NumPy arrays to a tensor, differentiably."""
    return _Foreign.apply(x, apply, adjoint)  # type: ignore[return-value]
