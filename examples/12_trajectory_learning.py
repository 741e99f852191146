"""
Learning a trajectory under hardware limits
===========================================

The gradient of the reconstruction error with respect to the trajectory moves the samples, while penalties on gradient
amplitude and slew rate keep the path playable (as in PILOT, Weiss et al. 2021). The reconstruction inside is a few
steps of conjugate gradients.
"""

import matplotlib.pyplot as plt
import torch

from mriops import operators, phantoms, solvers, trajectories

torch.set_num_threads(1)
torch.manual_seed(0)

# %%
# Data
# ----
# Brains turned, stretched and shifted; the last two are for testing only. Coil maps are known here.

im_size, field_of_view, dwell = (64, 64), 0.24, 8e-6
brain = phantoms.brain()
images = []
for _ in range(8):
    turn, stretch = 0.5 * torch.rand(()) - 0.25, 0.75 + 0.2 * torch.rand(2)
    matrix = torch.tensor([[turn.cos(), -turn.sin()], [turn.sin(), turn.cos()]]) * stretch
    images.append(brain.moved(matrix, (0.08 * torch.rand(2) - 0.04).tolist()).image(im_size))
images = torch.stack(images)
train, test = images[:6], images[6:]
csm = phantoms.fourier_coils(6).maps(im_size)
csm = csm / csm.norm(dim=0)

# %%
# A path and its limits
# ---------------------
# Six spokes with 320 samples each are far too few. A path is a smooth curve governed by 32 points per shot, which are
# what is learned; differences of its samples give gradient and slew rate.

limits = trajectories.GradientLimits(gradient=30e-3, slew=120.0)
shots, readout, knots = 6, 320, 32
start = trajectories.radial(im_size, shots, readout, order="uniform", ramp=0.4)
places = torch.linspace(0, knots - 1, readout)
# Cubic B-splines: the slew rate, their second derivative, is continuous.
distance = (places[:, None] - torch.arange(knots)).abs()
spline = torch.where(distance < 1, 2 / 3 - distance**2 + distance**3 / 2, (2 - distance).clamp_min(0) ** 3 / 6)
spline = spline / spline.sum(1, keepdim=True)
control = torch.linalg.lstsq(spline.expand(shots, -1, -1), start).solution.requires_grad_()


def path_of(control: torch.Tensor) -> torch.Tensor:
    """Samples (shots, readout, 2) [cycles/FOV]."""
    return spline @ control


def excess(path: torch.Tensor) -> torch.Tensor:
    """How far amplitude, slew rate and samples exceed their limits, squared."""
    gradient, slew = trajectories.gradient_and_slew(path, field_of_view, dwell)
    over = gradient.norm(dim=-1) / limits.gradient - 0.97, slew.norm(dim=-1) / limits.slew - 0.97
    return (
        (over[0].clamp_min(0) ** 2).mean()
        + (over[1].clamp_min(0) ** 2).mean()
        + ((path.abs() / 32 - 1).clamp_min(0) ** 2).mean()
    )


def playable(path: torch.Tensor) -> bool:
    """Whether the hardware's limits are kept."""
    gradient, slew = trajectories.gradient_and_slew(path.detach(), field_of_view, dwell)
    return bool(gradient.norm(dim=-1).max() <= limits.gradient and slew.norm(dim=-1).max() <= limits.slew)


def reconstruct(image: torch.Tensor, path: torch.Tensor, iterations: int) -> torch.Tensor:
    """Encode along the path and solve; differentiable in the path."""
    encode = operators.SenseOp(csm, trajectory=path, eps=1e-3)
    data = encode(image)
    noise = 2e-3 * torch.randn(data.shape, dtype=data.dtype, generator=torch.Generator().manual_seed(1))
    return solvers.cg(encode.gram, encode.H(data + noise), max_iter=iterations, tol=0, damping=1e-2, batch_ndim=1)


def error(image: torch.Tensor, path: torch.Tensor, iterations: int = 6) -> torch.Tensor:
    """Relative error of the reconstruction."""
    return (reconstruct(image, path, iterations) - image).norm() / image.norm()


# %%
# Learning
# --------
# The trajectory's gradient is the exact derivative of what the transform computes, in one pass.

optimiser = torch.optim.Adam([control], lr=0.25)
history = []
steps = 80
for step in range(steps):
    optimiser.param_groups[0]["lr"] = 0.25 * (1 - step / steps) + 0.01
    path = path_of(control)
    batch = train[torch.arange(2) + 2 * (step % 3)]
    loss = error(batch, path)
    (loss + 300 * excess(path)).backward()
    optimiser.step()
    optimiser.zero_grad()
    history.append(float(loss.detach()))

# A few small steps for the limits alone: the path hardly moves any more.
optimiser = torch.optim.Adam([control], lr=3e-3)
while step < 400 and not playable(path_of(control)):
    step += 1
    excess(path_of(control)).backward()
    optimiser.step()
    optimiser.zero_grad()

# %%
# Before and after
# ----------------
# On brains that were not seen, with more iterations.

learned = path_of(control).detach()
before, after = float(error(test, start, 15)), float(error(test, learned, 15))
gradient, slew = trajectories.gradient_and_slew(learned, field_of_view, dwell)
print(f"after {step} steps: error {before:.3f} -> {after:.3f}")
print(f"gradient {1e3 * float(gradient.norm(dim=-1).max()):.1f} of {1e3 * limits.gradient:.0f} mT/m")
print(f"slew rate {float(slew.norm(dim=-1).max()):.0f} of {limits.slew:.0f} T/m/s")

figure, axes = plt.subplots(2, 3, figsize=(11, 7), layout="constrained")
for row, (name, path, value) in zip(axes, (("spokes", start, before), ("learned", learned, after)), strict=True):
    for shot in path:
        row[0].plot(shot[:, 1], shot[:, 0], lw=0.8)
    row[0].set(aspect="equal", title=name, xlabel="kx [cycles/FOV]", ylabel="ky [cycles/FOV]")
    image = reconstruct(test, path, 15)[0].abs()
    row[1].imshow(image, cmap="gray", vmin=0, vmax=float(test[0].abs().quantile(0.995)))
    row[1].set_title(f"unseen brain, error {value:.3f}")
    row[2].imshow(4 * (image - test[0].abs()).abs(), cmap="inferno", vmin=0, vmax=float(test[0].abs().quantile(0.995)))
    row[2].set_title("error x 4")
    row[1].axis("off")
    row[2].axis("off")
plt.show()
assert after < 0.8 * before
assert playable(learned)

# %%
# The error during learning.

figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
axis.plot(history)
axis.set(xlabel="step", ylabel="relative error")
axis.grid(alpha=0.3)
plt.show()
