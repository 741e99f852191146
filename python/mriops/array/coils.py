"""Multiplication of NumPy and CuPy arrays by coil sensitivity maps, and the sensitivity-weighted combination."""

from __future__ import annotations

from typing import Any

from mriops._native.sense_shapes import COIL_COMBINE, COIL_EXPAND

from ._call import call

__all__ = ["coil_combine", "coil_expand"]


def coil_expand(image: Any, csm: Any, *, ndim: int = 2, maps: bool = False) -> Any:
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
    ndarray
        Coil images ``(*batch, coils, *im)``.

    Raises
    ------
    TypeError
        A dtype that is not complex64, complex128 or its real partner; precisions mixed.
    ValueError
        Shapes that do not fit, empty axes, arrays on different devices.

    References
    ----------
    Pruessmann KP, et al. SENSE: Sensitivity encoding for fast MRI. Magn Reson Med 1999;42:952-962.
    """
    return call(COIL_EXPAND, (image, csm), (ndim, maps))


def coil_combine(coil_images: Any, csm: Any, *, ndim: int = 2, maps: bool = False) -> Any:
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
    ndarray
        Image ``(*batch, [maps,] *im)``.

    Raises
    ------
    TypeError, ValueError
        As :func:`coil_expand`.

    References
    ----------
    Roemer PB, et al. The NMR phased array. Magn Reson Med 1990;16:192-225.
    """
    return call(COIL_COMBINE, (coil_images, csm), (ndim, maps))
