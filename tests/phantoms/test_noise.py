"""Noise: covariance within its statistical error, masks, seeds, and refused covariances."""

import math

import pytest
import torch

from mriops.phantoms import add_noise, coil_covariance, noise_samples


def _relative_covariance_error(samples, covariance):
    """Deviation of the sample covariance from `covariance`, whitened: each entry has standard deviation 1/sqrt(n)."""
    factor = torch.linalg.cholesky(covariance)
    white = torch.linalg.solve_triangular(factor, samples.to(torch.complex128), upper=False)
    estimate = white @ white.mH / white.shape[1]
    return (estimate - torch.eye(len(estimate))).abs().max() * math.sqrt(white.shape[1])


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_covariance_of_added_noise(dtype):
    covariance = coil_covariance(5, seed=1, sigma=0.3, correlation=0.5)
    kspace = torch.zeros(2, 5, 40, 50, dtype=dtype)
    noise = add_noise(kspace, covariance, 3)
    assert noise.dtype == dtype
    samples = noise.transpose(0, 1).reshape(5, -1)
    assert _relative_covariance_error(samples, covariance) < 5  # of 25 entries
    pseudo = samples.to(torch.complex128) @ samples.to(torch.complex128).T / samples.shape[1]
    assert pseudo.abs().max() < 5 * float(covariance.abs().max()) * math.sqrt(2 / samples.shape[1])  # circular
    shifted = (samples[:, 1:] * samples[:, :-1].conj()).mean(1).abs()
    assert shifted.max() < 5 * float(covariance.abs().max()) / math.sqrt(samples.shape[1])  # white over samples


def test_noise_scan_has_the_same_covariance():
    covariance = coil_covariance(4, seed=2)
    samples = noise_samples(covariance, 20000, 9)
    assert samples.shape == (4, 20000)
    assert _relative_covariance_error(samples, covariance) < 5


def test_sigma_is_the_deviation_of_the_complex_sample():
    noise = add_noise(torch.zeros(3, 100, 100, dtype=torch.complex128), sigma=2.0)
    # 30000 samples of |n|^2/4 ~ exponential: mean 1 +- 1/sqrt(30000)
    assert float(noise.abs().square().mean()) / 4 == pytest.approx(1.0, abs=5 / math.sqrt(30000))
    assert torch.equal(noise, add_noise(torch.zeros(3, 100, 100, dtype=torch.complex128), 4.0))
    assert noise_samples(n_coils=3, sigma=1.0, n_samples=7).shape == (3, 7)


def test_noise_is_added_and_repeats_with_the_seed():
    kspace = torch.randn(3, 8, 9, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    first = add_noise(kspace, 0.5, 1)
    assert torch.equal(first, add_noise(kspace, 0.5, 1))
    assert not torch.equal(first, add_noise(kspace, 0.5, 2))
    assert torch.allclose(first - kspace, add_noise(torch.zeros_like(kspace), 0.5, 1), atol=1e-6)
    view = kspace.transpose(-1, -2).contiguous().transpose(-1, -2)
    assert torch.equal(add_noise(view, 0.5, 1), first)
    assert torch.equal(add_noise(kspace, 0.0, 1), kspace)


@pytest.mark.parametrize("mask_shape", [(8, 1), (1, 9), (8, 9), (9,)])
def test_masked_samples_stay_clean(mask_shape):
    mask = torch.rand(mask_shape, generator=torch.Generator().manual_seed(4)) < 0.5
    noise = add_noise(torch.zeros(3, 8, 9, dtype=torch.complex64), 1.0, mask=mask)
    off = ~mask.expand(8, 9)
    assert noise[:, off].eq(0).all()
    assert noise[:, ~off].ne(0).all()


def test_masks_of_frames_and_other_ranks():
    mask = torch.tensor([[True, False]]).T.reshape(2, 1, 1)  # per frame
    noise = add_noise(torch.zeros(2, 3, 4, 5, dtype=torch.complex64), 1.0, mask=mask)
    assert noise[0].ne(0).all()
    assert noise[1].eq(0).all()
    assert add_noise(torch.zeros(3, 50, dtype=torch.complex64), 1.0, ndim=1).shape == (3, 50)
    assert add_noise(torch.zeros(3, 2, 4, 5, dtype=torch.complex64), 1.0, ndim=3).ne(0).all()
    assert add_noise(torch.zeros(1, 1, 1, dtype=torch.complex64), 1.0).ne(0).all()


def test_coil_covariance_is_positive_definite():
    for n in (1, 2, 3, 16, 33):
        for correlation in (0.0, 0.3, 0.9):
            assert torch.linalg.eigvalsh(coil_covariance(n, correlation=correlation))[0] > 0
    uncorrelated = coil_covariance(4, correlation=0.0)
    assert (uncorrelated - torch.diag(uncorrelated.diagonal())).abs().max() == 0


def test_singular_covariances_are_allowed():
    same = torch.ones(3, 3)
    noise = add_noise(torch.zeros(3, 4, 4, dtype=torch.complex128), same)
    assert (noise - noise[:1]).abs().max() < 1e-7


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda k: add_noise(k), ValueError, "exactly one of covariance and sigma, got none"),
        (lambda k: add_noise(k, 1.0, sigma=1.0), ValueError, "exactly one of covariance and sigma, got both"),
        (lambda k: add_noise(k.real, 1.0), TypeError, "kspace: expected a complex tensor"),
        (lambda k: add_noise(k[0], 1.0), ValueError, "kspace: expected shape"),
        (lambda k: add_noise(k, torch.eye(2)), ValueError, r"covariance: expected a number or shape \(3, 3\)"),
        (lambda k: add_noise(k, torch.eye(3).cumsum(0)), ValueError, "covariance: expected a finite Hermitian"),
        (lambda k: add_noise(k, torch.full((3, 3), math.nan)), ValueError, "covariance: expected a finite Hermitian"),
        (lambda k: add_noise(k, -torch.eye(3)), ValueError, "covariance: expected a positive semidefinite"),
        (lambda k: noise_samples(sigma=1.0), ValueError, "n_coils: expected an int"),
        (lambda k: coil_covariance(3, correlation=1.0), ValueError, "correlation: expected 0 <= correlation < 1"),
    ],
)
def test_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.zeros(3, 4, 5, dtype=torch.complex64))
