"""
Noise amplification
===================

Undersampling costs signal-to-noise twice: fewer samples, and the g-factor, how badly the coils tell aliased pixels
apart. For regular undersampling it is known in closed form; for any other reconstruction replicas of the noise show it.
"""

import matplotlib.pyplot as plt
import torch
from scipy.ndimage import binary_fill_holes

from mriops import metrics, operators, phantoms, solvers, trajectories

torch.set_num_threads(1)
im_size, n_coils = (96, 96), 8
coils, phantom = phantoms.fourier_coils(n_coils), phantoms.brain()
csm = coils.maps(im_size)
object_ = torch.from_numpy(binary_fill_holes(phantom.image(im_size).abs().numpy() > 0.02))
csm = csm * object_

# %%
# Closed form
# -----------

figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
for axis, factor in zip(axes, (2, 3, 4), strict=True):
    g = metrics.gfactor(csm, factor)
    shown = axis.imshow(g.where(object_, torch.nan), cmap="viridis", vmin=1, vmax=5)
    axis.set_title(f"R = {factor}: g up to {g[object_ & g.isfinite()].quantile(0.99):.1f}")
    axis.axis("off")
figure.colorbar(shown, ax=axes, shrink=0.8, label="g-factor")
plt.show()

# %%
# By replicas
# -----------
# The same scan reconstructed many times with new noise: the standard deviation of the results, over that of the fully
# sampled scan, divided by the square root of the acceleration. It knows nothing of the closed form, and agrees with it.

factor = 3
mask = trajectories.mask_equispaced(im_size, factor)
kspace = phantom.multicoil_kspace(im_size, coils)
undersampled, complete = operators.SenseOp(csm, mask=mask), operators.SenseOp(csm)


def reconstruct(kspace: torch.Tensor) -> torch.Tensor:
    """CG-SENSE, converged."""
    return solvers.cg(undersampled.gram, undersampled.H(kspace), max_iter=40, tol=1e-5)


def reference(kspace: torch.Tensor) -> torch.Tensor:
    """The same with all lines."""
    return solvers.cg(complete.gram, complete.H(kspace), max_iter=20, tol=1e-5)


replicas = metrics.gfactor_pseudo_replica(reconstruct, reference, kspace, mask=mask, n_replicas=48, seed=0)
closed = metrics.gfactor(csm, factor)
inside = object_ & closed.isfinite() & (closed > 0)
ratio = (replicas / closed)[inside]
print(f"replicas / closed form, inside the object: {ratio.mean():.3f}, standard deviation {ratio.std():.3f}")
assert abs(ratio.mean() - 1) < 0.05

figure, axes = plt.subplots(1, 2, figsize=(7, 3.4), layout="constrained")
for axis, g, title in zip(axes, (closed, replicas), ("closed form", "48 replicas"), strict=True):
    shown = axis.imshow(g.where(object_, torch.nan), cmap="viridis", vmin=1, vmax=4)
    axis.set_title(title)
    axis.axis("off")
figure.colorbar(shown, ax=axes, shrink=0.9, label="g-factor, R = 3")
plt.show()
