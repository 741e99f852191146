"""Trajectories (floor 4): where k-space is sampled, masks and coordinates, and how densely. Imports ops and below."""

from mriops.trajectories.angles import golden_angle
from mriops.trajectories.delays import delayed, radial_delays
from mriops.trajectories.density import dcf_radial, dcf_spiral
from mriops.trajectories.epi import epi
from mriops.trajectories.hardware import GAMMA, GradientLimits, Waveform, gradient_and_slew
from mriops.trajectories.masks import acceleration, mask_caipi, mask_equispaced, mask_gaussian, mask_random
from mriops.trajectories.pipe import dcf_pipe
from mriops.trajectories.planar import propeller, rosette
from mriops.trajectories.poisson import mask_poisson
from mriops.trajectories.pulseq import PulseqTrajectory, from_pulseq
from mriops.trajectories.radial import kooshball, radial, stack
from mriops.trajectories.spiral import cones, spiral
from mriops.trajectories.time_optimal import time_optimal
from mriops.trajectories.voronoi import dcf_voronoi

__all__ = [
    "GAMMA",
    "GradientLimits",
    "PulseqTrajectory",
    "Waveform",
    "acceleration",
    "cones",
    "dcf_pipe",
    "dcf_radial",
    "dcf_spiral",
    "dcf_voronoi",
    "delayed",
    "epi",
    "from_pulseq",
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
    "radial_delays",
    "rosette",
    "spiral",
    "stack",
    "time_optimal",
]
