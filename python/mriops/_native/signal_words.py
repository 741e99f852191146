"""The words in which a closed-form signal model is described: its parameters, what all voxels share, the model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .signal_rows import plain_rows

__all__ = ["DesignInput", "Parameter", "SignalModel"]


class Parameter(NamedTuple):
    """One parameter of a model, a value per voxel.

    ``kind`` is ``"real"``, ``"complex"`` (two rows) or the number of components of a tensor, which come first in its
    shape. ``linear``: the signal is proportional to it; ``affine``: it is ``m0 (u + w v)`` with this parameter as w.
    ``grid`` is ``(first, last, count)``, spaced by powers, or the values themselves, or a function of the rows of the
    design and of the bounds that gives them: where a fit looks for its start. ``minima`` is how many minima along the
    grid it follows to their end, keeping the deepest. The signal is about proportional to a parameter with ``scale``,
    near that value: with ``minima`` and where none is linear, starts are scaled by it. ``default`` makes it optional.
    """

    name: str
    unit: str
    meaning: str
    lower: float = -math.inf
    upper: float = math.inf
    grid: tuple[float, ...] | Callable[[Sequence[Sequence[float]], float, float], list[float]] = ()
    linear: bool = False
    affine: bool = False
    kind: str | int = "real"
    default: float | None = None
    minima: int = 1
    scale: float | None = None

    @property
    def rows(self) -> int:
        """Real numbers per voxel."""
        return self.kind if isinstance(self.kind, int) else 2 if self.kind == "complex" else 1


class DesignInput(NamedTuple):
    """One argument that all voxels share: times, angles. ``per_time``: it has a value for each time, or one for all;
    ``vector``: each has three components.
    """

    name: str
    unit: str
    meaning: str
    default: float | None = None
    per_time: bool = True
    vector: bool = False


class SignalModel(NamedTuple):
    """One model.

    ``rows(xp, *design)`` makes the rows of the kernel's design. ``positive``: no signal of parameters within their
    bounds is below zero. ``begin(xp, rows, signal)`` reads where a fit starts from a complex signal
    ``(times, voxels)``: values of the parameters that are not linear, by name, instead of a grid.
    """

    name: str
    index: int
    title: str
    formula: str
    parameters: tuple[Parameter, ...]
    design: tuple[DesignInput, ...]
    reference: str
    is_complex: bool = False
    positive: bool = False
    rows: Callable[..., list[Any]] = plain_rows
    begin: Callable[..., dict[str, Any]] | None = None
    note: str = ""

    @property
    def n_rows(self) -> int:
        """Real parameters per voxel."""
        return sum(p.rows for p in self.parameters)

    @property
    def row_names(self) -> tuple[str, ...]:
        """Name of each real parameter."""
        names: list[str] = []
        for p in self.parameters:
            if p.kind == "complex":
                names += [f"{p.name}_real", f"{p.name}_imag"]
            elif isinstance(p.kind, int):
                names += [f"{p.name}_{i}" for i in range(p.kind)]
            else:
                names.append(p.name)
        return tuple(names)

    @property
    def function(self) -> str:
        """Name of its function in ``mriops.ops`` and ``mriops.array``."""
        return f"signal_{self.name}"
