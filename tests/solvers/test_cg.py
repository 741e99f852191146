"""Conjugate gradients against dense solves: types, batches, stops, failures."""

import pytest
import torch

from mriops.solvers import SolverInfo, cg, lsqr

from .problems import matvec, positive_definite, vector

DTYPES = [torch.float32, torch.float64, torch.complex64, torch.complex128]


def close(x, expected, factor):
    """Relative error below factor * eps: CG's attainable error is about eps times the condition number."""
    eps = torch.finfo(x.dtype).eps
    assert torch.linalg.vector_norm(x - expected) <= factor * eps * torch.linalg.vector_norm(expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(1,), (7,), (3, 5), (24, 1, 25)], ids=str)
def test_agrees_with_a_dense_solve(dtype, shape):
    n = torch.Size(shape).numel()
    matrix = positive_definite(n, dtype, condition=10.0)
    b = vector(*shape, dtype=dtype)
    x = cg(lambda x: (matrix @ x.flatten()).view(shape), b, tol=0, max_iter=200)
    assert x.shape == b.shape and x.dtype == dtype
    close(x, torch.linalg.solve(matrix, b.flatten()).view(shape), factor=100)


@pytest.mark.parametrize("batch", [(), (4,), (2, 3), (20,)], ids=str)
def test_batch_items_are_independent_problems(batch):
    matrix = positive_definite(9, batch=batch)
    # items of very different size and difficulty
    scale = torch.logspace(-3, 3, batch[0]).view(-1, *[1] * len(batch)) if batch else torch.ones(1)
    b = vector(*batch, 9) * scale
    x, info = cg(lambda x: matvec(matrix, x), b, tol=1e-10, batch_ndim=len(batch), return_info=True)
    assert isinstance(info, SolverInfo)
    assert info.n_iter.shape == info.converged.shape == batch and bool(info.converged.all())
    for index in torch.cartesian_prod(*[torch.arange(n) for n in batch]).view(-1, len(batch)) if batch else [()]:
        index = tuple(index)
        alone, report = cg(lambda x, index=index: matrix[index] @ x, b[index], tol=1e-10, return_info=True)
        torch.testing.assert_close(x[index], alone, rtol=0, atol=float(1e-8 * alone.abs().max()))  # tol * condition
        assert abs(int(report.n_iter) - int(info.n_iter[index])) <= 1


def test_items_that_have_stopped_do_not_change():
    matrix = torch.stack([torch.eye(30, dtype=torch.complex128), positive_definite(30, condition=1e3)])
    b = vector(2, 30)
    seen = []
    cg(lambda x: matvec(matrix, x), b, tol=1e-9, batch_ndim=1, callback=lambda k, x, norms: seen.append(x[0].clone()))
    assert len(seen) > 10 and all(torch.equal(x, seen[0]) for x in seen)


def test_relative_residual_at_the_stop_is_below_the_tolerance():
    matrix = positive_definite(50, condition=1e4)
    b = 1e-4 * vector(50)
    for tol in (1e-1, 1e-4, 1e-8):
        x, info = cg(lambda x: matrix @ x, b, tol=tol, max_iter=1000, return_info=True)
        residual = torch.linalg.vector_norm(b - matrix @ x) / torch.linalg.vector_norm(b)
        assert residual <= tol * (1 + 1e-6) and info.residual_norms[-1] <= tol < info.residual_norms[-2]
        assert len(info.residual_norms) == int(info.n_iter) + 1
        torch.testing.assert_close(info.residual_norms[-1], residual, rtol=1e-3, atol=0)


def test_max_iter_is_kept_and_reported():
    matrix = positive_definite(50, condition=1e4)
    x, info = cg(lambda x: matrix @ x, vector(50), tol=1e-8, max_iter=3, return_info=True)
    assert int(info.n_iter) == 3 and not bool(info.converged) and torch.isfinite(x).all()
    x, info = cg(lambda x: matrix @ x, vector(50), max_iter=0, return_info=True)
    assert torch.equal(x, torch.zeros_like(x)) and int(info.n_iter) == 0


def test_start_near_the_solution_saves_iterations():
    matrix, b = positive_definite(60, condition=1e3), vector(60)
    exact = torch.linalg.solve(matrix, b)
    cold = cg(lambda x: matrix @ x, b, tol=1e-6, return_info=True)[1].n_iter
    x, info = cg(lambda x: matrix @ x, b, x0=exact + 1e-6 * vector(60), tol=1e-6, return_info=True)
    assert int(info.n_iter) < int(cold) // 2 and bool(info.converged)
    start = exact.clone()
    x = cg(lambda x: matrix @ x, b, x0=start, tol=1e-6)
    close(x, exact, factor=1e4)
    assert torch.equal(start, exact), "x0 was overwritten"


def test_zero_right_hand_side_gives_zero_whatever_the_start():
    matrix = positive_definite(5, batch=(2,))
    b = vector(2, 5)
    b[0] = 0
    x = cg(lambda x: matvec(matrix, x), b, x0=vector(2, 5), tol=1e-10, batch_ndim=1)
    assert torch.equal(x[0], torch.zeros(5, dtype=x.dtype))
    close(x[1], torch.linalg.solve(matrix[1], b[1]), factor=1e8)  # tol / eps


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e20, 1e30])
def test_single_precision_neither_underflows_nor_overflows(scale):
    matrix = positive_definite(20, torch.complex64, condition=10)
    b = vector(20, dtype=torch.complex64)
    x = cg(lambda x: matrix @ x, b * scale, tol=1e-6)
    close(x / scale, cg(lambda x: matrix @ x, b, tol=1e-6), factor=100)


def test_preconditioner_reduces_the_iterations_and_not_the_accuracy():
    diagonal = torch.logspace(0, 6, 80, dtype=torch.float64)
    matrix = positive_definite(80, condition=2) * (diagonal[:, None] * diagonal).sqrt()
    b = vector(80)
    plain = cg(lambda x: matrix @ x, b, tol=1e-8, max_iter=2000, return_info=True)[1]
    x, info = cg(lambda x: matrix @ x, b, tol=1e-8, preconditioner=lambda r: r / diagonal, return_info=True)
    assert int(info.n_iter) < int(plain.n_iter) // 4 and bool(info.converged)
    assert torch.linalg.vector_norm(matrix @ x - b) <= 1e-7 * torch.linalg.vector_norm(b)


@pytest.mark.parametrize(
    "damping", [0.7, torch.tensor(0.7), torch.tensor([[0.1], [2.0]], dtype=torch.float64)], ids=str
)
def test_damping_is_added_to_the_diagonal(damping):
    matrix, b = positive_definite(6, batch=(2,)), vector(2, 6)
    x = cg(lambda x: matvec(matrix, x), b, damping=damping, batch_ndim=1, tol=1e-13)
    added = torch.as_tensor(damping, dtype=torch.float64).reshape(-1, 1, 1) * torch.eye(6)
    expected = torch.linalg.solve(matrix + added, b)
    torch.testing.assert_close(x, expected, rtol=1e-6, atol=1e-9)  # damping of 0.7 is rounded to float32 in one case


def test_callback_sees_each_iterate_and_may_stop():
    matrix, b = positive_definite(30), vector(30)
    seen = []

    def callback(iteration, x, norms):
        seen.append(
            (iteration, float(torch.linalg.vector_norm(b - matrix @ x) / torch.linalg.vector_norm(b)), float(norms))
        )
        return iteration == 4

    x, info = cg(lambda x: matrix @ x, b, tol=1e-10, callback=callback, return_info=True)
    assert [s[0] for s in seen] == [1, 2, 3, 4] and int(info.n_iter) == 4
    assert all(abs(true - carried) < 1e-10 for _, true, carried in seen)
    assert torch.linalg.vector_norm(b - matrix @ x) / torch.linalg.vector_norm(b) == pytest.approx(seen[-1][1])


def test_how_often_the_host_looks_does_not_change_the_result():
    matrix, b = positive_definite(30, batch=(3,)), vector(3, 30)
    results = [cg(lambda x: matvec(matrix, x), b, tol=1e-5, batch_ndim=1, check_every=k) for k in (1, 3, 100)]
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


def test_runs_are_bitwise_repeatable_and_leave_the_input_alone():
    matrix, b = positive_definite(200), vector(200)
    kept = b.clone()
    assert torch.equal(cg(lambda x: matrix @ x, b), cg(lambda x: matrix @ x, b)) and torch.equal(b, kept)


def test_identity_that_returns_its_argument_is_not_overwritten():
    b = vector(2, 11)
    for damping in (0.0, 1.0, torch.tensor(1.0)):
        expected = b / (1 + float(damping))
        torch.testing.assert_close(cg(lambda x: x, b, damping=damping, tol=1e-12), expected, rtol=1e-12, atol=0)


def test_strided_and_conjugated_right_hand_sides():
    matrix = positive_definite(6)
    b = vector(6, 6)
    for view in (b.mT, b[:, ::2].conj(), b.conj().imag.mT + 0j, torch.zeros(()).to(b).expand(6, 2)):
        x = cg(lambda x: matrix @ x, view, tol=1e-13)
        torch.testing.assert_close(x, torch.linalg.solve(matrix, view.resolve_conj()), rtol=1e-10, atol=1e-12)


def test_operator_may_return_a_conjugated_or_strided_view():
    diagonal = torch.arange(1, 13, dtype=torch.float64).view(3, 4)
    b = vector(3, 4)
    x = cg(lambda x: (x.conj() * diagonal).mT.contiguous().mT.conj(), b, tol=1e-13)
    torch.testing.assert_close(x, b / diagonal, rtol=1e-10, atol=0)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 4)], ids=str)
def test_empty_problems_have_empty_solutions(shape):
    b = torch.zeros(shape, dtype=torch.complex64)
    x, info = cg(lambda x: x, b, batch_ndim=len(shape) - 1, return_info=True)
    assert x.shape == b.shape and info.n_iter.shape == shape[:-1]


class TestFailures:
    b = vector(8)

    def test_indefinite(self):
        matrix = positive_definite(8) - 50 * torch.eye(8)
        with pytest.raises(
            ValueError, match=r"A: expected a Hermitian positive definite operator.*p\^H A p / p\^H p = -"
        ):
            cg(lambda x: matrix @ x, self.b)

    def test_indefinite_item_is_named(self):
        matrix = torch.stack([positive_definite(8), -positive_definite(8)])
        with pytest.raises(ValueError, match=r"in iteration 1 of batch item \(1,\)"):
            cg(lambda x: matvec(matrix, x), vector(2, 8), batch_ndim=1)

    def test_zero_operator(self):
        with pytest.raises(ValueError, match="positive definite"):
            cg(lambda x: 0 * x, self.b)

    def test_singular_but_consistent_is_solved(self):
        diagonal = torch.tensor([0.0, 0, 1, 2, 3, 4, 5, 6])
        x, info = cg(lambda x: diagonal * x, diagonal * self.b, tol=1e-12, return_info=True)
        torch.testing.assert_close(x[2:], self.b[2:])
        assert bool(info.converged) and torch.equal(x[:2], torch.zeros_like(x[:2]))

    def test_accuracy_that_cannot_be_reached_is_no_failure(self):
        # condition number 1e10 in single precision: rounding decides the sign of the smallest curvatures
        diagonal = torch.logspace(0, -10, 200)
        x, info = cg(lambda x: diagonal * x, torch.ones(200), tol=1e-7, max_iter=5000, return_info=True)
        assert not bool(info.converged) and (x * (diagonal * x - 2)).sum() < 0  # the energy that CG minimises

    def test_indefinite_preconditioner(self):
        with pytest.raises(ValueError, match="positive definite preconditioner"):
            cg(lambda x: x * torch.arange(1, 9), self.b, preconditioner=lambda r: -r)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_not_finite(self, value):
        b = self.b.clone()
        b[3] = value
        with pytest.raises(ValueError, match="expected finite values, got NaN or infinity"):
            cg(lambda x: x, b)
        with pytest.raises(ValueError, match="expected finite values, got NaN or infinity"):
            cg(lambda x: x * value, self.b)

    @pytest.mark.parametrize(
        ("change", "error", "match"),
        [
            ({"A": 3}, TypeError, "A: expected a callable, got int"),
            ({"b": [1.0]}, TypeError, "b: expected a torch.Tensor, got list"),
            ({"b": torch.ones(8, dtype=torch.int64)}, TypeError, "b: expected a floating point or complex tensor"),
            ({"x0": torch.ones(7)}, ValueError, r"x0: expected shape \(8,\), got \(7,\)"),
            ({"x0": torch.ones(8)}, TypeError, "x0: expected dtype torch.complex128, got torch.float32"),
            ({"x0": 0}, TypeError, "x0: expected a torch.Tensor, got int"),
            ({"max_iter": -1}, ValueError, "max_iter: expected an integer >= 0, got -1"),
            ({"max_iter": 2.5}, TypeError, "max_iter: expected an integer >= 0, got 2.5"),
            ({"tol": float("nan")}, ValueError, "tol: expected a finite number >= 0, got nan"),
            ({"batch_ndim": 2}, ValueError, "batch_ndim: expected an integer from 0 to 1"),
            ({"damping": -1.0}, ValueError, "damping: expected a finite number >= 0"),
            ({"damping": torch.tensor(-1.0)}, ValueError, "damping: expected finite numbers >= 0, got -1"),
            ({"damping": torch.tensor(float("nan"))}, ValueError, "damping: expected finite numbers >= 0, got nan"),
            ({"damping": torch.ones(7)}, ValueError, "damping: expected a real tensor broadcastable"),
            ({"damping": torch.ones(3, 8)}, ValueError, "damping: expected a real tensor broadcastable"),
            ({"damping": torch.ones(8) * 1j}, ValueError, "damping: expected a real tensor"),
            ({"preconditioner": 1}, TypeError, "preconditioner: expected a callable"),
            (
                {"preconditioner": lambda r: r[:3]},
                ValueError,
                r"preconditioner\(r\): expected shape \(8,\), got \(3,\)",
            ),
            ({"A": lambda x: x[:5]}, ValueError, r"A\(x\): expected shape \(8,\), got \(5,\)"),
            ({"A": lambda x: x.real}, TypeError, r"A\(x\): expected dtype torch.complex128, got torch.float64"),
            ({"A": lambda x: None}, TypeError, r"A\(x\): expected a torch.Tensor, got NoneType"),
            ({"A": lambda x: x[:1], "damping": 1.0}, ValueError, r"A\(x\): expected shape"),
            ({"grad_order": 3}, ValueError, "grad_order: expected 1 or 2, got 3"),
            ({"check_every": 0}, ValueError, "check_every: expected an integer >= 1 or None, got 0"),
        ],
    )
    def test_arguments(self, change, error, match):
        arguments = {"A": lambda x: 2 * x, "b": self.b} | change
        with pytest.raises(error, match=match):
            cg(arguments.pop("A"), arguments.pop("b"), **arguments)


@pytest.mark.parametrize("n", [200, 2000])
def test_without_tolerance_the_host_never_waits_for_a_device(n):
    """Tensors without storage raise whenever the host asks for a value."""
    b, diagonal = torch.empty(3, n, dtype=torch.complex64, device="meta"), torch.empty(n, device="meta")
    diagonal.requires_grad_()

    def operator(x):
        return diagonal * x

    options = {"tol": 0, "max_iter": 3, "batch_ndim": 1, "damping": 0.1, "return_info": True, "x0": b}
    for solve in (
        lambda: cg(operator, b, preconditioner=operator, **options),
        lambda: cg(operator, b, implicit_grad=False, **options),
        lambda: lsqr(operator, operator, b, **options),
    ):
        x, info = solve()
        assert x.shape == b.shape and x.is_meta and info.residual_norms.shape == (4, 3)
        x.abs().sum().backward()
    with pytest.raises(RuntimeError, match=r"item\(\) cannot be called on meta tensors"):
        cg(operator, b, tol=1e-3)
