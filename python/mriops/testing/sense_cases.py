"""Rows of the OpCase table: transforms, coil maps and the Cartesian SENSE family."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .op_case import OpCase, Sample

__all__ = ["SENSE_CASES"]

Shape = tuple[int, ...]


def _normal(shape: Sequence[int], dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    return torch.randn(tuple(shape), dtype=torch.complex128, generator=generator).to(dtype)


def _mask(kind: str | None, batch: Shape, im: Shape, dtype: torch.dtype, generator: torch.Generator) -> Tensor | None:
    """``line``: (y, 1); ``plane``: all axes; ``depth``: all but the readout; ``rank1``: (x,) alone; ``frames``: per
    batch item; ``weights``: real; ``frame_weights``: real, per batch item and line."""
    if kind is None:
        return None
    line = (*(1,) * (len(im) - 2), im[-2], 1)
    shape = {
        "line": line,
        "plane": im,
        "depth": (*im[:-1], 1),
        "rank1": im[-1:],
        "frames": (*batch, *im),
        "weights": im,
        "frame_weights": (*batch, *line),
    }[kind]
    uniform = torch.rand(shape, dtype=torch.float64, generator=generator)
    return (uniform + 0.5).to(dtype.to_real()) if kind.endswith("weights") else uniform < 0.6


def _family(
    arguments: str,
    dtype: torch.dtype,
    seed: int,
    *,
    im: Shape,
    coils: int = 3,
    maps: int = 0,
    batch: Shape = (),
    csm_batch: Shape = (),
    mask: str | None = None,
    mask_batch: Shape | None = None,
) -> Sample:
    """Arguments of an op of the family; ``arguments`` says which, by initials i, c, k, m."""
    generator = torch.Generator().manual_seed(seed)
    sets = (maps,) if maps else ()
    full = torch.broadcast_shapes(batch, csm_batch, mask_batch or ())
    makers: dict[str, tuple[str, Any]] = {
        "i": ("image", lambda: _normal((*batch, *sets, *im), dtype, generator)),
        "c": ("csm", lambda: _normal((*csm_batch, *sets, coils, *im), dtype, generator)),
        "k": ("kspace", lambda: _normal((*full, coils, *im), dtype, generator)),
        "y": ("coil_images", lambda: _normal((*full, coils, *im), dtype, generator)),
        "m": ("mask", lambda: _mask(mask, full if mask_batch is None else mask_batch, im, dtype, generator)),
    }
    keywords: dict[str, Any] = {"ndim": len(im), "maps": bool(maps)}
    if arguments == "kim":
        keywords["csm_batch"] = csm_batch
    return Sample({makers[letter][0]: makers[letter][1]() for letter in arguments}, keywords)


_COILS: Mapping[str, Mapping[str, Any]] = {
    "gradient": {"im": (2, 3), "coils": 2},
    "gradient_soft": {"im": (3, 2), "coils": 2, "maps": 2, "batch": (2,), "csm_batch": (2, 1)},
    "even": {"im": (6, 8)},
    "odd": {"im": (5, 7)},
    "one_row": {"im": (1, 9)},
    "one_column": {"im": (9, 1)},
    "one_pixel": {"im": (1, 1), "coils": 1},
    "one_coil": {"im": (4, 6), "coils": 1},
    "batch": {"im": (5, 4), "batch": (2, 3)},
    "own_maps": {"im": (5, 4), "batch": (2, 3), "csm_batch": (2, 3)},
    "maps_per_slice": {"im": (5, 4), "batch": (2, 3), "csm_batch": (2, 1)},
    "maps_per_frame": {"im": (5, 4), "batch": (2, 3), "csm_batch": (3,)},
    "batch_in_maps_only": {"im": (5, 4), "csm_batch": (2,)},
    "soft": {"im": (6, 5), "maps": 2, "batch": (2,)},
    "volume": {"im": (3, 4, 5), "coils": 2},
    "soft_volume": {"im": (2, 3, 4), "coils": 2, "maps": 2, "batch": (2,), "csm_batch": (2,)},
    "flat_volume": {"im": (1, 6, 5), "coils": 2},
    "empty": {"im": (4, 3), "batch": (0,)},
    "many_coils": {"im": (12, 10), "coils": 17},
}

_SENSE: Mapping[str, Mapping[str, Any]] = {
    **_COILS,
    "gradient_weights": {"im": (3, 2), "coils": 2, "mask": "weights"},
    "gradient_frame_weights": {
        "im": (2, 2),
        "coils": 2,
        "batch": (2,),
        "csm_batch": (2, 1),
        "mask": "frame_weights",
        "mask_batch": (2, 2),
    },
    "mask_line": {"im": (8, 6), "mask": "line"},
    "mask_readout": {"im": (8, 6), "mask": "rank1"},
    "mask_plane": {"im": (7, 6), "mask": "plane"},
    "mask_frames": {"im": (7, 6), "batch": (4,), "mask": "frames"},
    "mask_some_frames": {"im": (4, 6), "batch": (2, 3), "mask": "frames", "mask_batch": (2, 1)},
    "mask_more_frames": {"im": (4, 6), "mask": "frames", "mask_batch": (3,)},
    "mask_depth": {"im": (3, 4, 5), "mask": "depth"},
    "mask_volume": {"im": (3, 5, 4), "mask": "plane", "batch": (2,)},
    "weights": {"im": (6, 7), "mask": "weights"},
    "frame_weights": {"im": (6, 7), "batch": (3,), "mask": "frame_weights"},
    "primes": {"im": (13, 11), "mask": "plane"},
    "mixed_radix": {"im": (30, 28), "mask": "line"},
    "large_prime": {"im": (37, 4), "mask": "line"},
}

_FFT: Mapping[str, Mapping[str, Any]] = {
    "gradient": {"shape": (2, 3), "dims": (-2, -1)},
    "last": {"shape": (3, 8), "dims": -1},
    "first": {"shape": (5, 3), "dims": 0},
    "middle": {"shape": (3, 6, 2), "dims": 1},
    "around": {"shape": (4, 3, 5), "dims": (0, 2)},
    "three": {"shape": (2, 3, 4, 5), "dims": (1, 2, 3)},
    "four": {"shape": (2, 3, 4, 5), "dims": (0, 1, 2, 3)},
    "scattered": {"shape": (3, 2, 4, 2, 3), "dims": (0, 2, 4)},
    "one": {"shape": (1,), "dims": 0},
    "prime": {"shape": (2, 31), "dims": -1},
    "mixed": {"shape": (60, 14), "dims": (0, 1)},
    "empty_batch": {"shape": (0, 4), "dims": -1},
    "empty_after": {"shape": (4, 0), "dims": 0},
}


def _make_fft(dtype: torch.dtype, seed: int, *, shape: Shape, dims: int | Shape) -> Sample:
    generator = torch.Generator().manual_seed(seed)
    return Sample({"x": _normal(shape, dtype, generator)}, {}, (dims,))


def _fft_points(sample: Sample) -> int:
    x, dims = sample.tensors["x"], sample.positional[0]
    axes = (dims,) if isinstance(dims, int) else dims
    return 0 if x is None else math.prod(x.shape[d] for d in axes)


def _fft_flops(sample: Sample) -> float:
    x = sample.tensors["x"]
    return 0.0 if x is None else 5.0 * x.numel() * math.log2(max(_fft_points(sample), 1))


def _sizes(sample: Sample) -> tuple[int, int, int, int]:
    """Batch, sets of maps, coils, points per image."""
    ndim, maps = sample.keywords["ndim"], sample.keywords["maps"]
    tensors = sample.tensors
    csm, image = tensors.get("csm"), tensors.get("image")
    coils_of = next(t for t in (csm, tensors.get("kspace"), tensors.get("coil_images")) if t is not None)
    sets_of = csm if csm is not None else image
    n_sets = sets_of.shape[-ndim - 1 - (csm is not None)] if maps and sets_of is not None else 1
    ranks = {"image": ndim + maps, "csm": ndim + 1 + maps, "kspace": ndim + 1, "coil_images": ndim + 1, "mask": ndim}
    batches = [t.shape[: max(t.ndim - ranks[name], 0)] for name, t in tensors.items() if t is not None]
    n_batch = math.prod(torch.broadcast_shapes(*batches))
    return n_batch, n_sets, coils_of.shape[-ndim - 1], math.prod(coils_of.shape[-ndim:])


def _points(sample: Sample) -> int:
    _, maps, coils, voxels = _sizes(sample)
    return maps * coils * voxels


def _coil_flops(sample: Sample) -> float:
    batch, maps, coils, voxels = _sizes(sample)
    return 8.0 * batch * maps * coils * voxels


def _sense_flops(sample: Sample) -> float:
    batch, _, coils, voxels = _sizes(sample)
    return _coil_flops(sample) + batch * coils * voxels * (5.0 * math.log2(max(voxels, 2)) + 2.0)


def _row(name: str, arguments: str, *, transforms: int = 1) -> OpCase:
    def make(dtype: torch.dtype, seed: int, **shape: Any) -> Sample:
        return _family(arguments, dtype, seed, **shape)

    names = {"i": "image", "c": "csm", "k": "kspace", "y": "coil_images", "m": "mask"}
    return OpCase(
        name=name,
        native=name,
        make=make,
        shapes=_SENSE if "m" in arguments else _COILS,
        differentiable=tuple(names[letter] for letter in arguments),
        flops=(lambda sample: transforms * _sense_flops(sample)) if transforms else _coil_flops,
        points=_points,
    )


def _fft_row(name: str) -> OpCase:
    return OpCase(name, "fft", _make_fft, _FFT, ("x",), _fft_flops, _fft_points, "mixed")


SENSE_CASES: tuple[OpCase, ...] = (
    _fft_row("fft"),
    _fft_row("ifft"),
    _row("coil_expand", "ic", transforms=0),
    _row("coil_combine", "yc", transforms=0),
    _row("sense", "icm"),
    _row("sense_adjoint", "kcm"),
    _row("sense_gram", "icm", transforms=2),
    _row("sense_csm_adjoint", "kim"),
)
