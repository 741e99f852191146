"""Closed-form signal models: one function per model, and the general op on stacked parameters with its derivatives.

First derivatives for parameters are native, one sweep over the times each. Derivatives for times and angles, and second
derivatives, follow the reference formulas by autograd.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mriops._native.signal_functions import make_function
from mriops._native.signal_models import SIGNAL_MODELS, model_named
from mriops._native.signal_shapes import (
    SIGNAL_MODEL,
    SIGNAL_MODEL_JACOBIAN,
    SIGNAL_MODEL_JVP,
    SIGNAL_MODEL_VJP,
)
from mriops._native.signal_words import SignalModel

from . import reference
from ._declaration import OpDeclaration
from ._factory import define_op
from .reference._signal_arguments import evaluate_with
from .reference.signals import directional

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

_NAMES = tuple(SIGNAL_MODELS)
Rule = Callable[..., Any]


def _formula(model: int, magnitude: bool) -> Callable[[Tensor, Tensor], Tensor]:
    """The signal as a differentiable function of parameters and design."""
    return lambda p, d: reference.signal_model(p, d, model=_NAMES[model], magnitude=magnitude)


def _pull(f: Callable[..., Any], *primals: Tensor) -> Any:
    return torch.func.vjp(f, *primals)[1]


def _zero_if_none(tangent: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if tangent is None else tangent


def _along(parameters: Tensor, design: Tensor, model: int, magnitude: bool) -> Callable[[Tensor], Tensor]:
    """Derivative of the signal along a direction of the parameters, differentiable in all that is fixed here."""

    def derivative(tangent: Tensor) -> Tensor:
        return directional(lambda p: _formula(model, magnitude)(p, design), (parameters,), (tangent,))

    return derivative


def _axis_moved(tensor: Tensor, axis: int | None, to: int) -> Tensor:
    return tensor.unsqueeze(to) if axis is None else tensor.movedim(axis, to)


def _vmap_rule(call: Rule, out_axis: int) -> Rule:
    """Mapped voxels become one more voxel axis; mapped designs are taken one by one, since voxels share theirs."""

    def rule(in_dims: tuple, *args: Any) -> tuple[Tensor, int]:
        *tensors, model, magnitude = args
        design_axis = in_dims[len(tensors) - 1]
        if design_axis is None:
            moved = [_axis_moved(t, axis, 1) for t, axis in zip(tensors[:-1], in_dims)]
            size = max(t.shape[1] for t in moved)
            moved = [t.expand(t.shape[0], size, *t.shape[2:]) for t in moved]
            return call(*moved, tensors[-1], model, magnitude), out_axis
        items = []
        for i in range(tensors[-1].shape[design_axis]):
            own = [t if axis is None else t.select(axis, i) for t, axis in zip(tensors, in_dims)]
            items.append(call(*own, model, magnitude))
        return torch.stack(items), 0

    return rule


_SAME_RANK = {"parameters": lambda model, magnitude: 0, "design": lambda model, magnitude: 2}

# --- value -----------------------------------------------------------------------------------------------------------


def _value_jvp(tangents: tuple, parameters: Tensor, design: Tensor, model: int, magnitude: bool) -> Tensor:
    total = None
    if tangents[0] is not None:
        total = _signal_model_jvp(parameters, tangents[0], design, model, magnitude)
    if tangents[1] is not None:
        f = _formula(model, magnitude)
        term = directional(lambda d: f(parameters, d), (design,), (tangents[1],))
        total = term if total is None else total + term
    if total is None:  # autograd asks only where a tangent came in
        raise RuntimeError("jvp: expected at least one tangent, got none")
    return total


_signal_model = define_op(
    OpDeclaration(
        native=SIGNAL_MODEL,
        schema="(Tensor parameters, Tensor design, int model, bool magnitude) -> Tensor",
        core_rank=_SAME_RANK,
        adjoint={
            "parameters": lambda grad, parameters, design, model, magnitude: _signal_model_vjp(
                grad, parameters, design, model, magnitude
            ),
            "design": lambda grad, parameters, design, model, magnitude: _pull(
                lambda d: _formula(model, magnitude)(parameters, d), design
            )(grad)[0],
        },
        jvp=_value_jvp,
        vmap=lambda in_dims, *args: _vmap_rule(_signal_model, 1)(in_dims, *args),
    )
)

# --- J t -------------------------------------------------------------------------------------------------------------


def _jvp_gradients(
    needs: tuple, grad: Tensor, parameters: Tensor, tangent: Tensor, design: Tensor, model: int, magnitude: bool
) -> list[Tensor | None]:
    found: list[Tensor | None] = [None, None, None]
    if needs[1]:
        found[1] = _signal_model_vjp(grad, parameters, design, model, magnitude)
    if needs[0] or needs[2]:
        full = parameters.expand_as(tangent) if parameters.shape != tangent.shape else parameters
        found[0], found[2] = _pull(lambda p, d: _along(p, d, model, magnitude)(tangent), full, design)(grad)
    return found


def _jvp_tangent(
    tangents: tuple, parameters: Tensor, tangent: Tensor, design: Tensor, model: int, magnitude: bool
) -> Tensor:
    directions = tuple(_zero_if_none(t, x) for t, x in zip(tangents, (parameters, tangent, design)))
    f = lambda p, t, d: _along(p, d, model, magnitude)(t)  # noqa: E731
    return directional(f, (parameters, tangent, design), directions)


_signal_model_jvp = define_op(
    OpDeclaration(
        native=SIGNAL_MODEL_JVP,
        derivative=True,
        schema="(Tensor parameters, Tensor tangent, Tensor design, int model, bool magnitude) -> Tensor",
        core_rank={**_SAME_RANK, "tangent": lambda model, magnitude: 0},
        backward=_jvp_gradients,
        jvp=_jvp_tangent,
        vmap=lambda in_dims, *args: _vmap_rule(_signal_model_jvp, 1)(in_dims, *args),
    )
)

# --- J^T c -----------------------------------------------------------------------------------------------------------


def _contracted(
    cotangent: Tensor, parameters: Tensor, design: Tensor, model: int, magnitude: bool
) -> Callable[..., Tensor]:
    """``<cotangent, J(p, d) t>`` as a function of p, d, t."""
    return lambda p, d, t: (cotangent * _along(p, d, model, magnitude)(t)).sum()


def _vjp_gradients(
    needs: tuple, grad: Tensor, cotangent: Tensor, parameters: Tensor, design: Tensor, model: int, magnitude: bool
) -> list[Tensor | None]:
    found: list[Tensor | None] = [None, None, None]
    if needs[0]:
        found[0] = _signal_model_jvp(parameters, grad, design, model, magnitude)
    if needs[1] or needs[2]:
        f = _contracted(cotangent, parameters, design, model, magnitude)
        full = parameters.expand_as(grad) if parameters.shape != grad.shape else parameters
        one = torch.ones((), dtype=grad.dtype, device=grad.device)
        found[1], found[2] = _pull(lambda p, d: f(p, d, grad), full, design)(one)
    return found


def _vjp_tangent(
    tangents: tuple, cotangent: Tensor, parameters: Tensor, design: Tensor, model: int, magnitude: bool
) -> Tensor:
    directions = tuple(_zero_if_none(t, x) for t, x in zip(tangents, (cotangent, parameters, design)))
    f = lambda c, p, d: _pull(lambda q: _formula(model, magnitude)(q, d), p)(c)[0]  # noqa: E731
    return directional(f, (cotangent, parameters, design), directions)


_signal_model_vjp = define_op(
    OpDeclaration(
        native=SIGNAL_MODEL_VJP,
        derivative=True,
        schema="(Tensor cotangent, Tensor parameters, Tensor design, int model, bool magnitude) -> Tensor",
        core_rank={**_SAME_RANK, "cotangent": lambda model, magnitude: 0},
        backward=_vjp_gradients,
        jvp=_vjp_tangent,
        vmap=lambda in_dims, *args: _vmap_rule(_signal_model_vjp, 1)(in_dims, *args),
    )
)

# --- value and J -----------------------------------------------------------------------------------------------------


def _whole(model: int, magnitude: bool) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda p, d: reference.signal_model_jacobian(p, d, model=_NAMES[model], magnitude=magnitude)


_signal_model_jacobian = define_op(
    OpDeclaration(
        native=SIGNAL_MODEL_JACOBIAN,
        schema="(Tensor parameters, Tensor design, int model, bool magnitude) -> Tensor",
        core_rank=_SAME_RANK,
        backward=lambda needs, grad, parameters, design, model, magnitude: list(
            _pull(_whole(model, magnitude), parameters, design)(grad)
        ),
        jvp=lambda tangents, parameters, design, model, magnitude: directional(
            _whole(model, magnitude),
            (parameters, design),
            tuple(_zero_if_none(t, x) for t, x in zip(tangents, (parameters, design))),
        ),
        vmap=lambda in_dims, *args: _vmap_rule(_signal_model_jacobian, 2)(in_dims, *args),
    )
)


# --- public ----------------------------------------------------------------------------------------------------------


def _compute(parameters: Tensor, design: Tensor, model: SignalModel, magnitude: bool) -> Tensor:
    return _signal_model(parameters, design, model.index, magnitude)


def _function(name: str) -> Callable[..., Tensor]:
    return make_function(SIGNAL_MODELS[name], evaluate_with(_compute), __name__, "Tensor")


def signal_model(parameters: Tensor, design: Tensor, *, model: str, magnitude: bool = False) -> Tensor:
    """Signal of any model from stacked parameters: ``s[t] = f(parameters, design[:, t])``.

    Parameters
    ----------
    parameters
        ``(parameters, *voxels)``, real, in the order of the model's function; complex ones are two rows.
    design
        ``(rows, times)``, real, the same for all voxels.
    model
        Name of the model, such as ``"spgr"`` for :func:`signal_spgr`.
    magnitude
        Give the magnitude of the signal.

    Returns
    -------
    Tensor
        ``(times, *voxels)``; of a complex model ``(times, *voxels, 2)``, real and imaginary part.

    Raises
    ------
    TypeError
        A dtype that is not real.
    ValueError
        An unknown model, shapes that do not fit it, tensors on different devices.

    References
    ----------
    Bernstein MA, King KF, Zhou XJ. Handbook of MRI Pulse Sequences. Elsevier 2004.
    """
    return _signal_model(parameters, design, model_named(model).index, bool(magnitude))


def signal_model_jacobian(parameters: Tensor, design: Tensor, *, model: str, magnitude: bool = False) -> Tensor:
    """Signal and its derivative for each parameter, in one sweep: ``[s, ds/dp_0, ds/dp_1, ...]``.

    Parameters
    ----------
    parameters, design, model, magnitude
        As :func:`signal_model`.

    Returns
    -------
    Tensor
        ``(1 + parameters, times, *voxels[, 2])``.

    Raises
    ------
    TypeError, ValueError
        As :func:`signal_model`.

    References
    ----------
    Griewank A, Walther A. Evaluating Derivatives. SIAM 2008.
    """
    return _signal_model_jacobian(parameters, design, model_named(model).index, bool(magnitude))


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
