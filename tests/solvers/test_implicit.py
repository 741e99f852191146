"""Derivatives of solutions against those of dense solves, and the memory they take."""

import gc
import weakref

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from mriops.solvers import cg, lsqr

from .problems import matvec, vector

N = 4


def inputs(*shapes):
    """Double precision leaves; the first complex square root of a matrix, then right-hand sides."""
    return [vector(*shape, seed=i).requires_grad_() for i, shape in enumerate(shapes)]


def solve(root, b, damping, **options):
    matrix = root.mH @ root
    return cg(lambda x: matvec(matrix, x), b, damping=damping, tol=1e-15, max_iter=60, **options)


def dense(root, b, damping):
    return torch.linalg.solve(root.mH @ root + damping * torch.eye(N, dtype=root.dtype), b)


def damping():
    return torch.tensor(0.8, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("implicit", [True, False])
def test_gradients_agree_with_a_dense_solve(implicit):
    root, b = inputs((3, N, N), (3, N))
    mu = damping()
    weights = vector(3, N, seed=9)

    def loss(x):
        return ((weights * x).real.sin() + x.abs() ** 2).sum()

    got = torch.autograd.grad(loss(solve(root, b, mu, batch_ndim=1, implicit_grad=implicit)), (root, b, mu))
    expected = torch.autograd.grad(loss(dense(root, b, mu)), (root, b, mu))
    for a, e in zip(got, expected, strict=True):
        torch.testing.assert_close(a, e, rtol=1e-9, atol=1e-10)


def test_gradcheck_forward_and_backward():
    root, b = inputs((2, N, N), (2, N))

    def function(root, b, mu):
        return solve(root, b, mu, batch_ndim=1)

    assert gradcheck(function, (root, b, damping()), check_forward_ad=True)


def test_gradcheck_of_real_problems():
    root = vector(N, N, dtype=torch.float64).requires_grad_()
    b = vector(N, dtype=torch.float64, seed=2).requires_grad_()
    assert gradcheck(solve, (root, b, damping()), check_forward_ad=True)


def test_second_derivatives_with_two_newton_steps():
    root, b = inputs((2, 3, 3), (2, 3))

    def function(root, b, mu):
        return solve(root, b, mu, batch_ndim=1, grad_order=2)

    assert gradcheck(function, (root, b, damping()))
    assert gradgradcheck(function, (root, b, damping()))


def test_hessian_vector_product_agrees_with_a_dense_solve():
    root, b = inputs((N, N), (N,))
    mu, direction = damping(), vector(N, N, seed=7)

    def product(x):
        (gradient,) = torch.autograd.grad((x.abs() ** 2).sum(), root, create_graph=True)
        return torch.autograd.grad((gradient * direction).real.sum(), (root, b, mu))

    for a, e in zip(product(solve(root, b, mu, grad_order=2)), product(dense(root, b, mu)), strict=True):
        torch.testing.assert_close(a, e, rtol=1e-8, atol=1e-9)


def test_derivatives_by_b_alone_are_of_any_order():
    root, b = inputs((N, N), (N,))
    root = root.detach()
    assert gradgradcheck(lambda b: solve(root, b, 0.5), (b,))
    energy = (solve(root, b, 0.5).abs() ** 4).sum()
    reference = (dense(root, b, 0.5).abs() ** 4).sum()
    for _ in range(3):
        (energy,) = torch.autograd.grad(energy, b, create_graph=True)
        (reference,) = torch.autograd.grad(reference, b, create_graph=True)
        torch.testing.assert_close(energy, reference, rtol=1e-8, atol=1e-9)
        energy, reference = (energy.abs() ** 2).sum(), (reference.abs() ** 2).sum()


def test_orders_that_would_be_wrong_are_refused():
    root, b = inputs((N, N), (N,))
    x = solve(root, b, 0.5)
    (first,) = torch.autograd.grad((x.abs() ** 2).sum(), root, create_graph=True)
    with pytest.raises(ValueError, match=r"second derivatives.*expected grad_order=2"):
        torch.autograd.grad((first.abs() ** 2).sum(), root)
    x = solve(root, b, 0.5, grad_order=2)
    (first,) = torch.autograd.grad((x.abs() ** 2).sum(), root, create_graph=True)
    with pytest.raises(ValueError, match=r"third derivatives.*expected implicit_grad=False"):
        torch.autograd.grad((first.abs() ** 2).sum(), root, create_graph=True)


def test_closed_over_intermediate_results_get_their_gradient():
    """A tensor computed from a parameter, as sensitivity maps that a network estimates are."""
    parameter, b = inputs((N,), (N,))
    diagonal = torch.exp(parameter.real)  # not a leaf
    x = cg(lambda x: diagonal * x, b.detach(), tol=1e-15)
    (got,) = torch.autograd.grad((x * vector(N, seed=5)).real.sum(), parameter)
    reference = b.detach() / torch.exp(parameter.real)
    (expected,) = torch.autograd.grad((reference * vector(N, seed=5)).real.sum(), parameter)
    torch.testing.assert_close(got, expected)


def test_truncated_iterations_can_be_differentiated_as_they_are():
    root, b = inputs((3, 3), (3,))

    def function(root, b, mu):
        matrix = root.mH @ root
        precondition = 1 / (matrix.diagonal().real + mu)
        return cg(
            lambda x: matrix @ x,
            b,
            damping=mu,
            max_iter=2,
            tol=0,
            implicit_grad=False,
            preconditioner=lambda r: precondition * r,
        )

    assert gradcheck(function, (root, b, damping()), check_forward_ad=True)
    assert gradgradcheck(function, (root, b, damping()))


def test_items_with_zero_right_hand_side_have_finite_gradients():
    root, b = inputs((2, N, N), (2, N))
    with torch.no_grad():
        b[0] = 0
    for implicit in (True, False):
        x = solve(root, b, 0.5, batch_ndim=1, implicit_grad=implicit)
        gradients = torch.autograd.grad((x * vector(2, N, seed=5)).real.sum(), (root, b))
        assert all(torch.isfinite(g).all() for g in gradients)


def test_function_transforms():
    root, b = inputs((N, N), (N,))
    mu = damping().detach()
    primals, tangents = (root.detach(), b.detach(), mu), (vector(N, N, seed=3), vector(N, seed=4), torch.ones_like(mu))
    got, got_t = torch.func.jvp(solve, primals, tangents)
    expected, expected_t = torch.func.jvp(dense, primals, tangents)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(got_t, expected_t, rtol=1e-9, atol=1e-10)

    def gradient(function):
        return torch.func.grad(lambda *a: (function(*a).abs() ** 2).sum(), argnums=(0, 1, 2))(*primals)

    def pullback(function):
        return torch.func.vjp(function, *primals)[1](vector(N, seed=6))

    for transform in (gradient, pullback):
        for a, e in zip(transform(solve), transform(dense), strict=True):
            torch.testing.assert_close(a, e, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("transform", ["vmap", "jacrev", "jacfwd", "hessian"])
@pytest.mark.parametrize("solver", [cg, lsqr])
def test_mapping_says_what_to_do_instead(transform, solver):
    matrix = torch.eye(4, dtype=torch.float64) * 2
    operators = [lambda x: matrix @ x] * (1 + (solver is lsqr))
    b = vector(4, dtype=torch.float64)

    def solve(v):
        x = solver(*operators, v, grad_order=2)
        return x.square().sum() if transform == "hessian" else x

    with pytest.raises(
        NotImplementedError, match=r"expected batch axes \(batch_ndim\), got tensors that vmap maps over"
    ):
        getattr(torch.func, transform)(solve)(torch.stack([b, b]) if transform == "vmap" else b)
    jacobian = torch.func.jacrev(lambda v: solver(*operators, v), chunk_size=1)(b)
    torch.testing.assert_close(jacobian, torch.eye(4, dtype=torch.float64) / 2)


@pytest.mark.parametrize("solver", [cg, lsqr])
def test_mapping_over_the_damping_too(solver):
    operators, b = [lambda x: 2.0 * x] * (1 + (solver is lsqr)), vector(4, dtype=torch.float64)
    with pytest.raises(NotImplementedError, match=r"torch\.func\.vmap of a solver"):
        torch.func.hessian(lambda d: solver(*operators, b, damping=d).square().sum())(torch.tensor(0.1))


def test_mapping_over_what_an_operator_closes_over_too():
    scales, b = torch.tensor([1.0, 2.0]), torch.ones(3)
    with pytest.raises(NotImplementedError, match=r"torch\.func\.vmap of a solver"):
        torch.func.vmap(lambda scale: cg(lambda x: scale * x, b))(scales)
    with pytest.raises(NotImplementedError, match=r"torch\.func\.vmap of a solver"):
        torch.func.vmap(lambda scale: lsqr(lambda x: scale * x, lambda y: scale * y, b))(scales)
    # What is not mapped over stays as it is.
    found = torch.func.vmap(lambda scale: scale * cg(lambda x: 2 * x, b))(scales)
    torch.testing.assert_close(found, scales[:, None] * b / 2)


def test_nothing_is_recorded_when_nothing_requires_gradients():
    calls = []

    def operator(x):
        calls.append(x.requires_grad)
        return 3 * x

    b = vector(5)
    assert not cg(operator, b, tol=1e-10).requires_grad and len(calls) == 1
    cg(operator, b.requires_grad_(), tol=1e-10)
    assert len(calls) == 2, "an operator without parameters was recorded"
    with torch.no_grad():
        assert not cg(operator, b).requires_grad


class Saved:
    """What autograd keeps instead of a tensor; lives as long as the graph does."""

    def __init__(self, tensor):
        self.tensor = tensor


def saved_bytes(function):
    """Bytes of the distinct tensors that the graph of the result keeps alive."""
    alive = weakref.WeakSet()

    def pack(tensor):
        saved = Saved(tensor)
        alive.add(saved)
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved.tensor):
        result = function()
    assert result.requires_grad
    gc.collect()
    return sum({saved.tensor.data_ptr(): saved.tensor.nbytes for saved in alive}.values())


def test_memory_does_not_grow_with_the_iterations():
    b = vector(1000).requires_grad_()
    diagonal = torch.logspace(0, 3, 1000, dtype=torch.float64, requires_grad=True)

    def kept(max_iter, implicit):
        return saved_bytes(lambda: cg(lambda x: diagonal * x, b, tol=0, max_iter=max_iter, implicit_grad=implicit))

    assert kept(40, True) == kept(4, True) <= 4 * b.nbytes
    assert kept(40, False) > 5 * kept(4, False)


class TestLsqr:
    @staticmethod
    def solve(matrix, b, mu, **options):
        return lsqr(
            lambda x: matvec(matrix, x),
            lambda y: matvec(matrix.mH, y),
            b,
            damping=mu,
            tol=1e-14,
            max_iter=80,
            **options,
        )

    def test_gradcheck(self):
        matrix, b = inputs((2, 5, 3), (2, 5))
        mu = torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True)

        def function(matrix, b, mu):
            return self.solve(matrix, b, mu, batch_ndim=1)

        assert gradcheck(function, (matrix, b, mu), check_forward_ad=True)
        assert gradgradcheck(lambda *a: self.solve(*a, batch_ndim=1, grad_order=2), (matrix, b, mu))

    def test_unrolled(self):
        matrix, b = inputs((5, 3), (5,))

        def function(matrix, b, mu):
            return lsqr(
                lambda x: matrix @ x, lambda y: matrix.mH @ y, b, damping=mu, tol=0, max_iter=2, implicit_grad=False
            )

        assert gradcheck(function, (matrix, b, damping()), check_forward_ad=True)

    def test_by_b_alone_and_with_a_start(self):
        matrix, b = inputs((5, 3), (5,))
        matrix = matrix.detach()
        assert gradgradcheck(lambda b: self.solve(matrix, b, 0.5), (b,))
        assert gradcheck(lambda b: self.solve(matrix, b, 0.5, x0=vector(3, seed=8)), (b,))
