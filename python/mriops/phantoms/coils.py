"""Receive sensitivities: Biot-Savart fields of loops around the object, and the Fourier series fitted to them."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mriops._native.arguments import image_size, instance, integer, not_negative, number, positive

WIRE_SEGMENTS = 64  # trapezoid rule on a circle: error falls as exp(-segments x distance/radius)


def coil_maps(
    im_size: Sequence[int],
    n_coils: int,
    *,
    n_rings: int | None = None,
    distance: float = 0.72,
    loop_radius: float | None = None,
    dtype: torch.dtype = torch.complex64,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Sensitivities of circular loops on a cylinder around z, by the law of Biot and Savart.

    s(r) = Bx(r) - i By(r), with B the field of unit current, of loops that face the axis, and scaled so that the
    root-sum-of-squares of all coils is 1 at the centre of the field of view.

    Parameters
    ----------
    im_size : sequence of int
        (y, x) for the slice z = 0, or (z, y, x).
    n_coils : int
    n_rings : int, optional
        Rings of loops along z; by default 1 in 2D and, from 8 coils on, 2 in 3D.
    distance : float
        Radius of the cylinder [field of view].
    loop_radius : float, optional
        [field of view]; by default neighbouring loops overlap by 20 %.

    Returns
    -------
    Tensor (n_coils, *im_size) of `dtype`

    Raises
    ------
    TypeError, ValueError
        If im_size is not 2D or 3D, or n_coils, n_rings, distance or loop_radius is not positive.

    References
    ----------
    Roemer, Edelstein, Hayes, Souza, Mueller. The NMR phased array. MRM 16:192 (1990).
    """
    size = image_size(im_size)
    axes = [(torch.arange(n, dtype=torch.float64, device=device) - n // 2) / n for n in size]
    points = torch.cartesian_prod(*axes).reshape(-1, len(size))
    wires = _loops(*_checked_loops(n_coils, len(size), n_rings, distance, loop_radius))
    return _sensitivity(points, wires).reshape(n_coils, *size).to(dtype)


@dataclass(frozen=True)
class FourierCoils:
    """Sensitivities s_c(r) = sum_l a_cl exp(2 pi i l.r/period), with which multi-coil k-space is a finite sum.

    Parameters
    ----------
    coefficients : Tensor (coils, *(2 order + 1 per axis)), complex128
        a, orders -order..order on each axis (z, y, x).
    period : int
        [field of view]; above 1 the maps need not be periodic over the field of view.
    residual : float
        Relative root-mean-square misfit to the maps they were fitted to, over the disc or ball inscribed in the field
        of view; 0 when the series is the definition.

    Raises
    ------
    ValueError
        If the coefficients have another shape or are real, or the period is no positive integer.

    References
    ----------
    Guerquin-Kern, Lejeune, Pruessmann, Unser. Realistic analytical phantoms for parallel MRI. IEEE TMI 31:626 (2012).
    """

    coefficients: Tensor
    period: int = 2
    residual: float = 0.0

    def __post_init__(self) -> None:
        a = instance("coefficients", self.coefficients, Tensor, "a torch.Tensor")
        if a.ndim not in (3, 4) or any(n % 2 == 0 for n in a.shape[1:]) or not a.is_complex():
            raise ValueError(
                "coefficients: expected complex (coils, odd, odd) or (coils, odd, odd, odd), "
                f"got {a.dtype} {tuple(a.shape)}"
            )
        if not a.numel() or not bool(torch.isfinite(a).all()):
            raise ValueError("coefficients: expected at least one coil of finite values, got none, or NaN or Inf")
        integer("period", self.period, 1, "a positive int")
        number("residual", self.residual, "a number >= 0", not_negative)

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return self.coefficients.ndim - 1

    def terms(self, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """Frequencies l/period (terms, ndim) [cycles per field of view] and coefficients (coils, terms)."""
        axes = [(torch.arange(n, dtype=torch.float64) - n // 2) / self.period for n in self.coefficients.shape[1:]]
        shifts = torch.cartesian_prod(*axes).reshape(-1, self.ndim)
        return shifts.to(device), self.coefficients.reshape(self.coefficients.shape[0], -1).to(device, torch.complex128)

    def maps(
        self, im_size: Sequence[int], *, dtype: torch.dtype = torch.complex64, device: torch.device | str = "cpu"
    ) -> Tensor:
        """The sensitivities on a grid, (coils, *im_size)."""
        size = image_size(im_size, self.ndim)
        out = self.coefficients.to(device, torch.complex128)
        for n in size:  # one axis at a time: the series is separable
            terms = out.shape[1]
            r = (torch.arange(n, dtype=torch.float64, device=out.device) - n // 2) / n
            order = torch.arange(terms, dtype=torch.float64, device=out.device) - terms // 2
            angle = (2.0 * math.pi / self.period) * (order[:, None] * r)
            out = out.movedim(1, -1) @ torch.complex(torch.cos(angle), torch.sin(angle))
        return out.to(dtype)


def fourier_coils(
    n_coils: int,
    *,
    ndim: int = 2,
    order: int | None = None,
    period: int = 2,
    n_rings: int | None = None,
    distance: float = 0.72,
    loop_radius: float | None = None,
) -> FourierCoils:
    """Fourier-series sensitivities fitted to the Biot-Savart loops of `coil_maps`.

    Least squares over the disc (ball) of diameter 1 field of view, damped so that maps stay bounded outside.

    Parameters
    ----------
    n_coils : int
    ndim : {2, 3}
    order : int, optional
        Highest harmonic per axis; 4 in 2D and 3 in 3D by default.
    period : int
        Of the series [field of view].
    n_rings, distance, loop_radius
        As in `coil_maps`.

    Returns
    -------
    FourierCoils

    Raises
    ------
    TypeError, ValueError
        If ndim is not 2 or 3, or n_coils, order, period, n_rings, distance or loop_radius is not positive.
    """
    integer("ndim", ndim, 2, "2 or 3", 3)
    order = (4 if ndim == 2 else 3) if order is None else integer("order", order, 1, "a positive int")
    loops = _checked_loops(n_coils, ndim, n_rings, distance, loop_radius)
    fitted = _fitted(ndim, order, integer("period", period, 1, "a positive int"), loops)
    return dataclasses.replace(fitted, coefficients=fitted.coefficients.clone())


class _Loops(NamedTuple):
    """Coils in rings at a distance from the centre; the radius of a loop follows from these where it is None."""

    n_coils: int
    n_rings: int
    distance: float
    loop_radius: float | None


@functools.lru_cache(maxsize=16)
def _fitted(ndim: int, order: int, period: int, loops: _Loops) -> FourierCoils:
    n = 40 if ndim == 2 else 20
    axis = (torch.arange(n, dtype=torch.float64) + 0.5) / n - 0.5
    points = torch.cartesian_prod(*[axis] * ndim)
    points = points[torch.linalg.vector_norm(points, dim=1) <= 0.5]
    target = _sensitivity(points, _loops(*loops))
    terms = torch.arange(-order, order + 1, dtype=torch.float64) / period
    angle = (2.0 * math.pi) * (points @ torch.cartesian_prod(*[terms] * ndim).T)
    basis = torch.complex(torch.cos(angle), torch.sin(angle))
    gram = basis.mH @ basis
    gram += (1e-7 * points.shape[0]) * torch.eye(gram.shape[0], dtype=gram.dtype)
    solution = torch.linalg.solve(gram, basis.mH @ target.T)
    residual = torch.linalg.vector_norm(basis @ solution - target.T) / torch.linalg.vector_norm(target)
    coefficients = solution.T.reshape([loops.n_coils] + [2 * order + 1] * ndim).contiguous()
    return FourierCoils(coefficients, period, float(residual))


def _checked_loops(n_coils: int, ndim: int, n_rings: int | None, distance: float, loop_radius: float | None) -> _Loops:
    n_coils = integer("n_coils", n_coils, 1, "a positive int")
    if n_rings is None:
        n_rings = 2 if ndim == 3 and n_coils >= 8 else 1
    n_rings = integer("n_rings", n_rings, 1, f"1 to n_coils = {n_coils}", n_coils)
    distance = number("distance", distance, "a positive number", positive)
    if loop_radius is not None:
        loop_radius = number("loop_radius", loop_radius, "a positive number", positive)
    return _Loops(n_coils, n_rings, distance, loop_radius)


def _loops(n_coils: int, n_rings: int, distance: float, loop_radius: float | None) -> Tensor:
    """Wire points (coils, segments, 3) in (z, y, x)."""
    per_ring = [n_coils // n_rings + (ring < n_coils % n_rings) for ring in range(n_rings)]
    radius = min(0.45, 1.2 * math.pi * distance / max(per_ring)) if loop_radius is None else loop_radius
    turn = torch.arange(WIRE_SEGMENTS, dtype=torch.float64) * (2.0 * math.pi / WIRE_SEGMENTS)
    loops = []
    for ring, count in enumerate(per_ring):
        height = (ring - 0.5 * (n_rings - 1)) * min(1.6 * radius, 0.9 / n_rings)
        for i in range(count):
            azimuth = 2.0 * math.pi * (i + 0.5 * (ring % 2)) / count
            outward = torch.tensor([0.0, math.sin(azimuth), math.cos(azimuth)], dtype=torch.float64)
            sideways = torch.tensor([0.0, math.cos(azimuth), -math.sin(azimuth)], dtype=torch.float64)
            upward = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
            circle = torch.cos(turn)[:, None] * sideways + torch.sin(turn)[:, None] * upward
            loops.append(distance * outward + height * upward + radius * circle)
    return torch.stack(loops)


def _sensitivity(points: Tensor, wires: Tensor) -> Tensor:
    """Bx - i By (coils, points) of closed wires; points (points, 2 or 3) in (y, x) or (z, y, x)."""
    origin = points.new_zeros((1, 3))
    if points.shape[1] == 2:
        points = torch.cat([points.new_zeros((points.shape[0], 1)), points], dim=1)
    field = torch.stack([_transverse_field(torch.cat([origin, points]), wire) for wire in wires.to(points.device)])
    return field[:, 1:] / torch.linalg.vector_norm(field[:, 0])


def _transverse_field(points: Tensor, wire: Tensor) -> Tensor:
    spectrum = torch.fft.fft(wire, dim=0)
    frequency = torch.fft.fftfreq(wire.shape[0], 1.0 / wire.shape[0], dtype=torch.float64, device=wire.device)
    element = torch.fft.ifft(1j * frequency[:, None] * spectrum, dim=0).real  # dl of the smooth closed curve
    by, bx = points.new_zeros(points.shape[0]), points.new_zeros(points.shape[0])
    for place, (lz, ly, lx) in zip(wire, element.tolist(), strict=True):
        z, y, x = (points - place).unbind(1)
        weight = (x * x + y * y + z * z).clamp_min(1e-12) ** -1.5
        bx += weight * (ly * z - lz * y)
        by += weight * (lz * x - lx * z)
    return torch.complex(bx, -by)
