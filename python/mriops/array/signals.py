"""Closed-form signal models on NumPy and CuPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mriops._native.dtypes import COMPLEX_OF
from mriops._native.signal_functions import check_design, check_lengths, make_function
from mriops._native.signal_models import SIGNAL_MODELS, model_named
from mriops._native.signal_shapes import SIGNAL_MODEL, SIGNAL_MODEL_JACOBIAN
from mriops._native.signal_words import SignalModel

from ._call import array_facts, array_module, call

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


def _array(name: str, value: Any, xp: Any) -> Any:
    if isinstance(value, (bool, str, bytes)) or value is None:
        raise TypeError(f"{name}: expected an array or a number, got {value!r}")
    if isinstance(value, (int, float, complex, list, tuple, np.number)):
        return xp.asarray(value, dtype="complex128" if isinstance(value, (complex, np.complexfloating)) else "float64")
    array_facts(name, value)
    return value


def _stack_parameters(model: SignalModel, values: tuple, xp: Any) -> tuple[Any, Any]:
    """Rows of one real dtype, and a complex m0 that a real model leaves outside."""
    given = [v.dtype for v in values if hasattr(v, "dtype") and v.dtype.kind in "fc" and not isinstance(v, np.number)]
    wide = any(dtype.name in ("float64", "complex128") for dtype in given)
    dtype = "float64" if wide else "float32"
    arrays = [_array(p.name, v, xp) for p, v in zip(model.parameters, values, strict=True)]
    rows: list[Any] = []
    factor = None
    for p, array in zip(model.parameters, arrays, strict=True):
        if p.kind == "complex":
            rows += [array.real, array.imag]
        elif isinstance(p.kind, int):
            if array.ndim == 0 or array.shape[0] != p.kind:
                raise ValueError(
                    f"{p.name}: expected {p.kind} components ({p.meaning}) first, got shape {tuple(array.shape)}"
                )
            rows += list(array)
        elif array.dtype.kind == "c" and p.name == "m0":
            factor = array
            rows.append(xp.ones(array.shape, dtype))
        elif array.dtype.kind == "c":
            raise TypeError(f"{p.name}: expected a real dtype, got {array.dtype}")
        else:
            rows.append(array)
    try:
        rows = xp.broadcast_arrays(*[xp.asarray(row, dtype=dtype) for row in rows])
    except ValueError as error:
        shapes = ", ".join(f"{n} {tuple(row.shape)}" for n, row in zip(model.row_names, rows, strict=True))
        raise ValueError(f"parameters: expected shapes that broadcast, got {shapes}") from error
    return xp.stack(rows), factor


def _stack_design(model: SignalModel, values: tuple, xp: Any) -> Any:
    arrays = [_array(d.name, v, xp) for d, v in zip(model.design, values, strict=True)]
    for d, array in zip(model.design, arrays, strict=True):
        if array.dtype.kind == "c":
            raise TypeError(f"{d.name}: expected a real dtype, got {array.dtype}")
    times = check_lengths(model, [tuple(a.shape) for a in arrays])
    if xp is np:
        check_design(model, [a.reshape(-1).tolist() for a in arrays])
    rows = model.rows(xp, *(a.astype("float64") for a in arrays))
    return xp.stack([xp.broadcast_to(row, (times,)) for row in rows])


def _evaluate(model: SignalModel, parameters: tuple, design: tuple, magnitude: bool) -> Any:
    arrays = [value for value in (*parameters, *design) if type(value).__module__.partition(".")[0] == "cupy"]
    xp = array_module(arrays[0] if arrays else None)
    stacked, factor = _stack_parameters(model, parameters, xp)
    rows = _stack_design(model, design, xp).astype(stacked.dtype)
    signal = call(SIGNAL_MODEL, (stacked, rows), (model.index, bool(magnitude)))
    if model.is_complex and not magnitude:
        return signal.view(COMPLEX_OF[signal.dtype.name])[..., 0]
    if factor is None:
        return signal
    # A number without a dtype of its own does not widen the signal.
    factor = factor.astype(COMPLEX_OF[signal.dtype.name], copy=False)
    return signal * (abs(factor) if magnitude else factor)


def _function(name: str) -> Callable[..., Any]:
    return make_function(SIGNAL_MODELS[name], _evaluate, __name__, "ndarray")


def signal_model(parameters: Any, design: Any, *, model: str, magnitude: bool = False) -> Any:
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
    ndarray
        ``(times, *voxels)``; of a complex model ``(times, *voxels, 2)``, real and imaginary part.

    Raises
    ------
    TypeError
        A dtype that is not real.
    ValueError
        An unknown model, shapes that do not fit it, arrays on different devices.

    References
    ----------
    Bernstein MA, King KF, Zhou XJ. Handbook of MRI Pulse Sequences. Elsevier 2004.
    """
    return call(SIGNAL_MODEL, (parameters, design), (model_named(model).index, bool(magnitude)))


def signal_model_jacobian(parameters: Any, design: Any, *, model: str, magnitude: bool = False) -> Any:
    """Signal and its derivative for each parameter, in one sweep: ``[s, ds/dp_0, ds/dp_1, ...]``.

    Parameters
    ----------
    parameters, design, model, magnitude
        As :func:`signal_model`.

    Returns
    -------
    ndarray
        ``(1 + parameters, times, *voxels[, 2])``.

    Raises
    ------
    TypeError, ValueError
        As :func:`signal_model`.

    References
    ----------
    Griewank A, Walther A. Evaluating Derivatives. SIAM 2008.
    """
    return call(SIGNAL_MODEL_JACOBIAN, (parameters, design), (model_named(model).index, bool(magnitude)))


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
