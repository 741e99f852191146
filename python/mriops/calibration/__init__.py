"""Calibration (floor 5): coil maps, coil compression, noise whitening, and the ACS they are estimated from.

May import from floor 4 and below (ops, solvers, operators, trajectories) and torch.
"""

from mriops.calibration.acs import check_kspace, detect_acs, extract_acs
from mriops.calibration.adaptive import adaptive_combine, rss, walsh
from mriops.calibration.compression import apply_compression, compress_coils
from mriops.calibration.epi import EpiPhase, epi_phase
from mriops.calibration.espirit import espirit
from mriops.calibration.noise import noise_covariance, noise_from_corners, prewhiten, whitening_matrix
from mriops.calibration.nonuniform import adjoint_maps, check_samples, gridded_calibration

__all__ = [
    "EpiPhase",
    "adaptive_combine",
    "adjoint_maps",
    "apply_compression",
    "check_kspace",
    "check_samples",
    "compress_coils",
    "detect_acs",
    "epi_phase",
    "espirit",
    "extract_acs",
    "gridded_calibration",
    "noise_covariance",
    "noise_from_corners",
    "prewhiten",
    "rss",
    "walsh",
    "whitening_matrix",
]
