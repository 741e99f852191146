"""NufftOp and SenseOp along trajectories: contract, weights, shots, frames, gram's two ways, moving, training."""

import contextlib
import copy
import math

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from mriops import ops, solvers
from mriops.operators import NufftOp, SenseOp
from mriops.testing import check_linear_operator, relative_error

C64, C128, F64 = torch.complex64, torch.complex128, torch.float64


def random(*shape: int, dtype: torch.dtype = C128, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def points(*shape: int, im: tuple[int, ...] = (8, 10), dtype: torch.dtype = F64, seed: int = 1) -> torch.Tensor:
    uniform = torch.rand((*shape, len(im)), dtype=dtype, generator=torch.Generator().manual_seed(seed))
    return (uniform - 0.5) * torch.tensor(im, dtype=dtype)


def weights(*shape: int, dtype: torch.dtype = F64) -> torch.Tensor:
    return torch.rand(shape, dtype=dtype, generator=torch.Generator().manual_seed(2)) + 0.5


FINE = {"eps": 1e-12}


@pytest.mark.parametrize("gram", ["toeplitz", "nufft"])
@pytest.mark.parametrize(
    ("trajectory", "dcf"),
    [
        (points(31), None),
        (points(31), weights(31)),
        (points(4, 9), weights(4, 9)),
        (points(4, 9), weights(9)),
        (points(3, 4, 9), weights(3, 4, 9)),
        (points(3, 1, 4, 9), weights(4, 9)),
    ],
)
def test_nufft_op_keeps_the_contract(trajectory: torch.Tensor, dcf: torch.Tensor | None, gram: str) -> None:
    # The convolution agrees with the two transforms to their accuracy, which only in single precision is within the
    # rounding that the contract allows; test_both_grams_agree compares them in double.
    dtype, eps = (C128, 1e-12) if gram == "nufft" else (C64, 1e-6)
    real = dtype.to_real()
    op = NufftOp(trajectory.to(real), (8, 10), dcf=None if dcf is None else dcf.to(real), gram=gram, eps=eps)
    check_linear_operator(op, (3, 2, 8, 10) if trajectory.ndim == 5 else op.domain_shape, dtype=dtype)


@pytest.mark.parametrize("maps", [False, True])
@pytest.mark.parametrize("im", [(8, 10), (4, 5, 6)])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_sense_op_keeps_the_contract(im: tuple[int, ...], batch: tuple[int, ...], maps: bool) -> None:
    csm = random(*((2,) if maps else ()), 3, *im)
    trajectory = points(*batch, 5, 7, im=im)
    op = SenseOp(csm, trajectory=trajectory, dcf=weights(5, 7), maps=maps, gram="nufft", **FINE)
    assert op.domain_shape == (*batch, *((2,) if maps else ()), *im)
    assert op.range_shape == (*batch, 3, 5, 7)
    check_linear_operator(op, dtype=C128)


@pytest.mark.parametrize("maps", [False, True])
@pytest.mark.parametrize("im", [(8, 10), (4, 5, 6)])
def test_both_grams_agree(im: tuple[int, ...], maps: bool) -> None:
    csm, trajectory = random(*((2,) if maps else ()), 3, *im), points(2, 5, 7, im=im)
    ways = [
        SenseOp(csm, trajectory=trajectory, dcf=weights(5, 7), maps=maps, gram=gram, eps=1e-11)
        for gram in ("toeplitz", "nufft")
    ]
    x = random(*ways[0].domain_shape, seed=5)
    # Two transforms of 1e-11, each off by a few times that on so few pixels; the spectrum is made at 1e-11 too.
    assert relative_error(ways[0].gram(x), ways[1].gram(x)) < 1e-9


def test_gram_is_toeplitz_unless_the_trajectory_moves_or_memory_runs_out() -> None:
    flat, volume = points(9), points(9, im=(4, 5, 6))
    assert NufftOp(flat, (8, 10)).uses_toeplitz()
    assert NufftOp(volume, (4, 5, 6)).uses_toeplitz()
    assert not NufftOp(flat.requires_grad_(), (8, 10)).uses_toeplitz()
    assert not NufftOp(points(9), (8, 10), dcf=weights(9).requires_grad_()).uses_toeplitz()
    assert not NufftOp(volume, (204, 204, 204)).uses_toeplitz()
    assert NufftOp(volume, (204, 204, 200)).uses_toeplitz()
    frames = points(2, 1, 9, im=(4, 5, 6))
    assert not NufftOp(frames, (204, 204, 200)).uses_toeplitz()


def test_the_spectrum_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = ops.toeplitz_kernel
    monkeypatch.setattr(ops, "toeplitz_kernel", lambda *a, **k: calls.append(1) or real(*a, **k))
    op = NufftOp(points(9), (8, 10))
    assert not calls
    for _ in range(3):
        op.gram(random(8, 10))
    assert len(calls) == 1


def test_a_trajectory_that_stays_is_sorted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    op = NufftOp(points(9), (8, 10))

    def refuse(*args: object) -> None:
        raise AssertionError("sorted again")

    monkeypatch.setattr("mriops.ops._nufft_call.make_plan", refuse)
    op.H(op(random(8, 10)))


def test_weigh_makes_the_density_compensated_image() -> None:
    trajectory, dcf, csm, kspace = points(4, 9), weights(4, 9), random(3, 8, 10), random(3, 4, 9, seed=3)
    op = SenseOp(csm, trajectory=trajectory, dcf=dcf, **FINE)
    flat = trajectory.flatten(0, 1)
    expected = ops.sense_nufft_adjoint(kspace.flatten(1), csm, flat, dcf=dcf.flatten(), method="exact")
    assert relative_error(op.H(op.weigh(kspace)), expected) < 1e-10


def test_weighted_least_squares_recover_the_image() -> None:
    image, csm, trajectory = random(8, 10), random(4, 8, 10, seed=7), points(20, 12)
    op = SenseOp(csm, trajectory=trajectory, dcf=weights(20, 12), eps=1e-10)
    kspace = ops.sense_nufft(image, csm, trajectory.flatten(0, 1), method="exact").unflatten(-1, (20, 12))
    found = solvers.cg(op.gram, op.H(op.weigh(kspace)), max_iter=60, tol=1e-12)
    assert relative_error(found, image) < 1e-7  # eps times the condition of a well sampled problem


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_moving_to_another_precision_sorts_again(dtype: torch.dtype) -> None:
    op = NufftOp(points(40, dtype=torch.float32), (8, 10), dcf=weights(40, dtype=torch.float32), eps=1e-5)
    op.gram(random(8, 10, dtype=C64))
    moved = copy.deepcopy(op).to(dtype)
    assert moved.points is not None and moved.points.dtype == dtype
    x = random(8, 10, dtype=C128).to(dtype.to_complex())
    exact = ops.nufft(x, moved.trajectory, method="exact")
    assert relative_error(moved(x) / moved.dcf.sqrt(), exact) < 1e-4
    assert moved.gram(x).dtype == dtype.to_complex()


def test_state_comes_back() -> None:
    one, other = NufftOp(points(9), (8, 10)), NufftOp(points(9, seed=8), (8, 10))
    x = random(8, 10)
    one.gram(x), other.gram(x)
    other.load_state_dict(one.state_dict())
    assert torch.equal(other(x), one(x))
    assert torch.equal(other.gram(x), one.gram(x))


def test_a_trained_trajectory_gets_its_gradient_and_is_sorted_anew() -> None:
    image = random(8, 10)
    target = points(30)
    data = ops.nufft(image, target, method="exact")
    op = NufftOp(torch.nn.Parameter(target + 0.05), (8, 10), eps=1e-8)
    optimiser = torch.optim.LBFGS(op.parameters(), lr=1, max_iter=30, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = (op(image) - data).abs().square().sum()
        value.backward()
        return value

    first = float(loss().detach())
    optimiser.step(loss)
    assert float(loss().detach()) < 1e-3 * first


@pytest.mark.parametrize("moves", [False, True])
def test_operators_compile(moves: bool) -> None:
    trajectory = torch.nn.Parameter(points(4, 9)) if moves else points(4, 9)
    op = SenseOp(random(3, 8, 10), trajectory=trajectory, dcf=weights(4, 9), eps=1e-8)

    def loss(x: torch.Tensor) -> torch.Tensor:
        return (op.gram(x) - op.H(op(x) + 1)).abs().square().sum()

    x = random(8, 10).requires_grad_()
    inputs = (x, *op.parameters())
    expected = torch.autograd.grad(loss(x), inputs)
    found = torch.autograd.grad(torch.compile(loss, fullgraph=True, backend="aot_eager")(x), inputs)
    for one, other in zip(found, expected, strict=True):
        assert relative_error(one, other) < 1e-10


def test_gradients_reach_maps_and_weights() -> None:
    csm, dcf = random(3, 8, 10).requires_grad_(), weights(4, 9).requires_grad_()
    op = SenseOp(csm, trajectory=points(4, 9), dcf=dcf, gram="toeplitz", eps=1e-8)
    op.gram(random(8, 10)).abs().square().sum().backward()
    by_toeplitz = (csm.grad, dcf.grad)
    csm.grad = dcf.grad = None
    op = SenseOp(csm, trajectory=points(4, 9), dcf=dcf, gram="nufft", eps=1e-8)
    op.gram(random(8, 10)).abs().square().sum().backward()
    for a, b in zip(by_toeplitz, (csm.grad, dcf.grad), strict=True):
        assert a is not None and b is not None and relative_error(a, b) < 1e-5


@pytest.mark.parametrize("maps", [False, True])
def test_weights_of_zero_have_finite_gradients(maps: bool) -> None:
    csm = random(2, 3, 8, 10) if maps else random(3, 8, 10)
    image, trajectory = random(*csm.shape[: int(maps)], 8, 10, seed=4), points(4, 9)
    at_zero, dcf = weights(4, 9), weights(4, 9)
    at_zero[0, 0], dcf[0, 0] = 0.0, 1e-12
    found = []
    for w in (at_zero.requires_grad_(), dcf.requires_grad_()):
        op = SenseOp(csm, trajectory=trajectory, dcf=w, maps=maps, gram="nufft", **FINE)
        data = op(image)
        (forward,) = torch.autograd.grad(data.abs().square().sum(), w)
        (adjoint,) = torch.autograd.grad(op.H(op.weigh(random(3, 4, 9))).abs().square().sum(), w)
        (gram,) = torch.autograd.grad(op.gram(image).abs().square().sum(), w)
        found.append((forward, adjoint, gram))
        (second,) = torch.autograd.grad(torch.autograd.grad(op(image).real.sum(), w, create_graph=True)[0].sum(), w)
        assert second.isfinite().all()
    for i, (exact, near) in enumerate(zip(*found, strict=True)):
        assert exact.isfinite().all() and relative_error(exact.flatten()[1:], near.flatten()[1:]) < 1e-5
        if i == 2:  # linear in the weights: right everywhere
            assert relative_error(exact, near) < 1e-5 and abs(exact[0, 0]) > 1e-3
        else:
            assert exact[0, 0] == 0


def test_gram_without_maps_is_linear_in_the_weights() -> None:
    dcf = weights(9)
    dcf[0] = 0.0
    dcf.requires_grad_()
    op, image = NufftOp(points(9), (8, 10), dcf=dcf, gram="nufft", **FINE), random(8, 10)
    energy = torch.vdot(image.flatten(), op.gram(image).flatten()).real
    (gradient,) = torch.autograd.grad(energy, dcf)
    plain = NufftOp(points(9), (8, 10), **FINE)(image)
    assert relative_error(gradient, plain.abs().square()) < 1e-9


def test_weights_that_became_negative_show() -> None:
    dcf = torch.nn.Parameter(weights(9))
    op = NufftOp(points(9), (8, 10), dcf=dcf)
    with torch.no_grad():
        dcf[3] = -1.0
    assert op(random(8, 10)).isnan().nonzero().tolist() == [[3]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trajectory": torch.rand(9, 3)}, "trajectory: expected shape (samples, 2)"),
        ({"trajectory": torch.rand(0, 2)}, "without empty axes"),
        ({"trajectory": torch.zeros(9, 2, dtype=torch.int64)}, "trajectory: expected a real floating-point dtype"),
        ({"dcf": torch.rand(8)}, "dcf: expected a shape that broadcasts to (9,)"),
        ({"dcf": -torch.rand(9)}, "dcf: expected weights that are not negative"),
        ({"dcf": torch.full((9,), math.nan)}, "dcf: expected weights that are not negative, got nan"),
        ({"dcf": torch.rand(9) + 0j}, "dcf: expected real weights"),
        ({"eps": 1e-9}, "eps: expected 1e-06 <= eps < 1 for coordinates of float32"),
        ({"gram": "fft"}, "gram: expected one of auto, toeplitz, nufft"),
        ({"trajectory": torch.tensor([[0.0, math.nan]])}, "trajectory: expected finite coordinates"),
    ],
)
def test_what_does_not_fit_is_named(change: dict, message: str) -> None:
    arguments = {"trajectory": torch.rand(9, 2), **change}
    with pytest.raises((TypeError, ValueError)) as caught:
        NufftOp(arguments.pop("trajectory"), (8, 10), **arguments)
    assert message in str(caught.value)


def test_sense_op_takes_mask_or_trajectory() -> None:
    csm = random(3, 8, 10)
    with pytest.raises(ValueError, match="mask: expected None with a trajectory"):
        SenseOp(csm, torch.ones(8, 10), trajectory=points(9))
    with pytest.raises(ValueError, match="dcf: expected None without a trajectory"):
        SenseOp(csm, dcf=torch.ones(9))
    op = SenseOp(csm, trajectory=points(4, 9))
    with pytest.raises(ValueError, match="kspace: expected shape"):
        op.H(random(3, 36))


# --- precision -------------------------------------------------------------------------------------------------------


def test_coordinates_and_weights_take_the_precision_of_the_maps() -> None:
    csm, image = random(3, 8, 10, dtype=C64), random(8, 10, dtype=C64, seed=3)
    trajectory, dcf = points(4, 9), weights(4, 9)
    op, narrow = (
        SenseOp(csm, trajectory=trajectory, dcf=dcf),
        SenseOp(csm, trajectory=trajectory.float(), dcf=dcf.float()),
    )
    for found, expected in (
        (op(image), narrow(image)),
        (op.H(op(image)), narrow.H(narrow(image))),
        (op.gram(image), narrow.gram(image)),
        (op.weigh(op(image)), narrow.weigh(narrow(image))),
    ):
        assert found.dtype == C64
        assert relative_error(found, expected) < 1e-6  # the weights are rounded before or after their root


def test_gradients_reach_a_trajectory_of_another_precision() -> None:
    trajectory = points(4, 9).requires_grad_()
    op = SenseOp(random(3, 8, 10, dtype=C64), trajectory=trajectory)
    op(random(8, 10, dtype=C64, seed=3)).abs().square().sum().backward()
    assert trajectory.grad is not None and trajectory.grad.dtype == F64 and bool(trajectory.grad.abs().sum() > 0)


def test_an_image_of_another_precision_is_named() -> None:
    op, image = NufftOp(points(4, 9), (8, 10), dcf=weights(4, 9)), random(8, 10, dtype=C64)
    for call in (op, op.gram):
        with pytest.raises(TypeError, match=r"image: expected torch.complex128, the precision of the trajectory"):
            call(image)
    with pytest.raises(TypeError, match=r"kspace: expected torch.complex128.*got torch.complex64"):
        op.H(random(4, 9, dtype=C64))
    assert op.to(torch.float32)(image).dtype == C64


@pytest.mark.parametrize("what", ["trajectory", "dcf"])
def test_a_spectrum_made_without_gradients_is_not_kept_where_they_are_wanted(what: str) -> None:
    given = {"trajectory": points(4, 9), "dcf": weights(4, 9)}
    moving = given[what].requires_grad_()
    op = NufftOp(given["trajectory"], (8, 10), dcf=given["dcf"], gram="toeplitz", eps=1e-9)
    image = random(8, 10)
    with torch.no_grad():
        before = op.gram(image)
        moving *= 0.5
        assert relative_error(op.gram(image), before) > 0.1
    (grad,) = torch.autograd.grad(op.gram(image).abs().square().sum(), moving)
    assert bool(grad.abs().sum() > 0)


@pytest.mark.parametrize("device", ["meta", "fake"])
def test_shapes_propagate_without_values(device: str) -> None:
    def like(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to("meta") if device == "meta" else tensor

    with FakeTensorMode() if device == "fake" else contextlib.nullcontext():
        csm, image = torch.ones(3, 8, 10, dtype=C64), torch.ones(8, 10, dtype=C64)
        trajectory, dcf = torch.ones(4, 9, 2), torch.ones(4, 9)
        op = SenseOp(like(csm), trajectory=like(trajectory), dcf=like(dcf))
        kspace = op(like(image))
        assert kspace.shape == (3, 4, 9) and op.H(kspace).shape == op.gram(like(image)).shape == (8, 10)
        assert ops.nufft(like(image), like(trajectory).flatten(0, 1)).shape == (36,)


@pytest.mark.parametrize("im_size", [8, (8.7, 8)])
def test_sizes_that_are_none(im_size):
    with pytest.raises(TypeError, match=r"im_size: expected \(y, x\) or \(z, y, x\)"):
        NufftOp(torch.zeros(4, 2), im_size)
