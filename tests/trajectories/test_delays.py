"""Gradient delays: found in simulated and measured spokes, and put into the trajectory."""

import math

import numpy as np
import pytest
import torch

from mriops import phantoms, trajectories

DELAYS = torch.tensor([[0.7, -0.15], [-0.15, 0.3]], dtype=torch.float64)


def spokes(shots: int, order: str = "golden", n_coils: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Exact k-space of an object off the centre, at the delayed positions; and the nominal trajectory."""
    nominal = trajectories.radial((64, 64), shots, 128, order=order, dtype=torch.float64)
    taken = trajectories.delayed(nominal, DELAYS)
    disc = phantoms.shepp_logan().moved([[0.6, 0.1], [0.0, 0.7]], [0.06, -0.05])
    kspace = disc.multicoil_kspace(taken, phantoms.fourier_coils(n_coils), im_size=(64, 64))
    return kspace, nominal


@pytest.mark.parametrize(("shots", "order"), [(13, "golden"), (40, "uniform")])
def test_delays_are_found(shots, order):
    kspace, nominal = spokes(shots, order)
    found = trajectories.radial_delays(kspace, nominal)
    # Offsets are searched in steps of 1/32 sample; a few hundred pairs average that.
    assert (found - DELAYS).abs().max() < 0.02
    again = trajectories.radial_delays(kspace, trajectories.delayed(nominal, found))
    assert again.abs().max() < 0.01


def test_phases_between_spokes_do_no_harm():
    kspace, nominal = spokes(21)
    turn = torch.exp(1j * torch.linspace(-1, 2, 21, dtype=torch.float64)).to(kspace.dtype)
    found = trajectories.radial_delays(kspace * turn[:, None], nominal)
    assert (found - DELAYS).abs().max() < 0.02
    fooled = trajectories.radial_delays(kspace * turn[:, None], nominal, phase=True)
    assert (fooled - DELAYS).abs().max() > 0.1


def test_single_coil_and_noise():
    kspace, nominal = spokes(34, n_coils=1)
    assert (trajectories.radial_delays(kspace, nominal) - DELAYS).abs().max() < 0.05
    kspace, nominal = spokes(34)
    noisy = phantoms.add_noise(kspace, sigma=0.01 * float(kspace.abs().max()), seed=0)
    assert (trajectories.radial_delays(noisy, nominal) - DELAYS).abs().max() < 0.06


def test_a_delay_of_one_sample_moves_by_one_sample():
    nominal = trajectories.radial((32, 32), 5, 64, dtype=torch.float64)
    moved = trajectories.delayed(nominal, torch.eye(2, dtype=torch.float64))
    assert torch.allclose(moved[:, 1:], nominal[:, :-1])


def test_measured_spokes(data_dir):
    stored = np.load(data_dir / "radial_phantom_3t" / "radial_256spokes.npz")
    k = torch.from_numpy((stored["traj"][..., :2] * stored["fov"][:2])[..., ::-1].copy())
    kspace = torch.from_numpy(stored["kspace"])
    found = trajectories.radial_delays(kspace, k)
    # Both gradients late by the same 0.17 samples, hardly any coupling; two halves of the spokes say the same.
    assert torch.allclose(found, 0.17 * torch.eye(2, dtype=torch.float64), atol=0.03)
    odd, even = (trajectories.radial_delays(kspace[:, i::2], k[i::2]) for i in (0, 1))
    assert torch.allclose(odd, even, atol=0.01)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda y, k: (y.real, k), TypeError, "kspace: expected a complex tensor"),
        (lambda y, k: (y[..., :-1], k), ValueError, r"kspace: expected \(\*batch, coils, 5, 16\)"),
        (lambda y, k: (y, k[0]), ValueError, r"trajectory: expected \(shots, readout >= 2, 2\)"),
        (lambda y, k: (y.numpy(), k), TypeError, "kspace: expected a torch.Tensor, got ndarray"),
        (lambda y, k: (y, k.numpy()), TypeError, "trajectory: expected a torch.Tensor, got ndarray"),
        (lambda y, k: (y, k.long()), TypeError, "trajectory: expected a real floating-point dtype, got torch.int64"),
        (lambda y, k: (y[:0], k), ValueError, r"kspace: expected .* without empty axes, got \(0, 5, 16\)"),
        (lambda y, k: (0 * y, k), ValueError, "kspace: expected a signal, got zeros"),
        (lambda y, k: (math.nan * y, k), ValueError, r"kspace: expected finite values, got .* at index \(0, 0, 0\)"),
        (
            lambda y, k: (y, torch.where(k == k[2, 3], math.inf, k)),
            ValueError,
            r"trajectory: expected finite coordinates, got inf at index \(2, 3, 0\)",
        ),
        (lambda y, k: (y, k**2), ValueError, "straight spokes with equal steps"),
        (lambda y, k: (y, k + 3), ValueError, "full spokes through the centre"),
        (lambda y, k: (y[:, :1].expand(-1, 5, -1), k[:1].expand(5, -1, -1)), ValueError, "cross at more than 30"),
    ],
)
def test_refusals(change, error, message):
    k = trajectories.radial((8, 8), 5, 16, order="uniform")
    kspace = torch.ones(2, 5, 16, dtype=torch.complex64)
    with pytest.raises(error, match=message):
        trajectories.radial_delays(*change(kspace, k))


def test_refusals_of_settings():
    k = trajectories.radial((8, 8), 5, 16)
    with pytest.raises(ValueError, match="max_delay: expected between 0 and a quarter"):
        trajectories.radial_delays(torch.ones(2, 5, 16, dtype=torch.complex64), k, max_delay=4.0)
    with pytest.raises(ValueError, match=r"delays: expected \(2, 2\)"):
        trajectories.delayed(k, torch.zeros(2))
    with pytest.raises(ValueError, match="trajectory: expected"):
        trajectories.delayed(k[0], torch.zeros(2, 2))
    with pytest.raises(TypeError, match=r"trajectory: expected a torch\.Tensor, got ndarray"):
        trajectories.delayed(k.numpy(), torch.zeros(2, 2))
    with pytest.raises(TypeError, match=r"delays: expected a torch\.Tensor, got list"):
        trajectories.delayed(k, [[0, 0], [0, 0]])
    with pytest.raises(TypeError, match="max_delay: expected between 0 and a quarter"):
        trajectories.radial_delays(torch.ones(2, 5, 16, dtype=torch.complex64), k, max_delay="1")
