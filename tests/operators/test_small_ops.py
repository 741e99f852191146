"""Weights, identity, stacks, functions and finite differences."""

import pytest
import torch

from mriops.operators import DiagonalOp, FiniteDifferenceOp, FunctionOp, IdentityOp, StackOp
from mriops.solvers import cg, lsqr
from mriops.testing import check_linear_operator


def random(*shape, dtype=torch.complex64, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "weights",
    [random(4, 6), random(4, 1, dtype=torch.float32), random(6).conj(), random(4, 6).real > 0, torch.tensor(2.0)],
    ids=["complex", "column", "conjugated row", "bool", "scalar"],
)
def test_diagonal(weights):
    op = DiagonalOp(weights)
    check_linear_operator(op, domain_shape=(3, 4, 6))
    op.check_adjoint((4, 6))
    x = random(3, 4, 6)
    torch.testing.assert_close(op(x), weights * x)
    torch.testing.assert_close(op.gram(x), (weights * x) * weights.conj())


def test_diagonal_of_real_data():
    check_linear_operator(DiagonalOp(random(5, dtype=torch.float64)), dtype=torch.float64)


def test_diagonal_refuses_arguments_that_would_broadcast():
    with pytest.raises(
        ValueError, match=r"x: expected a shape that weights of shape \(4, 6\) broadcast to, got \(6,\)"
    ):
        DiagonalOp(random(4, 6))(random(6))
    with pytest.raises(ValueError, match=r"y: expected a shape that weights .* got \(1, 6\)"):
        DiagonalOp(random(4, 6)).H(random(1, 6))
    with pytest.raises(TypeError, match=r"weights: expected a torch\.Tensor, got float"):
        DiagonalOp(2.0)


def test_identity():
    check_linear_operator(IdentityOp((4, 6)))
    x = random(4, 6)
    assert IdentityOp()(x) is x and IdentityOp((4, 6)).domain_shape == (4, 6)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_stack(dim):
    first, second = DiagonalOp(random(4, 6)), DiagonalOp(random(4, 6, seed=1))
    op = StackOp([first, second], dim=dim)
    check_linear_operator(op)
    x = random(4, 6)
    torch.testing.assert_close(op(x), torch.stack((first(x), second(x)), dim))
    torch.testing.assert_close(op.gram(x), first.gram(x) + second.gram(x))


def test_stack_solves_a_regularised_problem():
    a, g, b = DiagonalOp(random(4, 6)), 0.3 * DiagonalOp(random(4, 6, seed=1)), random(4, 6, seed=2)
    stacked = StackOp([a, g])
    x = lsqr(stacked, stacked.H, torch.stack((b, 0 * b)), tol=1e-6)
    torch.testing.assert_close(x, cg(a.gram + g.gram, a.H(b), tol=1e-6), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("shape", [(5, 4), (1, 6), (3, 4, 2), (7,)], ids=str)
def test_finite_differences(shape, periodic):
    op = FiniteDifferenceOp(len(shape), periodic=periodic)
    check_linear_operator(op, domain_shape=(2, *shape))
    op.check_adjoint((2, *shape))
    ramp = torch.arange(float(shape[-1])).expand(shape)
    difference = op(ramp)
    assert difference.shape == (len(shape), *shape)
    assert torch.equal(difference[-1, ..., :-1], torch.ones(*shape[:-1], shape[-1] - 1))
    assert (difference[-1, ..., -1] == ((1 - shape[-1]) if periodic else 0)).all() and (difference[:-1] == 0).all()


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: FiniteDifferenceOp(0), "ndim: expected an integer >= 1, got 0"),
        (lambda: FiniteDifferenceOp(3)(random(4, 6)), r"x: expected at least 3 axes, none of them empty, got"),
        (lambda: FiniteDifferenceOp(2)(random(0, 6)), r"x: expected at least 2 axes, none of them empty, got"),
        (
            lambda: FiniteDifferenceOp(2).H(random(3, 4, 6)),
            r"y: expected shape \(\*batch, 2, ...\) with 2 trailing axes",
        ),
    ],
)
def test_finite_difference_failures(build, match):
    with pytest.raises(ValueError, match=match):
        build()


def test_finite_differences_of_integers_are_refused():
    for dtype in (torch.uint8, torch.int64, torch.bool):
        with pytest.raises(TypeError, match=f"x: expected a floating-point or complex tensor, got {dtype}"):
            FiniteDifferenceOp(2)(torch.ones(4, 6, dtype=dtype))
        with pytest.raises(TypeError, match=f"y: expected a floating-point or complex tensor, got {dtype}"):
            FiniteDifferenceOp(2).H(torch.ones(2, 4, 6, dtype=dtype))


def test_functions():
    op = FunctionOp(lambda x: x.roll(1, -1), lambda y: y.roll(-1, -1), lambda x: x, domain_shape=(6,), range_shape=(6,))
    check_linear_operator(op, pickles=False)
    assert op.domain_shape == (6,) and op.gram(random(6)).shape == (6,)
    check_linear_operator(FunctionOp(torch.fft.fft, lambda y: torch.fft.ifft(y, norm="forward")), (5,), pickles=False)
