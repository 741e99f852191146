"""The table of Cartesian SENSE workloads: sizes MRI uses, masks it uses, and the ratio to peers that is aimed at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from mriops.testing import OP_CASES, Sample


@dataclass(frozen=True)
class Workload:
    """One operator at one size.

    Attributes
    ----------
    name
        Key on the command line and in the csv.
    op
        Name in `mriops.ops`: ``sense``, ``sense_adjoint`` or ``sense_gram``.
    coils, im_size, batch
        Shapes; with ``batch`` every item has its own maps.
    mask
        ``"2d"``: every sample chosen by itself in the last two axes; ``"1d"``: phase-encode lines;
        ``"3d"``: every sample of a volume; ``"kykz"``: lines along the readout of a volume.
    goals
        Ratio of one-thread CPU times, peer / mriops, that is aimed at, by peer.
    """

    name: str
    op: str
    coils: int
    im_size: tuple[int, ...]
    mask: str
    batch: int | None = None
    goals: Mapping[str, float] = field(default_factory=dict)
    quick: bool = False

    @property
    def title(self) -> str:
        """The workload in words, for tables."""
        size = "x".join(map(str, self.im_size))
        lead = f"{self.batch} slices x " if self.batch else ""
        masks = {"2d": "2D mask", "1d": "1D mask", "3d": "full mask", "kykz": "(ky,kz) mask"}
        return f"`{self.op}` {lead}{self.coils} coils x {size}, {masks[self.mask]}"

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return len(self.im_size)


_ALL_6 = {"torch.fft": 3.5, "sigpy": 6.0, "mrpro": 6.0, "deepinv": 6.0}
_ALL_9 = {"torch.fft": 6.0, "sigpy": 9.0, "mrpro": 9.0, "deepinv": 9.0}
_VOLUME = (160, 192, 160)


def _odd_sizes() -> list[Workload]:
    rows = []
    for size in ((372, 640), (230, 180), (256, 256), (181, 217)):
        for mask in ("2d", "1d"):
            name = f"gram-16x{size[0]}x{size[1]}-{mask}"
            rows.append(Workload(name, "sense_gram", 16, size, mask))
    rows.append(Workload("gram-8x128x128x128-3d", "sense_gram", 8, (128, 128, 128), "3d"))
    rows.append(Workload("gram-8x128x128x128-kykz", "sense_gram", 8, (128, 128, 128), "kykz"))
    return rows


WORKLOADS: tuple[Workload, ...] = (
    Workload("gram-16x320x320-2d", "sense_gram", 16, (320, 320), "2d", goals=_ALL_6, quick=True),
    Workload("gram-16x320x320-1d", "sense_gram", 16, (320, 320), "1d", goals=_ALL_9, quick=True),
    Workload("gram-32x16x320x320-2d", "sense_gram", 16, (320, 320), "2d", batch=32, goals={"torch.fft": 4.0}),
    Workload("gram-32x16x320x320-1d", "sense_gram", 16, (320, 320), "1d", batch=32, goals={"torch.fft": 6.0}),
    Workload("gram-8x160x192x160-3d", "sense_gram", 8, _VOLUME, "3d", goals={"torch.fft": 5.0}),
    Workload("gram-8x160x192x160-kykz", "sense_gram", 8, _VOLUME, "kykz", goals={"torch.fft": 8.0}),
    Workload("forward-16x320x320-2d", "sense", 16, (320, 320), "2d", goals={"torch.fft": 2.5}, quick=True),
    Workload("adjoint-16x320x320-2d", "sense_adjoint", 16, (320, 320), "2d", goals={"torch.fft": 2.5}, quick=True),
    Workload("forward-16x320x320-1d", "sense", 16, (320, 320), "1d", goals={"torch.fft": 2.5}),
    Workload("adjoint-16x320x320-1d", "sense_adjoint", 16, (320, 320), "1d", goals={"torch.fft": 2.5}),
    Workload("forward-8x160x192x160-3d", "sense", 8, _VOLUME, "3d", goals={"torch.fft": 2.5}),
    Workload("adjoint-8x160x192x160-3d", "sense_adjoint", 8, _VOLUME, "3d", goals={"torch.fft": 2.5}),
    Workload("forward-8x160x192x160-kykz", "sense", 8, _VOLUME, "kykz", goals={"torch.fft": 2.5}),
    Workload("adjoint-8x160x192x160-kykz", "sense_adjoint", 8, _VOLUME, "kykz", goals={"torch.fft": 2.5}),
    *_odd_sizes(),
)


@dataclass(frozen=True)
class Problem:
    """Inputs of a workload, complex64, the same for all peers.

    ``sample`` is a call of the op's row in the case table. ``mask`` is bool, of shape ``(*im_size)`` or with axes of
    size 1, without the coil axis. K-space, the operand of the adjoint, is centred and not masked.
    """

    workload: Workload
    sample: Sample

    @property
    def csm(self) -> torch.Tensor:
        """Coil maps."""
        return self._tensor("csm")

    @property
    def mask(self) -> torch.Tensor:
        """Sampling mask."""
        return self._tensor("mask")

    @property
    def operand(self) -> torch.Tensor:
        """What the op is applied to: the image, or k-space for the adjoint."""
        return self._tensor("kspace" if self.workload.op == "sense_adjoint" else "image")

    def _tensor(self, name: str) -> torch.Tensor:
        tensor = self.sample.tensors[name]
        if tensor is None:
            raise ValueError(f"{name}: expected a tensor in the sample of {self.workload.name}, got None")
        return tensor


def make_mask(kind: str, im_size: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    """Return a random bool mask with about one third of the samples and a fully sampled centre of 24 lines."""
    shape = {"2d": im_size, "3d": im_size, "1d": (im_size[0], 1), "kykz": (*im_size[:2], 1)}[kind]
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 1 / 3
    centre = tuple(slice(max(0, n // 2 - 12), n // 2 + 12) if n > 1 else slice(None) for n in shape)
    mask[centre] = True
    return mask


def make_problem(workload: Workload, seed: int = 0) -> Problem:
    """Draw the inputs; random numbers serve as well as anatomy for time and rounding error."""
    batch = () if workload.batch is None else (workload.batch,)
    make = OP_CASES[workload.op].make
    shape = {"im": workload.im_size, "coils": workload.coils, "batch": batch, "csm_batch": batch}
    sample = make(torch.complex64, seed, **shape)
    mask = make_mask(workload.mask, workload.im_size, seed)
    return Problem(workload, replace(sample, tensors={**sample.tensors, "mask": mask}))


def expected(problem: Problem) -> torch.Tensor:
    """Evaluate the op's reference in complex128; of a batch, the first item only."""
    first = 0 if problem.workload.batch else ...

    def wide(tensor: torch.Tensor) -> torch.Tensor:
        return tensor[first].to(torch.complex128) if tensor.is_complex() else tensor

    return problem.sample.map(wide).call(OP_CASES[problem.workload.op].reference)


def relative_error(got: torch.Tensor, problem: Problem, want: torch.Tensor) -> float:
    """2-norm of the difference over the 2-norm of the complex128 result."""
    got = got[0] if problem.workload.batch else got
    return float((got.to(torch.complex128) - want).norm() / want.norm())
