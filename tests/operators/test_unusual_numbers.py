"""Scalars, weights and data of kinds that would lose digits, their imaginary part or their range on the way."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from mriops.operators import CoilOp, DiagonalOp, FourierOp, IdentityOp, SenseOp, SubspaceNufftOp


def random(*shape, seed=0, dtype=torch.complex128):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


X = torch.complex(torch.arange(16.0), torch.ones(16)).reshape(4, 4)


@pytest.mark.parametrize("scalar", [np.complex64(1 + 2j), np.complex128(1 + 2j), 1 + 2j], ids=repr)
def test_complex_scalars_of_any_library(scalar):
    for A in (IdentityOp() * scalar, scalar * IdentityOp()):
        torch.testing.assert_close(A(X), X * (1 + 2j))
        torch.testing.assert_close(A.H(X), X * (1 - 2j))
        torch.testing.assert_close(A.gram(X), X * 5)


@pytest.mark.parametrize("scalar", [np.float32(0.5), np.float64(0.5), Fraction(1, 2)], ids=repr)
def test_real_scalars_of_any_library(scalar):
    A = IdentityOp() * scalar
    assert torch.equal(A(X), X / 2) and torch.equal(A.gram(X), X / 4) and A(X.real).dtype == torch.float32


@pytest.mark.parametrize(
    "value",
    [torch.tensor(16777217), torch.tensor(200, dtype=torch.uint8), torch.tensor(200.0).half(), torch.tensor(True)],
    ids=str,
)
def test_squares_out_of_range_of_the_weights(value):
    factor = float(value) ** 2
    for A in (value * IdentityOp(), DiagonalOp(value.expand(4, 4))):
        torch.testing.assert_close(A.gram(X), factor * X)
    assert torch.equal((value * IdentityOp())(X.to(torch.complex128)), float(value) * X.to(torch.complex128))


def test_a_complex_basis_stays_complex_with_real_kspace():
    csm, basis = random(2, 8, 8, dtype=torch.complex64), random(3, 2, dtype=torch.complex64)
    trajectory = torch.rand(3, 1, 20, 2, generator=torch.Generator().manual_seed(0)) * 8 - 4
    A = SubspaceNufftOp(csm, trajectory, basis)
    kspace = torch.ones(3, 2, 1, 20)
    torch.testing.assert_close(A.H(kspace), A.H(kspace.to(torch.complex64)))


def test_a_mask_with_gradients_keeps_the_precision_of_kspace():
    csm = random(2, 8, 8, dtype=torch.complex64)
    A = SenseOp(csm, torch.rand(8, 8, dtype=torch.float64).requires_grad_())
    weighed = A.weigh(random(2, 8, 8, dtype=torch.complex64))
    assert weighed.dtype == torch.complex64 and A.H(weighed).dtype == torch.complex64


def test_the_normal_operator_of_coils_takes_what_they_take():
    A = CoilOp(random(2, 8, 8, dtype=torch.complex64))
    assert A.gram(torch.ones(8, 8)).dtype == torch.complex64
    for image in (torch.ones(8, 8, dtype=torch.float64), torch.ones(8, 8, dtype=torch.complex128)):
        with pytest.raises(TypeError, match=r"image: expected torch\.complex64, the precision of csm, got torch\."):
            A.gram(image)
    for op in (A, FourierOp((8, 8))):
        with pytest.raises(TypeError, match=r"image: expected a floating-point or complex tensor, got torch\.int64"):
            op.gram(torch.ones(8, 8, dtype=torch.int64))
