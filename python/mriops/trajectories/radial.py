"""Readouts along straight lines through the centre of k-space: radial, kooshball, stack of stars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mriops._native.arguments import integer, number, numbers
from mriops.trajectories.angles import rotations, sphere_directions, spoke_angles
from mriops.trajectories.coordinates import check_dtype, coordinates, finite
from mriops.trajectories.hardware import half_size


def radial(
    im_size: Sequence[int],
    shots: int,
    readout: int | None = None,
    *,
    order: str | float = "golden",
    half: bool = False,
    ramp: float = 0.0,
    start: float = 0.0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    r"""Spokes in a plane.

    .. math:: k_{si} = \tfrac{N}{2}\,\rho_i\,(\sin\varphi_s, \cos\varphi_s), \qquad
              \rho_i = \frac{2}{n}\left(i - \left\lfloor \tfrac n2 \right\rfloor\right)

    Parameters
    ----------
    im_size : (y, x)
        N. Axes of different length are scaled each by its own N/2, which is a circle for square voxels.
    shots : int
        Number of spokes.
    readout : int, optional
        n, samples of a spoke; twice the longest axis if not given (readout oversampling of 2), and half of that for
        half spokes. Sample n//2 lies in the centre.
    order : "uniform", "golden" or float
        Angles of the spokes: equal over the circle, multiples of the golden angle, or of the angle given [rad], for
        instance ``golden_angle(7)``. Half spokes go around the full circle, at twice the golden angle.
    half : bool
        Spokes from the centre outwards, rho from 0 to 1.
    ramp : float
        Share of the readout in [0, 1) during which the gradient ramps up linearly: at the start of half spokes, where
        samples lie closer together near the centre, and at both ends of full ones.
    start : float
        Angle of the first spoke, from x towards y [rad].
    dtype : torch.dtype

    Returns
    -------
    Tensor (shots, readout, 2)
        [cycles/FOV], components (y, x), within [-N/2, N/2]. With frames: ``radial(im_size, frames * shots)`` and
        ``.unflatten(0, (frames, shots))``.

    Raises
    ------
    TypeError, ValueError
        If a size, count, order, angle or share is out of range, or dtype is not a real floating-point one.

    References
    ----------
    Glover, Pauly. Projection reconstruction techniques for reduction of motion effects in MRI. MRM 28:275 (1992).
    """
    scale = half_size(im_size, 2)
    check_dtype(dtype)
    angles = number("start", start, "a finite angle [rad]") + spoke_angles(shots, order, not half)
    direction = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    radius = spoke_radius(_readout(readout, scale, half), half, ramp)
    return torch.from_numpy(direction[:, None] * radius[:, None] * scale).to(dtype)


def kooshball(
    im_size: Sequence[int],
    shots: int,
    readout: int | None = None,
    *,
    order: str = "golden",
    half: bool = False,
    ramp: float = 0.0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Spokes in all directions of space.

    Parameters
    ----------
    im_size : (z, y, x)
    shots, readout, half, ramp, dtype
        As in `radial`.
    order : "golden" or "uniform"
        The two golden means, which cover the sphere evenly in any window of time, or a sunflower lattice of just
        this number of spokes.

    Returns
    -------
    Tensor (shots, readout, 3)
        [cycles/FOV], components (z, y, x).

    Raises
    ------
    TypeError, ValueError
        If a size, count, order, angle or share is out of range, or dtype is not a real floating-point one.

    References
    ----------
    Chan et al. Temporal stability of adaptive 3D radial MRI using multidimensional golden means. MRM 61:354 (2009).
    """
    scale = half_size(im_size, 3)
    check_dtype(dtype)
    direction = sphere_directions(shots, order, not half)
    radius = spoke_radius(_readout(readout, scale, half), half, ramp)
    return torch.from_numpy(direction[:, None] * radius[:, None] * scale).to(dtype)


def stack(
    plane: Tensor,
    partitions: int | Sequence[float] | Tensor,
    *,
    angle: float = 0.0,
    im_size: Sequence[int] | None = None,
) -> Tensor:
    """Repeat a planar trajectory at every kz: stack of stars, of spirals, of anything.

    Parameters
    ----------
    plane : Tensor (shots, readout, 2)
        [cycles/FOV], components (y, x).
    partitions : int or sequence of float
        All partitions kz = -P//2 ... P - P//2 - 1, or those given [cycles/FOV].
    angle : float
        Turn of each partition against the one before [rad].
    im_size : (y, x), optional
        Axis lengths, needed to turn a plane whose axes differ.

    Returns
    -------
    Tensor (partitions * shots, readout, 3)
        Partition by partition; components (z, y, x).

    Raises
    ------
    TypeError, ValueError
        If plane is not a real floating-point tensor (shots, readout, 2), there is no partition, or a kz or the angle is
        not finite.

    Notes
    -----
    Density weights are those of the plane, times the distance of the partitions:
    ``dcf_radial(plane, (y, x)).repeat(partitions, 1)``. `operators.StackOfPlanesOp` transforms such samples plane by
    plane.

    Examples
    --------
    >>> from mriops.trajectories import radial, stack
    >>> stack(radial((64, 64), 10), 16, angle=0.1).shape
    torch.Size([160, 128, 3])
    """
    coordinates("plane", plane, "(shots, readout, 2)", lambda shape: len(shape) == 3 and shape[-1] == 2)
    heights = _heights(partitions).to(plane)
    turn = rotations(number("angle", angle, "a finite angle [rad]") * np.arange(len(heights)))
    turn = torch.from_numpy(turn).to(plane)
    scale = torch.ones(2).to(plane) if im_size is None else torch.from_numpy(half_size(im_size, 2)).to(plane)
    turned = torch.einsum("pab,srb->psra", turn, plane / scale) * scale
    tall = heights[:, None, None, None].expand(*turned.shape[:-1], 1)
    return torch.cat([tall, turned], dim=-1).flatten(0, 1)


def _heights(partitions: int | Sequence[float] | Tensor) -> Tensor:
    """kz of every partition."""
    if isinstance(partitions, (int, np.integer)):
        count = integer("partitions", partitions, 1)
        return torch.arange(count) - count // 2
    expected = "a count or a sequence of finite kz"
    if not isinstance(partitions, Tensor):
        return torch.tensor(numbers("partitions", partitions, expected), dtype=torch.float64)
    if partitions.is_complex() or partitions.dtype == torch.bool:
        raise TypeError(f"partitions: expected {expected}, got {partitions.dtype}")
    if partitions.ndim != 1 or partitions.numel() == 0:
        raise ValueError(f"partitions: expected {expected}, got shape {tuple(partitions.shape)}")
    finite("partitions", partitions)
    return partitions


def spoke_radius(readout: int, half: bool, ramp: float) -> NDArray[np.float64]:
    """Normalised coordinate along a spoke, in [-1, 1), or [0, 1) for half spokes."""
    number("ramp", ramp, "a share in [0, 1)", lambda share: 0 <= share < 1)
    if half:
        time = np.arange(readout) / readout
        # Area of a gradient that ramps up until `ramp` and stays, over the area at the end.
        area = np.where(time < ramp, time**2 / (2 * max(ramp, 1e-300)), time - ramp / 2)
        return area / (1 - ramp / 2)
    time = 2 * (np.arange(readout) - readout // 2) / readout
    late = np.maximum(np.abs(time) - (1 - ramp), 0)
    reach = 1 - ramp / 2
    return np.sign(time) * (np.abs(time) - late**2 / (2 * max(ramp, 1e-300))) / reach


def _readout(readout: int | None, scale: NDArray[np.float64], half: bool) -> int:
    if readout is None:
        return int(2 * scale.max()) * (1 if half else 2)
    return integer("readout", readout, 1)
