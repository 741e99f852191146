"""Cartesian multi-coil encoding as an operator."""

import torch

from mriops import ops
from mriops.operators.algebra import LinearOperator, Shape
from mriops.operators.sampling import (
    batch_axes,
    batch_of,
    check_argument,
    check_csm,
    check_mask_shape,
    compress_mask,
    image_axes,
)


class SenseOp(LinearOperator):
    """Multi-coil Cartesian encoding ``k_c = mask F (csm_c x)``, image to k-space.

    ``F`` is the centred orthonormal Fourier transform over the spatial axes; with map sets,
    ``k_c = mask F sum_m csm_mc x_m``. `gram` is the fused ``mriops.ops.sense_gram``.

    Parameters
    ----------
    csm : torch.Tensor
        Coil sensitivity maps, shape ``(*batch, coils, *im_size)``, or ``(*batch, maps, coils, *im_size)`` with `maps`.
        A `torch.nn.Parameter` is trained; gradients reach any tensor.
    mask : torch.Tensor, optional
        Sampling mask (bool) or real k-space weights (counted twice in `gram`), broadcastable to
        ``(*batch, *im_size)``. Axes along which its values are constant are reduced to length 1, which lets `gram`
        skip their transform, and a mask that keeps all becomes None, unless it requires gradients.
    ndim : int
        Number of spatial axes, 2 or 3.
    maps : bool
        Whether `csm` holds sets of maps (soft SENSE).

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes do not fit.

    References
    ----------
    Pruessmann et al. SENSE: sensitivity encoding for fast MRI. Magn Reson Med 42, 1999.
    """

    csm: torch.Tensor
    domain_shape: Shape
    range_shape: Shape
    mask: torch.Tensor | None

    def __init__(self, csm: torch.Tensor, mask: torch.Tensor | None = None, *, ndim: int = 2, maps: bool = False):
        super().__init__()
        check_csm(csm, ndim, maps)
        mask = compress_mask(mask, ndim, csm.dtype.to_real())
        check_mask_shape(mask, tuple(csm.shape[-ndim:]))
        self.ndim, self.maps = ndim, bool(maps)
        self.keep("csm", csm)
        self.keep("mask", mask)
        batch = batch_of(batch_axes(csm, ndim, maps), () if mask is None else tuple(mask.shape[:-ndim]))
        self.domain_shape = (*batch, *image_axes(csm, ndim, maps))
        self.range_shape = (*batch, *csm.shape[-ndim - 1 :])

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Image ``(*batch, [maps,] *im_size)`` to k-space ``(*batch, coils, *im_size)``."""
        check_argument(image, "image", self.domain_shape, self.ndim + self.maps)
        return ops.sense(image, self.csm, self.mask, ndim=self.ndim, maps=self.maps)

    def adjoint(self, kspace: torch.Tensor) -> torch.Tensor:
        """k-space ``(*batch, coils, *im_size)`` to image ``(*batch, [maps,] *im_size)``."""
        check_argument(kspace, "kspace", self.range_shape, self.ndim + 1)
        return ops.sense_adjoint(kspace, self.csm, self.mask, ndim=self.ndim, maps=self.maps)

    def normal(self, image: torch.Tensor) -> torch.Tensor:
        """Fused ``A^H A``, image to image."""
        check_argument(image, "image", self.domain_shape, self.ndim + self.maps)
        return ops.sense_gram(image, self.csm, self.mask, ndim=self.ndim, maps=self.maps)
