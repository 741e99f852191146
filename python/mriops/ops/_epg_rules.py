"""The declared op of extended phase graphs and its derivatives.

With ``J`` the Jacobian of the signal for all arguments: ``epg_jvp`` is ``J c``, ``epg_vjp`` is ``J^T g``, and
``epg_hvp`` the gradient of ``<J c, g>``, which is what both of them need in turn. ``epg_jacobian`` is the signal and
``J c`` for several ``c`` of what atoms have, in one sweep. There are no third derivatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mriops._native.epg_shapes import ARGUMENTS, EPG, EPG_HVP, EPG_JACOBIAN, EPG_JVP, EPG_VJP, N_SEQUENCE, OWN

from ._declaration import OpDeclaration
from ._epg_words import train_signals
from ._factory import define_op
from .reference.epg import train as reference_train

__all__ = ["TRAINS", "epg_jacobian", "epg_signal"]

_N = len(ARGUMENTS)
_VALUES = ", ".join(f"Tensor{'?' if name in EPG.optional else ''} {name}" for name in ARGUMENTS)
_TANGENTS = ", ".join(f"Tensor? tangent_{name}" for name in ARGUMENTS)
_OWN_TANGENTS = ", ".join(f"Tensor? tangent_{name}" for name in OWN)
_GRADIENTS = "(" + ", ".join(["Tensor"] * _N) + ")"
_PROGRAM = "int[] program, int orders"


def _bits(needs: Sequence[bool]) -> int:
    return sum(bool(need) << i for i, need in enumerate(needs))


def _chosen(values: Sequence[Any], bits: int) -> tuple[Any, ...]:
    return tuple(value if bits >> i & 1 else None for i, value in enumerate(values))


def _of_present(tangents: Sequence[Tensor | None], values: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
    return tuple(None if v is None else t for t, v in zip(tangents, values, strict=True))


# --- batches ---------------------------------------------------------------------------------------------------------


def _mapped_size(in_dims: Sequence[int | None], args: Sequence[Any]) -> int:
    return next(a.shape[d] for a, d in zip(args, in_dims, strict=False) if isinstance(a, Tensor) and d is not None)


def _one_by_one(call: Any, in_dims: Sequence[int | None], args: Sequence[Any], n_outputs: int) -> tuple[Any, Any]:
    """A train of its own for each item: nothing is shared."""
    n = _mapped_size(in_dims, args)
    results = []
    for i in range(n):
        results.append(
            call(
                *(
                    a if not isinstance(a, Tensor) or d is None else a.select(d, i)
                    for a, d in zip(args, in_dims, strict=True)
                )
            )
        )
    if n_outputs == 1:
        return torch.stack(results), 0
    return tuple(torch.stack(parts) for parts in zip(*results, strict=True)), (0,) * n_outputs


def _batched(call: Any, in_dims: Sequence[int | None], args: Sequence[Any], n_tensors: int, n_outputs: int) -> Any:
    """Mapped atoms become more atoms; the last tensor may be a cotangent ``(samples, *atoms)``."""
    has_cotangent = n_tensors % _N == 1
    own = [i for i in range(n_tensors - has_cotangent) if i % _N >= N_SEQUENCE and args[i] is not None]
    ranks = [args[i].ndim - (in_dims[i] is not None) for i in own]
    rank = max(ranks)
    moved = list(args)
    for i in own:
        axis = in_dims[i]
        if axis is not None:
            tensor = args[i].movedim(axis, 0)
            moved[i] = tensor.reshape(tensor.shape[:1] + (1,) * (rank - tensor.ndim + 1) + tensor.shape[1:])
    n = _mapped_size(in_dims, args)
    if all(in_dims[i] is None for i in own if i < _N):  # a batch of tangents or cotangents alone
        t1 = args[N_SEQUENCE]
        moved[N_SEQUENCE] = t1.expand((n,) + (1,) * (rank - t1.ndim) + t1.shape)
    if has_cotangent:
        cotangent, axis = args[n_tensors - 1], in_dims[n_tensors - 1]
        if axis is None:
            moved[n_tensors - 1] = cotangent.unsqueeze(1).expand(cotangent.shape[0], n, *cotangent.shape[1:])
        else:
            moved[n_tensors - 1] = cotangent.movedim(axis, 1)
    result = call(*moved)
    if n_outputs == 1:
        return result, 1
    bits = args[n_tensors]
    return result, tuple(0 if bits >> i & 1 and args[i] is not None else None for i in range(n_outputs))


def _vmap(call: Any, n_tensors: int, n_outputs: int = 1) -> Any:
    def rule(in_dims: tuple, *args: Any) -> tuple[Any, Any]:
        sequence = any(
            d is not None and a is not None and i < n_tensors - (n_tensors % _N) and i % _N < N_SEQUENCE
            for i, (a, d) in enumerate(zip(args[:n_tensors], in_dims, strict=False))
        )
        summed = n_outputs > 1 and args[n_tensors] & ((1 << N_SEQUENCE) - 1)
        if sequence or summed:
            return _one_by_one(call(), in_dims, args, n_outputs)
        return _batched(call(), in_dims, args, n_tensors, n_outputs)

    return rule


# --- the ops ---------------------------------------------------------------------------------------------------------


def _forward_backward(needs: Sequence[bool], grad: Tensor, *args: Any) -> tuple[Tensor | None, ...]:
    bits = _bits(needs)
    return _chosen(_epg_vjp(*args[:_N], grad, bits, *args[_N:]), bits)


epg_signal = define_op(
    OpDeclaration(
        native=EPG,
        schema=f"({_VALUES}, {_PROGRAM}) -> Tensor",
        core_rank={},
        backward=_forward_backward,
        jvp=lambda tangents, *args: _epg_jvp(*args[:_N], *_of_present(tangents, args[:_N]), *args[_N:]),
        vmap=_vmap(lambda: epg_signal, _N),
        plain=reference_train,
    )
)


def _plain_jvp(*args: Any) -> Tensor:
    """The tangent by torch, where there is no kernel."""
    values, tangents, rest = args[:_N], args[_N : 2 * _N], args[2 * _N :]
    which = [i for i, t in enumerate(tangents) if t is not None and values[i] is not None]

    def signal(*chosen: Tensor) -> Tensor:
        full = list(values)
        for i, value in zip(which, chosen, strict=True):
            full[i] = value
        return reference_train(*full, *rest)

    shapes = [torch.broadcast_shapes(values[i].shape, tangents[i].shape) for i in which]
    primals = tuple(values[i].expand(shape) for i, shape in zip(which, shapes, strict=True))
    directions = tuple(tangents[i].expand(shape) for i, shape in zip(which, shapes, strict=True))
    return torch.func.jvp(signal, primals, directions)[1]


def _jvp_backward(needs: Sequence[bool], grad: Tensor, *args: Any) -> tuple[Tensor | None, ...]:
    values, tangents, rest = args[:_N], args[_N : 2 * _N], args[2 * _N :]
    own, along = _bits(needs[:_N]), _bits(needs[_N:])
    first = _chosen(_epg_hvp(*values, *tangents, grad, own, *rest), own) if own else (None,) * _N
    second = _chosen(_epg_vjp(*values, grad, along, *rest), along) if along else (None,) * _N
    return (*first, *second)


def _refuse(*_: Any, **__: Any) -> Any:
    raise RuntimeError("epg: expected at most second derivatives (and forward over reverse, not forward over forward)")


def _jvp_tangent(tangents: Sequence[Tensor | None], *args: Any) -> Tensor:
    """Linear in the direction; forward over forward is not there."""
    if any(t is not None for t in tangents[:_N]):
        _refuse()
    return _epg_jvp(*args[:_N], *_of_present(tangents[_N : 2 * _N], args[:_N]), *args[2 * _N :])


def _jvp_vmap(in_dims: tuple, *args: Any) -> tuple[Any, Any]:
    """Several directions of the same atoms, which is what a Jacobian asks for, are one sweep."""
    own = range(_N + N_SEQUENCE, 2 * _N)
    shared = all(d is None for d in in_dims[:_N]) and all(t is None for t in args[_N : _N + N_SEQUENCE])
    if not shared:
        return _vmap(lambda: _epg_jvp, 2 * _N)(in_dims, *args)
    n = _mapped_size(in_dims, args)
    rank = max(value.ndim for value in args[N_SEQUENCE:_N] if value is not None)
    tangents: list[Tensor | None] = []
    for i in own:
        tensor, axis = args[i], in_dims[i]
        if tensor is not None:
            tensor = tensor.expand(n, *tensor.shape) if axis is None else tensor.movedim(axis, 0)
            tensor = tensor.reshape(n, *(1,) * (rank + 1 - tensor.ndim), *tensor.shape[1:])
        tangents.append(tensor)
    return epg_jacobian(*args[:_N], *tangents, *args[2 * _N :], False), 0


_epg_jvp = define_op(
    OpDeclaration(
        native=EPG_JVP,
        schema=f"({_VALUES}, {_TANGENTS}, {_PROGRAM}) -> Tensor",
        core_rank={},
        backward=_jvp_backward,
        jvp=_jvp_tangent,
        vmap=_jvp_vmap,
        plain=_plain_jvp,
        derivative=True,
    )
)


def _split(args: Sequence[Any]) -> tuple[Sequence[Any], list[tuple[Tensor | None, ...]], Sequence[Any], bool]:
    """Values, the tangents of each direction, program and orders, and whether the signal itself is wanted."""
    values, tangents, (*rest, value) = args[:_N], args[_N : _N + len(OWN)], args[_N + len(OWN) :]
    n = next(t.shape[0] for t in tangents if t is not None)
    sequence = (None,) * N_SEQUENCE
    return values, [(*sequence, *(None if t is None else t[i] for t in tangents)) for i in range(n)], rest, value


def _jacobian_backward(needs: Sequence[bool], grad: Tensor, *args: Any) -> tuple[Tensor | None, ...]:
    values, directions, rest, value = _split(args)
    own, along = _bits(needs[:_N]), _bits(needs[_N:]) << N_SEQUENCE
    parts = []
    if own and value:
        parts.append(_epg_vjp(*values, grad[0], own, *rest))
    if own:
        parts += [
            _epg_hvp(*values, *tangents, g, own, *rest) for tangents, g in zip(directions, grad[value:], strict=True)
        ]
    first = _chosen([sum(terms[1:], start=terms[0]) for terms in zip(*parts, strict=True)], own) if own else ()
    rows = [_epg_vjp(*values, g, along, *rest) for g in grad[value:]] if along else []
    second = _chosen([torch.stack(terms) for terms in zip(*rows, strict=True)], along) if along else ()
    return (*(first or (None,) * _N), *(second or (None,) * _N)[N_SEQUENCE:])


def _jacobian_tangent(tangents: Sequence[Tensor | None], *args: Any) -> Tensor:
    """As :func:`_jvp_tangent`."""
    if any(t is not None for t in tangents[:_N]):
        _refuse()
    *values, value = args
    result = epg_jacobian(*values[:_N], *tangents[_N:], *values[_N + len(OWN) :], False)
    return torch.cat([torch.zeros_like(result[:1]), result]) if value else result


def _jacobian_by_sweeps(*args: Any) -> Tensor:
    """A sweep for each direction, where there is no kernel that takes them together."""
    values, directions, rest, value = _split(args)
    rows = [epg_signal(*values, *rest)] if value else []
    return torch.stack([*rows, *(_epg_jvp(*values, *tangents, *rest) for tangents in directions)])


def _jacobian_vmap(in_dims: tuple, *args: Any) -> tuple[Any, Any]:
    return _one_by_one(epg_jacobian, in_dims, args, 1)


epg_jacobian = define_op(
    OpDeclaration(
        native=EPG_JACOBIAN,
        schema=f"({_VALUES}, {_OWN_TANGENTS}, {_PROGRAM}, bool value) -> Tensor",
        core_rank={},
        backward=_jacobian_backward,
        jvp=_jacobian_tangent,
        vmap=_jacobian_vmap,
        plain=_jacobian_by_sweeps,
        derivative=True,
    )
)


def _vjp_backward(needs: Sequence[bool], grads: tuple[Tensor, ...], *args: Any) -> tuple[Tensor | None, ...]:
    values, cotangent, (bits, *rest) = args[:_N], args[_N], args[_N + 1 :]
    along = _of_present(_chosen(grads, bits), values)
    own = _bits(needs[:_N])
    first = _chosen(_epg_hvp(*values, *along, cotangent, own, *rest), own) if own else (None,) * _N
    return (*first, _epg_jvp(*values, *along, *rest) if needs[_N] else None)


def _vjp_tangent(tangents: Sequence[Tensor | None], *args: Any) -> tuple[Tensor, ...]:
    values, cotangent, (bits, *rest) = args[:_N], args[_N], args[_N + 1 :]
    parts = []
    if tangents[_N] is not None:
        parts.append(_epg_vjp(*values, tangents[_N], bits, *rest))
    if any(t is not None for t in tangents[:_N]):
        parts.append(_epg_hvp(*values, *_of_present(tangents[:_N], values), cotangent, bits, *rest))
    return parts[0] if len(parts) == 1 else tuple(a + b for a, b in zip(*parts, strict=True))


def _plain_vjp(*args: Any) -> tuple[Tensor, ...]:
    """The gradients by torch, where there is no kernel."""
    values, cotangent, (bits, *rest) = args[:_N], args[_N], args[_N + 1 :]
    atoms = cotangent.shape[1:]
    which = [i for i in range(_N) if values[i] is not None and bits >> i & 1]
    chosen = tuple(values[i] if i < N_SEQUENCE else values[i].expand(atoms) for i in which)

    def signal(*replaced: Tensor) -> Tensor:
        full = list(values)
        for i, value in zip(which, replaced, strict=True):
            full[i] = value
        return reference_train(*full, *rest)

    found = dict(zip(which, torch.func.vjp(signal, *chosen)[1](cotangent), strict=True))
    return tuple(found[i] if i in found else values[0].new_zeros(0) for i in range(_N))


_epg_vjp = define_op(
    OpDeclaration(
        native=EPG_VJP,
        schema=f"({_VALUES}, Tensor cotangent, int needs, {_PROGRAM}) -> {_GRADIENTS}",
        core_rank={},
        backward=_vjp_backward,
        jvp=_vjp_tangent,
        vmap=_vmap(lambda: _epg_vjp, _N + 1, _N),
        plain=_plain_vjp,
        derivative=True,
    )
)


def _plain_hvp(*args: Any) -> tuple[Tensor, ...]:
    """The second derivatives by torch, where there is no kernel."""
    values, tangents, cotangent, (bits, *rest) = args[:_N], args[_N : 2 * _N], args[2 * _N], args[2 * _N + 1 :]
    atoms = cotangent.shape[1:]
    which = [i for i in range(_N) if values[i] is not None and bits >> i & 1]
    chosen = tuple(values[i] if i < N_SEQUENCE else values[i].expand(atoms) for i in which)

    def tangent(*replaced: Tensor) -> Tensor:
        full = list(values)
        for i, value in zip(which, replaced, strict=True):
            full[i] = value
        return _plain_jvp(*full, *tangents, *rest)

    found = dict(zip(which, torch.func.vjp(tangent, *chosen)[1](cotangent), strict=True))
    return tuple(found[i] if i in found else values[0].new_zeros(0) for i in range(_N))


_epg_hvp = define_op(
    OpDeclaration(
        native=EPG_HVP,
        schema=f"({_VALUES}, {_TANGENTS}, Tensor cotangent, int needs, {_PROGRAM}) -> {_GRADIENTS}",
        core_rank={},
        backward=_refuse,
        jvp=_refuse,
        vmap=_vmap(lambda: _epg_hvp, 2 * _N + 1, _N),
        plain=_plain_hvp,
        derivative=True,
    )
)

#: The signal of each train, and the signal with derivatives.
TRAINS = train_signals((epg_signal, epg_jacobian))
