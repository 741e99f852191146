"""
Radial scans: density, delays, undersampling
============================================

Spokes at golden angles: how densely they sample k-space, what a gradient delay of half a sample does and how the spokes
themselves tell it, and SENSE from an eighth of the spokes.
"""

import matplotlib.pyplot as plt
import torch

from mriops import calibration, metrics, operators, ops, phantoms, recon, trajectories

torch.set_num_threads(1)

# %%
# The scan
# --------
# The object has twice as many pixels along each axis as the images below, so that simulation and reconstruction do not
# share a grid. Gradients are late by 0.6 samples along y and 0.3 along x: the samples lie elsewhere than we think.

im_size, fine, n_coils = (128, 128), (256, 256), 8
brain, coils = phantoms.brain(), phantoms.fourier_coils(n_coils)
scanner_delays = torch.tensor([[0.6, 0.0], [0.0, 0.3]])


def scan(trajectory: torch.Tensor) -> torch.Tensor:
    """K-space of the fine object at the samples, with noise."""
    encode = operators.SenseOp(coils.maps(fine), trajectory=trajectory, eps=1e-6)
    return phantoms.add_noise(encode(brain.image(fine)) / 2, sigma=2e-3, seed=0)


spokes = trajectories.radial(im_size, 200)
kspace = scan(trajectories.delayed(spokes, scanner_delays))
print(f"{tuple(spokes.shape)}: shots, readout, (y, x)")

# %%
# Density compensation
# --------------------
# All weights are areas of k-space [(cycles/FOV)^2], so that the adjoint of weighted samples is an image of the right
# brightness. Radial ones come in closed form; Voronoi cells and the iteration of Pipe and Menon work for any samples.

weights = {
    "analytic": trajectories.dcf_radial(spokes, im_size),
    "Voronoi": trajectories.dcf_voronoi(spokes, im_size),
    "Pipe-Menon": trajectories.dcf_pipe(spokes, im_size),
}
figure, axes = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
for name, w in weights.items():
    axes[0].plot(spokes[0, :, 1], w[0], label=name, lw=1)
    spread = ops.nufft_adjoint(w.flatten().to(torch.complex64), spokes.flatten(0, 1), im_size).abs()
    axes[1].plot(torch.arange(128) - 64, 20 * (spread[64] / spread.max()).clamp_min(1e-5).log10(), label=name, lw=1)
axes[0].set(xlabel="k [cycles/FOV]", ylabel="weight", title="along the first spoke")
axes[1].set(xlabel="x [voxels]", ylabel="[dB]", title="point-spread function")
axes[0].legend()
for axis in axes:
    axis.grid(alpha=0.3)
plt.show()

# %%
# Delays
# ------
# Where two spokes intersect, all coils must agree. Comparing pairs of spokes around their nominal crossing gives the
# delays without any calibration scan.

delays = trajectories.radial_delays(kspace, spokes)
print("delays found [samples]:", [[round(v, 3) for v in row] for row in delays.tolist()])
assert (delays - scanner_delays).abs().max() < 0.03
corrected = trajectories.delayed(spokes, delays)

# %%
# Images
# ------
# Maps come from the gridded centre of k-space. With 25 of the 200 spokes, gridding streaks; SENSE solves for the image.

csm = recon.nonuniform_csm(kspace, corrected, im_size)
reference = recon.noncartesian_sense(kspace, corrected, im_size, csm=csm, l2=1e-4).abs()
few, path = kspace[:, :25], corrected[:25]
images = {
    "200 spokes, no correction": recon.gridding(kspace, spokes, im_size, csm=csm, dcf=weights["analytic"]),
    "200 spokes, delays corrected": recon.gridding(kspace, corrected, im_size, csm=csm, dcf=weights["analytic"]),
    "25 spokes, gridding": recon.gridding(few, path, im_size, csm=csm),
    "25 spokes, SENSE": recon.noncartesian_sense(few, path, im_size, csm=csm, l2=3e-3),
}
figure, axes = plt.subplots(2, 4, figsize=(12, 6.2), layout="constrained")
top, inside = float(reference.quantile(0.995)), calibration.rss(csm) > 0
errors = {}
for column, (name, image) in zip(axes.T, images.items(), strict=True):
    image = image.abs() * inside
    errors[name] = float(metrics.nrmse(image, reference))
    column[0].imshow(image, cmap="gray", vmin=0, vmax=top)
    column[0].set_title(f"{name}\nNRMSE {errors[name]:.3f}", fontsize=10)
    column[1].imshow(4 * (image - reference).abs(), cmap="inferno", vmin=0, vmax=top)
    column[0].axis("off")
    column[1].axis("off")
plt.show()
assert errors["200 spokes, delays corrected"] < 0.5 * errors["200 spokes, no correction"]
assert errors["25 spokes, SENSE"] < 0.6 * errors["25 spokes, gridding"]
