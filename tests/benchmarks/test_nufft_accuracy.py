"""What is asked for is what is reached, for everything in the table of accuracies."""

import pytest
import torch

from benchmarks.nufft_accuracy import ASKED, SIZES, by_mriops, errors


@pytest.mark.parametrize("im_size", SIZES)
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_errors_are_below_those_asked_for(im_size: tuple[int, ...], dtype: torch.dtype) -> None:
    for eps, error in zip(ASKED[dtype], errors(im_size, dtype, by_mriops), strict=True):
        assert error < eps
        assert error > eps / 50  # no kernel wider than needed
