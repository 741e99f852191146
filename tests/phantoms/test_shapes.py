"""Closed-form transforms of shapes against quadrature, at all scales of k, and their rasterisation."""

import math

import pytest
import torch
from quadrature import ellipsoid_points, fourier, triangle_fan

from mriops.phantoms import Contour, Ellipsoid, Polygon
from mriops.phantoms.raster import coverage

EPS = torch.finfo(torch.float64).eps


def _f64(values):
    return torch.tensor(values, dtype=torch.float64)


def _k(ndim, largest=20.0, seed=0):
    """Random k over ten decades down to 0."""
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(60, ndim, generator=generator, dtype=torch.float64)
    direction /= torch.linalg.vector_norm(direction, dim=1, keepdim=True)
    size = torch.logspace(-9, math.log10(largest), 60, dtype=torch.float64)
    close = torch.tensor([0.0199, 0.02, 0.0201], dtype=torch.float64)  # where series and boundary sums meet
    return torch.cat(
        [size[:, None] * direction, close[:, None] * direction[:3], torch.zeros(1, ndim, dtype=torch.float64)]
    )


def _rounding(k):
    """Of sums along a boundary of a length near 2, divided by 2 pi |k| from |k| = 0.02 on; below there is a series."""
    return 50 * EPS * (1 + 0.1 / torch.linalg.vector_norm(k, dim=1).clamp_min(0.02))


def _star(n, amplitude=0.08, petals=5):
    t = torch.arange(n, dtype=torch.float64) * (2 * math.pi / n)
    radius = 0.3 + amplitude * torch.cos(petals * t)
    return torch.stack([0.05 + radius * torch.sin(t), -0.02 + radius * torch.cos(t)], -1)


MATRICES = {
    2: [[[0.3, 0.1], [-0.05, 0.2]], [[0.02, 0.0], [0.0, 0.4]]],
    3: [[[0.3, 0.1, 0.0], [-0.05, 0.2, 0.02], [0.03, 0.0, 0.1]], [[0.02, 0, 0], [0, 0.4, 0], [0, 0, 0.3]]],
}


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("which", [0, 1])
def test_ellipsoid_equals_quadrature(ndim, which):
    matrix = torch.tensor(MATRICES[ndim][which], dtype=torch.float64)
    centre = torch.tensor([0.07, -0.11, 0.05][:ndim], dtype=torch.float64)
    shape = Ellipsoid(centre, matrix)
    points, weights = ellipsoid_points(centre, matrix, n=80 if ndim == 2 else 50)
    k = _k(ndim)
    # quadrature of order 50 and more resolves 2 pi |k| r < 60; what is left is rounding of sums of n terms
    tolerance = 4 * EPS * math.sqrt(len(points)) * shape.volume
    assert (shape.fourier(k) - fourier(points, weights, k)).abs().max() < tolerance
    assert abs(float(shape.fourier(torch.zeros(1, ndim, dtype=torch.float64))[0].real) - shape.volume) < 4 * EPS


def test_ellipse_is_accurate_relative_to_its_envelope_at_large_k():
    # J1(x)/x by its asymptotic series: |S| ~ x^-3/2, so that absolute errors would hide everything
    shape = Ellipsoid((0, 0), [[0.4, 0], [0, 0.4]])
    for k in (1e3, 1e4):
        x = 2 * math.pi * 0.4 * k
        phase = x - 0.75 * math.pi
        asymptotic = math.cos(phase) - 0.375 / x * math.sin(phase) + 0.1171875 / x**2 * math.cos(phase)
        expected = 0.16 * 2 * math.pi * math.sqrt(2 / (math.pi * x)) * asymptotic / x
        found = float(shape.fourier(torch.tensor([[0.0, k]], dtype=torch.float64))[0].real)
        # next term of the series 0.1025/x^3, and rounding eps x of the phase
        assert abs(found - expected) < 0.16 * 2 * math.pi * x**-1.5 * (0.2 / x**3 + 8 * EPS * x)


def test_polygon_equals_quadrature():
    vertices = torch.tensor([[0.1, -0.2], [0.25, 0.1], [-0.05, 0.05], [-0.1, 0.3], [-0.3, -0.1]], dtype=torch.float64)
    k = _k(2)
    points, weights = triangle_fan(vertices)
    expected = fourier(points, weights, k)
    for order in (vertices, vertices.flip(0), vertices.roll(2, 0)):
        found = Polygon(order).fourier(k)
        # boundary sums carry eps x perimeter/(2 pi |k|), at most at |k| = 0.02: 8 eps x 1.6/0.126
        assert (found - expected).abs().max() < 200 * EPS


def test_rectangle_is_a_product_of_sincs_even_along_its_edges():
    k = torch.cartesian_prod(torch.linspace(-30, 30, 41, dtype=torch.float64), _f64([0.0, 1e-12, 0.5, 7.0]))
    shape = Polygon([[-0.1, -0.2], [-0.1, 0.2], [0.1, 0.2], [0.1, -0.2]])
    expected = 0.08 * torch.sinc(0.2 * k[:, 0]) * torch.sinc(0.4 * k[:, 1])
    assert (shape.fourier(k) - expected).abs().max() < 20 * EPS


def test_round_contour_is_the_ellipse():
    # 256 points: the taper of the harmonics takes 18 (1/128)^8 = 3e-16 off the first one
    t = torch.arange(256, dtype=torch.float64) * (2 * math.pi / 256)
    matrix, centre = _f64([[0.3, 0.1], [-0.05, 0.2]]), _f64([0.07, -0.11])
    curve = torch.stack([torch.sin(t), torch.cos(t)], -1) @ matrix.T + centre
    k = torch.cat([_k(2), _k(2, 300.0, seed=1)])
    found, expected = Contour([curve]).fourier(k), Ellipsoid(centre, matrix).fourier(k)
    # boundary sums carry eps x perimeter/(2 pi |k|) from |k| = 0.02 on; phases 2 pi |k| r eps at large k
    assert (found - expected).abs().max() < 200 * EPS


def test_contour_equals_a_polygon_of_many_vertices():
    # a star of five petals holds harmonics 1, 4 and 6 only; its chords leave an area error of order 1/n^2
    k = _k(2, 40.0)
    contour = Contour([_star(512)])
    errors = [(Polygon(_star(n)).fourier(k) - contour.fourier(k)).abs().max() for n in (1000, 4000)]
    assert errors[1] < 1e-6
    assert float(errors[0] / errors[1]) == pytest.approx(16.0, rel=0.02)


def test_contour_node_count_leaves_rounding_only():
    k = _k(2, 226.0, seed=3)
    contour = Contour([_star(400, 0.1, 17)])
    found = contour.fourier(k)
    for key in contour._counts:
        contour._counts[key] *= 2
    assert ((contour.fourier(k) - found).abs() < _rounding(k)).all()


def test_contour_holes_and_several_loops():
    outer, inner = _star(64), 0.4 * _star(64)
    other = 0.1 * _star(64) + torch.tensor([0.42, 0.42], dtype=torch.float64)
    k = _k(2, 60.0)
    together = Contour([outer, other.flip(0)], holes=[inner]).fourier(k)
    parts = Contour([outer]).fourier(k) - Contour([inner]).fourier(k) + Contour([other]).fourier(k)
    assert ((together - parts).abs() < _rounding(k)).all()
    volume = Contour([outer]).volume - Contour([inner]).volume + Contour([other]).volume
    assert Contour([outer, other], holes=[inner]).volume == pytest.approx(volume, rel=1e-14)


SHAPES = [
    Ellipsoid((0.05, -0.1), [[0.3, 0.1], [-0.05, 0.2]]),
    Polygon(_star(40)),
    Contour([_star(64)], holes=[0.4 * _star(64)]),
    Ellipsoid((0.05, -0.1, 0.02), [[0.3, 0.1, 0], [-0.05, 0.2, 0], [0, 0.1, 0.2]]),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_grid_equals_points(shape):
    axes = [torch.linspace(-8, 9, 7 + i, dtype=torch.float64) for i in range(shape.ndim)]
    axes[0] = torch.cat([axes[0], torch.zeros(1, dtype=torch.float64)])
    axes[1] = torch.cat([axes[1], _f64([0.0, 0.001])])
    if shape.ndim == 3:
        axes[2] = torch.cat([axes[2], _f64([0.0])])
    grid = shape.fourier_grid(axes)
    points = shape.fourier(torch.cartesian_prod(*axes)).reshape(grid.shape)
    assert grid.shape == tuple(len(a) for a in axes)
    assert (grid - points).abs().max() < 200 * EPS


@pytest.mark.parametrize("shape", SHAPES)
def test_shifted_sums_equal_single_ones(shape):
    generator = torch.Generator().manual_seed(5)
    k, shifts = _k(shape.ndim), torch.randn(4, shape.ndim, generator=generator, dtype=torch.float64)
    k[3] = shifts[1]  # k - shift = 0
    coefficients = torch.randn(3, 4, generator=generator, dtype=torch.complex128)
    expected = sum(c[:, None] * shape.fourier(k - s) for c, s in zip(coefficients.T, shifts, strict=True))
    assert (shape.fourier_shifted(k, shifts, coefficients) - expected).abs().max() < 500 * EPS


@pytest.mark.parametrize("shape", SHAPES)
def test_moved_shapes_follow_the_shift_theorem(shape):
    turn, shift = torch.eye(shape.ndim, dtype=torch.float64), _f64([0.01, 0.02, -0.03][: shape.ndim])
    turn[-2:, -2:] = _f64([[math.cos(0.4), -math.sin(0.4)], [math.sin(0.4), math.cos(0.4)]])
    k = _k(shape.ndim)
    phase = torch.exp(-2j * math.pi * (k @ shift))
    assert (shape.moved(turn, shift).fourier(k) - phase * shape.fourier(k @ turn)).abs().max() < 200 * EPS
    mirror = turn.clone()
    mirror[0] = -mirror[0]
    assert shape.moved(mirror, shift).volume == pytest.approx(shape.volume, rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [(24, 31), (1, 8), (33, 1)])
def test_coverage_sums_to_the_volume_and_stays_a_fraction(shape, size):
    if shape.ndim == 3:
        size = (*size, 16)
    image = coverage(shape, size, oversample=16)
    assert image.shape == size
    assert image.min() > -1e-12
    assert image.max() < 1 + 1e-12
    # lengths along x are exact; across it a midpoint rule with L lines per axis, whose error is below 1/L^1.5
    lines = min(16 * n for n in size[:-1])
    assert float(image.mean()) == pytest.approx(shape.volume, abs=0.5 * lines**-1.5)


@pytest.mark.parametrize("shape", SHAPES)
def test_coverage_has_the_transform_of_the_shape(shape):
    size = (96, 80) if shape.ndim == 2 else (40, 40, 48)
    image = coverage(shape, size, oversample=12).to(torch.complex128)
    k = torch.tensor([[3.0, -2.5, 4.0], [0.5, 1.0, 0.0], [-6.0, 5.0, 2.0]], dtype=torch.float64)[:, : shape.ndim]
    expected = shape.fourier(k)
    for one, value in zip(k, expected, strict=True):
        total = image
        for n, q in zip(size, one.tolist(), strict=True):
            r = (torch.arange(n, dtype=torch.float64) - n // 2) / n
            # the pixel box is a factor sinc(k/N)
            total = torch.tensordot(torch.exp(-2j * math.pi * q * r) / n, total, dims=([0], [0])) / math.prod(
                [float(torch.sinc(torch.tensor(q / n, dtype=torch.float64)))]
            )
        # aliases of the boxed image are down by sinc(1 - k/N) ~ k/N times S(N - k); 2e-4 is 0.1 % of the volumes
        assert abs(complex(total) - complex(value)) < 4e-4


def test_shapes_beyond_the_field_of_view_are_cut_in_images():
    assert coverage(Ellipsoid((0, 0), [[2.0, 0], [0, 2.0]]), (5, 6)).eq(1).all()
    left = coverage(Polygon([[-2, -2], [2, -2], [2, -1 / 12], [-2, -1 / 12]]), (3, 6))  # x = -1/12: edge of pixel 3
    assert torch.allclose(left, torch.tensor([1.0, 1, 1, 0, 0, 0], dtype=torch.float64).expand(3, 6), atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Polygon([[0, 0], [1, 1]]), "vertices: expected at least 3 points, got 2"),
        (lambda: Polygon([[0, 0], [1, 1], [2, 2]]), "vertices: expected a polygon of non-zero area"),
        (lambda: Polygon([[0, 0, 0]]), r"vertices: expected shape \(points, 2\), got \(1, 3\)"),
        (lambda: Polygon([[0, 0], [0, float("nan")], [1, 1]]), "vertices: expected finite coordinates"),
        (lambda: Contour([]), "loops: expected at least one closed curve"),
        (lambda: Contour([[[0, 0], [1, 1]]]), "loops: expected at least 3 control points"),
        (lambda: Ellipsoid((0, 0), [[1, 0], [1, 0]]), "matrix: expected linearly independent half axes"),
        (lambda: Ellipsoid((0, 0), [[1, 0, 0], [0, 1, 0]]), r"matrix: expected shape \(2, 2\) or \(3, 3\)"),
        (lambda: Ellipsoid((0, 0, 0), [[1, 0], [0, 1]]), r"centre: expected shape \(points, 2\)"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
