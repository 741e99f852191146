"""Phantoms (floor 5): objects with exact analytic k-space, coil sensitivities, noise. Imports torch only."""

from mriops.phantoms.brain import brain
from mriops.phantoms.coils import FourierCoils, coil_maps, fourier_coils
from mriops.phantoms.contour import Contour
from mriops.phantoms.ellipsoid import Ellipsoid
from mriops.phantoms.noise import add_noise, coil_covariance, noise_samples
from mriops.phantoms.phantom import Phantom
from mriops.phantoms.polygon import Polygon
from mriops.phantoms.shapes import Shape
from mriops.phantoms.shepp_logan import shepp_logan
from mriops.phantoms.tissue import Region, Tissue, TissuePhantom

__all__ = [
    "Contour",
    "Ellipsoid",
    "FourierCoils",
    "Phantom",
    "Polygon",
    "Region",
    "Shape",
    "Tissue",
    "TissuePhantom",
    "add_noise",
    "brain",
    "coil_covariance",
    "coil_maps",
    "fourier_coils",
    "noise_samples",
    "shepp_logan",
]
