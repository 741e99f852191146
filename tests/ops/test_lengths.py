"""Transforms of every length: each radix, each place in a chain, primes, and columns that do not fit into a cache."""

import pytest
import torch

from mriops import ops
from mriops.ops import reference
from mriops.testing import relative_error

LENGTHS = [*range(1, 260), 288, 300, 320, 336, 360, 372, 384, 400, 448, 480, 512, 540, 600, 640, 768, 900, 1024, 1280]


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_every_length(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    tolerance = 20 * torch.finfo(dtype).eps
    for n in LENGTHS:
        x = torch.randn(n, 17, dtype=dtype, generator=generator)  # a whole vector of columns and a part
        for axis, values in ((-2, x), (-1, x.T.contiguous())):
            got, back = ops.fft(values, (axis,)), ops.ifft(values, (axis,))
            assert relative_error(got, reference.fft(values, (axis,))) < tolerance, n
            assert relative_error(back, reference.ifft(values, (axis,))) < tolerance, n
