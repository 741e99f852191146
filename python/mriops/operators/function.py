"""A pair of functions as an operator."""

from collections.abc import Callable

import torch

from mriops.operators.algebra import LinearOperator, Shape

Function = Callable[[torch.Tensor], torch.Tensor]


class FunctionOp(LinearOperator):
    """Operator from functions, for what has no class of its own.

    Parameters
    ----------
    forward, adjoint : callable
        ``x -> A x`` and ``y -> A^H y`` on tensors.
    normal : callable, optional
        ``x -> A^H A x``; one after the other by default.
    domain_shape, range_shape : tuple of int, optional
        Trailing axes, where known.

    Raises
    ------
    TypeError
        If a function is not callable.
    """

    def __init__(
        self,
        forward: Function,
        adjoint: Function,
        normal: Function | None = None,
        *,
        domain_shape: Shape | None = None,
        range_shape: Shape | None = None,
    ):
        super().__init__()
        for name, function in (("forward", forward), ("adjoint", adjoint), ("normal", normal)):
            if not callable(function) and not (name == "normal" and function is None):
                raise TypeError(f"{name}: expected a callable, got {type(function).__name__}")
        self.functions = (forward, adjoint, normal)
        self.domain_shape = None if domain_shape is None else tuple(domain_shape)
        self.range_shape = None if range_shape is None else tuple(range_shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.functions[0](x)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        return self.functions[1](y)

    def normal(self, x: torch.Tensor) -> torch.Tensor:
        normal = self.functions[2]
        return self.adjoint(self(x)) if normal is None else normal(x)
