"""F3: the functions of :mod:`mriops.ops`, with the same names, on NumPy and CuPy arrays. Never imports torch.

May import ``mriops._native`` and numpy; cupy is imported when a CuPy array comes. Results are of the arrays' own
kind and on their device. The calls on NumPy arrays use :func:`get_num_threads` threads.
"""

from ._nufft_plan import NufftPlan, nufft_plan
from ._threads import get_num_threads, set_num_threads
from .bloch import bloch, bloch_signal, bloch_spinor
from .bloch_exchange import bloch_exchange
from .coils import coil_combine, coil_expand
from .epg import epg, epg_fse
from .epg_steady_state import epg_bssfp, epg_dess, epg_fisp, epg_spgr
from .epgx import epg_exchange, epg_mt
from .fft import fft, ifft
from .nufft import (
    nufft,
    nufft_adjoint,
    nufft_trajectory_grad,
    nufft_trajectory_jvp,
)
from .sense import sense, sense_adjoint, sense_csm_adjoint, sense_gram
from .sense_nufft import sense_nufft, sense_nufft_adjoint, sense_nufft_gram
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
    "NufftPlan",
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
    "get_num_threads",
    "ifft",
    "nufft",
    "nufft_adjoint",
    "nufft_plan",
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
    "set_num_threads",
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
