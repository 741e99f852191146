"""What one differentiable op is: the small declaration from which the factory makes all of its routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor

from mriops._native.plan import NativeOp

__all__ = ["OpDeclaration"]

Rule = Callable[..., Any]


@dataclass(frozen=True)
class OpDeclaration:
    """One op: arguments are tensors first (some may be ``None``), then parameters that are not tensors.

    Attributes
    ----------
    native
        Native function, kinds of the tensor arguments, shape rule.
    schema
        ``torch.library`` schema without the name: ``"(Tensor x, int[] dims) -> Tensor"``.
    core_rank
        Per tensor argument: ``f(*parameters)``, its number of trailing axes that are not batch axes. All arguments'
        batch axes broadcast against each other, and lead in the result: that is what ``vmap`` is derived from.
    adjoint
        Per differentiable tensor argument: ``f(grad, *arguments)``, its gradient, where ``grad`` is that of the output
        (a tuple for several outputs). It is written with public ops, so that it can be differentiated again. What was
        broadcast is summed afterwards, and the imaginary part dropped for a real argument, by the factory.
    backward
        Instead of ``adjoint``, where gradients share work: ``f(needs, grad, *arguments)``, one gradient or ``None`` per
        tensor argument; ``needs`` says which are wanted.
    multilinear
        The op is real-linear in each differentiable argument alone (conjugate-linear counts). The tangent is then a sum
        of calls of the op, and the rule of an argument sees only that argument's ``shape``, which saves memory.
    jvp
        ``f(tangents, *arguments)``: the tangent of the output(s), with ``tangents`` one tensor or ``None`` per tensor
        argument. Needed where the op is not multilinear.
    vmap
        Instead of folding into the batch: ``f(in_dims, *arguments)`` -> ``(result, out_dims)``.
    kernel
        Instead of the native function: ``f(*arguments)`` on plain tensors, for ops composed of others.
    refuse
        ``f(*arguments)`` on plain tensors before the kernel runs: raises for values that the kernel cannot report.
    plain
        Used where the native module says (``_workspace_bytes`` < 0) that it has no kernel for a size.
    saves_outputs
        ``adjoint``, ``backward`` and ``jvp`` get the keyword argument ``outputs``.
    derivative
        Called by other ops and their derivatives alone: no public function, no row in the OpCase table.
    """

    native: NativeOp
    schema: str
    core_rank: Mapping[str, Callable[..., int]]
    adjoint: Mapping[str, Rule] = field(default_factory=dict)
    backward: Rule | None = None
    multilinear: bool = False
    jvp: Rule | None = None
    vmap: Rule | None = None
    kernel: Rule | None = None
    refuse: Rule | None = None
    plain: Rule | None = None
    saves_outputs: bool = False
    derivative: bool = False

    def __post_init__(self) -> None:
        names = self.tensors
        for label, mapping in (("core_rank", self.core_rank), ("adjoint", self.adjoint)):
            for name in mapping:
                if name not in names:
                    raise ValueError(f"{label}: expected names among {names}, got {name!r}")
        for name in names:
            if (f"Tensor? {name}" in self.schema) != (name in self.native.optional):
                raise ValueError(f"schema: expected {name} to be optional exactly where native says so: {self.schema}")
        if self.jvp is None and not self.multilinear and (self.adjoint or self.backward):
            raise ValueError(f"{self.name}: expected multilinear=True or a jvp, got neither")

    @property
    def name(self) -> str:
        """Name of the op, the same on every floor."""
        return self.native.name

    @cached_property
    def tensors(self) -> tuple[str, ...]:
        """Names of the tensor arguments."""
        return tuple(self.native.kinds)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the arguments after the tensors, in the schema's order."""
        inside = self.schema[self.schema.index("(") + 1 : self.schema.rindex(")", 0, self.schema.index("->"))]
        names = [part.split("=")[0].split()[-1] for part in inside.split(",") if part.strip()]
        if tuple(names[: len(self.tensors)]) != self.tensors:
            raise ValueError(f"schema: expected it to begin with the tensors {self.tensors}, got {self.schema}")
        return tuple(names[len(self.tensors) :])

    @cached_property
    def n_outputs(self) -> int:
        """Number of results; one result is a tensor, several are a tuple."""
        return self.schema[self.schema.index("->") :].count("Tensor")

    def differentiable(self) -> tuple[str, ...]:
        """Names of the arguments that have a gradient."""
        return self.tensors if self.backward is not None else tuple(self.adjoint)


def as_tuple(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Results as a tuple, whether there is one or several."""
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
