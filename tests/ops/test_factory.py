"""What a declaration may be: several outputs, ops that are not linear, ops composed of others, index arguments."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from mriops._native.plan import Facts, NativeOp, Output, Plan
from mriops.ops import _factory
from mriops.ops._declaration import OpDeclaration
from mriops.ops._factory import define_op


def elementwise(n_outputs: int) -> Callable[..., Plan]:
    """Shape rule of a function of broadcasting arrays."""

    def rule(*arguments: Any) -> Plan:
        facts = [a for a in arguments if isinstance(a, Facts)]
        shape = torch.broadcast_shapes(*(f.shape for f in facts))
        return Plan((Output(tuple(shape), facts[0].dtype),) * n_outputs, (), (None,) * len(facts))

    return rule


SCALAR = {"core_rank": {"a": lambda *p: 0, "b": lambda *p: 0}}


def polar(a: torch.Tensor, b: torch.Tensor, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    return scale * a * torch.cos(b), scale * a * torch.sin(b)


def define_polar() -> Callable[..., Any]:
    """Two real outputs, not linear in ``b``: gradients and tangents are given, gradients share work."""

    def backward(needs: tuple, grads: tuple, a: torch.Tensor, b: torch.Tensor, scale: float) -> tuple:
        x, y = op(torch.ones_like(a), b, scale)
        radial = grads[0] * x + grads[1] * y
        return radial if needs[0] else None, a * (grads[1] * x - grads[0] * y) if needs[1] else None

    def jvp(tangents: tuple, a: torch.Tensor, b: torch.Tensor, scale: float) -> tuple:
        d_a, d_b = (torch.zeros_like(p) if t is None else t for t, p in zip(tangents, (a, b)))
        x, y = op(torch.ones_like(a), b, scale)
        return d_a * x - a * d_b * y, d_a * y + a * d_b * x

    op = define_op(
        OpDeclaration(
            native=NativeOp("test_polar", {"a": "real", "b": "real"}, elementwise(2)),
            schema="(Tensor a, Tensor b, float scale) -> (Tensor, Tensor)",
            **SCALAR,
            backward=backward,
            jvp=jvp,
            kernel=polar,
        )
    )
    return op


def define_exp() -> Callable[..., Any]:
    """One output that its own derivative is made of, and an index argument without gradient."""
    op = define_op(
        OpDeclaration(
            native=NativeOp("test_exp", {"a": "real", "b": "index"}, elementwise(1), ("b",)),
            schema="(Tensor a, Tensor? b) -> Tensor",
            **SCALAR,
            adjoint={"a": lambda grad, a, b, outputs: grad * outputs},
            jvp=lambda tangents, a, b, outputs: tangents[0] * outputs,
            kernel=lambda a, b: torch.exp(a if b is None else a + b),
            saves_outputs=True,
        )
    )
    return op


@pytest.fixture(scope="module")
def defined() -> Iterator[dict[str, Callable[..., Any]]]:
    yield {"polar": define_polar(), "exp": define_exp()}
    for name in ("test_polar", "test_exp"):  # the conformance test asks for rows of what the library declares
        del _factory.DECLARED[name]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_several_outputs(defined: dict) -> None:
    a, b = normal(3, 1), normal(4, seed=1)
    result = defined["polar"](a, b, 0.5)
    assert isinstance(result, tuple)
    for value, expected in zip(result, polar(a, b, 0.5)):
        assert torch.equal(value, expected)


def test_several_outputs_in_all_kinds_of_derivative(defined: dict) -> None:
    op = defined["polar"]
    a, b = normal(3, 1).requires_grad_(), normal(4, seed=1).requires_grad_()
    torch.autograd.gradcheck(lambda a, b: op(a, b, 0.5), (a, b), check_forward_ad=True)
    torch.autograd.gradgradcheck(lambda a, b: op(a, b, 0.5), (a, b))
    # Only one of the outputs is used.
    (alone,) = torch.autograd.grad(op(a, b, 0.5)[1].sum(), b)
    torch.testing.assert_close(alone, torch.autograd.grad(polar(a, b, 0.5)[1].sum(), b)[0])
    v = normal(5, 3, 1, seed=2)
    for value, expected in zip(
        torch.func.vmap(lambda a: op(a, b, 0.5))(v), torch.func.vmap(lambda a: polar(a, b, 0.5))(v)
    ):
        torch.testing.assert_close(value, expected)
    a, b = a.detach(), b.detach()
    for value, expected in zip(
        torch.func.jvp(lambda b: op(a, b, 0.5), (b,), (b,))[1],
        torch.func.jvp(lambda b: polar(a, b, 0.5), (b,), (b,))[1],
    ):
        torch.testing.assert_close(value, expected)
    hessian = torch.func.hessian(lambda b: op(a, b, 0.5)[0].square().sum())(b)
    torch.testing.assert_close(hessian, torch.func.hessian(lambda b: polar(a, b, 0.5)[0].square().sum())(b))


def test_several_outputs_compiled_and_checked(defined: dict) -> None:
    op = defined["polar"]
    a, b = normal(3).requires_grad_(), normal(3, seed=1).requires_grad_()
    torch._dynamo.reset()
    compiled = torch.compile(lambda a, b: op(a, b, 0.5)[1] * 2, fullgraph=True, backend="aot_eager")
    got = torch.autograd.grad(compiled(a, b).sum(), (a, b))
    for value, expected in zip(got, torch.autograd.grad(2 * polar(a, b, 0.5)[1].sum(), (a, b))):
        torch.testing.assert_close(value, expected)
    torch.library.opcheck(torch.ops.mriops.test_polar.default, (a, b, 0.5))


def test_rules_may_use_outputs(defined: dict) -> None:
    op = defined["exp"]
    a = normal(4).requires_grad_()
    torch.autograd.gradcheck(lambda a: op(a, None), (a,), check_forward_ad=True)
    torch.autograd.gradgradcheck(lambda a: op(a, None), (a,))
    index = torch.tensor([0, 1, 2, 3])
    torch.testing.assert_close(op(a, index), torch.exp(a + index))
    torch.testing.assert_close(torch.func.grad(lambda a: op(a, index).sum())(a.detach()), torch.exp(a + index).detach())
    torch.library.opcheck(torch.ops.mriops.test_exp.default, (a, index))


def test_index_arguments_must_be_integers(defined: dict) -> None:
    with pytest.raises(TypeError, match="b: expected int32 or int64, got float64"):
        defined["exp"](normal(4), normal(4))


def declaration(**changed: Any) -> OpDeclaration:
    given: dict[str, Any] = {
        "native": NativeOp("test_wrong", {"a": "real", "b": "real"}, elementwise(1)),
        "schema": "(Tensor a, Tensor b) -> Tensor",
        **SCALAR,
        "adjoint": {"a": lambda grad, a, b: grad},
        "multilinear": True,
        "kernel": torch.mul,
    }
    return OpDeclaration(**{**given, **changed})


def test_declarations_that_contradict_themselves() -> None:
    with pytest.raises(ValueError, match="expected multilinear=True or a jvp, got neither"):
        declaration(multilinear=False)
    with pytest.raises(ValueError, match=r"adjoint: expected names among \('a', 'b'\), got 'c'"):
        declaration(adjoint={"c": lambda grad, a, b: grad})
    with pytest.raises(ValueError, match="schema: expected b to be optional exactly where native says so"):
        declaration(schema="(Tensor a, Tensor? b) -> Tensor")
    with pytest.raises(ValueError, match="schema: expected it to begin with the tensors"):
        define_op(declaration(schema="(Tensor b, Tensor a) -> Tensor"))


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="name: expected a new op, got 'sense', which exists"):
        define_op(_factory.DECLARED["sense"])
