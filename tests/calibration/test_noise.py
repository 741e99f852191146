"""Noise covariance, whitening, and noise from the corners of k-space."""

import math

import numpy as np
import pytest
import torch

from mriops.calibration import noise_covariance, noise_from_corners, prewhiten, whitening_matrix


def coloured_noise(coils, count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(coils, coils, dtype=torch.complex128, generator=generator)
    return mix, mix @ torch.randn(coils, count, dtype=torch.complex128, generator=generator)


def test_covariance_converges_to_the_truth():
    mix, noise = coloured_noise(5, 40000)
    got = noise_covariance(noise + 3.0)  # an offset is not noise
    truth = mix @ mix.mH
    # Entries have a standard error of about sqrt(P_cc P_dd / n) <= max / sqrt(n); 5 standard errors.
    assert (got - truth).abs().max() < 5 * truth.abs().max() / math.sqrt(40000)
    torch.testing.assert_close(got, torch.from_numpy(np.cov(noise.numpy())))
    assert torch.equal(got, got.mH)


def test_covariance_axes():
    _, noise = coloured_noise(3, 60)
    expected = noise_covariance(noise)
    torch.testing.assert_close(noise_covariance(noise.reshape(3, 6, 10).permute(1, 0, 2), coil_dim=1), expected)
    torch.testing.assert_close(noise_covariance(noise.T, coil_dim=-1), expected)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_prewhitened_noise_is_white(dtype):
    _, noise = coloured_noise(6, 4000)
    noise = noise.to(dtype)
    white = prewhiten(noise.reshape(6, 40, 100), noise)
    assert white.dtype == dtype
    covariance = noise_covariance(white)
    # The same samples: exact up to rounding times the condition number (about 1e3 here).
    assert (covariance - torch.eye(6)).abs().max() < 1e4 * torch.finfo(dtype).eps
    by_covariance = prewhiten(noise.reshape(6, 40, 100), covariance=noise_covariance(noise))
    torch.testing.assert_close(by_covariance, white)
    matrix = whitening_matrix(noise_covariance(noise))
    torch.testing.assert_close((matrix @ noise).reshape(6, 40, 100), white, rtol=1e-4, atol=1e-4)


def test_prewhiten_batch_and_3d():
    _, noise = coloured_noise(3, 500)
    kspace = torch.randn(2, 4, 3, 5, 6, 7, dtype=torch.complex128)
    got = prewhiten(kspace, noise, ndim=3)
    torch.testing.assert_close(got[1, 2], prewhiten(kspace[1, 2], noise, ndim=3))


@pytest.mark.parametrize("size", [(96, 80), (95, 81), (1, 400)])
def test_corners_hold_the_noise_only(size):
    mix, noise = coloured_noise(4, size[0] * size[1])
    kspace = noise.reshape(4, *size).clone()
    middle = tuple(slice(0, None) if n == 1 else slice(n // 10, n - n // 10) for n in size)
    kspace[(slice(None), *middle)] += 1e3
    samples = noise_from_corners(kspace, fraction=0.02)
    assert abs(samples.shape[1] / (size[0] * size[1]) - 0.02) < 0.015
    truth = mix @ mix.mH
    # Standard error of a covariance of n samples; 5 of them.
    assert (noise_covariance(samples) - truth).abs().max() < 5 * truth.abs().max() / math.sqrt(samples.shape[1])


def test_corners_skip_what_was_not_acquired():
    kspace = coloured_noise(4, 96 * 80)[1].reshape(4, 96, 80).clone()
    count = noise_from_corners(kspace).shape[1]
    assert abs(count / (96 * 80) - 0.04) < 0.01
    batch = torch.stack([kspace, kspace])
    assert noise_from_corners(batch).shape == (4, 2 * count)
    kspace[:, ::2] = 0
    assert abs(noise_from_corners(kspace).shape[1] / count - 0.5) < 0.1


def test_one_covariance_per_item():
    kspace = torch.randn(2, 3, 4, 5, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    psi = torch.stack([4 * torch.eye(3), torch.eye(3)])
    torch.testing.assert_close(prewhiten(kspace, covariance=psi), torch.stack([kspace[0] / 2, kspace[1]]))


def test_errors():
    _, noise = coloured_noise(4, 100)
    kspace = torch.ones(4, 8, 8, dtype=torch.complex128)
    with pytest.raises(ValueError, match=r"noise: expected more samples than coils \(4\), got 4"):
        noise_covariance(noise[:, :4])
    with pytest.raises(TypeError, match="noise: expected dtype complex64"):
        noise_covariance(noise.real)
    with pytest.raises(ValueError, match="noise: expected finite values"):
        noise_covariance(noise * float("inf"))
    with pytest.raises(ValueError, match=r"coil_dim: expected an axis of noise \(4, 100\), got 2"):
        noise_covariance(noise, coil_dim=2)
    with pytest.raises(ValueError, match="expected exactly one of them, got neither"):
        prewhiten(kspace)
    with pytest.raises(ValueError, match="expected exactly one of them, got both"):
        prewhiten(kspace, noise, covariance=noise_covariance(noise))
    with pytest.raises(ValueError, match=r"noise: expected 4 coils on axis 0, got \(3, 100\)"):
        prewhiten(kspace, noise[:3])
    with pytest.raises(ValueError, match=r"^covariance of noise: expected a positive definite .* minor of order 3"):
        prewhiten(kspace, torch.cat([noise[:2], 0 * noise[:1], noise[3:]]))
    with pytest.raises(ValueError, match=r"^covariance: expected a finite Hermitian matrix"):
        prewhiten(kspace, covariance=torch.triu(torch.ones(4, 4)))
    with pytest.raises(ValueError, match=r"^covariance: expected batch axes that broadcast to \(\), got \(2, 4, 4\)"):
        prewhiten(kspace, covariance=torch.eye(4).expand(2, 4, 4))
    for shape in ((3,), (2, 3), (0, 0), ()):
        with pytest.raises(
            ValueError, match=r"^covariance: expected shape \(..., coils, coils\) without empty axes, got"
        ):
            whitening_matrix(torch.ones(shape))
    with pytest.raises(ValueError, match=r"fraction: expected 0 < fraction <= 0\.5, got 0\.7"):
        noise_from_corners(kspace, fraction=0.7)
    with pytest.raises(ValueError, match="expected more acquired corner samples than coils"):
        noise_from_corners(torch.nn.functional.pad(kspace, (20, 20, 20, 20)))


def test_noise_that_is_none():
    with pytest.raises(TypeError, match=r"noise: expected a torch\.Tensor, got NoneType"):
        noise_covariance(None)
    with pytest.raises(TypeError, match="fraction: expected"):
        noise_from_corners(torch.zeros(2, 8, 8, dtype=torch.complex64), fraction="0.1")
