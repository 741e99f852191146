"""Phantoms made of tissues: relaxation times per region, and the signal of any sequence as exact k-space."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mriops._native.arguments import image_size
from mriops.phantoms.phantom import Phantom
from mriops.phantoms.raster import coverage
from mriops.phantoms.shapes import Shape


@dataclass(frozen=True)
class Tissue:
    """Magnetisation and relaxation of a tissue.

    Parameters
    ----------
    name : str
    m0 : float
        Proton density relative to water.
    t1, t2, t2star : float
        [s]
    """

    name: str
    m0: float
    t1: float
    t2: float
    t2star: float


@dataclass(frozen=True)
class Region:
    """A shape filled with a tissue; it lies inside its parent region, whose tissue it replaces.

    Parameters
    ----------
    tissue : Tissue
    shape : Shape
    parent : int, optional
        Index of an earlier region; None for air.
    """

    tissue: Tissue
    shape: Shape
    parent: int | None = None


class TissuePhantom(Phantom):
    """A phantom of nested regions, seen with a contrast; `seen` gives the same object with another one.

    Parameters
    ----------
    regions : sequence of Region
        Parents before children.
    contrast : str or callable
        See `seen`.
    fov : float
        Side of the field of view [m].

    Raises
    ------
    ValueError
        If a parent does not come before its child, or the contrast is unknown.

    References
    ----------
    Wansapura, Holland, Dunn, Ball. NMR relaxation times in the human brain at 3.0 tesla. JMRI 9:531 (1999).
    """

    def __init__(
        self,
        regions: Sequence[Region],
        contrast: str | Callable[[Tissue], complex | Tensor] = "t1",
        *,
        fov: float = 0.24,
    ) -> None:
        self.regions = tuple(regions)
        for i, region in enumerate(self.regions):
            if region.parent is not None and not 0 <= region.parent < i:
                raise ValueError(f"regions: expected the parent of region {i} before it, got {region.parent}")
        super().__init__([r.shape for r in self.regions], self._steps(contrast), fov=fov)

    def seen(self, contrast: str | Callable[[Tissue], complex | Tensor]) -> TissuePhantom:
        """The same object with another contrast.

        Parameters
        ----------
        contrast : {"t1", "t2", "flair", "pd", "t2star"} or callable
            A weighting, normalised so that the brightest tissue is 1; or a function from a tissue to its signal, a
            number or an array (*batch) that becomes the leading axes of images and k-space, such as a train of echoes.

        Returns
        -------
        TissuePhantom
        """
        return TissuePhantom(self.regions, contrast, fov=self.fov)

    def moved(self, matrix: Sequence[Sequence[float]] | Tensor, shift: Sequence[float] | None = None) -> TissuePhantom:
        """As `Phantom.moved`, keeping tissues and signals."""
        shapes = super().moved(matrix, shift).shapes
        regions = [Region(r.tissue, shape, r.parent) for r, shape in zip(self.regions, shapes, strict=True)]
        out = TissuePhantom(regions, fov=self.fov)
        out.values = self.values
        return out

    def fractions(self, im_size: Sequence[int], *, oversample: int = 8) -> Tensor:
        """Fraction of every pixel that each region, without its children, fills: (regions, *im_size), float64."""
        size = image_size(im_size, self.ndim)
        out = torch.stack([coverage(r.shape, size, oversample) for r in self.regions])
        whole = out.clone()
        for i, region in enumerate(self.regions):
            if region.parent is not None:
                out[region.parent] -= whole[i]
        return out

    def tissue_maps(self, im_size: Sequence[int], *, oversample: int = 8) -> dict[str, Tensor]:
        """Reference maps of what fills most of each pixel.

        Returns
        -------
        dict of Tensor (*im_size)
            "m0" [relative], "t1", "t2", "t2star" [s] (float32, 0 in air), and "region" (int64 index, -1 in air).
        """
        fractions = self.fractions(im_size, oversample=oversample)
        air = 1.0 - fractions.sum(0, keepdim=True)
        region = torch.cat([air, fractions]).argmax(0) - 1
        maps: dict[str, Tensor] = {"region": region}
        for name in ("m0", "t1", "t2", "t2star"):
            values = torch.tensor([0.0, *(getattr(r.tissue, name) for r in self.regions)])
            maps[name] = values[region + 1]
        return maps

    def _steps(self, contrast: str | Callable[[Tissue], complex | Tensor]) -> Tensor:
        """Signal of each region minus its parent's, (*batch, regions)."""
        if isinstance(contrast, str):
            weighting = _weighting(contrast)
            signal = torch.tensor([abs(weighting(r.tissue)) for r in self.regions], dtype=torch.complex128)
            signal = signal / signal.abs().max()
        else:
            found = [torch.as_tensor(contrast(r.tissue), dtype=torch.complex128).detach().cpu() for r in self.regions]
            shapes = sorted({tuple(values.shape) for values in found})
            if len(shapes) > 1:
                raise ValueError(f"contrast: expected signals of one shape from all tissues, got {shapes}")
            signal = torch.stack(found, dim=-1)
        parents = [r.parent for r in self.regions]
        below = [signal[..., p] if p is not None else torch.zeros_like(signal[..., 0]) for p in parents]
        return signal - torch.stack(below, dim=-1)


def _weighting(name: str) -> Callable[[Tissue], float]:
    """Signal equations of typical protocols at 3 T [s]."""

    def inversion(t: Tissue, inversion_time: float, repetition_time: float) -> float:
        return 1.0 - 2.0 * math.exp(-inversion_time / t.t1) + math.exp(-repetition_time / t.t1)

    table: dict[str, Callable[[Tissue], float]] = {
        "t1": lambda t: t.m0 * inversion(t, 1.05, 2.3) * math.exp(-0.003 / t.t2star),
        "t2": lambda t: t.m0 * (1.0 - math.exp(-5.0 / t.t1)) * math.exp(-0.09 / t.t2),
        "flair": lambda t: t.m0 * inversion(t, 2.6, 9.0) * math.exp(-0.09 / t.t2),
        "pd": lambda t: t.m0 * (1.0 - math.exp(-8.0 / t.t1)) * math.exp(-0.012 / t.t2),
        "t2star": lambda t: t.m0 * (1.0 - math.exp(-1.5 / t.t1)) * math.exp(-0.025 / t.t2star),
    }
    if name not in table:
        raise ValueError(f"contrast: expected one of {sorted(table)} or a function of a tissue, got {name!r}")
    return table[name]
