"""Adaptive combination (Walsh) and root sum of squares."""

import pytest
import torch

from mriops.calibration import adaptive_combine, rss, walsh
from mriops.calibration.adaptive import _box_sum


def reference_walsh(images, width):
    """Leading eigenvector of the windowed covariance, pixel by pixel."""
    coils, ny, nx = images.shape
    half = width // 2
    out = torch.zeros_like(images)
    gaps = torch.zeros(ny, nx, dtype=torch.float64)
    for y in range(ny):
        for x in range(nx):
            patch = images[:, max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1].reshape(coils, -1)
            values, vectors = torch.linalg.eigh(patch @ patch.mH)
            out[:, y, x] = vectors[:, -1]
            gaps[y, x] = 1 - values[-2] / values[-1]
    return out, gaps


@pytest.mark.parametrize(("coils", "im_size"), [(4, (17, 20)), (3, (1, 25)), (2, (8, 3))])
def test_walsh_agrees_with_the_definition(coils, im_size):
    generator = torch.Generator().manual_seed(1)
    profile = torch.randn(coils, 1, 1, dtype=torch.complex128, generator=generator)
    images = profile * torch.randn(im_size, dtype=torch.complex128, generator=generator)
    images = images + 0.3 * torch.randn(coils, *im_size, dtype=torch.complex128, generator=generator)
    csm = walsh(images, window=5, max_iter=500, tol=1e-9)
    expected, gap = reference_walsh(images, 5)
    overlap = (csm.conj() * expected).sum(0).abs()
    clear = gap > 0.1
    assert clear.double().mean() > 0.5
    # Angle error <= tol / gap = 1e-8, and 1 - cos is its square: rounding is what is left.
    assert (1 - overlap[clear]).abs().max() < 1e-12 * 100


@pytest.mark.parametrize("shape", [(9,), (1,), (2,)])
def test_box_sum(shape):
    x = torch.arange(1.0, 1 + shape[0])
    expected = torch.stack([x[max(0, i - 3) : i + 4].sum() for i in range(shape[0])])
    assert torch.equal(_box_sum(x, 0, 7), expected)


def test_true_maps_batch_and_3d(make_scan):
    scan = make_scan(6, (96, 80), 0.01)
    images = scan.coil_images
    csm = walsh(images)
    assert (csm.abs().square().sum(0) - 1)[scan.support].abs().max() < 1e-5
    inner = (csm.conj() * scan.csm).sum(0).abs()
    assert inner[scan.support].quantile(0.05) > 0.999
    batch = walsh(torch.stack([images, 2 * images]).unsqueeze(1))
    assert batch.shape == (2, 1, 6, 96, 80)
    # Where no noise was added, pixels far from the object hold zeros and get zero maps.
    assert (batch[0, 0] - csm).abs().max() < 1e-5 and (batch[1, 0] - csm).abs().max() < 1e-5
    volume = make_scan(4, (12, 14, 13), 0.01)
    csm3 = walsh(volume.coil_images, window=(3, 3, 5), ndim=3)
    assert (csm3.conj() * volume.csm).sum(0).abs()[volume.support].median() > 0.995


def test_zero_images_give_zero_maps():
    csm = walsh(torch.zeros(3, 8, 8, dtype=torch.complex64))
    assert torch.equal(csm, torch.zeros_like(csm))


@pytest.mark.parametrize("scale", [1e-25, 1e20])
def test_scale_changes_nothing(make_scan, scale):
    weights = torch.linspace(0.5, 1.5, 5)[:, None, None]  # the strongest coil is not the first
    images = make_scan(5, (20, 18), 0.01).coil_images * weights
    expected = walsh(images)
    assert images.abs().square().sum((1, 2)).argmax() != 0
    torch.testing.assert_close(walsh(images * scale), expected, rtol=0, atol=1e-4)


def test_blocks_do_not_show(make_scan, monkeypatch):
    images = make_scan(3, (40, 30), 0.01).coil_images
    expected = walsh(images)
    import mriops.calibration.adaptive as module

    monkeypatch.setattr(module, "_SLAB_ELEMENTS", 3 * 3 * 30 * 4)
    assert (walsh(images) - expected).abs().max() < 1e-5


def test_combination_is_the_projection_and_beats_rss_in_noise(make_scan):
    scan = make_scan(6, (48, 40))
    generator = torch.Generator().manual_seed(2)
    noisy = scan.coil_images + 0.05 * torch.randn(scan.coil_images.shape, dtype=torch.complex64, generator=generator)
    image, csm = adaptive_combine(noisy, return_csm=True)
    torch.testing.assert_close(image, (csm.conj() * noisy).sum(0))
    inside = scan.support
    error = (image.abs() - scan.image.abs())[inside].norm()
    assert error < (rss(noisy) - scan.image.abs())[inside].norm()


def test_noise_covariance_weights_a_bad_coil_down(make_scan):
    scan = make_scan(4, (64, 64))
    generator = torch.Generator().manual_seed(2)
    scale = torch.tensor([0.02, 0.02, 0.02, 1.0]).reshape(-1, 1, 1)
    noisy = scan.coil_images + scale * torch.randn(scan.coil_images.shape, dtype=torch.complex64, generator=generator)
    covariance = torch.diag(scale.flatten().square()).to(torch.complex64)
    plain, aware = adaptive_combine(noisy), adaptive_combine(noisy, noise_covariance=covariance)
    # Maps differ in scale per pixel only where the bad coil is: compare shapes of the magnitude images.
    inside = scan.support
    errors = []
    for image in (plain, aware):
        a, b = image.abs()[inside], scan.image.abs()[inside]
        errors.append(float((a * (a @ b) / (a @ a) - b).norm()))
    assert errors[1] < 0.5 * errors[0]


def test_whitening_inside_equals_whitening_outside():
    generator = torch.Generator().manual_seed(4)
    images = torch.randn(3, 12, 10, dtype=torch.complex128, generator=generator)
    mix = torch.randn(3, 3, dtype=torch.complex128, generator=generator)
    covariance = mix @ mix.mH + torch.eye(3)
    factor = torch.linalg.cholesky(covariance)
    inside = walsh(images, noise_covariance=covariance, tol=1e-10, max_iter=2000)
    white = torch.linalg.solve_triangular(factor, images.reshape(3, -1), upper=False).reshape(3, 12, 10)
    outside = walsh(white, tol=1e-10, max_iter=2000)
    coloured = (factor @ outside.reshape(3, -1)).reshape(3, 12, 10)
    coloured = coloured / coloured.abs().square().sum(0).sqrt()
    assert (1 - (inside.conj() * coloured).sum(0).abs()).abs().max() < 1e-7


def test_rss():
    with pytest.raises(TypeError, match=r"coil_images: expected a torch\.Tensor, got ndarray"):
        rss(torch.ones(2, 3, 4).numpy())
    x = torch.tensor([3.0 + 0j, 4j]).reshape(1, 2, 1, 1)
    assert torch.equal(rss(x), torch.tensor([[[5.0]]]))
    assert rss(torch.ones(2, 3, 4, 5), ndim=3).shape == (3, 4, 5)
    with pytest.raises(ValueError, match=r"coil_images: expected \(\*batch, coils, \*im_size\) with 2 spatial axes"):
        rss(torch.ones(3, 3))


def test_errors():
    images = torch.ones(2, 8, 8, dtype=torch.complex64)
    with pytest.raises(ValueError, match="window: expected an odd positive int or 2 of them, got 4"):
        walsh(images, window=4)
    with pytest.raises(ValueError, match=r"noise_covariance: expected shape \(..., 2, 2\) .*, got \(3, 3\)"):
        walsh(images, noise_covariance=torch.eye(3))
    with pytest.raises(ValueError, match=r"coil_images: expected finite values"):
        walsh(images * float("nan"))
    with pytest.raises(TypeError, match="coil_images: expected dtype complex64"):
        walsh(images.real)
