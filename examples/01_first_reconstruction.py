"""
First reconstruction
====================

Simulate an undersampled multi-coil scan, estimate coil maps from its centre, reconstruct it with CG-SENSE.
"""

import matplotlib.pyplot as plt
import torch

from mriops import calibration, metrics, operators, phantoms, solvers, trajectories

torch.set_num_threads(1)

# %%
# The scan
# --------
# K-space comes from the closed-form Fourier transform of the phantom seen by each coil, so that the simulation shares
# nothing with the reconstruction. Noise gets a covariance between coils. Every third line is sampled, and 24 in the
# centre.

im_size, n_coils = (192, 192), 12
phantom, coils = phantoms.brain(), phantoms.fourier_coils(n_coils)
mask = trajectories.mask_equispaced(im_size, 3, acs=24)
covariance = phantoms.coil_covariance(n_coils, seed=0, sigma=0.02 * phantom.image(im_size).abs().max().item())
kspace = phantoms.add_noise(phantom.multicoil_kspace(im_size, coils), covariance, seed=1) * mask
print(f"{n_coils} coils, {trajectories.acceleration(mask):.2f} times fewer lines")

# %%
# Coil maps and the operator
# --------------------------
# Whitening makes the noise of all coils equal and independent: least squares is then the best there is.

kspace = calibration.prewhiten(kspace, covariance=covariance)
csm = calibration.espirit(kspace, acs=24)
encoding = operators.SenseOp(csm, mask=mask)
encoding.check_adjoint()

# %%
# Reconstruction
# --------------
# ``encoding.gram`` is one fused kernel: no k-space is stored, and since the mask does not change along the readout, the
# readout is not transformed at all.

b = encoding.H(kspace)
residuals = []
image = solvers.cg(encoding.gram, b, max_iter=25, tol=1e-5, callback=lambda i, x, r: residuals.append(r.item()))

# %%
# What came out
# -------------
# The reference is the fully sampled, noise-free image, seen through the same maps.

whitened = calibration.prewhiten(phantom.multicoil_kspace(im_size, coils), covariance=covariance)
reference = operators.SenseOp(csm).H(whitened)
error = metrics.nrmse(image.abs(), reference.abs())
similarity = metrics.ssim(image.abs(), reference.abs())
print(f"NRMSE {error:.3f}, SSIM {similarity:.3f}")

top = float(reference.abs().quantile(0.995))
figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
zero_filled = b.abs() * (reference.abs().norm() / b.abs().norm())
for axis, picture, title in zip(
    axes,
    (zero_filled, image.abs(), reference.abs(), 5 * (image.abs() - reference.abs()).abs()),
    ("zero-filled", "CG-SENSE", "reference", "error x 5"),
    strict=True,
):
    axis.imshow(picture, cmap="gray", vmin=0, vmax=top)
    axis.set_title(title)
    axis.axis("off")
plt.show()
assert error < 0.15

# %%
# The residual of the normal equations falls until what is left is the noise.

figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
axis.semilogy(residuals)
axis.set(xlabel="iteration", ylabel="residual / right-hand side")
axis.grid(alpha=0.3)
plt.show()
