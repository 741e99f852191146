"""A signal model with the times and angles of one measurement: parameters in, signal out, derivatives beside it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mriops import ops
from mriops._native.signal_functions import signature_of
from mriops._native.signal_models import model_named
from mriops._native.signal_words import SignalModel
from mriops.ops.reference._signal_arguments import stack_design, stack_parameters

__all__ = ["SignalOp"]


class SignalOp:
    """``parameters -> signal`` of one model and one measurement.

    Parameters
    ----------
    model
        Name, such as ``"spgr"`` for :func:`mriops.ops.signal_spgr`.
    magnitude
        The signal is a magnitude.
    **design
        Times and angles by name, as the model's function takes them [SI units].

    Attributes
    ----------
    names, units, bounds
        Of the parameters, by position and by name.
    design
        ``(rows, times)``, float64.

    Raises
    ------
    ValueError
        No such model, or a design that does not fit it.
    TypeError
        Arguments that are missing or unknown.

    Examples
    --------
    >>> op = SignalOp("mono_exponential", echo_time=[0.01, 0.02])
    Traceback (most recent call last):
    ...
    TypeError: mono_exponential: expected the design time, got echo_time
    """

    def __init__(self, model: str, *, magnitude: bool = False, **design: Any) -> None:
        self.model: SignalModel = model_named(model)
        self.magnitude = bool(magnitude)
        known = {d.name: d.default for d in self.model.design}
        missing = [name for name, default in known.items() if default is None and name not in design]
        if missing or set(design) - set(known):
            raise TypeError(f"{model}: expected the design {', '.join(known)}, got {', '.join(design) or 'nothing'}")
        values = tuple(design.get(name, default) for name, default in known.items())
        self.design = stack_design(self.model, values, torch.device("cpu"))

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.model.name

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, in the order of the model's function."""
        return tuple(p.name for p in self.model.parameters)

    @property
    def units(self) -> dict[str, str]:
        """Unit of each parameter."""
        return {p.name: p.unit for p in self.model.parameters}

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """Bounds of each parameter, which a fit keeps."""
        return {p.name: (p.lower, p.upper) for p in self.model.parameters}

    @property
    def times(self) -> int:
        """Length of the first axis of the signal."""
        return self.design.shape[1]

    @property
    def is_complex(self) -> bool:
        """Whether the signal is complex where the parameters are real."""
        return self.model.is_complex and not self.magnitude

    def stack(self, **parameters: Any) -> Tensor:
        """Real parameters ``(rows, *voxels)``, as :func:`mriops.ops.signal_model` takes them.

        Parameters
        ----------
        **parameters
            By name; those with a default may be left out.

        Returns
        -------
        Tensor
            Stacked.

        Raises
        ------
        TypeError
            Names that are missing or unknown, a complex m0 of a real model.
        """
        stacked, factor = self._stacked(parameters)
        if factor is not None:
            raise TypeError(f"m0: expected a real dtype, got {factor.dtype}")
        return stacked

    def _stacked(self, parameters: dict[str, Any]) -> tuple[Tensor, Tensor | None]:
        """Real parameters, and a complex m0 that a real model leaves outside."""
        defaults = {name: default for name, default in signature_of(self.model) if name in self.names}
        missing = [n for n, default in defaults.items() if default is None and n not in parameters]
        if missing or set(parameters) - set(defaults):
            raise TypeError(f"{self.name}: expected the parameters {', '.join(defaults)}, got {', '.join(parameters)}")
        return stack_parameters(self.model, tuple(parameters.get(n, defaults[n]) for n in self.names))

    def __call__(self, **parameters: Any) -> Tensor:
        """Signal ``(times, *voxels)``; parameters as :meth:`stack` takes them, a complex m0 too."""
        stacked, factor = self._stacked(parameters)
        signal = self.of_stack(stacked)
        if self.is_complex:
            signal = torch.view_as_complex(signal)
        if factor is None:
            return signal
        return signal * (factor.abs() if self.magnitude else factor)

    def of_stack(self, parameters: Tensor) -> Tensor:
        """Signal of stacked parameters, ``(times, *voxels[, 2])``, real."""
        design = self.design.to(device=parameters.device, dtype=parameters.dtype)
        return ops.signal_model(parameters, design, model=self.name, magnitude=self.magnitude)

    def value_and_jacobian(self, **parameters: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Signal, and its derivative for each real parameter, in one sweep.

        Parameters
        ----------
        **parameters
            As :meth:`stack` takes them.

        Returns
        -------
        tuple
            The signal ``(times, *voxels)``, and by name derivatives of its shape; a complex parameter has two,
            ``<name>_real`` and ``<name>_imag``, and a tensor one for each component, ``<name>_0`` ....
        """
        stacked = self.stack(**parameters)
        design = self.design.to(device=stacked.device, dtype=stacked.dtype)
        both = ops.signal_model_jacobian(stacked, design, model=self.name, magnitude=self.magnitude)
        both = torch.view_as_complex(both) if self.is_complex else both
        return both[0], dict(zip(self.model.row_names, both[1:], strict=True))

    def __repr__(self) -> str:
        """``SignalOp('spgr', 10 times)``."""
        return f"SignalOp({self.name!r}, {self.times} times{', magnitude' if self.magnitude else ''})"
