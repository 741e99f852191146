"""The Cartesian SENSE family: encoding, its adjoint, the fused normal operator, and the adjoint for the maps.

The family is closed: every gradient is made of its own members, so that it can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mriops._native.sense_shapes import SENSE, SENSE_ADJOINT, SENSE_CSM_ADJOINT, SENSE_GRAM

from . import reference
from ._declaration import OpDeclaration
from ._factory import define_op
from ._vmap import lead_with

__all__ = ["sense", "sense_adjoint", "sense_csm_adjoint", "sense_gram"]


def _overlap(a: Tensor, b: Tensor, ndim: int) -> Tensor:
    """``Re sum_c conj(a[c]) b[c]``: the gradient for weights, from k-space without weights and its cotangent."""
    return (a.conj() * b).real.sum(-ndim - 1)


def _csm_batch(csm: Tensor, ndim: int, maps: bool) -> tuple[int, ...]:
    return tuple(csm.shape[: len(csm.shape) - ndim - 1 - maps])


_ENCODE_RANKS = {"csm": lambda ndim, maps: ndim + 1 + maps, "mask": lambda ndim, maps: ndim}

# --- sense -----------------------------------------------------------------------------------------------------------

_sense = define_op(
    OpDeclaration(
        native=SENSE,
        schema="(Tensor image, Tensor csm, Tensor? mask, int ndim, bool maps) -> Tensor",
        core_rank={"image": lambda ndim, maps: ndim + maps, **_ENCODE_RANKS},
        adjoint={
            "image": lambda grad, image, csm, mask, ndim, maps: _sense_adjoint(grad, csm, mask, ndim, maps),
            "csm": lambda grad, image, csm, mask, ndim, maps: _sense_csm_adjoint(
                grad, image, mask, _csm_batch(csm, ndim, maps), ndim, maps
            ),
            "mask": lambda grad, image, csm, mask, ndim, maps: _overlap(
                _sense(image, csm, None, ndim, maps), grad, ndim
            ),
        },
        multilinear=True,
        plain=lambda image, csm, mask, ndim, maps: reference.sense(image, csm, mask, ndim=ndim, maps=maps),
    )
)

# --- sense_adjoint ---------------------------------------------------------------------------------------------------

_sense_adjoint = define_op(
    OpDeclaration(
        native=SENSE_ADJOINT,
        schema="(Tensor kspace, Tensor csm, Tensor? mask, int ndim, bool maps) -> Tensor",
        core_rank={"kspace": lambda ndim, maps: ndim + 1, **_ENCODE_RANKS},
        adjoint={
            "kspace": lambda grad, kspace, csm, mask, ndim, maps: _sense(grad, csm, mask, ndim, maps),
            "csm": lambda grad, kspace, csm, mask, ndim, maps: _sense_csm_adjoint(
                kspace, grad, mask, _csm_batch(csm, ndim, maps), ndim, maps
            ),
            "mask": lambda grad, kspace, csm, mask, ndim, maps: _overlap(
                kspace, _sense(grad, csm, None, ndim, maps), ndim
            ),
        },
        multilinear=True,
        plain=lambda kspace, csm, mask, ndim, maps: reference.sense_adjoint(kspace, csm, mask, ndim=ndim, maps=maps),
    )
)

# --- sense_gram ------------------------------------------------------------------------------------------------------


def _gram_csm_grad(grad: Tensor, image: Tensor, csm: Tensor, mask: Tensor | None, ndim: int, maps: bool) -> Tensor:
    # <g, S^H F^H w w F S x>: once for the right S, once for the left.
    batch = _csm_batch(csm, ndim, maps)
    right = _sense_csm_adjoint(_sense(grad, csm, mask, ndim, maps), image, mask, batch, ndim, maps)
    return right + _sense_csm_adjoint(_sense(image, csm, mask, ndim, maps), grad, mask, batch, ndim, maps)


def _gram_mask_grad(grad: Tensor, image: Tensor, csm: Tensor, mask: Tensor, ndim: int, maps: bool) -> Tensor:
    return 2 * _overlap(_sense(grad, csm, None, ndim, maps), _sense(image, csm, mask, ndim, maps), ndim)


def _gram_jvp(
    tangents: tuple[Tensor | None, ...], image: Tensor, csm: Tensor, mask: Tensor | None, ndim: int, maps: bool
) -> Tensor:
    d_image, d_csm, d_mask = tangents
    terms = []
    if d_image is not None:
        terms.append(_sense_gram(d_image, csm, mask, ndim, maps))
    if d_csm is not None:
        terms.append(_sense_adjoint(_sense(image, d_csm, mask, ndim, maps), csm, mask, ndim, maps))
        terms.append(_sense_adjoint(_sense(image, csm, mask, ndim, maps), d_csm, mask, ndim, maps))
    if d_mask is not None:
        terms.append(2 * _sense_adjoint(_sense(image, csm, mask, ndim, maps), csm, d_mask, ndim, maps))
    return sum(terms[1:], start=terms[0])


_sense_gram = define_op(
    OpDeclaration(
        native=SENSE_GRAM,
        schema="(Tensor image, Tensor csm, Tensor? mask, int ndim, bool maps) -> Tensor",
        core_rank={"image": lambda ndim, maps: ndim + maps, **_ENCODE_RANKS},
        adjoint={
            "image": lambda grad, image, csm, mask, ndim, maps: _sense_gram(grad, csm, mask, ndim, maps),
            "csm": _gram_csm_grad,
            "mask": _gram_mask_grad,
        },
        jvp=_gram_jvp,
        plain=lambda image, csm, mask, ndim, maps: reference.sense_gram(image, csm, mask, ndim=ndim, maps=maps),
    )
)

# --- sense_csm_adjoint -----------------------------------------------------------------------------------------------


def _csm_adjoint_vmap(
    in_dims: tuple,
    kspace: Tensor,
    image: Tensor,
    mask: Tensor | None,
    csm_batch: Sequence[int],
    ndim: int,
    maps: bool,
) -> tuple[Tensor, int]:
    cores = (ndim + 1, ndim + maps, ndim)
    tensors = (kspace, image, mask)
    rank = max(
        max(t.ndim - (axis is not None) - core, 0)
        for t, axis, core in zip(tensors, in_dims, cores, strict=False)
        if t is not None
    )
    rank = max(rank, len(csm_batch))
    k, x, w = (
        t if t is None or axis is None else lead_with(t, axis, core, rank)
        for t, axis, core in zip(tensors, in_dims, cores, strict=False)
    )
    mapped = next(t.shape[a] for t, a in zip(tensors, in_dims, strict=False) if t is not None and a is not None)
    padded = (mapped, *(1,) * (rank - len(csm_batch)), *csm_batch)
    result = _sense_csm_adjoint(k, x, w, padded, ndim, maps)
    return result.reshape((mapped, *result.shape[1 + rank - len(csm_batch) :])), 0


_sense_csm_adjoint = define_op(
    OpDeclaration(
        native=SENSE_CSM_ADJOINT,
        schema="(Tensor kspace, Tensor image, Tensor? mask, int[] csm_batch, int ndim, bool maps) -> Tensor",
        core_rank={
            "kspace": lambda csm_batch, ndim, maps: ndim + 1,
            "image": lambda csm_batch, ndim, maps: ndim + maps,
            "mask": lambda csm_batch, ndim, maps: ndim,
        },
        adjoint={
            "kspace": lambda grad, kspace, image, mask, csm_batch, ndim, maps: _sense(image, grad, mask, ndim, maps),
            "image": lambda grad, kspace, image, mask, csm_batch, ndim, maps: _sense_adjoint(
                kspace, grad, mask, ndim, maps
            ),
            "mask": lambda grad, kspace, image, mask, csm_batch, ndim, maps: _overlap(
                kspace, _sense(image, grad, None, ndim, maps), ndim
            ),
        },
        multilinear=True,
        vmap=_csm_adjoint_vmap,
        plain=lambda kspace, image, mask, csm_batch, ndim, maps: reference.sense_csm_adjoint(
            kspace, image, mask, csm_batch=csm_batch, ndim=ndim, maps=maps
        ),
    )
)


# --- public functions ------------------------------------------------------------------------------------------------


def sense(image: Tensor, csm: Tensor, mask: Tensor | None = None, *, ndim: int = 2, maps: bool = False) -> Tensor:
    """Multi-coil Cartesian encoding ``k[c] = w F (csm[c] x)``, with map sets ``k[c] = w F sum_m csm[m, c] x[m]``.

    ``F`` is the centred orthonormal transform of :func:`mriops.ops.fft` over the spatial axes.

    Parameters
    ----------
    image
        ``(*batch, [maps,] *im)``, complex; real is promoted and has a real gradient.
    csm
        Coil sensitivity maps ``(*batch, [maps,] coils, *im)``.
    mask
        Sampling mask (bool) or weights (real), broadcastable to ``(*batch, *im)``: no coil axis. Weights have a
        gradient.
    ndim
        Number of spatial axes, 2 or 3.
    maps
        Whether image and csm have an axis of map sets (soft SENSE).

    Returns
    -------
    Tensor
        k-space ``(*batch, coils, *im)``. Batches of all arguments broadcast. NaN and Inf in image or csm spread over
        the k-space of their coil and image; where a mask is False the result is then zero or NaN, not defined which.

    Raises
    ------
    TypeError
        A dtype that is not complex64, complex128 or its real partner; precisions mixed; complex weights.
    ValueError
        Shapes that do not fit, empty axes, tensors on different devices.

    References
    ----------
    Pruessmann KP, et al. Advances in sensitivity encoding with arbitrary k-space trajectories. Magn Reson Med
    2001;46:638-651.
    """
    return _sense(image, csm, mask, ndim, maps)


def sense_adjoint(
    kspace: Tensor, csm: Tensor, mask: Tensor | None = None, *, ndim: int = 2, maps: bool = False
) -> Tensor:
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
    Tensor
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
    return _sense_adjoint(kspace, csm, mask, ndim, maps)


def sense_gram(image: Tensor, csm: Tensor, mask: Tensor | None = None, *, ndim: int = 2, maps: bool = False) -> Tensor:
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
    Tensor
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
    return _sense_gram(image, csm, mask, ndim, maps)


def sense_csm_adjoint(
    kspace: Tensor,
    image: Tensor,
    mask: Tensor | None = None,
    *,
    csm_batch: Sequence[int] = (),
    ndim: int = 2,
    maps: bool = False,
) -> Tensor:
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
    Tensor
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
    return _sense_csm_adjoint(kspace, image, mask, tuple(csm_batch), ndim, maps)
