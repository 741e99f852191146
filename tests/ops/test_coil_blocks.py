"""NUFFTs of few and many coils: cells of every size, whole vectors, parts of them, and several to a vector."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from mriops import _native, ops
from mriops.testing import available_backends, relative_error, use_backend

C64, F32 = torch.complex64, torch.float32
SLOWER = _native.load("cpu").isa_choices()[:-1]


@contextmanager
def running_on(backend: str) -> Iterator[torch.device]:
    """A backend, or an instruction set of the CPU."""
    cpu = _native.load("cpu")
    before = cpu.isa()
    if backend in SLOWER:
        cpu.set_isa(backend)
    try:
        with use_backend("cpu" if backend in SLOWER else backend) as device:
            yield device
    finally:
        cpu.set_isa(before)


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, dtype=C64, generator=torch.Generator().manual_seed(seed))


def widened(x: object) -> object:
    if not isinstance(x, torch.Tensor):
        return x
    return x.to(torch.complex128 if x.is_complex() else torch.float64)


# Images with more samples than cells of their grid in the plane, or a quarter as many in a volume.
DENSE = ((12, 14), (4, 5, 6))


# Kernels of 4 to 8 points have loops of their own, others have not. 405 samples: not a whole number of blocks, nor of
# squares that are turned. More samples than cells go in blocks of up to 16 coils and those in one cell two at a time,
# fewer in blocks of up to 8 unless there are 12; volumes in blocks of 4, or 8 where there are a quarter as many samples
# as cells.
@pytest.mark.parametrize("backend", [*available_backends(), *SLOWER])
@pytest.mark.parametrize(
    ("im", "coils"),
    [
        *(((19, 23), n) for n in (1, 2, 3, 4, 5, 7, 8, 11, 12, 15, 17)),
        *((DENSE[0], n) for n in (1, 2, 3, 5, 7, 12, 15, 17)),
        *(((7, 9, 11), n) for n in (1, 2, 4, 8, 11)),
        *((DENSE[1], n) for n in (7, 9)),
    ],
)
def test_cells_of_every_size(im: tuple[int, ...], coils: int, backend: str) -> None:
    samples = 1045 if im in DENSE else 405
    chance = torch.Generator().manual_seed(coils)
    trajectory = (torch.rand((samples, len(im)), generator=chance) - 0.5) * torch.tensor(im)
    trajectory[:40] = -torch.tensor(im, dtype=F32) / 2 + 1e-3 * trajectory[:40]  # the first and last cells of rows
    weights, direction = torch.rand(samples, generator=chance), torch.randn(samples, len(im), generator=chance)
    image, csm, kspace = random(*im, seed=1), random(coils, *im, seed=2), random(coils, samples, seed=3)
    calls = [
        (ops.sense_nufft, (image, csm, trajectory), {}),
        (ops.nufft, (csm, trajectory), {}),
        (ops.sense_nufft_adjoint, (kspace, csm, trajectory), {}),
        (ops.sense_nufft_adjoint, (kspace, csm, trajectory), {"dcf": weights}),
        (ops.nufft_adjoint, (kspace, trajectory, im), {}),
        (ops.sense_nufft_gram, (image, csm, trajectory), {}),
        (ops.sense_nufft_gram, (image, csm, trajectory), {"dcf": weights}),
        (ops.nufft_trajectory_jvp, (image, trajectory, direction), {"csm": csm}),
        (ops.nufft_trajectory_grad, (image, kspace, trajectory), {"csm": csm}),
    ]
    for function, arguments, keywords in calls:
        exact = function(*map(widened, arguments), **{name: widened(x) for name, x in keywords.items()}, method="exact")
        for eps in (0.1, 1e-2, 1e-3, 1e-4, 3e-5, 1e-5):
            with running_on(backend) as device:
                found = function(
                    *(x.to(device) if isinstance(x, torch.Tensor) else x for x in arguments),
                    **{name: x.to(device) for name, x in keywords.items()},
                    eps=eps,
                    upsampling=1.75,
                )
            # A normal operator and slopes have the error of a transform a few times.
            assert relative_error(found.cpu(), exact) < 4 * eps, (function.__name__, list(keywords), eps)


@pytest.mark.parametrize("coils", [1, 2, 3, 12])
@pytest.mark.parametrize("im", [(19, 23), (7, 9, 11)])
def test_nothing_is_left_of_the_call_before(im: tuple[int, ...], coils: int) -> None:
    trajectory = (torch.rand((405, len(im)), generator=torch.Generator().manual_seed(0)) - 0.5) * torch.tensor(im)
    image, csm, kspace = random(*im, seed=1), random(coils, *im, seed=2), random(coils, 405, seed=3)
    calls = [
        lambda x: ops.sense_nufft(x * image, csm, trajectory),
        lambda x: ops.sense_nufft_adjoint(x * kspace, csm, trajectory),
        lambda x: ops.sense_nufft_gram(x * image, csm, trajectory),
    ]
    before = [call(1) for call in calls]
    for spoil in calls:
        spoil(float("nan"))
        for call, first in zip(calls, before, strict=True):
            assert torch.equal(call(1), first)
