"""Registers an op with ``torch.library``, for compilation, export and fake tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ._autograd import batched, make_transformed_function
from ._declaration import OpDeclaration
from ._execute import Executor
from ._guards import (
    SingleLevelFunction,
    forward_level,
    inside_interpreter,
    set_forward_grad,
    set_single_level_allowed,
    single_level_allowed,
)

__all__ = ["NAMESPACE", "register"]

NAMESPACE = "mriops"
_library = torch.library.Library(NAMESPACE, "FRAGMENT")


@contextmanager
def _single_level() -> Iterator[None]:
    before = single_level_allowed()
    set_single_level_allowed(True)
    try:
        yield
    finally:
        set_single_level_allowed(before)


def register(op: OpDeclaration, executor: Executor, call: Callable[..., Any]) -> tuple[Any, Callable[..., Any]]:
    """Define ``torch.ops.mriops.<name>``.

    Its Autograd kernel is a new-style Function, not ``torch.library.register_autograd``: that one silently drops
    forward-mode tangents and breaks ``torch.func.grad``.

    Parameters
    ----------
    op
        The declaration.
    executor
        Runs the kernel on plain tensors.
    call
        The public op.

    Returns
    -------
    tuple
        The overload, and a function that calls it beneath autograd.
    """
    qualified = f"{NAMESPACE}::{op.name}"
    _library.define(op.name + op.schema, tags=(torch.Tag.pt2_compliant_tag,))
    overload = getattr(torch.ops.mriops, op.name).default
    n_tensors = len(op.tensors)

    def below(*args: Any) -> Any:
        with torch._C._AutoDispatchBelowAutograd():
            return overload(*args)

    def below_one_level(*args: Any) -> Any:
        # The Function has switched gradients off; outer transforms want them.
        with torch.enable_grad(), set_forward_grad(True):
            return below(*args)

    # A functorch transform that reaches the dispatcher (inside torch.compile) has set up one level for us already: what
    # records it is a Function of that level alone, as for torch's own ops.
    function = make_transformed_function(op, below_one_level, call, SingleLevelFunction)

    def autograd(*args: Any) -> Any:
        wanted = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in args[:n_tensors])
        # In a compiled graph forward mode is entered behind the back of `forward_ad`, but always inside functorch.
        if wanted or forward_level() >= 0 or inside_interpreter():
            with _single_level():
                return function.apply(*args)
        return below(*args)

    for device in ("CPU", "CUDA"):
        _library.impl(op.name, executor.execute, device)
    _library.impl(op.name, autograd, "Autograd")
    torch.library.register_fake(qualified, executor.fake, lib=_library)
    torch.library.register_vmap(qualified, lambda info, in_dims, *args: batched(op, call, in_dims, args), lib=_library)
    return overload, below
