"""Sums, multiples, products and adjoints of operators against dense matrices."""

import copy
import gc
import io
import pickle
import weakref

import pytest
import torch

from mriops.operators import (
    CoilOp,
    ComposedOp,
    DiagonalOp,
    FourierOp,
    FunctionOp,
    GramOp,
    IdentityOp,
    LinearOperator,
    SenseOp,
    StackOp,
)
from mriops.testing import check_linear_operator


class MatrixOp(LinearOperator):
    """``y = M x`` along the last axis."""

    def __init__(self, matrix):
        super().__init__()
        self.keep("matrix", matrix)
        self.range_shape, self.domain_shape = ((n,) for n in matrix.shape)

    def forward(self, x):
        return (self.matrix @ x[..., None])[..., 0]

    def adjoint(self, y):
        return (self.matrix.mH @ y[..., None])[..., 0]


def random(*shape, seed=0, dtype=torch.complex128):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


M, N, SQUARE = random(5, 4), random(5, 4, seed=1), random(4, 4, seed=2)
A, B, S = MatrixOp(M), MatrixOp(N), MatrixOp(SQUARE)
EXPRESSIONS = {
    "A": (A, M),
    "H": (A.H, M.mH),
    "gram": (A.gram, M.mH @ M),
    "gram of H": (A.H.gram, M @ M.mH),
    "gram of gram": (A.gram.gram, M.mH @ M @ M.mH @ M),
    "H @ A": (A.H @ A, M.mH @ M),
    "product": (A @ S, M @ SQUARE),
    "H of product": ((A @ S).H, (M @ SQUARE).mH),
    "three factors": (A.H @ B @ S, M.mH @ N @ SQUARE),
    "weighted gram": (A.H @ DiagonalOp(torch.arange(5.0)) @ A, M.mH @ torch.arange(5.0).to(M).diag() @ M),
    "sum": (A + B, M + N),
    "difference": (A - B, M - N),
    "negative": (-A, -M),
    "multiple": (2.5 * A, 2.5 * M),
    "complex multiple": (A * (1 + 2j), (1 + 2j) * M),
    "tensor multiple": (torch.tensor(1 - 3j) * A, (1 - 3j) * M),
    "quotient": (A / 4, M / 4),
    "builtin sum": (sum([A, B, A]), M + N + M),
    "regularised": (A.gram + 0.5 * IdentityOp(), M.mH @ M + 0.5 * torch.eye(4)),
    "mixture": (((1j * A - B) @ S).H / 2, ((1j * M - N) @ SQUARE).mH / 2),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_agree_with_matrices(name):
    op, matrix = EXPRESSIONS[name]
    assert matrix.shape == (op.range_shape[0], op.domain_shape[0]) if op.range_shape else op.domain_shape
    x, y = random(3, matrix.shape[1], seed=5), random(3, matrix.shape[0], seed=6)
    torch.testing.assert_close(op(x), x @ matrix.mT)
    torch.testing.assert_close(op.H(y), y @ matrix.conj())
    torch.testing.assert_close(op.gram(x), x @ (matrix.mH @ matrix).mT)
    check_linear_operator(op, domain_shape=(matrix.shape[1],), dtype=torch.complex128)


def test_identities():
    product = A @ S
    assert A.H.H is A and product.H.H is product
    adjoint, gram = A.H, A.gram
    assert A.H is adjoint and A.gram is gram and gram.H is gram
    assert isinstance(A.H @ A, GramOp) and isinstance(B.H @ A, ComposedOp)
    identity = IdentityOp((4,))
    assert identity.H is identity


class Counting(MatrixOp):
    calls = 0

    def normal(self, x):
        Counting.calls += 1
        return super().normal(x)


def test_gram_of_products_and_sums_uses_the_short_way_of_their_parts():
    fused = Counting(M)
    for op in (fused.gram, fused.H @ fused, (fused @ S).gram, (3 * fused).gram, StackOp([fused, fused]).gram):
        Counting.calls = 0
        op(random(4))
        assert Counting.calls == (2 if isinstance(op.op, StackOp) else 1)


def test_derived_operators_do_not_keep_their_parent_alive():
    op = MatrixOp(M)
    adjoint, gram = op.H, op.gram
    reference = weakref.ref(op)
    gc.disable()
    try:
        del op, adjoint, gram
        assert reference() is None
    finally:
        gc.enable()


def test_modules_know_parameters_of_their_parts():
    weight, scale = torch.nn.Parameter(torch.ones(5)), torch.nn.Parameter(torch.tensor(2.0))
    op = scale * (DiagonalOp(weight) @ A)
    assert {id(p) for p in op.parameters()} == {id(weight), id(scale)}
    assert "scalar" in op.state_dict() and "op.outer.weights" in op.state_dict()
    op(random(4)).abs().sum().backward()
    assert weight.grad is not None and scale.grad is not None
    op.gram(random(4)).abs().sum().backward()
    assert list(op.H.parameters()) and list(op.gram.parameters())


def test_state_dict_round_trip():
    first, second = 2 * MatrixOp(M.clone()) + MatrixOp(N.clone()), 2 * MatrixOp(N.clone()) + MatrixOp(M.clone())
    second.load_state_dict(first.state_dict())
    x = random(4)
    assert torch.equal(first(x), second(x))
    first.H.load_state_dict(first.H.state_dict())


@pytest.mark.parametrize("through", ["pickle", "torch.save", "deepcopy"])
def test_copies_compute_the_same_and_are_whole(through):
    op = (1 + 1j) * (A @ S) + B
    held = op.H, op.gram
    if through == "pickle":
        twin = pickle.loads(pickle.dumps(op))
    elif through == "torch.save":
        file = io.BytesIO()
        torch.save(op, file)
        file.seek(0)
        twin = torch.load(file, weights_only=False)
    else:
        twin = copy.deepcopy(op)
    x = random(4)
    assert torch.equal(twin(x), op(x)) and torch.equal(twin.gram(x), op.gram(x))
    assert twin.H is not held[0] and twin.H.H is twin


@pytest.mark.parametrize(
    ("move", "real", "cplx"),
    [
        (lambda op: op.to(torch.complex128), torch.float64, torch.complex128),
        (lambda op: op.to(torch.float64), torch.float64, torch.complex128),
        (lambda op: op.double(), torch.float64, torch.complex128),
        (lambda op: op.double().float(), torch.float32, torch.complex64),
        (lambda op: op.to("cpu"), torch.float32, torch.complex64),
    ],
)
@pytest.mark.filterwarnings("ignore:Complex modules:UserWarning")
def test_moving_keeps_real_real_complex_complex_and_bool_bool(move, real, cplx):
    csm = random(3, 4, 6, dtype=torch.complex64)
    mask = torch.tensor([True, False, True, True])[:, None]
    weights = torch.arange(24.0).view(4, 6)
    op = DiagonalOp(weights) @ SenseOp(csm, mask) + DiagonalOp(torch.nn.Parameter(weights)) @ SenseOp(csm.mH.mH)
    moved = move(op)
    kinds = {name: t.dtype for name, t in moved.state_dict().items()}
    assert {k.split(".")[-1]: v for k, v in kinds.items()} == {"csm": cplx, "mask": torch.bool, "weights": real}
    expected = SenseOp(csm.to(cplx), mask)
    x = random(4, 6, dtype=cplx)
    torch.testing.assert_close(moved.left.inner(x), expected(x))
    assert isinstance(moved.right.outer.weights, torch.nn.Parameter)


def test_check_adjoint_accepts_right_and_names_wrong():
    A.check_adjoint()
    (A @ S + B).check_adjoint()
    FunctionOp(lambda x: x.roll(1), lambda y: y.roll(-1)).check_adjoint((7,), (7,), dtype=torch.float64)
    with pytest.raises(ValueError, match=r"adjoint: expected <A x, y> = <x, A\^H y>, got .* and .*, a difference of"):
        FunctionOp(lambda x: 2j * x, lambda y: 2j * y).check_adjoint((7,))
    with pytest.raises(ValueError, match=r"adjoint: expected shape \(7,\) of the domain, got \(3,\)"):
        FunctionOp(lambda x: x, lambda y: y[:3]).check_adjoint((7,))
    with pytest.raises(ValueError, match="adjoint: expected"):
        FunctionOp(lambda x: x, lambda y: y * float("nan")).check_adjoint((7,))
    with pytest.raises(ValueError, match="domain_shape: expected a shape"):
        IdentityOp().check_adjoint()
    with pytest.raises(ValueError, match=r"range_shape: expected \(5,\), the shape of A\(x\), got \(4,\)"):
        A.check_adjoint(range_shape=(4,))


def test_shapes_of_products_with_batch_axes():
    csm = random(3, 4, 6)
    product = FourierOp((4, 6)) @ CoilOp(csm)
    assert product.domain_shape == (4, 6) and product.range_shape == (3, 4, 6)
    assert product.H.domain_shape == (3, 4, 6) and product.gram.range_shape == (4, 6)
    behind = CoilOp(csm.expand(2, 3, 4, 6), maps=True) @ FourierOp((4, 6))
    assert behind.domain_shape == (2, 4, 6) and behind.range_shape == (3, 4, 6)
    assert (FourierOp() @ CoilOp(csm)).domain_shape == (4, 6)
    assert "(*, 4, 6) -> (*, 3, 4, 6)" in repr(product)


CSM = random(4, 4, 6)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (SenseOp(CSM), DiagonalOp(torch.rand(4, 6))),  # the other has no coils
        (SenseOp(CSM), DiagonalOp(torch.rand(4, 4, 6))),  # its image has the shape of k-space
        (SenseOp(CSM), SenseOp(CSM[:1])),
        (SenseOp(CSM), CoilOp(CSM[:1])),
        (SenseOp(CSM[:1]), SenseOp(CSM.expand(2, 4, 4, 6))),
        (SenseOp(CSM), SenseOp(random(2, 4, 4, 6), maps=True)),
        (SenseOp(CSM.expand(2, 4, 4, 6)), SenseOp(CSM.expand(3, 4, 4, 6))),
        (MatrixOp(M), MatrixOp(M[:1])),
        (MatrixOp(random(3, 4)), FunctionOp(abs, abs, domain_shape=(6, 3, 4), range_shape=(6, 4, 3))),
    ],
)
def test_sums_of_what_differs_are_refused(left, right):
    for a, b in ((left, right), (right, left)):
        with pytest.raises(ValueError, match=r"A \+ B: expected operators with the same domain and range, got \(\*, "):
            a + b


def test_sums_of_what_turns_out_to_differ_are_refused():
    x, y = random(4, 6), random(4, 4, 6)
    for op in (SenseOp(CSM) + IdentityOp(), IdentityOp() + SenseOp(CSM)):
        for call in (lambda op=op: op(x), lambda op=op: op.gram(x), lambda op=op: op.H(y)):
            with pytest.raises(ValueError, match=r"A \+ B: expected results of one shape, got \(4, .* and \(4, "):
                call()


@pytest.mark.parametrize("batches", [((), (2,)), ((2,), ()), ((1, 3), (2, 1)), ((2, 3), (3,))])
def test_batches_of_a_sum_broadcast(batches):
    left, right = (SenseOp(random(*batch, 5, 4, 6, seed=i)) for i, batch in enumerate(batches))
    op, batch = left + right, torch.broadcast_shapes(*batches)
    assert op.domain_shape == (*batch, 4, 6) and op.range_shape == (*batch, 5, 4, 6)
    op.check_adjoint()
    (op.gram + DiagonalOp(torch.rand(4, 6)) + IdentityOp((4, 6))).check_adjoint()


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda: A @ B, ValueError, r"A @ B: expected the range of B to fit the domain of A.*\(4,\), got \(5,\)"),
        (lambda: A + S, ValueError, r"A \+ B: expected .* same domain and range, got \(\*, 4\) -> \(\*, 5\) \(Matrix"),
        (lambda: torch.ones(3) * A, ValueError, r"scalar: expected a number or a tensor with one element"),
        (lambda: A @ 3, TypeError, "unsupported operand"),
        (lambda: A + 3, TypeError, "unsupported operand"),
        (lambda: 3 + A, TypeError, "unsupported operand"),
        (lambda: A - 3, TypeError, "unsupported operand"),
        (lambda: "a" * A, TypeError, "multiply|unsupported operand"),
        (lambda: LinearOperator().adjoint(M), TypeError, r"LinearOperator: expected a method adjoint\(y\)"),
        (lambda: StackOp([]), ValueError, "operators: expected at least one, got none"),
        (lambda: StackOp([A, 3]), TypeError, "operators: expected LinearOperators, got int"),
        (
            lambda: StackOp([A, S])(random(4)),
            ValueError,
            "operators: expected the same domain and range",
        ),
        (
            lambda: StackOp([A, B]).adjoint(random(3, 5)),
            ValueError,
            r"y: expected axis 0 to have one entry per operator",
        ),
        (lambda: FunctionOp(3, abs), TypeError, "forward: expected a callable, got int"),
        (lambda: FunctionOp(abs, abs, 3), TypeError, "normal: expected a callable, got int"),
    ],
)
def test_failures(build, error, match):
    with pytest.raises(error, match=match):
        build()
