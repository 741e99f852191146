"""The closed-form signal models, and what derivatives of a model mean, by autograd."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mriops._native.signal_functions import make_function
from mriops._native.signal_models import SIGNAL_MODELS
from mriops._native.signal_words import SignalModel

from ._signal_arguments import evaluate_with

__all__ = [
    "signal_asl_continuous",
    "signal_asl_pulsed",
    "signal_bi_exponential",
    "signal_bssfp",
    "signal_diffusion",
    "signal_diffusion_kurtosis",
    "signal_diffusion_tensor",
    "signal_inversion_recovery",
    "signal_ivim",
    "signal_look_locker",
    "signal_model",
    "signal_model_jacobian",
    "signal_model_jvp",
    "signal_model_vjp",
    "signal_molli",
    "signal_mono_exponential",
    "signal_mp2rage",
    "signal_phase_contrast",
    "signal_saturation_recovery",
    "signal_spgr",
    "signal_stretched_exponential",
    "signal_tofts",
    "signal_water_fat",
]

Rows = tuple[Tensor, ...]


def rate(time: Tensor) -> Tensor:
    """``1 / time``: 0 for infinity, 1e18 for zero, NaN for negative times."""
    return torch.where(time >= 0, 1 / time.clamp_min(1e-18), math.nan)


def _quotient(numerator: Tensor, denominator: Tensor) -> Tensor:
    """``numerator / denominator``; 0 where both are, as with no pulse and no relaxation, whose signal is 0."""
    nothing = (numerator == 0) & (denominator == 0)
    return numerator / torch.where(nothing, 1, denominator)


def _lost(angle: Tensor) -> Tensor:
    """``1 - cos(angle)`` without cancellation."""
    return 2 * torch.sin(angle / 2).square()


def _mono_exponential(p: Rows, d: Rows) -> Tensor:
    return p[0] * torch.exp(-d[0] * rate(p[1]))


def _bi_exponential(p: Rows, d: Rows) -> Tensor:
    return p[0] * (p[1] * torch.exp(-d[0] * rate(p[2])) + (1 - p[1]) * torch.exp(-d[0] * rate(p[3])))


def _stretched_exponential(p: Rows, d: Rows) -> Tensor:
    x = d[0] * rate(p[1])
    start = x == 0  # where the signal is m0 for any exponent
    over = p[2] * torch.log(x) > 9  # where it is 0, and the power perhaps infinite
    power = torch.where(start | over, 1, x).pow(p[2])
    return p[0] * torch.where(start, 1, torch.where(over, 0, torch.exp(-power)))


def _inversion_recovery(p: Rows, d: Rows) -> Tensor:
    r = rate(p[1])
    return p[0] * (1 - (1 + p[2]) * torch.exp(-d[0] * r) + p[2] * torch.exp(-d[1] * r))


def _saturation_recovery(p: Rows, d: Rows) -> Tensor:
    return p[0] * (1 - p[2] * torch.exp(-d[0] * rate(p[1])))


def _molli(p: Rows, d: Rows) -> Tensor:
    return p[0] * (1 - (1 + p[2]) * torch.exp(-d[0] * p[2] * rate(p[1])))


def _look_locker(p: Rows, d: Rows) -> Tensor:
    r, angle, tr = rate(p[1]), d[1] * p[2], d[2]
    recovered = -torch.expm1(-tr * r)
    steady = _quotient(recovered, _lost(angle) + recovered * torch.cos(angle))
    apparent = r - torch.log(torch.cos(angle)) / tr
    return p[0] * torch.sin(angle) * (steady - (steady + p[3]) * torch.exp(-d[0] * apparent))


def _spgr(p: Rows, d: Rows) -> Tensor:
    angle, recovered = d[0] * p[2], -torch.expm1(-d[1] * rate(p[1]))
    return p[0] * torch.sin(angle) * _quotient(recovered, _lost(angle) + recovered * torch.cos(angle))


def _bssfp(p: Rows, d: Rows) -> Tensor:
    m0 = torch.complex(p[0], p[1])
    recovered, e2 = -torch.expm1(-d[1] * rate(p[2])), torch.exp(-d[1] * rate(p[3]))
    angle, phase = d[0] * p[5], 2 * math.pi * p[4] * d[1] + d[3]
    c = torch.cos(angle)
    lost = _lost(angle)
    denominator = (lost + recovered * c) * (1 - e2 * torch.cos(phase)) - e2 * (lost - recovered) * (
        e2 - torch.cos(phase)
    )
    scale = _quotient(recovered * torch.sin(angle), denominator)
    just_after = torch.complex(scale * e2 * torch.sin(phase), scale * (1 - e2 * torch.cos(phase)))
    return m0 * just_after * torch.exp(torch.complex(-d[2] * rate(p[3]), -2 * math.pi * p[4] * d[2]))


def _mp2rage(p: Rows, d: Rows) -> Tensor:
    r = rate(p[1])
    trains = range(d[0].shape[0])

    def recover(m: Tensor, time: Tensor) -> Tensor:
        return 1 + (m - 1) * torch.exp(-time * r)

    def pulses(m: Tensor, i: int, count: Tensor) -> Tensor:
        recovered, angle, n = -torch.expm1(-d[2][i] * r), d[1][i] * p[2], count.detach()
        kept = ((1 - recovered) * torch.cos(angle)).pow(n)
        return m * kept + (1 - kept) * _quotient(recovered, _lost(angle) + recovered * torch.cos(angle))

    def cycle(m: Tensor) -> Tensor:
        m = -p[3] * m
        for i in trains:
            m = pulses(recover(m, d[0][i]), i, d[3][i] + d[4][i])
        return recover(m, d[5][0])

    rest = cycle(torch.zeros_like(r + p[2] + p[3]))
    m = -p[3] * rest / (1 - (cycle(torch.ones_like(rest)) - rest))
    signals = []
    for i in trains:
        m = pulses(recover(m, d[0][i]), i, d[3][i])
        signals.append(p[0] * torch.sin(d[1][i] * p[2]) * m)
        m = pulses(m, i, d[4][i])
    return torch.stack(signals)


def _water_fat(p: Rows, d: Rows) -> Tensor:
    water, fat = torch.complex(p[0], p[1]), torch.complex(p[2], p[3])
    phasor = torch.complex(d[1], d[2])
    return (water + fat * phasor) * torch.exp(torch.complex(-p[5] * d[0], -2 * math.pi * p[4] * d[0]))


def _exponential_of_sum(p: Rows, d: Rows) -> Tensor:
    return p[0] * torch.exp(-sum((b * x for b, x in zip(d, p[1:], strict=True)), start=torch.zeros_like(p[0])))


def _kurtosis(p: Rows, d: Rows) -> Tensor:
    diffusion, mean = sum(b * x for b, x in zip(d[:6], p[1:7], strict=True)), (p[1] + p[2] + p[3]) / 3
    excess = sum(b * x for b, x in zip(d[6:], p[7:], strict=True))
    return p[0] * torch.exp(-(diffusion + mean * mean * excess))


def _ivim(p: Rows, d: Rows) -> Tensor:
    return p[0] * (p[1] * torch.exp(-d[0] * p[2]) + (1 - p[1]) * torch.exp(-d[0] * p[3]))


def _ramp(x: Tensor) -> tuple[Tensor, Tensor]:
    """``(1 - exp(-x)) / x`` and ``(x - 1 + exp(-x)) / x^2``, by their series near 0."""
    near = x.abs() < 0.5
    small, safe = torch.where(near, -x, 0), torch.where(near, 1.0, x)
    flat = sum((small**k / math.factorial(k + 1) for k in range(1, 15)), start=torch.ones_like(x))
    slope = sum((small**k / math.factorial(k + 2) for k in range(1, 15)), start=torch.full_like(x, 0.5))
    exact = -torch.expm1(-safe) / safe
    return torch.where(near, flat, exact), torch.where(near, slope, (1 - exact) / safe)


def _tofts(p: Rows, d: Rows) -> Tensor:
    kep = p[0] * rate(p[1])
    held = torch.zeros_like(kep)
    signals = [p[2] * d[1][0] + p[0] * held]
    for i in range(1, d[0].shape[0]):
        step, before, now = d[0][i] - d[0][i - 1], d[1][i - 1], d[1][i]
        flat, slope = _ramp(step * kep)
        held = held * torch.exp(-step * kep) + step * (before * flat + (now - before) * slope)
        signals.append(p[0] * held + p[2] * now)
    return torch.stack(signals)


def _phase_contrast(p: Rows, d: Rows) -> Tensor:
    phase = d[0] * p[2] + d[1] * p[3] + d[2] * p[4]
    return torch.complex(p[0], p[1]) * torch.exp(torch.complex(torch.zeros_like(phase), phase))


def _asl(p: Rows, d: Rows, pulsed: bool) -> Tensor:
    blood, both = rate(p[4]), rate(p[3]) + p[1] * d[2]
    since = d[0] - p[2]
    arrived = torch.minimum(since.clamp_min(0), d[1])
    after = (since - d[1]).clamp_min(0)
    # As blood and then as tissue: what comes through the lower of two rates needs no exponential that grows.
    faster = both > blood
    low, high = (
        (torch.where(faster, blood, both), torch.where(faster, both, blood))
        if pulsed
        else (torch.zeros_like(both), both)
    )
    decay = torch.exp(-p[2] * blood - arrived * low - after * both)
    return 2 * p[0] * p[1] * decay * arrived * _ramp((high - low) * arrived)[0]


FORMULAS: dict[str, Callable[[Rows, Rows], Tensor]] = {
    "mono_exponential": _mono_exponential,
    "bi_exponential": _bi_exponential,
    "stretched_exponential": _stretched_exponential,
    "inversion_recovery": _inversion_recovery,
    "saturation_recovery": _saturation_recovery,
    "look_locker": _look_locker,
    "molli": _molli,
    "spgr": _spgr,
    "bssfp": _bssfp,
    "mp2rage": _mp2rage,
    "water_fat": _water_fat,
    "diffusion": _exponential_of_sum,
    "diffusion_tensor": _exponential_of_sum,
    "diffusion_kurtosis": _kurtosis,
    "ivim": _ivim,
    "tofts": _tofts,
    "phase_contrast": _phase_contrast,
    "asl_continuous": lambda p, d: _asl(p, d, False),
    "asl_pulsed": lambda p, d: _asl(p, d, True),
}


def signal_model(parameters: Tensor, design: Tensor, *, model: str, magnitude: bool = False) -> Tensor:
    """Signal ``(times, *voxels)``, complex ones with a last axis (re, im).

    Parameters
    ----------
    parameters
        ``(parameters, *voxels)``.
    design
        ``(rows, times)``.
    model
        Name of the model.
    magnitude
        Give the magnitude.

    Returns
    -------
    Tensor
        ``(times, *voxels[, 2])``.
    """
    rows = design.to(parameters.dtype).reshape(*design.shape, *(1,) * (parameters.ndim - 1))
    signal = FORMULAS[model](parameters.unbind(0), rows.unbind(0))
    if magnitude:
        return signal.abs()
    return torch.view_as_real(signal) if signal.is_complex() else signal


def _pull(f: Callable[..., Any], *primals: Tensor) -> tuple[Any, Callable[..., Any]]:
    return torch.func.vjp(f, *primals)[:2]


def directional(f: Callable[..., Tensor], primals: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> Tensor:
    """``J t`` by two reverse sweeps: forward mode does not nest inside a caller's forward mode."""
    output, pull = _pull(f, *primals)
    return _pull(pull, torch.zeros_like(output))[1](tangents)[0]


def signal_model_jvp(
    parameters: Tensor, tangent: Tensor, design: Tensor, *, model: str, magnitude: bool = False
) -> Tensor:
    """Derivative of the signal along ``tangent``.

    Parameters
    ----------
    parameters, tangent
        ``(parameters, *voxels)``.
    design, model, magnitude
        As :func:`signal_model`.

    Returns
    -------
    Tensor
        ``(times, *voxels[, 2])``.
    """
    parameters, tangent = torch.broadcast_tensors(parameters, tangent.to(parameters.dtype))
    f = lambda p: signal_model(p, design, model=model, magnitude=magnitude)  # noqa: E731
    return directional(f, (parameters,), (tangent,))


def signal_model_vjp(
    cotangent: Tensor, parameters: Tensor, design: Tensor, *, model: str, magnitude: bool = False
) -> Tensor:
    """Adjoint of :func:`signal_model_jvp`.

    Parameters
    ----------
    cotangent
        ``(times, *voxels[, 2])``.
    parameters, design, model, magnitude
        As :func:`signal_model`.

    Returns
    -------
    Tensor
        ``(parameters, *voxels)``.
    """
    tail = cotangent.shape[cotangent.ndim - (cotangent.ndim - parameters.ndim) :]
    voxels = torch.broadcast_shapes(parameters.shape[1:], cotangent.shape[1 : cotangent.ndim - len(tail)])
    parameters = parameters.to(cotangent.dtype).expand(parameters.shape[0], *voxels)
    cotangent = cotangent.expand(cotangent.shape[0], *voxels, *tail)
    return _pull(lambda p: signal_model(p, design, model=model, magnitude=magnitude), parameters)[1](cotangent)[0]


def signal_model_jacobian(parameters: Tensor, design: Tensor, *, model: str, magnitude: bool = False) -> Tensor:
    """The signal, and behind it its derivative for each parameter.

    Parameters
    ----------
    parameters, design, model, magnitude
        As :func:`signal_model`.

    Returns
    -------
    Tensor
        ``(1 + parameters, times, *voxels[, 2])``.
    """
    f = lambda p: signal_model(p, design, model=model, magnitude=magnitude)  # noqa: E731
    units = torch.eye(parameters.shape[0], dtype=parameters.dtype, device=parameters.device)
    units = units.reshape(*units.shape, *(1,) * (parameters.ndim - 1))
    columns = [directional(f, (parameters,), (unit.expand_as(parameters),)) for unit in units]
    return torch.stack([f(parameters), *columns])


def _compute(parameters: Tensor, design: Tensor, model: SignalModel, magnitude: bool) -> Tensor:
    return signal_model(parameters, design, model=model.name, magnitude=magnitude)


def _function(name: str) -> Callable[..., Tensor]:
    return make_function(SIGNAL_MODELS[name], evaluate_with(_compute), __name__, "Tensor")


signal_mono_exponential = _function("mono_exponential")
signal_bi_exponential = _function("bi_exponential")
signal_stretched_exponential = _function("stretched_exponential")
signal_inversion_recovery = _function("inversion_recovery")
signal_saturation_recovery = _function("saturation_recovery")
signal_look_locker = _function("look_locker")
signal_molli = _function("molli")
signal_spgr = _function("spgr")
signal_bssfp = _function("bssfp")
signal_mp2rage = _function("mp2rage")
signal_water_fat = _function("water_fat")
signal_diffusion = _function("diffusion")
signal_diffusion_tensor = _function("diffusion_tensor")
signal_diffusion_kurtosis = _function("diffusion_kurtosis")
signal_ivim = _function("ivim")
signal_tofts = _function("tofts")
signal_phase_contrast = _function("phase_contrast")
signal_asl_continuous = _function("asl_continuous")
signal_asl_pulsed = _function("asl_pulsed")
