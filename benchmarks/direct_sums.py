"""Errors of non-uniform transforms against the sums themselves, in complex128, at random samples and voxels.

The coordinates are the float32 numbers that all software is given. The normal operator needs all samples before its
way back: they come from `ops.nufft` in complex128, which is compared with the sums at random samples first.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from benchmarks.scans import Scan
from mriops import ops

Tensor = torch.Tensor
_CHECKED = 256  # samples, or voxels, per frame that is looked at
_CHUNK = 1 << 14
_FRAMES = (0, 17, 39)
_WIDE_EPS = 1e-9


def forward(coil_images: Tensor, points: Tensor) -> Tensor:
    """Exact samples ``(coils, points)`` of coil images ``(coils, *im)`` at points ``(points, ndim)``."""
    im_size = coil_images.shape[1:]
    phases = []
    for axis, n in enumerate(im_size):
        turns = points[:, axis, None].double() * (torch.arange(n, dtype=torch.float64) - n // 2) / n
        phases.append(torch.polar(torch.full_like(turns, n**-0.5), -2 * math.pi * turns))
    out = []
    for image in coil_images.to(torch.complex128):
        part = image @ phases[-1].T
        for phase in reversed(phases[:-1]):
            part = torch.einsum("...ys,sy->...s", part, phase)
        out.append(part)
    return torch.stack(out)


def adjoint(kspace: Tensor, points: Tensor, voxels: Tensor, im_size: tuple[int, ...]) -> Tensor:
    """Exact coil images ``(coils, voxels)`` at indices ``(voxels, ndim)``."""
    size = torch.tensor(im_size)
    places = (voxels - size // 2).double() / size
    out = torch.zeros(kspace.shape[0], len(voxels), dtype=torch.complex128)
    for k, samples in zip(points.double().split(_CHUNK), kspace.to(torch.complex128).split(_CHUNK, dim=1), strict=True):
        angle = 2 * math.pi * (k @ places.T)
        out += samples @ torch.polar(torch.ones_like(angle), angle)
    return out / math.sqrt(math.prod(im_size))


def _some(count: int, seed: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:_CHECKED]


def _voxels(scan: Scan) -> tuple[Tensor, ...]:
    """Random indices, one tensor per axis."""
    return torch.unravel_index(_some(math.prod(scan.im_size), 2), scan.im_size)


def _combined(scan: Scan, kspace: Tensor, voxels: tuple[Tensor, ...]) -> Tensor:
    coil_images = adjoint(kspace, scan.trajectory, torch.stack(voxels, -1), scan.im_size)
    return (scan.csm[(slice(None), *voxels)].conj() * coil_images).sum(0)


def _all_samples(scan: Scan) -> Tensor:
    wide, points = scan.coil_images().to(torch.complex128), scan.trajectory.double()
    chosen = _some(len(points), 3)[:32]
    with torch.no_grad():
        found = torch.cat([ops.nufft(coil[None], points, eps=_WIDE_EPS) for coil in wide])
    want = forward(wide[:1], points[chosen])
    error = float((found[:1, chosen] - want).norm() / want.norm())
    if not error < 10 * _WIDE_EPS:
        raise ArithmeticError(f"nufft in complex128: expected an error below {10 * _WIDE_EPS:.0e}, got {error:.1e}")
    return found


def _gradient(scan: Scan, chosen: Tensor) -> Tensor:
    """d/dk of Re sum conj(kspace) y at some samples, ``(samples, ndim)``."""
    coil_images, parts = scan.coil_images().to(torch.complex128), []
    for axis, n in enumerate(scan.im_size):
        ramp = -2j * math.pi * (torch.arange(n, dtype=torch.float64) - n // 2) / n
        ramp = ramp.reshape([-1 if a == axis else 1 for a in range(scan.ndim)])
        moved = forward(coil_images * ramp, scan.trajectory[chosen])
        parts.append((scan.kspace[:, chosen].conj() * moved).sum(0).real)
    return torch.stack(parts, -1)


def _pick_and_want(scan: Scan, work: str) -> tuple[tuple, Tensor]:
    chosen = _some(scan.trajectory.shape[0], 1)
    if work == "forward":
        return (slice(None), chosen), forward(scan.coil_images(), scan.trajectory[chosen])
    if work == "trajectory":
        return (chosen,), _gradient(scan, chosen)
    voxels = _voxels(scan)
    return voxels, _combined(scan, scan.kspace if work == "adjoint" else _all_samples(scan), voxels)


_known: dict[tuple, list[tuple]] = {}


def _sums(scan: Scan, work: str) -> list[tuple]:
    """Frame, indices, and sums at them; remembered, as a scan's name tells what is in it."""
    key = (scan.name, scan.coils, scan.frames, work)
    if key in _known:
        return _known[key]
    frames = [None] if scan.frames is None else sorted({f % scan.frames for f in _FRAMES})
    scans = scan.split()
    _known[key] = [(f, *_pick_and_want(scans[f or 0], work)) for f in frames]
    return _known[key]


def comparison(scan: Scan, work: str) -> Callable[[Tensor], float]:
    """Work out the sums for ``work`` (``forward``, ``adjoint``, ``gram`` or ``trajectory``) once.

    Returns
    -------
    The relative 2-norm error of a result in the project's layout, over random samples or voxels of some frames.
    """
    found = _sums(scan, work)

    def error(got: Tensor) -> float:
        wrong = right = 0.0
        for frame, pick, want in found:
            part = (got if frame is None else got[frame])[pick]
            wrong += float((part - want).abs().square().sum())
            right += float(want.abs().square().sum())
        return math.sqrt(wrong / right)

    return error
