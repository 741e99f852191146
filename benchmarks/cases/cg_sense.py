"""30 iterations of CG-SENSE on a phantom's multi-coil k-space, beside bart pics, sigpy, mrpro and torch.fft.

All peers solve the same normal equations without regularisation from zero and stop after 30 iterations, so that their
images agree; the NRMSE against the phantom stands beside every time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch

from benchmarks.case import Built, Case
from benchmarks.contender import Contender
from benchmarks.peers import bart, torchvision_stand_in
from benchmarks.workloads import make_mask

ITERATIONS = 30
COILS, SIZE = 16, (320, 320)


@dataclass(frozen=True)
class Acquisition:
    """What a peer is given: undersampled k-space (coils, y, x), maps, mask (y, x) bool; and the truth."""

    kspace: torch.Tensor
    csm: torch.Tensor
    mask: torch.Tensor
    image: torch.Tensor


@lru_cache(maxsize=2)
def acquire(kind: str, coils: int = COILS, size: tuple[int, int] = SIZE) -> Acquisition:
    """Simulate a phantom's k-space (exact, not by the transform under test) with noise, and undersample it."""
    from mriops import phantoms

    phantom, series = phantoms.shepp_logan(), phantoms.fourier_coils(coils)
    csm = series.maps(size)
    kspace = phantom.multicoil_kspace(size, series)
    noise = 2e-3 * kspace.abs().amax() / (size[0] * size[1]) ** 0.5
    generator = torch.Generator().manual_seed(1)
    kspace = kspace + noise * torch.randn(kspace.shape, dtype=kspace.dtype, generator=generator)
    mask = make_mask(kind, size).expand(size).contiguous()
    return Acquisition(
        (kspace * mask).to(torch.complex64), csm.to(torch.complex64), mask, phantom.image(size, kind="bandlimited")
    )


def _mriops(a: Acquisition) -> list[Contender]:
    from mriops import operators, solvers

    def call() -> torch.Tensor:
        with torch.no_grad():
            operator = operators.SenseOp(a.csm, mask=a.mask)
            return solvers.cg(operator.gram, operator.H(a.kspace), max_iter=ITERATIONS, tol=0.0)

    return [Contender("mriops", "SenseOp, cg", call, lambda x: x)]


def _torch(a: Acquisition) -> list[Contender]:
    """CG as a good user writes it: no shifts, and the normal operator in place or coil by coil."""
    dims = (-2, -1)
    mask = torch.fft.ifftshift(a.mask, dim=dims).float()
    csm = torch.fft.ifftshift(a.csm, dim=dims).contiguous()
    conj = csm.conj().resolve_conj()
    kspace = torch.fft.ifftshift(a.kspace, dim=dims).contiguous()

    def in_place(x: torch.Tensor) -> torch.Tensor:
        coils = csm * x
        torch.fft.fftn(coils, dim=dims, out=coils)
        coils.mul_(mask)
        torch.fft.ifftn(coils, dim=dims, out=coils)
        return coils.mul_(conj).sum(0)

    def coil_loop(x: torch.Tensor) -> torch.Tensor:
        out = torch.zeros_like(x)
        for maps, conjugate in zip(csm, conj, strict=True):
            out.addcmul_(conjugate, torch.fft.ifftn(torch.fft.fftn(maps * x, dim=dims).mul_(mask), dim=dims))
        return out

    def solve(gram: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        with torch.no_grad():
            r = (conj * torch.fft.ifftn(mask * kspace, dim=dims, norm="ortho")).sum(0)
            return _conjugate_gradients(gram, r)

    return [
        Contender("torch.fft", name, partial(solve, gram), lambda x: torch.fft.fftshift(x, dim=dims))
        for name, gram in (("in place", in_place), ("coil loop", coil_loop))
    ]


def _conjugate_gradients(gram: Callable[[torch.Tensor], torch.Tensor], r: torch.Tensor) -> torch.Tensor:
    x, p = torch.zeros_like(r), r.clone()
    energy = torch.vdot(r.ravel(), r.ravel()).real
    for _ in range(ITERATIONS):
        ap = gram(p)
        step = energy / torch.vdot(p.ravel(), ap.ravel()).real
        x.add_(p * step)
        r.sub_(ap * step)
        energy, previous = torch.vdot(r.ravel(), r.ravel()).real, energy
        p.mul_(energy / previous).add_(r)
    return x


def _sigpy(a: Acquisition) -> list[Contender]:
    import sigpy.mri.app

    csm, kspace, mask = a.csm.numpy(), a.kspace.numpy(), a.mask.numpy().astype(np.float32)

    def call() -> np.ndarray:
        app = sigpy.mri.app.SenseRecon(kspace, csm, weights=mask, max_iter=ITERATIONS, tol=0, show_pbar=False)
        return app.run()

    return [Contender("sigpy", "SenseRecon", call, torch.from_numpy)]


def _mrpro(a: Acquisition) -> list[Contender]:
    torchvision_stand_in.install()
    from mrpro.algorithms.optimizers import cg
    from mrpro.operators import CartesianMaskingOp, FastFourierOp, SensitivityOp

    csm, kspace, mask = a.csm.unsqueeze(-3), a.kspace.unsqueeze(-3), a.mask[None, None]

    def call() -> torch.Tensor:
        with torch.no_grad():
            maps, transform, sampling = SensitivityOp(csm), FastFourierOp(dim=(-2, -1)), CartesianMaskingOp(mask)
            (rhs,) = (maps.H @ transform.H)(kspace)
            gram = maps.H @ transform.H @ sampling @ transform @ maps
            (image,) = cg(gram, rhs, max_iterations=ITERATIONS, tolerance=0.0)
        return image

    return [Contender("mrpro", "operators, cg", call, lambda x: x.squeeze(-3).squeeze(-3))]


def build(kind: str, peers: Sequence[str] | None = None) -> Built:
    """Simulate the acquisition and set up the peers."""
    a = acquire(kind)
    makers = {"mriops": _mriops, "torch.fft": _torch, "sigpy": _sigpy, "mrpro": _mrpro, "bart": bart.pics}
    contenders: list[Contender] = []
    missing: list[str] = []
    for peer, make in makers.items():
        if peers is not None and peer not in peers:
            continue
        try:
            contenders += make(a)
        except (ImportError, bart.BartMissing) as error:
            missing.append(f"{peer}: {error}")
    truth = a.image.to(torch.complex128)

    def quality(contender: Contender, result: object) -> float:
        image = contender.canonical(result).to(torch.complex128)
        scale = torch.vdot(image.ravel(), truth.ravel()) / image.norm() ** 2  # bart scales its result
        return float((scale * image - truth).norm() / truth.norm())

    return Built(contenders, quality, missing)


def _case(kind: str, words: str) -> Case:
    return Case(
        name=f"cg-sense-16x320x320-{kind}",
        title=f"CG-SENSE, {ITERATIONS} iterations, 16 coils x 320x320, {words}",
        build=lambda peers: build(kind, peers),
        goals={"bart": 5.0, "sigpy": 5.0, "mrpro": 5.0},
        quality_name="NRMSE",
        memory=False,
        seconds=4.0,
    )


CASES: tuple[Case, ...] = (_case("2d", "2D mask"), _case("1d", "1D mask"))
