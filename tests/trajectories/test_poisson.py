"""Poisson-disc masks: exact counts, kept distances, density, and the requests that are refused."""

import pytest
import torch

from mriops.trajectories import acceleration, mask_poisson


@pytest.mark.parametrize("im_size", [(320, 320), (181, 217), (160, 192, 160), (1, 64, 4), (33, 1)])
@pytest.mark.parametrize("rate", [1.0, 1.3, 4.0, 8.0])
def test_acceleration_is_exact(im_size, rate):
    mask = mask_poisson(im_size, rate, acs=1, seed=1)
    points = im_size if len(im_size) == 2 else (*im_size[:2], 1)
    assert mask.shape == points
    assert mask.dtype == torch.bool
    assert int(mask.sum()) == round(mask.numel() / rate)


@pytest.mark.parametrize("variation", [0.0, 2.0])
def test_distances_are_kept(variation):
    n, acs = 96, 12
    mask = mask_poisson((n, n), 8, acs=acs, seed=2, variation=variation)
    first = n // 2 - acs // 2
    assert mask[first : first + acs, first : first + acs].all()
    outside = mask.clone()
    outside[first : first + acs, first : first + acs] = False
    points = torch.nonzero(outside).double()
    growth = 1.0 + variation * torch.linalg.vector_norm((points - n // 2) / (n / 2), dim=1)
    distance = torch.cdist(points, points) + 1e9 * torch.eye(len(points))
    # no pair closer than the smaller of its radii s * growth: so s >= (max over pairs); measure the s that was kept
    smaller = torch.minimum(growth[:, None], growth)
    scale = (distance / smaller).min()
    # jammed discs of this scale: number = 0.697 sum 1/(s growth)^2; random discs of the same number would almost touch
    grid = torch.cartesian_prod(*[torch.arange(n, dtype=torch.float64)] * 2)
    density = 0.697 / (1.0 + variation * torch.linalg.vector_norm((grid - n // 2) / (n / 2), dim=1)) ** 2
    jammed = (density.sum() / len(points)).sqrt()
    assert scale > 0.7 * jammed


def test_density_falls_away_from_the_centre():
    mask = mask_poisson((256, 256), 6, seed=0, variation=3.0).double()
    axis = (torch.arange(256) - 128) / 128
    rho = torch.hypot(axis[:, None], axis)
    rings = [float(mask[(rho >= a) & (rho < a + 0.2)].mean()) for a in (0.0, 0.2, 0.4, 0.6, 0.8)]
    assert rings == sorted(rings, reverse=True)
    uniform = mask_poisson((256, 256), 6, seed=0, variation=0.0).double()
    assert float(uniform[:128].mean()) == pytest.approx(1 / 6, rel=0.03)


def test_uniform_poisson_has_no_low_frequencies():
    # blue noise: power of the pattern below the cutoff is far below that of as many random points (1 - 1/R)/R per point
    mask = mask_poisson((256, 256), 9, seed=0, variation=0.0).double()
    power = torch.fft.fft2(mask, norm="ortho").abs() ** 2
    low = torch.cartesian_prod(torch.arange(-20, 21), torch.arange(-20, 21))
    low = low[(low**2).sum(1) > 0]
    assert power[low[:, 0], low[:, 1]].mean() < 0.3 * (1 - 1 / 9) / 9


def test_elliptical_leaves_out_the_corners_and_still_reaches_the_count():
    mask = mask_poisson((64, 80, 5), 5, acs=8, elliptical=True)
    assert acceleration(mask) == 5.0
    assert not mask[:6, :6].any()


def test_partial_fourier():
    mask = mask_poisson((64, 64), 4, acs=8, partial_fourier=0.75)
    assert not mask[:16].any() and mask[:, :16].any()  # lines along y
    assert acceleration(mask) == 4.0
    volume = mask_poisson((32, 64, 5), 4, acs=8, partial_fourier=0.75)
    assert not volume[:, :16].any() and volume[:16].any()


def test_seed_and_frames():
    first = mask_poisson((48, 48), 4, seed=5)
    assert torch.equal(first, mask_poisson((48, 48), 4, seed=5))
    assert not torch.equal(first, mask_poisson((48, 48), 4, seed=6))
    frames = mask_poisson((48, 48), 4, seed=5, frames=2)
    assert frames.shape == (2, 48, 48)
    assert torch.equal(frames[0], first)
    assert not torch.equal(frames[1], first)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mask_poisson((64, 64), 0.9), "acceleration: expected a number >= 1, got 0.9"),
        (lambda: mask_poisson((64, 64), 100, acs=16), "acceleration: expected between 1 and 16"),
        (lambda: mask_poisson((64, 64), 1.1, elliptical=True), "acceleration: expected between 1.2"),
        (lambda: mask_poisson((64, 64), 4, variation=-1.0), "variation: expected a number >= 0, got -1.0"),
        (lambda: mask_poisson((64, 64), 4, acs=(4, 4, 4)), "acs: expected an int or 2 of them"),
        (lambda: mask_poisson((64, 64), 4, frames=0), "frames: expected a positive int, got 0"),
        (lambda: mask_poisson((64,), 4), "im_size: expected"),
    ],
)
def test_impossible_requests(call, message):
    with pytest.raises(ValueError, match=message):
        call()
