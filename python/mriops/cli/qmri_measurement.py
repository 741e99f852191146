"""The measurement of `mriops qmri`: what `--sequence` and the options say, each of them what the other does not."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mriops._native.signal_models import model_named
from mriops.cli.qmri_design import read_columns, read_directions, unit_vectors
from mriops.cli.qmri_files import Series, numbers, numbers_of
from mriops.cli.qmri_models import Mapping
from mriops.cli.qmri_options import FINGERPRINT_DEFAULTS
from mriops.cli.qmri_water_fat import fat_peaks

__all__ = ["measurement", "refuse"]

#: Options, and the arguments of a signal model that they give; times have another name in every model.
_OPTIONS = {
    "--times": ("time", "inversion_time", "echo_time"),
    "--angles": ("flip_angle",),
    "--b-values": ("b_value",),
    "--directions": ("direction",),
    "--tr": ("repetition_time",),
    "--field": ("fat_frequency", "fat_amplitude"),
    "--peaks": ("fat_frequency", "fat_amplitude"),
}
#: Options of fingerprints alone.
_FINGERPRINTS = [f"--{name.replace('_', '-')}" for name in FINGERPRINT_DEFAULTS]
#: Arguments that are one number for the whole measurement, which a column of a table repeats.
_SINGLE = {
    "look_locker": ("flip_angle", "repetition_time"),
    "mp2rage": ("final_delay",),
    "asl_continuous": ("partition",),
    "asl_pulsed": ("partition",),
}


def measurement(arguments: argparse.Namespace, chosen: Mapping, series: Series) -> dict[str, Any]:
    """Arguments of the signal model, in SI units: those of the file, and those of the options.

    Raises
    ------
    ValueError
        Something is missing, comes from both, or is nothing that the model has.
    """
    inputs = {d.name: d for d in model_named(chosen.model).design}
    names = list(inputs)
    design = {} if arguments.sequence is None else _from_file(Path(arguments.sequence), chosen)
    refuse(arguments, (*_FINGERPRINTS, "--b1-grid", "--im-size"), "the model mrf")
    for option, arguments_of in _OPTIONS.items():
        made = [name for name in arguments_of if name in names]
        if not made:
            refuse(arguments, (option,), f"a model with {' or '.join(arguments_of)}")
        twice = ", ".join(name for name in made if name in design)
        if twice and _value(arguments, option) is not None:
            raise ValueError(f"{option}: expected either this or {twice} in {arguments.sequence}, got both")
    if arguments.ms and arguments.times is None:
        raise ValueError("--ms: expected --times, which are in milliseconds, got none")
    if not chosen.times and not any(_value(arguments, option) is not None for option in _OPTIONS) and not design:
        raise ValueError(
            f"--sequence: expected a file with {', '.join(names)} for the model {arguments.model}, got nothing "
            f"({chosen.words})"
        )
    for name in names:
        if name in _OPTIONS["--field"] and any(other in design for other in _OPTIONS["--field"]):
            continue  # both of them are the spectrum
        expected = chosen.times and inputs[name].default is None
        if name not in design and (expected or _given(arguments, name)):
            design |= _from_option(arguments, chosen, series, name)
    return design


def refuse(arguments: argparse.Namespace, options: Iterable[str], expected: str) -> None:
    """Raise for the first of ``options`` that is given, as the model does not use it."""
    for option in options:
        if _value(arguments, option) not in (None, False):
            raise ValueError(f"{option}: expected {expected}, got {arguments.model}")


def _value(arguments: argparse.Namespace, option: str) -> Any:
    return getattr(arguments, option[2:].replace("-", "_"))


def _given(arguments: argparse.Namespace, name: str) -> bool:
    return any(_value(arguments, option) is not None for option, made in _OPTIONS.items() if name in made)


def _from_file(path: Path, chosen: Mapping) -> dict[str, Any]:
    design = {name: value for name, value in read_columns(path).items() if value is not None}
    for name in _SINGLE.get(chosen.model, ()):
        value = design.get(name)
        if isinstance(value, list) and value and all(v == value[0] for v in value):
            design[name] = value[0]
    return design


def _from_option(arguments: argparse.Namespace, chosen: Mapping, series: Series, name: str) -> dict[str, Any]:
    """One argument of the model, or those that come with it; nothing where it may be left out or no option has it."""
    if name in _OPTIONS["--field"]:
        return fat_peaks(arguments.field, arguments.peaks)
    if name == "repetition_time":
        return _repetition(arguments)
    if name == "direction":
        return _directions(arguments, chosen, series)
    if name == "flip_angle":
        return {name: _angles(arguments, chosen, series)}
    if name == "b_value":
        return {name: [v * 1e6 for v in _listed(arguments, chosen, series, "--b-values")]}
    if name in _OPTIONS["--times"]:
        values = [v * (1e-3 if arguments.ms else 1.0) for v in _listed(arguments, chosen, series, "--times")]
        if chosen.times and not arguments.ms and max(values) > 30:
            raise ValueError(f"--times: expected seconds, got {max(values):g}; add --ms for milliseconds")
        return {name: values}
    return {}


def _listed(arguments: argparse.Namespace, chosen: Mapping, series: Series, option: str) -> list[float]:
    text = _value(arguments, option)
    if text is None:
        raise ValueError(f"{option}: expected for the model {arguments.model}, got nothing ({chosen.words})")
    values = numbers(text, series, option)
    if not values:
        raise ValueError(f"{option}: expected at least one number, got none")
    return values


def _angles(arguments: argparse.Namespace, chosen: Mapping, series: Series) -> float | list[float]:
    angles = [math.radians(v) for v in _listed(arguments, chosen, series, "--angles")]
    if chosen.model != "look_locker":
        return angles
    if len(angles) != 1:
        raise ValueError(f"--angles: expected one angle for the model {arguments.model}, got {len(angles)}")
    return angles[0]


def _repetition(arguments: argparse.Namespace) -> dict[str, float]:
    if arguments.tr is None:
        raise ValueError(f"--tr: expected the repetition time [s] for the model {arguments.model}, got nothing")
    return {"repetition_time": arguments.tr}


def _directions(arguments: argparse.Namespace, chosen: Mapping, series: Series) -> dict[str, Any]:
    if arguments.directions is None:
        raise ValueError(f"--directions: expected for the model {arguments.model}, got nothing ({chosen.words})")
    if not arguments.directions.startswith("@"):
        return {"direction": read_directions(Path(arguments.directions))}
    rows = numbers_of(arguments.directions, series, "--directions")
    if rows.ndim != 2 or rows.shape[1] != 3:
        raise ValueError(f"--directions: expected shape (times, 3), got {rows.shape}")
    return {"direction": unit_vectors(rows)}
