"""Rows of a block column of operators."""

import pytest
import torch

from mriops.operators import CoilOp, IdentityOp, SenseOp, StackOp


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def test_rows_of_a_stack_share_their_batch():
    csm = random(2, 8, 8)
    one, frames = SenseOp(csm), SenseOp(csm, torch.rand(4, 8, 8) > 0.5)
    for rows in ([one, frames], [frames, one]):
        assert StackOp(rows).domain_shape == (4, 8, 8)
        StackOp(rows).check_adjoint()
    with pytest.raises(ValueError, match="operators: expected the same domain and range"):
        StackOp([one, SenseOp(csm[:, :6, :6])])
    fewer = SenseOp(csm, torch.rand(5, 8, 8) > 0.5)
    with pytest.raises(ValueError, match="operators: expected the same domain and range"):
        StackOp([one, frames, fewer])  # either fits the first
    mixed = StackOp([CoilOp(csm), IdentityOp()])  # the second takes any shape, and says no domain
    image = random(8, 8)
    with pytest.raises(ValueError, match=r"operators: expected results of one shape, got \(2, 8, 8\), \(8, 8\)"):
        mixed(image)
    with pytest.raises(ValueError, match=r"operators: expected results of one shape, got \(8, 8\), \(2, 8, 8\)"):
        mixed.H(random(2, 2, 8, 8))
