"""Density compensation: areas add up, and a weighted adjoint gives back what was encoded."""

import math

import numpy as np
import pytest
import torch

from mriops import trajectories

SIZE = (32, 32)


def encode(image: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """Exact orthonormal NUDFT of (*im_size) at (samples, ndim)."""
    return basis(k, image.shape) @ image.flatten()


def decode(kspace: torch.Tensor, k: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    return (basis(k, size).conj().T @ kspace).reshape(size)


def basis(k: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    grid = torch.cartesian_prod(*[torch.arange(n, dtype=torch.float64) - n // 2 for n in size])
    phase = k.double() @ (grid / torch.tensor(size, dtype=torch.float64)).T
    return torch.exp(-2j * math.pi * phase) / math.sqrt(math.prod(size))


def bump(size: tuple[int, ...]) -> torch.Tensor:
    """A smooth object well inside the field of view; its spectrum has fallen to 1e-5 at the edge of k-space."""
    axes = torch.meshgrid(*[(torch.arange(n, dtype=torch.float64) - n // 2) / n for n in size], indexing="ij")
    width = 1.6 / min(size) ** 0.5 / 2
    return torch.exp(-sum((a - 0.05) ** 2 for a in axes) / width**2).to(torch.complex128)


def error(weights: torch.Tensor, k: torch.Tensor, size: tuple[int, ...]) -> float:
    flat, image = k.flatten(-3, -2), bump(size)
    back = decode(weights.flatten().double() * encode(image, flat), flat, size)
    return float((back - image).norm() / image.norm())


RADIAL = {
    "uniform": lambda: trajectories.radial(SIZE, 51, order="uniform", dtype=torch.float64),
    "golden": lambda: trajectories.radial(SIZE, 60, dtype=torch.float64),
    "ramp": lambda: trajectories.radial(SIZE, 60, ramp=0.4, dtype=torch.float64),
    "half": lambda: trajectories.radial(SIZE, 101, half=True, dtype=torch.float64),
    "half, ramp": lambda: trajectories.radial(SIZE, 101, half=True, ramp=0.4, dtype=torch.float64),
}


@pytest.mark.parametrize("kind", RADIAL)
def test_radial_weights_give_back_a_smooth_image(kind):
    k = RADIAL[kind]()
    weights = trajectories.dcf_radial(k, SIZE)
    assert (weights >= 0).all()
    # The circle, of which half spokes miss up to half a sample in the centre and at the edge.
    assert float(weights.sum()) / 32**2 == pytest.approx(math.pi / 4, rel=0.05)
    assert error(weights, k, SIZE) < 0.02
    # The areas of sectors alone leave an offset of several times as much.
    assert error(torch.ones_like(weights), k, SIZE) > 1


def test_radial_weights_are_k_itself_for_equal_steps():
    k = trajectories.radial(SIZE, 40, order="uniform", dtype=torch.float64)
    weights = trajectories.dcf_radial(k, SIZE)
    expected = k.norm(dim=-1) * 0.5 * math.pi / 40  # |k| dk dphi
    expected[:, 32] = math.pi / 40 * 0.25 / 6  # dk^2 / 6: Euler and Maclaurin
    assert torch.allclose(weights, expected, rtol=1e-9)


def test_kooshball_weights_give_back_a_smooth_image():
    size = (12, 12, 12)
    k = trajectories.kooshball(size, 220, order="uniform", dtype=torch.float64)
    weights = trajectories.dcf_radial(k, size)
    assert float(weights.sum()) / 12**3 == pytest.approx(math.pi / 6, rel=0.02)
    assert error(weights, k, size) < 0.03
    expected = k.norm(dim=-1).square() * 0.5 * 2 * math.pi / 220
    assert torch.allclose(weights[:, 1:-1], expected[:, 1:-1], atol=1e-9)


def test_spokes_at_one_angle_share_and_gaps_are_shared():
    k = trajectories.radial(SIZE, 8, order="uniform", dtype=torch.float64)
    doubled = trajectories.dcf_radial(torch.cat([k, k[:1]]), SIZE)
    single = trajectories.dcf_radial(k, SIZE)
    assert torch.allclose(doubled[0], single[0] / 2) and torch.allclose(doubled[-1], single[0] / 2)
    gap = trajectories.dcf_radial(k[[0, 1, 2, 3, 5, 6, 7]], SIZE)
    assert torch.allclose(gap[3], 1.5 * single[3]) and torch.allclose(gap[4], 1.5 * single[5])
    assert torch.allclose(gap[1], single[1])


@pytest.mark.parametrize("density", [1.0, (2.0, 1.0)])
def test_spiral_weights(density):
    wave = trajectories.spiral(SIZE, 10, field_of_view=0.2, density=density, dwell=4e-6, dtype=torch.float64)
    weights = trajectories.dcf_spiral(wave.trajectory, SIZE)
    assert float(weights.sum()) / 32**2 == pytest.approx(math.pi / 4, rel=0.02)
    assert error(weights, wave.trajectory, SIZE) < 0.02


@pytest.mark.parametrize("kind", RADIAL)
def test_voronoi_agrees_with_radial_away_from_centre_and_edge(kind):
    pytest.importorskip("scipy")
    k = RADIAL[kind]()
    found, expected = trajectories.dcf_voronoi(k, SIZE), trajectories.dcf_radial(k, SIZE)
    radius = k.norm(dim=-1)
    middle = (radius > 6) & (radius < 13)
    # Cells of two widths (golden angles) are not quite sectors.
    assert float((found - expected)[middle].abs().max() / expected[middle].max()) < 0.05
    # Half spokes come thirteen times in one place, the centre; the edge ends half a sample outside.
    assert float(found.sum()) / 32**2 == pytest.approx(math.pi / 4, rel=0.05)
    assert error(found, k, SIZE) < 0.05


def test_voronoi_cells_of_a_grid_are_squares():
    pytest.importorskip("scipy")
    axis = torch.arange(9, dtype=torch.float64) - 4
    k = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1)
    assert torch.allclose(trajectories.dcf_voronoi(k, (9, 9))[1:-1, 1:-1], torch.ones(7, 7, dtype=torch.float64))
    cube = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).flatten(0, 1)
    weights = trajectories.dcf_voronoi(cube, (9, 9, 9)).reshape(9, 9, 9)
    assert torch.allclose(weights[1:-1, 1:-1, 1:-1], torch.ones(7, 7, 7, dtype=torch.float64))


@pytest.mark.parametrize("lines", [2, 3, 4])
def test_voronoi_cells_of_a_few_lines_end_beside_them(lines):
    pytest.importorskip("scipy")
    y, x = torch.arange(lines, dtype=torch.float64), torch.arange(64, dtype=torch.float64)
    k = torch.stack(torch.meshgrid(y - y.mean(), x - 32, indexing="ij"), -1)
    weights = trajectories.dcf_voronoi(k, (64, 64))
    # The hull is (lines - 1) x 63, and all cells together are half a spacing, which is at most 1, wider on each side.
    assert (lines - 1) * 63 < float(weights.sum()) <= lines * 64
    assert float(weights.min()) > 0.7 and float(weights.max()) < 1 + 1e-9
    turned = torch.stack([k[..., 0] * 0.6 - k[..., 1] * 0.8, k[..., 0] * 0.8 + k[..., 1] * 0.6], -1)
    assert torch.allclose(trajectories.dcf_voronoi(turned, (64, 64)), weights, atol=1e-6)


def test_voronoi_cells_of_a_triangle_fill_it():
    pytest.importorskip("scipy")
    y, x = torch.meshgrid(*[torch.arange(24, dtype=torch.float64)] * 2, indexing="ij")
    k = torch.stack([y, x], -1)[(x + y) < 24][None]
    weights = trajectories.dcf_voronoi(k, (64, 64))
    inner = (k[0] > 0).all(-1) & (k[0].sum(-1) < 23)
    assert torch.allclose(weights[0, inner], torch.ones(int(inner.sum()), dtype=torch.float64))
    assert 23**2 / 2 < float(weights.sum()) < 25.5**2 / 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_spokes_towards_the_centre_weigh_as_those_from_it(dtype, offset):
    k = trajectories.radial(SIZE, 21, 17, half=True, order="uniform", dtype=torch.float64)
    k = (k + offset * (k[:, 1:2] - k[:, :1])).to(dtype)
    assert torch.equal(trajectories.dcf_radial(k.flip(1), SIZE), trajectories.dcf_radial(k, SIZE).flip(1))
    mixed = torch.where(torch.arange(21)[:, None, None] % 2 == 0, k, k.flip(1))
    assert float(trajectories.dcf_radial(mixed, SIZE).sum()) == pytest.approx(
        float(trajectories.dcf_radial(k, SIZE).sum())
    )


def test_voronoi_volumes_are_those_of_convex_hulls():
    spatial = pytest.importorskip("scipy.spatial")
    places = np.random.default_rng(0).uniform(-8, 8, (200, 3))
    k = torch.from_numpy(places)[None]
    weights = trajectories.dcf_voronoi(k, (16, 16, 16))[0].numpy()
    diagram = spatial.Voronoi(places)
    checked = 0
    for site, region in enumerate(diagram.point_region):
        corners = diagram.regions[region]
        if np.abs(places[site]).max() < 3 and -1 not in corners and np.abs(diagram.vertices[corners]).max() < 6:
            assert spatial.ConvexHull(diagram.vertices[corners]).volume == pytest.approx(weights[site], rel=1e-9)
            checked += 1
    assert checked >= 3


def test_frames_are_independent():
    pytest.importorskip("scipy")
    k = trajectories.radial(SIZE, 39, 32, dtype=torch.float64).unflatten(0, (3, 13))
    for weigh in (trajectories.dcf_radial, trajectories.dcf_voronoi, trajectories.dcf_spiral):
        together = weigh(k, SIZE)
        assert together.shape == (3, 13, 32)
        assert torch.allclose(together[1], weigh(k[1], SIZE))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda k: trajectories.dcf_radial(k, (32, 32, 32)), "trajectory: expected .*, 3\\) for im_size"),
        (lambda k: trajectories.dcf_radial(k[:, :1], SIZE), "readout >= 2"),
        (lambda k: trajectories.dcf_radial(k + 5, SIZE), "expected straight spokes through the centre"),
        (lambda k: trajectories.dcf_radial(k * 0, SIZE), "readouts whose ends coincide"),
        (
            lambda k: trajectories.dcf_radial(k * math.nan, SIZE),
            r"expected finite coordinates, got nan at index \(0, 0, 0\)",
        ),
        (lambda k: trajectories.dcf_spiral(torch.zeros(2, 3, 3), (8, 8, 8)), "expected 2D spirals"),
        (lambda k: trajectories.dcf_voronoi(k[:1], SIZE), "expected samples that span 2 dimensions"),
        (
            lambda k: trajectories.dcf_voronoi(k * math.inf, SIZE),
            r"expected finite coordinates, got (-?inf|nan) at index \(0, 0, 0\)",
        ),
        (lambda k: trajectories.dcf_voronoi(k[0], SIZE), "trajectory: expected .*shots, readout, 2"),
    ],
)
def test_refusals(call, message):
    pytest.importorskip("scipy")
    with pytest.raises(ValueError, match=message):
        call(trajectories.radial(SIZE, 5, 16))


@pytest.mark.parametrize("name", ["dcf_radial", "dcf_spiral", "dcf_voronoi", "dcf_pipe"])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda k: k.round().long(), TypeError, "trajectory: expected a real floating-point dtype, got torch.int64"),
        (lambda k: k.to(torch.complex64), TypeError, "trajectory: expected a real floating-point dtype"),
        (lambda k: k.numpy(), TypeError, "trajectory: expected a torch.Tensor, got ndarray"),
        (lambda k: k.tolist(), TypeError, "trajectory: expected a torch.Tensor, got list"),
        (lambda k: k[:0], ValueError, r"trajectory: expected .*shots >= 1 .*, got \(0, 16, 2\)"),
        (lambda k: k[:, :0], ValueError, r"trajectory: expected .*readout >= . *, got \(5, 0, 2\)"),
        (
            lambda k: k.index_fill(1, torch.tensor([3]), math.nan),
            ValueError,
            r"trajectory: expected finite coordinates, got nan at index \(0, 3, 0\)",
        ),
    ],
)
def test_every_weighting_refuses_what_is_no_trajectory(name, change, error, message):
    with pytest.raises(error, match=message):
        getattr(trajectories, name)(change(trajectories.radial(SIZE, 5, 16)), SIZE)


def test_thousands_of_spokes_need_no_matrix_of_pairs():
    k = trajectories.radial(SIZE, 4, 8, order="uniform")
    many = k.repeat(10_000, 1, 1)  # a matrix of their angles would take 13 GB
    torch.testing.assert_close(
        trajectories.dcf_radial(many, SIZE) * 10_000,
        trajectories.dcf_radial(k, SIZE).repeat(10_000, 1),
        rtol=1e-5,
        atol=0,
    )


def test_no_frames():
    assert trajectories.dcf_voronoi(torch.zeros(0, 4, 8, 2), SIZE).shape == (0, 4, 8)
    assert trajectories.dcf_radial(torch.zeros(0, 4, 8, 2), SIZE).shape == (0, 4, 8)
