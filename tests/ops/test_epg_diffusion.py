"""Phase graphs with diffusion and with imperfect inversions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import mriops.array
from mriops import ops
from mriops.testing import available_backends, use_backend

from .epg_trains import DEGREE, INFINITE, constant, fingerprint, seconds

GAMMA = 2 * math.pi * 42.577478518e6  # rad/s/T


def test_spin_echo_in_a_constant_gradient() -> None:
    """Hahn: exp(-D gamma^2 G^2 TE^3 / 12), and Carr-Purcell trains once more from echo to echo."""
    strength, te = 0.02, 0.04
    diffusion = torch.tensor([0.0, 0.7e-9, 2.3e-9], dtype=torch.float64)
    moment = GAMMA * strength * te / 2
    b = (GAMMA * strength) ** 2 * te**3 / 12
    echoes = ops.epg_fse(
        constant(180, 5), INFINITE, INFINITE, echo_spacing=te, diffusion=diffusion, gradient_moment=moment
    )
    n = torch.arange(1, 6, dtype=torch.float64)[:, None]
    torch.testing.assert_close(echoes, torch.exp(-n * b * diffusion), rtol=1e-13, atol=0)
    hahn = ops.epg(
        torch.tensor([90 * DEGREE, 180 * DEGREE]).double(),
        te / 2,
        INFINITE,
        INFINITE,
        sample_time=te / 2,
        sample_segment=[1],
        sample_order=1,
        diffusion=diffusion,
        gradient_moment=moment,
    )
    torch.testing.assert_close(hahn[0].abs(), torch.exp(-b * diffusion), rtol=1e-7, atol=0)  # 90 degrees in float32


def test_stimulated_echo_is_stejskal_and_tanners() -> None:
    """exp(-D q^2 (Delta - delta / 3)) for gradients of length delta that begin Delta apart."""
    wave, delta, mixing, d = 3e4, 0.005, 0.1, 1.5e-9
    rows = ops.epg(
        constant(90, 3),
        torch.tensor([delta, mixing, delta], dtype=torch.float64),
        INFINITE,
        INFINITE,
        sample_time=delta,
        shift=[1, 0, 1],
        sample_segment=[2],
        sample_order=1,
        spoil=[1],
        diffusion=d,
        gradient_moment=wave,
        jacobian=("diffusion",),
    )
    b = wave**2 * (mixing + delta - delta / 3)
    assert abs(complex(rows[0, 0])) == pytest.approx(0.5 * math.exp(-b * d), rel=1e-13)
    torch.testing.assert_close(rows[1], -b * rows[0], rtol=1e-13, atol=0)


def test_strong_diffusion_is_perfect_spoiling() -> None:
    (t1, t2), tr, angle = seconds(1.0, 0.1), 0.01, 15
    signal = ops.epg_fisp(constant(angle, 3000), tr, t1, t2, echo_time=0.0, diffusion=1.0, gradient_moment=300.0)
    assert abs(complex(signal[-1])) == pytest.approx(0.058951014360, abs=1e-12)  # Ernst


def test_no_diffusion_is_none() -> None:
    flips, times = fingerprint(60)
    t1, t2 = torch.linspace(0.5, 2, 21).double(), torch.linspace(0.05, 0.3, 21).double()
    for off_resonance in (None, 4.0):
        call = {"off_resonance": off_resonance, "echo_time": 0.003, "orders": 25}
        plain = ops.epg_fisp(flips, times, t1, t2, **call)
        zero = ops.epg_fisp(flips, times, t1, t2, **call, diffusion=0.0, gradient_moment=1e5)
        torch.testing.assert_close(zero, plain, rtol=0, atol=1e-15)


def test_wave_number_has_a_gradient() -> None:
    def echoes(moment: Tensor, diffusion: Tensor) -> Tensor:
        return ops.epg_fse(
            constant(130, 4), *seconds(1.0, 0.3), echo_spacing=0.3, diffusion=diffusion, gradient_moment=moment
        )

    leaves = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.9, 1.2)]
    torch.autograd.gradcheck(echoes, leaves, check_forward_ad=True)


@pytest.mark.parametrize("off_resonance", [None, 3.0])
def test_diffusion_in_single_precision(off_resonance: float | None) -> None:
    flips, times = fingerprint(300)

    def pull(dtype: torch.dtype) -> list[Tensor]:
        leaves = [
            torch.linspace(*ends, 40).to(dtype).requires_grad_() for ends in ((0.5, 2), (0.05, 0.3), (1e-10, 3e-9))
        ]
        call = {"echo_time": 0.002, "inversion_time": 0.02, "orders": 40, "gradient_moment": 5e4}
        signal = ops.epg_fisp(flips, times, *leaves[:2], None, off_resonance, diffusion=leaves[2], **call)
        return [signal.detach(), *torch.autograd.grad(signal.abs().square().sum(), leaves)]

    for narrow, wide in zip(pull(torch.float32), pull(torch.float64), strict=True):
        # Sums of 300 terms of both signs: sqrt(300) eps, times a constant for the chain of states.
        assert float((narrow - wide).norm() / wide.norm()) < 10 * math.sqrt(300) * torch.finfo(torch.float32).eps


@pytest.mark.skipif("emu" not in available_backends(), reason="the emulated kernels are not built")
def test_diffusion_and_inversion_on_an_emulated_device() -> None:
    flips, times = fingerprint(40)
    shape = {"t1": (0.5, 2), "t2": (0.05, 0.3), "diffusion": (0.3e-9, 3e-9), "inversion_efficiency": (0.6, 1.0)}
    results = []
    for backend in ("cpu", "emu"):
        with use_backend(backend):
            for off_resonance in (None, 3.0):
                leaves = {name: torch.linspace(*ends, 3).double().requires_grad_() for name, ends in shape.items()}
                call = {"echo_time": 0.002, "inversion_time": 0.02, "orders": 12, "gradient_moment": 5e4}
                sizes = (flips.clone().requires_grad_(), times.clone().requires_grad_())
                signal = ops.epg_fisp(*sizes, **leaves, off_resonance=off_resonance, **call)
                every = (*sizes, *leaves.values())
                first = torch.autograd.grad(signal.abs().square().sum(), every, create_graph=True)
                second = torch.autograd.grad(sum((g * g).sum() for g in first), every)
                results.append([signal.detach(), *(g.detach() for g in first), *second])
    for cpu, emulated in zip(results[:2], results[2:], strict=True):
        for a, b in zip(cpu, emulated, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-11 * float(a.abs().max()))


def test_negative_diffusion_is_no_number_and_its_neighbours_are() -> None:
    flips, times = fingerprint(12)
    t1, diffusion = torch.ones(20).double(), torch.full((20,), 1e-9).double()
    truth = ops.epg_fisp(flips, times, t1, 0.1 * t1, echo_time=0.002, diffusion=diffusion, gradient_moment=1e5)
    diffusion[3] = -1e-9
    signal = ops.epg_fisp(flips, times, t1, 0.1 * t1, echo_time=0.002, diffusion=diffusion, gradient_moment=1e5)
    keep = torch.arange(20) != 3
    assert signal[1:, 3].isnan().all()
    assert torch.equal(signal[:, keep], truth[:, keep])


def test_inversion_turns_over_what_its_efficiency_says() -> None:
    flips, times = fingerprint(30)
    t1, t2 = torch.linspace(0.5, 2, 5).double(), torch.linspace(0.05, 0.3, 5).double()
    efficiency = torch.tensor([1.0, 0.9, 0.5, 0.0, -1.0], dtype=torch.float64)
    call = {"echo_time": 0.0, "inversion_time": 0.3}
    rows = ops.epg_fisp(
        flips, times, t1, t2, **call, inversion_efficiency=efficiency, jacobian=("inversion_efficiency",)
    )
    left = torch.exp(-0.3 / t1)
    torch.testing.assert_close(rows[0, 0].imag, torch.sin(flips[0]) * (1 - (1 + efficiency) * left), rtol=0, atol=1e-15)
    torch.testing.assert_close(rows[1, 0].imag, -torch.sin(flips[0]) * left, rtol=0, atol=1e-15)
    # The train is linear in what it begins with.
    whole = ops.epg_fisp(flips, times, t1, t2, **call)
    none = ops.epg_fisp(flips, times, t1, t2, echo_time=0.0)
    mixed = 0.5 * (1 + efficiency) * whole + 0.5 * (1 - efficiency) * none
    torch.testing.assert_close(rows[0], mixed, rtol=0, atol=1e-14)
    torch.testing.assert_close(rows[1], 0.5 * (whole - none), rtol=0, atol=1e-14)
    array = mriops.array.epg_spgr(
        *(v.numpy() for v in (flips, times, t1, t2)), **call, inversion_efficiency=efficiency.numpy()
    )
    torch.testing.assert_close(
        torch.from_numpy(array), ops.epg_spgr(flips, times, t1, t2, **call, inversion_efficiency=efficiency)
    )
