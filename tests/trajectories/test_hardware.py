"""Waveforms keep the limits, and their k-space is the integral of their gradient."""

import math

import numpy as np
import pytest
import torch

from mriops import trajectories
from mriops.trajectories import GAMMA, GradientLimits
from mriops.trajectories.time_optimal import within

LIMITS = GradientLimits(30e-3, 120.0, 10e-6)


def integral(wave: trajectories.Waveform, fov: tuple[float, ...]) -> torch.Tensor:
    """k of the waveform by fine trapezoidal quadrature of the interpolated gradient, at the times of the samples."""
    at = np.linspace(0, float(wave.time[-1]), 400_001)
    out = []
    for shot in wave.gradient.numpy():
        g = np.stack([np.interp(at, wave.gradient_time.numpy(), c) for c in shot.T], -1)
        k = np.concatenate([np.zeros((1, g.shape[1])), np.cumsum(0.5 * (g[1:] + g[:-1]), axis=0) * (at[1] - at[0])])
        out.append([np.interp(wave.time.numpy(), at, c) for c in (GAMMA * k * fov).T])
    return torch.from_numpy(np.moveaxis(np.array(out), 1, 2))


def check(wave: trajectories.Waveform, fov: tuple[float, ...]) -> None:
    gradient, raster = wave.gradient, float(wave.gradient_time[1])
    assert gradient.norm(dim=-1).max() <= LIMITS.gradient * (1 + 1e-8)
    assert gradient.diff(dim=1).norm(dim=-1).max() / raster <= LIMITS.slew * (1 + 1e-6)
    moved = wave.trajectory - wave.trajectory[:, :1]
    assert (integral(wave, fov) - moved).abs().max() < 1e-3  # [cycles/FOV]; the quadrature's own error


@pytest.mark.parametrize("shots", [1, 24])
@pytest.mark.parametrize("density", [1.0, (1.2, 0.4), lambda r: 1 / (1 + r)])
def test_spirals(shots, density):
    wave = trajectories.spiral(
        (96, 96), shots, field_of_view=0.22, density=density, limits=LIMITS, dwell=4e-6, dtype=torch.float64
    )
    check(wave, (0.22, 0.22))
    radius = wave.trajectory.norm(dim=-1)
    assert radius[:, 0].max() == 0 and (radius.diff() > 0).all()
    assert 47 < radius.max() < 48
    # Turn rate 2 pi d / S per cycle/FOV of radius, against the design; finite raster times blur the very centre.
    angle = torch.from_numpy(np.unwrap(np.arctan2(*wave.trajectory[0].numpy().T[:2])))
    middle = (radius[0] > 20) & (radius[0] < 28)
    rate = (angle[middle][-1] - angle[middle][0]) / (radius[0][middle][-1] - radius[0][middle][0])
    at = float(radius[0][middle].mean()) / 48
    expected = density(np.array(at)) if callable(density) else np.interp(at, [0, 1], np.broadcast_to(density, 2))
    assert float(rate) == pytest.approx(2 * math.pi / shots * float(expected), rel=0.02)


def test_a_spiral_is_as_fast_as_one_limit_allows():
    wave = trajectories.spiral((128, 128), 12, field_of_view=0.24, limits=LIMITS, dtype=torch.float64)
    amplitude = wave.gradient[0].norm(dim=-1)[1:-1] / LIMITS.gradient
    slew = wave.gradient[0].diff(dim=0).norm(dim=-1)[:-1] / 10e-6 / LIMITS.slew
    # Time optimal: at every moment the amplitude or the slew rate is at its limit, but for the raster.
    assert (torch.maximum(amplitude, slew) > 0.97).all()


def test_interleaves_of_a_spiral_are_rotations():
    wave = trajectories.spiral((64, 32), 4, field_of_view=(0.2, 0.1), dtype=torch.float64)
    first, second = wave.trajectory[0], wave.trajectory[1]
    assert torch.allclose(second[:, 0] / 32, first[:, 1] / 16, atol=1e-9)
    assert torch.allclose(wave.trajectory[:, :, 0].sum(0), torch.zeros(len(first), dtype=torch.float64), atol=1e-9)


def test_cones():
    wave = trajectories.cones((32, 32, 32), 60, field_of_view=0.2, limits=LIMITS, dwell=4e-6, dtype=torch.float64)
    check(wave._replace(trajectory=wave.trajectory[:3], gradient=wave.gradient[:3]), (0.2,) * 3)
    check(wave._replace(trajectory=wave.trajectory[28:31], gradient=wave.gradient[28:31]), (0.2,) * 3)
    assert wave.gradient.diff(dim=1).norm(dim=-1).max() / 10e-6 <= LIMITS.slew * (1 + 1e-6)
    radius = wave.trajectory.norm(dim=-1)
    assert 15.5 < radius.max() < 16 and torch.allclose(radius, radius[:1].expand_as(radius), atol=0.05)
    # Every shot stays on its cone.
    height = wave.trajectory[..., 0] / radius.clamp_min(1e-9)
    assert (height[:, 400:] - height[:, -1:]).abs().max() < 0.01


@pytest.mark.parametrize(
    ("im_size", "shots", "fov"),
    [
        ((16, 16, 16), 30, (0.2, 0.2, 0.2)),
        ((32, 32, 32), 100, (0.24, 0.24, 0.24)),
        ((16, 16, 16), 30, (0.2, 0.2, 0.1)),
        ((24, 16, 12), 30, (0.2, 0.2, 0.2)),
        ((16, 16, 8), 60, (0.2, 0.2, 0.2)),
        ((15, 16, 17), 10, (0.2, 0.2, 0.2)),
        ((1, 12, 20), 4, (0.2, 0.2, 0.2)),
    ],
)
def test_cones_of_any_voxel_share_one_timing(im_size, shots, fov):
    wave = trajectories.cones(im_size, shots, field_of_view=fov, limits=LIMITS, dtype=torch.float64)
    check(wave._replace(trajectory=wave.trajectory[:2], gradient=wave.gradient[:2]), fov)
    slew = wave.gradient.diff(dim=1).norm(dim=-1) / LIMITS.raster
    assert wave.gradient.norm(dim=-1).max() <= LIMITS.gradient * (1 + 1e-8)
    # Within the limit, and near it: the timing is not slower than it needs to be.
    assert 0.9 * LIMITS.slew < slew.max() <= LIMITS.slew * (1 + 1e-6)
    # In units of N/2 every shot passes the same radii at the same times, up to the edge; the raster blurs the start.
    radius = (wave.trajectory / torch.tensor(im_size) * 2).norm(dim=-1)
    assert torch.allclose(radius, radius[:1].expand_as(radius), atol=0.02)
    assert (radius[:, -1] > 0.98).all() and radius.max() < 1
    height = wave.trajectory[..., 0] / im_size[0] * 2 / radius.clamp_min(1e-9)
    designed = (2 * torch.arange(shots, dtype=torch.float64) + 1) / shots - 1
    outer = radius[0] > 0.5
    assert (height[:, outer] - designed[:, None]).abs().max() < 0.02


def test_spirals_of_voxels_that_are_not_square_keep_the_limits_in_every_shot():
    fov = (0.2, 0.2)
    wave = trajectories.spiral((64, 16), 4, field_of_view=fov, limits=LIMITS, dtype=torch.float64)
    check(wave, fov)
    assert wave.gradient.diff(dim=1).norm(dim=-1).max() / LIMITS.raster > 0.9 * LIMITS.slew
    radius = (wave.trajectory / torch.tensor([32.0, 8.0])).norm(dim=-1)
    assert torch.allclose(radius, radius[:1].expand_as(radius), atol=1e-9) and radius.max() > 0.99


@pytest.mark.parametrize("shots", [1, 4])
@pytest.mark.parametrize("ramp_sampling", [True, False])
def test_epi(shots, ramp_sampling):
    wave = trajectories.epi(
        (32, 48),
        field_of_view=(0.16, 0.24),
        shots=shots,
        ramp_sampling=ramp_sampling,
        limits=LIMITS,
        dtype=torch.float64,
    )
    assert wave.gradient.abs().max() <= LIMITS.gradient
    assert wave.gradient.diff(dim=1).abs().max() / 10e-6 <= LIMITS.slew * (1 + 1e-9)
    line = wave.trajectory.unflatten(1, (32 // shots, -1))
    rows = torch.arange(32, dtype=torch.float64).reshape(-1, shots).T - 16
    assert torch.allclose(line[..., 0], rows[..., None].expand(line.shape[:-1]), atol=1e-9)  # no blip while sampling
    assert 23 < line[..., 1].abs().max() <= 24
    assert (line[:, ::2, -1, 1] > 23).all() and (line[:, 1::2, -1, 1] < -23).all()
    assert torch.allclose(line[:, 0, :, 1], line[:, 1, :, 1].flip(-1), atol=1e-9)
    steps = line[0, 0, :, 1].diff()
    assert steps.max() <= 1 + 1e-9  # Nyquist on the flat part
    assert bool((steps < 0.9 * steps.max()).any()) is ramp_sampling
    moved = wave.trajectory - wave.trajectory[:, :1]
    drift = integral(wave, (0.16, 0.24))
    assert (drift - drift[:, :1] - moved).abs().max() < 2e-3


def test_gradient_and_slew_of_a_constant_gradient():
    dwell, fov, strength = 4e-6, 0.2, 0.01
    k = torch.arange(20, dtype=torch.float64)[:, None] * GAMMA * strength * dwell * fov
    gradient, slew = trajectories.gradient_and_slew(k, fov, dwell)
    assert torch.allclose(gradient, torch.full_like(gradient, strength)) and slew.abs().max() < 1e-8
    assert torch.autograd.gradcheck(lambda x: trajectories.gradient_and_slew(x, fov, 1.0), k.requires_grad_())


def test_a_straight_path_is_a_trapezoid():
    path = np.linspace(0, 1000, 20_000)[:, None] * np.array([[0.6, 0.8]])
    gradient = trajectories.time_optimal(path, LIMITS)
    amplitude = np.linalg.norm(gradient, axis=-1)
    ramp = LIMITS.gradient / LIMITS.slew
    # From rest at full slew, then flat: v = gamma S t, so the length is gamma G (T - ramp/2).
    expected = 1000 / (GAMMA * LIMITS.gradient) + ramp / 2
    assert (len(gradient) - 1) * 10e-6 == pytest.approx(expected, abs=15e-6)
    assert amplitude.max() == pytest.approx(LIMITS.gradient, rel=1e-6)
    assert amplitude[10] == pytest.approx(LIMITS.slew * 10 * 10e-6, rel=1e-2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: trajectories.spiral((8, 8), 0, field_of_view=0.2), "shots: expected an integer"),
        (lambda: trajectories.spiral((8, 8), 1, field_of_view=-0.2), "field_of_view: expected a positive length"),
        (lambda: trajectories.spiral((8, 8), 1, field_of_view=(0.2, 0.2, 0.2)), "field_of_view: expected a positive"),
        (lambda: trajectories.spiral((8, 8), 1, field_of_view=0.2, density=(1, 0)), "density: expected positive"),
        (lambda: trajectories.spiral((8, 8), 1, field_of_view=0.2, dwell=0), "dwell: expected a positive number"),
        (
            lambda: trajectories.spiral((8, 8), 1, field_of_view=0.2, limits=GradientLimits(slew=math.inf)),
            "slew: expected a positive number",
        ),
        (lambda: trajectories.cones((8, 8), 4, field_of_view=0.2), "im_size: expected 3 positive ints"),
        (
            lambda: trajectories.cones((64,) * 3, 4, field_of_view=0.2, limits=GradientLimits(slew=1e-3)),
            "limits: expected some that play the path in at most",
        ),
        (lambda: trajectories.time_optimal(np.zeros((2, 2)), LIMITS), "path: expected .points >= 3, ndim"),
        (lambda: trajectories.time_optimal(np.full((5, 2), np.nan), LIMITS), "path: expected finite"),
        (lambda: trajectories.time_optimal(np.zeros((5, 2)), LIMITS), "path: expected points that move on"),
        (lambda: trajectories.epi((8, 8), field_of_view=0.2, shots=3), "shots: expected a divisor of 8"),
        (lambda: trajectories.gradient_and_slew(torch.zeros(2, 2), 0.2, 1e-6), "trajectory: expected .*readout >= 3"),
        (lambda: trajectories.gradient_and_slew(torch.zeros(5, 2), 0.2, 0.0), "dwell: expected a positive time"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_waveform_that_never_keeps_the_limits_is_refused():
    twice = np.full((1, 5, 2), 2 * LIMITS.gradient)
    with pytest.raises(ValueError, match="limits: expected some that a waveform on a raster"):
        within(LIMITS, lambda aim: twice)
