"""Centred orthonormal Fourier transform and Cartesian sampling as an operator."""

import torch

from mriops import ops
from mriops._native.arguments import integer, sizes
from mriops.operators.algebra import LinearOperator
from mriops.operators.sampling import (
    batch_of,
    check_argument,
    check_floating,
    check_mask_shape,
    compress_mask,
    shape_of,
    weights_like,
)


class FourierOp(LinearOperator):
    """``k = mask F x`` over the last `ndim` axes, with the centre at index ``N // 2`` and scale ``1 / sqrt(N)``.

    ``k[l] = N^-1/2 sum_j x[j] exp(-2 pi i (j - N//2)(l - N//2) / N)`` along each axis of length ``N``. All leading
    axes, coils too, are a batch.

    Parameters
    ----------
    im_size : tuple of int, optional
        Lengths of the transformed axes, ``(y, x)`` or ``(z, y, x)``; any size by default.
    ndim : int, optional
        Number of transformed axes; that of `im_size` by default, else 2.
    mask : torch.Tensor, optional
        Sampling mask (bool) or real weights, broadcastable to ``(*batch, *im_size)``. Treated as in
        `mriops.operators.SenseOp`: `gram` transforms only axes along which it varies.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes do not fit.

    References
    ----------
    Cooley, Tukey. An algorithm for the machine calculation of complex Fourier series. Math Comput 19, 1965.
    """

    mask: torch.Tensor | None

    def __init__(
        self, im_size: tuple[int, ...] | None = None, *, ndim: int | None = None, mask: torch.Tensor | None = None
    ):
        super().__init__()
        if im_size is not None:
            im_size = sizes("im_size", im_size, "one to three positive ints", 1, 2, 3)
            if ndim is not None and ndim != len(im_size):
                raise ValueError(f"ndim: expected {len(im_size)}, the length of im_size {im_size}, got {ndim}")
        ndim = ndim if ndim is not None else 2 if im_size is None else len(im_size)
        self.im_size, self.ndim = im_size, integer("ndim", ndim, 1, "1, 2 or 3", most=3)
        mask = compress_mask(mask, ndim, None, im_size)
        self.keep("mask", mask)
        self.batch = () if mask is None else batch_of(tuple(mask.shape[:-ndim]))
        if im_size is not None:
            self.domain_shape = self.range_shape = (*self.batch, *im_size)

    def _check(self, x: torch.Tensor, name: str) -> tuple[int, ...]:
        """Axes of the transform."""
        im_size = self.im_size
        if im_size is None:
            if not isinstance(x, torch.Tensor) or x.ndim < self.ndim:
                raise ValueError(f"{name}: expected a tensor with at least {self.ndim} axes, got {shape_of(x)}")
            im_size = tuple(x.shape[x.ndim - self.ndim :])
            check_mask_shape(self.mask, im_size)
        check_argument(x, name, (*self.batch, *im_size), self.ndim)
        check_floating(name, x)
        return tuple(range(-self.ndim, 0))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """``(*batch, *im_size)`` to k-space of the same shape."""
        return self._weigh(ops.fft(image, self._check(image, "image")))

    def adjoint(self, kspace: torch.Tensor) -> torch.Tensor:
        """k-space ``(*batch, *im_size)`` to image of the same shape."""
        axes = self._check(kspace, "kspace")
        return ops.ifft(self._weigh(kspace), axes)

    def normal(self, image: torch.Tensor) -> torch.Tensor:
        """``F^H mask^2 F x``; transforms cancel along axes where the mask is constant."""
        axes = self._check(image, "image")
        if self.mask is None:
            return image
        axes = tuple(axis for axis in axes if self.mask.shape[axis] > 1)
        if not axes:
            return self._weigh(self._weigh(image))
        return ops.ifft(self._weigh(self._weigh(ops.fft(image, axes))), axes)

    def _weigh(self, kspace: torch.Tensor) -> torch.Tensor:
        return kspace if self.mask is None else kspace * weights_like(self.mask, kspace)
