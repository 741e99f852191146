"""deepinv: `MultiCoilMRI`, real and imaginary parts as channels, as its networks take them."""

from __future__ import annotations

import torch

from benchmarks.contender import Contender
from benchmarks.peers import torchvision_stand_in
from benchmarks.workloads import Problem


def _channels(x: torch.Tensor) -> torch.Tensor:
    """(batch, ...) complex -> (batch, 2, ...) real."""
    return torch.view_as_real(x).movedim(-1, 1).contiguous()


def _complex(x: torch.Tensor) -> torch.Tensor:
    return torch.view_as_complex(x.movedim(1, -1).contiguous())


def contenders(problem: Problem) -> list[Contender]:
    """Return deepinv's way of doing the workload."""
    torchvision_stand_in.install()
    from deepinv.physics import MultiCoilMRI

    workload = problem.workload
    batched = workload.batch is not None
    csm = problem.csm if batched else problem.csm[None]
    mask = problem.mask.to(torch.float32).expand(workload.im_size)
    physics = MultiCoilMRI(mask=mask[None, None], coil_maps=csm, img_size=workload.im_size, three_d=workload.ndim == 3)
    channels = _channels(problem.operand if batched else problem.operand[None])
    apply = {"sense": physics.A, "sense_adjoint": physics.A_adjoint, "sense_gram": physics.A_adjoint_A}[workload.op]

    def call() -> torch.Tensor:
        with torch.no_grad():
            return apply(channels)

    def canonical(result: torch.Tensor) -> torch.Tensor:
        result = _complex(result)
        return result if batched else result[0]

    return [Contender("deepinv", "MultiCoilMRI", call, canonical)]
