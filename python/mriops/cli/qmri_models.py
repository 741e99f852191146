"""Models of `mriops qmri`: signal models under the names of maps that they give, and the files that these are."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mriops._native.signal_models import model_named
from mriops.cli.job import REPORT
from mriops.cli.qmri_derived import DERIVED

__all__ = ["FINGERPRINT_UNITS", "MODELS", "Mapping", "result_files"]


class Mapping(NamedTuple):
    """A model of the command line: the signal model, what its times are called, and how its parameters are renamed.

    Without a name of times the measurement comes from ``--sequence``. ``kind``: images are ``"magnitude"`` unless they
    are complex or said to have signs, ``"signed"``, or ``"complex"``.
    """

    model: str
    times: str
    renamed: dict[str, str]
    words: str
    kind: str = "magnitude"


MODELS = {
    "t2": Mapping("mono_exponential", "time", {}, "spin echoes: --times are echo times"),
    "t2star": Mapping("mono_exponential", "time", {"t2": "t2star"}, "gradient echoes: --times are echo times"),
    "t1rho": Mapping("mono_exponential", "time", {"t2": "t1rho"}, "--times are spin lock times"),
    "ir": Mapping("inversion_recovery", "inversion_time", {}, "--times are inversion times; --tr where it is short"),
    "sr": Mapping("saturation_recovery", "time", {}, "--times are saturation times"),
    "molli": Mapping("molli", "inversion_time", {}, "--times are inversion times"),
    "looklocker": Mapping("look_locker", "time", {}, "--times after the inversion; --angles, one; --tr"),
    "vfa": Mapping("spgr", "flip_angle", {}, "--angles and --tr; --b1 where it is known", "signed"),
    "mp2rage": Mapping("mp2rage", "", {}, "--sequence; signed or complex images of the trains", "signed"),
    "bssfp": Mapping("bssfp", "", {}, "--sequence; complex images", "complex"),
    "biexp": Mapping("bi_exponential", "time", {}, "--times are echo times"),
    "stretched": Mapping("stretched_exponential", "time", {}, "--times are echo times"),
    "adc": Mapping("diffusion", "b_value", {}, "--b-values"),
    "ivim": Mapping("ivim", "b_value", {}, "--b-values"),
    "dti": Mapping("diffusion_tensor", "b_value", {}, "--b-values and --directions"),
    "dki": Mapping("diffusion_kurtosis", "b_value", {}, "--b-values and --directions"),
    "tofts": Mapping("tofts", "", {}, "images of concentration; --sequence with time and aif", "signed"),
    "pcasl": Mapping(
        "asl_continuous", "", {}, "differences; --sequence with time and label_duration; --fix m0", "signed"
    ),
    "pasl": Mapping("asl_pulsed", "", {}, "differences; --sequence with time and label_duration; --fix m0", "signed"),
    "flow": Mapping("phase_contrast", "", {}, "complex images; --sequence with encoding [rad s/m]", "complex"),
    "waterfat": Mapping(
        "water_fat", "echo_time", {}, "complex images: --times are echo times; --field; --peaks", "complex"
    ),
}

#: Maps of the model mrf, and their units.
FINGERPRINT_UNITS = {"t1": "s", "t2": "s", "b1": "relative", "m0": "signal", "correlation": "1"}


def result_files(out: Path) -> list[Path]:
    """What a run with any model may leave, and the next one replaces; the folder may hold other images too."""
    names = set(FINGERPRINT_UNITS)
    for mapping in MODELS.values():
        derived = (parameter for parameter, *_ in DERIVED.get(mapping.model, []))
        names |= {mapping.renamed.get(p.name) or p.name for p in (*model_named(mapping.model).parameters, *derived)}
    maps = [out / f"{name}{end}" for name in sorted(names) for end in (".nii.gz", "_std.nii.gz")]
    pictures = [out / "png" / f"{name}.png" for name in sorted(names)]
    return [*maps, *pictures, out / "converged.nii.gz", out / "noise.nii.gz", out / REPORT]
