"""Differences between neighbouring pixels as an operator."""

import torch

from mriops.operators.algebra import LinearOperator
from mriops.operators.sampling import check_floating


class FiniteDifferenceOp(LinearOperator):
    """Forward differences ``y_d[j] = x[j + e_d] - x[j]`` along each of the last `ndim` axes.

    Parameters
    ----------
    ndim : int
        Number of trailing axes that are differenced.
    periodic : bool
        Whether the last pixel of an axis has the first as its neighbour; else its difference is zero.

    Raises
    ------
    TypeError
        If the argument is not a floating-point or complex tensor.
    ValueError
        If the argument has too few axes, or one of those differenced is empty.

    References
    ----------
    Rudin, Osher, Fatemi. Nonlinear total variation based noise removal algorithms. Physica D 60, 1992.
    """

    def __init__(self, ndim: int = 2, *, periodic: bool = False):
        super().__init__()
        if not isinstance(ndim, int) or ndim < 1:
            raise ValueError(f"ndim: expected an integer >= 1, got {ndim!r}")
        self.ndim, self.periodic = ndim, periodic

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(*batch, *im_size)`` to ``(*batch, ndim, *im_size)``."""
        check_floating("x", x)
        if x.ndim < self.ndim or 0 in x.shape[x.ndim - self.ndim :]:
            raise ValueError(f"x: expected at least {self.ndim} axes, none of them empty, got shape {tuple(x.shape)}")
        return torch.stack([self._difference(x, axis) for axis in range(-self.ndim, 0)], -self.ndim - 1)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        """``(*batch, ndim, *im_size)`` to ``(*batch, *im_size)``."""
        check_floating("y", y)
        if y.ndim <= self.ndim or y.shape[-self.ndim - 1] != self.ndim or 0 in y.shape[y.ndim - self.ndim :]:
            raise ValueError(
                f"y: expected shape (*batch, {self.ndim}, ...) with {self.ndim} trailing axes, none of them empty, got "
                f"{tuple(y.shape)}"
            )
        parts = y.unbind(-self.ndim - 1)
        axes = range(-self.ndim, 0)
        return sum((self._transposed(part, axis) for part, axis in zip(parts, axes, strict=True)), start=parts[0] * 0)

    def _difference(self, x: torch.Tensor, axis: int) -> torch.Tensor:
        if self.periodic:
            return x.roll(-1, axis) - x
        last = x.narrow(axis, x.shape[axis] - 1, 1)
        return torch.diff(x, dim=axis, append=last)

    def _transposed(self, y: torch.Tensor, axis: int) -> torch.Tensor:
        if self.periodic:
            return y.roll(1, axis) - y
        n = y.shape[axis]
        inner = y.narrow(axis, 0, n - 1)
        edge = torch.zeros_like(y.narrow(axis, 0, 1))
        return torch.cat((edge, inner), axis) - torch.cat((inner, edge), axis)
