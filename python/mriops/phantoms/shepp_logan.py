"""The Shepp-Logan head phantom in 2D and 3D, with its original and its higher-contrast densities."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mriops.phantoms.ellipsoid import Ellipsoid, rotation_2d
from mriops.phantoms.phantom import Phantom

# centre x, y (y up), half axes x, y, angle [degree], on [-1, 1]^2: Shepp and Logan, IEEE Trans Nucl Sci 21:21 (1974)
_ELLIPSES = (
    (0.0, 0.0, 0.69, 0.92, 0.0),
    (0.0, -0.0184, 0.6624, 0.874, 0.0),
    (0.22, 0.0, 0.11, 0.31, -18.0),
    (-0.22, 0.0, 0.16, 0.41, 18.0),
    (0.0, 0.35, 0.21, 0.25, 0.0),
    (0.0, 0.1, 0.046, 0.046, 0.0),
    (0.0, -0.1, 0.046, 0.046, 0.0),
    (-0.08, -0.605, 0.046, 0.023, 0.0),
    (0.0, -0.605, 0.023, 0.023, 0.0),
    (0.06, -0.605, 0.023, 0.046, 0.0),
)
_ORIGINAL = (2.0, -0.98, -0.02, -0.02, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01)
_MODIFIED = (1.0, -0.8, -0.2, -0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)  # Toft, PhD thesis, DTU (1996), p. 199

# centre x, y, z, half axes x, y, z, angle about z [degree], density: Koay et al., MRM 58:430 (2007), table 1
_ELLIPSOIDS_ORIGINAL = (
    (0.0, 0.0, 0.0, 0.69, 0.92, 0.9, 0.0, 2.0),
    (0.0, 0.0, 0.0, 0.6624, 0.874, 0.88, 0.0, -0.8),
    (-0.22, 0.0, -0.25, 0.41, 0.16, 0.21, 108.0, -0.2),
    (0.22, 0.0, -0.25, 0.31, 0.11, 0.22, 72.0, -0.2),
    (0.0, 0.35, -0.25, 0.21, 0.25, 0.5, 0.0, 0.2),
    (0.0, 0.1, -0.25, 0.046, 0.046, 0.046, 0.0, 0.2),
    (-0.08, -0.65, -0.25, 0.046, 0.023, 0.02, 0.0, 0.1),
    (0.06, -0.65, -0.25, 0.046, 0.023, 0.02, 90.0, 0.1),
    (0.06, -0.105, 0.625, 0.056, 0.04, 0.1, 90.0, 0.2),
    (0.0, 0.1, 0.625, 0.056, 0.056, 0.1, 0.0, -0.2),
)
# the ellipses of the 2D phantom given a height: its slice z = 0 is close to the 2D phantom
_ELLIPSOIDS_MODIFIED = (
    (0.0, 0.0, 0.0, 0.69, 0.92, 0.81, 0.0, 1.0),
    (0.0, -0.0184, 0.0, 0.6624, 0.874, 0.78, 0.0, -0.8),
    (0.22, 0.0, 0.0, 0.11, 0.31, 0.22, -18.0, -0.2),
    (-0.22, 0.0, 0.0, 0.16, 0.41, 0.28, 18.0, -0.2),
    (0.0, 0.35, -0.15, 0.21, 0.25, 0.41, 0.0, 0.1),
    (0.0, 0.1, 0.25, 0.046, 0.046, 0.05, 0.0, 0.1),
    (0.0, -0.1, 0.25, 0.046, 0.046, 0.05, 0.0, 0.1),
    (-0.08, -0.605, 0.0, 0.046, 0.023, 0.05, 0.0, 0.1),
    (0.0, -0.606, 0.0, 0.023, 0.023, 0.02, 0.0, 0.1),
    (0.06, -0.605, 0.0, 0.023, 0.046, 0.02, 0.0, 0.1),
)


def shepp_logan(*, ndim: int = 2, contrast: str = "modified") -> Phantom:
    """The Shepp-Logan phantom, filling the field of view, nose up (towards y = 0).

    Parameters
    ----------
    ndim : {2, 3}
    contrast : {"modified", "original"}
        2D: densities of Toft (0 to 1) or of Shepp and Logan (0 to 2, with features of 1 %).
        3D: the 2D modified phantom extended along z, or the table of Koay et al.

    Returns
    -------
    Phantom

    Raises
    ------
    ValueError
        If ndim or contrast is none of these.

    References
    ----------
    Shepp, Logan. The Fourier reconstruction of a head section. IEEE Trans Nucl Sci 21:21 (1974).
    Koay, Sarlls, Oezarslan. Three-dimensional analytical magnetic resonance imaging phantom in the Fourier domain. MRM
    58:430 (2007).
    """
    if contrast not in ("modified", "original"):
        raise ValueError(f"contrast: expected 'modified' or 'original', got {contrast!r}")
    if ndim == 2:
        ellipses = [
            Ellipsoid.from_axes((-y / 2, x / 2), (b / 2, a / 2), rotation_2d(math.radians(angle)))
            for x, y, a, b, angle in _ELLIPSES
        ]
        return Phantom(ellipses, _MODIFIED if contrast == "modified" else _ORIGINAL)
    if ndim != 3:
        raise ValueError(f"ndim: expected 2 or 3, got {ndim}")
    table = _ELLIPSOIDS_MODIFIED if contrast == "modified" else _ELLIPSOIDS_ORIGINAL
    ellipsoids = [
        Ellipsoid.from_axes((z / 2, -y / 2, x / 2), (c / 2, b / 2, a / 2), _about_z(math.radians(angle)))
        for x, y, z, a, b, c, angle, _ in table
    ]
    return Phantom(ellipsoids, [row[-1] for row in table])


def _about_z(angle: float) -> Tensor:
    matrix = torch.eye(3, dtype=torch.float64)
    matrix[1:, 1:] = rotation_2d(angle)
    return matrix
