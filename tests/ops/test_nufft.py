"""The NUFFT against direct sums, closed forms and frozen vectors: accuracy asked for, gradients, plans, bad input."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import mriops.array
from mriops import ops
from mriops._native.nufft_kernel import MIN_EPS, choose_kernel, grid_size, measured_error
from mriops.testing import available_backends, relative_error, use_backend

C64, C128, F32, F64 = torch.complex64, torch.complex128, torch.float32, torch.float64


def random(*shape: int, dtype: torch.dtype = C128, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def points(*shape: int, im: tuple[int, ...], dtype: torch.dtype = F64, seed: int = 1) -> torch.Tensor:
    uniform = torch.rand((*shape, len(im)), dtype=dtype, generator=torch.Generator().manual_seed(seed))
    return (uniform - 0.5) * torch.tensor(im, dtype=dtype)


# --- meaning ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("im", [(6, 8), (5, 7), (1, 4), (3, 4, 5)])
def test_the_sum_is_the_sum(im: tuple[int, ...]) -> None:
    image, trajectory = random(*im), points(9, im=im)
    r = torch.stack(torch.meshgrid(*(torch.arange(n) - n // 2 for n in im), indexing="ij"), -1).double()
    angle = torch.tensordot(trajectory, r / torch.tensor(im), dims=([1], [len(im)]))
    expected = (image * torch.exp(-2j * math.pi * angle)).flatten(1).sum(1) / math.sqrt(math.prod(im))
    assert relative_error(ops.nufft(image, trajectory, method="exact"), expected) < 1e-14


@pytest.mark.parametrize("im", [(6, 8), (5, 7), (3, 4, 5), (1, 7)])
def test_on_a_cartesian_grid_it_is_the_fft(im: tuple[int, ...]) -> None:
    axes = torch.meshgrid(*(torch.arange(n) - n // 2 for n in im), indexing="ij")
    trajectory = torch.stack(axes, -1).reshape(-1, len(im)).double()
    image = random(*im)
    kspace = ops.nufft(image, trajectory, eps=1e-12)
    # A few pixels: the error strays from the mean over many that eps promises.
    assert relative_error(kspace.reshape(im), ops.fft(image, tuple(range(-len(im), 0)))) < 1e-11


def test_coordinates_are_periodic() -> None:
    im = (6, 9)
    image, trajectory = random(*im), points(20, im=im)
    shifted = trajectory + torch.tensor(im) * torch.randint(-2, 3, (20, 2))
    for method in ("auto", "exact"):
        one, other = (ops.nufft(image, t, eps=1e-12, method=method) for t in (trajectory, shifted))
        assert relative_error(other, one) < 1e-11


@pytest.mark.parametrize("asked", [{"eps": 1e-8}, {"method": "exact"}])
@pytest.mark.parametrize("number", [0, 1])
def test_frozen_vectors_of_torchkbnufft(data_dir: Path, number: int, asked: dict[str, object]) -> None:
    file = data_dir / "references" / "torchkbnufft" / "nufft_data.npz"
    if not file.is_file():
        pytest.skip(f"no {file}")
    stored = np.load(file)
    image, omega, kspace = (torch.from_numpy(stored[f"{name}_{number}"]) for name in ("image", "omega", "kspace"))
    im = tuple(image.shape[2:])
    trajectory = omega.T * torch.tensor(im) / (2 * math.pi)
    kspace = kspace / math.sqrt(math.prod(im))  # of a transform that is not scaled
    # The reference is off by 6.1e-5 and 8.7e-5: its kernel of 6 points comes from a table.
    assert relative_error(ops.nufft(image, trajectory, **asked), kspace) < 1e-4
    # <x_i, A^H y_j> = <A x_i, y_j> for all pairs; the file holds no images of the adjoint.
    back = ops.nufft_adjoint(kspace, trajectory, im, **asked).flatten(0, 1).flatten(1)
    samples = kspace.flatten(0, 1)
    found = image.flatten(0, 1).flatten(1).conj() @ back.T
    assert relative_error(found, samples.conj() @ samples.T) < 1e-4


# --- accuracy --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("upsampling", [None, 1.2, 1.25, 1.3, 1.40625, 1.5, 2.0, 2.5, 4.0])
@pytest.mark.parametrize(
    ("im", "dtype", "eps"),
    [
        *(((24, 30), C64, e) for e in (1e-2, 1e-3, 1e-4)),
        *(((24, 30), C128, e) for e in (1e-2, 1e-4, 1e-6, 1e-8)),
        *(((10, 12, 14), C64, e) for e in (1e-2, 1e-3)),
        *(((10, 12, 14), C128, e) for e in (1e-3, 1e-5)),
    ],
)
def test_the_error_is_what_was_asked_for(
    im: tuple[int, ...], dtype: torch.dtype, eps: float, upsampling: float | None
) -> None:
    check_accuracy(im, dtype, eps, upsampling)


@pytest.mark.parametrize(
    ("im", "dtype", "eps"),
    [
        *(((32, 48), C64, e) for e in (1e-2, 1e-3)),
        *(((32, 48), C128, e) for e in (1e-2, 1e-4, 1e-6)),
        ((16, 32, 16), C64, 1e-2),
        ((16, 32, 16), C128, 1e-3),
    ],
)
def test_the_coarsest_grid_keeps_it_too(im: tuple[int, ...], dtype: torch.dtype, eps: float) -> None:
    check_accuracy(im, dtype, eps, 1.125)


def check_accuracy(im: tuple[int, ...], dtype: torch.dtype, eps: float, upsampling: float | None) -> None:
    image, trajectory = random(*im, dtype=dtype), points(700, im=im, dtype=dtype.to_real())
    kspace = random(700, dtype=dtype, seed=3)
    wide = trajectory.double()
    forward = ops.nufft(image.to(C128), wide, method="exact")
    adjoint = ops.nufft_adjoint(kspace.to(C128), wide, im, method="exact")
    # 700 random values have the mean error to a few per cent.
    asked = {"eps": eps, "upsampling": upsampling}
    assert relative_error(ops.nufft(image, trajectory, **asked), forward) < 1.1 * eps
    assert relative_error(ops.nufft_adjoint(kspace, trajectory, im, **asked), adjoint) < 1.1 * eps


@pytest.mark.parametrize(("dtype", "eps"), [(C64, 1e-6), (C64, 1e-5), (C128, 1e-10), (C128, 1e-12), (C128, 2e-13)])
def test_the_finest_accuracies(dtype: torch.dtype, eps: float) -> None:
    im = (48, 50)
    image, trajectory = random(*im, dtype=dtype), points(700, im=im, dtype=dtype.to_real())
    exact = ops.nufft(image.to(C128), trajectory.double(), method="exact")
    assert relative_error(ops.nufft(image, trajectory, eps=eps), exact) < 1.1 * eps


def test_accuracy_out_of_reach_is_refused() -> None:
    image, trajectory = random(8, 8, dtype=C64), points(5, im=(8, 8), dtype=F32)
    with pytest.raises(ValueError, match=r"eps: expected 1e-06 <= eps < 1 for coordinates of float32, got 1e-07"):
        ops.nufft(image, trajectory, eps=1e-7)
    with pytest.raises(ValueError, match=r"eps: expected at least .* with upsampling 1.25"):
        ops.nufft(image, trajectory, eps=1e-6, upsampling=1.25)
    for eps in (0.0, -1e-3, 1.0, math.nan):
        with pytest.raises(ValueError, match="eps: expected"):
            ops.nufft(image, trajectory, eps=eps)
    with pytest.raises(TypeError, match="eps: expected a number, got '1e-3'"):
        ops.nufft(image, trajectory, eps="1e-3")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"upsampling: expected None or a number from 1\.125 to 4, got 1\.1"):
        ops.nufft(image, trajectory, upsampling=1.1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("im", [(32, 32), (200, 64), (32, 32, 32)])
def test_every_accuracy_has_a_kernel(dtype: str, im: tuple[int, ...]) -> None:
    decades = -math.log10(MIN_EPS[dtype])
    for eps in (*(10 ** -(decades * i / 40) for i in range(1, 40)), MIN_EPS[dtype]):
        for samples in (10, 10**7):
            width, sigma = choose_kernel(eps, None, dtype, im_size=im, samples=samples)
            assert measured_error(width, sigma, im, dtype) <= eps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("im", [(100, 100), (48, 48, 48)])
def test_the_chosen_grid_is_the_coarsest_for_its_kernel(dtype: str, im: tuple[int, ...]) -> None:
    for eps in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5):
        width, sigma = choose_kernel(eps, None, dtype, im_size=im, samples=1000)
        assert sigma == 1.125 or measured_error(width, sigma - 1e-5, im, dtype) > eps


def test_more_samples_choose_a_finer_grid_and_a_narrower_kernel() -> None:
    few, many = (choose_kernel(1e-4, None, "float32", im_size=(256, 256), samples=n) for n in (10**3, 10**6))
    assert few[1] < many[1] and few[0] > many[0]


def test_grids_have_sizes_that_transform_well() -> None:
    assert grid_size((1, 7, 256), 6, 2.0) == (12, 16, 512)
    assert grid_size((101, 320), 6, 1.25) == (128, 400)
    assert grid_size((320, 256), 6, 1.40625) == (480, 360)  # multiples of four: not 450


# --- derivatives by the trajectory -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["exact", "analytic"])
def test_trajectory_gradient_against_differences_of_the_exact_sum(how: str) -> None:
    im, step = (9, 12), 1e-5
    image, csm, trajectory = random(*im), random(3, *im, seed=2), points(15, im=im).requires_grad_()
    weights = random(3, 15, seed=4)

    def value(t: torch.Tensor, **how: str | float) -> torch.Tensor:
        return (weights.conj() * ops.sense_nufft(image, csm, t, **how)).real.sum()  # type: ignore[arg-type]

    (gradient,) = torch.autograd.grad(value(trajectory, eps=1e-9, trajectory_gradient=how), trajectory)
    difference = torch.zeros_like(gradient)
    with torch.no_grad():
        for index in np.ndindex(*gradient.shape):
            moved = torch.zeros_like(gradient)
            moved[index] = step
            ends = [value(trajectory + sign * moved, method="exact") for sign in (1, -1)]
            difference[index] = (ends[0] - ends[1]) / (2 * step)
    # The differences are off by step^2 pi^3 / 6 = 5e-10 and rounding 1e-11, the gradient by a few eps.
    assert relative_error(gradient, difference) < 1e-7


def test_exact_trajectory_gradient_is_that_of_what_is_computed() -> None:
    # At eps = 1e-2 the transform differs from the sum, and its gradient from the sum's; differences tell which it is.
    im, step = (16, 16), 1e-6
    image, trajectory, weights = random(*im), points(40, im=im), random(40, seed=4)
    direction = torch.randn(40, 2, dtype=F64, generator=torch.Generator().manual_seed(9))

    def slope(how: str) -> float:
        leaf = trajectory.clone().requires_grad_()
        value = (weights.conj() * ops.nufft(image, leaf, eps=1e-2, trajectory_gradient=how)).real.sum()
        return float((torch.autograd.grad(value, leaf)[0] * direction).sum())

    ends = [
        float((weights.conj() * ops.nufft(image, trajectory + s * step * direction, eps=1e-2)).real.sum())
        for s in (1, -1)
    ]
    difference = (ends[0] - ends[1]) / (2 * step)
    assert abs(slope("exact") - difference) < 1e-6 * abs(difference)
    assert abs(slope("analytic") - difference) > 1e-4 * abs(difference)


def test_gradients_of_the_exact_method_agree() -> None:
    im = (5, 6)
    image, csm, trajectory = random(*im), random(2, *im, seed=2), points(7, im=im)
    dcf = torch.rand(7, dtype=F64, generator=torch.Generator().manual_seed(3))
    results = []
    for method in ("exact", "auto"):
        leaves = [t.clone().requires_grad_() for t in (image, csm, trajectory, dcf)]
        y = ops.sense_nufft_gram(*leaves[:3], dcf=leaves[3], eps=1e-12, method=method)
        results.append(torch.autograd.grad(y.abs().square().sum(), leaves))
    for one, other in zip(*results, strict=True):
        assert relative_error(one, other) < 1e-9


# --- plans -----------------------------------------------------------------------------------------------------------


def test_a_plan_gives_the_same_bits() -> None:
    im = (12, 10)
    image, csm = random(*im, dtype=C64), random(3, *im, dtype=C64)
    trajectory = points(4, 50, im=im, dtype=F32)
    plan = ops.nufft_plan(trajectory, im, eps=1e-3)
    with_plan = ops.sense_nufft(image.expand(4, *im), csm, trajectory, plan=plan)
    assert torch.equal(with_plan, ops.sense_nufft(image.expand(4, *im), csm, trajectory, eps=1e-3))
    assert plan.order.dtype == torch.int32 and plan.points.shape == trajectory.shape
    for frame, order, sorted_points in zip(trajectory, plan.order, plan.points, strict=True):
        assert sorted(order.tolist()) == list(range(50))
        # Wrapping rounds once more, at coordinates up to 6.
        assert torch.allclose(sorted_points, frame[order.long()], rtol=0, atol=8 * torch.finfo(F32).eps)


# The order is what the speed of the loops rests on: samples of a tile of 8 x 8 cells follow each other, and where there
# are half as many as cells, those of a cell.
@pytest.mark.parametrize(("samples", "together"), [(500, 8), (5000, 1)])
def test_neighbours_in_a_plan_are_neighbours_on_the_grid(samples: int, together: int) -> None:
    im = (40, 52)
    plan = ops.nufft_plan(points(samples, im=im), im, eps=1e-6, upsampling=2)
    grid = torch.tensor(plan.grid)
    assert (samples >= math.prod(plan.grid) / 2) == (together == 1)
    position = torch.remainder(plan.points * grid / torch.tensor(im), grid)
    leftmost = torch.ceil(position - plan.width / 2).long() + plan.width // 2
    place = leftmost // together
    changes = int((place[1:] != place[:-1]).any(1).sum())
    assert changes == len(torch.unique(place, dim=0)) - 1
    tiles = leftmost // 8
    assert torch.equal(tiles, tiles[np.lexsort((tiles[:, 1], tiles[:, 0]))])


def test_plans_for_something_else_are_refused() -> None:
    image, trajectory = random(8, 10, dtype=C64), points(20, im=(8, 10), dtype=F32)
    with pytest.raises(ValueError, match=r"plan: expected one for images of size \(8, 10\), got one for \(10, 8\)"):
        ops.nufft(image, trajectory, plan=ops.nufft_plan(trajectory, (10, 8)))
    with pytest.raises(ValueError, match="plan: expected one made for a trajectory of shape"):
        ops.nufft(image, trajectory, plan=ops.nufft_plan(trajectory[:9], (8, 10)))
    with pytest.raises(TypeError, match="plan: expected points of float32, the precision of the data, got float64"):
        ops.nufft(image, trajectory, plan=ops.nufft_plan(trajectory.double(), (8, 10)))


def test_frames_with_a_trajectory_each_equal_a_loop() -> None:
    im = (8, 10)
    image, csm, trajectory = random(3, *im), random(4, *im), points(3, 25, im=im)
    frames = ops.sense_nufft(image, csm, trajectory, eps=1e-8)
    for i in range(3):
        assert relative_error(frames[i], ops.sense_nufft(image[i], csm, trajectory[i], eps=1e-8)) < 1e-13
    coil_images = ops.coil_expand(image, csm)
    assert relative_error(ops.nufft(coil_images, trajectory[:, None], eps=1e-8), frames) < 1e-13


# --- whatever broadcasts ---------------------------------------------------------------------------------------------


def _part(full: tuple[int, ...], chance: np.random.Generator) -> tuple[int, ...]:
    """Batch axes that broadcast to ``full``: some of them one, some of the first left out."""
    batch = tuple(1 if chance.random() < 0.4 else n for n in full)
    return batch[int(chance.integers(len(batch) + 1)) :]


@pytest.mark.parametrize("seed", range(30))
def test_batches_that_broadcast_anyhow(seed: int) -> None:
    chance = np.random.default_rng(seed)
    im = tuple(int(n) for n in chance.integers(1, 10, int(chance.integers(2, 4))))
    coils, samples = int(chance.integers(1, 10)), int(chance.integers(1, 40))
    full = tuple(int(n) for n in chance.integers(1, 4, int(chance.integers(4))))
    image, csm = random(*_part(full, chance), *im, seed=seed), random(*_part(full, chance), coils, *im, seed=seed + 1)
    trajectory = points(*_part(full, chance), samples, im=im, seed=seed)
    kspace, tangent = random(*_part(full, chance), coils, samples, seed=seed + 2), points(samples, im=im, seed=seed + 3)
    dcf = random(*_part(full, chance), samples, seed=seed + 4).abs()
    calls = [
        (ops.nufft, (image, trajectory), {}),
        (ops.nufft_adjoint, (kspace[..., 0, :], trajectory, im), {"dcf": dcf}),
        (ops.sense_nufft, (image, csm, trajectory), {}),
        (ops.sense_nufft_adjoint, (kspace, csm, trajectory), {"dcf": dcf}),
        (ops.sense_nufft_gram, (image, csm, trajectory), {"dcf": dcf}),
        (ops.nufft_trajectory_jvp, (image, trajectory, tangent), {"csm": csm}),
        (ops.nufft_trajectory_grad, (image, kspace, trajectory), {"csm": csm}),
        (ops.toeplitz_kernel, (trajectory, im), {"dcf": dcf}),
    ]
    for function, arguments, keywords in calls:
        exact = function(*arguments, **keywords, method="exact")
        # Slopes of an image of one pixel are zero, and so is what comes of them, to the error of one.
        if float(torch.linalg.vector_norm(exact)) > 1e-9:
            assert relative_error(function(*arguments, **keywords, eps=1e-10), exact) < 1e-8, function.__name__


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", available_backends())
@pytest.mark.parametrize("method", ["auto", "exact"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_coordinates_that_are_not_finite_are_refused_with_their_index(bad: float, method: str, backend: str) -> None:
    with use_backend(backend) as device:
        image, trajectory = random(2, 8, 10).to(device), points(2, 6, im=(8, 10)).to(device)
        good, csm, kspace = trajectory.clone(), image[:, None], ops.nufft(image, trajectory)
        trajectory[1, 4, 0] = bad
        calls = [
            lambda: ops.nufft(image, trajectory, method=method),
            lambda: ops.nufft(image, trajectory.clone().requires_grad_(), method=method),
            lambda: torch.func.vmap(lambda x, t: ops.nufft(x, t, method=method))(image, trajectory),
            lambda: torch.compile(lambda x, t: ops.nufft(x, t, method=method), backend="eager")(image, trajectory),
            lambda: ops.nufft_adjoint(kspace, trajectory, (8, 10), method=method),
            lambda: ops.sense_nufft(image, csm, trajectory, method=method),
            lambda: ops.sense_nufft_adjoint(kspace[:, None], csm, trajectory, method=method),
            lambda: ops.sense_nufft_gram(image, csm, trajectory, method=method),
            lambda: ops.nufft_trajectory_grad(image, kspace, trajectory, method=method),
            lambda: ops.nufft_trajectory_jvp(image, trajectory, good, method=method),
            lambda: ops.toeplitz_kernel(trajectory, (8, 10), method=method),
            lambda: ops.nufft_plan(trajectory, (8, 10)),
        ]
        if backend != "cuda":
            calls.append(lambda: mriops.array.nufft(image.numpy(), trajectory.numpy(), method=method))
            calls.append(lambda: mriops.array.nufft_plan(trajectory.numpy(), (8, 10)))
        for call in calls:
            with pytest.raises(ValueError, match=r"trajectory: expected finite .* at sample 4, component 0( |$)"):
                call()
        for method in ("auto", "exact"):
            with pytest.raises(ValueError, match="at sample 4, component 0 of trajectory 1"):
                ops.nufft(image, trajectory, method=method)


IMAGE, TRAJECTORY = random(8, 10, dtype=C64), points(6, im=(8, 10), dtype=F32)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((IMAGE, TRAJECTORY[:0]), ValueError, "trajectory: expected axis samples to be at least 1"),
        ((IMAGE, TRAJECTORY[:, :1]), ValueError, r"trajectory: expected shape \(\*batch, samples, 2 or 3\)"),
        ((IMAGE, torch.zeros(6, 4)), ValueError, r"trajectory: expected shape \(\*batch, samples, 2 or 3\)"),
        ((IMAGE, torch.zeros(6, 3)), ValueError, r"image: expected shape \(\*batch, z, y, x\)"),
        ((IMAGE, TRAJECTORY[0]), ValueError, r"trajectory: expected shape \(\*batch, samples, 2 or 3\), got \(2,\)"),
        ((IMAGE, TRAJECTORY + 0j), TypeError, "trajectory: expected a real dtype, got torch.complex64"),
        ((IMAGE, TRAJECTORY.numpy()), TypeError, "trajectory: expected torch.Tensor, got numpy.ndarray"),
        ((IMAGE[0], TRAJECTORY), ValueError, r"image: expected shape \(\*batch, y, x\)"),
        ((IMAGE[:0], TRAJECTORY), ValueError, r"image: expected shape \(\*batch, y, x\)"),
        ((IMAGE.expand(3, 8, 10), TRAJECTORY.expand(2, 6, 2)), ValueError, "expected batch axes that broadcast"),
        ((IMAGE, TRAJECTORY.to("meta")), ValueError, r"trajectory: expected device cpu \(that of image\), got meta"),
        ((IMAGE.real.half(), TRAJECTORY), TypeError, "image: expected complex64"),
    ],
)
def test_what_does_not_fit_is_named(arguments: tuple, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ops.nufft(*arguments)


def test_what_does_not_fit_the_other_members_is_named() -> None:
    kspace, csm = random(3, 6, dtype=C64), random(3, 8, 10, dtype=C64)
    with pytest.raises(ValueError, match=r"kspace: expected samples 6 \(those of trajectory\), got 5"):
        ops.nufft_adjoint(kspace[:, :5], TRAJECTORY, (8, 10))
    with pytest.raises(ValueError, match=r"kspace: expected coils 3 \(those of csm\), got 2"):
        ops.sense_nufft_adjoint(kspace[:2], csm, TRAJECTORY)
    with pytest.raises(ValueError, match=r"dcf: expected samples 6 \(those of trajectory\), got 5"):
        ops.sense_nufft_adjoint(kspace, csm, TRAJECTORY, dcf=torch.ones(5))
    with pytest.raises(TypeError, match="dcf: expected a real dtype, got complex64"):
        ops.sense_nufft_adjoint(kspace, csm, TRAJECTORY, dcf=torch.ones(6, dtype=C64))
    with pytest.raises(ValueError, match=r"csm: expected spatial axes \(8, 10\) \(those of image\), got \(8, 9\)"):
        ops.sense_nufft(IMAGE, csm[..., :9], TRAJECTORY)
    for im_size, message in (((8, 0), "positive ints"), ((8,), r"\(y, x\) or \(z, y, x\)"), ((4, 8, 10), "2 axes")):
        with pytest.raises(ValueError, match=f"im_size: expected .*{message}"):
            ops.nufft_adjoint(kspace, TRAJECTORY, im_size)
    with pytest.raises(ValueError, match=r"kernel: expected spatial axes \(16, 20\), twice those of image"):
        ops.toeplitz(IMAGE, torch.ones(8, 10))
    with pytest.raises(ValueError, match=r"im_size: expected sizes of at most \d+ \(grids of 131072 points"):
        ops.nufft_adjoint(kspace, TRAJECTORY, (2**40, 10))
    for floor, cast in ((ops, lambda t: t), (mriops.array, torch.Tensor.numpy)):
        with pytest.raises(TypeError, match=rf"plan: expected what {floor.__name__}.nufft_plan returns, got tuple"):
            floor.nufft(cast(IMAGE), cast(TRAJECTORY), plan=(1, 2))
        with pytest.raises(TypeError, match=r"dcf: expected a real dtype, got (torch\.)?complex64"):
            floor.toeplitz_kernel(cast(TRAJECTORY), (8, 10), dcf=cast(torch.ones(6, dtype=C64)))
        with pytest.raises(ValueError, match=r"dcf: expected samples 6 \(those of trajectory\), got \(5,\)"):
            floor.toeplitz_kernel(cast(TRAJECTORY), (8, 10), dcf=cast(torch.ones(5)))
    with pytest.raises(ValueError, match="method: expected 'auto' or 'exact', got 'fast'"):
        ops.nufft(IMAGE, TRAJECTORY, method="fast")
    with pytest.raises(ValueError, match="trajectory_gradient: expected 'exact' or 'analytic'"):
        ops.nufft(IMAGE, TRAJECTORY, trajectory_gradient="numeric")


def test_a_toeplitz_kernel_of_no_trajectory() -> None:
    empty = TRAJECTORY.expand(0, 6, 2)
    kernel = ops.toeplitz_kernel(empty, (8, 10))
    assert kernel.shape == (0, 16, 20) and kernel.dtype == F32
    assert mriops.array.toeplitz_kernel(empty.numpy(), (8, 10)).shape == (0, 16, 20)
    assert ops.toeplitz(IMAGE.expand(0, 8, 10), kernel).shape == (0, 8, 10)


@pytest.mark.parametrize("im", [(1, 1), (1, 13), (17, 2), (1, 1, 5), (7, 1, 3)])
@pytest.mark.parametrize("place", ["random", "equal", "edges"])
def test_sizes_and_places_that_bite(im: tuple[int, ...], place: str) -> None:
    trajectory = points(40, im=im)
    if place == "equal":
        trajectory = trajectory[:1].expand(40, -1)
    elif place == "edges":
        signs = torch.sign(trajectory) + (trajectory == 0)
        trajectory = signs * torch.tensor(im) / 2
    image, kspace = random(*im), random(40, seed=2)
    exact = ops.nufft(image, trajectory, method="exact")
    assert relative_error(ops.nufft(image, trajectory, eps=1e-9), exact) < 1e-8
    exact = ops.nufft_adjoint(kspace, trajectory, im, method="exact")
    assert relative_error(ops.nufft_adjoint(kspace, trajectory, im, eps=1e-9), exact) < 1e-8
