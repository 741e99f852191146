"""The two ``torch.autograd.Function`` classes of an op, and the gradient and tangent rules they share.

Two, because the new style (``setup_context``, ``jvp``, ``vmap``), which functorch and forward mode need, takes about
50 us more per forward and backward than the old style, which serves plain eager code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ._declaration import OpDeclaration, as_tuple
from ._guards import primal, set_forward_grad, unwrap_if_dead
from ._vmap import fold_arguments

__all__ = ["make_eager_function", "make_transformed_function"]


def _alive(tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    """Saved tensors without the wrappers of transforms that have ended (``vjp``'s function is called after ``vjp``)."""
    return tuple(None if tensor is None else unwrap_if_dead(tensor) for tensor in tensors)


class ShapeOnly(NamedTuple):
    """Stands for an argument whose values its own gradient rule does not read."""

    shape: tuple[int, ...]


def _fit(grad: Tensor, shape: tuple[int, ...], is_complex: bool) -> Tensor:
    """Gradient as the argument has it: sum what was broadcast, repeat what was summed; real for a real one."""
    if not is_complex and grad.is_complex():
        grad = grad.real
    if grad.shape == shape:
        return grad
    return grad.expand(torch.broadcast_shapes(grad.shape, shape)).sum_to_size(shape)


def _fill(grads: tuple[Tensor | None, ...], like: list[tuple[Any, torch.dtype]]) -> tuple[Tensor, ...] | None:
    """Zeros for outputs that nothing depends on; ``None`` where that is all of them."""
    given = next((g for g in grads if g is not None), None)
    if given is None:
        return None
    return tuple(
        given.new_zeros(shape, dtype=dtype) if g is None else g for g, (shape, dtype) in zip(grads, like, strict=True)
    )


def _gradients(
    op: OpDeclaration,
    grads: tuple[Tensor | None, ...],
    args: tuple,
    needs: tuple[bool, ...],
    outputs: tuple[Tensor, ...] | None,
) -> list[Tensor | None]:
    """Gradient per tensor argument, ``None`` where none is wanted."""
    grad: Any = grads[0] if op.n_outputs == 1 else grads
    extra = {} if outputs is None else {"outputs": outputs[0] if op.n_outputs == 1 else outputs}
    if op.backward is not None:
        found = op.backward(needs, grad, *args, **extra)
    else:
        found = [
            op.adjoint[name](grad, *args, **extra) if need and name in op.adjoint else None
            for name, need in zip(op.tensors, needs, strict=True)
        ]
    return [
        None if g is None or t is None or not need else _fit(g, t.shape, t.is_complex())
        for g, t, need in zip(found, args, needs, strict=False)
    ]


def _tangent(
    op: OpDeclaration, call: Callable[..., Any], tangents: tuple[Tensor | None, ...], args: tuple, extra: dict
) -> Any:
    """Tangent of the outputs: given, or the sum over the arguments of an op that is linear in each."""
    if op.jvp is not None:
        return op.jvp(tangents, *args, **extra)
    terms = [
        as_tuple(call(*args[:i], tangent, *args[i + 1 :])) for i, tangent in enumerate(tangents) if tangent is not None
    ]
    sums = tuple(sum(parts[1:], start=parts[0]) for parts in zip(*terms, strict=True))
    return sums[0] if op.n_outputs == 1 else sums


def make_eager_function(op: OpDeclaration, call: Callable[..., Any]) -> type[torch.autograd.Function]:
    """The old-style Function: called as ``apply(*arguments)`` in eager code that needs gradients.

    Parameters
    ----------
    op
        The declaration.
    call
        The op itself, which inside `forward`, where no gradients are wanted, goes straight to the kernel.

    Returns
    -------
    type
        The class.
    """
    n_tensors = len(op.tensors)
    spares_own = op.multilinear and op.backward is None and op.n_outputs == 1 and not op.saves_outputs
    rules = [op.adjoint.get(name) for name in op.tensors]

    class Eager(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            outputs = call(*args)
            tensors = args[:n_tensors]
            needs = ctx.needs_input_grad[:n_tensors]
            ctx.parameters = args[n_tensors:]
            ctx.alone = needs.index(True) if spares_own and sum(needs) == 1 else None
            if ctx.alone is None:
                ctx.save_for_backward(*tensors, *(as_tuple(outputs) if op.saves_outputs else ()))
            else:  # the usual case, made quick: one argument has a gradient, which does not depend on its values
                own = tensors[ctx.alone]
                ctx.own = own.shape, own.is_complex()
                ctx.save_for_backward(*tensors[: ctx.alone], *tensors[ctx.alone + 1 :])
            return outputs

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            saved, parameters, alone = ctx.saved_tensors, ctx.parameters, ctx.alone
            blanks = (None,) * len(parameters)
            if alone is None:
                needs = ctx.needs_input_grad[:n_tensors]
                outputs = saved[n_tensors:] if op.saves_outputs else None
                found = _gradients(op, grads, (*saved[:n_tensors], *parameters), needs, outputs)
                return (*found, *blanks)
            rule, (shape, is_complex) = rules[alone], ctx.own
            if rule is None:
                return (None,) * (n_tensors + len(parameters))
            gradient = _fit(
                rule(grads[0], *saved[:alone], ShapeOnly(shape), *saved[alone:], *parameters), shape, is_complex
            )
            return (*(None,) * alone, gradient, *(None,) * (n_tensors - 1 - alone), *blanks)

    Eager.__name__ = Eager.__qualname__ = f"{op.name}_eager"
    return Eager


def make_transformed_function(
    op: OpDeclaration, below: Callable[..., Any], call: Callable[..., Any], base: type = torch.autograd.Function
) -> type[torch.autograd.Function]:
    """The new-style Function: for functorch, forward mode, and below ``torch.compile``.

    Parameters
    ----------
    op
        The declaration.
    below
        Computes the op beneath autograd.
    call
        The op itself, for tangents and batches.
    base
        The class to derive from.

    Returns
    -------
    type
        The class.
    """
    n_tensors = len(op.tensors)

    class Transformed(base):  # type: ignore[misc, valid-type]
        generate_vmap_rule = False

        @staticmethod
        def forward(*args: Any) -> Any:
            return below(*args)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
            tensors = inputs[:n_tensors]
            outputs = as_tuple(output)
            saved = (*tensors, *(outputs if op.saves_outputs else ()))
            ctx.save_for_backward(*saved)
            ctx.save_for_forward(*saved)
            ctx.parameters = inputs[n_tensors:]
            ctx.output_like = [(out.shape, out.dtype) for out in outputs]
            ctx.set_materialize_grads(False)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            saved = _alive(ctx.saved_tensors)
            args = (*saved[:n_tensors], *ctx.parameters)
            full = _fill(grads, ctx.output_like)
            if full is None:
                return (None,) * len(args)
            outputs = saved[n_tensors:] if op.saves_outputs else None
            found = _gradients(op, full, args, ctx.needs_input_grad[:n_tensors], outputs)
            return (*found, *(None,) * len(ctx.parameters))

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Any:
            # Torch has switched forward mode off here, for outer levels too. It is on again for them, and what was
            # saved comes without the tangents of this level, which would recurse.
            saved = tuple(None if t is None else primal(t) for t in _alive(ctx.saved_tensors))
            outputs = saved[n_tensors:]
            extra = {"outputs": outputs[0] if op.n_outputs == 1 else outputs} if op.saves_outputs else {}
            with set_forward_grad(True):
                return _tangent(op, call, tangents[:n_tensors], (*saved[:n_tensors], *ctx.parameters), extra)

        @staticmethod
        def vmap(info: Any, in_dims: tuple, *args: Any) -> Any:
            return batched(op, call, in_dims, args)

    Transformed.__name__ = Transformed.__qualname__ = f"{op.name}_transformed"
    return Transformed


def batched(op: OpDeclaration, call: Callable[..., Any], in_dims: tuple, args: tuple) -> tuple[Any, Any]:
    """One vmap level: the result and its mapped axes."""
    if op.vmap is not None:
        return op.vmap(in_dims, *args)
    folded, _ = fold_arguments(op, in_dims, args)
    return call(*folded), 0 if op.n_outputs == 1 else (0,) * op.n_outputs
