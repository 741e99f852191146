"""The accuracy that a kernel is chosen by is the one that it has."""

import math

import pytest
import torch

from benchmarks.nufft_digits import WIDTHS, worst_errors
from mriops._native import nufft_kernel


@pytest.mark.parametrize("upsampling", [1.25, 1.40625, 1.5, 2.0])
def test_the_table_is_what_is_measured(upsampling):
    errors = worst_errors((64, 64), (round(64 * upsampling),) * 2, torch.complex128)
    table = nufft_kernel._DIGITS["float64"][upsampling, 2]
    for width, digits in zip(WIDTHS, table, strict=True):
        # Where rounding is what is left, it depends on the instruction set.
        assert -math.log10(errors[width]) > digits - (0.01 if digits < 13 else 0.3)
        assert -math.log10(errors[width]) < digits + (0.02 if digits < 13 else 0.5)


def test_small_images_stay_within_the_margin():
    for im_size, grid in (((16, 16), (20, 20)), ((20, 20, 20), (30, 30, 30)), ((48, 50), (96, 100))):
        for width, error in worst_errors(im_size, grid, torch.complex128).items():
            assert error <= nufft_kernel.measured_error(width, grid[0] / im_size[0], im_size, "float64")
