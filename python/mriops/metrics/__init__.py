"""Metrics (floor 5): image similarity and noise amplification. Imports phantoms, calibration and torch."""

from mriops.metrics.gfactor import gfactor, gfactor_pseudo_replica, noise_pseudo_replica
from mriops.metrics.images import nmse, nrmse, psnr, ssim

__all__ = ["gfactor", "gfactor_pseudo_replica", "nmse", "noise_pseudo_replica", "nrmse", "psnr", "ssim"]
