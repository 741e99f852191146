"""sense_toeplitz, the normal operator of a radial scan, beside torch.fft on zero-padded images and torchkbnufft."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from benchmarks.case import Built, Case
from benchmarks.contender import Contender
from benchmarks.costs import Cost
from mriops import ops, trajectories

Tensor = torch.Tensor


@dataclass(frozen=True)
class Acquisition:
    """Image, coil maps and trajectory, and the spectrum of the point-spread function made from it."""

    image: Tensor
    csm: Tensor
    trajectory: Tensor
    kernel: Tensor

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return self.image.ndim

    @property
    def dims(self) -> tuple[int, ...]:
        """Axes of the image."""
        return tuple(range(-self.ndim, 0))


def acquire(coils: int, im_size: tuple[int, ...], shots: int, readout: int, seed: int = 0) -> Acquisition:
    """Draw image and maps; random numbers serve as well as anatomy for time and rounding error."""
    generator = torch.Generator().manual_seed(seed)
    make = trajectories.radial if len(im_size) == 2 else trajectories.kooshball
    trajectory = make(im_size, shots, readout).reshape(-1, len(im_size))
    image = torch.randn(im_size, dtype=torch.complex64, generator=generator)
    csm = torch.randn((coils, *im_size), dtype=torch.complex64, generator=generator)
    return Acquisition(image, csm, trajectory, ops.toeplitz_kernel(trajectory, im_size, eps=1e-5))


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

    shape = torch.tensor(a.image.shape)
    omega = (2 * math.pi * a.trajectory / shape).T.contiguous()
    kernel = torchkbnufft.calc_toeplitz_kernel(omega, list(a.image.shape), norm="ortho")
    operator = torchkbnufft.ToepNufft()
    # Its "ortho" counts the points of the oversampled grid.
    call = torch.no_grad()(partial(operator, a.image[None, None], kernel, smaps=a.csm[None], norm="ortho"))
    return [Contender("torchkbnufft", "ToepNufft", call, lambda result: 2**a.ndim * result[0, 0])]


def _mriops(a: Acquisition) -> list[Contender]:
    call = torch.no_grad()(partial(ops.sense_toeplitz, a.image, a.csm, a.kernel, ndim=a.ndim))
    return [Contender("mriops", "", call, lambda result: result)]


_PEERS: Mapping[str, Callable[[Acquisition], list[Contender]]] = {
    "mriops": _mriops,
    "torch.fft": _torch,
    "torchkbnufft": _torchkbnufft,
}


def cost(a: Acquisition) -> Cost:
    """Transforms of length 2n of what is not zero, forward and back; maps and kernel read, images read and written."""
    flops, lines = 0.0, a.csm.shape[0] * math.prod(a.image.shape)
    for n in reversed(a.image.shape):
        lines *= 2
        flops += 2 * 5.0 * lines * math.log2(2 * n) * (2 * n - 1) / (2 * n)
    return Cost(flops, 8.0 * a.csm.numel() + 16.0 * a.image.numel() + 4.0 * a.kernel.numel())


def build(make: Callable[[], Acquisition], peers: Sequence[str] | None = None) -> Built:
    """Set up the peers; errors are relative to padded transforms in complex128 with the same spectrum."""
    a = make()
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
            missing.append(f"{peer}: {error}")  # not installed, or not with this torch
    wanted: list[Tensor] = []

    def quality(contender: Contender, result: Any) -> float:
        if not wanted:
            wide = Acquisition(
                a.image.to(torch.complex128), a.csm.to(torch.complex128), a.trajectory, a.kernel.double()
            )
            wanted.append(_coil_loop(_padded, wide, wide.csm, wide.csm.conj()))
        return float((contender.canonical(result) - wanted[0]).norm() / wanted[0].norm())

    return Built(contenders, quality, missing, cost(a))


def _case(coils: int, im_size: tuple[int, ...], shots: int, readout: int, goal: float, *, quick: bool = False) -> Case:
    size = "x".join(map(str, im_size))
    make = partial(acquire, coils, im_size, shots, readout)
    goals = {"torch.fft": goal, "torchkbnufft": goal}
    return Case(
        name=f"toeplitz-{coils}x{size}",
        title=f"`sense_toeplitz` {coils} coils x {size}",
        build=partial(build, make),
        goals=goals,
        limits={"error": 1e-6},
        quick=quick,
        seconds=20.0 if len(im_size) == 3 else 6.0,
    )


CASES: tuple[Case, ...] = (
    _case(12, (256, 256), 400, 512, 6.0, quick=True),
    _case(32, (320, 320), 125, 512, 7.0),
    _case(8, (64, 64, 64), 1000, 96, 6.0),
)
