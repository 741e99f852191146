"""Scans along trajectories that the NUFFT cases encode: radial, spiral, kooshball, and frames of a moving object."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import torch

from mriops import trajectories

Tensor = torch.Tensor


@dataclass(frozen=True)
class Scan:
    """What is encoded, and along which samples.

    ``image`` is ``(*frames, *im)``, ``csm`` ``(coils, *im)``, ``kspace`` ``(*frames, coils, samples)``, ``trajectory``
    ``(*frames, samples, ndim)`` in float32, in the order of the image's axes, in cycles per field of view. Frames, of
    which there are none or one axis, have a trajectory each; ``shots`` says how the samples fall into readouts.
    """

    name: str
    image: Tensor
    csm: Tensor
    kspace: Tensor
    trajectory: Tensor
    shots: int

    @property
    def im_size(self) -> tuple[int, ...]:
        """Shape of one image."""
        return tuple(self.csm.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return self.csm.ndim - 1

    @property
    def coils(self) -> int:
        """Number of coils."""
        return self.csm.shape[0]

    @property
    def frames(self) -> int | None:
        """Number of frames, if they have an axis."""
        return self.image.shape[0] if self.image.ndim > self.ndim else None

    def split(self) -> list[Scan]:
        """One scan per frame, without the axis of frames."""
        if self.frames is None:
            return [self]
        return [
            replace(self, image=self.image[f], kspace=self.kspace[f], trajectory=self.trajectory[f])
            for f in range(self.frames)
        ]

    def probe(self) -> Scan:
        """The first frame through the first coil: its relative error is that of all."""
        one = self.split()[0]
        return replace(one, csm=one.csm[:1].contiguous(), kspace=one.kspace[:1].contiguous())

    def radians(self) -> Tensor:
        """Coordinates in radians per pixel, rounded once."""
        return (2 * math.pi * self.trajectory.double() / torch.tensor(self.im_size)).float()

    def coil_images(self) -> Tensor:
        """Maps times images ``(*frames, coils, *im)``."""
        return self.csm * self.image.unsqueeze(-self.ndim - 1)


@dataclass(frozen=True)
class Plan:
    """How a scan is made: sizes, and the trajectory ``(*frames, shots, readout, ndim)``."""

    name: str
    words: str
    coils: int
    im_size: tuple[int, ...]
    trajectory: Callable[[], Tensor]
    frames: int | None = None

    @property
    def size(self) -> str:
        """Coils and image in the words of a case's name."""
        frames = f"{self.frames}x" if self.frames else ""
        return f"{frames}{self.coils}x{'x'.join(map(str, self.im_size))}"

    @property
    def title(self) -> str:
        """The scan in words, for tables."""
        coils = "1 coil" if self.coils == 1 else f"{self.coils} coils"
        return f"{self.words}, {coils} x {'x'.join(map(str, self.im_size))}"

    def one_coil(self) -> Plan:
        """The same through a single coil."""
        return replace(self, name=f"{self.name}-one", coils=1)

    def tiny(self) -> Plan:
        """The same with a few samples of a few pixels, to load what runs on first use."""
        im, ndim, frames = (16,) * len(self.im_size), len(self.im_size), () if self.frames is None else (2,)
        points = 16 * torch.rand(*frames, 4, 16, ndim, generator=torch.Generator().manual_seed(0)) - 8
        return replace(self, coils=2, im_size=im, frames=2 if frames else None, trajectory=lambda: points)


def _spiral() -> Tensor:
    """Played at 40 mT/m and 150 T/m/s as the library does by default; the dwell time leaves 4000 samples."""
    wave = trajectories.spiral((320, 320), 16, field_of_view=0.32, dwell=2.96e-6)
    return wave.trajectory[:, :4000]


def _frames() -> Tensor:
    return trajectories.radial((256, 256), 40 * 21, 512).reshape(40, 21, 512, 2)


RADIAL = Plan("radial", "radial 400 x 512", 12, (256, 256), lambda: trajectories.radial((256, 256), 400, 512))
SPIRAL = Plan("spiral", "spiral 16 x 4000", 32, (320, 320), _spiral)
KOOSHBALL = Plan(
    "kooshball", "kooshball 2400 x 128", 8, (128,) * 3, lambda: trajectories.kooshball((128,) * 3, 2400, 128)
)
DYNAMIC = Plan("dynamic", "40 frames of radial 21 x 512", 12, (256, 256), _frames, frames=40)


@lru_cache(maxsize=1)
def acquire(plan: Plan) -> Scan:
    """Draw images, maps and k-space; random numbers serve as well as anatomy for time and error."""
    generator = torch.Generator().manual_seed(0)
    frames = () if plan.frames is None else (plan.frames,)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.complex64, generator=generator)

    trajectory = plan.trajectory().float()
    samples = trajectory.shape[-3] * trajectory.shape[-2]
    return Scan(
        f"{plan.name}-{plan.size}",
        draw(*frames, *plan.im_size),
        draw(plan.coils, *plan.im_size),
        draw(*frames, plan.coils, samples),
        trajectory.reshape(*frames, samples, len(plan.im_size)).contiguous(),
        trajectory.shape[-3],
    )
