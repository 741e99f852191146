"""Doors through which masks, weights and coil maps enter operators: shapes checked, axes that say nothing dropped."""

import torch

from mriops.ops._guards import lasting, outside_transforms, visible
from mriops.ops.reference.precision import complex_of, real_of

Shape = tuple[int, ...]


def compress_mask(
    mask: torch.Tensor | None, ndim: int, precision: torch.dtype | None, im_size: Shape | None
) -> torch.Tensor | None:
    """Mask with every axis along which it is constant reduced to length 1; None if it keeps every sample.

    A transform along an axis without undersampling cancels in the normal operator, so kernels ask for the shape of a
    mask, and this looks at its values, once. Weights that require gradients are left as they are, and so is what
    a transform of ``torch.func`` runs over, has a tangent, or holds no values that can be looked at.

    Parameters
    ----------
    mask
        Sampling mask (bool, or integers 0 and 1) or real weights, ``(*batch, *im)`` or fewer axes.
    ndim
        Number of spatial axes.
    precision
        Real dtype for weights, None to keep theirs.
    im_size
        Image size, None where it is not known yet.

    Raises
    ------
    TypeError
        If `mask` is not a tensor, or not bool, integer or real.
    ValueError
        If its axes do not fit the image, also where a constant mask is about to be dropped.
    """
    if mask is None:
        return None
    if not isinstance(mask, torch.Tensor):
        raise TypeError(f"mask: expected a torch.Tensor or None, got {type(mask).__name__}")
    if mask.is_complex():
        raise TypeError(f"mask: expected bool, integer or real weights, got {mask.dtype}")
    if mask.ndim < ndim:
        mask = mask.reshape((1,) * (ndim - mask.ndim) + tuple(mask.shape))
    if im_size is not None:
        check_mask_shape(mask, im_size)
    if mask.requires_grad or isinstance(mask, torch.nn.Parameter):
        return mask
    with outside_transforms():
        if lasting(mask) and visible(mask):
            return _compressed(mask, precision)
    return mask if mask.is_floating_point() or mask.dtype == torch.bool else mask.to(_weights_dtype(precision))


def _weights_dtype(precision: torch.dtype | None) -> torch.dtype:
    return precision or torch.get_default_dtype()


def _compressed(mask: torch.Tensor, precision: torch.dtype | None) -> torch.Tensor | None:
    if mask.is_floating_point():
        mask = mask if precision is None else mask.to(precision)
    elif mask.dtype != torch.bool:
        binary = bool(((mask == 0) | (mask == 1)).all())
        mask = mask.bool() if binary else mask.to(_weights_dtype(precision))
    for axis in range(mask.ndim):
        first = mask.narrow(axis, 0, 1) if mask.shape[axis] > 1 else mask
        if first is not mask and bool((mask == first).all()):
            mask = first
    if mask.numel() == 1 and bool(mask == 1):
        return None
    return mask.contiguous()


def check_csm(csm: torch.Tensor, ndim: int, maps: bool) -> None:
    """Raise unless `csm` is complex with shape ``([*batch,] [maps,] coils, *im)``."""
    if not isinstance(csm, torch.Tensor):
        raise TypeError(f"csm: expected a torch.Tensor, got {type(csm).__name__}")
    if ndim not in (2, 3):
        raise ValueError(f"ndim: expected 2 or 3 spatial axes, got {ndim!r}")
    if not csm.is_complex():
        raise TypeError(f"csm: expected a complex tensor, got {csm.dtype}")
    if csm.ndim < ndim + 1 + maps or 0 in csm.shape:
        axes = f"(*batch, {'maps, ' if maps else ''}coils, {'z, y, x' if ndim == 3 else 'y, x'})"
        raise ValueError(f"csm: expected shape {axes} without empty axes, got {tuple(csm.shape)}")


def check_floating(name: str, x: torch.Tensor) -> None:
    """Raise unless `x` is a floating-point or complex tensor: integers would be rounded, or wrap around."""
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {type(x).__name__}")
    if not (x.is_floating_point() or x.is_complex()):
        raise TypeError(f"{name}: expected a floating-point or complex tensor, got {x.dtype}")


def batch_axes(csm: torch.Tensor, ndim: int, maps: bool) -> Shape:
    """Batch axes of coil maps."""
    return tuple(csm.shape[: csm.ndim - ndim - 1 - maps])


def image_axes(csm: torch.Tensor, ndim: int, maps: bool) -> Shape:
    """``([maps,] *im_size)`` of coil maps."""
    return (*((csm.shape[-ndim - 2],) if maps else ()), *csm.shape[-ndim:])


def check_mask_shape(mask: torch.Tensor | None, im_size: Shape) -> None:
    """Raise unless the trailing axes of `mask` are those of the image, or 1."""
    if mask is not None and not all(m in (1, n) for m, n in zip(mask.shape[-len(im_size) :], im_size, strict=True)):
        raise ValueError(
            f"mask: expected trailing axes that broadcast to {im_size} (no coil axis), got shape {tuple(mask.shape)}"
        )


def batch_of(*batches: Shape) -> Shape:
    """Batch shape that operator tensors bring along, without leading ones.

    Raises
    ------
    ValueError
        If the batches do not broadcast.
    """
    try:
        batch = tuple(torch.broadcast_shapes(*batches))
    except RuntimeError:
        raise ValueError(
            f"csm and mask: expected batch axes that broadcast, got {' and '.join(map(str, batches))}"
        ) from None
    while batch and batch[0] == 1:
        batch = batch[1:]
    return batch


def in_precision(tensor: torch.Tensor, precision: torch.dtype) -> torch.Tensor:
    """Real weights or coordinates in the data's precision, as ops convert them.

    Parameters, and what requires gradients, are left as they are: a copy would not follow an optimiser.
    """
    if not isinstance(tensor, torch.Tensor) or isinstance(tensor, torch.nn.Parameter) or tensor.requires_grad:
        return tensor
    return tensor.to(precision) if tensor.is_floating_point() else tensor


def weights_like(mask: torch.Tensor, kspace: torch.Tensor) -> torch.Tensor:
    """A mask as it is, or weights in the precision of the data."""
    return mask if mask.dtype == torch.bool else mask.to(real_of(kspace.dtype))


def basis_like(basis: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A temporal basis in the precision of the data; a complex one stays complex, and makes real data so."""
    return basis.to(complex_of(dtype) if basis.is_complex() else dtype)


def shape_of(x: object) -> str:
    """Shape of a tensor, or what it is instead, for messages."""
    return f"shape {tuple(x.shape)}" if isinstance(x, torch.Tensor) else type(x).__name__


def check_argument(x: torch.Tensor, name: str, shape: Shape, n_core: int) -> None:
    """Raise unless `x` has the trailing axes `shape`, of which all but `n_core` are a batch, where 1 stands for any.

    The batch of an operator must not exceed that of its argument: the result would broadcast, and the adjoint of
    broadcasting is a sum, which the formula of the adjoint does not have.
    """
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {type(x).__name__}")
    own = x.shape[-len(shape) :]
    if own == shape:
        return
    n_batch = len(shape) - n_core
    fits = len(own) == len(shape) and own[n_batch:] == shape[n_batch:]
    if not fits or not all(b in (1, n) for b, n in zip(shape[:n_batch], own[:n_batch], strict=True)):
        raise ValueError(f"{name}: expected shape (*, {', '.join(map(str, shape))}), got {tuple(x.shape)}")
