"""Two pools of spins in `python -m benchmarks.gpu`, beside the same in torch, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmarks.cases import bloch
from benchmarks.gpu_spins import SpinProblem
from mriops import ops

Tensor = torch.Tensor

ORDERS, DURATION = 20, 0.01


@dataclass(frozen=True)
class Pools:
    """Atoms of two pools (s, 1, 1/s, Hz)."""

    t1: Tensor
    t2: Tensor
    t1_b: Tensor
    t2_b: Tensor
    fraction: Tensor
    exchange_rate: Tensor
    off_resonance_b: Tensor
    b1: Tensor

    @classmethod
    def draw(cls, atoms: int) -> Pools:
        """Numbers like those of white matter with myelin water, at random."""
        generator = torch.Generator().manual_seed(0)

        def between(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(atoms, generator=generator)

        relaxation = (between(0.8, 1.2), between(0.06, 0.12), between(0.3, 0.6), between(0.01, 0.03))
        return cls(*relaxation, between(0.05, 0.25), between(5, 30), between(0, 15), between(0.8, 1.2))

    def map(self, change: Callable[[Tensor], Tensor]) -> Pools:
        """All of them changed."""
        return Pools(**{name: change(value) for name, value in vars(self).items()})

    def exchanging(self, a: Tensor, b: Tensor, time: float) -> Tensor:
        """``exp(-K time)``, ``(2, 2, atoms)``: pools that decay at the rates a and b, and exchange."""
        k_ab, k_ba = self.exchange_rate * self.fraction, self.exchange_rate * (1 - self.fraction)
        a, b = -time * (a + k_ab), -time * (b + k_ba)
        mean, half = (a + b) / 2, (a - b) / 2
        root = torch.sqrt(half**2 + time**2 * k_ab * k_ba)
        diagonal, other = torch.cosh(root), torch.sinh(root) / root
        rows = [diagonal + half * other, time * k_ba * other, time * k_ab * other, diagonal - half * other]
        return (torch.exp(mean) * torch.stack(rows)).unflatten(0, (2, 2))

    def equilibrium(self) -> Tensor:
        """``(2, atoms)``."""
        return torch.stack([1 - self.fraction, self.fraction])


def mixed(matrix: Tensor, state: Tensor) -> Tensor:
    """``state (2, ..., atoms)`` by ``matrix (2, 2, atoms)``."""
    shape = (2, *(1,) * (state.ndim - 2), -1)
    return matrix[:, 0].reshape(shape) * state[:1] + matrix[:, 1].reshape(shape) * state[1:]


def flip_angles(pulses: int) -> Tensor:
    """[rad]"""
    return torch.deg2rad(10 + 50 * torch.sin(0.02 * torch.arange(pulses)).abs())


def torch_exchange(p: Pools, flips: Tensor) -> Tensor:
    """Signals, pulse by pulse, of pools that both have transverse states (pools, orders, atoms)."""
    chemical_shift = 2j * math.pi * p.off_resonance_b
    transverse = p.exchanging(1 / p.t2, 1 / p.t2_b + chemical_shift, DURATION)
    longitudinal = p.exchanging(1 / p.t1, 1 / p.t1_b, DURATION)
    start = p.equilibrium()
    grown = start - mixed(longitudinal, start)
    z = torch.zeros((2, ORDERS, len(p.t1)), dtype=transverse.dtype, device=flips.device)
    z[:, 0] = start
    f, g = torch.zeros_like(z), torch.zeros_like(z)
    signals = []
    for n in range(len(flips)):
        angle = flips[n] * p.b1
        c, s = torch.cos(angle), 1j * torch.sin(angle)
        q = 0.5 * (1 - c) * (f - g) - s * z
        f, g, z = f - q, g + q, c * z + 0.5 * s * (f - g)
        signals.append(f[:, 0].sum(0).abs())
        f, g, z = mixed(transverse, f), mixed(transverse.conj(), g), mixed(longitudinal, z)
        f, g = torch.cat((g[:, 1:2].conj(), f[:, :-1]), 1), torch.cat((g[:, 1:], torch.zeros_like(g[:, :1])), 1)
        z = torch.cat((z[:, :1] + grown[:, None], z[:, 1:]), 1)
    return torch.stack(signals)


def torch_bound(p: Pools, flips: Tensor, saturation: Tensor) -> Tensor:
    """Signals, pulse by pulse, where only pool a has transverse states; in real numbers, as `epg.torch_step`."""
    longitudinal, e2 = p.exchanging(1 / p.t1, 1 / p.t1_b, DURATION), torch.exp(-DURATION / p.t2)
    start = p.equilibrium()
    grown = start - mixed(longitudinal, start)
    z = torch.zeros((2, ORDERS, len(p.t1)), dtype=p.t1.dtype, device=flips.device)
    z[:, 0] = start
    f, g = torch.zeros_like(z[0]), torch.zeros_like(z[0])
    signals = []
    for n in range(len(flips)):
        angle = flips[n] * p.b1
        c, s = torch.cos(angle), torch.sin(angle)
        h = f + g
        q = 0.5 * (1 - c) * h - s * z[0]
        f, g = f - q, g - q
        z = torch.stack((c * z[0] - 0.5 * s * h, z[1] * torch.exp(-saturation[n] * p.b1**2)))
        signals.append(f[0].abs())
        f, g, z = f * e2, g * e2, mixed(longitudinal, z)
        f, g = torch.cat((g[1:2], f[:-1])), torch.cat((g[1:], torch.zeros_like(g[:1])))
        z = torch.cat((z[:, :1] + grown[:, None], z[:, 1:]), 1)
    return torch.stack(signals)


def torch_mcconnell(pulse: bloch.Pulse, p: Pools) -> Tensor:
    """Magnetization (3, pools, isochromats), step by step: half of relaxation and exchange, a turn, the other half."""
    angle = 2 * math.pi * bloch.DT
    wz = angle * (pulse.off_resonance + bloch.GAMMA * pulse.gradient[0, 0] * pulse.position[:, 0])
    wz = torch.stack([wz, wz + angle * p.off_resonance_b])
    transverse = p.exchanging(1 / p.t2, 1 / p.t2_b, bloch.DT / 2)
    longitudinal = p.exchanging(1 / p.t1, 1 / p.t1_b, bloch.DT / 2)
    start = p.equilibrium()
    x, y, z = torch.zeros_like(start), torch.zeros_like(start), start
    for rf in pulse.rf * (angle * bloch.GAMMA):
        x, y, z = mixed(transverse, x), mixed(transverse, y), start + mixed(longitudinal, z - start)
        x, y, z = bloch.torch_turn((x, y, z), p.b1 * rf.real, p.b1 * rf.imag, wz)
        x, y, z = mixed(transverse, x), mixed(transverse, y), start + mixed(longitudinal, z - start)
    return torch.stack((x, y, z))


def exchange_train(device: torch.device, atoms: int = 10_000, pulses: int = 400, every: int = 100) -> SpinProblem:
    """`epg_exchange`: a spoiled train of two pools of water."""

    def signal(p: Pools, flips: Tensor) -> Tensor:
        tissue = (p.t1, p.t2, p.t1_b, p.t2_b, p.fraction, p.exchange_rate, p.off_resonance_b, p.b1)
        return ops.epg_exchange(flips, DURATION, *tissue, orders=ORDERS).abs()

    p, flips = Pools.draw(atoms), flip_angles(pulses)
    expected = signal(p.map(lambda x: x[::every].double()), flips.double())
    p, flips = p.map(lambda x: x.to(device)), flips.to(device)
    calls = {"mriops": lambda: signal(p, flips), "torch step by step": lambda: torch_exchange(p, flips)}
    return SpinProblem(calls, (*vars(p).values(), flips), expected, every)


def bound_train(device: torch.device, atoms: int = 10_000, pulses: int = 400, every: int = 100) -> SpinProblem:
    """`epg_mt`: a spoiled train of water and macromolecules."""

    def signal(p: Pools, flips: Tensor, saturation: Tensor) -> Tensor:
        tissue = (p.t1, p.t2, p.t1_b, p.fraction, p.exchange_rate, p.b1)
        return ops.epg_mt(flips, DURATION, saturation, *tissue, orders=ORDERS).abs()

    p, flips = Pools.draw(atoms), flip_angles(pulses)
    saturation = 0.3 * flips**2
    expected = signal(p.map(lambda x: x[::every].double()), flips.double(), saturation.double())
    p, flips, saturation = p.map(lambda x: x.to(device)), flips.to(device), saturation.to(device)
    calls = {
        "mriops": lambda: signal(p, flips, saturation),
        "torch step by step": lambda: torch_bound(p, flips, saturation),
    }
    used = (p.t1, p.t2, p.t1_b, p.fraction, p.exchange_rate, p.b1, flips, saturation)
    return SpinProblem(calls, used, expected, every)


def exchange_pulse(device: torch.device, spins: int = bloch.SPINS) -> SpinProblem:
    """`bloch_exchange`: a slice-selective pulse on two pools."""

    def run(pulse: bloch.Pulse, p: Pools) -> Tensor:
        tissue = (p.t1, p.t2, p.t1_b, p.t2_b, p.fraction, p.exchange_rate, p.off_resonance_b)
        where = (pulse.rf, pulse.gradient, bloch.DT, pulse.position)
        return ops.bloch_exchange(*where, *tissue, pulse.off_resonance, p.b1).movedim(0, -1).transpose(0, 1)

    pulse, p, every = bloch.make(spins), Pools.draw(spins), 50
    expected = run(pulse.double(), p.map(lambda x: x[::every].double()))
    pulse, p = pulse.to(device), p.map(lambda x: x.to(device))
    calls = {"mriops": lambda: run(pulse, p), "torch step by step": lambda: torch_mcconnell(pulse, p)}
    arrays = (*vars(p).values(), pulse.rf.real, pulse.gradient, pulse.position, pulse.off_resonance)
    return SpinProblem(calls, arrays, expected, every)


POOL_WORKLOADS: dict[str, Callable[[torch.device], SpinProblem]] = {
    "epg-exchange-10000x400": exchange_train,
    "epg-mt-10000x400": bound_train,
    "bloch-exchange-512x100k": exchange_pulse,
}
