"""LSQR against dense least squares, SciPy and conjugate gradients on the normal equations."""

import pytest
import torch

from mriops.solvers import cg, lsqr

from .problems import matvec, vector


def system(m, n, dtype=torch.complex128, batch=()):
    matrix = vector(*batch, m, n, dtype=dtype, seed=3)
    return matrix, (lambda x: matvec(matrix, x)), (lambda y: matvec(matrix.mH, y))


def expected(matrix, b, damping=0.0):
    normal = matrix.mH @ matrix + damping * torch.eye(matrix.shape[-1], dtype=matrix.dtype)
    return torch.linalg.solve(normal, matvec(matrix.mH, b))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128], ids=str)
@pytest.mark.parametrize(("m", "n"), [(20, 7), (7, 7), (1, 1), (9, 1)])
def test_least_squares(dtype, m, n):
    matrix, A, AH = system(m, n, dtype)
    b = vector(m, dtype=dtype)
    x, info = lsqr(A, AH, b, tol=0, max_iter=60, return_info=True)
    # C * eps * cond with C = 100: the matrices are Gaussian, cond(7 x 7) is below 100
    tol = 1e4 * torch.finfo(dtype).eps
    torch.testing.assert_close(x, torch.linalg.lstsq(matrix, b[:, None]).solution[:, 0], rtol=tol, atol=tol)
    assert bool(info.converged)


def test_wide_systems_give_the_smallest_solution():
    matrix, A, AH = system(5, 12)
    b = vector(5)
    torch.testing.assert_close(lsqr(A, AH, b, tol=1e-13), torch.linalg.pinv(matrix) @ b)


@pytest.mark.parametrize("batch", [(4,), (2, 3)], ids=str)
def test_batch_items_are_independent_problems(batch):
    matrix, A, AH = system(11, 6, batch=batch)
    b = vector(*batch, 11)
    b.view(-1, 11)[0] *= 1e6
    b.view(-1, 11)[1] = 0
    x, info = lsqr(A, AH, b, tol=1e-12, batch_ndim=len(batch), return_info=True)
    torch.testing.assert_close(x, expected(matrix, b), rtol=1e-8, atol=1e-9)
    assert info.n_iter.shape == batch and int(info.n_iter.view(-1)[1]) == 0 and bool(info.converged.all())


@pytest.mark.parametrize("damping", [0.3, torch.tensor(0.3, dtype=torch.float64), torch.tensor([0.1, 4.0])], ids=str)
def test_damping_means_the_same_as_in_cg(damping):
    matrix, A, AH = system(9, 6, batch=(2,))
    b = vector(2, 9)
    mu = torch.as_tensor(damping, dtype=torch.float64).expand(2)[:, None]
    x = lsqr(A, AH, b, damping=damping, batch_ndim=1, tol=1e-13)
    torch.testing.assert_close(x, expected(matrix, b, mu[..., None]), rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(x, cg(lambda v: AH(A(v)), AH(b), damping=mu, batch_ndim=1, tol=1e-13))


def test_iterates_and_damping_agree_with_scipy():
    scipy_linalg = pytest.importorskip("scipy.sparse.linalg")
    matrix, A, AH = system(15, 10)
    b = vector(15)
    for max_iter, damping in [(1, 0.0), (3, 0.0), (5, 2.0)]:
        theirs = scipy_linalg.lsqr(matrix.numpy(), b.numpy(), damp=damping**0.5, iter_lim=max_iter, atol=0, btol=0)[0]
        ours = lsqr(A, AH, b, damping=damping, max_iter=max_iter, tol=0)
        torch.testing.assert_close(ours, torch.from_numpy(theirs), rtol=1e-10, atol=1e-12)


def test_stop_is_by_the_normal_residual():
    _, A, AH = system(40, 30)
    b = vector(40)
    for damping in (0.0, 1.0):
        x, info = lsqr(A, AH, b, tol=1e-4, damping=damping, return_info=True)
        rest = torch.linalg.vector_norm(AH(b - A(x)) - damping * x) / torch.linalg.vector_norm(AH(b))
        assert rest <= 1e-4 * (1 + 1e-6) < info.residual_norms[-2]
        torch.testing.assert_close(info.residual_norms[-1], rest, rtol=1e-6, atol=0)


def test_single_precision_is_better_than_cg_on_ill_conditioned_problems():
    # condition number 1e3: the normal equations have 1e6, close to the limit of single precision
    u, _ = torch.linalg.qr(vector(60, 40))
    v, _ = torch.linalg.qr(vector(40, 40, seed=2))
    matrix = ((u * torch.logspace(0, -3, 40, dtype=torch.float64)) @ v.mH).to(torch.complex64)
    exact = vector(40, dtype=torch.complex64)
    b = matrix @ exact
    ours = lsqr(lambda x: matrix @ x, lambda y: matrix.mH @ y, b, tol=0, max_iter=1500)
    normal = cg(lambda x: matrix.mH @ (matrix @ x), matrix.mH @ b, tol=0, max_iter=1500)
    assert 50 * torch.linalg.vector_norm(ours - exact) < torch.linalg.vector_norm(normal - exact)


def test_start_and_callback():
    matrix, A, AH = system(30, 20)
    b = vector(30)
    exact = expected(matrix, b)
    cold = lsqr(A, AH, b, tol=1e-5, return_info=True)[1].n_iter
    start = exact + 1e-5 * vector(20, seed=6)
    x, info = lsqr(A, AH, b, x0=start, tol=1e-5, return_info=True)
    assert int(info.n_iter) < int(cold) // 2
    seen = []
    x = lsqr(A, AH, b, x0=start, tol=1e-12, callback=lambda k, x, norms: seen.append((k, x.clone())) or k == 3)
    assert [k for k, _ in seen] == [1, 2, 3] and torch.equal(seen[-1][1], x)
    # damping pulls towards the start
    x = lsqr(A, AH, b, x0=start, damping=2.0, tol=1e-13)
    torch.testing.assert_close(x - start, expected(matrix, b - A(start), 2.0))


def test_derivative_by_the_start_is_that_of_the_centre_of_damping():
    matrix, A, AH = system(9, 6, torch.float64)
    b, start = vector(9, dtype=torch.float64), vector(6, dtype=torch.float64, seed=4).requires_grad_()
    weight = torch.linspace(-1, 1, 6, dtype=torch.float64)
    (found,) = torch.autograd.grad((weight * lsqr(A, AH, b, x0=start, damping=0.7, tol=1e-13)).sum(), start)
    centre = 0.7 * torch.linalg.solve(matrix.mH @ matrix + 0.7 * torch.eye(6, dtype=torch.float64), weight)
    torch.testing.assert_close(found, centre, rtol=1e-9, atol=1e-11)
    (found,) = torch.autograd.grad((weight * lsqr(A, AH, b, x0=start, tol=1e-13)).sum(), start)
    torch.testing.assert_close(found, torch.zeros_like(start), rtol=0, atol=0)


def test_very_small_data_in_single_precision():
    _, A, AH = system(12, 5, torch.complex64)
    b = vector(12, dtype=torch.complex64)
    torch.testing.assert_close(lsqr(A, AH, b * 1e-28) * 1e28, lsqr(A, AH, b), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("damping", [0.0, 1e-30, 1.0, 1e30])
@pytest.mark.parametrize("scale", [1e-30, 1e-18, 1e18, 1e30])
def test_very_small_and_large_operators_in_single_precision(scale, damping):
    diagonal, b, x0 = torch.tensor([1.0, 2.0, 3.0]) * scale, torch.tensor([1.0, 1.0, -2.0]), torch.ones(3) / scale
    double = diagonal.double()
    exact = (double * b.double() + damping * x0.double()) / (double**2 + damping)
    for units in (1.0, scale):
        x, info = lsqr(
            lambda x: diagonal * x,
            lambda y: diagonal * y,
            b * units,
            x0=x0 * units,
            damping=torch.tensor([damping]),
            return_info=True,
        )
        assert (x / units - exact).abs().max() < 1e-6 * exact.abs().max() and bool(info.converged)


def test_scales_of_batch_items_differ_and_derivatives_pass():
    size = torch.tensor([[1.0], [1e-20], [1e20]])
    diagonal = torch.tensor([1.0, 2.0, 3.0]) * size
    b = torch.tensor([[1.0, 1.0, -2.0]]).repeat(3, 1).requires_grad_()
    for implicit in (True, False):
        x = lsqr(lambda x: diagonal * x, lambda y: diagonal * y, b, batch_ndim=1, implicit_grad=implicit, max_iter=3)
        torch.testing.assert_close(x * size, b / (diagonal / size), rtol=1e-5, atol=1e-5)
    (gradient,) = torch.autograd.grad((x * size).sum(), b)
    torch.testing.assert_close(gradient, size / diagonal, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"AH": 3}, TypeError, "AH: expected a callable, got int"),
        ({"damping": torch.ones(3)}, ValueError, "damping: expected one real number or one per batch item"),
        ({"damping": -2}, ValueError, "damping: expected a finite number >= 0"),
        ({"A": lambda x: x}, ValueError, r"A\(x\): expected shape \(8,\), got \(5,\)"),
        ({"AH": lambda y: None}, TypeError, r"AH\(b\): expected a torch.Tensor, got NoneType"),
        ({"x0": torch.ones(5)}, TypeError, "x0: expected dtype torch.complex128"),
        ({"grad_order": 0}, ValueError, "grad_order: expected 1 or 2"),
        ({"b": torch.full((8,), float("nan")) + 0j}, ValueError, "expected finite values, got NaN or infinity"),
    ],
)
def test_bad_arguments(change, error, match):
    _, A, AH = system(8, 5)
    arguments = {"A": A, "AH": AH, "b": vector(8)} | change
    if "x0" in change:
        arguments["A"] = lambda x: A(x.to(torch.complex128))
    if arguments["b"].isnan().any():
        arguments |= {"A": lambda x: A(x.to(torch.complex128)), "b": arguments["b"].to(torch.complex128)}
    with pytest.raises(error, match=match):
        lsqr(arguments.pop("A"), arguments.pop("AH"), arguments.pop("b"), **arguments)


def test_adjoint_must_keep_the_batch():
    with pytest.raises(ValueError, match=r"AH\(b\): expected leading batch axes \(2,\), got shape \(3, 8\)"):
        lsqr(lambda x: x, lambda y: torch.ones(3, 8) + 0j, vector(2, 8), batch_ndim=1)
