"""Phantoms: k-space on grids and points, images, scale of the orthonormal transform, Parseval, motion, failures."""

import math

import numpy as np
import pytest
import torch
from skimage.data import shepp_logan_phantom

from mriops import ops
from mriops.phantoms import Ellipsoid, Phantom, Polygon, brain, shepp_logan

EPS = torch.finfo(torch.float64).eps


def _fft(x, ndim):
    axes = tuple(range(-ndim, 0))
    return torch.fft.fftshift(torch.fft.fftn(torch.fft.ifftshift(x, axes), dim=axes, norm="ortho"), axes)


def _grid(size):
    return torch.cartesian_prod(*[torch.arange(n, dtype=torch.float64) - n // 2 for n in size]).reshape(
        *size, len(size)
    )


@pytest.mark.parametrize("size", [(32, 40), (31, 33), (1, 7), (6, 1), (8, 9, 10), (1, 5, 4)])
@pytest.mark.parametrize("contrast", ["original", "modified"])
def test_cartesian_grid_equals_points(size, contrast):
    phantom = shepp_logan(ndim=len(size), contrast=contrast)
    grid = phantom.kspace(size, dtype=torch.complex128)
    points = phantom.kspace(_grid(size), im_size=size, dtype=torch.complex128)
    assert grid.shape == points.shape == size
    # rounding of phases 2 pi k.r, |k| up to 32, summed over ten shapes
    assert (grid - points).abs().max() < 200 * EPS * math.sqrt(math.prod(size))


def test_scale_and_sign_are_those_of_the_orthonormal_transform():
    # a box of whole pixels: the DFT of its image is the integral up to the pixel's own sinc and aliasing, both known
    n, first, last = 64, 20, 27
    low, high = (first - n // 2 - 0.5) / n, (last - n // 2 + 0.5) / n
    phantom = Phantom([Polygon([[low, -0.25 - 0.5 / n], [high, -0.25 - 0.5 / n], [high, 0.1], [low, 0.1]])], [2.0])
    image = phantom.image((n, n), dtype=torch.complex128)
    assert torch.allclose(image[:, 30].real, 2.0 * ((torch.arange(n) >= first) & (torch.arange(n) <= last)).double())
    difference = _fft(image, 2) - phantom.kspace((n, n), dtype=torch.complex128)
    centre = difference[n // 2 - 3 : n // 2 + 4, n // 2 - 3 : n // 2 + 4].abs().max()
    # |1 - sinc(k/N)| < (pi 3/64)^2/6 = 0.4 % at |k| <= 3, of a total of 2 x 0.125 x 0.36 x 64
    assert centre < 0.008 * 2 * 0.125 * 0.36 * 64
    assert difference[n // 2, n // 2].abs() < 1e-12


@pytest.mark.parametrize("ndim", [2, 3])
def test_image_and_kspace_differ_only_by_sampling(ndim):
    size = (128, 96) if ndim == 2 else (40, 48, 40)
    phantom = shepp_logan(ndim=ndim)
    kspace, image = phantom.kspace(size), phantom.image(size)
    assert kspace.dtype == image.dtype == torch.complex64
    relative = torch.linalg.vector_norm(_fft(image, ndim) - kspace) / torch.linalg.vector_norm(kspace)
    assert relative < (0.11 if ndim == 2 else 0.25)  # edges: falls as 1/sqrt(N)
    limited = phantom.image(size, kind="bandlimited")
    assert torch.allclose(_fft(limited, ndim), kspace, atol=1e-5 * float(kspace.abs().max()))


@pytest.mark.parametrize("shape", [*shepp_logan().shapes[2:4], brain().shapes[7]])
def test_parseval(shape):
    # int |m|^2 is the volume of the shape; what a grid of N^2 points misses of the sum of |S|^2 falls as 1/N
    tails = []
    for n in (128, 256):
        kspace = Phantom([shape], [1.0]).kspace((n, n), dtype=torch.complex128)
        tails.append(shape.volume - float((kspace.abs() ** 2).sum()) / n**2)
    assert 0 < tails[1] < tails[0] < 0.15 * shape.volume
    assert tails[0] / tails[1] == pytest.approx(2.0, rel=0.2)


def test_linear_in_values_and_batches():
    shapes = shepp_logan().shapes[:3]
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, 3, 3, generator=generator, dtype=torch.complex128)
    phantom = Phantom(shapes, values)
    k = torch.randn(4, 5, 2, generator=generator, dtype=torch.float64)
    for call in (
        lambda p: p.kspace(k, dtype=torch.complex128),
        lambda p: p.kspace((9, 8), dtype=torch.complex128),
        lambda p: p.image((9, 8), dtype=torch.complex128),
        lambda p: p.image((9, 8), kind="bandlimited", dtype=torch.complex128),
    ):
        batched = call(phantom)
        assert batched.shape[:2] == (2, 3)
        single = sum(v * call(Phantom([s], [1.0])) for s, v in zip(shapes, values[1, 2], strict=True))
        assert (batched[1, 2] - single).abs().max() < 100 * EPS * float(single.abs().max())


def test_coordinates_of_any_view_and_precision():
    phantom = shepp_logan()
    k = torch.randn(6, 7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    whole = phantom.kspace(k)
    assert torch.equal(phantom.kspace(k.transpose(0, 1)), whole.T)
    assert torch.allclose(phantom.kspace(k.float()), whole, atol=1e-5)
    assert phantom.kspace(k[:0]).shape == (0, 7)


def test_shepp_logan_looks_like_the_published_one():
    ours = shepp_logan().image((400, 400)).real.numpy()
    theirs = shepp_logan_phantom()
    # both are the table of Toft drawn on 400 x 400; edges differ by part of a pixel and its centre
    assert np.mean(np.abs(ours - theirs) > 0.05) < 0.03
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.95


def test_shepp_logan_densities():
    original = shepp_logan(contrast="original").image((256, 256)).real
    assert float(original[128, 128 - 87]) == pytest.approx(2.0, abs=1e-6)  # skull at x = -0.68
    assert float(original[128, 128]) == pytest.approx(1.02, abs=1e-6)
    volume = shepp_logan(ndim=3, contrast="original").image((64, 64, 64), oversample=2).real
    assert float(volume[32, 32, 32]) == pytest.approx(1.2, abs=1e-6)
    middle = shepp_logan(ndim=3).image((65, 64, 64), oversample=4).real[32]
    flat = shepp_logan().image((64, 64)).real
    assert float((middle - flat).abs().mean()) < 0.03


def test_moved_phantom_is_rotated_and_shifted():
    phantom = shepp_logan()
    n = 64
    turned = phantom.moved([[0.0, -1.0], [1.0, 0.0]])  # (y, x) -> (-x, y): a quarter turn
    k = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 10
    rotated = torch.stack([k[:, 1], -k[:, 0]], -1)  # R^T k
    assert torch.allclose(turned.kspace(k), phantom.kspace(rotated), atol=1e-6)
    shifted = phantom.moved(torch.eye(2), (1 / n, -2 / n)).image((n, n), oversample=8)
    expected = torch.roll(phantom.image((n, n), oversample=8), (1, -2), (0, 1))
    assert (shifted - expected).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.kspace((8, 8, 8)), r"coords: expected a Tensor \(..., 2\), or 2 sizes of a grid, got \(8, 8, 8\)"),
        (lambda p: p.kspace((8, 0)), r"coords: expected a Tensor \(..., 2\), or 2 sizes of a grid, got \(8, 0\)"),
        (lambda p: p.kspace(torch.zeros(3, 3)), r"coords: expected shape \(..., 2\), got \(3, 3\)"),
        (lambda p: p.kspace(torch.tensor([[0.0, math.nan]])), "coords: expected finite real coordinates"),
        (lambda p: p.kspace(torch.zeros(3, 2, dtype=torch.complex64)), "coords: expected finite real coordinates"),
        (lambda p: p.kspace(torch.zeros(3, 2), im_size=(8,)), "im_size: expected 2 positive ints"),
        (lambda p: p.image((8, 8), kind="sharp"), "kind: expected 'pixel' or 'bandlimited', got 'sharp'"),
        (lambda p: p.image((8, 8), oversample=0), "oversample: expected an integer >= 1, got 0"),
        (lambda p: p.moved(torch.eye(3)), r"matrix: expected shape \(2, 2\)"),
        (lambda p: p.moved(torch.eye(2), (0.0,)), "shift: expected 2 numbers"),
        (lambda p: Phantom(p.shapes, [1.0]), r"values: expected shape \(\*batch, 10\)"),
        (lambda p: Phantom([], []), "shapes: expected at least one"),
        (lambda p: Phantom([p.shapes[0], Ellipsoid((0, 0, 0), torch.eye(3))], [1, 1]), "all 2D or all 3D"),
        (lambda p: shepp_logan(ndim=4), "ndim: expected 2 or 3, got 4"),
        (lambda p: shepp_logan(contrast="t2"), "contrast: expected 'modified' or 'original', got 't2'"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(shepp_logan())


@pytest.mark.parametrize("size", [(32, 30), (15, 17), (6, 7, 8)])
def test_bandlimited_image_is_the_inverse_of_ops_fft(size):
    ndim = len(size)
    phantom = shepp_logan(ndim=ndim)
    image = phantom.image(size, kind="bandlimited", dtype=torch.complex128)
    kspace = phantom.kspace(size, dtype=torch.complex128)
    # rounding of a transform of n points
    difference = ops.fft(image, tuple(range(-ndim, 0))) - kspace
    assert difference.abs().max() < 50 * EPS * float(kspace.abs().max())


def test_one_coordinate():
    phantom, k = shepp_logan(), torch.tensor([1.0, 2.0])
    assert phantom.kspace(k).shape == () and torch.equal(phantom.kspace(k), phantom.kspace(k[None])[0])
