"""Coil sensitivities: Biot-Savart against closed forms, the Fourier fit, and exact multi-coil k-space."""

import math

import pytest
import torch
from quadrature import ellipsoid_points, fourier

from mriops.phantoms import Ellipsoid, FourierCoils, Phantom, brain, coil_maps, fourier_coils, shepp_logan
from mriops.phantoms.coils import _transverse_field

EPS = torch.finfo(torch.float64).eps


def _random_coils(n_coils=3, order=2, ndim=2, period=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = [n_coils] + [2 * order + 1] * ndim
    return FourierCoils(torch.randn(shape, generator=generator, dtype=torch.complex128), period)


def _series(coils, r):
    """The sensitivities at points r by their definition."""
    shifts, coefficients = coils.terms()
    return coefficients @ torch.exp(2j * math.pi * (shifts @ r.T))


def test_field_on_the_axis_of_a_loop():
    # 2 pi R^2/(R^2 + d^2)^1.5 along the axis, here the x axis
    radius = 0.3
    turn = torch.arange(64, dtype=torch.float64) * (2 * math.pi / 64)
    wire = torch.stack([radius * torch.sin(turn), radius * torch.cos(turn), torch.full_like(turn, 0.7)], -1)
    x = torch.linspace(-0.4, 0.4, 9, dtype=torch.float64)
    field = _transverse_field(torch.stack([0 * x, 0 * x, x], -1), wire)
    # the trapezoid rule at distance >= 0.3 = R from a wire of 64 points: error exp(-64 asinh(1)) and rounding;
    # element = d wire/d turn carries no factor of the step 2 pi/64
    expected = 64 / (2 * math.pi) * 2 * math.pi * radius**2 / (radius**2 + (x - 0.7) ** 2) ** 1.5
    assert torch.allclose(field.real.abs(), expected, rtol=1e-12)
    assert field.imag.abs().max() < 1e-12 * float(expected.max())


def test_maps_are_normalised_smooth_and_different():
    maps = coil_maps((33, 40), 8)
    assert maps.shape == (8, 33, 40)
    assert maps.dtype == torch.complex64
    assert float(maps[:, 16, 20].abs().square().sum()) == pytest.approx(1.0, rel=1e-5)
    inside = maps[:, 8:25, 10:30]
    gram = torch.einsum("cyx,dyx->cd", inside, inside.conj())
    eigenvalues = torch.linalg.eigvalsh(gram)
    assert eigenvalues[0] > 1e-4 * eigenvalues[-1]
    assert coil_maps((5, 6, 7), 9).shape == (9, 5, 6, 7)
    assert coil_maps((5, 6), 1).shape == (1, 5, 6)


def test_neighbouring_coils_are_rotated_copies():
    maps = coil_maps((41, 41), 4, dtype=torch.complex128).abs()
    assert torch.allclose(torch.rot90(maps[0], 1, (0, 1)), maps[3], rtol=1e-10)


@pytest.mark.parametrize(("ndim", "limit"), [(2, 5e-3), (3, 5e-3)])
def test_fourier_coils_follow_the_loops(ndim, limit):
    coils = fourier_coils(8, ndim=ndim)
    assert coils.residual < limit
    size = (32, 30) if ndim == 2 else (16, 18, 16)
    axes = [(torch.arange(n, dtype=torch.float64) - n // 2) / n for n in size]
    inside = torch.linalg.vector_norm(torch.stack(torch.meshgrid(*axes, indexing="ij")), dim=0) < 0.5
    series, loops = coils.maps(size, dtype=torch.complex128), coil_maps(size, 8, dtype=torch.complex128)
    difference = torch.linalg.vector_norm((series - loops)[:, inside]) / torch.linalg.vector_norm(loops[:, inside])
    assert difference < 2 * limit
    assert series.abs().max() < 20  # bounded outside the disc as well


@pytest.mark.parametrize(("size", "ndim"), [((9, 8), 2), ((1, 5), 2), ((4, 5, 3), 3)])
def test_maps_are_the_series(size, ndim):
    coils = _random_coils(ndim=ndim)
    axes = [(torch.arange(n, dtype=torch.float64) - n // 2) / n for n in size]
    expected = _series(coils, torch.cartesian_prod(*axes).reshape(-1, ndim)).reshape(3, *size)
    assert (coils.maps(size, dtype=torch.complex128) - expected).abs().max() < 1e-12


@pytest.mark.parametrize("ndim", [2, 3])
def test_multicoil_kspace_equals_quadrature(ndim):
    matrix = 0.2 * torch.eye(ndim, dtype=torch.float64)
    matrix[0, 1] = 0.1
    centre = torch.tensor([0.1, -0.2, 0.05], dtype=torch.float64)[:ndim]
    phantom, coils = Phantom([Ellipsoid(centre, matrix)], [1.5]), _random_coils(order=1 if ndim == 3 else 2, ndim=ndim)
    points, weights = ellipsoid_points(centre, matrix, n=60 if ndim == 2 else 30)
    k = 6 * torch.randn(20, ndim, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    k[0] = 0.0
    k[1] = 0.5  # falls on a shift of the series
    found = phantom.multicoil_kspace(k, coils, dtype=torch.complex128)
    expected = torch.stack([fourier(points, weights, k, 1.5 * s) for s in _series(coils, points)])
    assert found.shape == (3, 20)
    assert (found - expected).abs().max() < 1e-13 * len(points) ** 0.5


@pytest.mark.parametrize("size", [(16, 18), (15, 17), (1, 6), (5, 4, 6)])
@pytest.mark.parametrize("period", [1, 2, 3])
def test_multicoil_grid_equals_points(size, period):
    phantom, coils = shepp_logan(ndim=len(size)), _random_coils(ndim=len(size), period=period)
    grid = torch.cartesian_prod(*[torch.arange(n, dtype=torch.float64) - n // 2 for n in size]).reshape(
        *size, len(size)
    )
    fast = phantom.multicoil_kspace(size, coils, dtype=torch.complex128)
    slow = phantom.multicoil_kspace(grid, coils, im_size=size, dtype=torch.complex128)
    assert fast.shape == slow.shape == (3, *size)
    # sums of up to 125 terms of size up to sqrt(n), rounding of phases
    assert (fast - slow).abs().max() < 2e-12 * math.sqrt(math.prod(size))


def test_brain_multicoil_grid_equals_points():
    phantom, coils = brain(), fourier_coils(3, order=2)
    size = (40, 36)
    rows = torch.tensor([0, 19, 20, 39])
    grid = torch.cartesian_prod(rows.double() - 20, torch.arange(36, dtype=torch.float64) - 18)
    fast = phantom.multicoil_kspace(size, coils, dtype=torch.complex128)[:, rows]
    slow = phantom.multicoil_kspace(grid, coils, im_size=size, dtype=torch.complex128).reshape(3, 4, 36)
    assert (fast - slow).abs().max() < 1e-11


def test_constant_sensitivity_gives_the_object_and_a_ramp_a_shift():
    phantom = shepp_logan()
    coefficients = torch.zeros(2, 3, 3, dtype=torch.complex128)
    coefficients[0, 1, 1] = 2.0
    coefficients[1, 2, 1] = 1.0  # exp(2 pi i y/1): moves k-space by one sample
    both = phantom.multicoil_kspace((16, 16), FourierCoils(coefficients, 1), dtype=torch.complex128)
    kspace = phantom.kspace((16, 16), dtype=torch.complex128)
    assert (both[0] - 2 * kspace).abs().max() < 1e-13
    assert (both[1, 1:] - kspace[:-1]).abs().max() < 1e-13


def test_complex_and_batched_values():
    shapes = shepp_logan().shapes[:2]
    values = torch.tensor([[1.0, 2.0j], [0.5 - 1j, 1.0]])
    coils = _random_coils()
    both = Phantom(shapes, values).multicoil_kspace((8, 7), coils, dtype=torch.complex128)
    assert both.shape == (2, 3, 8, 7)
    for i in range(2):
        single = Phantom(shapes, values[i]).multicoil_kspace((8, 7), coils, dtype=torch.complex128)
        assert torch.allclose(both[i], single, rtol=1e-12)


def test_images_of_coils_are_maps_times_image():
    size = (128, 128)
    phantom, coils = shepp_logan(), fourier_coils(6)
    kspace = phantom.multicoil_kspace(size, coils)
    axes = (-2, -1)
    images = torch.fft.fftshift(torch.fft.ifftn(torch.fft.ifftshift(kspace, axes), dim=axes, norm="ortho"), axes)
    expected = coils.maps(size) * phantom.image(size)
    inside = phantom.image(size).abs() > 0.05
    # they differ by ringing at edges: 6 % of the energy at 128 points
    relative = torch.linalg.vector_norm((images - expected)[:, inside]) / torch.linalg.vector_norm(expected[:, inside])
    assert relative < 0.15
    shrunk = torch.nn.functional.max_pool2d(-inside[None].float(), 9, 1, 4)[0] < 0
    flat = (images - expected)[:, shrunk & (phantom.image(size).real - 0.2).abs().lt(1e-3)].abs()
    assert flat.median() < 0.01


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: coil_maps((8, 8), 0), "n_coils: expected a positive int, got 0"),
        (lambda: coil_maps((8,), 4), r"im_size: expected \(y, x\) or \(z, y, x\) of positive ints"),
        (lambda: coil_maps((8, 8), 4, n_rings=5), "n_rings: expected 1 to n_coils = 4, got 5"),
        (lambda: fourier_coils(4, ndim=1), "ndim: expected 2 or 3, got 1"),
        (lambda: fourier_coils(4, order=0), "order: expected a positive int, got 0"),
        (lambda: fourier_coils(4).maps((8, 8, 8)), "im_size: expected 2 positive ints"),
        (lambda: FourierCoils(torch.zeros(2, 3, 4, dtype=torch.complex64)), "coefficients: expected complex"),
        (lambda: FourierCoils(torch.zeros(2, 3, 3)), "coefficients: expected complex"),
        (lambda: FourierCoils(torch.zeros(2, 3, 3, dtype=torch.complex64), 0), "period: expected a positive int"),
        (lambda: shepp_logan(ndim=3).multicoil_kspace((8, 8, 8), fourier_coils(4)), "coils: expected 3D sensitivities"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_coefficients_are_the_callers_own():
    first = fourier_coils(2)
    first.coefficients.mul_(3)
    assert torch.equal(fourier_coils(2).coefficients * 3, first.coefficients)
