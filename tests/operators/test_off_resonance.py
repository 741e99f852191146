"""Off-resonance against the exact sum, the number of segments, gradients for the maps, and what is refused."""

import math

import pytest
import torch

from mriops.operators import IdentityOp, NufftOp, OffResonanceOp, SenseOp
from mriops.testing import check_linear_operator, relative_error

C128, F64 = torch.complex128, torch.float64
IM = (12, 10)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=C128, generator=torch.Generator().manual_seed(seed))


def uniform(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def trajectory(*shape: int) -> torch.Tensor:
    return (uniform(*shape, 2) - 0.5) * torch.tensor(IM)


def field() -> torch.Tensor:
    """Hz: a ramp and a bump."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, IM[0]), torch.linspace(-1, 1, IM[1]), indexing="ij")
    return (120 * x + 80 * torch.exp(-4 * (x**2 + y**2))).double()


def exact(image: torch.Tensor, points: torch.Tensor, rate: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """The sum over voxels, sample by sample."""
    r = torch.stack(torch.meshgrid(*(torch.arange(n) - n // 2 for n in IM), indexing="ij"), -1).double()
    angle = torch.einsum("...d,yxd->...yx", points, r / torch.tensor(IM))
    phase = torch.exp(-2j * math.pi * angle - rate * times.expand(points.shape[:-1])[..., None, None])
    return (phase * image).sum((-1, -2)) / math.sqrt(math.prod(IM))


@pytest.mark.parametrize("decay", [False, True])
@pytest.mark.parametrize("eps", [1e-2, 1e-3, 1e-5])
def test_the_error_is_what_was_asked_for(eps: float, decay: bool) -> None:
    points, times = trajectory(6, 40), torch.linspace(1e-3, 21e-3, 40, dtype=F64)
    r2star = 20 + 30 * uniform(*IM, seed=5) if decay else None
    op = OffResonanceOp(NufftOp(points, IM, eps=1e-10), field(), times, r2star=r2star, eps=eps)
    assert op.error <= eps
    rate = 2j * math.pi * field() + (0 if r2star is None else r2star)
    image = random(*IM)
    # `eps` is relative to one; decay leaves less than one of the signal, exp(-20..50 / s * 21 ms) > 0.3.
    assert relative_error(op(image), exact(image, points, rate, times)) < 3 * eps


def test_one_frequency_needs_two_segments() -> None:
    op = OffResonanceOp(NufftOp(trajectory(30), IM, eps=1e-10), torch.full(IM, 77.0, dtype=F64), uniform(30) * 1e-2)
    assert op.n_segments == 2  # value and derivative
    image = random(*IM)
    expected = NufftOp(trajectory(30), IM, eps=1e-10)(image) * torch.exp(-2j * math.pi * 77 * op.times)
    assert relative_error(op(image), expected) < 1e-9


def test_a_positive_frequency_turns_as_the_fourier_transform_does() -> None:
    op = OffResonanceOp(
        NufftOp(torch.zeros(2, 2, dtype=F64), IM), torch.full(IM, 10.0, dtype=F64), torch.tensor([0, 0.025]).double()
    )
    first, later = op(torch.ones(IM, dtype=C128))
    assert abs(float((later / first).angle()) + math.pi / 2) < 1e-6  # a quarter turn, clockwise


@pytest.mark.parametrize("coils", [False, True])
def test_the_contract_of_operators(coils: bool) -> None:
    points, times = trajectory(4, 9), torch.linspace(0, 10e-3, 9, dtype=F64)
    inner = SenseOp(random(3, *IM), trajectory=points, eps=1e-12) if coils else NufftOp(points, IM, eps=1e-12)
    check_linear_operator(OffResonanceOp(inner, field(), times, r2star=uniform(*IM), eps=1e-4), dtype=C128)


def test_cartesian_encoding_too() -> None:
    csm, times = random(3, *IM), torch.linspace(-5e-3, 5e-3, IM[1], dtype=F64)
    op = OffResonanceOp(SenseOp(csm), field(), times, eps=1e-6)
    image = random(*IM)
    grid = torch.stack(torch.meshgrid(*(torch.arange(n) - n // 2 for n in IM), indexing="ij"), -1).double()
    for c in range(3):
        expected = exact(csm[c] * image, grid, 2j * math.pi * field(), times)
        assert relative_error(op(image)[c], expected) < 1e-5
    check_linear_operator(op, dtype=C128)


HALVES = 60.0 * (torch.arange(IM[1]) < 4).double().expand(IM)
MAPS = {
    "zero": (torch.zeros(IM, dtype=F64), torch.zeros(IM, dtype=F64)),
    "uniform": (torch.full(IM, 77.0, dtype=F64), torch.full(IM, 20.0, dtype=F64)),
    "two values": (HALVES, torch.zeros(IM, dtype=F64)),
    "two decays": (torch.zeros(IM, dtype=F64), HALVES),
    "narrow": (1e-2 * field(), torch.zeros(IM, dtype=F64)),
    "wide": (field(), 30 * uniform(*IM)),
}


@pytest.mark.parametrize("eps", [1e-3, 1e-5])
@pytest.mark.parametrize("start", [0.0, -10e-3, 30e-3])
@pytest.mark.parametrize("samples", [1, 2, 3, 200])
@pytest.mark.parametrize("maps", MAPS)
def test_gradients_for_the_maps_against_the_exact_sum(maps: str, samples: int, start: float, eps: float) -> None:
    points, times = trajectory(samples), start + uniform(samples, seed=8) * 15e-3
    image, weights = random(*IM), random(samples, seed=9)
    leaves = [values.clone().requires_grad_() for values in MAPS[maps]]
    op = OffResonanceOp(NufftOp(points, IM, eps=1e-10), leaves[0], times, r2star=leaves[1], eps=eps)
    found = torch.autograd.grad((weights.conj() * op(image)).real.sum(), leaves)
    rate = 2j * math.pi * leaves[0] + leaves[1]
    truth = torch.autograd.grad((weights.conj() * exact(image, points, rate, times)).real.sum(), leaves)
    for a, b in zip(found, truth, strict=True):
        assert relative_error(a, b) < 2 * eps


def test_gradients_by_the_adjoint_of_a_uniform_field() -> None:
    points, times, kspace, weights = trajectory(80), uniform(80) * 15e-3, random(80), random(*IM, seed=9)
    f = torch.zeros(IM, dtype=F64, requires_grad=True)
    op = OffResonanceOp(NufftOp(points, IM, eps=1e-10), f, times)
    (found,) = torch.autograd.grad((weights.conj() * op.H(kspace)).real.sum(), f)
    (truth,) = torch.autograd.grad((exact(weights, points, 2j * math.pi * f, times).conj() * kspace).real.sum(), f)
    assert relative_error(found, truth) < 1e-3


def test_what_does_not_fit_is_named() -> None:
    inner, f, t = NufftOp(trajectory(30), IM), field(), uniform(30)
    with pytest.raises(TypeError, match="off_resonance: expected a real floating-point tensor"):
        OffResonanceOp(inner, f + 0j, t)
    with pytest.raises(ValueError, match="off_resonance: expected a shape that broadcasts to the image"):
        OffResonanceOp(inner, f[:5], t)
    with pytest.raises(ValueError, match="off_resonance: expected finite values"):
        OffResonanceOp(inner, f * math.nan, t)
    with pytest.raises(ValueError, match="times: expected finite values"):
        OffResonanceOp(inner, f, t * math.inf)
    with pytest.raises(ValueError, match=r"times: expected a shape that broadcasts to \(30,\), got \(29,\)"):
        OffResonanceOp(inner, f, t[:29])
    with pytest.raises(ValueError, match="r2star: expected a shape that broadcasts to"):
        OffResonanceOp(inner, f, t, r2star=torch.ones(3))
    with pytest.raises(ValueError, match="mask: expected at least one voxel"):
        OffResonanceOp(inner, f, t, mask=f > 1e9)
    with pytest.raises(ValueError, match=r"mask: expected a shape that broadcasts to \(12, 10\), got \(5, 5\)"):
        OffResonanceOp(inner, f, t, mask=torch.ones(5, 5, dtype=torch.bool))
    with pytest.raises(TypeError, match=r"mask: expected a tensor of bool, got torch.float64"):
        OffResonanceOp(inner, f, t, mask=f)
    with pytest.raises(TypeError, match="op: expected a LinearOperator, got function"):
        OffResonanceOp(lambda x: x, f, t)
    with pytest.raises(ValueError, match="off_resonance: expected maps whose spread times the duration is at most 512"):
        OffResonanceOp(inner, f, 1e3 * t)
    with pytest.raises(ValueError, match="eps: expected 0 < eps < 1"):
        OffResonanceOp(inner, f, t, eps=0.0)


def test_voxels_outside_the_mask_need_no_segments() -> None:
    f = field()
    f[0, 0] = 5000.0
    inner, times = NufftOp(trajectory(30), IM), uniform(30) * 20e-3
    mask = f < 1000
    few, many = (OffResonanceOp(inner, f, times, mask=m) for m in (mask, None))
    assert few.n_segments < many.n_segments


def test_maps_take_the_precision_of_the_image() -> None:
    points, times = trajectory(6, 40), torch.linspace(1e-3, 21e-3, 40, dtype=F64)
    csm, image = random(3, *IM).to(torch.complex64), random(*IM, seed=2).to(torch.complex64)
    op = OffResonanceOp(SenseOp(csm, trajectory=points), field(), times)
    narrow = OffResonanceOp(SenseOp(csm, trajectory=points), field().float(), times.float())
    y = op(image)
    assert y.dtype == op.H(y).dtype == torch.complex64
    assert relative_error(y, narrow(image)) < 2e-3  # eps = 1e-3 each


def test_a_map_that_broadcasts_is_what_it_repeats() -> None:
    inner, times, image = NufftOp(trajectory(30), IM), uniform(30) * 20e-3, random(*IM)
    row = field()[:1]
    assert (
        relative_error(OffResonanceOp(inner, row, times)(image), OffResonanceOp(inner, row.expand(IM), times)(image))
        < 1e-12
    )


@pytest.mark.parametrize(
    ("frequencies", "rates", "duration"), [(0, 500, 60e-3), (20, 500, 60e-3), (5000, 0, 60e-3), (4000, 100, 15e-3)]
)
def test_wide_maps_against_the_exact_sum(frequencies: float, rates: float, duration: float) -> None:
    points, times = trajectory(400), duration * uniform(400, seed=3)
    f, r2star = frequencies * (uniform(*IM, seed=4) - 0.5), rates * uniform(*IM, seed=5)
    op = OffResonanceOp(NufftOp(points, IM, eps=1e-10), f, times, r2star=r2star, eps=1e-4)
    image = random(*IM)
    found, expected = op(image), exact(image, points, 2j * math.pi * f + r2star, times)
    # Of unit signals a root mean square of 1e-4: at every sample below 1e-4 sqrt(n voxels) |image| / sqrt(n voxels).
    assert float((found - expected).abs().max()) < 1e-4 * float(torch.linalg.vector_norm(image))


def test_arguments_of_another_shape_are_named() -> None:
    op = OffResonanceOp(NufftOp(trajectory(30), IM), field(), uniform(30) * 1e-2)
    with pytest.raises(ValueError, match=r"image: expected shape \(\*, 12, 10\), got \(12, 11\)"):
        op(random(12, 11))
    with pytest.raises(ValueError, match=r"kspace: expected shape \(\*, 30\), got \(29,\)"):
        op.H(random(29))
    with pytest.raises(ValueError, match=r"image: expected shape \(\*, 12, 10\), got \(10,\)"):
        op(random(10))
    with pytest.raises(TypeError, match=r"image: expected a torch\.Tensor, got int"):
        op(3)
    anything = OffResonanceOp(IdentityOp(), field()[:, :1], torch.zeros(1, dtype=F64))
    assert anything(random(2, *IM)).shape == (2, *IM)
    with pytest.raises(
        ValueError, match=r"image: expected a shape that off_resonance of shape \(12, 1\) broadcasts to"
    ):
        anything(random(5, 10))
