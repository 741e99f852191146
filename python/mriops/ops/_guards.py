"""Private parts of torch that tell what surrounds a call, each with a fallback that is right, or an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

__all__ = [
    "SingleLevelFunction",
    "forward_level",
    "functorch_active",
    "inside_interpreter",
    "lasting",
    "looped_over",
    "mapped",
    "modes_active",
    "outside_transforms",
    "primal",
    "raw_stream",
    "readable",
    "set_forward_grad",
    "set_single_level_allowed",
    "single_level_allowed",
    "tracing_state",
    "transformed",
    "unwrap_if_dead",
    "visible",
]


def _always() -> bool:
    return True


def _no_forward_grad(enabled: bool) -> Any:
    # Without it derivatives of nested transforms would be wrong without a word.
    raise RuntimeError(f"torch: expected forward_ad._set_fwd_grad_enabled, which {torch.__version__} does not have")


# Without one of these three, every call takes the general route. They take 0.03 us each.
functorch_active: Callable[[], bool] = getattr(torch._C, "_are_functorch_transforms_active", _always)
modes_active: Callable[[], int] = getattr(torch._C, "_len_torch_dispatch_stack", _always)
tracing_state: Callable[[], Any] = getattr(torch._C, "_get_tracing_state", lambda: None)

_functorch: Any = getattr(torch._C, "_functorch", None)
unwrap_if_dead: Callable[[Tensor], Tensor] = getattr(_functorch, "unwrap_if_dead", lambda tensor: tensor)
single_level_allowed: Callable[[], bool] = getattr(
    _functorch, "get_single_level_autograd_function_allowed", lambda: True
)
set_single_level_allowed: Callable[[bool], None] = getattr(
    _functorch, "set_single_level_autograd_function_allowed", lambda allowed: None
)
SingleLevelFunction: type = getattr(torch.autograd.function, "_SingleLevelFunction", torch.autograd.Function)
set_forward_grad: Callable[[bool], Any] = getattr(forward_ad, "_set_fwd_grad_enabled", _no_forward_grad)

_wrapped: Callable[[Tensor], bool] = getattr(
    _functorch, "is_functorch_wrapped_tensor", lambda tensor: functorch_active()
)
_interpreters: Any = getattr(getattr(torch, "_functorch", None), "pyfunctorch", None)
_clear_functorch: Any = getattr(_interpreters, "temporarily_clear_interpreter_stack", nullcontext)

_key_included: Callable[[Any], bool] | None = getattr(torch._C, "_dispatch_tls_is_dispatch_key_included", None)
_vmap_mode: Any = getattr(torch._C, "_parse_dispatch_key", lambda name: None)("VmapMode")
_key_excluded: Callable[[Any], bool] | None = getattr(torch._C, "_dispatch_tls_is_dispatch_key_excluded", None)
_front_key: Any = getattr(getattr(torch._C, "DispatchKey", None), "FuncTorchDynamicLayerFrontMode", None)


def forward_level() -> int:
    """Level of forward-mode AD, -1 outside."""
    return getattr(forward_ad, "_current_level", 0)


def primal(tensor: Tensor) -> Tensor:
    """A tensor without its tangent of the innermost forward mode; tangents of outer ones (``torch.func``) stay."""
    return forward_ad.unpack_dual(tensor, level=0).primal


def inside_interpreter() -> bool:
    """Whether functorch is working on one of its levels below us: it expects calls of the dispatcher, not Functions."""
    return functorch_active() and _key_excluded is not None and _front_key is not None and _key_excluded(_front_key)


def looped_over() -> bool:
    """Whether autograd maps a derivative: tensors of ``is_grads_batched`` look plain, but only the dispatcher can read.

    The functions of ``torch.autograd`` still do so where ``torch.func`` uses functorch.
    """
    return _key_included is not None and _vmap_mode is not None and _key_included(_vmap_mode)


def readable(tensor: Any) -> bool:
    """Whether values can be looked at without waiting for a device or disturbing what surrounds the call."""
    if torch.compiler.is_compiling() or functorch_active() or modes_active() or tracing_state() is not None:
        return False
    return type(tensor) in (Tensor, torch.nn.Parameter) and tensor.device.type == "cpu"


def visible(tensor: Any) -> bool:
    """As `readable`, on a GPU too, where a look at values waits."""
    if torch.compiler.is_compiling() or functorch_active() or modes_active() or tracing_state() is not None:
        return False
    if type(tensor) not in (Tensor, torch.nn.Parameter) or tensor.device.type == "meta":
        return False
    return tensor.device.type != "cuda" or not torch.cuda.is_current_stream_capturing()


def transformed(tensor: Tensor) -> bool:
    """Whether derivatives are wanted of a tensor, or it stands for several: more depends on it than its values say.

    It is then one of those that transforms of ``torch.func`` wrap, requires gradients, or has a tangent. Of compiled
    code only the second is known.
    """
    if tensor.requires_grad or torch.compiler.is_compiling():
        return tensor.requires_grad
    return _wrapped(tensor) or (forward_level() >= 0 and forward_ad.unpack_dual(tensor, level=0).tangent is not None)


def mapped(tensor: Tensor) -> bool:
    """Whether ``torch.func.vmap`` hides an axis of a tensor, at any level."""
    if (
        torch.compiler.is_compiling()
        or not functorch_active()
        or not hasattr(_functorch, "is_functorch_wrapped_tensor")
    ):
        return False
    while _wrapped(tensor):
        if _functorch.is_batchedtensor(tensor):
            return True
        tensor = _functorch.get_unwrapped(tensor)
    return False


def lasting(tensor: Tensor) -> bool:
    """Whether what is worked out of a tensor `outside_transforms` can be kept for later calls."""
    if torch.compiler.is_compiling():
        return not (tensor.requires_grad or functorch_active())
    if type(tensor) not in (Tensor, torch.nn.Parameter) or transformed(tensor):
        return False
    if modes_active() or looped_over() or tracing_state() is not None:
        return False
    if functorch_active() and _clear_functorch is nullcontext:
        return False
    return tensor.device.type != "cuda" or not torch.cuda.is_current_stream_capturing()


@contextmanager
def _no_transforms() -> Iterator[None]:
    with torch.inference_mode(False), _clear_functorch():
        yield


def outside_transforms() -> Any:
    """Context in which neither inference mode nor ``torch.func`` marks the results of tensors that are `lasting`."""
    if torch.compiler.is_compiling() or not (functorch_active() or torch.is_inference_mode_enabled()):
        return nullcontext()
    return _no_transforms()


def raw_stream(device_index: int) -> int:
    """Handle of the current CUDA stream (the private call takes 0.1 us, the public one 2 us)."""
    private: Callable[[int], int] | None = getattr(torch._C, "_cuda_getCurrentRawStream", None)
    return torch.cuda.current_stream(device_index).cuda_stream if private is None else private(device_index)
