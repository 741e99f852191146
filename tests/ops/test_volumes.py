"""Volumes larger than the caches take their own ways through memory: same values, on any number of threads."""

import pytest
import torch

from mriops import ops
from mriops.ops import reference
from mriops.testing import relative_error

EPS = torch.finfo(torch.float32).eps


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


# Above 4 MiB: k-space is written round the caches where rows are whole vectors. Three coils are a pair and one alone.
@pytest.mark.parametrize(("coils", "size"), [(1, (81, 80, 80)), (3, (40, 144, 96)), (2, (160, 60, 75))])
def test_large_volumes(coils: int, size: tuple[int, int, int]) -> None:
    image, csm = normal(*size, seed=0), normal(coils, *size, seed=1)
    mask = torch.rand(size, generator=torch.Generator().manual_seed(2)) < 0.5
    kspace = ops.sense(image, csm, mask, ndim=3)
    adjoint = ops.sense_adjoint(kspace, csm, mask, ndim=3)
    # Three transforms of about a hundred points each: some roundings of every value, which partly cancel.
    assert relative_error(kspace, reference.sense(image, csm, mask, ndim=3)) < 10 * EPS
    assert relative_error(adjoint, reference.sense_adjoint(kspace, csm, mask, ndim=3)) < 10 * EPS
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert torch.equal(ops.sense(image, csm, mask, ndim=3), kspace)
        assert torch.equal(ops.sense_adjoint(kspace, csm, mask, ndim=3), adjoint)
    finally:
        torch.set_num_threads(before)
