"""Makes the function of a signal model from its row of the table: signature, documentation, checks of the design."""

from __future__ import annotations

import linecache
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from .signal_words import SignalModel

__all__ = ["check_design", "make_function", "signature_of"]

_MANY_TURNS = 4 * math.pi


def signature_of(model: SignalModel) -> list[tuple[str, float | None]]:
    """Arguments in order, with their defaults: what must be given first, parameters before design."""
    both = [(p.name, p.default) for p in model.parameters], [(d.name, d.default) for d in model.design]
    return [a for part in both for a in part if a[1] is None] + [a for part in both for a in part if a[1] is not None]


def _documentation(model: SignalModel, kind: str) -> str:
    sizes = {"real": "(*voxels)", "complex": "(*voxels), complex"}
    lines = [f"{model.title}: ``{model.formula}``.", ""]
    lines += [model.note, ""] if model.note else []
    lines += ["Parameters", "----------"]
    parameters = {p.name: p for p in model.parameters}
    design = {d.name: d for d in model.design}
    for name, default in signature_of(model):
        lines.append(name)
        if name in parameters:
            p = parameters[name]
            shape = sizes.get(str(p.kind), f"({p.kind}, *voxels)")
            text = f"{p.meaning[0].upper()}{p.meaning[1:]} [{p.unit}], ``{shape}``"
        else:
            d = design[name]
            text = f"[{d.unit}] {d.meaning}"
        lines.append(f"    {text}{'' if default is None else f'; {default:.4g} by default'}.")
    last = "" if model.is_complex else " A complex m0 makes the signal complex."
    lines += [
        "magnitude",
        "    Give the magnitude of the signal.",
        "",
        "Returns",
        "-------",
        kind,
        f"    ``(times, *voxels)``, {'complex' if model.is_complex else 'real'}; parameters broadcast.{last}",
        "",
        "Raises",
        "------",
        "TypeError",
        "    Arguments that are no arrays or numbers, or complex where they must be real.",
        "ValueError",
        "    Shapes that do not broadcast, no times, lists of times and angles of different length, negative or NaN",
        "    times. Relaxation times are not read: zero relaxes at once, infinity never, negative ones and NaN give",
        "    NaN in their voxel alone.",
        "",
        "References",
        "----------",
        model.reference,
    ]
    return "\n    ".join(lines)


def make_function(model: SignalModel, evaluate: Callable[..., Any], module: str, kind: str) -> Callable[..., Any]:
    """A documented function ``signal_<model>``.

    Parameters
    ----------
    model
        Row of the table.
    evaluate
        ``evaluate(model, parameters, design, magnitude)``.
    module
        Where it is defined.
    kind
        What it returns, for the documentation.

    Returns
    -------
    callable
        With the signature of :func:`signature_of` and ``magnitude=False``.
    """
    arguments = ", ".join(n if default is None else f"{n}={default!r}" for n, default in signature_of(model))
    parameters = "".join(f"{p.name}, " for p in model.parameters)
    design = "".join(f"{d.name}, " for d in model.design)
    source = (
        f"def {model.function}({arguments}, magnitude=False):\n"
        f"    return evaluate(model, ({parameters}), ({design}), magnitude)\n"
    )
    filename = f"<mriops {module}.{model.function}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)  # for tracebacks
    scope: dict[str, Any] = {"evaluate": evaluate, "model": model, "inf": math.inf}
    exec(compile(source, filename, "exec"), scope)
    function = scope[model.function]
    function.__module__ = module
    function.__doc__ = _documentation(model, kind)
    return function


def check_lengths(model: SignalModel, shapes: Sequence[tuple[int, ...]]) -> int:
    """Number of times, from the shapes of the design's arguments.

    Raises
    ------
    ValueError
        There is none, or lengths that are neither the same nor 1.
    """
    times, first = 1, ""
    for d, shape in zip(model.design, shapes, strict=True):
        if not d.per_time:
            continue
        if len(shape) > 1 + d.vector or (len(shape) == 2 and shape[1] != 3):
            raise ValueError(f"{d.name}: expected shape {'(times, 3)' if d.vector else '(times,)'}, got {shape}")
        length = shape[0] if shape else 1
        if length == 0:
            raise ValueError(f"{d.name}: expected at least one value, got none")
        if length != 1 and times == 1:
            times, first = length, d.name
        elif length not in (1, times):
            raise ValueError(f"{d.name}: expected {times} values (as many as {first}) or one, got {length}")
    return times


def check_design(model: SignalModel, values: Sequence[Sequence[float]]) -> None:
    """Look at times and angles (flat lists) before they are used.

    Raises
    ------
    ValueError
        NaN, negative times, echoes after the repetition time.

    Warns
    -----
    UserWarning
        Angles of more than two turns, which were probably meant in degrees.
    """
    by_name: dict[str, Sequence[float]] = {}
    for d, numbers in zip(model.design, values, strict=True):
        by_name[d.name] = numbers
        if any(number != number for number in numbers):
            raise ValueError(f"{d.name}: expected numbers, got NaN")
        if d.unit == "s" and min(numbers, default=0.0) < 0:
            raise ValueError(f"{d.name}: expected times >= 0 [s], got {min(numbers):g}")
        if d.unit == "rad" and max(map(abs, numbers), default=0.0) > _MANY_TURNS:
            warnings.warn(
                f"{d.name}: expected radians, got {max(map(abs, numbers)):g}, more than 4 pi; is it in degrees?",
                stacklevel=4,
            )
    if "echo_time" in by_name and "repetition_time" in by_name:
        echo, repetition = max(by_name["echo_time"]), min(by_name["repetition_time"])
        if echo > repetition:
            raise ValueError(f"echo_time: expected at most the repetition time {repetition:g} s, got {echo:g}")
