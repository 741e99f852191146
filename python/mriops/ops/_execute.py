"""Runs a native kernel on tensors: what depends on shapes and dtypes alone is worked out once and kept as a recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mriops import _native
from mriops._native.plan import Facts, Output, Plan, make_plan, repeated_axes

from ._declaration import OpDeclaration
from ._guards import raw_stream

__all__ = ["DTYPES", "DTYPE_NAMES", "Executor", "Recipe"]

# Distinct calls remembered per op: enough for any reconstruction, small enough never to matter (about 1 KB each).
_MAX_RECIPES = 4096

DTYPES: dict[str, torch.dtype] = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
        *(torch.complex32, torch.complex64, torch.complex128),
    )
}
DTYPE_NAMES: dict[torch.dtype, str] = {dtype: name for name, dtype in DTYPES.items()}
_PLAIN_TYPES = (Tensor, torch.nn.Parameter)


class Recipe:
    """One distinct call, prepared: everything that shapes, dtypes and the device decide."""

    __slots__ = (
        "arguments",
        "casts",
        "direct",
        "dispatch",
        "dtype",
        "function",
        "layouts",
        "like",
        "outputs",
        "shape",
        "workspace",
        "zero",
    )

    def __init__(self) -> None:
        self.casts: tuple[torch.dtype | None, ...] | None = None  # convert these first
        self.dispatch = False  # not for us: a tensor subclass, or a device without memory
        self.direct = False  # the generated fast path may call `function` at once
        self.function: Callable[..., None] | None = None
        self.arguments: tuple[int | float | tuple[int, ...], ...] = ()
        self.outputs: tuple[Output, ...] = ()
        self.layouts: tuple[tuple[int, ...] | None, ...] = ()
        self.shape: tuple[int, ...] = ()
        self.like: int | None = None  # an input of the result's shape and dtype: `empty_like` is quickest
        self.dtype: torch.dtype | None = None
        self.workspace = 0
        self.zero = False


def tensor_facts(name: str, tensor: Tensor | None, *, optional: bool) -> Facts | None:
    """Shape, dtype and device of an argument, or a TypeError that names it."""
    if tensor is None and optional:
        return None
    if not isinstance(tensor, Tensor):
        expected = "torch.Tensor or None" if optional else "torch.Tensor"
        kind = type(tensor)
        raise TypeError(f"{name}: expected {expected}, got {kind.__module__}.{kind.__qualname__}")
    if tensor.layout is not torch.strided:
        raise TypeError(f"{name}: expected a dense (strided) tensor, got layout {tensor.layout}")
    dtype = DTYPE_NAMES.get(tensor.dtype) or str(tensor.dtype).removeprefix("torch.")
    return Facts(tensor.shape, dtype, str(tensor.device))


class Executor:
    """Plans and runs the kernel of one op."""

    def __init__(self, declaration: OpDeclaration) -> None:
        self.declaration = declaration
        self.recipes: dict[tuple, Recipe] = {}
        self.optional = tuple(name in declaration.native.optional for name in declaration.tensors)
        self.n_tensors = len(declaration.tensors)
        self.spoken = [i for i, name in enumerate(declaration.tensors) if name not in declaration.native.silent]
        self.weights = [i for i, kind in enumerate(declaration.native.kinds.values()) if kind == "weight"]
        _native.on_backend_switch(self.recipes.clear)

    def facts(self, tensors: tuple[Tensor | None, ...]) -> tuple[Facts | None, ...]:
        """Facts of the tensor arguments, checked to be tensors."""
        return tuple(
            tensor_facts(name, tensor, optional=optional)
            for name, tensor, optional in zip(self.declaration.tensors, tensors, self.optional, strict=True)
        )

    def refuse_layouts(self, tensors: tuple[Tensor | None, ...]) -> None:
        """Raise where an argument is no dense tensor, in place of what torch says of that."""
        try:
            self.facts(tensors)
        except TypeError as error:
            raise error from None

    def prepare(self, args: tuple, key: tuple | None = None, *, lowest: bool = False) -> Recipe:
        """Check a call and make its recipe, remembered under ``key``; raises what the caller is to see.

        ``lowest``: the dispatcher has been through, and even a subclass of Tensor is now plain memory.
        """
        tensors, parameters = args[: self.n_tensors], args[self.n_tensors :]
        facts = self.facts(tensors)
        recipe = Recipe()
        device = next(f.device for f in facts if f is not None)
        subclass = any(t is not None and type(t) not in _PLAIN_TYPES for t in tensors)
        casts, plan = make_plan(self.declaration.native, facts, parameters)
        if casts is not None:
            recipe.casts = tuple(None if name is None else DTYPES[name] for name in casts)
        elif not lowest and (subclass or device == "meta"):
            recipe.dispatch = True
        elif plan is not None:
            recipe.outputs, recipe.arguments = plan.outputs, plan.arguments
            recipe.layouts, recipe.zero = plan.layouts, plan.zero
            self._bind(recipe, plan, device, tensors)
        if key is not None:
            if len(self.recipes) >= _MAX_RECIPES:
                self.recipes.clear()
            self.recipes[key] = recipe
        return recipe

    def _bind(self, recipe: Recipe, plan: Plan, device: str, tensors: tuple[Tensor | None, ...]) -> None:
        if self.declaration.kernel is not None:
            return
        if not recipe.zero:
            module = _native.backend(device.partition(":")[0])
            name = self.declaration.name
            # A module may lack a whole function: the plain form serves that device then.
            bytes_of = None if plan.plain else getattr(module, f"{name}_workspace_bytes", None)
            recipe.workspace = -1 if bytes_of is None else bytes_of(*(plan.sizing or plan.arguments))
            recipe.function = getattr(module, name) if recipe.workspace >= 0 else None
            if recipe.function is None and self.declaration.plain is None:
                raise ValueError(f"{name}: no kernel on {device} for {recipe.arguments}")
        first = next(t for t in tensors if t is not None)
        output = recipe.outputs[0]
        recipe.shape, recipe.dtype = output.shape, DTYPES[output.dtype]
        shapes = [None if t is None or t.dtype is not recipe.dtype else tuple(t.shape) for t in tensors]
        recipe.like = shapes.index(recipe.shape) if recipe.shape in shapes else None
        recipe.direct = (
            recipe.function is not None
            and device == "cpu"
            and recipe.workspace == 0
            and len(recipe.outputs) == 1
            and output.native_shape is None
            and recipe.dtype is first.dtype
            and all(layout is None for layout in recipe.layouts)
        )

    def run(self, recipe: Recipe, args: tuple) -> Any:
        """Result of a prepared call, however its tensors lie in memory."""
        tensors = args[: self.n_tensors]
        declaration = self.declaration
        if declaration.kernel is not None:
            return declaration.kernel(*args)
        for i in self.weights:
            weight = tensors[i]
            index = None if weight is None or recipe.zero else repeated_axes(weight.shape, weight.stride())
            if weight is not None and index is not None:
                fewer = (*args[:i], weight[index], *args[i + 1 :])
                other = self.prepare(fewer, lowest=True)
                if other.outputs == recipe.outputs:  # unless the repetition is what made the batch
                    return self.run(other, fewer)
        first = next(t for t in tensors if t is not None)
        if declaration.refuse is not None and not recipe.zero:
            declaration.refuse(*args)
        if recipe.zero:
            outputs = [first.new_zeros(out.shape, dtype=DTYPES[out.dtype]) for out in recipe.outputs]
        elif recipe.function is None:
            return declaration.plain(*args)  # type: ignore[misc]  # `_bind` has checked that there is one
        else:
            outputs = self._call(recipe, recipe.function, tensors, first)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _call(
        self, recipe: Recipe, function: Callable[..., None], tensors: tuple[Tensor | None, ...], first: Tensor
    ) -> list[Tensor]:
        # `kept` holds on to temporary copies until the kernel has been started.
        kept: list[Tensor | None] = [None] * self.n_tensors
        for i in self.spoken:
            tensor = tensors[i]
            kept[i] = None if tensor is None else _lay_out(tensor, recipe.layouts[i])
        outputs = [first.new_empty(out.native_shape or out.shape, dtype=DTYPES[out.dtype]) for out in recipe.outputs]
        taken = (*(kept[i] for i in self.spoken), *outputs)
        pointers = [0 if tensor is None else tensor.data_ptr() for tensor in taken]
        device = first.device
        workspace = torch.empty(recipe.workspace, dtype=torch.uint8, device=device) if recipe.workspace else None
        address = 0 if workspace is None else workspace.data_ptr()
        if device.type == "cuda":
            with torch.cuda.device(device):
                function(*pointers, *recipe.arguments, address, raw_stream(device.index))
        else:
            function(*pointers, *recipe.arguments, address, torch.get_num_threads())
        return [
            tensor if out.native_shape is None else tensor.sum_to_size(out.shape)
            for tensor, out in zip(outputs, recipe.outputs, strict=True)
        ]

    def execute(self, *args: Any) -> Any:
        """Check and run, without the cache: the kernel behind ``torch.ops``."""
        recipe = self.prepare(args, lowest=True)
        self.refuse_casts(args, recipe)
        return self.run(recipe, args)

    def refuse_casts(self, args: tuple, recipe: Recipe) -> None:
        """``torch.ops.mriops.*`` converts nothing: say which argument it would have to."""
        for name, tensor, cast in zip(self.declaration.tensors, args, recipe.casts or (), strict=False):
            if cast is not None:
                raise TypeError(f"{name}: expected {cast}, got {tensor.dtype}")

    def fake(self, *args: Any) -> Any:
        """Empty results of the right shapes, for fake and meta tensors; sizes may be symbols."""
        tensors, parameters = args[: self.n_tensors], args[self.n_tensors :]
        casts, plan = make_plan(self.declaration.native, self.facts(tensors), parameters)
        first = next(t for t in tensors if t is not None)
        if plan is None:
            recipe = Recipe()
            recipe.casts = tuple(None if name is None else DTYPES[name] for name in casts or ())
            self.refuse_casts(args, recipe)
            raise TypeError(f"{self.declaration.name}: expected arguments that need no conversion")
        outputs = tuple(first.new_empty(out.shape, dtype=DTYPES[out.dtype]) for out in plan.outputs)
        return outputs[0] if len(outputs) == 1 else outputs


def _lay_out(tensor: Tensor, layout: tuple[int, ...] | None) -> Tensor:
    if tensor.data_ptr() == 0 and tensor.numel() > 0:  # forward mode's zeros have no memory
        tensor = torch.zeros_like(tensor)
    tensor = tensor.resolve_conj().resolve_neg()
    return (tensor if layout is None else tensor.expand(layout)).contiguous()
