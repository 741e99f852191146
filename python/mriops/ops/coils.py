"""Multiplication by coil sensitivity maps, and the sensitivity-weighted combination of coil images."""

from __future__ import annotations

from torch import Tensor

from mriops._native.sense_shapes import COIL_COMBINE, COIL_EXPAND

from . import reference
from ._declaration import OpDeclaration
from ._factory import define_op

__all__ = ["coil_combine", "coil_expand"]


def _outer(coil_images: Tensor, image: Tensor, ndim: int, maps: bool) -> Tensor:
    """``conj(x[m]) y[c]``, the gradient of both ops for csm before the sum over what was broadcast."""
    if maps:
        coil_images = coil_images.unsqueeze(-ndim - 2)
    return image.conj().unsqueeze(-ndim - 1) * coil_images


_CSM_RANK = {"csm": lambda ndim, maps: ndim + 1 + maps}

_coil_expand = define_op(
    OpDeclaration(
        native=COIL_EXPAND,
        schema="(Tensor image, Tensor csm, int ndim, bool maps) -> Tensor",
        core_rank={"image": lambda ndim, maps: ndim + maps, **_CSM_RANK},
        adjoint={
            "image": lambda grad, image, csm, ndim, maps: _coil_combine(grad, csm, ndim, maps),
            "csm": lambda grad, image, csm, ndim, maps: _outer(grad, image, ndim, maps),
        },
        multilinear=True,
        plain=lambda image, csm, ndim, maps: reference.coil_expand(image, csm, ndim=ndim, maps=maps),
    )
)
_coil_combine = define_op(
    OpDeclaration(
        native=COIL_COMBINE,
        schema="(Tensor coil_images, Tensor csm, int ndim, bool maps) -> Tensor",
        core_rank={"coil_images": lambda ndim, maps: ndim + 1, **_CSM_RANK},
        adjoint={
            "coil_images": lambda grad, coil_images, csm, ndim, maps: _coil_expand(grad, csm, ndim, maps),
            "csm": lambda grad, coil_images, csm, ndim, maps: _outer(coil_images, grad, ndim, maps),
        },
        multilinear=True,
        plain=lambda coil_images, csm, ndim, maps: reference.coil_combine(coil_images, csm, ndim=ndim, maps=maps),
    )
)


def coil_expand(image: Tensor, csm: Tensor, *, ndim: int = 2, maps: bool = False) -> Tensor:
    """Coil images ``y[c] = csm[c] x``, with map sets ``y[c] = sum_m csm[m, c] x[m]``.

    Parameters
    ----------
    image
        ``(*batch, [maps,] *im)``, complex; real is promoted.
    csm
        Coil sensitivity maps ``(*batch, [maps,] coils, *im)``. Batches broadcast.
    ndim
        Number of spatial axes, 2 or 3.
    maps
        Whether image and csm have an axis of map sets (soft SENSE).

    Returns
    -------
    Tensor
        Coil images ``(*batch, coils, *im)``.

    Raises
    ------
    TypeError
        A dtype that is not complex64, complex128 or its real partner; precisions mixed.
    ValueError
        Shapes that do not fit, empty axes, tensors on different devices.

    References
    ----------
    Pruessmann KP, et al. SENSE: Sensitivity encoding for fast MRI. Magn Reson Med 1999;42:952-962.
    """
    return _coil_expand(image, csm, ndim, maps)


def coil_combine(coil_images: Tensor, csm: Tensor, *, ndim: int = 2, maps: bool = False) -> Tensor:
    """Adjoint of :func:`coil_expand`: ``x[m] = sum_c conj(csm[m, c]) y[c]``.

    Parameters
    ----------
    coil_images
        ``(*batch, coils, *im)``, complex; real is promoted.
    csm
        Coil sensitivity maps ``(*batch, [maps,] coils, *im)``. Batches broadcast.
    ndim
        Number of spatial axes, 2 or 3.
    maps
        Whether csm, and so the result, has an axis of map sets.

    Returns
    -------
    Tensor
        Image ``(*batch, [maps,] *im)``.

    Raises
    ------
    TypeError, ValueError
        As :func:`coil_expand`.

    References
    ----------
    Roemer PB, et al. The NMR phased array. Magn Reson Med 1990;16:192-225.
    """
    return _coil_combine(coil_images, csm, ndim, maps)
