"""Masks that leave out whole lines or columns: these are zero and not transformed, and nothing else changes."""

import pytest
import torch

from mriops import ops
from mriops.ops import reference
from mriops.testing import relative_error

# Whole vectors (whose other way through is the split transform), part vectors, odd, prime, one line.
SIZES = [(64, 48), (33, 20), (181, 37), (7, 5), (1, 32), (24, 16, 32), (9, 14, 11), (1, 20, 16)]


def normal(shape: tuple[int, ...], seed: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def line_mask(size: tuple[int, ...], kept: float) -> torch.Tensor:
    """Lines along x, a share ``kept`` of them, chosen at random."""
    return torch.rand((*size[:-1], 1), generator=torch.Generator().manual_seed(7)) < kept


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kept", [0.0, 0.25, 0.6, 0.9])
@pytest.mark.parametrize("form", ["lines", "repeated", "columns", "weights", "frames"])
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_line_masks(size: tuple[int, ...], kept: float, form: str, dtype: torch.dtype) -> None:
    ndim, real = len(size), torch.empty(0, dtype=dtype).real.dtype
    mask = line_mask(size, kept)
    if form == "repeated":
        mask = mask.expand(size).contiguous()
    elif form == "columns":
        mask = torch.rand((*(1,) * (ndim - 1), size[-1]), generator=torch.Generator().manual_seed(7)) < kept
    elif form == "weights":
        mask = mask * normal((*size[:-1], 1), 1, real)
    elif form == "frames":  # one with the lines, one without any, one with all
        mask = torch.stack([mask, torch.zeros_like(mask), torch.ones_like(mask)])
    frames = (3,) if form == "frames" else ()
    image, csm = normal((*frames, *size), 2, dtype), normal((3, *size), 3, dtype)
    kspace = normal((*frames, 3, *size), 4, dtype)
    tolerance = 20 * torch.finfo(real).eps

    got = ops.sense(image, csm, mask, ndim=ndim)
    assert relative_error(got, reference.sense(image, csm, mask, ndim=ndim)) < tolerance
    lost = (mask == 0).unsqueeze(-ndim - 1).expand_as(got)
    assert (got[lost] == 0).all()
    got = ops.sense_adjoint(kspace, csm, mask, ndim=ndim)
    assert relative_error(got, reference.sense_adjoint(kspace, csm, mask, ndim=ndim)) < tolerance
    got = ops.sense_csm_adjoint(kspace, image, mask, ndim=ndim)
    assert relative_error(got, reference.sense_csm_adjoint(kspace, image, mask, ndim=ndim)) < tolerance


@pytest.mark.parametrize(("coils", "size"), [(16, (256, 160)), (16, (250, 170)), (2, (112, 96, 112))])
def test_large_arrays(coils: int, size: tuple[int, ...]) -> None:
    """K-space above 4 MiB and volumes above 16 are written round the caches; the number of threads changes nothing."""
    ndim = len(size)
    image, csm = normal(size, 0, torch.complex64), normal((coils, *size), 1, torch.complex64)
    mask = line_mask(size, 0.3)
    kspace = ops.sense(image, csm, mask, ndim=ndim)
    adjoint = ops.sense_adjoint(kspace, csm, mask, ndim=ndim)
    assert relative_error(kspace, reference.sense(image, csm, mask, ndim=ndim)) < 1e-6
    assert relative_error(adjoint, reference.sense_adjoint(kspace, csm, mask, ndim=ndim)) < 1e-6
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert torch.equal(ops.sense(image, csm, mask, ndim=ndim), kspace)
        assert torch.equal(ops.sense_adjoint(kspace, csm, mask, ndim=ndim), adjoint)
    finally:
        torch.set_num_threads(before)
