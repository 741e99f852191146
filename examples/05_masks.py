"""
Sampling masks and their point-spread functions
===============================================

What a mask does to a point is its point-spread function, the inverse transform of the mask. Regular undersampling
gives few strong replicas, which coils can tell apart; irregular undersampling spreads the same energy out, which a
sparse prior can tell from an image.
"""

import matplotlib.pyplot as plt
import torch
from matplotlib.colors import ListedColormap

from mriops import ops, trajectories

torch.set_num_threads(1)
im_size = (128, 128)

# %%
# Lines
# -----

masks = {
    "equispaced": trajectories.mask_equispaced(im_size, 4, acs=16),
    "random": trajectories.mask_random(im_size, 4, acs=16, seed=0),
    "Gaussian": trajectories.mask_gaussian(im_size, 4, acs=16, seed=0),
    "partial Fourier": trajectories.mask_equispaced(im_size, 3, acs=16, partial_fourier=0.7),
}


colours = ListedColormap(["#16161d", "#f2c14e"])  # left out, sampled


def decibels(mask: torch.Tensor) -> torch.Tensor:
    """Point-spread function of a mask, in decibels of its peak."""
    psf = ops.ifft(mask.to(torch.complex64), (-2, -1)).abs()
    return 20 * (psf / psf.max()).clamp_min(1e-3).log10()


figure, axes = plt.subplots(2, len(masks), figsize=(12, 5.2), layout="constrained", height_ratios=(3, 2))
for (above, below), (title, mask) in zip(axes.T, masks.items(), strict=True):
    mask = mask.broadcast_to(im_size)
    above.imshow(mask, cmap=colours, interpolation="nearest")
    above.set_title(f"{title}, R = {trajectories.acceleration(mask):.1f}")
    above.axis("off")
    below.plot(torch.arange(im_size[0]) - im_size[0] // 2, decibels(mask)[:, im_size[1] // 2], lw=1)
    below.set(xlabel="y [voxels]", ylim=(-60, 2))
    below.grid(alpha=0.3)
axes[1, 0].set_ylabel("point spread [dB]")
plt.show()

# %%
# Points: both phase encodes of a volume
# --------------------------------------
# With three dimensions two axes can be undersampled. CAIPIRINHA shifts the points from row to row, so that replicas
# move apart; Poisson discs keep a distance between points that grows away from the centre.

volume = (128, 128, 1)
masks = {
    "grid 2 x 2": trajectories.mask_equispaced(volume, (2, 2), acs=16)[..., 0],
    "CAIPIRINHA 2 x 2": trajectories.mask_caipi(volume, (2, 2), 1, acs=16)[..., 0],
    "Poisson disc": trajectories.mask_poisson(im_size, 4, acs=16, seed=0),
    "Poisson, elliptical": trajectories.mask_poisson(im_size, 6, acs=16, seed=0, elliptical=True),
}

figure, axes = plt.subplots(2, len(masks), figsize=(12, 6.2), layout="constrained")
for (above, below), (title, mask) in zip(axes.T, masks.items(), strict=True):
    above.imshow(mask, cmap=colours, interpolation="nearest")
    above.set_title(f"{title}, R = {trajectories.acceleration(mask):.1f}")
    shown = below.imshow(decibels(mask), cmap="magma", vmin=-60, vmax=0)
    above.axis("off")
    below.axis("off")
figure.colorbar(shown, ax=axes[1], shrink=0.8, label="point spread [dB]")
plt.show()

# %%
# Frames
# ------
# A leading axis of frames, each shifted by one line: over four frames all of k-space is seen.

frames = trajectories.mask_equispaced(im_size, 4, frames=4)
assert frames.shape == (4, 128, 1)
assert bool(frames.any(dim=0).all())
