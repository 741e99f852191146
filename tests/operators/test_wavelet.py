"""The wavelet transform: orthogonal for any size, its filters those of the literature, smooth images sparse in it."""

import numpy as np
import pytest
import torch

from mriops.operators import WaveletOp
from mriops.testing import check_linear_operator


def random(*shape, dtype=torch.complex128, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("moments", [1, 2, 4, 10])
@pytest.mark.parametrize("shape", [(16,), (3, 16, 24), (17, 23), (1, 7), (2, 3), (2, 5, 6, 7), (1, 1)])
def test_perfect_reconstruction_and_energy(shape, moments):
    op = WaveletOp(moments, ndim=min(len(shape), 3))
    x = random(2, *shape)
    y = op(x)
    assert y.shape == x.shape
    # Filters of norm 1 within 1e-15 each, four levels.
    torch.testing.assert_close(op.H(y), x, rtol=0, atol=1e-12)
    torch.testing.assert_close(op(op.H(x)), x, rtol=0, atol=1e-12)
    torch.testing.assert_close(y.norm(), x.norm(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("shape", [(8, 12), (5, 7)])
def test_contract(shape):
    check_linear_operator(WaveletOp(), domain_shape=shape)
    check_linear_operator(WaveletOp(3, levels=2), domain_shape=shape, dtype=torch.float64)


@pytest.mark.parametrize("moments", range(1, 11))
def test_filters_are_those_of_another_library(moments):
    pywt = pytest.importorskip("pywt")
    np.testing.assert_allclose(WaveletOp(moments).low, pywt.Wavelet(f"db{moments}").rec_lo, atol=1e-12)


@pytest.mark.parametrize("moments", [1, 2, 3])
def test_polynomials_vanish(moments):
    """One level of a polynomial of degree below the number of moments has no detail away from the ends."""
    x = torch.arange(64, dtype=torch.float64) ** (moments - 1) / 64 ** (moments - 1)
    detail = WaveletOp(moments, levels=1, ndim=1)(x)[32 : 64 - moments]
    assert detail.abs().max() < 1e-13


def test_approximation_is_the_corner():
    op = WaveletOp(1, levels=3)
    corner = op.approximation_size((17, 24))
    y = op(torch.ones(17, 24, dtype=torch.float64))
    assert corner == (3, 3)
    y[: corner[0], : corner[1]] = 0
    # A constant is coarse, but for the pixel that odd lengths pass on.
    assert y[:2].abs().max() < 1e-14


def test_derivatives():
    x = random(6, 7, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(WaveletOp(2, levels=2), x)
    assert torch.autograd.gradcheck(WaveletOp(2, levels=2).H, x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: WaveletOp(0), "moments: expected an integer from 1 to 10, got 0"),
        (lambda: WaveletOp(levels=0), "levels: expected an integer >= 1, got 0"),
        (lambda: WaveletOp()(torch.ones(4)), r"x: expected at least 2 axes, got shape \(4,\)"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_integers_are_refused():
    op = WaveletOp(1, levels=1)
    for function in (op, op.H, op.gram):
        with pytest.raises(TypeError, match=r"x: expected a floating-point or complex tensor, got torch\.int64"):
            function(torch.arange(16).reshape(4, 4))
