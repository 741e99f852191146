"""Normal operators and adjoints of any number of coils: how many go together, and in which parts they are added."""

import pytest
import torch

from mriops import ops
from mriops.ops import reference
from mriops.testing import relative_error

# A plane above 512 KiB, whose coils go together; one below; one whose rows are not whole vectors.
SIZES = [(192, 192), (64, 48), (75, 66)]


def normal(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("coils", [1, 2, 3, 4, 5, 8, 9, 13, 18])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("maps", "frames"), [((), ()), ((2,), ()), ((), (9,))], ids=["plain", "maps", "frames"])
def test_any_number_of_coils(coils: int, size: tuple[int, int], maps: tuple[int, ...], frames: tuple[int, ...]) -> None:
    image, csm = normal((*frames, *maps, *size), 0), normal((*maps, coils, *size), 1)
    kspace = normal((*frames, coils, *size), 2)
    mask = torch.rand(size, generator=torch.Generator().manual_seed(3)) < 0.4
    soft = bool(maps)

    def both() -> tuple[torch.Tensor, torch.Tensor]:
        gram = ops.sense_gram(image, csm, mask, maps=soft)
        return gram, ops.sense_adjoint(kspace, csm, mask, maps=soft)

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = both()
        torch.set_num_threads(3)
        shared = both()
    finally:
        torch.set_num_threads(before)
    expected = (
        reference.sense_gram(image, csm, mask, maps=soft),
        reference.sense_adjoint(kspace, csm, mask, maps=soft),
    )
    for got, other, reference_value in zip(alone, shared, expected, strict=True):
        assert relative_error(got, reference_value) < 1e-14
        assert torch.equal(got, other)
