"""Power iteration against dense eigenvalues."""

import pytest
import torch

from mriops.solvers import lipschitz, power_method

from .problems import matvec, positive_definite, vector


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex64, torch.complex128], ids=str)
def test_largest_eigenvalue_and_vector(dtype):
    matrix = positive_definite(12, dtype, condition=50.0)
    value, v = power_method(lambda x: matrix @ x, vector(12, dtype=dtype), tol=0, max_iter=300)
    tol = 100 * torch.finfo(dtype).eps
    assert value.shape == () and not value.is_complex() and v.shape == (12,) and v.dtype == dtype
    torch.testing.assert_close(value, torch.linalg.eigvalsh(matrix)[-1], rtol=tol, atol=0)
    torch.testing.assert_close(matrix @ v, value * v, rtol=0, atol=50 * tol)
    torch.testing.assert_close(torch.linalg.vector_norm(v), value.new_ones(()), rtol=tol, atol=0)


def test_batch_items_have_their_own():
    matrix = positive_definite(8, batch=(3,)) * torch.tensor([1.0, 1e-6, 1e6]).view(3, 1, 1)
    values, vectors = power_method(lambda x: matvec(matrix, x), vector(3, 8), batch_ndim=1, tol=1e-9, max_iter=1000)
    torch.testing.assert_close(values, torch.linalg.eigvalsh(matrix)[:, -1], rtol=1e-6, atol=0)
    assert vectors.shape == (3, 8)


def test_negative_eigenvalues_keep_their_sign():
    value, _ = power_method(lambda x: torch.tensor([-3.0, 1.0, 2.0]) * x, torch.ones(3), max_iter=200)
    assert value == pytest.approx(-3.0, rel=1e-4)


def test_derivative_of_the_eigenvalue():
    diagonal = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64, requires_grad=True)
    value, v = power_method(lambda x: diagonal * x, torch.ones(3, dtype=torch.float64), tol=0, max_iter=200)
    (gradient,) = torch.autograd.grad(value, diagonal)
    torch.testing.assert_close(gradient, torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64), rtol=0, atol=1e-10)
    assert not v.requires_grad


def test_lipschitz_bounds_from_above_even_when_stopped_early():
    matrix = positive_definite(30, condition=20.0)
    exact = torch.linalg.eigvalsh(matrix)[-1]
    for max_iter in (3, 10, 30, 100):
        got = lipschitz(lambda x: matrix @ x, vector(30), max_iter=max_iter, tol=0)
        assert exact <= got * (1 + 1e-12)
    assert got <= 1.01 * exact
    assert lipschitz(lambda x: x * torch.ones(2, 1), vector(2, 4), batch_ndim=1).shape == (2,)


def test_zero_operator_has_zero_eigenvalue():
    value, v = power_method(lambda x: 0 * x, vector(4))
    assert value == 0 and torch.isfinite(v).all()


@pytest.mark.parametrize(
    ("A", "x0", "options", "match"),
    [
        (lambda x: x, torch.zeros(3), {}, "x0: expected finite values that are not all zero"),
        (lambda x: x, torch.full((3,), float("inf")), {}, "x0: expected finite values"),
        (lambda x: x * float("nan"), torch.ones(3), {}, "A: expected finite values, got NaN or infinity"),
        (lambda x: x, torch.ones(3), {"max_iter": 0}, "max_iter: expected an integer >= 1, got 0"),
        (lambda x: x[:2], torch.ones(3), {}, r"A\(x\): expected shape \(3,\), got \(2,\)"),
    ],
)
def test_bad_arguments(A, x0, options, match):
    with pytest.raises(ValueError, match=match):
        power_method(A, x0, **options)


def test_empty_start():
    with pytest.raises(ValueError, match=r"x0: expected no empty axis, got shape \(0, 4\)"):
        power_method(lambda x: x, torch.zeros(0, 4), batch_ndim=1)


@pytest.mark.parametrize("scale", [1e-36, 1e-25, 1e-22, 1e20, 1e36])
def test_very_small_and_large_operators_in_single_precision(scale):
    diagonal = scale * torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    value, v = power_method(lambda x: diagonal * x, torch.ones(3), tol=1e-6)
    assert value.item() == pytest.approx(3 * scale, rel=1e-5)
    assert torch.autograd.grad(value, diagonal)[0] == pytest.approx(v.square(), abs=1e-5)
    bound = lipschitz(lambda x: diagonal * x, torch.ones(3))
    assert 3 * scale * (1 - 1e-6) <= bound.item() <= 3.1 * scale


def test_a_bound_out_of_range():
    flip = 3e38 * torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match="A: expected finite values, got NaN or infinity"):
        lipschitz(lambda x: flip @ x, torch.tensor([1.0, 0.5]), max_iter=1)
