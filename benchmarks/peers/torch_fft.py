"""torch.fft as a good user writes it: the fastest variant counts as "torch.fft", all are recorded.

No variant but "centred" executes a shift. In the normal operator shifts cancel; alone, forward and adjoint work on
k-space kept in the order and phase of an unshifted transform, and `canonical` brings the result to the centred form
outside the clock. Conjugate maps and shifted masks are prepared outside the clock too.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial

import torch

from benchmarks.contender import Contender
from benchmarks.workloads import Problem, Workload

Tensor = torch.Tensor


class _Setup:
    """Inputs in the layout of an unshifted transform."""

    def __init__(self, problem: Problem) -> None:
        workload = problem.workload
        self.workload: Workload = workload
        self.dims = tuple(range(-workload.ndim, 0))
        self.coil_axis = -workload.ndim - 1
        self.csm = problem.csm
        self.conj = problem.csm.conj().resolve_conj()
        self.mask = problem.mask
        self.real_mask = torch.fft.ifftshift(problem.mask.to(torch.float32), dim=self.dims)
        self.phase = _centre_phase(workload.im_size)
        self.centred_operand = self.operand = problem.operand
        if workload.op == "sense_adjoint":
            self.operand = torch.fft.ifftshift(problem.operand, dim=self.dims) * self.phase.conj()

    def from_unshifted(self, kspace: Tensor) -> Tensor:
        return torch.fft.fftshift(kspace * self.phase, dim=self.dims)


def _centre_phase(im_size: tuple[int, ...]) -> Tensor:
    """exp(2 pi i k c / N) per axis: what moves the origin of the image from index 0 to c = N // 2."""
    phase = torch.ones((), dtype=torch.complex128)
    for axis, n in enumerate(im_size):
        turn = torch.arange(n, dtype=torch.float64) * (n // 2) % n / n
        ramp = torch.polar(torch.ones_like(turn), 2 * math.pi * turn)
        phase = phase[..., None] * ramp if axis else ramp
    return phase.to(torch.complex64)


def _gram(image: Tensor, csm: Tensor, conj: Tensor, mask: Tensor, dims: tuple[int, ...]) -> Tensor:
    axis = -image_ndim(dims) - 1
    kspace = mask * torch.fft.fftn(csm * image.unsqueeze(axis), dim=dims)
    return (conj * torch.fft.ifftn(kspace, dim=dims)).sum(axis)


def image_ndim(dims: tuple[int, ...]) -> int:
    """Number of image axes behind the coil axis; ``dims`` may leave out the readout."""
    return -min(dims)


def _gram_in_place(image: Tensor, csm: Tensor, conj: Tensor, mask: Tensor, dims: tuple[int, ...]) -> Tensor:
    axis = -image_ndim(dims) - 1
    coils = csm * image.unsqueeze(axis)
    torch.fft.fftn(coils, dim=dims, out=coils)
    coils.mul_(mask)
    torch.fft.ifftn(coils, dim=dims, out=coils)
    return coils.mul_(conj).sum(axis)


def _gram_coil_loop(image: Tensor, csm: Tensor, conj: Tensor, mask: Tensor, dims: tuple[int, ...]) -> Tensor:
    out = torch.zeros_like(image)
    for c in range(csm.shape[0]):
        coil = torch.fft.fftn(csm[c] * image, dim=dims).mul_(mask)
        out.addcmul_(conj[c], torch.fft.ifftn(coil, dim=dims))
    return out


def _forward(image: Tensor, csm: Tensor, conj: Tensor, mask: Tensor, dims: tuple[int, ...]) -> Tensor:
    return mask * torch.fft.fftn(csm * image.unsqueeze(-image_ndim(dims) - 1), dim=dims, norm="ortho")


def _forward_in_place(image: Tensor, csm: Tensor, conj: Tensor, mask: Tensor, dims: tuple[int, ...]) -> Tensor:
    coils = csm * image.unsqueeze(-image_ndim(dims) - 1)
    torch.fft.fftn(coils, dim=dims, norm="ortho", out=coils)
    return coils.mul_(mask)


def _forward_coil_loop(image: Tensor, csm: Tensor, conj: Tensor, mask: Tensor, dims: tuple[int, ...]) -> Tensor:
    out = torch.empty_like(csm)
    for c in range(csm.shape[0]):
        torch.mul(torch.fft.fftn(csm[c] * image, dim=dims, norm="ortho"), mask, out=out[c])
    return out


def _adjoint(kspace: Tensor, csm: Tensor, conj: Tensor, mask: Tensor, dims: tuple[int, ...]) -> Tensor:
    return (conj * torch.fft.ifftn(mask * kspace, dim=dims, norm="ortho")).sum(-image_ndim(dims) - 1)


def _adjoint_in_place(kspace: Tensor, csm: Tensor, conj: Tensor, mask: Tensor, dims: tuple[int, ...]) -> Tensor:
    coils = mask * kspace
    torch.fft.ifftn(coils, dim=dims, norm="ortho", out=coils)
    return coils.mul_(conj).sum(-image_ndim(dims) - 1)


def _adjoint_coil_loop(kspace: Tensor, csm: Tensor, conj: Tensor, mask: Tensor, dims: tuple[int, ...]) -> Tensor:
    out = torch.zeros_like(kspace[0])
    for c in range(csm.shape[0]):
        out.addcmul_(conj[c], torch.fft.ifftn(mask * kspace[c], dim=dims, norm="ortho"))
    return out


_VARIANTS: dict[str, dict[str, Callable[..., Tensor]]] = {
    "sense_gram": {"plain": _gram, "in place": _gram_in_place, "coil loop": _gram_coil_loop},
    "sense": {"plain": _forward, "in place": _forward_in_place, "coil loop": _forward_coil_loop},
    "sense_adjoint": {"plain": _adjoint, "in place": _adjoint_in_place, "coil loop": _adjoint_coil_loop},
}


def _over_slices(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def looped(x: Tensor, csm: Tensor, conj: Tensor, mask: Tensor, dims: tuple[int, ...]) -> Tensor:
        return torch.stack([function(x[b], csm[b], conj[b], mask, dims) for b in range(x.shape[0])])

    return looped


def _centred(setup: _Setup) -> Callable[[], Tensor]:
    """As most tutorials write it: fftshift around every transform, mask in centred order."""
    dims, op, axis = setup.dims, setup.workload.op, setup.coil_axis

    def transform(x: Tensor, inverse: bool) -> Tensor:
        function = torch.fft.ifftn if inverse else torch.fft.fftn
        return torch.fft.fftshift(function(torch.fft.ifftshift(x, dim=dims), dim=dims, norm="ortho"), dim=dims)

    def call() -> Tensor:
        kspace = setup.centred_operand
        if op != "sense_adjoint":
            image = setup.centred_operand.unsqueeze(axis)
            kspace = setup.mask * transform(setup.csm * image, inverse=False)
            if op == "sense":
                return kspace
        return (setup.csm.conj() * transform(setup.mask * kspace, inverse=True)).sum(axis)

    return call


def contenders(problem: Problem) -> list[Contender]:
    """Return all variants of a good user of torch.fft for the workload."""
    setup = _Setup(problem)
    workload = problem.workload
    canonical = setup.from_unshifted if workload.op == "sense" else (lambda result: result)
    functions: dict[str, tuple[Callable[..., Tensor], tuple[int, ...], Tensor]] = {}
    for name, function in _VARIANTS[workload.op].items():
        if workload.batch is None:
            functions[name] = (function, setup.dims, setup.real_mask)
            continue
        if name != "coil loop":
            functions[name] = (function, setup.dims, setup.real_mask)
        functions[f"slice loop, {name}"] = (_over_slices(function), setup.dims, setup.real_mask)
    if workload.op == "sense_gram" and workload.mask in ("1d", "kykz"):
        # The readout transform cancels: fewer operations, but along strided axes only.
        functions["phase axes only"] = (_gram_in_place, setup.dims[:-1], setup.real_mask)
    functions["compiled"] = (torch.compile(_VARIANTS[workload.op]["plain"]), setup.dims, setup.real_mask)

    made = []
    for name, (function, dims, mask) in functions.items():
        call = partial(_run, function, setup.operand, setup.csm, setup.conj, mask, dims)
        made.append(Contender("torch.fft", name, call, canonical))
    made.append(Contender("torch.fft", "centred", torch.no_grad()(_centred(setup)), lambda result: result))
    return made


def _run(function: Callable[..., Tensor], *arguments: object) -> Tensor:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # inductor says once per graph that it leaves complex numbers to eager
        return function(*arguments)
