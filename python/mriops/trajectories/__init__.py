"""Trajectories (floor 4): where k-space is sampled. Cartesian masks so far. Imports numpy and torch only."""

from mriops.trajectories.masks import acceleration, mask_caipi, mask_equispaced, mask_gaussian, mask_random
from mriops.trajectories.poisson import mask_poisson

__all__ = ["acceleration", "mask_caipi", "mask_equispaced", "mask_gaussian", "mask_poisson", "mask_random"]
