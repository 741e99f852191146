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


@pytest.mark.parametrize("spoiling", ["gradient", "rf", "ideal"])
def test_times_without_axes_keep_their_gradient(spoiling) -> None:
    given = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.013, 0.004, 0.02)]
    t1, t2 = torch.tensor([0.8], dtype=torch.float64), torch.tensor([0.07], dtype=torch.float64)

    def energy(*times):
        signal = PulseTrain([0.5, 0.9, 0.7, 0.3], *times, spoiling=spoiling).signal(t1, t2)
        return torch.view_as_real(signal).square().sum()

    found = torch.autograd.grad(energy(*given), given)
    for i, gradient in enumerate(found):
        moved = [[float(v.detach()) + sign * 1e-6 * (i == k) for k, v in enumerate(given)] for sign in (1, -1)]
        difference = (energy(*moved[0]) - energy(*moved[1])) / 2e-6
        # The second difference of 1e-6 and rounding over it.
        torch.testing.assert_close(gradient, difference, rtol=1e-6, atol=1e-8)
    each = torch.autograd.grad(energy([given[0]] * 4, [given[1]] * 4, given[2]), given)
    torch.testing.assert_close(each, found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("magnitude", [False, True])
def test_bound_is_infinite_where_signals_tell_nothing(dtype, magnitude) -> None:
    # Three samples for T1, T2, B1 and the scale.
    train = PulseTrain([0.5, 0.9, 0.7], 0.5, 0.004)
    lost = fingerprint_deviation(train, torch.tensor([[1.0], [0.1], [1.0]], dtype=dtype), magnitude=magnitude)
    assert lost.isinf().all() and lost.dtype == dtype
    # Where nothing transverse outlives a repetition, T2 is a factor like the scale.
    spoiled = PulseTrain([0.5, 0.9, 0.7, 0.3], 0.5, 0.004, spoiling="ideal")
    one = fingerprint_deviation(spoiled, torch.tensor([[1.0, 0.6], [0.1, 0.08]], dtype=dtype), magnitude=magnitude)
    assert one[0].isfinite().all() and one[1].isinf().all()
    # A field of 0 makes no signal; one that is NaN is not known to tell nothing.
    field = torch.tensor([1.0, 0.0, math.nan], dtype=dtype)
    both = torch.tensor([[1.0] * 3, [0.1] * 3], dtype=dtype)
    found = fingerprint_deviation(PulseTrain(angles(20), 0.013, 0.004, 0.02), both, b1=field, magnitude=magnitude)
    assert found[:, 0].isfinite().all() and found[:, 1].isinf().all() and found[:, 2].isnan().all()


@pytest.mark.parametrize("magnitude", [False, True])
def test_bound_is_that_of_all_derivatives_at_once(train, magnitude) -> None:
    at = torch.tensor([[0.9, 1.3], [0.08, 0.05], [0.95, 1.1]], dtype=torch.float64)
    found = fingerprint_deviation(train, at, magnitude=magnitude)
    for k in range(2):
        value = train.signal(*at[:, k : k + 1])[:, 0]
        columns = [value, 1j * value]  # of the scale, its real and imaginary part
        for row in range(3):
            step = torch.zeros(3, 1, dtype=torch.float64)
            step[row] = 1e-6
            up, down = (train.signal(*(at[:, k : k + 1] + sign * step))[:, 0] for sign in (1, -1))
            columns.append((up - down) / 2e-6)
        matrix = torch.stack(columns, 1)
        if magnitude:
            matrix = ((value.conj() / value.abs())[:, None] * matrix).real[:, [0, 2, 3, 4]]
        else:
            matrix = torch.cat([matrix.real, matrix.imag])
        expected = torch.linalg.inv(matrix.mT @ matrix).diagonal().sqrt()[-3:]
        torch.testing.assert_close(found[:, k], expected, rtol=1e-5, atol=0)
        single = fingerprint_deviation(train, at[:, k : k + 1].float(), magnitude=magnitude)
        torch.testing.assert_close(single[:, 0].double(), expected, rtol=1e-3, atol=0)


def test_axes_and_parameters_of_mixed_kinds(train) -> None:
    wide = torch.tensor([0.5, 1.0], dtype=torch.float64)
    mixed = fingerprints(train, wide, torch.tensor([0.05, 0.1]))
    assert mixed.parameters.dtype == torch.float64 and mixed.entries.dtype == torch.complex128
    whole = fingerprint_deviation(train, torch.tensor([[2], [1]]))
    assert torch.equal(whole, fingerprint_deviation(train, torch.tensor([[2.0], [1.0]])))


@pytest.mark.parametrize(
    ("error", "call", "message"),
    [
        (TypeError, lambda t, x: fingerprints(t, [1.0, 2.0], [0.1]), "t1: expected torch.Tensor, got list"),
        (TypeError, lambda t, x: fingerprints("fisp", x, x), "train: expected mriops.signals.PulseTrain, got str"),
        (
            ValueError,
            lambda t, x: fingerprints(t, torch.tensor(1.0), x),
            r"t1: expected one axis of increasing positive values, got shape \(\)",
        ),
        (TypeError, lambda t, x: t.signal(0.8, x), "t1: expected torch.Tensor, got float"),
        (TypeError, lambda t, x: t.signal(x, 0.07), "t2: expected torch.Tensor, got float"),
        (
            ValueError,
            lambda t, x: fingerprint_deviation(t, torch.ones(2, 3), b1=torch.tensor(1.0)),
            r"b1: expected shape \(3,\), one per entry, got \(\)",
        ),
        (
            TypeError,
            lambda t, x: fingerprint_deviation(t, torch.ones(2, 3), b1=1.0),
            "b1: expected torch.Tensor",
        ),
        (
            TypeError,
            lambda t, x: fingerprint_deviation(t, [[1.0], [0.1]]),
            "parameters: expected torch.Tensor, got list",
        ),
        (
            ValueError,
            lambda t, x: fingerprint_deviation(t, torch.ones(4, 3)),
            r"parameters: expected 2 or 3 rows \(t1, t2, b1\) of entries, got shape \(4, 3\)",
        ),
        (
            ValueError,
            lambda t, x: fingerprint_deviation(t, torch.ones(3, 3), b1=torch.ones(3)),
            r"parameters: expected 2 rows \(t1, t2\) beside a known b1 of entries, got shape \(3, 3\)",
        ),
    ],
)
def test_arguments_of_the_wrong_kind_are_named(train, error, call, message) -> None:
    with pytest.raises(error, match=message):
        call(train, torch.tensor([0.5, 1.0]))
