"""SigPy's Linop: NumPy or CuPy arrays of fixed shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from mriops.operators.adapters.foreign import (
    apply_foreign,
    check_operator,
    find_shapes,
    held_like,
    require,
    to_array,
    to_tensor,
)
from mriops.operators.algebra import LinearOperator, Shape
from mriops.operators.function import FunctionOp

if TYPE_CHECKING:
    from sigpy.linop import Linop


def to_sigpy(op: LinearOperator, ishape: Shape | None = None, oshape: Shape | None = None) -> Linop:
    """Operator for SigPy's apps and algorithms; its normal operator ``.N`` is our `gram`.

    Parameters
    ----------
    op : LinearOperator
        On any device; arrays that lie elsewhere are copied there, and results back.
    ishape, oshape : tuple of int, optional
        Shapes of ``x`` and ``A x``; those of `op` by default, where it knows them.

    Returns
    -------
    sigpy.linop.Linop

    Raises
    ------
    ModuleNotFoundError
        If SigPy is missing.
    TypeError, ValueError
        If `op` is no operator, or its shape is unknown.

    References
    ----------
    Ong, Lustig. SigPy: a Python package for high performance iterative reconstruction. ISMRM 2019, 4819.
    """
    linop = require("sigpy.linop", "to_sigpy")
    dtype, device = held_like(check_operator(op))
    domain, codomain = find_shapes(op, ishape, oshape, dtype, device)

    class MriopsLinop(linop.Linop):
        def __init__(self, op: LinearOperator, oshape: Shape, ishape: Shape):
            self.op = op
            super().__init__(oshape, ishape, repr_str=type(op).__name__)

        def _apply(self, array: Any) -> Any:
            with torch.no_grad():
                return to_array(self.op(to_tensor(array, None, device)), like=array)

        def _adjoint_linop(self) -> Any:
            return MriopsLinop(self.op.H, self.ishape, self.oshape)

        def _normal_linop(self) -> Any:
            return MriopsLinop(self.op.gram, self.ishape, self.ishape)

    return MriopsLinop(op, codomain, domain)


def from_sigpy(linop: Linop) -> LinearOperator:
    """Operator from a SigPy Linop; differentiable, computed by SigPy on the CPU, without further batch axes.

    Parameters
    ----------
    linop : sigpy.linop.Linop

    Returns
    -------
    LinearOperator

    Raises
    ------
    ModuleNotFoundError
        If SigPy is missing.
    TypeError
        If `linop` is no Linop.
    """
    if not isinstance(linop, require("sigpy.linop", "from_sigpy").Linop):
        raise TypeError(f"linop: expected a sigpy.linop.Linop, got {type(linop).__name__}")
    adjoint, normal = linop.H, linop.N
    return FunctionOp(
        lambda x: apply_foreign(x, linop, adjoint),
        lambda y: apply_foreign(y, adjoint, linop),
        lambda x: apply_foreign(x, normal, normal),
        domain_shape=tuple(linop.ishape),
        range_shape=tuple(linop.oshape),
    )
