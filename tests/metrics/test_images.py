"""Image metrics against scikit-image and the definitions, with gradients, batches and refused inputs."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from mriops.metrics import nmse, nrmse, psnr, ssim


def _pair(shape, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    reference = torch.rand(shape, generator=generator, dtype=dtype)
    return reference + 0.1 * torch.randn(shape, generator=generator, dtype=dtype), reference


@pytest.mark.parametrize("shape", [(64, 48), (33, 40), (13, 21, 17)])
@pytest.mark.parametrize("gaussian", [True, False])
@pytest.mark.parametrize("sample_covariance", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_ssim_agrees_with_scikit_image(shape, gaussian, sample_covariance, dtype, tolerance):
    image, reference = _pair(shape, dtype)
    options = {"gaussian_weights": gaussian}
    expected = structural_similarity(
        image.double().numpy(),
        reference.double().numpy(),
        data_range=float(reference.max()),
        use_sample_covariance=sample_covariance,
        **options,
    )
    value = ssim(image, reference, ndim=len(shape), sample_covariance=sample_covariance, **options)
    assert value.shape == ()
    assert abs(float(value) - expected) < tolerance


@pytest.mark.parametrize(
    "options", [{"win_size": 11}, {"gaussian_weights": True, "sigma": 2.3}, {"k1": 0.02, "k2": 0.05}]
)
def test_ssim_options_agree_with_scikit_image(options):
    image, reference = _pair((40, 50))
    theirs = {{"k1": "K1", "k2": "K2"}.get(name, name): value for name, value in options.items()}
    expected = structural_similarity(image.numpy(), reference.numpy(), data_range=2.0, **theirs)
    assert abs(float(ssim(image, reference, data_range=2.0, **options)) - expected) < 1e-12


def test_psnr_agrees_with_scikit_image():
    image, reference = _pair((31, 32))
    expected = peak_signal_noise_ratio(reference.numpy(), image.numpy(), data_range=float(reference.max()))
    assert abs(float(psnr(image, reference)) - expected) < 1e-12


def test_nmse_of_complex_images_counts_phase():
    reference = torch.tensor([[3.0 + 4.0j, 0.0]], dtype=torch.complex128)
    image = torch.tensor([[3.0 + 4.0j, 5.0j]], dtype=torch.complex128)
    assert float(nmse(image, reference)) == pytest.approx(1.0, abs=1e-15)
    assert float(nmse(1j * reference, reference)) == pytest.approx(2.0, abs=1e-15)
    assert float(nrmse(1.5 * reference, reference)) == pytest.approx(0.5, abs=1e-15)


@pytest.mark.parametrize("metric", [nmse, nrmse, psnr, ssim])
@pytest.mark.parametrize("ndim", [2, 3])
def test_batches_equal_single_images_and_views_work(metric, ndim):
    image, reference = _pair((2, 3, 9, 10, 11)[: 2 + ndim])
    image, reference = image.transpose(0, 1), reference.transpose(0, 1)
    reference = reference * torch.tensor([1.0, 2.0]).reshape(1, 2, *[1] * ndim)  # each image its own data_range
    batched = metric(image, reference, ndim=ndim)
    assert batched.shape == (3, 2)
    for i in range(3):
        for j in range(2):
            assert torch.allclose(batched[i, j], metric(image[i, j], reference[i, j], ndim=ndim), rtol=1e-12)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_complex_images_count_by_magnitude(metric):
    image, reference = _pair((20, 20))
    image = image.abs()
    phase = torch.polar(torch.ones(20, 20, dtype=torch.float64), 6.0 * image)
    assert torch.allclose(metric(image * phase, reference + 0j), metric(image, reference), rtol=1e-12)
    assert torch.allclose(metric((image * phase).conj(), reference + 0j), metric(image, reference), rtol=1e-12)


def test_identical_images():
    reference = _pair((16, 16))[1]
    assert float(ssim(reference, reference)) == pytest.approx(1.0, abs=1e-12)
    assert float(nmse(reference, reference)) == 0.0
    assert float(psnr(reference, reference)) == float("inf")


def test_ssim_keeps_its_digits_on_a_high_level():
    image, reference = (x + 1000.0 for x in _pair((24, 24)))
    found = ssim(image.float(), reference.float(), data_range=1.0)
    # The level is cancelled exactly; what is left is the rounding of the images themselves, 1000 * eps of their range.
    assert float(found) == pytest.approx(float(ssim(image, reference, data_range=1.0)), abs=1e-3)


@pytest.mark.parametrize("gaussian", [True, False])
def test_ssim_gradients(gaussian):
    image, reference = _pair((12, 13))
    image.requires_grad_()

    def loss(x, y):
        return ssim(x, y, gaussian_weights=gaussian, data_range=1.0)

    assert torch.autograd.gradcheck(loss, (image, reference.requires_grad_()), fast_mode=True)
    complex_image = torch.complex(image.detach(), torch.ones_like(image)).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: nmse(z, reference + 0j), (complex_image,), fast_mode=True)


def test_data_range_is_the_largest_reference_magnitude():
    image, reference = _pair((16, 16))
    reference = reference + 1.0  # max - min would be 1
    assert torch.equal(psnr(image, reference), psnr(image, reference, data_range=reference.max()))
    per_image = torch.tensor([1.0, 2.0], dtype=torch.float64)
    both = ssim(torch.stack([image, image]), torch.stack([reference, reference]), data_range=per_image)
    assert torch.allclose(both[1], ssim(image, reference, data_range=2.0))


def test_gradient_of_equal_images_is_zero():
    image = torch.rand(2, 8, 8, dtype=torch.float64)
    other = image.clone().requires_grad_()
    error = nrmse(other, image + torch.tensor([0.0, 1.0], dtype=torch.float64)[:, None, None])
    (gradient,) = torch.autograd.grad(error.sum(), other)
    assert error[0] == 0 and not gradient[0].any() and gradient[1].any() and gradient.isfinite().all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: ssim(x, x[:-1]), ValueError, "image: expected the shape of reference"),
        (lambda x: ssim(x[0], x[0]), ValueError, "at least 2 non-empty axes"),
        (lambda x: nmse(x[:0], x[:0]), ValueError, "non-empty axes"),
        (lambda x: ssim(x, x, win_size=4), ValueError, "win_size: expected an odd int of at least 3, got 4"),
        (
            lambda x: ssim(x, x, win_size=17),
            ValueError,
            r"win_size: expected at most the image size \(16, 16\), got 17",
        ),
        (lambda x: ssim(x, x, win_size=7, gaussian_weights=True), ValueError, "win_size: expected None"),
        (lambda x: ssim(x, x, sigma=0.0, gaussian_weights=True), ValueError, "sigma: expected a number >= 1/7"),
        (lambda x: ssim(x, x, sigma=0.1, gaussian_weights=True), ValueError, "sigma: expected a number >= 1/7"),
        (lambda x: ssim(x, x, sigma=math.inf, gaussian_weights=True), ValueError, "sigma: expected a number >= 1/7"),
        (lambda x: ssim(x, x, sigma="1", gaussian_weights=True), TypeError, "sigma: expected a number >= 1/7"),
        (lambda x: ssim(x, x, win_size=7.0), TypeError, "win_size: expected an odd int"),
        (lambda x: ssim(x, x, k1=math.nan), ValueError, "k1: expected a finite number >= 0"),
        (lambda x: psnr(x, x, data_range=0.0), ValueError, "data_range: expected positive values"),
        (lambda x: psnr(x, x, ndim=4), ValueError, "ndim: expected 1, 2 or 3, got 4"),
        (lambda x: nmse(x.int(), x.int()), TypeError, "image: expected a floating-point or complex tensor"),
        (lambda x: nmse(x.to("meta"), x), ValueError, r"image: expected device cpu \(that of reference\), got meta"),
        (lambda x: nmse(x.numpy(), x), TypeError, "image: expected a torch.Tensor, got ndarray"),
    ],
)
def test_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.from_numpy(np.ones((16, 16))))


def test_ssim_of_two_precisions_is_that_of_the_finer():
    a, b = torch.rand(16, 16), torch.rand(16, 16, dtype=torch.float64)
    found = ssim(a, b)
    assert found.dtype == torch.float64 and torch.equal(found, ssim(a.double(), b))
    torch.testing.assert_close(ssim(b, a), ssim(b, a.double()))


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.complex32])
def test_half_precision_has_the_range_for_squares(dtype):
    image, reference = torch.full((16, 16), 288.0), torch.full((16, 16), 256.0)
    half = (image.to(dtype), reference.to(dtype))
    for metric in (nmse, nrmse, psnr, ssim):
        torch.testing.assert_close(metric(*half), metric(image, reference))
