"""sense_nufft and its adjoint for a radial scan, beside ducc0 and finufft on coil images.

Peers transform coil images: neither the multiplication with the maps nor the sum over coils is in their time, nor is
the sorting of their plans. ``pip install --no-binary ducc0 ducc0`` gives a build for the processor at hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from benchmarks.case import Built, Case
from benchmarks.contender import Contender
from mriops import ops, trajectories

Tensor = torch.Tensor
_CHECKED = 256  # samples, or voxels, that are compared with direct sums


@dataclass(frozen=True)
class Scan:
    """Image, coil maps and k-space of one scan, the trajectory, and the accuracy asked for."""

    image: Tensor
    csm: Tensor
    kspace: Tensor
    trajectory: Tensor
    eps: float
    adjoint: bool

    @property
    def im_size(self) -> tuple[int, ...]:
        """Shape of the image."""
        return tuple(self.image.shape)


def acquire(coils: int, size: int, shots: int, readout: int, eps: float, adjoint: bool) -> Scan:
    """Draw image, maps and k-space; random numbers serve as well as anatomy for time and error."""
    generator = torch.Generator().manual_seed(0)
    trajectory = trajectories.radial((size, size), shots, readout).reshape(-1, 2).float()

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.complex64, generator=generator)

    samples = trajectory.shape[0]
    return Scan(draw(size, size), draw(coils, size, size), draw(coils, samples), trajectory, eps, adjoint)


def _mriops(s: Scan) -> list[Contender]:
    plan = ops.nufft_plan(s.trajectory, s.im_size, eps=s.eps)
    if s.adjoint:
        call = partial(ops.sense_nufft_adjoint, s.kspace, s.csm, s.trajectory, eps=s.eps, plan=plan)
    else:
        call = partial(ops.sense_nufft, s.image, s.csm, s.trajectory, eps=s.eps, plan=plan)
    return [Contender("mriops", "", torch.no_grad()(call), lambda result: result)]


def _coordinates(s: Scan) -> Any:
    return (2 * math.pi * s.trajectory / torch.tensor(s.im_size)).numpy()


def _combined(s: Scan, result: Any) -> Tensor:
    """What a peer's sum is in the project's scale, with the maps where they belong."""
    scaled = torch.as_tensor(result) / math.sqrt(math.prod(s.im_size))
    return (s.csm.conj() * scaled).sum(0) if s.adjoint else scaled


def _ducc0(s: Scan) -> list[Contender]:
    import ducc0
    import numpy as np

    plan = ducc0.nufft.plan(
        nu2u=s.adjoint, coord=_coordinates(s), grid_shape=s.im_size, epsilon=s.eps, nthreads=1, periodicity=2 * math.pi
    )
    source = s.kspace.numpy() if s.adjoint else (s.csm * s.image).numpy()
    out = np.empty((s.csm.shape[0], *(s.im_size if s.adjoint else s.trajectory.shape[:1])), np.complex64)

    def call() -> Any:
        for one, to in zip(source, out, strict=True):
            if s.adjoint:
                plan.nu2u(points=one, forward=False, out=to)
            else:
                plan.u2nu(grid=one, forward=True, out=to)
        return out

    return [Contender("ducc0", "plan kept", call, partial(_combined, s))]


def _finufft(s: Scan) -> list[Contender]:
    import finufft
    import numpy as np

    kind, sign = (1, 1) if s.adjoint else (2, -1)
    made = []
    source = s.kspace.numpy() if s.adjoint else (s.csm * s.image).numpy()
    for upsampling in (1.25, 2.0):
        plan = finufft.Plan(
            kind, s.im_size, n_trans=len(source), eps=s.eps, isign=sign, dtype="complex64", nthreads=1,
            upsampfac=upsampling,
        )  # fmt: skip
        plan.setpts(*(np.ascontiguousarray(axis) for axis in _coordinates(s).T))
        made.append(
            Contender("finufft", f"plan kept, {upsampling}", partial(plan.execute, source), partial(_combined, s))
        )
    return made


_PEERS: Mapping[str, Callable[[Scan], list[Contender]]] = {"mriops": _mriops, "ducc0": _ducc0, "finufft": _finufft}


def _direct(s: Scan) -> Callable[[Tensor], Tensor]:
    """Return the function that picks what is compared, and remembers the direct sums over it."""
    phases = []
    for axis, n in enumerate(s.im_size):
        r = torch.arange(n, dtype=torch.float64) - n // 2
        turns = s.trajectory[:, axis, None].double() * r / n
        phases.append(torch.polar(torch.full_like(turns, n**-0.5), -2 * math.pi * turns))
    chosen = torch.randperm(s.trajectory.shape[0], generator=torch.Generator().manual_seed(1))[:_CHECKED]
    if not s.adjoint:
        y, x = (phase[chosen] for phase in phases)
        coil_images = (s.csm * s.image).to(torch.complex128)
        want = torch.einsum("cyx,sx,sy->cs", coil_images, x, y)
        return lambda got: (got[:, chosen] - want).norm() / want.norm()
    rows = torch.arange(0, s.im_size[0], max(1, s.im_size[0] // 8))
    y, x = (phase.conj() for phase in phases)
    want = torch.stack([((s.kspace.to(torch.complex128) * y[:, r]) @ x) for r in rows.tolist()])
    want = (s.csm[:, rows].transpose(0, 1).conj() * want).sum(1)
    return lambda got: (got[rows] - want).norm() / want.norm()


def build(make: Callable[[], Scan], peers: Sequence[str] | None = None) -> Built:
    """Set up the peers; errors are relative to direct sums in complex128 over some samples, or some rows."""
    scan = make()
    contenders: list[Contender] = []
    missing: list[str] = []
    for peer, ways in _PEERS.items():
        if peers is not None and peer not in peers:
            continue
        try:
            contenders += ways(scan)
        except ImportError as error:
            missing.append(f"{peer}: {error}")
    compare: list[Callable[[Tensor], Tensor]] = []

    def quality(contender: Contender, result: Any) -> float:
        if not compare:
            compare.append(_direct(scan))
        return float(compare[0](contender.canonical(result)))

    return Built(contenders, quality, missing)


def _case(coils: int, size: int, shots: int, readout: int, eps: float, adjoint: bool, goal: float) -> Case:
    way, op = ("adjoint", "sense_nufft_adjoint") if adjoint else ("forward", "sense_nufft")
    return Case(
        name=f"nufft-{way}-{coils}x{size}x{size}-{eps:.0e}",
        title=f"`{op}` {coils} coils x {size}x{size}, {shots} spokes, eps {eps:.0e}",
        build=partial(build, partial(acquire, coils, size, shots, readout, eps, adjoint)),
        goals={"ducc0": goal, "finufft": goal},
        memory=False,
    )


CASES: tuple[Case, ...] = tuple(
    _case(12, 256, 400, 512, eps, adjoint, goal)
    for eps, goal in ((1e-3, 5.0), (1e-5, 4.0))
    for adjoint in (False, True)
)
