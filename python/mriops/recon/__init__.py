"""Applications (floor F7), each short: k-space in, images out. May import every floor below and nothing of cli."""

from mriops.recon.coil_maps import CALIBRATIONS, estimate_csm
from mriops.recon.combine import rss, zero_filled
from mriops.recon.from_raw import METHODS, Settings, reconstruct
from mriops.recon.from_trajectory import PreparedShots, prepare_shots, reconstruct_shots
from mriops.recon.model_based import model_based, t1_vfa
from mriops.recon.nonuniform import gridding, noncartesian_sense, nonuniform_csm
from mriops.recon.prepare import Prepared, prepare
from mriops.recon.sense import sense
from mriops.recon.subspace import subspace_sense

__all__ = [
    "CALIBRATIONS",
    "METHODS",
    "Prepared",
    "PreparedShots",
    "Settings",
    "estimate_csm",
    "gridding",
    "model_based",
    "noncartesian_sense",
    "nonuniform_csm",
    "prepare",
    "prepare_shots",
    "reconstruct",
    "reconstruct_shots",
    "rss",
    "sense",
    "subspace_sense",
    "t1_vfa",
    "zero_filled",
]
