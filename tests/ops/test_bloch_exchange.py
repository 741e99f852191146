"""The Bloch simulation of two pools against one pool, matrix exponentials, and its stated order."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from mriops import array, ops

F64 = {"dtype": torch.float64}
GAMMA = 42.577478518e6
Pools = tuple[float, float, float, float, float, float, float]  # t1, t2, t1_b, t2_b, fraction, exchange rate, shift


def waveform(steps: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    rf = 1e-6 * torch.randn(steps, dtype=torch.complex128, generator=generator)
    gradient = 1e-3 * torch.randn(steps, 2, generator=generator, **F64)
    return rf, gradient, 1e-2 * torch.randn(9, 2, generator=generator, **F64)


def generator_matrix(pools: Pools, rf: complex, off_resonance: float) -> np.ndarray:
    """d/dt of (M_a, M_b, 1) under a constant RF field [T]."""
    t1, t2, t1_b, t2_b, f, k, shift = pools
    matrix = np.zeros((7, 7))
    for i, (r1, r2, m0, frequency) in enumerate(
        [(1 / t1, 1 / t2, 1 - f, off_resonance), (1 / t1_b, 1 / t2_b, f, off_resonance + shift)]
    ):
        x, y, z = (2 * np.pi * v for v in (GAMMA * rf.real, GAMMA * rf.imag, frequency))
        own = slice(3 * i, 3 * i + 3)
        matrix[own, own] = np.array([[-r2, z, -y], [-z, -r2, x], [y, -x, -r1]])  # M x w
        matrix[3 * i + 2, 6] = m0 * r1
    k_ab, k_ba = k * f * np.eye(3), k * (1 - f) * np.eye(3)
    matrix[:3, :3] -= k_ab
    matrix[:3, 3:6] += k_ba
    matrix[3:6, :3] += k_ab
    matrix[3:6, 3:6] -= k_ba
    return matrix


# --- limits ----------------------------------------------------------------------------------------------------------


def test_without_exchange_each_pool_is_blochs() -> None:
    rf, gradient, position = waveform(50)
    both = ops.bloch_exchange(rf, gradient, 1e-4, position, 1.0, 0.1, 0.5, 0.02, 0.3, 0.0, 40.0, 10.0)
    a = ops.bloch(rf, gradient, 1e-4, position, 1.0, 0.1, 10.0)
    b = ops.bloch(rf, gradient, 1e-4, position, 0.5, 0.02, 50.0)
    # 50 steps of a few eps.
    torch.testing.assert_close(both[:, 0], 0.7 * a, rtol=0, atol=1e-14)
    torch.testing.assert_close(both[:, 1], 0.3 * b, rtol=0, atol=1e-14)
    alone = ops.bloch_exchange(rf, gradient, 1e-4, position, 1.0, 0.1, 0.5, 0.02, 0.0, 30.0, 40.0, 10.0)
    torch.testing.assert_close(alone[:, 0], a, rtol=0, atol=1e-14)
    torch.testing.assert_close(alone[:, 1], torch.zeros_like(b), rtol=0, atol=1e-14)


def test_exchange_without_field_is_exact_however_long_the_step() -> None:
    pools: Pools = (1.0, 0.1, 0.5, 0.02, 0.3, 80.0, 0.0)
    start = torch.tensor([[[0.3, -0.2, 0.1], [0.4, 0.1, -0.3]]], **F64)
    still = torch.zeros(1, dtype=torch.complex128)
    for time in (1e-4, 0.03, 0.7):
        found = ops.bloch_exchange(still, None, time, None, *pools[:6], magnetization=start)
        expected = scipy.linalg.expm(generator_matrix(pools, 0j, 0.0) * time) @ np.append(start.numpy().ravel(), 1.0)
        np.testing.assert_allclose(found.numpy().ravel(), expected[:6], rtol=0, atol=2e-15)


def test_after_a_long_time_there_is_equilibrium() -> None:
    start = torch.tensor([[[0.3, -0.2, -1.0], [0.4, 0.1, 0.0]]], **F64)
    still = torch.zeros(3, dtype=torch.complex128)
    found = ops.bloch_exchange(still, None, 100.0, None, 1.0, 0.1, 0.5, 0.02, 0.3, 5.0, 40.0, magnetization=start)
    torch.testing.assert_close(found[0], torch.tensor([[0, 0, 0.7], [0, 0, 0.3]], **F64), rtol=0, atol=1e-14)


def test_fast_exchange_is_one_pool_with_mean_rates() -> None:
    rf, gradient, position = waveform(100)
    f, shift = 0.3, 40.0
    both = ops.bloch_exchange(rf, gradient, 1e-4, position, 1.0, 0.1, 0.5, 0.02, f, 1e9, shift, 10.0)
    t1, t2 = 1 / ((1 - f) / 1.0 + f / 0.5), 1 / ((1 - f) / 0.1 + f / 0.02)
    one = ops.bloch(rf, gradient, 1e-4, position, t1, t2, 10.0 + f * shift)
    # A step turns the pools 0.025 rad apart before they mix: 0.025^2 f (1 - f) / 8 of what is transverse, 100 times.
    torch.testing.assert_close(both.sum(-2), one, rtol=0, atol=2e-3)
    torch.testing.assert_close(both[:, 1], f * both.sum(-2), rtol=0, atol=5e-3)


# --- a Z-spectrum, and the order of the error ------------------------------------------------------------------------

POOLS: Pools = (1.3, 0.08, 1.0, 0.01, 0.02, 200.0, -450.0)  # amide-like: 3.5 ppm at 3 T


def spectrum(steps: int, offsets: Tensor, amplitude: float, time: float) -> Tensor:
    rf = torch.full((steps,), amplitude, dtype=torch.complex128)
    return ops.bloch_exchange(rf, None, time / steps, None, *POOLS, offsets)[:, 0, 2]


def test_z_spectrum_tends_to_the_matrix_exponential_with_the_square_of_the_step() -> None:
    offsets = torch.linspace(-600, 600, 25, **F64)
    amplitude, time = 1e-6, 0.5
    start = np.array([0, 0, 1 - POOLS[4], 0, 0, POOLS[4], 1.0])
    expected = np.array(
        [(scipy.linalg.expm(generator_matrix(POOLS, amplitude, o) * time) @ start)[2] for o in offsets.tolist()]
    )
    errors = [np.abs(spectrum(n, offsets, amplitude, time).numpy() - expected).max() for n in (1000, 2000, 4000)]
    assert errors[2] < 4e-5
    for coarse, fine in pairwise(errors):
        assert 3.5 < coarse / fine < 4.5
    # The exchanging pool shows where it resonates, at an off_resonance of 450 Hz, and not on the other side.
    asymmetry = expected[np.argmin(np.abs(offsets.numpy() + 450))] - expected[np.argmin(np.abs(offsets.numpy() - 450))]
    assert asymmetry > 0.05


def test_checkpointed_gradients_agree_with_forward_mode() -> None:
    """More steps than are kept at once: the dot product of a tangent and a cotangent is the same both ways."""
    steps = 3000
    generator = torch.Generator().manual_seed(2)
    rf = 1e-7 * torch.randn(steps, dtype=torch.complex128, generator=generator)
    rate, t2_b = torch.tensor([50.0, 200.0], **F64), torch.tensor([0.02, 0.01], **F64)
    weights = torch.randn(2, 2, 2, 3, generator=generator, **F64)

    def states(rf: Tensor, rate: Tensor, t2_b: Tensor) -> Tensor:
        return ops.bloch_exchange(
            rf, None, 1e-5, None, 1.0, 0.1, 1.0, t2_b, 0.1, rate, 100.0, 30.0, record=[1500, steps]
        )

    directions = (rf.flip(0), rate / 3, t2_b / 2)
    tangent = torch.func.jvp(states, (rf, rate, t2_b), directions)[1]
    pull = torch.func.vjp(states, rf, rate, t2_b)[1](weights)
    backward = sum(float((g.conj() * d).real.sum()) for g, d in zip(pull, directions, strict=True))
    assert backward == pytest.approx(float((tangent * weights).sum()), rel=1e-11)


# --- what callers get wrong ------------------------------------------------------------------------------------------


def test_values_that_cannot_be_stay_with_their_isochromat() -> None:
    rf, gradient, _ = waveform(5)
    position = torch.zeros(20, 2, **F64)
    good = {"t1": 1.0, "t2": 0.1, "t1_b": 0.5, "t2_b": 0.02, "fraction": 0.3, "exchange_rate": 20.0}
    clean = ops.bloch_exchange(rf, gradient, 1e-4, position, **good)
    for name, value in good.items():
        bad = torch.full((20,), value, **F64)
        bad[3] = math.nan if name == "fraction" else -1.0
        found = ops.bloch_exchange(rf, gradient, 1e-4, position, **{**good, name: bad})
        assert bool(found[3].isnan().any())
        rest = torch.arange(20) != 3
        torch.testing.assert_close(found[rest], clean[rest], rtol=0, atol=1e-15)


@pytest.mark.parametrize("fraction", [-0.1, 1.1])
def test_fractions_outside_are_computed_as_they_stand(fraction: float) -> None:
    """A pool of negative size is a linear system like others."""
    pools = ops.bloch_exchange(
        torch.zeros(1, dtype=torch.complex128), None, 5.0, None, 0.5, 0.1, 0.5, 0.1, fraction, 1.0
    )
    # Equilibrium stays as it is whatever the shares.
    torch.testing.assert_close(pools[0, :, 2], torch.tensor([1 - fraction, fraction], **F64), rtol=0, atol=1e-12)


def test_messages() -> None:
    rf = torch.zeros(4, dtype=torch.complex64)
    pools = (1.0, 0.1, 0.5, 0.02, 0.3, 20.0)
    with pytest.raises(ValueError, match=r"magnetization: expected shape \(\*batch, spins, 2, 3\)"):
        ops.bloch_exchange(rf, None, 1e-4, None, *pools, magnetization=torch.zeros(5, 3))
    with pytest.raises(ValueError, match=r"magnetization: expected shape \(\*batch, spins, 2, 3\)"):
        array.bloch_exchange(rf.numpy(), None, 1e-4, None, *pools, magnetization=np.zeros((5, 3)))
    with pytest.raises(TypeError, match=r"exchange_rate: expected torch.Tensor, got builtins.NoneType"):
        ops.bloch_exchange(rf, None, 1e-4, None, 1.0, 0.1, 0.5, 0.02, 0.3, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"t2_b: expected 3 spins \(those of t1\), got 4"):
        ops.bloch_exchange(rf, None, 1e-4, None, torch.ones(3), 0.1, 0.5, torch.ones(4), 0.3, 20.0)
    with pytest.raises(ValueError, match=r"record: expected increasing numbers of steps in \[0, 4\]"):
        ops.bloch_exchange(rf, None, 1e-4, None, *pools, record=[5])
