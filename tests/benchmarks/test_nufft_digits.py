"""The accuracy that a kernel is chosen by is the one that it has."""

import math

import pytest
import torch

from benchmarks.nufft_digits import UPSAMPLINGS, WIDTHS, worst_errors
from mriops._native import nufft_kernel


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_the_table_is_what_is_measured(upsampling):
    errors = worst_errors((64, 64), (round(64 * upsampling),) * 2, torch.complex128)
    table = nufft_kernel._DIGITS["float64"][upsampling, 2]
    for width, digits in zip(WIDTHS, table, strict=True):
        # Where rounding is what is left, it depends on the instruction set.
        assert -math.log10(errors[width]) > digits - (0.01 if digits < 13 else 0.3)
        assert -math.log10(errors[width]) < digits + (0.02 if digits < 13 else 0.5)


# None of 75, 84, 93 and 118 of 64 is a grid that the table holds.
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize("grid", [75, 84, 93, 118])
def test_other_grids_lie_on_lines_between_those_of_the_table(grid, dtype):
    name = str(dtype.to_real()).removeprefix("torch.")
    for width, error in worst_errors((64, 64), (grid, grid), dtype).items():
        expected = nufft_kernel.measured_error(width, grid / 64, (64, 64), name) / nufft_kernel._margin((64, 64))
        rounding = error < 1e-11 or (name == "float32" and (width > 8 or error < 1e-6))
        # Rounding varies by instruction set and sample, and may be less than at the next coarser grid.
        assert (0 if rounding else 0.9) * expected < error < (1.2 if rounding else 1.06) * expected


def test_small_images_stay_within_the_margin():
    for im_size, grid in (
        *(((16, 16), (20, 20)), ((32, 32), (36, 36)), ((48, 50), (96, 100)), ((64, 70), (72, 80))),
        ((20, 20, 20), (30, 30, 30)),
    ):
        for width, error in worst_errors(im_size, grid, torch.complex128).items():
            assert error <= nufft_kernel.measured_error(width, grid[0] / im_size[0], im_size, "float64")
