"""Voxelwise fits and dictionary matching: 655,360 voxels beside a batched Levenberg-Marquardt in torch, torchsim's, and
scipy.

Quality: median of ``|estimate - truth| / truth`` of the relaxation time. scipy fits a part of the voxels, one after the
other, torchsim a part all together, and their times are scaled up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from benchmarks.case import Built, Case
from benchmarks.contender import Contender, Sample, time_call

VOXELS = 655_360
TE = [0.01 * (i + 1) for i in range(8)]
TI = [0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5, 4.0]
SCIPY_PART, TORCHSIM_PART = 1024, 65_536


@dataclass(frozen=True)
class Fit:
    """Noisy signals (times, voxels), the true relaxation times (voxels,), and times."""

    model: str
    times: torch.Tensor
    signal: torch.Tensor
    truth: torch.Tensor


@lru_cache(maxsize=2)
def acquire(model: str) -> Fit:
    """Simulate signals with an SNR of 200."""
    g = torch.Generator().manual_seed(0)
    m0 = 100 + 50 * torch.rand(VOXELS, generator=g)
    times = torch.tensor(TE if model == "mono" else TI)
    if model == "mono":
        truth = 0.03 + 0.1 * torch.rand(VOXELS, generator=g)
        clean = m0 * torch.exp(-times[:, None] / truth)
    else:
        truth = 0.3 + 1.5 * torch.rand(VOXELS, generator=g)
        clean = m0 * (1 - 1.95 * torch.exp(-times[:, None] / truth))
    return Fit(model, times, clean + 0.5 * torch.randn(clean.shape, generator=g), truth)


def _mriops(f: Fit) -> list[Contender]:
    from mriops import signals

    if f.model == "mono":
        op, key = signals.SignalOp("mono_exponential", time=f.times), "t2"
    else:
        op, key = signals.SignalOp("inversion_recovery", inversion_time=f.times), "t1"
    return [Contender("mriops", "fit", lambda: signals.fit(op, f.signal).parameters[key], lambda x: x)]


def batched_lm(f: Fit, signal: torch.Tensor, iterations: int = 8) -> torch.Tensor:
    """Levenberg-Marquardt as a good user writes it: analytic derivatives, normal equations in closed form.

    The start is a log-linear fit (decay) or a grid of 16 T1 with the linear parameters projected out (recovery), and in
    the recovery the two linear parameters stay projected out, which leaves a one-dimensional Gauss-Newton.
    """
    t = f.times[:, None]
    if f.model == "mono":
        weight = signal.clamp_min(1e-3).square()
        y = signal.clamp_min(1e-3).log()
        sw, st, stt = weight.sum(0), (weight * t).sum(0), (weight * t * t).sum(0)
        sy, sty = (weight * y).sum(0), (weight * t * y).sum(0)
        rate = -(sw * sty - st * sy) / (sw * stt - st * st)
        m0, damping = torch.exp((sy + rate * st) / sw), torch.full_like(rate, 1e-3)
        cost = torch.full_like(rate, float("inf"))
        for _ in range(iterations):
            e = torch.exp(-t * rate)
            r = signal - m0 * e
            d = -m0 * t * e
            a, b, c = (e * e).sum(0) * (1 + damping), (e * d).sum(0), (d * d).sum(0) * (1 + damping)
            u, v = (e * r).sum(0), (d * r).sum(0)
            det = a * c - b * b
            step_m0, step_rate = (c * u - b * v) / det, (a * v - b * u) / det
            new_cost = (signal - (m0 + step_m0) * torch.exp(-t * (rate + step_rate))).square().sum(0)
            better = new_cost < cost
            m0 = torch.where(better, m0 + step_m0, m0)
            rate = torch.where(better, rate + step_rate, rate)
            cost = torch.where(better, new_cost, cost)
            damping = torch.where(better, damping * 0.1, damping * 10)
        return 1 / rate
    n = len(f.times)
    mean = signal.mean(0)
    grid = torch.logspace(-1.3, 0.8, 16)
    basis = torch.exp(-t / grid)
    basis = basis - basis.mean(0)
    basis = basis / basis.norm(dim=0)
    rate = 1 / grid[(basis.T @ signal).square().argmax(0)]
    for _ in range(iterations):
        e = torch.exp(-t * rate)
        d = -t * e
        me, md = e.mean(0), d.mean(0)
        see, sed, sdd = (e * e).sum(0) - n * me * me, (e * d).sum(0) - n * me * md, (d * d).sum(0) - n * md * md
        ses, sds = (e * signal).sum(0) - n * me * mean, (d * signal).sum(0) - n * md * mean
        slope = ses / see
        rate = (rate + (sds - slope * sed) / (slope * (sdd - sed * sed / see))).clamp(0.05, 50)
    return 1 / rate


def _torch(f: Fit) -> list[Contender]:
    def call(chunk: int) -> torch.Tensor:
        with torch.no_grad():
            return torch.cat([batched_lm(f, part) for part in f.signal.split(chunk, dim=1)])

    return [
        Contender("torch", f"batched LM, chunks of {chunk}", lambda c=chunk: call(c), lambda x: x)
        for chunk in (16384, 65536, VOXELS)
    ]


def _scaled(part: int) -> Callable[[Callable[[], object], int], Sample]:
    def timer(call: Callable[[], object], calls: int = 1) -> Sample:
        sample = time_call(call, calls)
        return Sample(sample.cpu * VOXELS / part, sample.wall * VOXELS / part)

    return timer


def _scipy(f: Fit) -> list[Contender]:
    from scipy.optimize import curve_fit

    times, signal = f.times.numpy().astype(float), f.signal[:, :SCIPY_PART].numpy().astype(float)
    if f.model == "mono":
        model, start, which = lambda t, a, b: a * np.exp(-t / b), (100.0, 0.06), 1
    else:
        model, start, which = lambda t, a, b, c: a * (1 - (1 + c) * np.exp(-t / b)), (100.0, 1.0, 1.0), 1

    def call() -> torch.Tensor:
        return torch.tensor([curve_fit(model, times, signal[:, v], start)[0][which] for v in range(SCIPY_PART)])

    note = f"{SCIPY_PART} voxels, time scaled to all"
    return [Contender("scipy", "curve_fit", call, lambda x: x, timer=_scaled(SCIPY_PART), note=note)]


def _torchsim(f: Fit) -> list[Contender]:
    from torchsim import NonlinearLeastSquares
    from torchsim.simulators import InversionRecoverySimulator, MultiEchoSimulator

    times, m0 = [1e3 * t for t in f.times.tolist()], (50.0, 200.0)
    if f.model == "mono":
        key, sequence = "T2", MultiEchoSimulator(TE=times)
        start, bounds = {"T2": (20.0, 200.0), "M0": m0}, {"T2": (1.0, 1e3), "M0": (1.0, 1e3)}
    else:
        key, sequence = "T1", InversionRecoverySimulator(TI=times)
        start = {"T1": (200.0, 2500.0), "M0": m0, "inv_efficiency": (0.8, 1.0)}
        bounds = {"T1": (10.0, 5e3), "M0": (1.0, 1e3), "inv_efficiency": (0.3, 1.2)}
    solver = NonlinearLeastSquares(sequence, bounds=bounds).fit(start, seed=0)
    signal = f.signal[:, :TORCHSIM_PART].T.contiguous()

    def call() -> torch.Tensor:
        return 1e-3 * solver.map(signal)[key]

    note = f"{TORCHSIM_PART} voxels, time scaled to all"
    return [Contender("torchsim", "NonlinearLeastSquares", call, lambda x: x, timer=_scaled(TORCHSIM_PART), note=note)]


def build(model: str, peers: Sequence[str] | None = None) -> Built:
    """Simulate the signals and set up the peers."""
    f = acquire(model)
    contenders: list[Contender] = []
    missing: list[str] = []
    for peer, make in {"mriops": _mriops, "torch": _torch, "torchsim": _torchsim, "scipy": _scipy}.items():
        if peers is not None and peer not in peers:
            continue
        try:
            contenders += make(f)
        except ImportError as error:
            missing.append(f"{peer}: {error}")

    def quality(contender: Contender, result: object) -> float:
        found = contender.canonical(result)
        truth = f.truth[: len(found)]
        return float(((found - truth).abs() / truth).median())

    return Built(contenders, quality, missing)


def build_match(peers: Sequence[str] | None = None) -> Built:
    """10,000 inversion-recovery atoms of rank 10 against 256 x 256 voxels."""
    from mriops import signals

    g = torch.Generator().manual_seed(1)
    op = signals.SignalOp("inversion_recovery", inversion_time=torch.logspace(-2, 0.7, 50))
    t1, efficiency = torch.logspace(-1, 0.7, 1000), torch.linspace(0.7, 1, 10)
    parameters = torch.stack([x.reshape(-1) for x in torch.meshgrid(t1, efficiency, indexing="ij")])
    atoms = op(m0=1.0, t1=parameters[0], efficiency=parameters[1])
    dictionary = signals.Dictionary(atoms, parameters, rank=10)
    chosen = torch.randint(10_000, (65_536,), generator=g)
    signal = dictionary.compress(atoms[:, chosen] + 0.01 * torch.randn(50, 65_536, generator=g))
    truth = parameters[0, chosen]
    entries = dictionary.entries

    def whole() -> torch.Tensor:
        return parameters[0, (entries.mT @ signal).abs_().argmax(0)]

    contenders = [
        Contender("mriops", "match", lambda: signals.match(dictionary, signal).parameters[0], lambda x: x),
        Contender("torch", "one GEMM", whole, lambda x: x),
    ]
    kept = [c for c in contenders if peers is None or c.peer in peers]
    return Built(kept, lambda who, x: float(((who.canonical(x) - truth).abs() / truth).median()))


def _case(model: str, words: str) -> Case:
    return Case(
        name=f"fit-{model}-{VOXELS}",
        title=f"{words}, {VOXELS:,} voxels",
        build=lambda peers: build(model, peers),
        goals={"torch": 8.0, "torchsim": 250.0, "scipy": 1500.0},
        quality_name="median error",
        memory=False,
        seconds=4.0,
    )


CASES: tuple[Case, ...] = (
    _case("mono", "Mono-exponential fit, 8 echoes"),
    _case("ir", "Inversion recovery with three parameters, 9 times"),
    Case(
        name="fit-match-10000x65536",
        title="Dictionary match, 10,000 atoms of rank 10, 256x256 voxels",
        build=build_match,
        goals={"torch": 1.0},
        quality_name="median error",
        memory=True,
        seconds=4.0,
    ),
)
