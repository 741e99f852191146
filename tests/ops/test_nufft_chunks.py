"""How sums of gridding are made: in chunks that meet at seams, round the caches, by parts where samples are dense."""

import pytest
import torch

from mriops import ops
from mriops.testing import available_backends, relative_error, use_backend


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


# Long enough along the first axis for several chunks, with samples enough that cutting is worth it. Grids that tiles
# fill and that they do not.
@pytest.mark.parametrize("im", [(160, 20), (149, 20), (112, 6, 7)])
def test_seams_between_chunks(im: tuple[int, ...]) -> None:
    coils, samples = 4, 9000
    uniform = torch.rand((samples, len(im)), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    trajectory = (uniform - 0.5) * torch.tensor(im)
    csm, kspace, image = random(coils, *im, seed=1), random(coils, samples, seed=2), random(*im, seed=3)

    def calls() -> tuple[torch.Tensor, ...]:
        forward = ops.sense_nufft(image, csm, trajectory, eps=1e-9)
        adjoint = ops.sense_nufft_adjoint(kspace, csm, trajectory, eps=1e-9)
        return forward, adjoint, ops.sense_nufft_gram(image, csm, trajectory, eps=1e-9)

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        forward, adjoint, gram = calls()
        torch.set_num_threads(4)
        for _ in range(10):  # threads come to a seam in any order
            assert all(torch.equal(*pair) for pair in zip(calls(), (forward, adjoint, gram), strict=True))
    finally:
        torch.set_num_threads(before)
    exact = ops.sense_nufft_adjoint(kspace, csm, trajectory, method="exact")
    assert relative_error(adjoint, exact) < 1e-8
    there = ops.sense_nufft(image, csm, trajectory, method="exact")
    assert relative_error(forward, there) < 1e-8
    assert relative_error(gram, ops.sense_nufft_adjoint(there, csm, trajectory, method="exact")) < 1e-8


# More than 8 MiB between the passes of all coils together: written round the caches, which one coil's is not. A grid
# that is fine enough not to amplify rounding at the edge of the image.
@pytest.mark.parametrize(("im", "coils"), [((400, 256), 12), ((72, 64, 64), 8)])
def test_large_spectra(im: tuple[int, ...], coils: int) -> None:
    samples = 9000
    uniform = torch.rand((samples, len(im)), generator=torch.Generator().manual_seed(0))
    trajectory = (uniform - 0.5) * torch.tensor(im)
    csm = random(coils, *im, seed=1).to(torch.complex64)
    kspace, image = random(coils, samples, seed=2).to(torch.complex64), random(*im, seed=3).to(torch.complex64)
    each = [slice(c, c + 1) for c in range(coils)]
    for operation, values in ((ops.sense_nufft_adjoint, kspace), (ops.sense_nufft_gram, image)):
        whole = operation(values, csm, trajectory, upsampling=2)
        part = [
            operation(values[one] if values is kspace else values, csm[one], trajectory, upsampling=2) for one in each
        ]
        # A sum in another order.
        assert relative_error(whole, torch.stack(part).sum(0)) < 1e-6
    there = ops.sense_nufft(image, csm, trajectory, upsampling=2)
    part = [ops.sense_nufft(image, csm[one], trajectory, upsampling=2) for one in each]
    assert relative_error(there, torch.cat(part)) < 1e-6


# As in the centre of thousands of spokes: a single sum of all would lose two digits.
@pytest.mark.parametrize("backend", available_backends())
@pytest.mark.parametrize("im", [(40, 36), (16, 18, 20)])
@pytest.mark.parametrize("place", [0.0, 0.3, -0.5])
def test_many_samples_in_one_place(im: tuple[int, ...], place: float, backend: str) -> None:
    trajectory = torch.full((20000, len(im)), place) * torch.tensor([n if place < 0 else 1 for n in im])
    uniform = torch.rand((3000, len(im)), generator=torch.Generator().manual_seed(0)) - 0.5
    trajectory = torch.cat([trajectory, uniform * torch.tensor(im)])
    kspace = torch.cat([torch.full((20000,), 0.7312 - 0.2j), random(3000, seed=1)]).to(torch.complex64)
    image = random(*im, seed=2).to(torch.complex64)
    csm = random(3, *im, seed=3).to(torch.complex64)
    wide = [x.to(torch.complex128) for x in (image, csm, kspace)]
    with use_backend(backend) as device:
        at = trajectory.to(device)
        adjoint = ops.nufft_adjoint(kspace.to(device), at, im, eps=1e-6).cpu()
        gram = ops.sense_nufft_gram(image.to(device), csm.to(device), at, eps=1e-6).cpu()
    assert relative_error(adjoint, ops.nufft_adjoint(wide[2], trajectory.double(), im, method="exact")) < 3e-6
    assert relative_error(gram, ops.sense_nufft_gram(wide[0], wide[1], trajectory.double(), method="exact")) < 5e-6


# Samples enough for several threads to sort pieces of them.
@pytest.mark.parametrize("im", [(16, 20), (10, 12, 8)])
def test_plans_do_not_depend_on_the_thread_count(im: tuple[int, ...]) -> None:
    uniform = torch.rand((70_000, len(im)), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    trajectory = (uniform * 1.5 - 0.75) * torch.tensor(im)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        plan = ops.nufft_plan(trajectory, im)
        torch.set_num_threads(4)
        several = ops.nufft_plan(trajectory, im)
        assert torch.equal(several.order, plan.order)
        assert torch.equal(several.points, plan.points)
        trajectory[[20_001, 40_000, 69_999], 1] = torch.nan
        for _ in range(5):  # whichever thread comes to its own first
            with pytest.raises(ValueError, match=r"got nan at sample 20001, component 1"):
                ops.nufft_plan(trajectory, im)
    finally:
        torch.set_num_threads(before)
