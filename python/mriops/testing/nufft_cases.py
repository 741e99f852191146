"""Rows of the OpCase table: the NUFFT family and the Toeplitz normal operator."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mriops._native.nufft_kernel import choose_kernel

from .op_case import OpCase, Sample

__all__ = ["NUFFT_CASES"]

Shape = tuple[int, ...]

_NAMES = {
    "i": "image",
    "k": "kspace",
    "c": "csm",
    "t": "trajectory",
    "v": "tangent",
    "w": "dcf",
    "K": "kernel",
}
# Small images leave few wrong pixels to average over: the error of one call strays this far from the mean that `eps`
# promises.
_STRAY = 4.0


def _eps(dtype: torch.dtype) -> float:
    return 1e-5 if dtype == torch.complex64 else 1e-11


class _Maker:
    """Random arguments of one call, each drawn from the seed and its own letter alone."""

    def __init__(self, dtype: torch.dtype, seed: int, maps: bool, shape: Mapping[str, Any]) -> None:
        self.dtype, self.seed, self.maps = dtype, seed, maps
        self.im: Shape = shape["im"]
        self.coils: int = shape.get("coils", 3)
        self.samples: int = shape.get("samples", 11)
        self.span: float = shape.get("span", 1.0)
        self.batch: Shape = shape.get("batch", ())
        self.csm_batch: Shape = shape.get("csm_batch", ())
        self.traj_batch: Shape = shape.get("traj_batch", ())
        self.dcf_batch: Shape | None = shape.get("dcf_batch", ())
        self.full = torch.broadcast_shapes(self.batch, self.csm_batch, self.traj_batch, self.dcf_batch or ())
        # Without maps the coils are one more batch axis, which trajectories and weights do not have.
        self.shared: Shape = () if maps else (1,)

    def _complex(self, shape: Shape, letter: str) -> Tensor:
        generator = torch.Generator().manual_seed(100 * self.seed + ord(letter))
        return torch.randn(shape, dtype=torch.complex128, generator=generator).to(self.dtype)

    def _real(self, shape: Shape, letter: str) -> Tensor:
        generator = torch.Generator().manual_seed(100 * self.seed + ord(letter))
        return torch.rand(shape, dtype=torch.float64, generator=generator).to(self.dtype.to_real())

    def tensor(self, letter: str) -> Tensor | None:
        """One argument."""
        coils: Shape = (self.coils,)
        rows = (*self.traj_batch, *self.shared, self.samples, len(self.im))
        if letter == "i":
            return self._complex((*self.batch, *(() if self.maps else coils), *self.im), letter)
        if letter == "k":
            return self._complex((*self.full, *coils, self.samples), letter)
        if letter == "c":
            return self._complex((*self.csm_batch, *coils, *self.im), letter) if self.maps else None
        if letter == "t":
            size = torch.tensor(self.im, dtype=self.dtype.to_real())
            return (self._real(rows, letter) - 0.5) * size * self.span
        if letter == "v":
            return self._real(rows, letter) - 0.5
        if letter == "K":
            wide = tuple(2 * n for n in self.im)
            return self._real((*self.traj_batch, *self.shared, *wide), letter) + 0.5
        weights = (*(self.dcf_batch or ()), *self.shared, self.samples)
        return None if self.dcf_batch is None else self._real(weights, letter) + 0.5


_SHAPES: Mapping[str, Mapping[str, Any]] = {
    "gradient": {"im": (2, 3), "coils": 2, "samples": 4},
    "gradient_frames": {
        "im": (2, 2),
        "coils": 1,
        "samples": 3,
        "batch": (2,),
        "traj_batch": (2,),
        "csm_batch": (1,),
        "dcf_batch": (2,),
    },
    "odd": {"im": (5, 7)},
    "one_pixel": {"im": (1, 1), "coils": 1, "samples": 3},
    "one_sample": {"im": (6, 5), "samples": 1},
    "wrapped": {"im": (6, 7), "span": 3.0},
    "frames": {"im": (5, 4), "batch": (2, 3), "traj_batch": (2, 3), "csm_batch": (2, 1), "dcf_batch": (2, 1)},
    "slices": {"im": (5, 4), "batch": (2, 3), "traj_batch": (3,), "csm_batch": (3,)},
    "frames_share_maps": {"im": (5, 4), "batch": (3,), "traj_batch": (3, 1), "dcf_batch": (3, 1)},
    "volume": {"im": (4, 3, 5), "coils": 2, "dcf_batch": None},
    "volumes": {"im": (1, 4, 2), "coils": 2, "batch": (2,), "traj_batch": (2,)},
    "empty": {"im": (4, 3), "batch": (0,)},
    "many_coils": {"im": (18, 20), "coils": 17, "samples": 150},
}


def _sizes(sample: Sample) -> tuple[int, Shape, int]:
    """Coil images, image size, samples (0 for a convolution) of a call."""
    tensors = sample.tensors
    trajectory, kernel = tensors.get("trajectory"), tensors.get("kernel")
    data = next((t for name, t in tensors.items() if name in ("image", "kspace")), None)
    csm = tensors.get("csm")
    if trajectory is not None:
        ndim, samples = trajectory.shape[-1], trajectory.shape[-2]
    else:
        ndim, samples = sample.keywords["ndim"], 0
    if sample.positional:
        im = tuple(sample.positional[0])
    else:
        holder = next(t for t in (csm, tensors.get("image"), kernel) if t is not None)
        im = tuple(holder.shape[-ndim:])
    if data is None:
        return 1, im, samples
    has_image = "image" in tensors
    items = data.numel() // (math.prod(im) if has_image else samples)
    return items * (csm.shape[-ndim - 1] if csm is not None and has_image else 1), im, samples


def _flops(transforms: int) -> Any:
    def count(sample: Sample) -> float:
        images, im, samples = _sizes(sample)
        width, sigma = choose_kernel(sample.keywords.get("eps", 1e-4), None, "float64", im_size=im, samples=samples)
        pixels = math.prod(im) * (sigma if samples else 2.0) ** len(im)
        fft = 5.0 * pixels * math.log2(max(pixels, 2.0))
        spread = 4.0 * samples * width ** len(im)
        return transforms * images * (fft + spread + 8.0 * math.prod(im))

    return count


def _points(sample: Sample) -> int:
    images, im, samples = _sizes(sample)
    return images * math.prod(im) * max(samples, 1)


def _row(
    name: str,
    native: str,
    arguments: str,
    *,
    by_name: str = "",
    size: bool = False,
    maps: bool = False,
    transforms: int = 1,
) -> OpCase:
    """``arguments`` and ``by_name`` by their letters; ``size``: an image size follows the tensors."""
    convolves = native == "sense_toeplitz"

    def make(dtype: torch.dtype, seed: int, **shape: Any) -> Sample:
        maker = _Maker(dtype, seed, maps, shape)
        tensors = {_NAMES[letter]: maker.tensor(letter) for letter in arguments + by_name}
        keywords: dict[str, Any] = {"ndim": len(maker.im)} if convolves else {"eps": _eps(dtype)}
        return Sample(tensors, keywords, (maker.im,) if size else (), tuple(_NAMES[letter] for letter in by_name))

    return OpCase(
        name=name,
        native=native,
        make=make,
        shapes=_SHAPES,
        differentiable=tuple(_NAMES[letter] for letter in arguments + by_name),
        flops=_flops(transforms),
        points=_points,
        accuracy=lambda sample: _STRAY * sample.keywords.get("eps", 0.0),
    )


NUFFT_CASES: tuple[OpCase, ...] = (
    _row("nufft", "nufft", "it"),
    _row("nufft_adjoint", "nufft_adjoint", "kt", by_name="w", size=True),
    _row("sense_nufft", "nufft", "ict", maps=True),
    _row("sense_nufft_adjoint", "nufft_adjoint", "kct", by_name="w", maps=True),
    _row("sense_nufft_gram", "nufft_gram", "ict", by_name="w", maps=True, transforms=2),
    _row("nufft_trajectory_jvp", "nufft_trajectory_jvp", "itv", by_name="c", maps=True),
    _row("nufft_trajectory_grad", "nufft_trajectory_grad", "ikt", by_name="c", maps=True),
    _row("toeplitz_kernel", "nufft_adjoint", "t", by_name="w", size=True),
    _row("toeplitz", "sense_toeplitz", "iK", transforms=2),
    _row("sense_toeplitz", "sense_toeplitz", "icK", maps=True, transforms=2),
)
