"""DeepInverse's LinearPhysics: torch tensors with batch and channel axes in front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from mriops.operators.adapters.foreign import check_operator, require
from mriops.operators.algebra import LinearOperator
from mriops.operators.function import FunctionOp

if TYPE_CHECKING:
    from deepinv.physics import LinearPhysics


def to_deepinv(op: LinearOperator, *, channels: bool = True, **options: Any) -> LinearPhysics:
    """Operator as forward model of DeepInverse's losses, priors and reconstruction networks.

    Parameters
    ----------
    op : LinearOperator
        Becomes a submodule of the result, as `.op`.
    channels : bool
        If True (default), tensors are real with two channels for real and imaginary part behind the batch axis, as in
        ``deepinv.physics.MultiCoilMRI``: image ``(batch, 2, *im_size)``, k-space ``(batch, 2, coils, *im_size)``.
        If False they are passed as they are.
    **options
        For ``LinearPhysics``: noise_model, max_iter, tol, solver ...

    Returns
    -------
    deepinv.physics.LinearPhysics
        With `A_adjoint_A` as our `gram`.

    Raises
    ------
    ModuleNotFoundError
        If DeepInverse is missing.
    TypeError
        If `op` is no operator.
    ValueError
        On a call, if the channel axis is missing.

    References
    ----------
    Tachella et al. DeepInverse: a Python package for solving imaging inverse problems with deep learning. JOSS 10,
    2025.
    """
    physics = require("deepinv.physics", "to_deepinv")
    check_operator(op)

    class MriopsPhysics(physics.LinearPhysics):
        def __init__(self) -> None:
            super().__init__(**options)
            self.op = op

        def _through(self, function: Any, x: torch.Tensor) -> torch.Tensor:
            return _to_channels(function(_to_complex(x))) if channels else function(x)

        def A(self, x: torch.Tensor, **_: Any) -> torch.Tensor:
            return self._through(self.op, x)

        def A_adjoint(self, y: torch.Tensor, **_: Any) -> torch.Tensor:
            return self._through(self.op.adjoint, y)

        def A_adjoint_A(self, x: torch.Tensor, **_: Any) -> torch.Tensor:
            return self._through(self.op.normal, x)

    return MriopsPhysics()


def from_deepinv(physics: LinearPhysics, *, channels: bool = True) -> LinearOperator:
    """Operator from a DeepInverse LinearPhysics without its noise.

    Parameters
    ----------
    physics : deepinv.physics.LinearPhysics
    channels : bool
        If True (default), complex tensors ``(batch, ...)`` become the real ones with a channel axis that
        ``deepinv.physics.MRI`` and ``MultiCoilMRI`` take. If False they are passed as they are.

    Returns
    -------
    LinearOperator

    Raises
    ------
    ModuleNotFoundError
        If DeepInverse is missing.
    TypeError
        If `physics` is not linear.
    """
    if not isinstance(physics, require("deepinv.physics", "from_deepinv").LinearPhysics):
        raise TypeError(f"physics: expected a deepinv LinearPhysics, got {type(physics).__name__}")

    def through(function: Any) -> Any:
        return (lambda x: _to_complex(function(_to_channels(x)))) if channels else function

    op = FunctionOp(through(physics.A), through(physics.A_adjoint), through(physics.A_adjoint_A))
    op.physics = physics  # a submodule, so that .to() and state_dict reach it
    return op


def _to_complex(x: torch.Tensor) -> torch.Tensor:
    """``(batch, 2, ...)`` to complex ``(batch, ...)``."""
    if x.ndim < 2 or x.shape[1] != 2 or x.is_complex():
        raise ValueError(f"x: expected a real tensor of shape (batch, 2, ...), got {x.dtype} of shape {tuple(x.shape)}")
    return torch.complex(x[:, 0], x[:, 1])


def _to_channels(x: torch.Tensor) -> torch.Tensor:
    """Complex ``(batch, ...)`` to ``(batch, 2, ...)``."""
    return torch.stack((x.real, x.imag), 1)
