"""SciPy's LinearOperator: flat vectors, NumPy."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
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
    from scipy.sparse.linalg import LinearOperator as ScipyLinearOperator


def to_scipy(
    op: LinearOperator,
    domain_shape: Shape | None = None,
    range_shape: Shape | None = None,
    *,
    dtype: torch.dtype | None = None,
) -> ScipyLinearOperator:
    """Operator for ``scipy.sparse.linalg``: a matrix ``(prod(range_shape), prod(domain_shape))`` known by products.

    Parameters
    ----------
    op : LinearOperator
        On any device; vectors are copied there and back.
    domain_shape, range_shape : tuple of int, optional
        Shapes of ``x`` and ``A x``, which SciPy sees in C order; those of `op` by default, where it knows them.
    dtype : torch.dtype, optional
        Of the computation; by default that of the operator's tensors, complex.

    Returns
    -------
    scipy.sparse.linalg.LinearOperator
        With `matvec` and `rmatvec`.

    Raises
    ------
    ModuleNotFoundError
        If SciPy is missing.
    TypeError, ValueError
        If `op` is no operator, or its shape is unknown.

    References
    ----------
    Virtanen et al. SciPy 1.0: fundamental algorithms for scientific computing in Python. Nat Methods 17, 2020.
    """
    linalg = require("scipy.sparse.linalg", "to_scipy")
    own_dtype, device = held_like(check_operator(op))
    dtype = dtype or own_dtype
    domain, codomain = find_shapes(op, domain_shape, range_shape, dtype, device)

    def product(function: Any, shape: Shape) -> Any:
        def apply(vector: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                return to_array(function(to_tensor(vector, dtype, device).reshape(shape)).reshape(-1))

        return apply

    return linalg.LinearOperator(
        (prod(codomain), prod(domain)),
        matvec=product(op, domain),
        rmatvec=product(op.adjoint, codomain),
        dtype=to_array(torch.empty(0, dtype=dtype)).dtype,
    )


def from_scipy(matrix: Any, domain_shape: Shape | None = None, range_shape: Shape | None = None) -> LinearOperator:
    """Operator from a SciPy LinearOperator, sparse or dense matrix; differentiable, computed by SciPy on the CPU.

    Parameters
    ----------
    matrix
        Anything that ``scipy.sparse.linalg.aslinearoperator`` takes, shape ``(m, n)``.
    domain_shape, range_shape : tuple of int, optional
        Shapes with ``n`` and ``m`` elements; ``(n,)`` and ``(m,)`` by default. Leading axes are a batch.

    Returns
    -------
    LinearOperator

    Raises
    ------
    ModuleNotFoundError
        If SciPy is missing.
    ValueError
        If shapes do not have as many elements as the matrix has columns and rows.
    """
    linear = require("scipy.sparse.linalg", "from_scipy").aslinearoperator(matrix)
    rows, columns = linear.shape
    domain, codomain = tuple(domain_shape or (columns,)), tuple(range_shape or (rows,))
    for name, shape, n in (("domain_shape", domain, columns), ("range_shape", codomain, rows)):
        if prod(shape) != n:
            raise ValueError(f"{name}: expected {n} elements, got {shape}")

    def product(matmat: Any, shape_in: Shape, shape_out: Shape) -> Any:
        def apply(x: np.ndarray) -> np.ndarray:
            batch = x.shape[: x.ndim - len(shape_in)]
            if x.shape[len(batch) :] != shape_in:
                raise ValueError(f"x: expected trailing axes {shape_in}, got shape {x.shape}")
            return matmat(x.reshape(-1, prod(shape_in)).T).T.reshape(*batch, *shape_out)

        return apply

    forward, adjoint = product(linear.matmat, domain, codomain), product(linear.rmatmat, codomain, domain)
    return FunctionOp(
        lambda x: apply_foreign(x, forward, adjoint),
        lambda y: apply_foreign(y, adjoint, forward),
        domain_shape=domain,
        range_shape=codomain,
    )
