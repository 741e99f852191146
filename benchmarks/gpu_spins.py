"""The spin physics of `python -m benchmarks.gpu`, beside the same in torch, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmarks.cases import bloch, epg
from mriops import ops

Tensor = torch.Tensor


@dataclass(frozen=True)
class SpinProblem:
    """Who does a workload, and the result in double precision of some of its atoms (the last axis of a result)."""

    calls: dict[str, Callable[[], Tensor]]
    arrays: tuple[Tensor, ...]
    expected: Tensor
    every: int

    @property
    def bytes(self) -> float:
        """Arguments and the result, once."""
        results = self.expected.numel() * self.every * self.arrays[0].element_size()
        return float(results + sum(a.numel() * a.element_size() for a in self.arrays))

    def contenders(self) -> dict[str, Callable[[], Tensor]]:
        """Calls without arguments."""
        return self.calls

    def error(self, contender: str, result: Tensor) -> float:
        """Relative error against double precision."""
        del contender  # all results are in one order
        found = result[..., :: self.every].cpu().double()
        return float((found - self.expected).norm() / self.expected.norm())


def fingerprints(device: torch.device, atoms: int = 10_000, every: int = 100) -> SpinProblem:
    """`epg_fisp`: a dictionary of fingerprints."""

    def dictionary(every: int, to: torch.device | torch.dtype) -> epg.Dictionary:
        made = epg.make_dictionary(atoms)
        t1, t2, b1 = (x[::every].to(to) for x in (made.t1, made.t2, made.b1))
        return epg.Dictionary(t1, t2, b1, made.flip_angle.to(to), made.repetition_time.to(to), None)

    d, wide = dictionary(1, device), dictionary(every, torch.float64)
    values = (d.t1, d.t2, d.b1, d.flip_angle)
    expected = epg.fisp_signal(wide, wide.t1, wide.t2, wide.b1, wide.flip_angle).abs()
    calls = {
        "mriops": lambda: epg.fisp_signal(d, *values).abs(),
        "torch step by step": lambda: epg.torch_signal(d, epg.torch_step).abs(),
    }
    return SpinProblem(calls, (*values, d.repetition_time), expected, every)


def pulse(device: torch.device, spins: int = bloch.SPINS) -> SpinProblem:
    """`bloch`: a slice-selective pulse."""
    p = bloch.make(spins)
    wide = p.double()  # of every 50th isochromat
    p = p.to(device)
    calls = {
        "mriops": lambda: p.run().movedim(-1, 0),
        "torch step by step": lambda: bloch.torch_pulse(p, bloch.torch_step).movedim(-1, 0),
    }
    arrays = (p.rf.real, p.gradient, p.position, p.t1, p.t2, p.off_resonance)
    return SpinProblem(calls, arrays, wide.run().movedim(-1, 0), 50)


def decay(device: torch.device, voxels: int = 1 << 20, every: int = 1 << 10) -> SpinProblem:
    """`signal_mono_exponential`: decays of 32 echoes."""
    generator = torch.Generator().manual_seed(0)
    m0, t2 = (low + torch.rand(voxels, generator=generator) for low in (0.5, 0.02))
    times = 0.01 * torch.arange(1, 33)

    def torch_signal(m0: Tensor, t2: Tensor, te: Tensor) -> Tensor:
        return m0 * torch.exp(-te[:, None] / t2)

    expected = torch_signal(m0[::every].double(), t2[::every].double(), times.double())
    m0, t2, times = (x.to(device) for x in (m0, t2, times))
    calls = {
        "mriops": lambda: ops.signal_mono_exponential(m0, t2, times),
        "torch": lambda: torch_signal(m0, t2, times),
    }
    return SpinProblem(calls, (m0, t2, times), expected, every)


SPIN_WORKLOADS: dict[str, Callable[[torch.device], SpinProblem]] = {
    "epg-fisp-10000x1000": fingerprints,
    "bloch-512x100k": pulse,
    "mono-exponential-32x1M": decay,
}
