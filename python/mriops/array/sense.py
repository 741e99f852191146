"""The Cartesian SENSE family on NumPy and CuPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mriops._native.sense_shapes import SENSE, SENSE_ADJOINT, SENSE_CSM_ADJOINT, SENSE_GRAM

from ._call import call

__all__ = ["sense", "sense_adjoint", "sense_csm_adjoint", "sense_gram"]


def sense(image: Any, csm: Any, mask: Any = None, *, ndim: int = 2, maps: bool = False) -> Any:
    """Multi-coil Cartesian encoding ``k[c] = w F (csm[c] x)``, with map sets ``k[c] = w F sum_m csm[m, c] x[m]``.

    ``F`` is the centred orthonormal transform of :func:`mriops.ops.fft` over the spatial axes.

    Parameters
    ----------
    image
        ``(*batch, [maps,] *im)``, complex; real is promoted.
    csm
        Coil sensitivity maps ``(*batch, [maps,] coils, *im)``.
    mask
        Sampling mask (bool) or weights (real), broadcastable to ``(*batch, *im)``: no coil axis.
    ndim
        Number of spatial axes, 2 or 3.
    maps
        Whether image and csm have an axis of map sets (soft SENSE).

    Returns
    -------
    ndarray
        k-space ``(*batch, coils, *im)``. Batches of all arguments broadcast. NaN and Inf in image or csm spread over
        the k-space of their coil and image; where a mask is False the result is then zero or NaN, not defined which.

    Raises
    ------
    TypeError
        A dtype that is not complex64, complex128 or its real partner; precisions mixed; complex weights.
    ValueError
        Shapes that do not fit, empty axes, arrays on different devices.

    References
    ----------
    Pruessmann KP, et al. Advances in sensitivity encoding with arbitrary k-space trajectories. Magn Reson Med
    2001;46:638-651.
    """
    return call(SENSE, (image, csm, mask), (ndim, maps))


def sense_adjoint(kspace: Any, csm: Any, mask: Any = None, *, ndim: int = 2, maps: bool = False) -> Any:
    """Adjoint of :func:`sense`: ``x[m] = sum_c conj(csm[m, c]) F^H w k[c]``.

    Parameters
    ----------
    kspace
        ``(*batch, coils, *im)``, complex; real is promoted.
    csm
        Coil sensitivity maps ``(*batch, [maps,] coils, *im)``.
    mask
        Sampling mask (bool) or weights (real), broadcastable to ``(*batch, *im)``. A sample whose weight is zero
        contributes nothing; whether it spreads where it is NaN or Inf is not defined.
    ndim
        Number of spatial axes, 2 or 3.
    maps
        Whether csm, and so the result, has an axis of map sets.

    Returns
    -------
    ndarray
        Image ``(*batch, [maps,] *im)``. Batches of all arguments broadcast.

    Raises
    ------
    TypeError, ValueError
        As :func:`sense`.

    References
    ----------
    Pruessmann KP, et al. Advances in sensitivity encoding with arbitrary k-space trajectories. Magn Reson Med
    2001;46:638-651.
    """
    return call(SENSE_ADJOINT, (kspace, csm, mask), (ndim, maps))


def sense_gram(image: Any, csm: Any, mask: Any = None, *, ndim: int = 2, maps: bool = False) -> Any:
    """Normal operator :func:`sense_adjoint` of :func:`sense`, fused: ``y = S^H F^H w^2 F S x``.

    Weights count squared. No k-space is stored, and axes along which the mask does not change are not transformed.

    Parameters
    ----------
    image
        ``(*batch, [maps,] *im)``, complex; real is promoted.
    csm
        Coil sensitivity maps ``(*batch, [maps,] coils, *im)``.
    mask
        Sampling mask (bool) or weights (real), broadcastable to ``(*batch, *im)``. A mask of shape ``(y, 1)`` says more
        than the same mask repeated along x, and is faster.
    ndim
        Number of spatial axes, 2 or 3.
    maps
        Whether image and csm have an axis of map sets (soft SENSE).

    Returns
    -------
    ndarray
        ``(*batch, [maps,] *im)``. Batches of all arguments broadcast. NaN and Inf stay in their image of the
        batch, and spread there over the axes that are transformed.

    Raises
    ------
    TypeError, ValueError
        As :func:`sense`.

    References
    ----------
    Pruessmann KP, et al. Advances in sensitivity encoding with arbitrary k-space trajectories. Magn Reson Med
    2001;46:638-651.
    """
    return call(SENSE_GRAM, (image, csm, mask), (ndim, maps))


def sense_csm_adjoint(
    kspace: Any,
    image: Any,
    mask: Any = None,
    *,
    csm_batch: Sequence[int] = (),
    ndim: int = 2,
    maps: bool = False,
) -> Any:
    """Adjoint of ``csm -> sense(image, csm, mask)``: ``csm[m, c] = sum_b conj(x[b, m]) F^H w k[b, c]``.

    Parameters
    ----------
    kspace
        ``(*batch, coils, *im)``, complex; real is promoted.
    image
        ``(*batch, [maps,] *im)``, complex; real is promoted.
    mask
        Sampling mask (bool) or weights (real), broadcastable to ``(*batch, *im)``.
    csm_batch
        Batch shape of the maps, which broadcasts to ``batch``; the batch is summed to it.
    ndim
        Number of spatial axes, 2 or 3.
    maps
        Whether image, and so the result, has an axis of map sets.

    Returns
    -------
    ndarray
        ``(*csm_batch, [maps,] coils, *im)``.

    Raises
    ------
    TypeError, ValueError
        As :func:`sense`; ``csm_batch`` does not broadcast to the batch.

    References
    ----------
    Ying L, Sheng J. Joint image reconstruction and sensitivity estimation in SENSE (JSENSE). Magn Reson Med
    2007;57:1196-1202.
    """
    return call(SENSE_CSM_ADJOINT, (kspace, image, mask), (tuple(csm_batch), ndim, maps))
