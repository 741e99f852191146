"""The closed-form signal models: names, units, bounds, how arguments become the rows that the kernels read.

One table for tensors, arrays, fits and the command line. Nothing here depends on an array framework: functions of the
table get numpy or torch as ``xp``. The order of models and parameters is that of ``csrc/spins/models.h``.
"""

from __future__ import annotations

import math

from .signal_grids import arrival_grid, off_resonance_grid
from .signal_phases import encoded_velocity
from .signal_rows import (
    diffusion_row,
    encoding_rows,
    kurtosis_rows,
    label_rows,
    look_locker_rows,
    recovery_rows,
    tensor_rows,
    train_rows,
    water_fat_rows,
)
from .signal_words import DesignInput, Parameter, SignalModel

__all__ = ["SIGNAL_MODELS", "model_named"]

INF = math.inf


def _m0(meaning: str = "signal without relaxation", kind: str = "real") -> Parameter:
    return Parameter("m0", "signal", meaning, linear=True, kind=kind, lower=-INF if kind == "complex" else 0.0)


_T1 = Parameter("t1", "s", "longitudinal relaxation time", 1e-3, 20.0, (0.03, 8.0, 16))
_T2 = Parameter("t2", "s", "transverse relaxation time", 1e-4, 20.0, (0.002, 3.0, 24))
_B1 = Parameter("b1", "relative", "transmit field, multiplies every flip angle", 0.1, 3.0, (1.0,), default=1.0)
_EFFICIENCY = Parameter("efficiency", "1", "of the preparation: 1 is perfect", 0.0, 1.5, (0.8, 1.0), default=1.0)
_AFFINE_EFFICIENCY = _EFFICIENCY._replace(affine=True)
_OFF = Parameter("off_resonance", "Hz", "off-resonance, phase -2 pi f t", -INF, INF, off_resonance_grid, minima=3)
_TIME = DesignInput("time", "s", "(times,)")
_TE = DesignInput("echo_time", "s", "(times,)")
_TI = DesignInput("inversion_time", "s", "(times,)")
_FLIP = DesignInput("flip_angle", "rad", "(times,)")
_TR = DesignInput("repetition_time", "s", "(times,) or one for all")
_B = DesignInput("b_value", "s/m^2", "(times,); 1000 s/mm^2 is 1e9")
_DIRECTION = DesignInput("direction", "unit vector", "(times, 3)", vector=True)
_BLOCH = "Bloch F. Nuclear induction. Phys Rev 1946;70:460-474."

_TABLE: tuple[SignalModel, ...] = (
    SignalModel(
        "mono_exponential",
        0,
        "Mono-exponential decay: spin echoes (T2), gradient echoes (T2*), spin lock (T1rho)",
        "m0 exp(-t / t2)",
        (_m0(), _T2),
        (_TIME,),
        _BLOCH,
        positive=True,
    ),
    SignalModel(
        "bi_exponential",
        1,
        "Decay of two pools, such as myelin water and the rest",
        "m0 (fraction exp(-t / t2_short) + (1 - fraction) exp(-t / t2_long))",
        (
            _m0(),
            Parameter("fraction", "1", "share of the short component", 0.0, 1.0, (0.1, 0.25, 0.5), affine=True),
            Parameter("t2_short", "s", "of the short component", 1e-4, 1.0, (0.005, 0.05, 6)),
            Parameter("t2_long", "s", "of the long component", 1e-3, 20.0, (0.04, 1.0, 8)),
        ),
        (_TIME,),
        "MacKay A, et al. In vivo visualization of myelin water in brain by magnetic resonance. Magn Reson Med "
        "1994;31:673-677.",
        positive=True,
    ),
    SignalModel(
        "stretched_exponential",
        2,
        "Stretched exponential decay of a distribution of rates",
        "m0 exp(-(t / t2)^exponent)",
        (
            _m0(),
            _T2,
            Parameter("exponent", "1", "1 is mono-exponential", 0.1, 3.0, (0.5, 0.75, 1.0, 1.25)),
        ),
        (_TIME,),
        "Bennett KM, et al. Characterization of continuously distributed cortical water diffusion rates with a "
        "stretched-exponential model. Magn Reson Med 2003;50:727-734.",
        positive=True,
    ),
    SignalModel(
        "inversion_recovery",
        3,
        "Inversion recovery with a 90 degree readout and any repetition time",
        "m0 (1 - (1 + efficiency) exp(-TI / t1) + efficiency exp(-TR / t1))",
        (_m0(), _T1, _AFFINE_EFFICIENCY),
        (_TI, DesignInput("repetition_time", "s", "(times,) or one for all; infinite where it is long", INF)),
        "Barral JK, et al. A robust methodology for in vivo T1 mapping. Magn Reson Med 2010;64:1057-1067.",
        note="Fitting m0, t1 and efficiency is the three-parameter fit a + b exp(-TI / t1); with the efficiency fixed "
        "it is the two-parameter one.",
        rows=recovery_rows,
    ),
    SignalModel(
        "saturation_recovery",
        4,
        "Saturation recovery, as in SASHA",
        "m0 (1 - efficiency exp(-t / t1))",
        (_m0(), _T1, _AFFINE_EFFICIENCY),
        (_TIME,),
        "Chow K, et al. Saturation recovery single-shot acquisition (SASHA) for myocardial T1 mapping. Magn Reson Med "
        "2014;71:2082-2095.",
    ),
    SignalModel(
        "look_locker",
        5,
        "Look-Locker: readout pulses of constant angle after an inversion",
        "m0 sin(a) (Mss - (Mss + efficiency) exp(-t / T1*)),  1 / T1* = 1 / t1 - ln(cos a) / TR,  "
        "Mss = (1 - E1) / (1 - E1 cos a),  a = b1 flip_angle",
        (_m0(), _T1, _B1, _AFFINE_EFFICIENCY),
        (
            _TIME,
            DesignInput("flip_angle", "rad", "one angle, below 90 degrees"),
            DesignInput("repetition_time", "s", "one for all"),
        ),
        "Deichmann R, Haase A. Quantification of T1 values by SNAPSHOT-FLASH NMR imaging. J Magn Reson "
        "1992;96:608-612.",
        rows=look_locker_rows,
    ),
    SignalModel(
        "molli",
        6,
        "MOLLI and other Look-Locker series, with the correction built in",
        "m0 (1 - (1 + efficiency) exp(-t efficiency / t1))",
        (
            _m0("A of A - B exp(-t / T1*)"),
            _T1,
            Parameter("efficiency", "1", "B / A - 1 = t1 / T1*", 0.2, 3.0, (0.7, 0.9, 1.1, 1.4), default=1.0),
        ),
        (_TI,),
        "Messroghli DR, et al. Modified Look-Locker inversion recovery (MOLLI) for high-resolution T1 mapping of the "
        "heart. Magn Reson Med 2004;52:141-146.",
        note="The three parameters A, B, T1* of the usual fit, with t1 = T1* (B / A - 1).",
    ),
    SignalModel(
        "spgr",
        7,
        "Spoiled gradient echo in the steady state (variable flip angles)",
        "m0 sin(a) (1 - E1) / (1 - E1 cos a),  E1 = exp(-TR / t1),  a = b1 flip_angle",
        (_m0("signal at 90 degrees and long TR, exp(-TE / T2*) included"), _T1, _B1),
        (_FLIP, _TR),
        "Ernst RR, Anderson WA. Application of Fourier transform spectroscopy to magnetic resonance. Rev Sci Instrum "
        "1966;37:93-102.",
    ),
    SignalModel(
        "bssfp",
        8,
        "Balanced SSFP, off resonance included",
        "m0 N (E2 sin p + i (1 - E2 cos p)) exp(-TE / t2 - 2 pi i f TE),  N = (1 - E1) sin a / ((1 - E1 cos a) "
        "(1 - E2 cos p) - E2 (E1 - cos a) (E2 - cos p)),  p = 2 pi f TR + phase_increment",
        (
            _m0(kind="complex"),
            _T1,
            _T2,
            Parameter("off_resonance", "Hz", "off-resonance", -INF, INF, (-60.0, -30.0, 0.0, 30.0, 60.0)),
            _B1,
        ),
        (
            _FLIP,
            _TR,
            DesignInput("echo_time", "s", "(times,) or one for all"),
            DesignInput("phase_increment", "rad", "of the pulses, per TR; pi puts the band at half of 1 / TR", math.pi),
        ),
        "Freeman R, Hill HDW. Phase and intensity anomalies in Fourier transform NMR. J Magn Reson 1971;4:366-383.",
        is_complex=True,
        note="Pulses about x; the phase is relative to that of the pulse.",
    ),
    SignalModel(
        "mp2rage",
        9,
        "Trains of gradient echoes after an inversion, in the steady state of the cycle (MP2RAGE, MPRAGE)",
        "m0 sin(a) Mz just before the centre pulse of each train",
        (_m0(), _T1, _B1, _EFFICIENCY),
        (
            DesignInput("delay", "s", "(trains,), before the first pulse of each train"),
            DesignInput("flip_angle", "rad", "(trains,)"),
            DesignInput("repetition_time", "s", "(trains,) or one for all, from pulse to pulse"),
            DesignInput("n_before", "1", "(trains,) or one for all: pulses before the centre pulse"),
            DesignInput("n_after", "1", "(trains,) or one for all: the centre pulse and those after it"),
            DesignInput("final_delay", "s", "from the last train to the next inversion"),
        ),
        "Marques JP, et al. MP2RAGE, a self bias-field corrected sequence for improved segmentation and T1-mapping at "
        "high field. NeuroImage 2010;49:1271-1281.",
        rows=train_rows,
    ),
    SignalModel(
        "water_fat",
        10,
        "Multi-echo water and multi-peak fat with off-resonance and R2*",
        "(water + fat sum_p A_p exp(-2 pi i F_p t)) exp(-r2star t - 2 pi i f t)",
        (
            Parameter("water", "signal", "water", linear=True, kind="complex"),
            Parameter("fat", "signal", "fat", linear=True, kind="complex"),
            _OFF,
            Parameter("r2star", "1/s", "rate of decay", 0.0, 2000.0, (0.0, 50.0, 200.0)),
        ),
        (
            _TE,
            DesignInput("fat_frequency", "Hz", "(peaks,), of fat relative to water", per_time=False),
            DesignInput("fat_amplitude", "1", "(peaks,), with sum 1", per_time=False),
        ),
        "Yu H, et al. Multiecho water-fat separation and simultaneous R2* estimation with multifrequency fat spectrum "
        "modeling. Magn Reson Med 2008;60:1122-1134.",
        is_complex=True,
        rows=water_fat_rows,
    ),
    SignalModel(
        "diffusion",
        11,
        "Diffusion decay",
        "m0 exp(-b adc)",
        (_m0(), Parameter("adc", "m^2/s", "apparent diffusion coefficient", 0.0, 2e-8, (1e-10, 5e-9, 24))),
        (_B,),
        "Stejskal EO, Tanner JE. Spin diffusion measurements: spin echoes in the presence of a time-dependent field "
        "gradient. J Chem Phys 1965;42:288-292.",
        rows=diffusion_row,
        positive=True,
    ),
    SignalModel(
        "diffusion_tensor",
        12,
        "Diffusion tensor",
        "m0 exp(-b n^T D n)",
        (
            _m0(),
            Parameter("diffusion_tensor", "m^2/s", "xx, yy, zz, xy, xz, yz", -2e-8, 2e-8, (1e-9,), kind=6),
        ),
        (_B, _DIRECTION),
        "Basser PJ, et al. MR diffusion tensor spectroscopy and imaging. Biophys J 1994;66:259-267.",
        rows=tensor_rows,
        positive=True,
    ),
    SignalModel(
        "diffusion_kurtosis",
        13,
        "Diffusion kurtosis",
        "m0 exp(-b n^T D n + b^2 MD^2 / 6 sum_ijkl W_ijkl n_i n_j n_k n_l),  MD = trace(D) / 3",
        (
            _m0(),
            Parameter("diffusion_tensor", "m^2/s", "xx, yy, zz, xy, xz, yz", -2e-8, 2e-8, (1e-9,), kind=6),
            Parameter(
                "kurtosis_tensor",
                "1",
                "xxxx, yyyy, zzzz, xxxy, xxxz, xyyy, yyyz, xzzz, yzzz, xxyy, xxzz, yyzz, xxyz, xyyz, xyzz",
                -10.0,
                10.0,
                (0.0,),
                kind=15,
            ),
        ),
        (_B, _DIRECTION),
        "Jensen JH, et al. Diffusional kurtosis imaging: the quantification of non-gaussian water diffusion by means "
        "of magnetic resonance imaging. Magn Reson Med 2005;53:1432-1440.",
        rows=kurtosis_rows,
    ),
    SignalModel(
        "ivim",
        14,
        "Intravoxel incoherent motion",
        "m0 (fraction exp(-b fast) + (1 - fraction) exp(-b slow))",
        (
            _m0(),
            Parameter("fraction", "1", "perfused share", 0.0, 1.0, (0.05, 0.15, 0.3), affine=True),
            Parameter("fast", "m^2/s", "pseudo-diffusion coefficient", 0.0, 1e-6, (5e-9, 1e-7, 5)),
            Parameter("slow", "m^2/s", "diffusion coefficient", 0.0, 2e-8, (3e-10, 4e-9, 8)),
        ),
        (_B,),
        "Le Bihan D, et al. Separation of diffusion and perfusion in intravoxel incoherent motion MR imaging. "
        "Radiology 1988;168:497-505.",
        positive=True,
    ),
    SignalModel(
        "tofts",
        15,
        "Extended Tofts model of contrast agent in tissue",
        "C(t) = vp Cp(t) + ktrans int_0^t Cp(s) exp(-ktrans (t - s) / ve) ds",
        (
            Parameter("ktrans", "1/s", "transfer constant", 0.0, 1.0, (1e-4, 5e-2, 8)),
            Parameter("ve", "1", "extravascular extracellular volume", 1e-3, 1.0, (0.05, 0.9, 6)),
            Parameter("vp", "1", "plasma volume; 0 is the Tofts model", 0.0, 1.0, (0.0, 0.02, 0.1), default=0.0),
        ),
        (
            DesignInput("time", "s", "(times,), increasing"),
            DesignInput("aif", "concentration", "(times,), in the plasma, linear between the times"),
        ),
        "Tofts PS, et al. Estimating kinetic parameters from dynamic contrast-enhanced T1-weighted MRI of a diffusable "
        "tracer. J Magn Reson Imaging 1999;10:223-232.",
        note="The convolution is exact for a concentration that is linear between the times and zero before the first.",
    ),
    SignalModel(
        "phase_contrast",
        16,
        "Phase contrast of velocity",
        "m0 exp(i encoding . velocity)",
        (
            _m0("complex image without encoding", kind="complex"),
            Parameter("velocity", "m/s", "three components", -10.0, 10.0, (0.0,), kind=3),
        ),
        (DesignInput("encoding", "rad s/m", "(times, 3); pi / venc along the encoded axis", vector=True),),
        "Pelc NJ, et al. Encoding strategies for three-direction phase-contrast MR imaging of flow. J Magn Reson "
        "Imaging 1991;1:405-413.",
        is_complex=True,
        rows=encoding_rows,
        begin=encoded_velocity,
    ),
)


def _asl(name: str, index: int, words: str, formula: str) -> SignalModel:
    return SignalModel(
        name,
        index,
        f"Arterial spin labelling, {words} (general kinetic model)",
        formula,
        (
            _m0("of arterial blood, times the efficiency of the label"),
            Parameter(
                "perfusion",
                "1/s",
                "ml blood per ml tissue and s; 60 ml/100 ml/min is 0.01",
                0,
                1,
                (1e-3, 0.05, 5),
                scale=0.01,
            ),
            Parameter("transit_time", "s", "arrival of the label", 0.0, 10.0, arrival_grid, minima=3),
            Parameter("t1", "s", "of tissue", 1e-2, 20.0, (1.3,), default=1.3),
            Parameter("t1_blood", "s", "of arterial blood", 1e-2, 20.0, (1.65,), default=1.65),
        ),
        (
            DesignInput("time", "s", "(times,), since the labelling began"),
            DesignInput("label_duration", "s", "(times,) or one for all"),
            DesignInput("partition", "1", "blood-tissue partition coefficient", 0.9),
        ),
        "Buxton RB, et al. A general kinetic model for quantitative perfusion imaging with arterial spin labeling. "
        "Magn Reson Med 1998;40:383-396.",
        rows=label_rows,
    )


_TABLE += (
    _asl(
        "asl_continuous",
        17,
        "continuous or pseudo-continuous",
        "2 m0 f T1' exp(-D / t1_blood) exp(-max(t - D - L, 0) / T1') (1 - exp(-u / T1')),  u = clamp(t - D, 0, L),  "
        "1 / T1' = 1 / t1 + f / partition  (f perfusion, D transit_time, L label_duration)",
    ),
    _asl(
        "asl_pulsed",
        18,
        "pulsed",
        "2 m0 f exp(-t / T1') int_D^(D + u) exp(-k s) ds,  u = clamp(t - D, 0, L),  k = 1 / t1_blood - 1 / T1',  "
        "1 / T1' = 1 / t1 + f / partition  (f perfusion, D transit_time, L label_duration)",
    ),
)

#: Every model by name.
SIGNAL_MODELS: dict[str, SignalModel] = {model.name: model for model in _TABLE}


def model_named(name: str) -> SignalModel:
    """The model of that name.

    Raises
    ------
    ValueError
        There is none.
    """
    try:
        return SIGNAL_MODELS[name]
    except (KeyError, TypeError):
        raise ValueError(f"model: expected one of {', '.join(SIGNAL_MODELS)}, got {name!r}") from None
