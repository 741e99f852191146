"""Multiplication of an image with coil sensitivities as an operator."""

import torch

from mriops import ops
from mriops.operators.algebra import LinearOperator, Shape
from mriops.operators.sampling import (
    batch_axes,
    batch_of,
    check_argument,
    check_csm,
    check_floating,
    image_axes,
)
from mriops.ops.reference.precision import complex_of


class CoilOp(LinearOperator):
    """Coil images ``y_c = csm_c x``; the adjoint is the sum ``x = sum_c conj(csm_c) y_c``.

    Parameters
    ----------
    csm : torch.Tensor
        Coil sensitivity maps, shape ``(*batch, coils, *im_size)``, or ``(*batch, maps, coils, *im_size)`` with `maps`,
        where ``y_c = sum_m csm_mc x_m``.
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
    Roemer et al. The NMR phased array. Magn Reson Med 16, 1990.
    """

    csm: torch.Tensor
    domain_shape: Shape
    range_shape: Shape

    def __init__(self, csm: torch.Tensor, *, ndim: int = 2, maps: bool = False):
        super().__init__()
        check_csm(csm, ndim, maps)
        self.ndim, self.maps = ndim, bool(maps)
        self.keep("csm", csm)
        batch = batch_of(batch_axes(csm, ndim, maps))
        self.domain_shape = (*batch, *image_axes(csm, ndim, maps))
        self.range_shape = (*batch, *csm.shape[-ndim - 1 :])

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Image ``(*batch, [maps,] *im_size)`` to coil images ``(*batch, coils, *im_size)``."""
        check_argument(image, "image", self.domain_shape, self.ndim + self.maps)
        return ops.coil_expand(image, self.csm, ndim=self.ndim, maps=self.maps)

    def adjoint(self, coil_images: torch.Tensor) -> torch.Tensor:
        """Coil images ``(*batch, coils, *im_size)`` to image ``(*batch, [maps,] *im_size)``."""
        check_argument(coil_images, "coil_images", self.range_shape, self.ndim + 1)
        return ops.coil_combine(coil_images, self.csm, ndim=self.ndim, maps=self.maps)

    def normal(self, image: torch.Tensor) -> torch.Tensor:
        """``sum_c |csm_c|^2 x`` without coil images."""
        if self.maps:
            return self.adjoint(self(image))
        check_argument(image, "image", self.domain_shape, self.ndim + self.maps)
        check_floating("image", image)
        if complex_of(image.dtype) != self.csm.dtype:
            raise TypeError(f"image: expected {self.csm.dtype}, the precision of csm, got {image.dtype}")
        return torch.view_as_real(self.csm.resolve_conj()).square().sum(dim=(-self.ndim - 2, -1)) * image.to(
            self.csm.dtype
        )
