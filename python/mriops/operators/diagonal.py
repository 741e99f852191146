"""Identity and pointwise weights as operators."""

import torch

from mriops._native.arguments import instance
from mriops._native.batches import broadcasts_to
from mriops.operators.algebra import LinearOperator, Shape


class IdentityOp(LinearOperator):
    """``y = x``, for sums such as ``A.gram + 0.1 * IdentityOp()``. The result is the argument itself, not a copy.

    Parameters
    ----------
    shape : tuple of int, optional
        Trailing axes; any by default.
    """

    def __init__(self, shape: Shape | None = None):
        super().__init__()
        self.domain_shape = self.range_shape = None if shape is None else tuple(shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        return y

    def normal(self, x: torch.Tensor) -> torch.Tensor:
        return x

    @property
    def H(self) -> LinearOperator:
        return self


class DiagonalOp(LinearOperator):
    """Pointwise product ``y = w x``: masks, density compensation, phase maps, spatial weights.

    Parameters
    ----------
    weights : torch.Tensor
        Bool, real or complex, broadcastable to the argument (never the other way round). A `torch.nn.Parameter` is
        trained.

    Raises
    ------
    TypeError, ValueError
        If `weights` is not a tensor, or the argument does not have its shape.
    """

    weights: torch.Tensor

    def __init__(self, weights: torch.Tensor):
        super().__init__()
        if not isinstance(weights, torch.Tensor):
            raise TypeError(f"weights: expected a torch.Tensor, got {type(weights).__name__}")
        self.keep("weights", weights)

    @property
    def domain_shape(self) -> Shape | None:  # type: ignore[override]
        return None if 1 in self.weights.shape or not self.weights.ndim else tuple(self.weights.shape)

    range_shape = domain_shape  # type: ignore[assignment]

    def _check(self, x: torch.Tensor, name: str) -> None:
        instance(name, x, torch.Tensor, "a torch.Tensor")
        shape, own = tuple(x.shape), tuple(self.weights.shape)
        if not broadcasts_to(own, shape):
            raise ValueError(f"{name}: expected a shape that weights of shape {own} broadcast to, got {shape}")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._check(x, "x")
        return self.weights * x

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        self._check(y, "y")
        return self.weights.conj() * y

    def normal(self, x: torch.Tensor) -> torch.Tensor:
        self._check(x, "x")
        w = self.weights
        if w.dtype == torch.bool:
            return w * x
        if not w.is_complex():
            return w * (w * x)  # weights of few digits may have no square
        return torch.view_as_real(w.resolve_conj()).square().sum(-1) * x
