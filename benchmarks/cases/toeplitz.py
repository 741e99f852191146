"""sense_toeplitz, the normal operator as a convolution, beside torch.fft on zero-padded images, mrpro, torchkbnufft.

Errors are against the normal operator itself, by direct sums: those of the spectrum count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.case import Built, Case
from benchmarks.cases.nufft import quality
from benchmarks.contender import Contender
from benchmarks.costs import Cost
from benchmarks.peers.nufft import mrpro_operators
from benchmarks.scans import RADIAL, SPIRAL, Plan, Scan, acquire as acquire_scan
from mriops import ops, trajectories

Tensor = torch.Tensor


@dataclass(frozen=True)
class Acquisition:
    """A scan, and the spectrum of its point-spread function."""

    scan: Scan
    kernel: Tensor

    @property
    def image(self) -> Tensor:
        """What the operator is applied to."""
        return self.scan.image

    @property
    def csm(self) -> Tensor:
        """Coil maps."""
        return self.scan.csm

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return self.image.ndim

    @property
    def dims(self) -> tuple[int, ...]:
        """Axes of the image."""
        return tuple(range(-self.ndim, 0))


def acquire(plan: Plan) -> Acquisition:
    """Draw image and maps, and work out the spectrum."""
    scan = acquire_scan(plan)
    return Acquisition(scan, ops.toeplitz_kernel(scan.trajectory, scan.im_size, eps=1e-6))


def _padded(a: Acquisition, csm: Tensor, conj: Tensor) -> Tensor:
    corner = (..., *(slice(0, n) for n in a.image.shape))
    wide = [2 * n for n in a.image.shape]
    spectrum = torch.fft.fftn(csm * a.image, s=wide, dim=a.dims).mul_(a.kernel)
    return (conj * torch.fft.ifftn(spectrum, dim=a.dims)[corner]).sum(0)


def _axis_by_axis(a: Acquisition, csm: Tensor, conj: Tensor) -> Tensor:
    """Pad one axis at a time, crop one at a time: half of the lines of zeros are never transformed."""
    x = csm * a.image
    for axis in reversed(a.dims):
        x = torch.fft.fft(x, n=2 * a.image.shape[axis], dim=axis)
    x.mul_(a.kernel)
    for axis in a.dims:
        x = torch.fft.ifft(x, dim=axis).narrow(axis, 0, a.image.shape[axis])
    return (conj * x).sum(0)


def _coil_loop(function: Callable[..., Tensor], a: Acquisition, csm: Tensor, conj: Tensor) -> Tensor:
    out = torch.zeros_like(a.image)
    for c in range(csm.shape[0]):
        out += function(a, csm[c : c + 1], conj[c : c + 1])
    return out


def _torch(a: Acquisition) -> list[Contender]:
    conj = a.csm.conj().resolve_conj()
    ways = {"padded": _padded, "axis by axis": _axis_by_axis}
    ways |= {f"{name}, coil loop": partial(_coil_loop, way) for name, way in ways.items()}
    made = []
    for name, way in ways.items():
        call = torch.no_grad()(partial(way, a, a.csm, conj))
        made.append(Contender("torch.fft", name, call, lambda result: result))
    return made


def _torchkbnufft(a: Acquisition) -> list[Contender]:
    import torchkbnufft

    omega = a.scan.radians().T.contiguous()
    kernel = torchkbnufft.calc_toeplitz_kernel(omega, list(a.image.shape), norm="ortho")
    operator = torchkbnufft.ToepNufft()
    # Its "ortho" counts the points of the oversampled grid.
    call = torch.no_grad()(partial(operator, a.image[None, None], kernel, smaps=a.csm[None], norm="ortho"))
    return [Contender("torchkbnufft", "ToepNufft", call, lambda result: 2**a.ndim * result[0, 0])]


def _mriops(a: Acquisition) -> list[Contender]:
    call = torch.no_grad()(partial(ops.sense_toeplitz, a.image, a.csm, a.kernel, ndim=a.ndim))
    return [Contender("mriops", "", call, lambda result: result)]


def _mrpro(a: Acquisition) -> list[Contender]:
    (way,) = mrpro_operators.ways("gram", 1e-6, a.ndim)
    return [Contender("mrpro", way.variant, way.make(a.scan, 2.0), partial(way.canonical, a.scan))]


_PEERS: Mapping[str, Callable[[Acquisition], list[Contender]]] = {
    "mriops": _mriops,
    "torch.fft": _torch,
    "mrpro": _mrpro,
    "torchkbnufft": _torchkbnufft,
}


def cost(a: Acquisition) -> Cost:
    """Transforms of length 2n of what is not zero, forward and back; maps and kernel read, images read and written."""
    flops, lines = 0.0, a.csm.shape[0] * math.prod(a.image.shape)
    for n in reversed(a.image.shape):
        lines *= 2
        flops += 2 * 5.0 * lines * math.log2(2 * n) * (2 * n - 1) / (2 * n)
    return Cost(flops, 8.0 * a.csm.numel() + 16.0 * a.image.numel() + 4.0 * a.kernel.numel())


def build(plan: Plan, peers: Sequence[str] | None = None) -> Built:
    """Set up the peers."""
    a = acquire(plan)
    contenders: list[Contender] = []
    missing: list[str] = []
    for peer, ways in _PEERS.items():
        if peers is not None and peer not in peers:
            continue
        try:
            contenders += ways(a)
        except Exception as error:
            if peer == "mriops":
                raise
            missing.append(f"{peer}: {str(error)[:200]}")  # not installed, or not with this torch
    return Built(contenders, quality(a.scan, "gram"), missing, cost(a))


def _case(plan: Plan, goal: float, *, quick: bool = False) -> Case:
    return Case(
        name=f"toeplitz-{plan.size}",
        title=f"`sense_toeplitz` {plan.coils} coils x {'x'.join(map(str, plan.im_size))}",
        build=partial(build, plan),
        tiny=partial(build, plan.tiny()),
        goals={"torch.fft": goal, "mrpro": goal, "torchkbnufft": goal},
        limits={"error": 1e-6},
        quick=quick,
    )


_VOLUME = Plan("volume", "kooshball 1000 x 96", 8, (64,) * 3, lambda: trajectories.kooshball((64,) * 3, 1000, 96))
CASES: tuple[Case, ...] = (_case(RADIAL, 6.0, quick=True), _case(SPIRAL, 7.0), _case(_VOLUME, 6.0))
