"""F5: signal models: pulse sequences and Bloch simulations of them.

May import ``mriops.ops``, operators, solvers and trajectories, torch and numpy; pypulseq is imported when a Pulseq file
is read.
"""

from .pulseq import read_pulseq
from .sequence import Adc, Block, Gradient, RfPulse, Sequence, Waveform
from .simulation import simulate, slice_profile

__all__ = [
    "Adc",
    "Block",
    "Gradient",
    "RfPulse",
    "Sequence",
    "Waveform",
    "read_pulseq",
    "simulate",
    "slice_profile",
]
