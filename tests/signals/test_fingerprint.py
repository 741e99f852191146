"""Fingerprints: trains that are checked by name, dictionaries, and the bound against the scatter of noisy voxels."""

import math

import numpy as np
import pytest
import torch

from mriops import ops
from mriops.signals import PulseTrain, fingerprint_deviation, fingerprints, match

PULSES = 200


def angles(n: int = PULSES) -> list[float]:
    return [math.radians(5 + 50 * abs(math.sin(2 * math.pi * i / n)) + 10 * (i % 7 == 0)) for i in range(n)]


@pytest.fixture(scope="module")
def train() -> PulseTrain:
    return PulseTrain(angles(), 0.013, 0.004, 0.02)


@pytest.mark.parametrize("spoiling", ["gradient", "rf", "ideal"])
def test_signal_is_that_of_the_op(spoiling) -> None:
    made = PulseTrain(angles(20), [0.012 + 1e-4 * i for i in range(20)], 0.003, 0.02, spoiling=spoiling)
    t1, t2, b1 = torch.tensor([0.8, 1.4]), torch.tensor([0.05, 0.1]), torch.tensor([0.9, 1.0])
    fa, tr = torch.tensor(made.flip_angle), torch.tensor(made.repetition_time)
    times = {"echo_time": 0.003, "inversion_time": 0.02}
    expected = {
        "gradient": lambda: ops.epg_fisp(fa, tr, t1, t2, b1, **times),
        "rf": lambda: ops.epg_spgr(fa, tr, t1, t2, b1, **times),
        "ideal": lambda: ops.epg_spgr(fa, tr, t1, t2, b1, phase_increment=None, **times),
    }[spoiling]()
    assert torch.equal(made.signal(t1, t2, b1), expected)


def test_bound_is_the_scatter_of_interpolated_matches(train) -> None:
    truth = torch.tensor([[0.93], [0.083]])
    grid = torch.logspace(-1, 0.6, 70), torch.logspace(-2, 0.1, 70)
    noise = 0.02 * torch.randn(PULSES, 4000, 2, generator=torch.Generator().manual_seed(0))
    noisy = train.signal(*truth) + torch.view_as_complex(noise)
    found = match(fingerprints(train, *grid, rank=10), noisy, refine=True).parameters
    bound = 0.02 * fingerprint_deviation(train, truth)
    # The bias of a parabola between entries 5 % apart is below the noise; a deviation of 4000 samples scatters by 1 %.
    assert ((found.mean(1) - truth[:, 0]).abs() < 0.2 * bound[:, 0]).all()
    torch.testing.assert_close(found.std(1), bound[:, 0], rtol=0.1, atol=0)


def test_known_field_lowers_the_bound(train) -> None:
    three = torch.tensor([[0.9], [0.08], [0.95]])
    free = fingerprint_deviation(train, three)
    known = fingerprint_deviation(train, three[:2], b1=three[2])
    assert (known <= free[:2]).all() and free.shape == (3, 1)


def test_subset_keeps_the_basis(train) -> None:
    b1 = torch.tensor([0.9, 1.0, 1.1])
    whole = fingerprints(train, torch.tensor([0.5, 1.0, 1.5]), torch.tensor([0.05, 0.1]), b1, rank=6)
    part = whole.subset(whole.parameters[2] == 1.0)
    signal = train.signal(torch.tensor([1.0]), torch.tensor([0.1]), torch.tensor([1.0]))
    found = match(part, signal, refine=True)
    assert part.entries.shape == (6, 6) and part.basis is whole.basis
    assert torch.equal(found.parameters[1:, 0], torch.tensor([0.1, 1.0])) and found.correlation[0] > 1 - 1e-5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flip_angle": []}, "flip_angle: expected one angle per pulse"),
        ({"flip_angle": 0.1}, "flip_angle: expected one angle per pulse, got 0.1"),
        ({"repetition_time": [0.01, 0.01]}, "repetition_time: expected 3 values, as many as flip angles, got 2"),
        ({"repetition_time": 0.0}, "repetition_time: expected finite values, times positive, got 0.0 for pulse 0"),
        ({"echo_time": [0.1, math.nan, 0.1]}, "echo_time: expected finite values, times positive, got nan for pulse 1"),
        ({"spoiling": "some"}, "spoiling: expected one of gradient, rf, ideal, got 'some'"),
        ({"spoiling": "rf", "phase": [0, 0, 0]}, "phase: expected none with spoiling 'rf'"),
        ({"inversion_time": -1.0}, "inversion_time: expected a time >= 0"),
        ({"echo_time": 0.02}, r"echo_time: expected at most the repetition_time 0.01 \[s\], got 0.02 for pulse 0"),
        ({"echo_time": [0.01, 0.01, 0.02]}, r"echo_time: expected at most the repetition_time .* for pulse 2"),
        ({"flip_angle": torch.tensor(0.1)}, r"flip_angle: expected one angle per pulse, got tensor\(0.1"),
    ],
)
def test_trains_that_are_none(change, message) -> None:
    fine = {"flip_angle": [0.1, 0.2, 0.3], "repetition_time": 0.01, "echo_time": 0.003}
    with pytest.raises(ValueError, match=message):
        PulseTrain(**(fine | change))


def test_axes_that_are_none(train) -> None:
    with pytest.raises(ValueError, match="t2: expected increasing positive values"):
        fingerprints(train, torch.tensor([1.0]), torch.tensor([0.1, 0.05]))


@pytest.mark.parametrize("number", [np.float32, np.float64, float])
def test_times_of_any_kind_of_number(number) -> None:
    times = torch.tensor([1.0]), torch.tensor([0.1])
    found = PulseTrain([0.1, 0.2], number(0.01), number(0.004)).signal(*times)
    assert torch.equal(found, PulseTrain([0.1, 0.2], float(number(0.01)), float(number(0.004))).signal(*times))


def test_times_are_numbers_or_arrays_of_one() -> None:
    times = torch.tensor([1.0]), torch.tensor([0.1])
    found = PulseTrain(torch.tensor([0.1, 0.2]), torch.tensor(0.01), np.array(0.004)).signal(*times)
    assert torch.equal(found, PulseTrain([0.1, 0.2], 0.01, 0.004).signal(*times))
    with pytest.raises(TypeError, match="repetition_time: expected real numbers, got '10 ms'"):
        PulseTrain([0.1, 0.2], ["10 ms"] * 2, 0.004)


def test_whole_relaxation_times_keep_the_angles() -> None:
    train = PulseTrain([1.2, 0.3, 2.6], [0.013, 0.014, 0.015], 0.004)
    whole, real = torch.tensor([1, 2]), torch.tensor([1.0, 2.0])
    assert torch.equal(train.signal(whole, whole), train.signal(real, real))
    grid = fingerprints(train, whole, whole)
    assert grid.parameters.is_floating_point()
    assert torch.equal(grid.entries, fingerprints(train, real, real).entries)
