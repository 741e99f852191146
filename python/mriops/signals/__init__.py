"""F5: signal models as operators, fits of their parameters per voxel, pulse sequences, Bloch simulations of them.

May import ``mriops.ops``, operators, solvers and trajectories, torch and numpy; pypulseq is imported when a Pulseq file
is read. :class:`SignalOp` joins a model to the times and angles of a measurement, :func:`fit` finds the parameters of
each voxel with their uncertainty, :func:`match` looks signals up in a dictionary.
"""

from .dictionary import Dictionary, Match, match
from .fingerprint import PulseTrain, fingerprint_deviation, fingerprints
from .fit import FitResult, fit
from .operator import SignalOp
from .pulseq import read_pulseq
from .sequence import Adc, Block, Gradient, RfPulse, Sequence, Waveform
from .simulation import simulate, slice_profile
from .spectra import fat_spectrum

__all__ = [
    "Adc",
    "Block",
    "Dictionary",
    "FitResult",
    "Gradient",
    "Match",
    "PulseTrain",
    "RfPulse",
    "Sequence",
    "SignalOp",
    "Waveform",
    "fat_spectrum",
    "fingerprint_deviation",
    "fingerprints",
    "fit",
    "match",
    "read_pulseq",
    "simulate",
    "slice_profile",
]
