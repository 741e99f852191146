"""Finds and cuts out the fully sampled centre of k-space (the autocalibration signal, ACS), and checks k-space data."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mriops._native.arguments import instance, integer, one_each

__all__ = ["check_kspace", "detect_acs", "extract_acs"]


def check_kspace(kspace: Tensor, *, ndim: int, name: str = "kspace", empty_batch: bool = False) -> Tensor:
    """Check that ``kspace`` is a finite complex tensor (*batch, coils, *im_size) and resolve a lazy conjugation.

    Parameters
    ----------
    kspace
        Complex tensor with at least ``ndim + 1`` axes, none of them empty.
    ndim
        Number of spatial axes, 1, 2 or 3.
    name
        Argument name used in messages.
    empty_batch
        Whether axes in front of the coils may be empty.

    Returns
    -------
    The same values, without a conjugate bit.

    Raises
    ------
    TypeError
        If ``kspace`` is not a complex64 or complex128 tensor.
    ValueError
        If an axis is missing or empty, or a value is NaN or Inf (the message gives the first index).
    """
    if not isinstance(kspace, Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {type(kspace).__name__}")
    if kspace.dtype not in (torch.complex64, torch.complex128):
        raise TypeError(f"{name}: expected dtype complex64 or complex128, got {kspace.dtype}")
    if ndim not in (1, 2, 3):
        raise ValueError(f"ndim: expected 1, 2 or 3, got {ndim!r}")
    if kspace.ndim < ndim + 1:
        raise ValueError(
            f"{name}: expected (*batch, coils, *im_size) with {ndim} spatial axes, got {tuple(kspace.shape)}"
        )
    if 0 in kspace.shape[-ndim - 1 if empty_batch else 0 :]:
        raise ValueError(f"{name}: expected no empty axis, got shape {tuple(kspace.shape)}")
    kspace = kspace.resolve_conj()
    # The sum is finite unless a value is not, or a finite sum overflows: only then is every value looked at.
    if not bool(torch.isfinite(torch.view_as_real(kspace).sum())):
        bad = ~torch.isfinite(kspace)
        if bool(bad.any()):
            index = tuple(int(i) for i in torch.nonzero(bad)[0])
            raise ValueError(
                f"{name}: expected finite values, got {complex(kspace[index])} at index {index}, "
                f"the first of {int(bad.sum())} values that are NaN or Inf"
            )
    return kspace


def _block_bounds(centre: int, lower: int, upper: int) -> slice:
    """Widest slice within [lower, upper) that is centred: [centre - w//2, centre - w//2 + w)."""
    # An even width reaches one sample further to the left, as the DC sample of an even grid does.
    half = min(centre - lower, upper - centre)
    width = 2 * half
    if upper - centre > half:
        width = 2 * half + 1
    return slice(centre - width // 2, centre - width // 2 + width)


def _grow(sampled: Tensor, centre: tuple[int, ...]) -> list[tuple[int, int]]:
    """Grow a box around ``centre``, one layer a side at a time, while the new layer is fully sampled."""
    bounds = [(c, c + 1) for c in centre]
    growing = [[True, True] for _ in centre]
    while any(any(g) for g in growing):
        for axis in range(len(bounds)):
            for side in (0, 1):
                if not growing[axis][side]:
                    continue
                lower, upper = bounds[axis]
                new = lower - 1 if side == 0 else upper
                if not 0 <= new < sampled.shape[axis]:
                    growing[axis][side] = False
                    continue
                box = [slice(*b) for b in bounds]
                box[axis] = slice(new, new + 1)
                if bool(sampled[tuple(box)].all()):
                    bounds[axis] = (lower - 1, upper) if side == 0 else (lower, upper + 1)
                else:
                    growing[axis][side] = False
    return bounds


def detect_acs(kspace_or_mask: Tensor, *, ndim: int = 2) -> tuple[slice, ...]:
    """Find the largest fully sampled centred block of k-space.

    A location counts as sampled if it is nonzero in any coil, and in every batch item. The block is grown from the
    centre N//2 layer by layer on all sides, each axis until a layer is incomplete, and then made centred: an axis of
    width w covers [N//2 - w//2, N//2 - w//2 + w).

    Parameters
    ----------
    kspace_or_mask
        Either k-space (*batch, coils, *im_size), complex, or a sampling mask (*batch, *im_size), bool or real.
        Mask axes may have size 1 only where k-space has size 1.
    ndim
        Number of spatial axes.

    Returns
    -------
    One slice per spatial axis.

    Raises
    ------
    ValueError
        If the centre of k-space is not sampled, or the shape has too few axes.

    References
    ----------
    Griswold MA et al. Generalized autocalibrating partially parallel acquisitions (GRAPPA). Magn Reson Med 47:1202
    (2002).
    """
    x = kspace_or_mask
    if not isinstance(x, Tensor):
        raise TypeError(f"kspace_or_mask: expected a torch.Tensor, got {type(x).__name__}")
    integer("ndim", ndim, 1)
    needed = ndim + 1 if x.is_complex() else ndim
    if x.ndim < needed or x.numel() == 0:
        kind = "k-space (*batch, coils, *im_size)" if x.is_complex() else "a mask (*batch, *im_size)"
        raise ValueError(f"kspace_or_mask: expected non-empty {kind} with {ndim} spatial axes, got {tuple(x.shape)}")
    sampled = x != 0
    if x.is_complex():
        sampled = sampled.any(dim=-ndim - 1)
    sampled = sampled.reshape(-1, *sampled.shape[-ndim:]).all(dim=0).cpu()
    centre = tuple(n // 2 for n in sampled.shape)
    if not bool(sampled[centre]):
        raise ValueError(f"kspace_or_mask: expected a sampled centre of k-space, got none at index {centre}")
    return tuple(_block_bounds(c, *b) for c, b in zip(centre, _grow(sampled, centre), strict=True))


def extract_acs(kspace: Tensor, acs: int | Sequence[int] | Sequence[slice] | None = None, *, ndim: int = 2) -> Tensor:
    """Cut the autocalibration block out of k-space.

    Parameters
    ----------
    kspace
        k-space (*batch, coils, *im_size), complex.
    acs
        ``None``: the block :func:`detect_acs` finds. An int or one int per axis: the centred block of that width
        (clipped to the axis). One slice per axis: that block.
    ndim
        Number of spatial axes.

    Returns
    -------
    View (*batch, coils, *acs_size), its DC sample at index acs_size//2 where the block is centred.

    Raises
    ------
    ValueError
        If ``acs`` has the wrong number of entries, is empty or not positive.
    """
    instance("kspace", kspace, Tensor, "a torch.Tensor")
    if kspace.ndim < integer("ndim", ndim, 1) + 1:
        raise ValueError(
            f"kspace: expected (*batch, coils, *im_size) with {ndim} spatial axes, got {tuple(kspace.shape)}"
        )
    im_size = kspace.shape[-ndim:]
    if acs is None:
        region: tuple[slice, ...] = detect_acs(kspace, ndim=ndim)
    else:
        entries = tuple(one_each(acs, ndim))
        if len(entries) != ndim:
            raise ValueError(f"acs: expected {ndim} entries (one per spatial axis), got {len(entries)}")
        region = tuple(_as_slice(e, n) for e, n in zip(entries, im_size, strict=True))
    return kspace[(..., *region)]


def _as_slice(entry: int | slice, size: int) -> slice:
    if isinstance(entry, slice):
        start, stop, step = entry.indices(size)
        if step != 1 or stop <= start:
            raise ValueError(f"acs: expected a non-empty slice of step 1 within an axis of {size}, got {entry}")
        return slice(start, stop)
    width = min(integer("acs", entry, 1, "a positive width"), size)
    start = size // 2 - width // 2
    return slice(start, start + width)
