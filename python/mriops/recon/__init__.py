"""Applications (floor F7), each short: k-space in, images out. May import every floor below and nothing of cli."""

from mriops.recon.coil_maps import CALIBRATIONS, estimate_csm
from mriops.recon.combine import rss, zero_filled
from mriops.recon.from_raw import METHODS, Settings, reconstruct
from mriops.recon.prepare import Prepared, prepare
from mriops.recon.sense import sense

__all__ = [
    "CALIBRATIONS",
    "METHODS",
    "Prepared",
    "Settings",
    "estimate_csm",
    "prepare",
    "reconstruct",
    "rss",
    "sense",
    "zero_filled",
]
