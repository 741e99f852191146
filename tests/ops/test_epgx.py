"""Extended phase graphs of two pools against one pool, steady states, isochromats and matrix exponentials."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from mriops import array, ops
from mriops.ops._epgx_rules import epgx_op
from mriops.testing import available_backends, use_backend

DEGREE = math.pi / 180


def numbers(*values: float) -> list[Tensor]:
    return [torch.tensor(value, dtype=torch.float64) for value in values]


def random(low: float, high: float, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(len(shape) * 1000 + sum(shape) + int(10 * high))
    return low + (high - low) * torch.rand(shape, dtype=torch.float64, generator=generator)


TRAIN = (random(0.3, 2.5, 12), random(0.005, 0.02, 12))


# --- limits ----------------------------------------------------------------------------------------------------------


def test_without_pool_b_it_is_epg() -> None:
    flips, durations = TRAIN
    t1, t2, b1, off = random(0.5, 2, 5), random(0.03, 0.2, 5), random(0.7, 1.3, 5), random(-20, 20, 5)
    phase = random(-3, 3, 12)
    one = ops.epg(flips, durations, t1, t2, b1, off, None, phase, 0.002)
    exchange = ops.epg_exchange(flips, durations, t1, t2, 0.5, 0.02, 0.0, 30.0, 40.0, b1, off, None, phase, 0.002)
    bound = ops.epg_mt(flips, durations, 0.7, t1, t2, 0.5, 0.0, 30.0, b1, off, None, phase, 0.002)
    # A dozen pulses, a few eps each.
    torch.testing.assert_close(exchange, one, rtol=0, atol=1e-14)
    torch.testing.assert_close(bound, one, rtol=0, atol=1e-14)
    real = ops.epg_mt(flips, durations, 0.7, t1, t2, 0.5, 0.0, 30.0, b1)
    torch.testing.assert_close(real, ops.epg(flips, durations, t1, t2, b1), rtol=0, atol=1e-14)


def test_without_exchange_it_is_a_sum_of_two_pools() -> None:
    flips, durations = TRAIN
    t1, t2, t1_b, t2_b, shift, f = *numbers(1.2, 0.08, 0.6, 0.03, 25.0), 0.3
    both = ops.epg_exchange(flips, durations, t1, t2, t1_b, t2_b, f, 0.0, shift, sample_time=0.001)
    a = ops.epg(flips, durations, t1, t2, sample_time=0.001)
    b = ops.epg(flips, durations, t1_b, t2_b, None, shift, sample_time=0.001)
    torch.testing.assert_close(both, (1 - f) * a + f * b, rtol=0, atol=1e-14)


def test_fast_exchange_is_one_pool_with_mean_rates() -> None:
    flips, durations = TRAIN
    t1, t2, t1_b, t2_b, shift, f, rate = *numbers(1.2, 0.08, 0.6, 0.03, 25.0), 0.3, 1e9
    both = ops.epg_exchange(flips, durations, t1, t2, t1_b, t2_b, f, rate, shift, sample_time=0.001)
    mean_t1, mean_t2 = 1 / ((1 - f) / t1 + f / t1_b), 1 / ((1 - f) / t2 + f / t2_b)
    one = ops.epg(flips, durations, mean_t1, mean_t2, None, f * shift, sample_time=0.001)
    # The next order is (2 pi shift)^2 f (1 - f) / rate times the length of the train: 1e-6.
    torch.testing.assert_close(both, one, rtol=0, atol=2e-6)


def test_after_a_long_time_there_is_equilibrium() -> None:
    flips = torch.tensor([math.pi, math.pi / 2], dtype=torch.float64)
    t1, t2 = numbers(1.0, 0.1)
    for long, rate in ((200.0, 1.0), (200.0, 1e4)):
        durations = torch.tensor([long, 0.01], dtype=torch.float64)
        both = ops.epg_exchange(flips, durations, t1, t2, 0.7, 0.05, 0.3, rate, sample_segment=[1], spoil=[0])
        bound = ops.epg_mt(flips, durations, 2.0, t1, t2, 0.7, 0.3, rate, sample_segment=[1], spoil=[0])
        assert abs(complex(both[0])) == pytest.approx(1.0, abs=1e-12)  # both pools
        assert abs(complex(bound[0])) == pytest.approx(0.7, abs=1e-12)  # the free one alone


def test_single_precision_survives_very_fast_exchange() -> None:
    flips, durations = (x.to(torch.float32) for x in TRAIN)
    t1 = torch.tensor([1.2, 1.2, 1.2])
    rate = torch.tensor([1e3, 1e5, 1e7])
    single = ops.epg_exchange(flips, durations, t1, 0.08, 0.6, 0.03, 0.3, rate, 25.0)
    double = ops.epg_exchange(*TRAIN, t1.double(), 0.08, 0.6, 0.03, 0.3, rate.double(), 25.0)
    # Twelve steps; rates times an interval reach 2e5, of which nothing may be left in the error.
    assert float((single - double).abs().max()) < 2e-6


@pytest.mark.parametrize(("rate", "bound"), [(30.0, 1e-4), (1e3, 1e-4), (1e4, 1e-4), (1e5, 3e-2)])
def test_single_precision_derivatives_survive_fast_exchange(rate: float, bound: float) -> None:
    """What a rate and a fraction mean falls like one over the rate, in a sum of terms that do not."""
    found = []
    for dtype in (torch.float32, torch.float64):
        values = [torch.tensor(v, dtype=dtype) for v in (1.2, 0.08, 0.6, 0.03, 0.3, rate, 25.0)]
        flips, durations = (x.to(dtype) for x in TRAIN)

        def energy(*v: Tensor, train: tuple[Tensor, Tensor] = (flips, durations)) -> Tensor:
            return torch.view_as_real(ops.epg_exchange(*train, *v)).square().sum()

        found.append(torch.func.grad(energy, argnums=tuple(range(7)))(*values))
    for single, double in zip(*found, strict=True):
        assert abs(float(single) - float(double)) < bound * abs(float(double))


# --- steady states ---------------------------------------------------------------------------------------------------


def rates_of(r_a: complex, r_b: complex, f: float, k: float) -> np.ndarray:
    return np.array([[-r_a - k * f, k * (1 - f)], [k * f, -r_b - k * (1 - f)]])


@pytest.mark.parametrize(("t1", "t1_b", "f", "k"), [(1.0, 1.0, 0.12, 30.0), (0.8, 0.3, 0.2, 4.0)])
def test_spoiled_steady_state_with_magnetization_transfer(t1: float, t1_b: float, f: float, k: float) -> None:
    tr, angle, saturation = 0.03, 15 * DEGREE, 0.35
    relax = scipy.linalg.expm(rates_of(1 / t1, 1 / t1_b, f, k) * tr)
    pulse = np.diag([math.cos(angle), math.exp(-saturation)])
    equilibrium = np.array([1 - f, f])
    before = np.linalg.solve(np.eye(2) - relax @ pulse, (np.eye(2) - relax) @ equilibrium)
    n = 2000
    signal = ops.epg_mt(
        torch.full((n,), angle, dtype=torch.float64),
        tr,
        saturation,
        *numbers(t1, 0.05),
        t1_b,
        f,
        k,
        spoil=range(n),
        sample_segment=[n - 1],
    )
    assert complex(signal[0]) == pytest.approx(1j * before[0] * math.sin(angle), abs=1e-12)


def two_pools(t1: float, t2: float, t1_b: float, t2_b: float, f: float, k: float, shift: float) -> np.ndarray:
    """d/dt of (F_a, F_b, conj(F_a), conj(F_b), Z_a, Z_b, 1)."""
    matrix = np.zeros((7, 7), complex)
    transverse = rates_of(1 / t2, 1 / t2_b + 2j * np.pi * shift, f, k)
    matrix[:2, :2], matrix[2:4, 2:4] = transverse, transverse.conj()
    matrix[4:6, 4:6] = rates_of(1 / t1, 1 / t1_b, f, k)
    matrix[4:6, 6] = (1 - f) / t1, f / t1_b
    return matrix


def rotation(angle: float, phase: float) -> np.ndarray:
    c, s, turn = math.cos(angle / 2) ** 2, math.sin(angle / 2) ** 2, np.exp(1j * phase)
    one = np.array(
        [
            [c, turn**2 * s, 1j * turn * math.sin(angle)],
            [s / turn**2, c, -1j / turn * math.sin(angle)],
            [0.5j / turn * math.sin(angle), -0.5j * turn * math.sin(angle), math.cos(angle)],
        ]
    )
    matrix = np.eye(7, dtype=complex)
    matrix[np.ix_([0, 2, 4], [0, 2, 4])] = one
    matrix[np.ix_([1, 3, 5], [1, 3, 5])] = one
    return matrix


def test_balanced_steady_state_of_two_pools() -> None:
    pools, tr, angle, n = (1.0, 0.09, 0.5, 0.02, 0.2, 12.0, 30.0), 0.005, 40 * DEGREE, 3000
    step = scipy.linalg.expm(two_pools(*pools) * tr) @ rotation(angle, 0.0)
    before = np.linalg.solve(np.eye(6) - step[:6, :6], step[:6, 6])
    after = rotation(angle, 0.0)[:6, :6] @ before
    t1, t2, *rest = pools
    signal = ops.epg_exchange(
        torch.full((n,), angle, dtype=torch.float64), tr, *numbers(t1, t2), *rest, shift=0, sample_segment=[n - 1]
    )
    assert complex(signal[0]) == pytest.approx(after[0] + after[1], abs=1e-12)


def test_it_is_the_mean_of_isochromats() -> None:
    pools = (1.0, 0.09, 0.5, 0.02, 0.2, 30.0, 25.0)
    flips, durations, phases = TRAIN[0][:6], TRAIN[1][:6], random(-3, 3, 6)
    n = 32  # more than twice the highest order
    theta = 2 * np.pi * np.arange(n) / n
    state = np.zeros((7, n), complex)
    state[4:] = np.array([0.8, 0.2, 1.0])[:, None]
    expected = []
    for flip, duration, phase in zip(flips.tolist(), durations.tolist(), phases.tolist(), strict=True):
        state = rotation(flip, phase) @ state
        read = scipy.linalg.expm(two_pools(*pools) * 0.002) @ state
        expected.append(read[:2].sum(0).mean())
        state = scipy.linalg.expm(two_pools(*pools) * duration) @ state
        state[:2] *= np.exp(1j * theta)
        state[2:4] *= np.exp(-1j * theta)
    t1, t2, *rest = pools
    signal = ops.epg_exchange(flips, durations, *numbers(t1, t2), *rest, phase=phases, sample_time=0.002)
    np.testing.assert_allclose(signal, expected, rtol=0, atol=1e-14)


def test_spin_echoes_of_two_pools() -> None:
    """A CPMG train as a table, perfect pulses: Luz and Meiboom's echoes by matrix exponentials."""
    pools, half, n = (1e9, 0.1, 1e9, 0.05, 0.3, 40.0, 20.0), 0.01, 6
    flips = torch.tensor([90.0] + [180.0] * n, dtype=torch.float64) * DEGREE
    phases = torch.tensor([-90.0] + [0.0] * n, dtype=torch.float64) * DEGREE
    durations = torch.tensor([half] + [2 * half] * n, dtype=torch.float64)
    t1, t2, *rest = pools
    echoes = ops.epg_exchange(
        flips,
        durations,
        *numbers(t1, t2),
        *rest,
        phase=phases,
        sample_time=half,
        shift=[1] + [2] * n,
        sample_segment=range(1, n + 1),
        sample_order=1,
    )
    free = scipy.linalg.expm(two_pools(*pools)[:2, :2] * half)
    state, expected = np.array([0.7, 0.3], complex), []
    for _ in range(n):
        state = free @ (free @ state).conj()
        expected.append(state.sum())
    np.testing.assert_allclose(echoes, expected, rtol=0, atol=1e-9)  # t1 is not quite infinite


# --- where eigenvalues meet ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("off", [0.0, 1e-9, 1e-4, 0.3])
def test_nothing_happens_where_eigenvalues_meet(off: float) -> None:
    # t2 = t2_b, equal pools and exchange_rate = 2 pi shift: the transverse matrix has one eigenvector.
    shift = 5.0
    values = (1.0, 0.5, 1.0, 0.5, 0.5, 2 * math.pi * shift * (1 + off), shift)
    t = 0.1
    free = scipy.linalg.expm(two_pools(*values)[:2, :2] * t)
    leaves = [x.requires_grad_() for x in numbers(*values)]
    flip = torch.tensor([math.pi / 2], dtype=torch.float64)

    def signal(t1: Tensor, t2: Tensor, *rest: Tensor) -> Tensor:
        return ops.epg_exchange(flip, 1.0, t1, t2, *rest, sample_time=t)

    expected = 1j * (free @ np.array([0.5, 0.5])).sum()
    assert complex(signal(*leaves).detach()[0]) == pytest.approx(expected, abs=1e-14)
    torch.autograd.gradcheck(signal, leaves)
    torch.autograd.gradgradcheck(signal, leaves)


def test_equal_pools_without_exchange_have_derivatives() -> None:
    flips, durations = TRAIN[0][:4], 0.1 * torch.ones(4, dtype=torch.float64)
    leaves = [x.requires_grad_() for x in numbers(1.0, 0.5, 1.0, 0.5, 0.25)]

    def signal(t1: Tensor, t2: Tensor, t1_b: Tensor, t2_b: Tensor, rate: Tensor) -> Tensor:
        return ops.epg_exchange(flips, durations, t1, t2, t1_b, t2_b, 0.3, rate * rate * 4)

    torch.autograd.gradcheck(signal, leaves)
    torch.autograd.gradgradcheck(signal, leaves)


# --- what callers get wrong ------------------------------------------------------------------------------------------


def test_values_that_cannot_be_stay_with_their_atom() -> None:
    flips, durations = TRAIN
    good = torch.full((40,), 1.0, dtype=torch.float64)
    clean = ops.epg_exchange(flips, durations, good, 0.08, 0.5, 0.03, 0.3, 20.0)
    for name in ("t1", "t2", "t1_b", "t2_b", "exchange_rate", "fraction"):
        arguments = {"t1": good, "t2": 0.08, "t1_b": 0.5, "t2_b": 0.03, "fraction": 0.3, "exchange_rate": 20.0}
        bad = arguments[name] * torch.ones_like(good)
        bad[7] = math.nan if name == "fraction" else -1.0
        signal = ops.epg_exchange(flips, durations, **{**arguments, name: bad})
        assert bool(signal[:, 7].isnan().all())
        rest = torch.arange(40) != 7
        torch.testing.assert_close(signal[:, rest], clean[:, rest], rtol=0, atol=1e-14)


def test_messages() -> None:
    flips, durations = TRAIN
    t1 = torch.ones(3)
    with pytest.raises(ValueError, match=r"t2_b: expected a shape that broadcasts with \(3,\), got \(2,\)"):
        ops.epg_exchange(flips, durations, t1, 0.1, 1.0, torch.ones(2), 0.3, 20.0)
    with pytest.raises(TypeError, match=r"fraction: expected a real dtype, got torch.complex64"):
        ops.epg_exchange(flips, durations, t1, 0.1, 1.0, 0.1, torch.ones(3, dtype=torch.complex64), 20.0)
    with pytest.raises(TypeError, match=r"t1_b: expected torch.Tensor or a number, got None"):
        ops.epg_mt(flips, durations, 0.1, t1, 0.1, None, 0.3, 20.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"t2: expected torch.Tensor or a number, got builtins.str"):
        ops.epg_mt(flips, durations, 0.1, t1, "0.1", 1.0, 0.3, 20.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"saturation: expected a number or shape \(12,\), got shape \(3,\)"):
        ops.epg_mt(flips, durations, torch.ones(3), t1, 0.1, 1.0, 0.3, 20.0)
    with pytest.raises(ValueError, match=r"flip_angle: expected at least one pulse, got an empty train"):
        ops.epg_mt(flips[:0], 0.01, 0.1, t1, 0.1, 1.0, 0.3, 20.0)
    with pytest.raises(ValueError, match=r"t1_b: expected a shape that broadcasts with \(3,\), got \(4,\)"):
        array.epg_mt(flips.numpy(), 0.01, 0.1, np.ones(3), 0.1, np.ones(4), 0.3, 20.0)
    with pytest.raises(TypeError, match=r"fraction: expected an array or a number, got None"):
        array.epg_mt(flips.numpy(), 0.01, 0.1, np.ones(3), 0.1, 1.0, None, 20.0)
    with pytest.warns(UserWarning, match="degrees"):
        ops.epg_mt(torch.tensor([90.0]), 0.01, 0.1, t1, 0.1, 1.0, 0.3, 20.0)
    third = torch.func.jacrev(
        torch.func.jacrev(torch.func.jacrev(lambda t: ops.epg_mt(flips, 0.01, 0.1, t, 0.1, 1.0, 0.3, 20.0).real.sum()))
    )
    with pytest.raises(RuntimeError, match=r"epgx: expected derivatives up to the second order"):
        third(torch.tensor(1.0))


def test_orders_chosen_from_t2_keep_their_promise() -> None:
    flips = 0.7 + 0.5 * torch.sin(torch.arange(300, dtype=torch.float64) / 30)
    t1 = torch.linspace(0.5, 2.0, 9, dtype=torch.float64)
    arguments = (flips, 0.012, t1, 0.06, 0.4, 0.02, 0.2, 15.0, 10.0)
    chosen, all_of_them = ops.epg_exchange(*arguments), ops.epg_exchange(*arguments, orders=300)
    assert float((chosen - all_of_them).abs().max()) < 1e-4 * float(all_of_them.abs().max())


@pytest.mark.parametrize("backend", available_backends())
def test_an_inversion_efficiency_is_refused(backend: str) -> None:
    """Phase graphs of one pool have it as a flag of the first segment; here it would change nothing."""
    with use_backend(backend) as device:
        rows = (torch.ones(n, m, dtype=torch.float64, device=device) for n, m in ((4, 2), (2, 2), (11, 3)))
        with pytest.raises(ValueError, match=r"program \(segment flags\).*no inversion efficiency of two pools"):
            epgx_op(*rows, (0, 1, 1, 4, 1, 0, 1, 1, 0, 1, 0), 0, True, False)
