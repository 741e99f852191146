"""
Two sets of coil maps
=====================

An object larger than the field of view folds onto itself. At a folded pixel two places are seen at once, and no single
sensitivity explains the coils. ESPIRiT finds that out: it returns a second set of maps there, and SENSE with both sets
("soft SENSE") reconstructs what one set cannot.
"""

import matplotlib.pyplot as plt
import torch

from mriops import calibration, metrics, operators, ops, phantoms, solvers, trajectories

torch.set_num_threads(1)
im_size, n_coils = (128, 128), 10

# %%
# The phantom is stretched by a third along y: its ends leave the field of view, and fold back in. Coil maps are a
# Fourier series over twice the field of view, so the data stay exact.

phantom = phantoms.brain().moved([[1.35, 0.0], [0.0, 1.0]])
coils = phantoms.fourier_coils(n_coils, distance=0.9)
full = phantom.multicoil_kspace(im_size, coils)
kspace = phantoms.add_noise(full, sigma=1e-3 * full.abs().max().item() / 10, seed=0)
mask = trajectories.mask_equispaced(im_size, 2, acs=24)

csm, eigenvalues = calibration.espirit(kspace, acs=24, n_maps=2, crop=0.9, return_eigenvalues=True)
print("maps", tuple(csm.shape), "eigenvalues", tuple(eigenvalues.shape))

figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
pictures = (
    ("sum of squares", ops.ifft(kspace, (-2, -1)).abs().square().sum(0).sqrt(), "gray", None),
    ("first eigenvalue", eigenvalues[0], "viridis", 1),
    ("second eigenvalue", eigenvalues[1], "viridis", 1),
    ("second set of maps, coil 0", csm[1, 0].abs(), "viridis", None),
)
for axis, (title, picture, colours, top) in zip(axes, pictures, strict=True):
    axis.imshow(picture, cmap=colours, vmin=0, vmax=top)
    axis.set_title(title)
    axis.axis("off")
plt.show()

# %%
# One set against two
# -------------------

measured = kspace * mask
one = operators.SenseOp(csm[0], mask=mask)
two = operators.SenseOp(csm, mask=mask, maps=True)
image_one = solvers.cg(one.gram, one.H(measured), max_iter=40, damping=1e-3)
image_two = solvers.cg(two.gram, two.H(measured), max_iter=40, damping=1e-3)

# Compared through what the coils see: maps applied again, then the sum of squares.
reference = ops.ifft(full, (-2, -1)).abs().square().sum(0).sqrt()
seen_one = ops.coil_expand(image_one, csm[0]).abs().square().sum(0).sqrt()
seen_two = ops.coil_expand(image_two, csm, maps=True).abs().square().sum(0).sqrt()
errors = [float(metrics.nrmse(seen, reference)) for seen in (seen_one, seen_two)]
print(f"NRMSE: {errors[0]:.3f} with one set, {errors[1]:.3f} with two")
assert errors[1] < 0.7 * errors[0]

top = float(reference.quantile(0.995))
figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
for axis, picture, title in zip(
    axes,
    (seen_one, 4 * (seen_one - reference).abs(), seen_two, 4 * (seen_two - reference).abs()),
    ("one set", "error x 4", "two sets", "error x 4"),
    strict=True,
):
    axis.imshow(picture, cmap="gray", vmin=0, vmax=top)
    axis.set_title(title)
    axis.axis("off")
plt.show()
