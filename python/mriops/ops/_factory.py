"""Makes a differentiable op from its declaration: one callable, four routes, chosen per call.

* compilation, export, fake tensors, any dispatch mode, tensor subclasses: the ``torch.library`` op;
* functorch transforms or forward-mode AD: the new-style ``autograd.Function``;
* eager code that needs gradients: the old-style one;
* eager code that needs none: the native kernel.

All checks depend on shapes, dtypes and the device alone and are made once per distinct call; a repeated call costs one
look-up in a dict. A layout without strides is told at the first call, and by the failure of a repeated one.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from operator import attrgetter
from typing import Any, NoReturn

import torch
from torch.autograd import forward_ad

from mriops._native.dtypes import cast_dtypes

from ._autograd import make_eager_function, make_transformed_function
from ._declaration import OpDeclaration
from ._execute import DTYPE_NAMES, DTYPES, Executor, Recipe
from ._guards import functorch_active, inside_interpreter, looped_over, modes_active, tracing_state
from ._library import register

__all__ = ["DECLARED", "define_op"]

#: Every op made by :func:`define_op`, by name.
DECLARED: dict[str, OpDeclaration] = {}

# The call is generated with the op's argument names, as dataclasses generate __init__: loops over the arguments would
# take 1.3 us of the 4 us that a call on a tiny input takes. `direct` is everything that needs no thought.
_TEMPLATE = """\
def {name}({signature}):
    if is_dynamo_compiling():
        return compiled({arguments})
    if functorch_active() or getattr(forward_ad, "_current_level", 0) >= 0:
        return transform({arguments})
    if modes_active() or tracing_state() is not None:
        return dispatch({arguments})
    try:
        key = ({key})
        recipe = recipes.get(key)
    except (AttributeError, TypeError):  # no tensor, or sizes that are symbols
        key = recipe = None
    if recipe is None:
        recipe = prepare(({arguments},), key)
    if recipe.casts is not None:
        return cast(recipe, {arguments})
    if recipe.dispatch:
        return overload({arguments})
    try:
        if grad_enabled() and ({requires_grad}):
            return eager({arguments})
        if not (recipe.direct and {plain}):
            return run(recipe, ({arguments},))
        try:
            addresses = ({pointers},)
        except RuntimeError:
            return run(recipe, ({arguments},))
        like = recipe.like
        out = {first}.new_empty(recipe.shape) if like is None else empty_like(({tensors},)[like])
        recipe.function(*addresses, out.data_ptr(), *recipe.arguments, 0, threads())
        return out
    except RuntimeError:
        refuse_layouts(({tensors},))  # left out of the key, where each would cost every call 0.07 us
        raise
"""


def _no_memory() -> NoReturn:
    """For an address of 0, of a tensor that forward mode knows to be zero; one that autograd maps raises by itself."""
    raise RuntimeError("expected a tensor that has memory")


def _generate(op: OpDeclaration, optional: tuple[bool, ...], scope: dict[str, Any]) -> Callable[..., Any]:
    def each(text: str, absent: str, joint: str) -> str:
        return joint.join(
            f"({absent} if {name} is None else {text.format(name)})" if maybe else text.format(name)
            for name, maybe in zip(op.tensors, optional, strict=True)
        )

    def plain(name: str, maybe: bool) -> str:
        conj = f" or {name}.is_conj()" if op.native.kinds[name] in ("complex", "any") else ""
        test = f"{name}.is_contiguous() and not ({name}.is_neg(){conj})"
        return f"({name} is None or {test})" if maybe else test

    arguments = ", ".join((*op.tensors, *op.parameters))
    parameters = "".join(f"{name}, " for name in op.parameters)
    source = _TEMPLATE.format(
        name=op.name,
        signature=arguments,
        arguments=arguments,
        key=each("facts({})", "None", ", ") + ", " + parameters,
        requires_grad=each("{}.requires_grad", "False", " or "),
        plain=" and ".join(map(plain, op.tensors, optional)),
        first=op.tensors[0],
        tensors=", ".join(op.tensors),
        pointers=", ".join(
            f"(0 if {name} is None else {name}.data_ptr() or no_memory())"
            if maybe
            else f"({name}.data_ptr() or no_memory())"
            for name, maybe in zip(op.tensors, optional, strict=True)
            if name not in op.native.silent
        ),
    )
    filename = f"<mriops op {op.name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)  # for tracebacks
    exec(compile(source, filename, "exec"), scope)
    return scope[op.name]


class _Conversions:
    """Dtype conversions that come before an op, as differentiable torch operations."""

    def __init__(self, op: OpDeclaration, executor: Executor) -> None:
        self.op, self.executor, self.n_tensors = op, executor, len(op.tensors)

    def apply(self, args: tuple, casts: tuple[torch.dtype | None, ...] | None) -> tuple:
        """Arguments converted as a recipe says."""
        if casts is None:
            return args
        tensors = [t if c is None else t.to(c) for t, c in zip(args[: self.n_tensors], casts, strict=True)]
        return (*tensors, *args[self.n_tensors :])

    def checked(self, args: tuple) -> tuple:
        """Arguments checked to be tensors, and converted as their dtypes ask for."""
        facts = self.executor.facts(args[: self.n_tensors])
        return self._by_name(args, [None if f is None else f.dtype for f in facts])

    def traced(self, args: tuple) -> tuple:
        """The same by what torch.compile can trace."""
        tensors = args[: self.n_tensors]
        return self._by_name(args, [None if t is None else DTYPE_NAMES.get(t.dtype, str(t.dtype)) for t in tensors])

    def _by_name(self, args: tuple, dtypes: list[str | None]) -> tuple:
        casts = cast_dtypes(self.op.native.kinds, dtypes)
        return args if casts is None else self.apply(args, tuple(None if c is None else DTYPES[c] for c in casts))


def define_op(op: OpDeclaration) -> Callable[..., Any]:
    """Make an op.

    Parameters
    ----------
    op
        Its declaration.

    Returns
    -------
    callable
        ``f(*tensors, *parameters)``, all positional, to be wrapped in a documented public function. The same op is
        registered as ``torch.ops.mriops.<name>``.

    Raises
    ------
    ValueError
        The name is taken, or the declaration contradicts itself.
    """
    if op.name in DECLARED:
        raise ValueError(f"name: expected a new op, got {op.name!r}, which exists")
    executor = Executor(op)
    made: list[Callable[..., Any]] = []  # the op itself, for the rules, which are made before it
    made.append(_generate(op, executor.optional, _routes(op, executor, lambda *args: made[0](*args))))
    DECLARED[op.name] = op
    return made[0]


def _routes(op: OpDeclaration, executor: Executor, call: Callable[..., Any]) -> dict[str, Any]:
    """What the generated call refers to: the four routes, the guards that choose among them, the cache."""
    conversions = _Conversions(op, executor)

    def dispatch(*args: Any) -> Any:
        return overload(*conversions.checked(args))

    def transform(*args: Any) -> Any:
        return dispatch(*args) if inside_interpreter() else transformed.apply(*conversions.checked(args))

    def below(*args: Any) -> Any:
        if modes_active() or torch.compiler.is_compiling():
            return below_autograd(*args)
        recipe = executor.prepare(args)
        executor.refuse_casts(args, recipe)
        return run(recipe, args)

    def run(recipe: Recipe, args: tuple) -> Any:
        return below_autograd(*args) if recipe.dispatch or looped_over() else executor.run(recipe, args)

    overload, below_autograd = register(op, executor, call)
    transformed = make_transformed_function(op, below, call)
    return {
        "cast": lambda recipe, *args: call(*conversions.apply(args, recipe.casts)),
        "compiled": lambda *args: overload(*conversions.traced(args)),
        "dispatch": dispatch,
        "empty_like": torch.empty_like,
        "eager": make_eager_function(op, call).apply,
        "facts": attrgetter("shape", "dtype", "device", "__class__"),
        "forward_ad": forward_ad,
        "functorch_active": functorch_active,
        "grad_enabled": torch.is_grad_enabled,
        "is_dynamo_compiling": torch.compiler.is_dynamo_compiling,
        "modes_active": modes_active,
        "no_memory": _no_memory,
        "overload": overload,
        "prepare": executor.prepare,
        "recipes": executor.recipes,
        "refuse_layouts": executor.refuse_layouts,
        "run": run,
        "threads": torch.get_num_threads,
        "tracing_state": tracing_state,
        "transform": transform,
    }
