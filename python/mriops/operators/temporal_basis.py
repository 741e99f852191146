"""Images at many times from few coefficients: a temporal basis as an operator."""

from math import prod

import torch

from mriops._native.arguments import instance
from mriops.operators.algebra import LinearOperator
from mriops.operators.sampling import basis_like
from mriops.ops.reference.precision import real_of


class SubspaceOp(LinearOperator):
    r"""Temporal basis, ``x_t = sum_k basis[t, k] a_k``: coefficient images to an image per time.

    ``SenseOp(csm, mask) @ SubspaceOp(basis)`` with a mask per time is the encoding of T2 shuffling and of low-rank
    fingerprinting.

    Parameters
    ----------
    basis : torch.Tensor
        Shape ``(times, rank)``, real or complex; with orthonormal columns the operator is an isometry. Converted to the
        precision of the images in each call.
    ndim : int
        Number of trailing axes behind the one that is transformed: ``(*batch, rank, *im)``.

    Raises
    ------
    TypeError, ValueError
        If `basis` is not a floating or complex matrix, or an argument has another number of coefficients or times.

    References
    ----------
    Tamir et al. T2 shuffling: sharp, multicontrast, volumetric fast spin-echo imaging. Magn Reson Med 77, 2017.
    """

    basis: torch.Tensor

    def __init__(self, basis: torch.Tensor, *, ndim: int = 2):
        super().__init__()
        if not isinstance(basis, torch.Tensor) or not (basis.is_floating_point() or basis.is_complex()):
            raise TypeError(f"basis: expected a floating or complex tensor, got {getattr(basis, 'dtype', type(basis))}")
        if basis.ndim != 2 or not basis.numel():
            raise ValueError(f"basis: expected shape (times, rank), got {tuple(basis.shape)}")
        if not isinstance(ndim, int) or ndim < 0:
            raise ValueError(f"ndim: expected an integer >= 0, got {ndim!r}")
        self.keep("basis", basis)
        self.ndim = ndim

    def forward(self, coefficients: torch.Tensor) -> torch.Tensor:
        """``(*batch, rank, *im)`` to ``(*batch, times, *im)``."""
        return self._apply_matrix(self.basis, coefficients, "coefficients")

    def adjoint(self, images: torch.Tensor) -> torch.Tensor:
        """``(*batch, times, *im)`` to ``(*batch, rank, *im)``."""
        return self._apply_matrix(self.basis.mH, images, "images")

    def normal(self, coefficients: torch.Tensor) -> torch.Tensor:
        """``basis^H basis`` on the coefficients: never larger than they are."""
        return self._apply_matrix(self.basis.mH @ self.basis, coefficients, "coefficients")

    def _apply_matrix(self, matrix: torch.Tensor, x: torch.Tensor, name: str) -> torch.Tensor:
        instance(name, x, torch.Tensor, "a torch.Tensor")
        if x.ndim <= self.ndim or x.shape[-self.ndim - 1] != matrix.shape[1]:
            raise ValueError(
                f"{name}: expected shape (*batch, {matrix.shape[1]}, ...) with {self.ndim} trailing axes, got "
                f"{tuple(x.shape)}"
            )
        wide = x if x.is_floating_point() or x.is_complex() else x.to(real_of(matrix.dtype))
        matrix = basis_like(matrix, wide.dtype)
        lead, im = x.shape[: x.ndim - self.ndim - 1], x.shape[x.ndim - self.ndim :]
        flat = x.to(matrix.dtype).reshape(*lead, matrix.shape[1], prod(im))
        return (matrix @ flat).reshape(*lead, matrix.shape[0], *im)
