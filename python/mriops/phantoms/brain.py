"""A brain-like head: an axial slice of folded cortex, deep grey matter and skull, and a simpler 3D head."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from importlib import resources

import torch
from torch import Tensor

from mriops.phantoms.contour import Contour
from mriops.phantoms.ellipsoid import Ellipsoid, rotation_2d
from mriops.phantoms.shapes import Shape
from mriops.phantoms.tissue import Region, Tissue, TissuePhantom

FOV = 0.24  # [m]

# Typical values at 3 T: Wansapura et al., JMRI 9:531 (1999); Stanisz et al., MRM 54:507 (2005). m0 of fat includes its
# connective tissue.
TISSUES = {
    t.name: t
    for t in (
        Tissue("skin", 0.50, 1.00, 0.040, 0.025),
        Tissue("fat", 0.50, 0.38, 0.085, 0.035),
        Tissue("muscle", 0.75, 1.25, 0.040, 0.028),
        Tissue("bone", 0.04, 0.50, 0.010, 0.001),
        Tissue("marrow", 0.32, 0.45, 0.070, 0.012),
        Tissue("csf", 1.00, 4.20, 1.500, 0.600),
        Tissue("blood", 0.80, 1.70, 0.060, 0.030),
        Tissue("grey matter", 0.82, 1.33, 0.098, 0.066),
        Tissue("white matter", 0.70, 0.85, 0.074, 0.053),
        Tissue("thalamus", 0.78, 1.12, 0.085, 0.052),
        Tissue("caudate", 0.81, 1.27, 0.090, 0.050),
        Tissue("putamen", 0.80, 1.18, 0.082, 0.044),
        Tissue("pallidum", 0.75, 0.98, 0.066, 0.030),
        Tissue("lesion", 0.82, 1.40, 0.170, 0.110),
    )
}

# name in brain_contours.json, tissue, parent
_SLICE = (
    ("head", "skin", None),
    ("fat", "fat", "head"),
    ("muscle", "muscle", "fat"),
    ("skull", "bone", "fat"),
    ("marrow", "marrow", "skull"),
    ("intracranial", "csf", "skull"),
    ("sinus", "blood", "intracranial"),
    ("grey", "grey matter", "intracranial"),
    ("white", "white matter", "grey"),
    ("ventricles", "csf", "white"),
    ("thalamus", "thalamus", "white"),
    ("third_ventricle", "csf", "thalamus"),
    ("caudate", "caudate", "white"),
    ("putamen", "putamen", "white"),
    ("pallidum", "pallidum", "white"),
    ("claustrum", "grey matter", "white"),
)

# name, tissue, parent, centre (z, y, x), half axes (z, y, x) [mm], tilt about z [degree]; z towards the crown
_HEAD = (
    ("head", "skin", None, (0, 0, 0), (100, 99, 78), 0),
    ("fat", "fat", "head", (0, 0, 0), (98, 97, 76), 0),
    ("outer table", "bone", "fat", (2, 0, 0), (91, 91, 70), 0),
    ("diploe", "marrow", "outer table", (2, 0, 0), (89, 89, 68.2), 0),
    ("inner table", "bone", "diploe", (2, 0, 0), (86.5, 86.5, 66), 0),
    ("intracranial", "csf", "inner table", (2, 0, 0), (84.5, 84.5, 64), 0),
    ("cerebrum", "grey matter", "intracranial", (2, 0, 0), (81, 81, 60.5), 0),
    ("falx", "csf", "cerebrum", (44, 0, 0), (31, 62, 1.2), 0),
    ("white left", "white matter", "cerebrum", (18, -1, -26.5), (46, 63, 23.5), 0),
    ("white right", "white matter", "cerebrum", (18, -1, 26.5), (46, 63, 23.5), 0),
    ("ventricle left", "csf", "white left", (20, 0, -16), (9, 30, 4.5), -10),
    ("ventricle right", "csf", "white right", (20, 0, 16), (9, 30, 4.5), 10),
    ("thalamus left", "thalamus", "white left", (0, 10, -16), (9, 13, 6.5), 0),
    ("thalamus right", "thalamus", "white right", (0, 10, 16), (9, 13, 6.5), 0),
    ("putamen left", "putamen", "white left", (1, -8, -31), (11, 17, 5), 12),
    ("putamen right", "putamen", "white right", (1, -8, 31), (11, 17, 5), -12),
    ("cerebellar white", "white matter", "cerebrum", (-48, 34, 0), (12, 20, 30), 0),
    ("brain stem", "white matter", "cerebrum", (-50, 0, 0), (26, 9, 11), 0),
    ("third ventricle", "csf", "cerebrum", (2, 6, 0), (9, 14, 1.5), 0),
    ("lesion 1", "lesion", "white left", (34, 30, -34), (4, 6, 3.5), 20),
    ("lesion 2", "lesion", "white right", (36, -28, 32), (3, 3.5, 4), 0),
)


def brain(
    *, ndim: int = 2, contrast: str | Callable[[Tissue], complex | Tensor] = "t1", lesions: bool = True
) -> TissuePhantom:
    """A brain-like object with exact k-space: tissues with relaxation times in smooth, nested regions.

    Parameters
    ----------
    ndim : {2, 3}
        2: an axial slice through the basal ganglia with folded cortex, forehead towards y = 0. 3: a whole head of
        ellipsoids, crown towards large z.
    contrast : str or callable
        "t1", "t2", "flair", "pd", "t2star", or a function of a `Tissue`; see `TissuePhantom.seen`.
    lesions : bool
        With bright (T2) spots in the white matter.

    Returns
    -------
    TissuePhantom
        Over a field of view of 0.24 m.

    Raises
    ------
    ValueError
        If ndim or contrast is none of these.

    References
    ----------
    Guerquin-Kern, Lejeune, Pruessmann, Unser. Realistic analytical phantoms for parallel MRI. IEEE TMI 31:626 (2012).
    """
    if ndim == 2:
        regions = _slice_regions()
    elif ndim == 3:
        regions = _head_regions()
    else:
        raise ValueError(f"ndim: expected 2 or 3, got {ndim}")
    kept = [r for r in regions if lesions or r.tissue.name != "lesion"]  # lesions are leaves and come last
    return TissuePhantom(kept, contrast, fov=FOV)


@functools.lru_cache(maxsize=1)
def _slice_regions() -> tuple[Region, ...]:
    text = resources.files("mriops.phantoms").joinpath("brain_contours.json").read_text(encoding="utf-8")
    curves = json.loads(text)
    spots = curves.pop("lesions")
    shapes: dict[str, Shape] = {
        name: Contour(
            [torch.tensor(p, dtype=torch.float64) * 1e-5 for p in curve["loops"]],
            [torch.tensor(p, dtype=torch.float64) * 1e-5 for p in curve["holes"]],
        )
        for name, curve in curves.items()
    }
    names = [name for name, _, _ in _SLICE]
    regions = [Region(TISSUES[t], shapes[n], names.index(p) if p else None) for n, t, p in _SLICE]
    for y, x, half_y, half_x, tilt in spots:
        shape = Ellipsoid.from_axes((y, x), (half_y, half_x), rotation_2d(-math.radians(tilt)))
        regions.append(Region(TISSUES["lesion"], shape, names.index("white")))
    return tuple(regions)


def _head_regions() -> tuple[Region, ...]:
    names = [row[0] for row in _HEAD]
    regions = []
    for _, tissue, parent, centre, half_axes, tilt in _HEAD:
        turn = torch.eye(3, dtype=torch.float64)
        turn[1:, 1:] = rotation_2d(math.radians(tilt))
        millimetre = 1e-3 / FOV
        shape = Ellipsoid.from_axes([c * millimetre for c in centre], [a * millimetre for a in half_axes], turn)
        regions.append(Region(TISSUES[tissue], shape, names.index(parent) if parent else None))
    return tuple(regions)
