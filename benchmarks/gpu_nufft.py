"""The NUFFT workloads of `python -m benchmarks.gpu`, beside cufinufft and torchkbnufft where they can be imported."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from mriops import ops, trajectories

Tensor = torch.Tensor
_EPS = 1e-4


@dataclass(frozen=True)
class NufftWorkload:
    """One operator of the family at one size; ``op`` is its name in `mriops.ops`."""

    name: str
    op: str
    coils: int
    im_size: tuple[int, ...]
    shots: int
    readout: int


def _workloads() -> tuple[NufftWorkload, ...]:
    sizes = ((12, (256, 256), 400, 512), (32, (320, 320), 125, 512), (8, (128, 128, 128), 2400, 128))
    names = {
        "forward": "sense_nufft",
        "adjoint": "sense_nufft_adjoint",
        "gram": "sense_nufft_gram",
        "toeplitz": "sense_toeplitz",
    }
    return tuple(
        NufftWorkload(f"nufft-{name}-{coils}x{'x'.join(map(str, size))}", op, coils, size, shots, readout)
        for coils, size, shots, readout in sizes
        for name, op in names.items()
    )


NUFFT_WORKLOADS = _workloads()


class NufftProblem:
    """Inputs of a workload on a device, and who does it."""

    def __init__(self, workload: NufftWorkload, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(0)

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, dtype=torch.complex64, generator=generator)

        self.workload = workload
        make = trajectories.radial if len(workload.im_size) == 2 else trajectories.kooshball
        trajectory = make(workload.im_size, workload.shots, workload.readout).reshape(-1, len(workload.im_size))
        self.image, self.csm = normal(*workload.im_size), normal(workload.coils, *workload.im_size)
        self.kspace = normal(workload.coils, trajectory.shape[0])
        self.trajectory = trajectory
        for name in ("image", "csm", "kspace", "trajectory"):
            setattr(self, name, getattr(self, name).to(device))

    @property
    def bytes(self) -> float:
        """Arrays read and written once."""
        w = self.workload
        arrays = [self.csm, self.image, self.trajectory]
        arrays += [self.kspace] if w.op in ("sense_nufft", "sense_nufft_adjoint") else [self.image]
        return float(sum(a.numel() * a.element_size() for a in arrays))

    def contenders(self) -> dict[str, Callable[[], Tensor]]:
        """Calls without arguments; what takes a plan has it made outside the clock."""
        found = {"mriops": self._mriops()}
        for name, make in (("cufinufft", self._cufinufft), ("torchkbnufft", self._torchkbnufft)):
            try:
                call = make()
            except (ImportError, OSError, RuntimeError):
                continue  # not installed, or not for this device
            if call is not None:
                found[name] = call
        return found

    def error(self, contender: str, result: Tensor) -> float:
        """Relative error against this op in complex128 with an accuracy of 1e-9."""
        del contender  # all results are in one order
        wide = NufftProblem.__new__(NufftProblem)
        wide.workload = self.workload
        for name in ("image", "csm", "kspace"):
            setattr(wide, name, getattr(self, name).cpu().to(torch.complex128))
        wide.trajectory = self.trajectory.cpu().double()
        want = wide._mriops(1e-9)()
        return float((result.cpu() - want).norm() / want.norm())

    def _mriops(self, eps: float = _EPS) -> Callable[[], Tensor]:
        op, im_size = self.workload.op, self.workload.im_size
        image, csm, kspace, trajectory = self.image, self.csm, self.kspace, self.trajectory
        if op == "sense_toeplitz":
            kernel = ops.toeplitz_kernel(trajectory, im_size, eps=min(eps, 1e-5))
            return lambda: ops.sense_toeplitz(image, csm, kernel, ndim=len(im_size))
        plan = ops.nufft_plan(trajectory, im_size, eps=eps)
        if op == "sense_nufft_adjoint":
            return lambda: ops.sense_nufft_adjoint(kspace, csm, trajectory, eps=eps, plan=plan)
        function = getattr(ops, op)
        return lambda: function(image, csm, trajectory, eps=eps, plan=plan)

    def _cufinufft(self) -> Callable[[], Tensor] | None:
        """Its plans on all coils at once, maps and sums by torch."""
        import cufinufft  # pyright: ignore[reportMissingImports]

        w = self.workload
        if w.op == "sense_toeplitz" or self.image.device.type != "cuda":
            return None
        points = [(2 * math.pi / n * self.trajectory[:, d]).contiguous() for d, n in enumerate(w.im_size)]
        scale = 1 / math.sqrt(math.prod(w.im_size))

        def plan(kind: int, sign: int) -> Any:
            made = cufinufft.Plan(kind, w.im_size, w.coils, eps=_EPS, isign=sign, dtype="complex64")
            made.setpts(*points)
            return made

        forward = None if w.op == "sense_nufft_adjoint" else plan(2, -1)
        backward = None if w.op == "sense_nufft" else plan(1, 1)
        images, samples = torch.empty_like(self.csm), torch.empty_like(self.kspace)

        def call() -> Tensor:
            kspace = self.kspace
            if forward is not None:
                forward.execute(self.csm * self.image, samples)
                kspace = samples
            if backward is None:
                return samples * scale
            backward.execute(kspace, images)
            return (self.csm.conj() * images).sum(0) * (scale if forward is None else scale**2)

        return call

    def _torchkbnufft(self) -> Callable[[], Tensor] | None:
        import torchkbnufft

        w, device = self.workload, self.image.device
        shape = torch.tensor(w.im_size, device=device)
        omega = (2 * math.pi * self.trajectory / shape).T.contiguous()
        image, csm, kspace = self.image[None, None], self.csm[None], self.kspace[None]
        # Its "ortho" counts the points of the oversampled grid.
        factor = 2.0 ** (len(w.im_size) / 2)
        if w.op == "sense_toeplitz":
            kernel = torchkbnufft.calc_toeplitz_kernel(omega, list(w.im_size), norm="ortho")
            operator = torchkbnufft.ToepNufft().to(device)
            return lambda: factor**2 * operator(image, kernel, smaps=csm, norm="ortho")[0, 0]
        forward = torchkbnufft.KbNufft(w.im_size).to(device)
        backward = torchkbnufft.KbNufftAdjoint(w.im_size).to(device)
        if w.op == "sense_nufft":
            return lambda: factor * forward(image, omega, smaps=csm, norm="ortho")[0]
        if w.op == "sense_nufft_adjoint":
            return lambda: factor * backward(kspace, omega, smaps=csm, norm="ortho")[0, 0]
        return lambda: (
            factor**2 * backward(forward(image, omega, smaps=csm, norm="ortho"), omega, smaps=csm, norm="ortho")[0, 0]
        )
