"""Fingerprinting: the signals of a pulse train over a grid of T1, T2 and B1, and how well each entry is determined."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mriops import ops
from mriops._native.arguments import instance, not_negative, number, one_each

from .dictionary import Dictionary

__all__ = ["PulseTrain", "fingerprint_deviation", "fingerprints"]

SPOILING = ("gradient", "rf", "ideal")
_ATOMS = 1024


@dataclass(frozen=True)
class PulseTrain:
    """A gradient-echo train with one sample per pulse, as fingerprinting plays it.

    Parameters
    ----------
    flip_angle
        One angle per pulse [rad].
    repetition_time, echo_time
        One for all pulses, or one per pulse [s]. Signals are differentiable in tensors of these and of the angles.
    inversion_time
        From an adiabatic inversion to the first pulse [s]; no inversion where ``None``.
    phase
        Of each pulse [rad], with gradient spoiling only; 0 where ``None``.
    spoiling
        ``"gradient"`` (:func:`mriops.ops.epg_fisp`), ``"rf"`` (:func:`mriops.ops.epg_spgr`) or ``"ideal"``: nothing
        transverse outlives a repetition.

    Raises
    ------
    ValueError
        An empty train, lengths that differ, times that are not positive, an echo later than the next pulse, an unknown
        spoiling.
    TypeError
        Angles or times that are no real numbers.

    References
    ----------
    Ma D, et al. Magnetic resonance fingerprinting. Nature 2013;495:187-192. Jiang Y, et al. MR fingerprinting using
    fast imaging with steady state precession (FISP) with spiral readout. Magn Reson Med 2015;74:1621-1631.
    """

    flip_angle: Sequence[float]
    repetition_time: float | Sequence[float]
    echo_time: float | Sequence[float]
    inversion_time: float | None = None
    phase: Sequence[float] | None = None
    spoiling: str = "gradient"

    def __post_init__(self) -> None:
        pulses = len(self.flip_angle) if _is_row(self.flip_angle) else 0
        if not pulses:
            raise ValueError(f"flip_angle: expected one angle per pulse, got {self.flip_angle!r}")
        if self.spoiling not in SPOILING:
            raise ValueError(f"spoiling: expected one of {', '.join(SPOILING)}, got {self.spoiling!r}")
        if self.phase is not None and self.spoiling != "gradient":
            raise ValueError(f"phase: expected none with spoiling {self.spoiling!r}, which sets it, got phases")
        rows = {
            name: _row(name, getattr(self, name), pulses)
            for name in ("flip_angle", "repetition_time", "echo_time", "phase")
            if getattr(self, name) is not None
        }
        for i, (echo, repetition) in enumerate(zip(rows["echo_time"], rows["repetition_time"], strict=True)):
            if echo > repetition:
                raise ValueError(
                    f"echo_time: expected at most the repetition_time {repetition:g} [s], got {echo:g} for pulse {i}"
                )
        if self.inversion_time is not None:
            number("inversion_time", _detached(self.inversion_time), "a time >= 0 [s]", not_negative)

    def __len__(self) -> int:
        return len(self.flip_angle)

    def signal(self, t1: Tensor, t2: Tensor, b1: Tensor | None = None) -> Tensor:
        """Signals of unit equilibrium magnetization.

        Parameters
        ----------
        t1, t2, b1
            ``(*atoms)`` [s, s, relative]. The precision is that of ``t1``, or single where it has integers.

        Returns
        -------
        Tensor
            ``(pulses, *atoms)``, complex.

        Raises
        ------
        TypeError
            ``t1`` or ``t2`` that is no tensor.
        """
        for name, value in (("t1", t1), ("t2", t2)):
            instance(name, value, Tensor, "torch.Tensor")
        t1 = t1 if t1.is_floating_point() else t1.to(torch.float32)

        def row(values: Any) -> Tensor:
            if not isinstance(values, Tensor) and any(isinstance(value, Tensor) for value in values):
                values = torch.stack([torch.as_tensor(value) for value in values])  # as_tensor would detach them
            return torch.as_tensor(values, dtype=t1.dtype, device=t1.device)

        angles, inversion = row(self.flip_angle), self.inversion_time
        tr, te = (
            row(values) if _is_row(values) or isinstance(values, Tensor) else float(values)  # type: ignore[arg-type]
            for values in (self.repetition_time, self.echo_time)
        )
        if self.spoiling == "gradient":
            phase = None if self.phase is None else row(self.phase)
            return ops.epg_fisp(angles, tr, t1, t2, b1, phase=phase, echo_time=te, inversion_time=inversion)
        increment = {} if self.spoiling == "rf" else {"phase_increment": None}
        return ops.epg_spgr(angles, tr, t1, t2, b1, echo_time=te, inversion_time=inversion, **increment)


def _is_row(values: Any) -> bool:
    return hasattr(values, "__len__") and getattr(values, "ndim", 1) > 0


def _detached(value: Any) -> Any:
    """What is only looked at needs no derivative."""
    return value.detach() if isinstance(value, Tensor) else value


def _row(name: str, values: Any, pulses: int) -> list[float]:
    """One number per pulse, from one for all or a sequence."""
    row = one_each(_detached(values), pulses)
    if len(row) != pulses:
        raise ValueError(f"{name}: expected {pulses} values, as many as flip angles, got {len(row)}")
    found = []
    for i, value in enumerate(map(_detached, row)):
        found.append(number(name, value, "real numbers", lambda _: True))
        bad = (name == "repetition_time" and value <= 0) or (name == "echo_time" and value < 0)
        if bad or not math.isfinite(value):
            raise ValueError(f"{name}: expected finite values, times positive, got {value} for pulse {i}")
    return found


def fingerprints(
    train: PulseTrain,
    t1: Tensor,
    t2: Tensor,
    b1: Tensor | None = None,
    *,
    rank: int | None = None,
    magnitude: bool = False,
) -> Dictionary:
    """Dictionary of a train on the full grid of ``t1``, ``t2`` and ``b1``.

    Parameters
    ----------
    train
        What is played.
    t1, t2, b1
        Increasing values of each axis [s, s, relative]; without ``b1`` the field is 1 and no parameter. Entries with T2
        above T1 are computed like any other.
    rank
        Singular vectors kept; all times if None.
    magnitude
        Signals are magnitudes: for images without phase.

    Returns
    -------
    Dictionary
        Parameters in C order of (t1, t2[, b1]).

    Raises
    ------
    TypeError
        An axis that is no tensor.
    ValueError
        An axis that is empty, does not increase or is not positive.
    """
    instance("train", train, PulseTrain, "mriops.signals.PulseTrain")
    axes = {"t1": t1, "t2": t2} | ({} if b1 is None else {"b1": b1})
    for name, axis in axes.items():
        instance(name, axis, Tensor, "torch.Tensor")
        if axis.ndim != 1:
            raise ValueError(f"{name}: expected one axis of increasing positive values, got shape {tuple(axis.shape)}")
        if not len(axis) or not bool((axis > 0).all() and (axis.diff() > 0).all()):
            raise ValueError(f"{name}: expected increasing positive values, got {axis.tolist()[:4]} ...")
    dtype = functools.reduce(torch.promote_types, (axis.dtype for axis in axes.values()))
    dtype = dtype if dtype.is_floating_point else torch.float32
    numbers = [axis.to(dtype) for axis in axes.values()]
    grid = torch.stack([a.reshape(-1) for a in torch.meshgrid(*numbers, indexing="ij")])
    with torch.no_grad():
        parts = [train.signal(*part.contiguous()) for part in grid.split(_ATOMS, dim=1)]
    signals = torch.cat([part.abs() if magnitude else part for part in parts], dim=1)
    return Dictionary(signals, grid, rank=rank)


def fingerprint_deviation(
    train: PulseTrain, parameters: Tensor, *, b1: Tensor | None = None, magnitude: bool = False
) -> Tensor:
    r"""Cramer-Rao bound of each entry for a scale of 1 and noise of standard deviation 1 in each real sample.

    With the derivatives ``D`` of the signal ``s`` and the unknown scale projected out, the bound is the root of the
    diagonal of ``(Re D^H (1 - s s^H / |s|^2) D)^-1``. A voxel of scale ``m0`` in noise ``sigma`` has ``sigma / |m0|``
    times this.

    Parameters
    ----------
    train
        What is played.
    parameters
        ``(2 or 3, entries)``: t1, t2 and, where it is fitted too, b1.
    b1
        ``(entries,)``, where it is known.
    magnitude
        The signals are magnitudes.

    Returns
    -------
    Tensor
        Shape of ``parameters``; infinite for those that the signals do not determine, as far as their precision shows.
        Whole parameters become floating-point numbers.

    Raises
    ------
    TypeError
        A train, parameters or a field of another kind.
    ValueError
        Shapes that do not fit.

    References
    ----------
    Zhao B, et al. Optimal experiment design for magnetic resonance fingerprinting: Cramer-Rao bound meets spin
    dynamics. IEEE Trans Med Imaging 2019;38:844-861.
    """
    instance("train", train, PulseTrain, "mriops.signals.PulseTrain")
    instance("parameters", parameters, Tensor, "torch.Tensor")
    rows = (2, 3) if b1 is None else (2,)
    if parameters.ndim != 2 or len(parameters) not in rows:
        expected = "2 or 3 rows (t1, t2, b1)" if b1 is None else "2 rows (t1, t2) beside a known b1"
        raise ValueError(f"parameters: expected {expected} of entries, got shape {tuple(parameters.shape)}")
    entries = parameters.shape[1]
    if b1 is not None and tuple(instance("b1", b1, Tensor, "torch.Tensor").shape) != (entries,):
        raise ValueError(f"b1: expected shape ({entries},), one per entry, got {tuple(b1.shape)}")
    parameters = parameters if parameters.is_floating_point() else parameters.to(torch.float32)
    known = [() for _ in parameters.split(_ATOMS, dim=1)] if b1 is None else [(part,) for part in b1.split(_ATOMS)]
    with torch.no_grad():
        parts = [
            _deviation(lambda *rows, field=field: train.signal(*rows, *field), part, magnitude)
            for part, field in zip(parameters.split(_ATOMS, dim=1), known, strict=True)
        ]
    return torch.cat(parts, dim=1)


def _deviation(signal: Callable[..., Tensor], parameters: Tensor, magnitude: bool) -> Tensor:
    rows = tuple(row.contiguous() for row in parameters)
    columns = []
    for i, row in enumerate(rows):
        # Relative derivatives: T1, T2 and B1 differ by orders of magnitude.
        tangents = tuple(row if j == i else torch.zeros_like(other) for j, other in enumerate(rows))
        value, column = torch.func.jvp(signal, rows, tangents)[:2]
        columns.append(column.to(torch.complex128))
    value = value.to(torch.complex128)
    if magnitude:
        unit = torch.nan_to_num(value / value.abs())
        value, columns = value.abs().to(value.dtype), [(unit.conj() * c).real.to(c.dtype) for c in columns]
    s = value / value.norm(dim=0).clamp_min(torch.finfo(torch.float64).tiny)
    free = torch.stack([c - s * (s.conj() * c).sum(0) for c in columns])  # (parameters, times, entries)
    information = torch.einsum("pte,qte->epq", free.conj(), free).real
    lengths = torch.stack(columns).norm(dim=1).T  # (entries, parameters)
    relative = _root_of_inverse(information, lengths, len(value) * torch.finfo(parameters.dtype).eps).T
    return torch.where(relative.isinf(), relative, relative * parameters).to(parameters.dtype)


def _root_of_inverse(information: Tensor, lengths: Tensor, rounding: float) -> Tensor:
    """Root of the diagonal of the inverse ``(entries, parameters)``; infinite for parameters in its null space.

    Derivatives of ``lengths`` ``(entries, parameters)`` are right to ``rounding`` of these. What is left of one when
    the scale is projected out may be that alone, and singular values below what they leave are none.
    """
    scale = information.diagonal(dim1=-2, dim2=-1).sqrt()
    finite = information.isfinite().all(-1).all(-1)[:, None]
    seen = finite & (scale > rounding * lengths)
    unit = torch.where(seen, scale, 1.0)
    matrix = information / (unit[:, :, None] * unit[:, None])
    matrix = torch.where(seen[:, :, None] & seen[:, None], matrix, torch.eye(len(matrix[0])).to(matrix))
    values, vectors = torch.linalg.eigh(matrix)
    error = torch.where(seen, rounding * lengths / unit, 0.0).amax(-1, keepdim=True)
    least = torch.maximum(error.square(), torch.full_like(error, 64 * torch.finfo(torch.float64).eps))
    none = values <= least
    squares = vectors.square()
    variance = (squares / torch.where(none, torch.inf, values)[:, None]).sum(-1)
    # Components of eigenvectors are as uncertain as the matrix.
    lost = ((squares > least[:, None]) & none[:, None]).any(-1) | ~seen
    return torch.where(finite, torch.where(lost, torch.inf, variance.sqrt() / unit), torch.nan)
