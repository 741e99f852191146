"""Errors that NUFFTs reach by the error asked for: `python -m benchmarks.nufft_accuracy` prints a table.

Random images and uniformly random samples, against direct sums in double precision; the worse of forward and adjoint.
Each software chooses its kernel and its grid for the error that it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from mriops import ops

SIZES = ((128, 128), (32, 32, 32))
ASKED = {torch.complex64: (1e-2, 1e-3, 1e-4, 1e-5, 1e-6), torch.complex128: (1e-3, 1e-6, 1e-9, 1e-12)}
_SAMPLES = 4000

Pair = tuple[torch.Tensor, torch.Tensor]
Transforms = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float], Pair]


def by_mriops(image: torch.Tensor, kspace: torch.Tensor, trajectory: torch.Tensor, eps: float) -> Pair:
    """Return the samples of ``image`` and the adjoint of ``kspace``."""
    forward = ops.nufft(image, trajectory, eps=eps)
    return forward, ops.nufft_adjoint(kspace, trajectory, image.shape, eps=eps)


def by_finufft(image: torch.Tensor, kspace: torch.Tensor, trajectory: torch.Tensor, eps: float) -> Pair:
    """Return the same by finufft."""
    import finufft

    n = image.shape
    scale = 1 / math.sqrt(math.prod(n))
    points = [
        np.ascontiguousarray((2 * math.pi / size) * axis.numpy()) for size, axis in zip(n, trajectory.T, strict=True)
    ]
    there, back = (getattr(finufft, f"nufft{len(n)}d{kind}") for kind in (2, 1))
    forward = there(*points, image.numpy(), eps=eps, isign=-1)
    adjoint = back(*points, kspace.numpy(), n_modes=n, eps=eps, isign=1)
    return torch.from_numpy(scale * forward), torch.from_numpy(scale * adjoint)


def by_ducc0(image: torch.Tensor, kspace: torch.Tensor, trajectory: torch.Tensor, eps: float) -> Pair:
    """Return the same by ducc0."""
    import ducc0

    n = image.shape
    scale = 1 / math.sqrt(math.prod(n))
    common = {"coord": trajectory.numpy(), "epsilon": eps, "periodicity": [float(size) for size in n]}
    forward = ducc0.nufft.u2nu(grid=image.numpy(), forward=True, **common)
    adjoint = ducc0.nufft.nu2u(points=kspace.numpy(), forward=False, out=np.empty(n, image.numpy().dtype), **common)
    return torch.from_numpy(scale * forward), torch.from_numpy(scale * adjoint)


SOFTWARE: dict[str, Transforms] = {"mriops": by_mriops, "finufft": by_finufft, "ducc0": by_ducc0}


def errors(im_size: tuple[int, ...], dtype: torch.dtype, transforms: Transforms) -> list[float]:
    """Return the relative L2 errors for all that is asked for in ``dtype``."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(im_size, dtype=torch.complex128, generator=generator).to(dtype)
    kspace = torch.randn(_SAMPLES, dtype=torch.complex128, generator=generator).to(dtype)
    unit = torch.rand(_SAMPLES, len(im_size), dtype=torch.float64, generator=generator) - 0.5
    trajectory = (unit * torch.tensor(im_size)).to(dtype.to_real())
    wide = (image.to(torch.complex128), kspace.to(torch.complex128), trajectory.double())
    exact = (
        ops.nufft(wide[0], wide[2], method="exact"),
        ops.nufft_adjoint(wide[1], wide[2], im_size, method="exact"),
    )
    found: list[float] = []
    for eps in ASKED[dtype]:
        pairs = zip(transforms(image, kspace, trajectory, eps), exact, strict=True)
        found.append(max(float((got - sums).norm() / sums.norm()) for got, sums in pairs))
    return found


def main() -> None:
    """Print the table of the software that can be imported."""
    columns: dict[str, list[float]] = {}
    for name, transforms in SOFTWARE.items():
        try:
            for im_size in SIZES:
                per_dtype = [errors(im_size, dtype, transforms) for dtype in ASKED]
                columns[f"{name} {len(im_size)}D"] = [error for column in per_dtype for error in column]
        except ImportError as missing:
            print(f"{name}: {missing}")
    print("| `eps` |", " | ".join(columns), "|")
    print("|---" * (len(columns) + 1) + "|")
    asked = [f"{eps:.0e} {str(dtype).removeprefix('torch.')}" for dtype, all_of in ASKED.items() for eps in all_of]
    for row, eps in enumerate(asked):
        print(f"| {eps} |", " | ".join(f"{column[row]:.1e}" for column in columns.values()), "|")


if __name__ == "__main__":
    main()
