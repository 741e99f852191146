"""The contract of an op, one function per promise; :func:`check_op` runs them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from .backends import use_backend
from .op_case import OpCase, Sample, relative_error

__all__ = [
    "check_array",
    "check_autocast",
    "check_compile",
    "check_derivatives",
    "check_export",
    "check_forward_mode",
    "check_layouts",
    "check_library",
    "check_nested_forward_mode",
    "check_op",
    "check_transforms",
    "check_values",
]


class ContractError(AssertionError):
    """An op does not keep a promise."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ContractError(message)


def _close(what: str, value: Tensor, truth: Tensor, tolerance: float) -> None:
    _require(value.dtype == truth.dtype or truth.dtype in (torch.complex128, torch.float64), f"{what}: {value.dtype}")
    error = relative_error(value, truth)
    # `not <=` and not `>`: a NaN must fail.
    _require(error <= tolerance, f"{what}: relative error {error:.2e}, allowed {tolerance:.2e}, shape {value.shape}")


def _wide(tensor: Tensor) -> Tensor:
    if tensor.is_complex():
        return tensor.to(torch.complex128)
    return tensor.to(torch.float64) if tensor.is_floating_point() else tensor


def _differentiable(case: OpCase, sample: Sample) -> list[str]:
    """Arguments of this sample that have a gradient."""
    found = []
    for name in case.differentiable:
        tensor = sample.tensors[name]
        if tensor is not None and (tensor.is_floating_point() or tensor.is_complex()):
            found.append(name)
    return found


def _function_of(case: OpCase, sample: Sample, names: list[str]) -> tuple[Callable[..., Any], tuple[Tensor, ...]]:
    """The op as a function of some of its tensors, and their values."""

    def function(*values: Tensor) -> Any:
        return sample.call(case.op, **dict(zip(names, values, strict=True)))

    values = tuple(t for t in (sample.tensors[name] for name in names) if t is not None)
    return function, values


def _scalar(output: Tensor) -> Tensor:
    """A real number that is neither linear nor even in the output, so that conjugates and signs matter."""
    return (output.abs().square() + output.real).sum()


def check_values(case: OpCase, sample: Sample) -> None:
    """Against the reference in double precision, from inputs of the sample's precision; inputs stay as they were."""
    before = sample.map(lambda t: t.clone())
    output = sample.call(case.op)
    truth = before.map(_wide).call(case.reference)
    precision = next(t.dtype for t in sample.tensors.values() if t is not None)
    dtype = before.call(case.reference).dtype
    _close(f"{case.name} against its reference", output, truth, case.tolerance(sample, precision))
    _require(output.dtype == dtype, f"{case.name}: expected {dtype}, got {output.dtype}")
    _require(output.is_contiguous() and not output.is_conj(), f"{case.name}: expected a plain contiguous result")
    for name, tensor in sample.tensors.items():
        kept = before.tensors[name]
        if tensor is not None and kept is not None:
            _require(torch.equal(tensor, kept), f"{case.name}: changed its argument {name}")


def _strided(tensor: Tensor) -> Tensor:
    """The same values at every second place, axes stored in reverse."""
    if tensor.ndim == 0:
        return tensor
    space = torch.zeros([2 * n for n in reversed(tensor.shape)], dtype=tensor.dtype, device=tensor.device)
    view = space[tuple(slice(None, None, 2) for _ in tensor.shape)].permute(*reversed(range(tensor.ndim)))
    view.copy_(tensor)
    return view


def _lazy_conj(tensor: Tensor) -> Tensor:
    return tensor.conj().resolve_conj().conj() if tensor.is_complex() else tensor


def _lazy_neg(tensor: Tensor) -> Tensor:
    return torch._neg_view(-tensor) if tensor.dtype != torch.bool else tensor  # pyright: ignore[reportPrivateImportUsage]


def check_layouts(case: OpCase, sample: Sample) -> None:
    """Views give what their values give: strided, with the conjugate bit, with the negative bit, offset in memory."""
    truth = sample.call(case.op)
    eps = torch.finfo(truth.dtype).eps
    views: dict[str, Callable[[Tensor], Tensor]] = {
        "strided": _strided,
        "conjugate": _lazy_conj,
        "negative": _lazy_neg,
        "conjugate of strided": lambda t: _lazy_conj(_strided(t)),
        "offset": lambda t: torch.cat([t.reshape(-1)[:1], t.reshape(-1)])[1:].reshape(t.shape) if t.numel() else t,
    }
    for label, view in views.items():
        changed = sample.map(view)
        # Four eps: a kernel may take another path for another alignment.
        _close(f"{case.name} of {label} views", changed.call(case.op), truth, 4 * eps)


def check_derivatives(case: OpCase, sample: Sample, *, second: bool = True) -> None:
    """``gradcheck`` (both modes) and ``gradgradcheck`` in complex128, each argument alone and all together."""
    names = _differentiable(case, sample)
    for group in [*([name] for name in names), names] if len(names) > 1 else [names]:
        function, values = _function_of(case, sample, group)
        leaves = tuple(value.detach().clone().requires_grad_() for value in values)
        torch.autograd.gradcheck(function, leaves, check_forward_ad=True)
    if second:
        function, values = _function_of(case, sample, names)
        leaves = tuple(value.detach().clone().requires_grad_() for value in values)
        torch.autograd.gradgradcheck(function, leaves)


def check_forward_mode(case: OpCase, sample: Sample) -> None:
    """``torch.func.jvp`` in every argument against central differences, in complex128.

    The step h = 1e-4 leaves h^2 f''' / 6 = 1e-8 and rounding eps / h = 1e-12, relative; 1e-6 allows for constants.
    """
    step = 1e-4
    generator = torch.Generator().manual_seed(1)
    for name in _differentiable(case, sample):
        function, (value,) = _function_of(case, sample, [name])
        direction = torch.randn(value.shape, dtype=torch.complex128, generator=generator).to(value.device)
        direction = direction if value.is_complex() else direction.real.clone()
        output, tangent = torch.func.jvp(function, (value,), (direction,))[:2]
        difference = (function(value + step * direction) - function(value - step * direction)) / (2 * step)
        _close(f"{case.name}: primal of jvp in {name}", output, function(value), 1e-14)
        _close(f"{case.name}: jvp in {name}", tangent, difference, 1e-6)


def check_nested_forward_mode(case: OpCase, sample: Sample) -> None:
    """``torch.func.jvp`` of ``torch.func.jvp``, in all arguments together, against the reference's; or a refusal."""
    names = _differentiable(case, sample)
    function, values = _function_of(case, sample, names)

    def truth(*values: Tensor) -> Any:
        return sample.call(case.reference, **dict(zip(names, values, strict=True)))

    generator = torch.Generator().manual_seed(2)

    def along() -> tuple[Tensor, ...]:
        """At most a quarter of each value, as positive ones stay positive."""
        return tuple(v * (torch.rand(v.shape, dtype=torch.float64, generator=generator) / 4).to(v) for v in values)

    first, second = along(), along()

    def twice(f: Callable[..., Any]) -> Tensor:
        return torch.func.jvp(lambda *v: torch.func.jvp(f, v, first)[1], values, second)[1]

    if case.forward_twice:
        # Chained sums and products and what cancels, as in `check_transforms`.
        tolerance = 1e-11 + 10 * case.accuracy(sample)
        _close(f"{case.name}: forward over forward mode", twice(function), twice(truth), tolerance)
        return
    try:
        twice(function)
    except RuntimeError as error:
        _require("second" in str(error), f"{case.name}: expected forward over forward mode to be refused, got {error}")
    else:
        _require(False, f"{case.name}: expected forward over forward mode to be refused, got a result")


def check_transforms(case: OpCase, sample: Sample) -> None:
    """``grad``, ``vjp``, ``vmap`` and Hessian-vector products of ``torch.func``, against the reference's."""
    names = _differentiable(case, sample)
    function, values = _function_of(case, sample, names)

    def truth(*values: Tensor) -> Any:
        return sample.call(case.reference, **dict(zip(names, values, strict=True)))

    positions = tuple(range(len(names)))
    generator = torch.Generator().manual_seed(0)

    def along(value: Tensor) -> Tensor:
        """At most a quarter of each value: positive ones (times, relaxation) stay positive."""
        factor = torch.rand((2, *value.shape), dtype=torch.float64, generator=generator) / 2 - 0.25
        turned = torch.complex(*factor) if value.is_complex() else factor[0]
        return value.abs() * turned.to(value)

    directions = tuple(along(value) for value in values)
    stacked = tuple(torch.stack([v, v + direction, v - direction]) for v, direction in zip(values, directions))
    # complex128 throughout: 1e4 eps for a handful of chained sums and products, times what cancels in second
    # derivatives of the table's cases. Four transforms are chained at most.
    tolerance = 1e-11 + 10 * case.accuracy(sample)

    def compare(what: str, transform: Callable[[Callable[..., Any]], Any]) -> None:
        got, expected = transform(function), transform(truth)
        for name, a, b in zip([*names, ""], got, expected):
            _close(f"{case.name}: {what} {name}", a, b, tolerance)

    def pull_output(f: Callable[..., Any]) -> Any:
        output, pull = torch.func.vjp(f, *values)[:2]
        return pull(output + 1)  # the output alone has no gradient for what turns its phase

    def gradient(f: Callable[..., Any]) -> Callable[..., Any]:
        return torch.func.grad(lambda *v: _scalar(f(*v)), argnums=positions)

    compare("grad", lambda f: gradient(f)(*values))
    compare("vjp", pull_output)
    compare("vmap", lambda f: (torch.func.vmap(f)(*stacked),))
    compare("vmap of grad", lambda f: torch.func.vmap(gradient(f))(*stacked))
    compare("hvp, forward over reverse", lambda f: torch.func.jvp(gradient(f), values, directions)[1])
    compare(
        "hvp, reverse over reverse",
        lambda f: torch.func.grad(
            lambda *v: sum((g.conj() * d).real.sum() for g, d in zip(gradient(f)(*v), directions)), argnums=positions
        )(*values),
    )
    for i, name in enumerate(names):  # one argument mapped, along its last axis
        axes = tuple(-1 if j == i else None for j in positions)
        mixed = tuple(stacked[j].movedim(0, -1) if j == i else values[j] for j in positions)
        compare(f"vmap in {name}", lambda f, axes=axes, mixed=mixed: (torch.func.vmap(f, in_dims=axes)(*mixed),))


def check_compile(case: OpCase, sample: Sample, *, backend: str = "aot_eager") -> None:
    """``torch.compile(fullgraph=True)``: values and gradients, and a transform inside the compiled function."""
    names = _differentiable(case, sample)
    function, values = _function_of(case, sample, names)
    leaves = tuple(value.detach().clone().requires_grad_() for value in values)
    positions = tuple(range(len(names)))

    def loss(*inputs: Tensor) -> Tensor:
        return _scalar(function(*inputs))

    torch._dynamo.reset()
    expected = torch.autograd.grad(loss(*leaves), leaves)
    got = torch.autograd.grad(torch.compile(loss, fullgraph=True, backend=backend)(*leaves), leaves)
    inside = torch.compile(torch.func.grad(loss, argnums=positions), fullgraph=True, backend=backend)(*values)
    for name, a, b, c in zip(names, got, inside, expected):
        _close(f"{case.name}: compiled gradient for {name}", a, c, 1e-12)
        _close(f"{case.name}: compiled torch.func.grad for {name}", b, c, 1e-12)


def check_export(case: OpCase, sample: Sample) -> None:
    """``torch.export``: the op is one node of the graph, and the exported program gives its values."""

    class Module(torch.nn.Module):
        def forward(self, *inputs: Tensor) -> Any:
            return function(*inputs)

    function, values = _function_of(case, sample, _differentiable(case, sample))
    program = torch.export.export(Module(), values)
    nodes = [node for node in program.graph.nodes if str(node.target).startswith(f"mriops.{case.native}")]
    _require(len(nodes) >= 1, f"{case.name}: expected the op in the exported graph, got {program.graph}")
    _close(f"{case.name}: exported", program.module()(*values), function(*values), 1e-14)


def check_library(case: OpCase, sample: Sample) -> None:
    """``torch.library.opcheck`` on the registered op: schema, Autograd registration, fake kernel, AOT."""
    overload = getattr(torch.ops.mriops, case.native).default
    calls: list[tuple] = []

    class Record(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
            if func is overload:
                calls.append(args)
            return func(*args, **(kwargs or {}))

    with Record():
        sample.call(case.op)
    _require(len(calls) >= 1, f"{case.name}: expected torch.ops.mriops.{case.native} under a dispatch mode, got none")
    for needs_grad in (False, True):
        args = tuple(
            a.detach().clone().requires_grad_(needs_grad and (a.is_floating_point() or a.is_complex()))
            if isinstance(a, Tensor)
            else a
            for a in calls[0]
        )
        torch.library.opcheck(overload, args)


def check_autocast(case: OpCase, sample: Sample) -> None:
    """Autocast and inference mode change nothing."""
    truth = sample.call(case.op)
    with torch.autocast(truth.device.type, dtype=torch.bfloat16):
        _require(torch.equal(sample.call(case.op), truth), f"{case.name}: changed by autocast")
    with torch.inference_mode():
        inside = sample.map(lambda t: t.clone()).call(case.op)
    _require(torch.equal(inside.clone(), truth), f"{case.name}: changed by inference mode")


def check_array(case: OpCase, sample: Sample) -> None:
    """The function of NumPy arrays gives the tensors' values, bit for bit."""
    truth = sample.call(case.op)
    arrays = Sample(
        {name: None if t is None else t.resolve_conj().cpu().numpy() for name, t in sample.tensors.items()},  # type: ignore[misc]
        sample.keywords,
        sample.positional,
        sample.by_name,
    )
    result = arrays.call(case.array)
    _require(result.shape == tuple(truth.shape), f"{case.name}: array gives shape {result.shape}, not {truth.shape}")
    _require(torch.equal(torch.from_numpy(result), truth.cpu()), f"{case.name}: array differs from ops")


def check_op(case: OpCase, *, backend: str = "cpu", shape: str = "gradient") -> None:
    """Run the whole contract of an op on one backend.

    Values in complex64 and complex128 and layouts on every shape of the table; derivatives, transforms, compilation,
    export and registration on one small shape.

    Parameters
    ----------
    case
        The op's row.
    backend
        ``"cpu"``, ``"emu"`` or ``"cuda"``.
    shape
        Name of the small shape.

    Raises
    ------
    AssertionError
        Names the op, the promise and the figures.

    References
    ----------
    Griewank A, Walther A. Evaluating Derivatives. SIAM 2008 (forward and reverse mode, and what they must agree on).
    """
    with use_backend(backend) as device:
        for name in case.shapes:
            for dtype in (torch.complex64, torch.complex128):
                check_values(case, case.sample(name, dtype).map(lambda t: t.to(device)))
            check_layouts(case, case.sample(name).map(lambda t: t.to(device)))
        small = case.sample(shape, torch.complex128).map(lambda t: t.to(device))
        for check in (
            check_derivatives,
            check_forward_mode,
            check_nested_forward_mode,
            check_transforms,
            check_compile,
            check_export,
            check_library,
            check_autocast,
        ):
            check(case, small)
        if backend == "cpu":
            check_array(case, small)
