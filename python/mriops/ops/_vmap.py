"""``torch.vmap`` of an op: the mapped axis becomes one more batch axis, since batches broadcast anyway."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ._declaration import OpDeclaration

__all__ = ["fold_arguments", "lead_with"]


def lead_with(tensor: Tensor, axis: int, core: int, batch_rank: int) -> Tensor:
    """Move a mapped axis to the front of a tensor, and pad its batch so that it lines up with the others'.

    Parameters
    ----------
    tensor
        Has one more axis than the function under ``vmap`` sees.
    axis
        The mapped axis.
    core
        Trailing axes that are not batch axes.
    batch_rank
        The largest number of batch axes of any argument, the mapped one not counted.

    Returns
    -------
    Tensor
        ``(mapped, *batch, *core)`` with ``batch_rank`` batch axes.
    """
    tensor = tensor.movedim(axis, 0)
    missing = batch_rank + core - (tensor.ndim - 1)
    return tensor.reshape((tensor.shape[0], *(1,) * missing, *tensor.shape[1:])) if missing else tensor


def fold_arguments(declaration: OpDeclaration, in_dims: tuple, args: tuple) -> tuple[tuple[Any, ...], int]:
    """Arguments with mapped axes folded in front of the batch.

    Parameters
    ----------
    declaration
        The op.
    in_dims
        Mapped axis or ``None`` per argument.
    args
        Arguments, tensors with their mapped axes.

    Returns
    -------
    tuple
        The arguments to call the op with, and the number of batch axes without the mapped one.
    """
    n_tensors = len(declaration.tensors)
    tensors, parameters = args[:n_tensors], args[n_tensors:]
    cores = [declaration.core_rank[name](*parameters) for name in declaration.tensors]
    mapped = in_dims[:n_tensors]
    batch_rank = max(
        max(tensor.ndim - (axis is not None) - core, 0)
        for tensor, axis, core in zip(tensors, mapped, cores, strict=True)
        if tensor is not None
    )
    folded = [
        tensor if tensor is None or axis is None else lead_with(tensor, axis, core, batch_rank)
        for tensor, axis, core in zip(tensors, mapped, cores, strict=True)
    ]
    return (*folded, *parameters), batch_rank
