"""What a call costs when there is nothing to compute: mriops beside a C++ torch op and `torch.library.custom_op`.

All three do ``out[c] = csm[c] * image`` on 2 coils of 8 x 8 and give both gradients. The C++ op is built on first use
into ``build/benchmarks`` (about a minute); where it cannot be built, the row says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.case import Built, Case
from benchmarks.contender import Contender
from benchmarks.machine import ROOT

_SIZE, _COILS = (8, 8), 2
_CALLS = 1000


def _inputs(with_grad: bool) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    image = torch.randn(_SIZE, dtype=torch.complex64, generator=g, requires_grad=with_grad)
    csm = torch.randn(_COILS, *_SIZE, dtype=torch.complex64, generator=g, requires_grad=with_grad)
    return image, csm


@lru_cache(maxsize=1)
def _cpp_op() -> Callable[..., torch.Tensor]:
    from torch.utils import cpp_extension

    folder = ROOT / "build" / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    cpp_extension.load(
        "mriops_benchmark_op",
        [str(Path(__file__).with_name("overhead_op.cpp"))],
        extra_cflags=["-O2"],
        build_directory=str(folder),
        is_python_module=False,
    )
    return torch.ops.mriops_benchmark.expand.default


@lru_cache(maxsize=1)
def _custom_op() -> Callable[..., torch.Tensor]:
    """`custom_op` on the same native kernel that mriops calls, so that only the way to it differs."""
    kernel = _native_kernel()

    @torch.library.custom_op("mriops_benchmark_py::expand", mutates_args=())
    def expand(image: torch.Tensor, csm: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(csm)
        kernel("coil_expand", image, csm, out)
        return out

    @torch.library.custom_op("mriops_benchmark_py::expand_backward", mutates_args=())
    def expand_backward(
        grad: torch.Tensor, image: torch.Tensor, csm: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        grad_image = torch.empty_like(image)
        kernel("coil_combine", grad, csm, grad_image)
        return grad_image, image.conj() * grad

    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return expand_backward(grad.contiguous(), *ctx.saved_tensors)

    def setup(ctx: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        ctx.save_for_backward(*inputs)

    expand.register_fake(lambda image, csm: torch.empty_like(csm))
    expand.register_autograd(backward, setup_context=setup)
    return expand


def _native_kernel() -> Callable[[str, torch.Tensor, torch.Tensor, torch.Tensor], None]:
    from mriops._native import backend

    module = backend("cpu")
    shape = (1, 1, _COILS, 1, *_SIZE, 2, 1, 0, 0, 0, 0, 0)

    def call(name: str, first: torch.Tensor, csm: torch.Tensor, out: torch.Tensor) -> None:
        getattr(module, name)(first.data_ptr(), csm.data_ptr(), out.data_ptr(), *shape, 0, 0, 1)

    return call


def _mriops_op() -> Callable[..., torch.Tensor]:
    from mriops import ops

    return ops.coil_expand


_OPS = {"mriops": _mriops_op, "torch C++ op": _cpp_op, "torch custom_op": _custom_op}


def _forward(op: Callable[..., torch.Tensor], image: torch.Tensor, csm: torch.Tensor) -> torch.Tensor:
    return op(image, csm)


def _forward_backward(
    op: Callable[..., torch.Tensor], image: torch.Tensor, csm: torch.Tensor, cotangent: torch.Tensor
) -> torch.Tensor:
    out = op(image, csm)
    torch.autograd.grad(out, (image, csm), cotangent)
    return out


def build(with_grad: bool, peers: Sequence[str] | None = None) -> Built:
    """Make the three ops."""
    image, csm = _inputs(with_grad)
    cotangent = torch.ones_like(csm)
    want = (csm * image).detach().to(torch.complex128)
    contenders: list[Contender] = []
    missing: list[str] = []
    for peer, make in _OPS.items():
        if peers is not None and peer not in peers:
            continue
        try:
            op = make()
        except (ImportError, OSError, RuntimeError, AttributeError) as error:
            missing.append(f"{peer}: {str(error)[:200]}")
            continue
        call = partial(_forward_backward, op, image, csm, cotangent) if with_grad else partial(_forward, op, image, csm)
        contenders.append(Contender(peer, "", call, lambda x: x.detach(), calls=_CALLS))

    def quality(contender: Contender, result: torch.Tensor) -> float:
        return float((contender.canonical(result).to(torch.complex128) - want).norm() / want.norm())

    return Built(contenders, quality, missing)


CASES: tuple[Case, ...] = (
    Case(
        name="overhead-forward",
        title="Call overhead, tiny input, eager, no gradient",
        build=partial(build, False),
        limits={"microseconds": 5.0},
        memory=False,
        quick=True,
        seconds=2.0,
    ),
    Case(
        name="overhead-backward",
        title="Call overhead, tiny input, forward and backward",
        build=partial(build, True),
        limits={"microseconds": 60.0},
        memory=False,
        quick=True,
        seconds=2.0,
    ),
)
