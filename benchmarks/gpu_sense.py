"""The Cartesian workloads of `python -m benchmarks.gpu`, beside torch.fft."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from benchmarks.costs import cost
from benchmarks.workloads import Problem, Workload, expected, make_problem, relative_error
from mriops import ops

Tensor = torch.Tensor


class SenseProblem:
    """Inputs of a workload on a device, and who does it."""

    def __init__(self, workload: Workload, device: torch.device) -> None:
        self._workload = workload
        self._at_home = make_problem(workload)
        self._want = expected(self._at_home)
        sample = self._at_home.sample.map(lambda tensor: tensor.to(device))
        self._on_device = replace(self._at_home, sample=sample)

    @property
    def bytes(self) -> float:
        """Arrays read and written once."""
        return cost(self._at_home).bytes

    def contenders(self) -> dict[str, Callable[[], Tensor]]:
        """Calls without arguments."""
        return _contenders(self._on_device)

    def error(self, contender: str, result: Tensor) -> float:
        """Relative error against the reference in complex128."""
        # Unshifted variants of the forward and adjoint live in another order of k-space: no error to state.
        comparable = contender in ("mriops", "torch.fft centred") or self._workload.op == "sense_gram"
        return relative_error(result.cpu(), self._at_home, self._want) if comparable else float("nan")


def _contenders(problem: Problem) -> dict[str, Callable[[], Tensor]]:
    """Calls without arguments: mriops, and torch.fft without shifts, in place, centred, and in chunks of coils."""
    workload, x, csm, mask = problem.workload, problem.operand, problem.csm, problem.mask
    native = getattr(ops, workload.op)
    dims = tuple(range(-workload.ndim, 0))
    coil = -workload.ndim - 1
    conj = csm.conj().resolve_conj()
    shifted = torch.fft.ifftshift(mask.to(torch.float32), dim=dims)

    def transform(y: Tensor, inverse: bool, in_place: bool) -> Tensor:
        function = torch.fft.ifftn if inverse else torch.fft.fftn
        return function(y, dim=dims, norm="ortho", **({"out": y} if in_place else {}))

    def unshifted(in_place: bool) -> Tensor:
        if workload.op == "sense_adjoint":
            return transform(shifted * x, True, in_place).mul_(conj).sum(coil)
        k = transform(csm * x.unsqueeze(coil), False, in_place).mul_(shifted)
        return k if workload.op == "sense" else transform(k, True, in_place).mul_(conj).sum(coil)

    def centred() -> Tensor:
        def f(y: Tensor, inverse: bool) -> Tensor:
            return torch.fft.fftshift(transform(torch.fft.ifftshift(y, dim=dims), inverse, False), dim=dims)

        if workload.op == "sense_adjoint":
            return (conj * f(mask * x, True)).sum(coil)
        k = mask * f(csm * x.unsqueeze(coil), False)
        return k if workload.op == "sense" else (conj * f(k, True)).sum(coil)

    return {
        "mriops": lambda: native(x, csm, mask, ndim=workload.ndim),
        "torch.fft": partial(unshifted, False),
        "torch.fft in place": partial(unshifted, True),
        "torch.fft centred": centred,
    }
