"""What operators work out once is worked out again where it has to be, and not spoilt by where that first happened."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.autograd import forward_ad
from torch.func import functional_call

from mriops import ops, solvers
from mriops.operators import LinearOperator, NufftOp, SenseOp, StackOfPlanesOp, SubspaceNufftOp
from mriops.testing import relative_error

C128, F64 = torch.complex128, torch.float64
IM = (6, 8)
CLOSE = 1e-7  # two transforms at eps = 1e-9, on few pixels


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=C128, generator=torch.Generator().manual_seed(seed))


def points(*shape: int) -> torch.Tensor:
    uniform = torch.rand((*shape, 2), dtype=F64, generator=torch.Generator().manual_seed(1))
    return (uniform - 0.5) * torch.tensor(IM)


def weights(*shape: int) -> torch.Tensor:
    return torch.rand(shape, dtype=F64, generator=torch.Generator().manual_seed(2)) + 0.5


def nufft(gram: str = "auto", **change: Any) -> NufftOp:
    given = {"trajectory": points(3, 7), "dcf": weights(3, 7), "eps": 1e-9, **change}
    return NufftOp(given.pop("trajectory"), IM, **given, gram=gram)


def sense(gram: str = "auto", **change: Any) -> SenseOp:
    given = {"trajectory": points(3, 7), "dcf": weights(3, 7), "eps": 1e-9, **change}
    return SenseOp(random(2, *IM), **given, gram=gram)


def planes(gram: str = "auto", **change: Any) -> StackOfPlanesOp:
    given = {"trajectory": points(3, 7), "dcf": weights(3, 7), "eps": 1e-9, **change}
    return StackOfPlanesOp(random(2, 3, *IM), **given, gram=gram)


def subspace(gram: str = "auto", **change: Any) -> SubspaceNufftOp:
    given = {
        "trajectory": points(4, 3, 7),
        "basis": random(4, 2, seed=3),
        "dcf": weights(4, 3, 7),
        "eps": 1e-9,
        **change,
    }
    return SubspaceNufftOp(random(2, *IM), **given, gram=gram)


OPERATORS = [nufft, sense, planes, subspace]


def image_of(op: LinearOperator) -> torch.Tensor:
    assert op.domain_shape is not None
    return random(*op.domain_shape, seed=5)


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[int]:
    """An entry for each call of an op."""
    calls: list[int] = []
    real = getattr(ops, name)
    monkeypatch.setattr(ops, name, lambda *a, **k: calls.append(1) or real(*a, **k))
    return calls


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An entry for each point-spread function worked out."""
    return counted(monkeypatch, "toeplitz_kernel")


@pytest.fixture
def sorts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An entry for each trajectory sorted by an operator."""
    return counted(monkeypatch, "nufft_plan")


# --- where the first call is -----------------------------------------------------------------------------------------


def energy(op: LinearOperator) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: op.gram(x).abs().square().sum()


def in_dual_level(op: LinearOperator, x: torch.Tensor) -> None:
    with forward_ad.dual_level():
        op.gram(forward_ad.make_dual(x, x))


def in_inference_mode(op: LinearOperator, x: torch.Tensor) -> None:
    with torch.inference_mode():
        op.gram(x)


FIRST: dict[str, Callable[[LinearOperator, torch.Tensor], object]] = {
    "vjp": lambda op, x: torch.func.vjp(op.gram, x),
    "grad": lambda op, x: torch.func.grad(energy(op))(x),
    "jvp": lambda op, x: torch.func.jvp(op.gram, (x,), (x,)),
    "vmap": lambda op, x: torch.vmap(op.gram)(torch.stack([x, x])),
    "grad of vmap": lambda op, x: torch.func.grad(
        lambda y: torch.vmap(op.gram)(torch.stack([y, y])).abs().square().sum()
    )(x),
    "jvp of grad": lambda op, x: torch.func.jvp(torch.func.grad(energy(op)), (x,), (x,)),
    "dual level": in_dual_level,
    "inference mode": in_inference_mode,
    "cg in grad": lambda op, x: torch.func.grad(
        lambda y: solvers.cg(op.gram, y, max_iter=2, damping=1.0).abs().square().sum()
    )(x),
}


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("make", OPERATORS)
def test_calls_after_a_first_one_in_a_transform(
    make: Callable[..., LinearOperator], first: str, kernels: list[int]
) -> None:
    op = make(dcf=None, eps=1e-5).to(torch.float32)  # what is converted inside, a transform marks
    x = image_of(op).to(torch.complex64)
    FIRST[first](op, x)
    made = len(kernels)
    assert made == (2 if make is subspace else 1)  # one for each row of pairs of coefficients
    plain = op.gram(x)
    y = x.clone().requires_grad_()
    found = op.gram(y)
    (gradient,) = torch.autograd.grad(found.abs().square().sum(), y)
    assert len(kernels) == made
    expected = op.H(op(x))
    assert relative_error(plain, expected) < 1e-3
    assert relative_error(found, expected) < 1e-3
    assert relative_error(gradient, 2 * op.H(op(expected))) < 1e-3


def test_what_was_compiled_first_is_kept() -> None:
    op = nufft()
    x = image_of(op)
    compiled = torch.compile(op.gram, fullgraph=True, backend="aot_eager")
    compiled(x)
    assert op.spectrum is not None
    op.dcf = weights(3, 7) * 2
    assert relative_error(compiled(x), op.H(op(x))) < CLOSE
    assert relative_error(op.gram(x), op.H(op(x))) < CLOSE


# --- tensors that are replaced or written to -------------------------------------------------------------------------

REPLACED = [
    (nufft, "trajectory"),
    (nufft, "dcf"),
    (sense, "sampling.trajectory"),
    (sense, "sampling.dcf"),
    (planes, "sampling.dcf"),
    (subspace, "sampling.trajectory"),
    (subspace, "sampling.dcf"),
    (subspace, "basis"),
]


def made_with(make: Callable[..., LinearOperator], name: str, tensor: torch.Tensor) -> torch.Tensor:
    """``A^H A x`` of an operator that is made with another tensor."""
    argument = name.rpartition(".")[2]
    if make is subspace and argument != "basis":
        tensor = tensor.unflatten(0, (4, 3, 7))
    op = make("nufft", **{argument: tensor})
    return op.H(op(image_of(op)))


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize(("make", "name"), REPLACED)
def test_a_tensor_replaced_for_one_call(make: Callable[..., LinearOperator], name: str, called: bool) -> None:
    op = make()
    x, own = image_of(op), op.get_buffer(name)
    other, expected = own * 0.5, op.H(op(x))
    if called:
        op.gram(x)
    changed = made_with(make, name, other)
    assert relative_error(changed, expected) > 0.1
    for _ in range(2):
        assert relative_error(functional_call(op.gram, {f"op.{name}": other}, (x,)), changed) < CLOSE
        held = {**{f"op.{n}": b for n, b in op.named_buffers()}, f"op.{name}": other}
        assert relative_error(functional_call(op.gram, held, (x,)), changed) < CLOSE
    assert relative_error(op.gram(x), expected) < CLOSE
    assert relative_error(op.H(op(x)), expected) < CLOSE


@pytest.mark.parametrize("gram", ["auto", "toeplitz"])
@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize(("make", "name"), [(nufft, "dcf"), (subspace, "sampling.dcf"), (subspace, "basis")])
def test_derivatives_by_a_tensor_of_one_call(
    make: Callable[..., LinearOperator], name: str, called: bool, gram: str
) -> None:
    op = make(gram)
    x, own = image_of(op), op.get_buffer(name)
    expected = op.H(op(x))
    if called:
        op.gram(x)
    order = 2 if name == "basis" else 1  # gram is linear in weights, of second order in the basis

    def value(tensor: torch.Tensor) -> torch.Tensor:
        return functional_call(op.gram, {f"op.{name}": tensor}, (x,))

    assert relative_error(torch.func.jvp(value, (own,), (own,))[1], order * expected) < CLOSE
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(value(forward_ad.make_dual(own, own))).tangent
    assert tangent is not None and relative_error(tangent, order * expected) < CLOSE
    assert relative_error(torch.vmap(value)(torch.stack([own, 2 * own]))[1], 2**order * expected) < CLOSE
    gradient = torch.func.grad(lambda t: torch.vdot(x.flatten(), value(t).flatten()).real)(own)
    slope = torch.vdot(gradient.flatten(), own.flatten()).real
    assert abs(slope - order * torch.vdot(x.flatten(), expected.flatten()).real) < CLOSE * abs(slope)
    assert relative_error(op.gram(x), expected) < CLOSE


@pytest.mark.parametrize("how", ["assigned", "written"])
@pytest.mark.parametrize(("make", "name"), REPLACED)
def test_a_tensor_replaced_for_good(
    make: Callable[..., LinearOperator], name: str, how: str, kernels: list[int], sorts: list[int]
) -> None:
    op = make()
    x, other = image_of(op), op.get_buffer(name) * 0.5
    expected = made_with(make, name, other)
    op.gram(x)
    if how == "assigned":
        owner, _, last = name.rpartition(".")
        setattr(op.get_submodule(owner), last, other)
    else:
        op.get_buffer(name).copy_(other)
    assert relative_error(op.H(op(x)), expected) < CLOSE
    assert relative_error(op.gram(x), expected) < CLOSE
    kernels.clear(), sorts.clear()
    op.gram(x), op.H(op(x))
    assert not kernels and not sorts


def test_weights_of_which_gradients_are_wanted_later() -> None:
    op = nufft("toeplitz")
    x = image_of(op)
    expected = op.gram(x)
    dcf = op.get_buffer("dcf").requires_grad_()
    (gradient,) = torch.autograd.grad(torch.vdot(x.flatten(), op.gram(x).flatten()).real, dcf)
    slope = torch.vdot(x.flatten(), expected.flatten()).real
    assert abs((gradient * dcf).sum() - slope) < CLOSE * slope


# --- copies ----------------------------------------------------------------------------------------------------------

COPIES: dict[str, Callable[[LinearOperator], LinearOperator]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda op: pickle.loads(pickle.dumps(op)),
    "to": lambda op: op.to("cpu"),
    "moved": lambda op: op._apply(torch.clone),
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("make", [nufft, subspace])
def test_copies_keep_what_is_known(
    make: Callable[..., LinearOperator], how: str, kernels: list[int], sorts: list[int]
) -> None:
    op = make()
    x = image_of(op)
    expected = op.gram(x)
    kernels.clear(), sorts.clear()
    other = COPIES[how](op)
    assert torch.equal(other.gram(x), expected)
    other(x)
    assert not kernels and not sorts


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize(("make", "name"), [(nufft, "dcf"), (nufft, "trajectory"), (subspace, "basis")])
def test_copies_of_what_no_longer_holds(make: Callable[..., LinearOperator], name: str, how: str) -> None:
    op = make()
    x, other = image_of(op), op.get_buffer(name) * 0.5
    expected = made_with(make, name, other)
    op.gram(x)
    op.get_buffer(name).copy_(other)
    copied = COPIES[how](op)
    assert relative_error(copied.gram(x), expected) < CLOSE
    assert relative_error(copied.H(copied(x)), expected) < CLOSE


def test_a_copy_that_is_written_to_as_often_as_its_original_was() -> None:
    op = nufft()
    x, dcf = image_of(op), op.get_buffer("dcf")
    dcf.mul_(2)
    op.gram(x)
    other = copy.deepcopy(op)
    other.get_buffer("dcf").mul_(3)
    assert relative_error(other.gram(x), other.H(other(x))) < CLOSE


# --- operators made in a transform -----------------------------------------------------------------------------------


@pytest.mark.parametrize("gram", ["auto", "toeplitz"])
@pytest.mark.parametrize("stacked", ["trajectory", "basis", "dcf"])
def test_subspace_operators_made_under_vmap(stacked: str, gram: str) -> None:
    csm, x = random(2, *IM), random(2, *IM, seed=5)
    given = {"trajectory": points(4, 3, 7), "basis": random(4, 2, seed=3), "dcf": weights(4, 3, 7)}

    def apply(tensor: torch.Tensor) -> torch.Tensor:
        return SubspaceNufftOp(csm, **{**given, stacked: tensor}, gram=gram, eps=1e-9).gram(x)

    several = torch.stack([given[stacked], 0.5 * given[stacked]])
    for one, tensor in zip(torch.vmap(apply)(several), several, strict=True):
        assert relative_error(one, apply(tensor)) < CLOSE
