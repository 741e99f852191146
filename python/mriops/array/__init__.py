"""F3: the functions of :mod:`mriops.ops`, with the same names, on NumPy and CuPy arrays. Never imports torch.

May import ``mriops._native`` and numpy; cupy is imported when a CuPy array comes. Results are of the arrays' own
kind and on their device. The calls on NumPy arrays use :func:`get_num_threads` threads.
"""

from ._threads import get_num_threads, set_num_threads
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
    "get_num_threads",
    "ifft",
    "sense",
    "sense_adjoint",
    "sense_csm_adjoint",
    "sense_gram",
    "set_num_threads",
]
