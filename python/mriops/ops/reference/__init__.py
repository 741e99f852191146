"""F3: the meaning of each op in a few lines of torch, any dtype, any device, no speed.

Imports torch, and what reads arguments alike for every floor: no kernel, no declared op.

Same names and signatures as :mod:`mriops.ops`. The kernels are tested against these functions, and these against closed
forms and direct sums.
"""

from .bloch import bloch, bloch_signal, bloch_spinor
from .bloch_exchange import bloch_exchange
from .coils import coil_combine, coil_expand
from .epg_trains import epg, epg_bssfp, epg_dess, epg_fisp, epg_fse, epg_spgr
from .epgx import epg_exchange, epg_mt
from .fft import fft, ifft
from .nufft import (
    nufft,
    nufft_adjoint,
    nufft_trajectory_grad,
    nufft_trajectory_jvp,
    sense_nufft,
    sense_nufft_adjoint,
    sense_nufft_gram,
)
from .sense import sense, sense_adjoint, sense_csm_adjoint, sense_gram
from .signals import (
    signal_asl_continuous,
    signal_asl_pulsed,
    signal_bi_exponential,
    signal_bssfp,
    signal_diffusion,
    signal_diffusion_kurtosis,
    signal_diffusion_tensor,
    signal_inversion_recovery,
    signal_ivim,
    signal_look_locker,
    signal_model,
    signal_model_jacobian,
    signal_molli,
    signal_mono_exponential,
    signal_mp2rage,
    signal_phase_contrast,
    signal_saturation_recovery,
    signal_spgr,
    signal_stretched_exponential,
    signal_tofts,
    signal_water_fat,
)
from .toeplitz import sense_toeplitz, toeplitz, toeplitz_kernel

__all__ = [
    "bloch",
    "bloch_exchange",
    "bloch_signal",
    "bloch_spinor",
    "coil_combine",
    "coil_expand",
    "epg",
    "epg_bssfp",
    "epg_dess",
    "epg_exchange",
    "epg_fisp",
    "epg_fse",
    "epg_mt",
    "epg_spgr",
    "fft",
    "ifft",
    "nufft",
    "nufft_adjoint",
    "nufft_trajectory_grad",
    "nufft_trajectory_jvp",
    "sense",
    "sense_adjoint",
    "sense_csm_adjoint",
    "sense_gram",
    "sense_nufft",
    "sense_nufft_adjoint",
    "sense_nufft_gram",
    "sense_toeplitz",
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
    "toeplitz",
    "toeplitz_kernel",
]
