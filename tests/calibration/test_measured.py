"""Calibration of measured in-vivo data: residuals at the noise level, white noise after whitening."""

import numpy as np
import pytest
import torch

from mriops.calibration import compress_coils, espirit, noise_covariance, noise_from_corners, prewhiten, rss, walsh


def load(data_dir, name):
    if name == "vfa":
        array = np.load(data_dir / "vfa_cart_brain" / "brain_13ch_fa9.npz")["kspace"]
    else:
        array = np.load(data_dir / "flash16_brain_3t" / "flash16_brain_3t.npz")[name]
    return torch.from_numpy(array)


def to_images(kspace):
    return torch.fft.fftshift(torch.fft.ifft2(torch.fft.ifftshift(kspace, dim=(-2, -1)), norm="ortho"), dim=(-2, -1))


@pytest.fixture(params=["vfa", "vivo_array16", "phantom_array16"])
def kspace(request, data_dir):
    return load(data_dir, request.param)


@pytest.mark.parametrize(
    ("name", "domain"), [("vfa", "image"), ("vivo_array16", "kspace"), ("phantom_array16", "kspace")]
)
def test_whitening_gives_unit_covariance_on_held_out_corners(data_dir, name, domain):
    """The covariance comes from the left corners, and is tested on the right ones.

    The 224 x 224 brain still has signal at one end of its readout, so its image corners serve; the FLASH data have no
    readout oversampling left, so that their image corners show the receiver filter, and their k-space corners serve.
    """
    data = load(data_dir, name)
    data = to_images(data) if domain == "image" else data
    half = data.shape[-1] // 2
    left, right = data.clone(), data.clone()
    left[..., half:], right[..., :half] = 0, 0
    white = prewhiten(right, noise_from_corners(left))
    samples = noise_from_corners(white)
    covariance = noise_covariance(samples)
    coils, count = samples.shape
    # Two independent estimates from `count` samples: entries scatter by sqrt(2 / count). Allow 6 of them for noise, and
    # 0.1 for what is left of the signal.
    assert (covariance - torch.eye(coils)).abs().max() < 6 * (2 / count) ** 0.5 + 0.1
    raw = noise_covariance(noise_from_corners(right))
    raw = raw / raw.diagonal().real.mean()
    assert (covariance - torch.eye(coils)).norm() < 0.8 * (raw - torch.eye(coils)).norm()


def test_espirit_leaves_little_but_noise(kspace):
    white = prewhiten(kspace, noise_from_corners(to_images(kspace) if kspace.shape[-1] == 224 else kspace))
    images = to_images(white)
    csm = espirit(white, acs=24)
    coils = csm.shape[0]
    residual = images - csm * (csm.conj() * images).sum(0)
    magnitude = rss(images)
    inside = (magnitude > 0.15 * magnitude.max()) & (csm.abs().sum(0) > 0)
    assert inside.double().mean() > 0.2
    # Pure noise leaves coils - 1 degrees of freedom of unit variance; Gibbs ringing and the ACS' noise add to it.
    excess = float(residual.abs().square().sum(0)[inside].median()) / (coils - 1)
    assert 0.5 < excess < 4
    outside_maps = residual.abs().square().sum(0)[inside].sum() / images.abs().square().sum(0)[inside].sum()
    assert outside_maps < 0.03


def test_supplied_maps_agree(data_dir):
    """Direction of our maps against the maps that came with the data (made by other software)."""
    data = np.load(data_dir / "vfa_cart_brain" / "brain_13ch_fa9.npz")
    csm, theirs = espirit(torch.from_numpy(data["kspace"]), acs=24), torch.from_numpy(data["csm"])
    image = torch.from_numpy(np.abs(data["ref_image"]))
    inside = (image > 0.15 * image.max()) & (csm.abs().sum(0) > 0)
    assert (csm.conj() * theirs).sum(0).abs()[inside].median() > 0.98


def test_walsh_and_espirit_see_the_same_maps(kspace):
    images = to_images(kspace)
    csm, other = espirit(kspace, acs=24), walsh(images)
    magnitude = rss(images)
    inside = (magnitude > 0.15 * magnitude.max()) & (csm.abs().sum(0) > 0)
    assert (csm.conj() * other).sum(0).abs()[inside].median() > 0.99


def test_compression_keeps_the_picture(kspace):
    full = rss(to_images(kspace))
    errors = []
    for method in ("svd", "geometric"):
        few = rss(to_images(compress_coils(kspace, 6, method=method)[0]))
        errors.append(float((few - full).norm() / full.norm()))
    assert errors[0] < 0.08
    assert errors[1] < 0.75 * errors[0]
