"""What gradient coils can do: limits, waveforms on a raster, and the k-space that a waveform traverses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mriops._native.arguments import image_size, instance, number, numbers, one_each, positive
from mriops._native.bloch_shapes import GAMMA as GAMMA
from mriops.trajectories.coordinates import check_dtype, coordinates


class GradientLimits(NamedTuple):
    """Limits of the length of the gradient vector, so that any rotation of a waveform is possible too.

    Attributes
    ----------
    gradient : float
        Amplitude [T/m].
    slew : float
        [T/m/s]
    raster : float
        Time between points of the waveform, which is linear in between [s].
    """

    gradient: float = 40e-3
    slew: float = 150.0
    raster: float = 10e-6


LIMITS = GradientLimits()


class Waveform(NamedTuple):
    """A trajectory with the gradients that play it.

    Attributes
    ----------
    trajectory : Tensor (shots, readout, ndim)
        [cycles/FOV], components in the order of the image axes (z, y, x).
    time : Tensor (readout,)
        When the samples are taken, from the start of the waveform [s].
    gradient : Tensor (shots, steps, ndim)
        [T/m], linear between the points.
    gradient_time : Tensor (steps,)
        [s]
    """

    trajectory: Tensor
    time: Tensor
    gradient: Tensor
    gradient_time: Tensor


def gradient_and_slew(
    trajectory: Tensor, field_of_view: float | Sequence[float], dwell: float
) -> tuple[Tensor, Tensor]:
    r"""Gradients and slew rates that a trajectory asks for, by finite differences.

    .. math:: g_i = \frac{k_{i+1} - k_i}{\gamma\,\Delta t\,L}, \qquad s_i = \frac{g_{i+1} - g_i}{\Delta t}

    Parameters
    ----------
    trajectory : Tensor (*batch, readout, ndim)
        k [cycles/FOV], one sample every `dwell`.
    field_of_view : float or sequence of float
        L, one length or one per component (z, y, x) [m].
    dwell : float
        [s]

    Returns
    -------
    gradient : Tensor (*batch, readout - 1, ndim)
        [T/m]
    slew : Tensor (*batch, readout - 2, ndim)
        [T/m/s]

    Raises
    ------
    TypeError, ValueError
        If the trajectory is not a real floating-point tensor, there are fewer than three samples, or a length or time
        is not positive.

    Notes
    -----
    Differentiable with respect to the trajectory: penalties on the two train a trajectory that a scanner can play.
    """
    coordinates(
        "trajectory", trajectory, "(*batch, readout >= 3, ndim)", lambda shape: len(shape) >= 2 and shape[-2] >= 3
    )
    number("dwell", dwell, "a positive time [s]", positive)
    fov = torch.tensor(check_fov(field_of_view, trajectory.shape[-1]), dtype=trajectory.dtype, device=trajectory.device)
    gradient = trajectory.diff(dim=-2) / (GAMMA * dwell * fov)
    return gradient, gradient.diff(dim=-2) / dwell


def check_fov(field_of_view: float | Sequence[float], ndim: int) -> tuple[float, ...]:
    """One positive length [m] per axis."""
    expected = f"a positive length or {ndim} of them [m]"
    return numbers("field_of_view", one_each(field_of_view, ndim), expected, ndim, positive)


def check_limits(limits: GradientLimits, dwell: float, dtype: torch.dtype) -> None:
    """Positive and finite, all of them; and the dtype of what will come."""
    check_dtype(dtype)
    check_gradient_limits(limits)
    number("dwell", dwell, "a positive number", positive)


def check_gradient_limits(limits: GradientLimits) -> None:
    """Positive and finite, all of them."""
    instance("limits", limits, GradientLimits, "GradientLimits")
    for name, value in limits._asdict().items():
        number(name, value, "a positive number", positive)


def half_size(im_size: Sequence[int], ndim: int | None = None) -> NDArray[np.float64]:
    """N/2 of every axis: what normalised coordinates are multiplied by."""
    return np.array(image_size(im_size, ndim)) / 2.0


def traverse(gradient: NDArray[Any], raster: float, time: NDArray[Any]) -> NDArray[np.float64]:
    """k [cycles/m] at `time` of the piecewise linear gradient (..., steps, ndim) [T/m], from 0 at its start."""
    area = np.zeros_like(gradient)
    np.cumsum(0.5 * raster * (gradient[..., 1:, :] + gradient[..., :-1, :]), axis=-2, out=area[..., 1:, :])
    step = np.clip((time / raster).astype(int), 0, gradient.shape[-2] - 2)
    rest = (time - step * raster)[:, None]
    begin, end = gradient[..., step, :], gradient[..., step + 1, :]
    return GAMMA * (area[..., step, :] + rest * begin + rest**2 / (2 * raster) * (end - begin))
