"""Planar trajectories in closed form: rosettes and PROPELLER blades."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mriops._native.arguments import integer, number, positive
from mriops.trajectories.angles import rotations, spoke_angles
from mriops.trajectories.coordinates import check_dtype
from mriops.trajectories.hardware import half_size


def rosette(
    im_size: Sequence[int],
    shots: int,
    readout: int,
    *,
    petals: float = 8.0,
    ratio: float = 0.618,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    r"""Rosettes: oscillation through the centre while the direction turns.

    .. math:: k(t) = \tfrac N2 \sin(\omega_1 t)\, (\sin\omega_2 t, \cos\omega_2 t), \qquad
              \omega_1 t = \pi p\, i / n, \quad \omega_2 = q\,\omega_1

    Parameters
    ----------
    im_size : (y, x)
        N
    shots : int
        Rosettes, turned by equal angles over the circle.
    readout : int
        n
    petals : float
        p, half oscillations in a readout: the centre is crossed at every one.
    ratio : float
        q, turning against oscillation. The default turns by the golden angle from petal to petal; with 1 all petals of
        a shot are one circle, and small values approach a radial spoke.
    dtype : torch.dtype

    Returns
    -------
    Tensor (shots, readout, 2)
        [cycles/FOV], components (y, x).

    Raises
    ------
    TypeError, ValueError
        If a size, count or number of petals is not positive, the ratio is not finite, or dtype is not a real
        floating-point one.

    References
    ----------
    Noll. Multishot rosette trajectories for spectrally selective MR imaging. IEEE TMI 16:372 (1997).
    """
    scale = half_size(im_size, 2)
    check_dtype(dtype)
    number("petals", petals, "a positive number", positive)
    number("ratio", ratio, "a finite number")
    phase = math.pi * petals * np.arange(integer("readout", readout, 1)) / readout
    plane = np.sin(phase)[:, None] * np.stack([np.sin(ratio * phase), np.cos(ratio * phase)], axis=-1)
    turned = np.einsum("sab,tb->sta", rotations(spoke_angles(shots, "uniform", full=False)), plane)
    return torch.from_numpy(turned * scale).to(dtype)


def propeller(
    im_size: Sequence[int],
    blades: int,
    lines: int,
    readout: int | None = None,
    *,
    order: str | float = "uniform",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """PROPELLER: blades of parallel lines through the centre, turned about it.

    Parameters
    ----------
    im_size : (y, x)
        N
    blades : int
    lines : int
        Lines of a blade, one cycle/FOV apart (of the longest axis). The circle is filled from pi N / (2 lines) blades.
    readout : int, optional
        Samples of a line; N of the longest axis if not given.
    order : "uniform", "golden" or float
        Angles of the blades, over half a circle; as in `radial`.
    dtype : torch.dtype

    Returns
    -------
    Tensor (blades * lines, readout, 2)
        [cycles/FOV], components (y, x). The corners of the blades lie on the circle of radius N/2, so that blades of
        many lines are a little shorter than N.

    Raises
    ------
    TypeError, ValueError
        If a size or count is not positive, a blade is wider than the image, or dtype is not a real floating-point
        one.

    References
    ----------
    Pipe. Motion correction with PROPELLER MRI. MRM 42:963 (1999).
    """
    scale = half_size(im_size, 2)
    check_dtype(dtype)
    width = 2 * scale.max()
    if integer("lines", lines, 1) > width:
        raise ValueError(f"lines: expected at most the image size {int(width)}, got {lines}")
    readout = int(width) if readout is None else integer("readout", readout, 1)
    down = (np.arange(lines) - (lines - 1) / 2) / scale.max()
    # The ends of the outermost lines lie on the circle, so that no blade leaves the box however it is turned.
    reach = math.sqrt(max(0.0, 1 - float(np.abs(down).max()) ** 2))
    along = 2 * (np.arange(readout) - readout // 2) / readout * reach
    blade = np.stack(np.broadcast_arrays(down[:, None], along[None]), axis=-1)
    turn = rotations(spoke_angles(integer("blades", blades, 1), order, full=True))
    turned = np.einsum("bij,lrj->blri", turn, blade) * scale
    return torch.from_numpy(turned.reshape(-1, readout, 2)).to(dtype)
