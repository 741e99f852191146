"""Calibration (floor 5): coil maps, coil compression, noise whitening, and the ACS they are estimated from.

May import from floor 4 and below (ops, solvers, operators, trajectories) and torch.
"""

from mriops.calibration.acs import check_kspace, detect_acs, extract_acs
from mriops.calibration.adaptive import adaptive_combine, rss, walsh
from mriops.calibration.compression import apply_compression, compress_coils
from mriops.calibration.espirit import espirit
from mriops.calibration.noise import noise_covariance, noise_from_corners, prewhiten, whitening_matrix

__all__ = [
    "adaptive_combine",
    "apply_compression",
    "check_kspace",
    "compress_coils",
    "detect_acs",
    "espirit",
    "extract_acs",
    "noise_covariance",
    "noise_from_corners",
    "prewhiten",
    "rss",
    "walsh",
    "whitening_matrix",
]
