"""The routes from Python to the kernel: each takes (image, csm, mask) tensors and returns a new image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.bindings import build

Route = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Candidate:
    """A route, whether it has a gradient, and what it checks of its arguments."""

    name: str
    call: Route
    differentiable: bool
    checks: str


def _custom_op(arrays: Callable[..., None]) -> Route:
    @torch.library.custom_op("mriops_bindings_benchmark::custom", mutates_args=())
    def gram(image: Tensor, csm: Tensor, mask: Tensor) -> Tensor:
        out = torch.empty_like(image)
        arrays(image, csm, mask, out)
        return out

    def setup_context(ctx: torch.autograd.function.FunctionCtx, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[1:])

    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor, None, None]:
        return gram(grad, *ctx.saved_tensors), None, None

    gram.register_autograd(backward, setup_context=setup_context)
    return gram


def _addresses(function: Callable[..., None]) -> Route:
    def call(image: Tensor, csm: Tensor, mask: Tensor) -> Tensor:
        out = torch.empty_like(image)
        function(image.data_ptr(), csm.data_ptr(), mask.data_ptr(), out.data_ptr(), *csm.shape)
        return out

    return call


def _arrays(function: Callable[..., None]) -> Route:
    def call(image: Tensor, csm: Tensor, mask: Tensor) -> Tensor:
        out = torch.empty_like(image)
        function(image, csm, mask, out)
        return out

    return call


def _numpy_arrays(function: Callable[..., None]) -> Route:
    def call(image: Tensor, csm: Tensor, mask: Tensor) -> Tensor:
        out = torch.empty_like(image)
        function(image.numpy(), csm.numpy(), mask.numpy(), out.numpy())
        return out

    return call


def _native(image: Tensor, csm: Tensor, mask: Tensor) -> Tensor:
    from mriops import _cpu

    out = torch.empty_like(image)
    coils, ny, nx = csm.shape
    _cpu.sense_gram(
        image.data_ptr(), csm.data_ptr(), mask.data_ptr(), out.data_ptr(),
        1, 1, coils, 1, ny, nx, 2, 1, 1, 0, 0, nx, 1, 0, 0, 1,
    )  # fmt: skip
    return out


def candidates(*, libtorch: bool = True) -> list[Candidate]:
    """All routes, compiled where they need it.

    Parameters
    ----------
    libtorch
        Also compile the libtorch op, which takes half a minute.
    """
    from mriops.ops import sense_gram

    build.compile_routes()
    nanobind, pybind11 = build.module("nanobind_routes"), build.module("pybind11_routes")
    nothing, shapes = "nothing", "dtype, rank, contiguity"
    found = [
        Candidate("nanobind, addresses", _addresses(nanobind.addresses), False, nothing),
        Candidate("pybind11, addresses", _addresses(pybind11.addresses), False, nothing),
        Candidate("mriops._cpu (nanobind, 20 integers)", _native, False, "sizes"),
        Candidate("nanobind, ndarray of tensors", _arrays(nanobind.arrays), False, shapes),
        Candidate("pybind11, array_t of NumPy views", _numpy_arrays(pybind11.arrays), False, "copies if need be"),
        Candidate("torch.library.custom_op, nanobind ndarray", _custom_op(nanobind.arrays), True, shapes),
        Candidate("mriops.ops (the factory)", sense_gram, True, "all"),
    ]
    if libtorch:
        build.load_libtorch_op()
        found.insert(-1, Candidate("libtorch C++ op", torch.ops.mriops_bindings_benchmark.gram, True, "all"))
    return found
