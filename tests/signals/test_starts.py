"""Where fits start: every noise-free voxel of dense ranges ends in the deepest minimum, whatever the times."""

import itertools
import math

import pytest
import torch

from mriops._native.signal_grids import arrival_grid, off_resonance_grid
from mriops._native.signal_phases import encoded_velocity
from mriops.signals import SignalOp, fat_spectrum, fit

F64 = torch.float64
SIX = [0.0012 + 0.002 * i for i in range(6)]
TWELVE = [0.0012 + 0.0288 / 11 * i for i in range(12)]


def uniform(n, low, high, seed):
    g = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(n, generator=g, dtype=F64)


def water_fat(echoes, field=3.0):
    frequency, amplitude = fat_spectrum(field)
    return SignalOp("water_fat", echo_time=echoes, fat_frequency=frequency, fat_amplitude=amplitude)


@pytest.mark.parametrize(("echoes", "reach"), [(SIX, 200.0), (TWELVE, 180.0)])
def test_water_and_fat_of_every_share_and_field(echoes, reach):
    n, op = 1500, water_fat(echoes)
    share = torch.linspace(0, 1, n, dtype=F64)
    phase = torch.polar(torch.ones(n, dtype=F64), uniform(n, -3, 3, 0))
    truth = {"water": 100 * (1 - share) * phase, "fat": 100 * share * phase}
    truth |= {"off_resonance": uniform(n, -reach, reach, 1), "r2star": uniform(n, 0, 100, 2)}
    found = fit(op, op(**truth)).parameters
    for name in ("water", "fat"):
        assert (found[name] - truth[name]).abs().max() < 0.1, name
    assert (found["off_resonance"] - truth["off_resonance"]).abs().max() < 0.1


def test_bounds_choose_the_period_of_the_off_resonance():
    op, n = water_fat(SIX), 200
    truth = {"water": 80 + 0j, "fat": 20 + 0j, "off_resonance": uniform(n, 350, 750, 0), "r2star": 30.0}
    found = fit(op, op(**truth), bounds={"off_resonance": (300.0, 800.0)})
    assert torch.allclose(found.parameters["off_resonance"], truth["off_resonance"], rtol=0, atol=1e-3)


def test_grid_of_off_resonances_follows_echoes_and_bounds():
    wide = off_resonance_grid([SIX], -math.inf, math.inf)
    assert max(b - a for a, b in itertools.pairwise(wide)) <= 1 / (4 * (SIX[-1] - SIX[0])) + 1e-9
    assert wide[-1] - wide[0] + (wide[1] - wide[0]) == pytest.approx(500.0)  # 1 / 2 ms
    assert wide[0] == pytest.approx(-wide[-1])
    assert all(-50 < f < 50 for f in off_resonance_grid([SIX], -50.0, 50.0))
    beyond = off_resonance_grid([SIX], 100.0, math.inf)
    assert beyond[0] > 100
    assert beyond[-1] < 600
    assert off_resonance_grid([[0.002]], 5.0, 9.0) == [5.0]


@pytest.mark.parametrize("reach", [0.65, 0.85, 0.99])
@pytest.mark.parametrize("encoding", ["referenced", "balanced", "two strengths"])
def test_velocities_below_the_encoded_one_do_not_alias(encoding, reach):
    k = math.pi  # venc = 1 m/s
    table = {
        "referenced": [[0.0, 0, 0], [k, 0, 0], [0, k, 0], [0, 0, k]],
        "balanced": [[-k / 2, -k / 2, -k / 2], [k / 2, k / 2, -k / 2], [k / 2, -k / 2, k / 2], [-k / 2, k / 2, k / 2]],
        "two strengths": [[0.0, 0, 0], *([s * k * (i == j) for j in range(3)] for s in (1, 3) for i in range(3))],
    }
    op, n = SignalOp("phase_contrast", encoding=table[encoding]), 300
    # Differences of balanced encodings see sums and differences of two components.
    velocity = torch.stack([uniform(n, -reach, reach, i) for i in range(3)]) / (2 if encoding == "balanced" else 1)
    image = torch.polar(uniform(n, 20, 100, 3), uniform(n, -3, 3, 4))
    result = fit(op, op(m0=image, velocity=velocity))
    assert torch.allclose(result.parameters["velocity"], velocity, rtol=0, atol=1e-6)
    assert torch.allclose(result.parameters["m0"], image, rtol=1e-6)
    # Of an exact start rounding alone is left, in which a step may find no way down.
    assert result.converged.double().mean() > 0.98


def test_velocities_are_those_of_numpy_too():
    np = pytest.importorskip("numpy")
    rows = [[0.0, 1.0, 0, 0, 0.0], [0.0, 0, 1.0, 0, 0.0], [0.0, 0, 0, 1.0, 0.0]]
    velocity = uniform(12, -2, 2, 0).reshape(3, 4)
    signal = torch.polar(torch.ones(5, 4, dtype=F64), torch.tensor(rows, dtype=F64).T @ velocity)
    assert torch.allclose(encoded_velocity(torch, rows, signal)["velocity"], velocity)
    assert np.allclose(encoded_velocity(np, rows, signal.numpy())["velocity"], velocity)


def test_known_velocities_leave_the_image():
    op = SignalOp("phase_contrast", encoding=[[0.0, 0, 0], [3.0, 0, 0], [0, 3.0, 0], [0, 0, 3.0]])
    velocity = torch.stack([uniform(50, -0.9, 0.9, i) for i in range(3)])
    m0 = torch.polar(torch.ones(50, dtype=F64), uniform(50, -3, 3, 4))
    signal = op(m0=m0, velocity=velocity)
    found = fit(op, signal, fixed={"velocity": velocity}).parameters["m0"]
    assert torch.allclose(found, m0)


@pytest.mark.parametrize("model", ["asl_continuous", "asl_pulsed"])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_transit_times_between_all_kinks(model, dtype):
    op, n = SignalOp(model, time=[2.0, 2.5, 3.0, 3.5, 4.0], label_duration=1.8), 400
    arrival = torch.linspace(0.25, 2.4, n, dtype=F64)
    image, perfusion = uniform(n, 300, 3000, 0), uniform(n, 0.002, 0.02, 1)
    signal = op(m0=image, perfusion=perfusion, transit_time=arrival)
    found = fit(op, signal.to(dtype), fixed={"m0": image.to(dtype)}).parameters
    rounding = 2e-3 if dtype == torch.float32 else 1e-6
    assert torch.allclose(found["transit_time"].double(), arrival, rtol=0, atol=rounding)
    assert torch.allclose(found["perfusion"].double(), perfusion, rtol=rounding)


def test_transit_times_where_the_image_is_free_too():
    """The signal sees the product of image and perfusion alone, which leaves one direction without slope."""
    op, n = SignalOp("asl_continuous", time=[2.0, 2.5, 3.0, 3.5, 4.0], label_duration=1.8), 400
    arrival = torch.linspace(0.25, 2.2, n)
    result = fit(op, op(m0=1000.0, perfusion=torch.full((n,), 0.007), transit_time=arrival))
    assert ((result.parameters["transit_time"] - arrival).abs() < 0.05).double().mean() > 0.95
    assert result.converged.double().mean() > 0.95


def test_no_start_is_on_a_kink():
    times, duration = [2.0, 2.5, 3.0, 3.5, 4.0], 1.8
    grid = arrival_grid([times, [duration] * 5], 0.0, 10.0)
    kinks = [*times, *(t - duration for t in times)]
    assert min(abs(d - kink) for d in grid for kink in kinks) > 0.01
    assert 0 < grid[0] < 0.1
    assert 3.9 < grid[-1] < 4.0


def test_a_known_amplitude_is_in_the_grid_of_starts():
    op = SignalOp("mono_exponential", time=[0.01 * (i + 1) for i in range(8)])
    truth = uniform(200, 0.003, 2.0, 0)
    found = fit(op, op(m0=1000.0, t2=truth), fixed={"m0": 1000.0})
    assert torch.allclose(found.parameters["t2"], truth, rtol=1e-6)
    assert found.iterations.max() < 12
