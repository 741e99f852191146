"""Operators below each other, with one image and several data."""

import functools
import itertools
from collections.abc import Iterable

import torch

from mriops.operators.algebra import LinearOperator, Shape, joined, may_add


class StackOp(LinearOperator):
    """``y = [A_1 x, A_2 x, ...]`` along a new axis; the adjoint sums ``A_i^H y_i``, the normal operator ``A_i^H A_i``.

    Parameters
    ----------
    operators : iterable of LinearOperator
        At least one, all with the same domain and range.
    dim : int
        Position of the new axis in the result.

    Raises
    ------
    TypeError, ValueError
        If there is no operator, or results differ in shape.

    Examples
    --------
    Tikhonov regularisation as one least-squares problem: ``StackOp([A, 0.1 * G])``, where ranges agree.
    """

    def __init__(self, operators: Iterable[LinearOperator], dim: int = 0):
        super().__init__()
        operators = list(operators)
        for op in operators:
            if not isinstance(op, LinearOperator):
                raise TypeError(f"operators: expected LinearOperators, got {type(op).__name__}")
        if not operators:
            raise ValueError("operators: expected at least one, got none")
        for a, b in itertools.combinations(operators, 2):
            if not may_add(a, b):
                raise ValueError(
                    f"operators: expected the same domain and range, got {a.extra_repr()} ({type(a).__name__}) and "
                    f"{b.extra_repr()} ({type(b).__name__})"
                )
        self.operators, self.dim = torch.nn.ModuleList(operators), dim

    @property
    def domain_shape(self) -> Shape | None:  # type: ignore[override]
        return functools.reduce(joined, (op.domain_shape for op in self._each()))

    def _each(self) -> list[LinearOperator]:
        return list(self.operators)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack(_of_one_shape([op(x) for op in self._each()]), self.dim)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        operators = self._each()
        if not -y.ndim <= self.dim < y.ndim or y.shape[self.dim] != len(operators):
            raise ValueError(
                f"y: expected axis {self.dim} to have one entry per operator, {len(operators)}, got shape "
                f"{tuple(y.shape)}"
            )
        rows = zip(operators, y.unbind(self.dim), strict=True)
        parts = _of_one_shape([op.adjoint(row) for op, row in rows])
        return sum(parts[1:], start=parts[0])

    def normal(self, x: torch.Tensor) -> torch.Tensor:
        parts = _of_one_shape([op.normal(x) for op in self._each()])
        return sum(parts[1:], start=parts[0])


def _of_one_shape(parts: list[torch.Tensor]) -> list[torch.Tensor]:
    if len({part.shape for part in parts}) > 1:
        shapes = ", ".join(str(tuple(part.shape)) for part in parts)
        raise ValueError(f"operators: expected results of one shape, got {shapes}")
    return parts
