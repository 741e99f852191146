"""Transforms of every length: each radix, each place in a chain, primes, and columns that do not fit into a cache."""

import math

import pytest
import torch

from mriops import ops
from mriops.testing import relative_error

LENGTHS = [*range(1, 260), 288, 300, 320, 336, 360, 372, 384, 400, 448, 480, 512, 540, 600, 640, 768, 900, 1024, 1280]


def transform(n: int) -> torch.Tensor:
    """The centred, orthonormal transform as a matrix, its angles reduced as integers."""
    centred = torch.arange(n) - n // 2
    angle = torch.outer(centred, centred).remainder(n).to(torch.float64) * (2 * math.pi / n)
    return torch.polar(torch.full_like(angle, n**-0.5), -angle)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_every_length(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    tolerance = 4 * torch.finfo(dtype).eps
    for n in LENGTHS:
        x = torch.randn(n, 17, dtype=dtype, generator=generator)  # a whole vector of columns and a part
        matrix = transform(n)
        there, back = matrix @ x.to(matrix.dtype), matrix.conj() @ x.to(matrix.dtype)
        for axis, values in ((-2, x), (-1, x.T.contiguous())):
            got = [ops.fft(values, (axis,)), ops.ifft(values, (axis,))]
            got = [g if axis == -2 else g.T for g in got]
            assert relative_error(got[0].to(there.dtype), there) < tolerance, n
            assert relative_error(got[1].to(back.dtype), back) < tolerance, n
