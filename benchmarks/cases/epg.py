"""Extended phase graphs: fingerprinting dictionaries and echo trains, their Jacobians and gradients.

Peers get their sequence built outside the clock where their interface allows it; compiling is outside it too.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.case import Built, Case
from benchmarks.contender import Contender
from benchmarks.machine import ROOT
from benchmarks.peers import torchvision_stand_in

PULSES, ORDERS = 1000, 20
INVERSION = 0.02  # s
ECHOES, SPACING, REFOCUSING = 32, 0.01, 160.0


@dataclass(frozen=True)
class Dictionary:
    """Atoms (s, s, 1) and a train of pulses (rad, s)."""

    t1: Tensor
    t2: Tensor
    b1: Tensor
    flip_angle: Tensor
    repetition_time: Tensor
    phase: Tensor | None


def make_dictionary(atoms: int, *, phases: bool = False) -> Dictionary:
    """Atoms drawn at random, a train of sinusoidal flip angles."""
    generator = torch.Generator().manual_seed(0)

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(atoms, generator=generator)

    i = torch.arange(PULSES, dtype=torch.float64)
    spoiling = torch.remainder(math.radians(117) * i * (i + 1) / 2, 2 * math.pi).float()
    return Dictionary(
        between(0.3, 3.3),
        between(0.02, 0.22),
        between(0.8, 1.2),
        torch.deg2rad(10 + 60 * torch.sin(0.01 * i).abs()).float(),
        (0.012 + 0.003 * torch.sin(1.7 * i).abs()).float(),
        spoiling if phases else None,
    )


CANONICAL: dict[str, Callable[[Any], Tensor]] = {
    "forward": torch.abs,
    "jacobian": lambda x: x[1:].abs(),
    "vjp": lambda x: x,
}


def fisp_signal(d: Dictionary, t1: Tensor, t2: Tensor, b1: Tensor, flips: Tensor, **more: Any) -> Tensor:
    """The signals of mriops."""
    from mriops import ops

    return ops.epg_fisp(
        flips,
        d.repetition_time,
        t1,
        t2,
        b1,
        phase=d.phase,
        echo_time=0.0,
        inversion_time=INVERSION,
        orders=ORDERS,
        **more,
    )


def _pull(signal: Callable[..., Tensor], values: Sequence[Tensor]) -> list[Tensor]:
    """Signal, and the gradient of half its energy for every argument."""
    leaves = [value.clone().requires_grad_() for value in values]
    out = signal(*leaves)
    return list(torch.autograd.grad(out, leaves, out.detach()))


def _fisp_mriops(d: Dictionary, what: str) -> list[Contender]:
    values = (d.t1, d.t2, d.b1)

    calls: dict[str, Callable[[], Any]] = {
        "forward": lambda: fisp_signal(d, *values, d.flip_angle),
        "jacobian": lambda: fisp_signal(d, *values, d.flip_angle, jacobian=("t1", "t2", "b1")),
        "vjp": lambda: _pull(lambda *v: fisp_signal(d, *v), (*values, d.flip_angle))[0],
    }
    return [Contender("mriops", what, calls[what], CANONICAL[what])]


def _fisp_torchsim(d: Dictionary, what: str) -> list[Contender]:
    from torchsim.simulators import MRFSimulator

    def simulator(flips: Tensor) -> Any:
        phases = 0.0 if d.phase is None else torch.rad2deg(d.phase)
        return MRFSimulator(
            flip=torch.rad2deg(flips), TR=1e3 * d.repetition_time, TI=1e3 * INVERSION, phases=phases, states=ORDERS
        )

    ready = simulator(d.flip_angle)

    def forward(t1: Tensor, t2: Tensor, b1: Tensor, sequence: Any = ready) -> Tensor:
        return sequence.simulate(T1=1e3 * t1, T2=1e3 * t2, B1=b1)

    calls: dict[str, Callable[[], Any]] = {
        "forward": lambda: forward(d.t1, d.t2, d.b1),
        "jacobian": lambda: ready.jacobian(("T1", "T2", "B1"), T1=1e3 * d.t1, T2=1e3 * d.t2, B1=d.b1),
        # The flip angles are leaves: the sequence is theirs, and is built again.
        "vjp": lambda: _pull(lambda *v: forward(*v[:3], simulator(v[3])), (d.t1, d.t2, d.b1, d.flip_angle))[0],
    }
    per_second = torch.tensor([1e3, 1e3, 1.0])[:, None, None]
    canonical: dict[str, Callable[[Any], Tensor]] = {
        "forward": lambda x: x.abs().T,
        "jacobian": lambda x: x[1].abs().permute(1, 2, 0) * per_second,
        "vjp": lambda x: x,
    }
    return [Contender("torchsim", what, calls[what], canonical[what])]


def _fisp_mrpro(d: Dictionary, what: str) -> list[Contender]:
    if what == "jacobian":
        return []
    torchvision_stand_in.install()
    from mrpro.operators.models import EPG

    phase = torch.zeros(()) if d.phase is None else d.phase

    def train(flips: Tensor) -> Any:
        fisp = EPG.FispBlock(flips, phase, 0.0, d.repetition_time)
        return EPG.EPGSequence([EPG.InversionBlock(INVERSION), fisp])

    def signal(t1: Tensor, t2: Tensor, b1: Tensor, sequence: Any) -> Tensor:
        _, echoes = sequence(EPG.Parameters(torch.ones(()), t1, t2, b1), ORDERS)
        return torch.stack(echoes)

    ready = train(d.flip_angle)
    calls: dict[str, Callable[[], Any]] = {
        "forward": lambda: signal(d.t1, d.t2, d.b1, ready),
        "vjp": lambda: _pull(lambda *v: signal(*v[:3], train(v[3])), (d.t1, d.t2, d.b1, d.flip_angle))[0],
    }
    return [Contender("mrpro", what, calls[what], CANONICAL[what])]


def torch_step(p: Tensor, m: Tensor, z: Tensor, angle: Tensor, e1: Tensor, e2: Tensor) -> tuple[Tensor, ...]:
    """One repetition in real numbers, states (orders, atoms): what a skilled user of torch writes."""
    c, s = torch.cos(angle), torch.sin(angle)
    h = p + m
    q = 0.5 * (1 - c) * h - s * z
    p, m, z = (p - q) * e2, (m - q) * e2, (c * z - 0.5 * s * h) * e1
    signal = p[0] / e2
    z = torch.cat((z[:1] + (1 - e1), z[1:]))
    return torch.cat((m[1:2], p[:-1])), torch.cat((m[1:], torch.zeros_like(m[:1]))), z, signal


def torch_signal(d: Dictionary, step: Callable[..., tuple[Tensor, ...]]) -> Tensor:
    """Signals, pulse by pulse, of a train without phases."""
    with torch.no_grad():
        z = torch.zeros(ORDERS, d.t1.shape[0], device=d.t1.device)
        z[0] = 1 - 2 * torch.exp(-INVERSION / d.t1)
        p, m = torch.zeros_like(z), torch.zeros_like(z)
        out = torch.empty(PULSES, d.t1.shape[0], device=d.t1.device)
        for n in range(PULSES):
            tr = d.repetition_time[n]
            p, m, z, out[n] = step(p, m, z, d.flip_angle[n] * d.b1, torch.exp(-tr / d.t1), torch.exp(-tr / d.t2))
        return out


def _fisp_torch(d: Dictionary, what: str) -> list[Contender]:
    if d.phase is not None or what != "forward":
        return []

    compiled = torch.compile(torch_step, dynamic=False)
    return [
        Contender("torch", "compiled step", lambda: torch_signal(d, compiled), lambda x: x.abs()),
        Contender("torch", "eager", lambda: torch_signal(d, torch_step), lambda x: x.abs()),
    ]


def _built(
    makers: dict[str, Callable[[], list[Contender]]], peers: Sequence[str] | None, truth: Callable[[], Tensor]
) -> Built:
    contenders: list[Contender] = []
    missing: list[str] = []
    for peer, make in makers.items():
        if peers is not None and peer not in peers:
            continue
        try:
            contenders += make()
        except Exception as error:
            if peer == "mriops":
                raise
            missing.append(f"{peer}: {error}")  # not installed, or another version
    expected = truth()

    def quality(contender: Contender, result: object) -> float:
        value = contender.canonical(result).to(torch.float64)
        if value.shape != expected.shape:
            return math.nan
        return float((value - expected).norm() / expected.norm())

    return Built(contenders, quality, missing)


def _build_fisp(what: str, atoms: int, phases: bool, peers: Sequence[str] | None) -> Built:
    d = make_dictionary(atoms, phases=phases)
    makers = {
        "mriops": lambda: _fisp_mriops(d, what),
        "torch": lambda: _fisp_torch(d, what),
        "torchsim": lambda: _fisp_torchsim(d, what),
        "mrpro": lambda: _fisp_mrpro(d, what),
    }

    def truth() -> Tensor:
        wide = Dictionary(*(None if v is None else v.double() for v in d.__dict__.values()))  # type: ignore[arg-type]
        result = _fisp_mriops(wide, what)[0].call()
        return CANONICAL[what](result)

    return _built(makers, peers, truth)


#: How `cpmg_scalar.cpp` is compiled: as it is written, or with its loop over orders in vectors.
_CPMG_FLAGS = {"scalar": ["-O3", "-march=native", "-fno-tree-vectorize"], "vectorised": ["-O3", "-march=native"]}
#: Who stands for what: programs for spin echoes compute in double, voxel by voxel; in float, g++ may do its best.
_CPMG_PROGRAMS = {
    "scalar C++": [("scalar", "double")],
    "C++ in float": [("scalar", "float"), ("vectorised", "float")],
}


@lru_cache(maxsize=2)
def _cpmg_library(kind: str) -> ctypes.CDLL:
    """Compile `cpmg_scalar.cpp` into ``build/benchmarks``, once."""
    from torch.utils import cpp_extension

    folder = ROOT / "build" / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    path = cpp_extension.load(
        f"mriops_benchmark_cpmg_{kind}",
        [str(Path(__file__).with_name("cpmg_scalar.cpp"))],
        extra_cflags=_CPMG_FLAGS[kind],
        build_directory=str(folder),
        is_python_module=False,
    )
    return ctypes.CDLL(str(path))


def _cpmg_program(peer: str, t1: Tensor, t2: Tensor, b1: Tensor, flips: Tensor) -> list[Contender]:
    """A C++ program, voxel by voxel."""

    def contender(kind: str, precision: str) -> Contender:
        function = getattr(_cpmg_library(kind), f"cpmg_{precision}")
        dtype, real = {"float": (torch.float32, ctypes.c_float), "double": (torch.float64, ctypes.c_double)}[precision]
        function.argtypes = (
            *(ctypes.c_void_p, ctypes.c_int, real),
            *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long, ctypes.c_void_p),
        )
        x1, x2, xb, angles = (v.to(dtype) for v in (t1, t2, b1, flips))

        def call() -> Tensor:
            echoes = torch.empty(len(x1), len(angles), dtype=dtype)
            tissue = (x1.data_ptr(), x2.data_ptr(), xb.data_ptr())
            function(angles.data_ptr(), len(angles), SPACING, *tissue, len(x1), echoes.data_ptr())
            return echoes

        note = " ".join((*_CPMG_FLAGS[kind], "one thread"))
        return Contender(peer, f"{kind}, {precision}", call, lambda x: x.T, note=note)

    return [contender(*program) for program in _CPMG_PROGRAMS[peer]]


def _build_cpmg(what: str, voxels: int, peers: Sequence[str] | None) -> Built:
    generator = torch.Generator().manual_seed(0)
    t1, t2, b1 = (
        low + span * torch.rand(voxels, generator=generator) for low, span in ((0.8, 0.6), (0.02, 0.2), (0.7, 0.5))
    )
    flips = torch.full((ECHOES,), math.radians(REFOCUSING))

    def ours(*values: Tensor) -> Tensor:
        from mriops import ops

        return ops.epg_fse(values[3], *values[:3], echo_spacing=SPACING)

    def mriops() -> list[Contender]:
        values = (t1, t2, b1, flips)
        call = (lambda: ours(*values)) if what == "forward" else (lambda: _pull(ours, values)[1])
        return [Contender("mriops", what, call, lambda x: x)]

    def torchsim() -> list[Contender]:
        from torchsim.simulators import FSESimulator

        def build(angles: Tensor) -> Any:
            return FSESimulator(flip=torch.rad2deg(angles), ESP=1e3 * SPACING, states=ECHOES + 1)

        ready = build(flips)

        def simulate(*v: Tensor) -> Tensor:
            return (ready if v[3] is flips else build(v[3])).simulate(T1=1e3 * v[0], T2=1e3 * v[1], B1=v[2])

        values = (t1, t2, b1, flips)
        if what == "forward":
            return [Contender("torchsim", f"{ECHOES + 1} states", lambda: simulate(*values), lambda x: x.abs().T)]
        return [Contender("torchsim", f"{ECHOES + 1} states", lambda: _pull(simulate, values)[1], lambda x: x)]

    def truth() -> Tensor:
        wide = tuple(v.double() for v in (t1, t2, b1, flips))
        return ours(*wide) if what == "forward" else _pull(ours, wide)[1]

    makers = {"mriops": mriops, "torchsim": torchsim}
    if what == "forward":
        makers |= {peer: partial(_cpmg_program, peer, t1, t2, b1, flips) for peer in _CPMG_PROGRAMS}
    return _built(makers, peers, truth)


def _fisp(what: str, atoms: int, goals: dict[str, float], *, phases: bool = False) -> Case:
    words = {"forward": "signals", "jacobian": "Jacobian t1, t2, b1", "vjp": "gradients t1, t2, b1, every flip angle"}
    name = f"epg-fisp-{atoms}x{PULSES}{'-phases' if phases else ''}-{what}"
    title = f"FISP, {atoms} atoms x {PULSES} TR x {ORDERS} orders{', RF phase' if phases else ''}: {words[what]}"
    return Case(
        name=name,
        title=title,
        build=lambda peers: _build_fisp(what, atoms, phases, peers),
        goals=goals,
        memory=False,
        seconds=4.0,
    )


def _cpmg(what: str, goals: dict[str, float]) -> Case:
    words = {"forward": "echoes", "vjp": "echoes and gradients t1, t2, b1, every flip angle"}
    return Case(
        name=f"epg-cpmg-100000x{ECHOES}-{what}",
        title=f"CPMG, 100,000 voxels x {ECHOES} echoes, {words[what]}",
        build=lambda peers: _build_cpmg(what, 100_000, peers),
        goals=goals,
        memory=False,
        seconds=4.0,
    )


CASES: tuple[Case, ...] = (
    _fisp("forward", 10_000, {"torchsim": 20.0, "torch": 6.0, "mrpro": 100.0}),
    _fisp("forward", 10_000, {"torchsim": 60.0}, phases=True),
    _fisp("jacobian", 10_000, {"torchsim": 15.0}),
    _fisp("vjp", 2_000, {"torchsim": 100.0, "mrpro": 100.0}),
    _cpmg("forward", {"torchsim": 300.0, "scalar C++": 12.0}),
    _cpmg("vjp", {"torchsim": 400.0}),
)
