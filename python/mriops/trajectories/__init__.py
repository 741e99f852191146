"""Trajectories (floor 4): where k-space is sampled, masks and coordinates, and how densely. Imports ops and below."""

from mriops.trajectories.angles import golden_angle
from mriops.trajectories.epi import epi
from mriops.trajectories.hardware import GAMMA, GradientLimits, Waveform, gradient_and_slew
from mriops.trajectories.masks import acceleration, mask_caipi, mask_equispaced, mask_gaussian, mask_random
from mriops.trajectories.planar import propeller, rosette
from mriops.trajectories.poisson import mask_poisson
from mriops.trajectories.radial import kooshball, radial, stack
from mriops.trajectories.spiral import cones, spiral
from mriops.trajectories.time_optimal import time_optimal

__all__ = [
    "GAMMA",
    "GradientLimits",
    "Waveform",
    "acceleration",
    "cones",
    "epi",
    "golden_angle",
    "gradient_and_slew",
    "kooshball",
    "mask_caipi",
    "mask_equispaced",
    "mask_gaussian",
    "mask_poisson",
    "mask_random",
    "propeller",
    "radial",
    "rosette",
    "spiral",
    "stack",
    "time_optimal",
]
