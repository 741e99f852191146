"""A shaped pulse of 512 steps on 100,000 isochromats, beside torch (eager, and one compiled step), numba, MRphy, sigpy.

Every peer turns about the exact axis of each step. torch and numba relax as mriops does, half before and half after it;
MRphy relaxes after it; sigpy has no relaxation (its error is against its own physics). MRphy, which keeps the states of
all steps, gets its isochromats in chunks, which is faster than all at once, and stands beside the exact axis only. The
gradient case is measured against the forward simulation, at most five times of which it may take.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from benchmarks.case import Built, Case
from benchmarks.contender import Contender
from benchmarks.costs import Cost
from mriops import ops

GAMMA = 42.577478518e6
STEPS, SPINS, DT = 512, 100_000, 4e-3 / 512
MRPHY_CHUNK = 5000


@dataclass(frozen=True)
class Pulse:
    """Arguments of ``ops.bloch``: a Hamming-filtered sinc of 90 degrees under 10 mT/m."""

    rf: torch.Tensor
    gradient: torch.Tensor
    position: torch.Tensor
    t1: torch.Tensor
    t2: torch.Tensor
    off_resonance: torch.Tensor
    b1: torch.Tensor | None

    def double(self) -> Pulse:
        """The same in double precision, for every 50th isochromat."""
        few = slice(None, None, 50)
        return Pulse(
            self.rf.to(torch.complex128),
            self.gradient.double(),
            *(x[few].double() for x in (self.position, self.t1, self.t2, self.off_resonance)),
            None if self.b1 is None else self.b1[few].double(),
        )

    def to(self, device: torch.device) -> Pulse:
        """The same on a device."""
        return Pulse(
            *(x.to(device) for x in (self.rf, self.gradient, self.position, self.t1, self.t2, self.off_resonance)),
            None if self.b1 is None else self.b1.to(device),
        )

    def run(self, **keywords: str) -> torch.Tensor:
        """Magnetization after the pulse."""
        return ops.bloch(
            *(self.rf, self.gradient, DT, self.position, self.t1, self.t2, self.off_resonance, self.b1), **keywords
        )


def make(spins: int = SPINS, *, b1: bool = True) -> Pulse:
    """Isochromats over 10 mm, +-200 Hz and a b1 of 0.8 to 1.2."""
    t = (torch.arange(STEPS) + 0.5) / STEPS * 4 - 2
    shape = torch.sinc(t) * (0.54 + 0.46 * torch.cos(torch.pi * t / 2))
    generator = torch.Generator().manual_seed(0)
    scattered = torch.rand(3, spins, generator=generator)
    return Pulse(
        (shape * 0.25 / (GAMMA * DT * shape.sum())).to(torch.complex64),
        torch.full((STEPS, 1), 10e-3),
        torch.linspace(-5e-3, 5e-3, spins)[:, None].contiguous(),
        0.5 + scattered[0],
        0.05 + 0.1 * scattered[1],
        400 * scattered[2] - 200,
        torch.linspace(0.8, 1.2, spins) if b1 else None,
    )


def torch_turn(
    m: tuple[torch.Tensor, ...], wx: torch.Tensor, wy: torch.Tensor, wz: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """A turn by Rodrigues' formula, by components."""
    x, y, z = m
    angle = torch.sqrt(wx * wx + wy * wy + wz * wz) + 1e-20
    s = torch.sin(angle) / angle
    c = (1 - torch.cos(angle)) / (angle * angle)
    along = c * (wx * x + wy * y + wz * z)
    rest = torch.cos(angle)
    nx = rest * x + s * (y * wz - z * wy) + along * wx
    ny = rest * y + s * (z * wx - x * wz) + along * wy
    nz = rest * z + s * (x * wy - y * wx) + along * wz
    return nx, ny, nz


def torch_step(
    m: tuple[torch.Tensor, ...], wx: torch.Tensor, wy: torch.Tensor, wz: torch.Tensor, e: tuple[torch.Tensor, ...]
) -> tuple[torch.Tensor, ...]:
    """Half a relaxation, a turn, half a relaxation."""
    x, y, z = torch_turn((m[0] * e[1], m[1] * e[1], 1 + (m[2] - 1) * e[0]), wx, wy, wz)
    return x * e[1], y * e[1], 1 + (z - 1) * e[0]


def torch_pulse(p: Pulse, step: Callable[..., tuple[torch.Tensor, ...]]) -> torch.Tensor:
    """Magnetization after the pulse, step by step."""
    angle = 2 * math.pi * DT
    wz = angle * (p.off_resonance + GAMMA * p.gradient[0, 0] * p.position[:, 0])
    e = (torch.exp(-DT / 2 / p.t1), torch.exp(-DT / 2 / p.t2))
    b1 = torch.ones_like(wz) if p.b1 is None else p.b1
    m = (torch.zeros_like(wz), torch.zeros_like(wz), torch.ones_like(wz))
    for rf in p.rf * (angle * GAMMA):
        m = step(m, b1 * rf.real, b1 * rf.imag, wz, e)
    return torch.stack(m, -1)


@lru_cache(maxsize=1)
def _numba_kernel() -> Callable[..., None]:
    """`torch_step` as two loops, compiled for float32."""
    import numba

    f4 = numba.float32

    @numba.njit([(numba.complex64[::1], f4[::1], f4[::1], f4[::1], f4[::1], f4[:, ::1])], fastmath=True)
    def turn_and_relax(rf, wz, b1, half_e1, half_e2, out):
        one = np.float32(1)
        for i in range(len(wz)):
            x, y, z = np.float32(0), np.float32(0), one
            e1, e2, w = half_e1[i], half_e2[i], wz[i]
            for k in range(len(rf)):
                x, y, z = e2 * x, e2 * y, one + e1 * (z - one)
                u, v = b1[i] * rf[k].real, b1[i] * rf[k].imag
                angle = np.sqrt(u * u + v * v + w * w) + np.float32(1e-20)
                rest = np.cos(angle)
                s, along = np.sin(angle) / angle, (one - rest) / (angle * angle) * (u * x + v * y + w * z)
                nx = rest * x + s * (y * w - z * v) + along * u
                ny = rest * y + s * (z * u - x * w) + along * v
                nz = rest * z + s * (x * v - y * u) + along * w
                x, y, z = e2 * nx, e2 * ny, one + e1 * (nz - one)
            out[i, 0], out[i, 1], out[i, 2] = x, y, z

    return turn_and_relax


def _numba(p: Pulse) -> Contender:
    kernel = _numba_kernel()
    rf = (2 * math.pi * GAMMA * DT * p.rf).numpy()

    def call() -> torch.Tensor:
        wz = 2 * math.pi * DT * (p.off_resonance + GAMMA * p.gradient[0, 0] * p.position[:, 0])
        b1 = torch.ones_like(wz) if p.b1 is None else p.b1
        out = torch.empty(len(wz), 3)
        atoms = (wz, b1, torch.exp(-DT / 2 / p.t1), torch.exp(-DT / 2 / p.t2), out)
        kernel(rf, *(x.numpy() for x in atoms))
        return out

    return Contender("numba", "njit, one isochromat after the other", call, lambda m: m, note="one thread")


def _mrphy(p: Pulse) -> Contender:
    from mrphy import beffective, sims

    # Gauss, centimetres, batch first; the one axis is z.
    gamma, dt = torch.tensor(1e-4 * GAMMA), torch.tensor(DT)
    rf = 1e4 * torch.stack([p.rf.real, p.rf.imag])[None]
    gradient = 1e2 * torch.nn.functional.pad(p.gradient.T, (0, 0, 2, 0))[None]
    position = 1e2 * torch.nn.functional.pad(p.position, (2, 0))
    b1 = torch.ones_like(p.t1) if p.b1 is None else p.b1
    atoms = (position, torch.stack([b1, torch.zeros_like(b1)], -1), p.off_resonance, p.t1, p.t2)

    def some(
        place: torch.Tensor, b1: torch.Tensor, df: torch.Tensor, t1: torch.Tensor, t2: torch.Tensor
    ) -> torch.Tensor:
        field = beffective.rfgr2beff(rf, gradient, place, Δf=df, b1Map=b1, γ=gamma)
        start = torch.tensor([0.0, 0.0, 1.0]).expand(place.shape)
        return sims.blochsim(start, field, T1=t1, T2=t2, γ=gamma, dt=dt)[0]

    def call() -> torch.Tensor:
        parts = zip(*(x[None].split(MRPHY_CHUNK, dim=1) for x in atoms))
        return torch.cat([some(*part) for part in parts])

    return Contender("mrphy", f"blochsim, chunks of {MRPHY_CHUNK}", call, lambda m: m)


def _sigpy(p: Pulse) -> Contender:
    import sigpy.mri.rf

    rf = (2 * math.pi * GAMMA * DT * p.rf).numpy()
    # Turns per step, in sigpy's sense: radians per step over 2 pi.
    gradient = (2 * math.pi * GAMMA * DT * p.gradient).numpy()
    place = p.position.double().numpy() + (p.off_resonance / (GAMMA * p.gradient[0, 0])).double().numpy()[:, None]

    def canonical(result: tuple) -> torch.Tensor:
        a, b = (torch.from_numpy(x) for x in result)
        # |Mxy| and Mz from equilibrium; its transverse phase follows another convention.
        return torch.stack([(2 * a.conj() * b).abs(), 1 - 2 * b.abs() ** 2], -1)

    return Contender(
        "sigpy",
        "abrm_nd",
        lambda: sigpy.mri.rf.sim.abrm_nd(rf, place, gradient),
        canonical,
        note="no relaxation, no b1",
    )


def _contenders(p: Pulse, keywords: dict[str, str], peers: Sequence[str] | None, missing: list[str]) -> list[Contender]:
    def wanted(peer: str) -> bool:
        return peers is None or peer in peers

    found = [Contender("mriops", keywords.get("integrator", "exact"), lambda: p.run(**keywords), lambda m: m)]
    if wanted("torch"):
        found.append(Contender("torch", "eager", lambda: torch_pulse(p, torch_step), lambda m: m))
    if wanted("torch.compile"):
        compiled = torch.compile(torch_step, dynamic=False)
        found.append(Contender("torch.compile", "one step", lambda: torch_pulse(p, compiled), lambda m: m))
    makers = {"numba": _numba, "sigpy": _sigpy} if keywords else {"numba": _numba, "mrphy": _mrphy, "sigpy": _sigpy}
    for peer, make_peer in makers.items():
        if not wanted(peer):
            continue
        try:
            found.append(make_peer(p))
        except ImportError as error:
            missing.append(f"{peer}: {error}")
    return found


def build_forward(peers: Sequence[str] | None, *, split: bool, spins: int = SPINS) -> Built:
    """Forward simulation: with b1 about the exact axis, or without b1 by the split integrator."""
    p = make(spins, b1=not split)
    keywords = {"integrator": "split"} if split else {}
    missing: list[str] = []
    contenders = _contenders(p, keywords, peers, missing)
    truth = p.double().run()
    q = p.double()
    lossless = ops.bloch(q.rf, q.gradient, DT, q.position, None, None, q.off_resonance)
    lossless = torch.stack([lossless[:, :2].norm(dim=-1), lossless[:, 2]], -1)

    def quality(who: Contender, result: object) -> float:
        values = who.canonical(result)[::50]
        expected = lossless if who.peer == "sigpy" else truth
        return float((values - expected).norm() / expected.norm())

    # Split, without b1 and under one gradient: a turn about z with relaxation (11), and a matrix times a vector (15).
    flops = (26.0 if split else 92.0) * spins * STEPS
    return Built(contenders, quality, missing, Cost(flops, 4.0 * spins * 9))


def build_vjp(peers: Sequence[str] | None, spins: int = SPINS) -> Built:
    """Gradients of RF, gradient, position, b1, off-resonance, t1 and t2, beside the forward simulation."""
    p = make(spins)

    def leaves_of(q: Pulse) -> list[torch.Tensor]:
        tensors = [q.rf, q.gradient, q.position, q.t1, q.t2, q.off_resonance, q.b1]
        return [t.clone().requires_grad_() for t in tensors if t is not None]

    def gradients(q: Pulse) -> list[torch.Tensor]:
        leaves = leaves_of(q)
        m = ops.bloch(leaves[0], leaves[1], DT, *leaves[2:])
        return list(torch.autograd.grad((m * m[..., [1, 2, 0]].detach()).sum(), leaves))

    few = make(2000)
    wide = Pulse(*(x.to(torch.complex128 if x.is_complex() else torch.float64) for x in vars(few).values()))
    pairs = list(zip(gradients(few), gradients(wide), strict=True))
    error = max(float((a - b).norm() / b.norm()) for a, b in pairs)
    contenders = [Contender("mriops", "forward and backward", lambda: gradients(p), lambda g: g[-1])]
    if peers is None or "forward" in peers:
        contenders.append(Contender("forward", "mriops", p.run, lambda m: m))
    return Built(contenders, lambda who, result: error if who.peer == "mriops" else 0.0)


CASES: tuple[Case, ...] = (
    Case(
        name="bloch-exact-512x100k",
        title=f"Bloch, {STEPS}-step pulse, {SPINS:,} isochromats, T1, T2, b1",
        build=lambda peers: build_forward(peers, split=False),
        goals={"torch.compile": 3.0, "torch": 12.0, "numba": 12.0, "sigpy": 50.0},
        seconds=4.0,
    ),
    Case(
        name="bloch-split-512x100k",
        title=f"Bloch, split integrator, {STEPS}-step pulse, {SPINS:,} isochromats, T1, T2",
        build=lambda peers: build_forward(peers, split=True),
        goals={"torch.compile": 8.0},
        seconds=4.0,
    ),
    Case(
        name="bloch-gradients-512x100k",
        title="Bloch, forward and gradients of RF, gradient, position, T1, T2, B0, b1",
        build=build_vjp,
        # Forward and backward: one forward, and a vjp of at most five.
        goals={"forward": 1 / 6},
        quality_name="relative error of the worst gradient",
        memory=False,
        seconds=4.0,
    ),
)
