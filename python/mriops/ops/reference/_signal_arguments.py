"""Arguments of a signal model to one tensor of parameters and one of design, and the result back."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from mriops._native.signal_functions import check_design, check_lengths
from mriops._native.signal_words import SignalModel
from mriops.ops._guards import readable

from .precision import real_of

__all__ = ["evaluate_with", "stack_design", "stack_parameters"]


def _tensor(name: str, value: Any, device: torch.device) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (bool, str, bytes)) or value is None:
        raise TypeError(f"{name}: expected a tensor or a number, got {value!r}")
    if isinstance(value, (int, float, complex, list, tuple)):
        dtype = torch.complex128 if isinstance(value, complex) else torch.float64  # all digits of Python's numbers
        return torch.tensor(value, dtype=dtype, device=device)
    raise TypeError(f"{name}: expected a tensor or a number, got {type(value).__module__}.{type(value).__qualname__}")


def stack_parameters(model: SignalModel, values: tuple[Any, ...]) -> tuple[Tensor, Tensor | None]:
    """Rows ``(parameters, *voxels)`` of one real dtype, and a complex m0 that a real model leaves outside."""
    given = [v for v in values if isinstance(v, Tensor)]
    device = given[0].device if given else torch.device("cpu")
    dtypes = [real_of(v.dtype) for v in given if v.is_floating_point() or v.is_complex()]
    dtype = reduce(torch.promote_types, dtypes) if dtypes else torch.get_default_dtype()
    factor: Tensor | None = None
    rows: list[Tensor] = []
    for p, value in zip(model.parameters, values, strict=True):
        tensor = _tensor(p.name, value, device)
        if p.kind == "complex":
            real = not tensor.is_complex()
            rows += [tensor, torch.zeros_like(tensor)] if real else [tensor.real, tensor.imag]
        elif isinstance(p.kind, int):
            if tensor.ndim == 0 or tensor.shape[0] != p.kind:
                raise ValueError(
                    f"{p.name}: expected {p.kind} components ({p.meaning}) first, got shape {tuple(tensor.shape)}"
                )
            rows += list(tensor.unbind(0))
        elif tensor.is_complex() and p.name == "m0":
            factor = tensor
            rows.append(torch.ones_like(tensor.real))
        elif tensor.is_complex():
            raise TypeError(f"{p.name}: expected a real dtype, got {tensor.dtype}")
        else:
            rows.append(tensor)
    try:
        rows = list(torch.broadcast_tensors(*(row.to(device=device, dtype=dtype) for row in rows)))
    except RuntimeError as error:
        shapes = ", ".join(f"{n} {tuple(row.shape)}" for n, row in zip(model.row_names, rows, strict=True))
        raise ValueError(f"parameters: expected shapes that broadcast, got {shapes}") from error
    return torch.stack(rows), factor


def stack_design(model: SignalModel, values: tuple[Any, ...], device: torch.device) -> Tensor:
    """Rows ``(rows, times)`` in double precision, checked."""
    tensors = [_tensor(d.name, v, device) for d, v in zip(model.design, values, strict=True)]
    for d, tensor in zip(model.design, tensors, strict=True):
        if tensor.is_complex():
            raise TypeError(f"{d.name}: expected a real dtype, got {tensor.dtype}")
    times = check_lengths(model, [tuple(t.shape) for t in tensors])
    if all(readable(tensor) for tensor in tensors):
        check_design(model, [t.detach().reshape(-1).tolist() for t in tensors])
    rows = model.rows(torch, *(t.to(device=device, dtype=torch.float64) for t in tensors))
    return torch.stack([row.expand(times) if row.ndim == 0 or row.shape[0] != times else row for row in rows])


def evaluate_with(compute: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """``evaluate(model, parameters, design, magnitude)`` by ``compute(parameters, design, model, magnitude)``."""

    def evaluate(model: SignalModel, parameters: tuple, design: tuple, magnitude: bool) -> Tensor:
        stacked, factor = stack_parameters(model, parameters)
        rows = stack_design(model, design, stacked.device).to(stacked.dtype)
        signal = compute(stacked, rows, model, bool(magnitude))
        if model.is_complex and not magnitude:
            return torch.view_as_complex(signal)
        if factor is None:
            return signal
        return signal * (factor.abs() if magnitude else factor)

    return evaluate
