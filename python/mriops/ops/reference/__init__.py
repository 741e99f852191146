"""F3: the meaning of each op in a few lines of torch, any dtype, any device, no speed. Imports torch only.

Same names and signatures as :mod:`mriops.ops`. The kernels are tested against these functions, and these against closed
forms and direct sums.
"""

from .bloch import bloch, bloch_signal
from .coils import coil_combine, coil_expand
from .fft import fft, ifft
from .sense import sense, sense_adjoint, sense_csm_adjoint, sense_gram

__all__ = [
    "bloch",
    "bloch_signal",
    "coil_combine",
    "coil_expand",
    "fft",
    "ifft",
    "sense",
    "sense_adjoint",
    "sense_csm_adjoint",
    "sense_gram",
]
