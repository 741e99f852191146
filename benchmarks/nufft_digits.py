"""Correct digits of the NUFFT by kernel width: `python -m benchmarks.nufft_digits` prints what `nufft_kernel.py` holds.

Random images of 64 points per axis, uniformly random samples, against direct sums in double precision; the worse of
forward and adjoint, of two seeds, rounded down to hundredths. `--margins` prints by how much images of other sizes are
worse than that, which the choice of a kernel allows for.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

import torch

from mriops import ops

UPSAMPLINGS = (1.125, 1.25, 1.40625, 1.5, 1.6875, 2.0)
WIDTHS = range(2, 17)
SIZES = (
    *((12, 14, 16), (20, 20, 20), (32, 32, 32), (96, 96, 96)),
    *((16, 16), (24, 30), (32, 32), (48, 50), (100, 90), (128, 128), (181, 217)),
)
_SAMPLES = 1500
_SEEDS = 2


def worst_errors(im_size: Sequence[int], grid: Sequence[int], dtype: torch.dtype) -> dict[int, float]:
    """Return the relative L2 error of every width that fits ``grid``, for images and samples of a complex ``dtype``."""
    errors: dict[int, float] = {}
    for seed in range(_SEEDS):
        generator = torch.Generator().manual_seed(seed)
        image = torch.randn(*im_size, dtype=torch.complex128, generator=generator).to(dtype)
        kspace = torch.randn(_SAMPLES, dtype=torch.complex128, generator=generator).to(dtype)
        unit = torch.rand(_SAMPLES, len(im_size), dtype=torch.float64, generator=generator) - 0.5
        trajectory = (unit * torch.tensor(im_size)).to(dtype.to_real())
        exact = (
            ops.nufft(image.to(torch.complex128), trajectory.double(), method="exact"),
            ops.nufft_adjoint(kspace.to(torch.complex128), trajectory.double(), im_size, method="exact"),
        )
        for width in WIDTHS:
            if 2 * width > min(grid):
                continue
            points, order = torch.ops.mriops.nufft_points(trajectory, im_size, grid, width)
            plan = ops.NufftPlan(points, order, tuple(im_size), tuple(grid), width)
            got = (
                ops.nufft(image, trajectory, plan=plan),
                ops.nufft_adjoint(kspace, trajectory, im_size, plan=plan),
            )
            for result, reference in zip(got, exact, strict=True):
                error = float((result - reference).norm() / reference.norm())
                errors[width] = max(errors.get(width, 0.0), error)
    return errors


def _print_digits() -> None:
    for dtype in (torch.complex128, torch.complex64):
        print(dtype.to_real())
        for upsampling in UPSAMPLINGS:
            for ndim in (2, 3):
                errors = worst_errors((64,) * ndim, (round(64 * upsampling),) * ndim, dtype)
                digits = ", ".join(f"{math.floor(-100 * math.log10(errors[w])) / 100:g}" for w in WIDTHS)
                print(f"    ({upsampling}, {ndim}): ({digits}),", flush=True)


def _print_margins() -> None:
    dtype = torch.complex128
    for upsampling in UPSAMPLINGS:
        usual = {d: worst_errors((64,) * d, (round(64 * upsampling),) * d, dtype) for d in (2, 3)}
        for im_size in SIZES:
            grid = ops.nufft_plan(torch.zeros(1, len(im_size)), im_size, eps=0.5, upsampling=upsampling).grid
            errors = worst_errors(im_size, grid, dtype)
            ratios = " ".join(f"{w}:{errors[w] / usual[len(im_size)][w]:.2f}" for w in errors)
            print(f"{upsampling} {'x'.join(map(str, im_size))} -> {'x'.join(map(str, grid))}  {ratios}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--margins", action="store_true", help="errors of other image sizes instead")
    if parser.parse_args().margins:
        _print_margins()
    else:
        _print_digits()
