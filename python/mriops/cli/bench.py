"""`mriops bench`: the benchmark suite of the source tree, or a small one that needs nothing but torch."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from mriops import ops, trajectories

_SIZE, _COILS = (320, 320), 16


def run(arguments: argparse.Namespace) -> int:
    """Run the suite; its exit code."""
    tree = Path(__file__).resolve().parents[3]
    rest = [a for a in arguments.rest if a != "--"]
    if (tree / "benchmarks" / "__main__.py").exists():
        if arguments.threads is not None:
            raise ValueError("--threads: expected none in a source tree, where each case has its own, got some")
        command = [sys.executable, "-m", "benchmarks", "run", *(["--quick"] if arguments.quick else []), *rest]
        path = os.pathsep.join(p for p in (str(tree / "python"), os.environ.get("PYTHONPATH", "")) if p)
        return subprocess.run(command, cwd=tree, env={**os.environ, "PYTHONPATH": path}).returncode
    if rest:
        raise ValueError(f"expected no further arguments without the source tree, got {' '.join(rest)}")
    _small(arguments.threads or 1, 3 if arguments.quick else 15)
    return 0


def _small(threads: int, rounds: int) -> None:
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    csm = torch.randn(_COILS, *_SIZE, dtype=torch.complex64, generator=generator)
    image = torch.randn(_SIZE, dtype=torch.complex64, generator=generator)
    sys.stdout.write(
        f"sense_gram, {_COILS} coils, {_SIZE[0]} x {_SIZE[1]}, {threads} threads: median of {rounds} [ms]\n"
    )
    sys.stdout.write(f"{'mask':<12}{'mriops':>10}{'torch.fft':>12}{'ratio':>8}{'difference':>14}\n")
    for name, mask in (
        ("lines", trajectories.mask_equispaced(_SIZE, 4, acs=24)),
        ("points", trajectories.mask_poisson(_SIZE, 4, acs=24)),
    ):
        shifted = torch.fft.ifftshift(mask.expand(_SIZE))
        ours, theirs = _interleaved(
            lambda mask=mask: ops.sense_gram(image, csm, mask), lambda s=shifted: _with_torch(image, csm, s), rounds
        )
        error = float((ours[1] - theirs[1]).norm() / theirs[1].norm())
        row = f"{name:<12}{1e3 * ours[0]:>10.2f}{1e3 * theirs[0]:>12.2f}{theirs[0] / ours[0]:>8.2f}{error:>14.1e}\n"
        sys.stdout.write(row)


def _with_torch(image: Tensor, csm: Tensor, mask: Tensor) -> Tensor:
    # Shifts of the image cancel between transform and inverse, so the plain version needs none.
    kspace = torch.fft.fft2(csm * image, norm="ortho") * mask
    return (csm.conj() * torch.fft.ifft2(kspace, norm="ortho")).sum(0)


def _interleaved(
    first: Callable[[], Tensor], second: Callable[[], Tensor], rounds: int
) -> tuple[tuple[float, Tensor], tuple[float, Tensor]]:
    results = [first(), second()]
    seconds: list[list[float]] = [[], []]
    for _ in range(rounds):
        for which, call in enumerate((first, second)):
            begin = time.perf_counter()
            results[which] = call()
            seconds[which].append(time.perf_counter() - begin)
    return (median(seconds[0]), results[0]), (median(seconds[1]), results[1])
