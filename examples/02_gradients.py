"""
Gradients through the operator
==============================

Every argument of ``ops.sense`` has a gradient: the image, the coil maps, and real k-space weights. Here weights learn
which lines of a scan to distrust, and coil maps and image are found together.
"""

import math

import matplotlib.pyplot as plt
import torch

from mriops import metrics, ops, phantoms, solvers, trajectories

torch.set_num_threads(1)
im_size, n_coils = (96, 96), 8
coils, phantom = phantoms.fourier_coils(n_coils), phantoms.brain()
csm = coils.maps(im_size)
csm = csm / csm.abs().square().sum(0).sqrt()
full = phantom.multicoil_kspace(im_size, coils)
reference = ops.sense_adjoint(full, csm)
sigma = 0.02 * reference.abs().max().item()

# %%
# Weights: which lines are wrong?
# -------------------------------
# The subject moves during six of the phase-encode lines, which multiplies them by a phase. Nobody says which. With
# eight coils the other lines contradict them. If line :math:`l` has noise of standard deviation :math:`\sigma / w_l`,
# the likelihood of the data is a function of the weights, and Adam climbs it. The image is the solution of the
# weighted least-squares problem, found by conjugate gradients; the gradient passes through the solver.

mask = trajectories.mask_equispaced(im_size, 1)
kspace = phantoms.add_noise(full, sigma=sigma, seed=1)
wrong = torch.tensor([20, 33, 41, 52, 60, 71])
turn = torch.exp(2j * math.pi * torch.rand(len(wrong), generator=torch.Generator().manual_seed(0)))
kspace[:, wrong] *= turn[:, None].to(kspace.dtype)


def solve(weights: torch.Tensor) -> torch.Tensor:
    """Weighted least squares: weights count once in the model and once in the data."""
    b = ops.sense_adjoint(weights * kspace, csm, weights)
    return solvers.cg(lambda x: ops.sense_gram(x, csm, weights), b, max_iter=12, tol=1e-5, damping=1e-3)


log_weights = torch.zeros(im_size[0], 1, requires_grad=True)
optimiser = torch.optim.Adam([log_weights], lr=0.15)
samples = n_coils * im_size[1]
for _ in range(40):
    optimiser.zero_grad()
    weights = log_weights.exp()
    residual = ops.sense(solve(weights), csm, weights) - weights * kspace
    loss = (residual.abs().square().sum((0, 2)) / (2 * sigma**2 * samples) - log_weights[:, 0]).sum()
    loss.backward()
    optimiser.step()

with torch.no_grad():
    weights = log_weights.exp()
    before, after = solve(torch.ones_like(weights)), solve(weights)
errors = [float(metrics.nrmse(image.abs(), reference.abs())) for image in (before, after)]
found = weights[:, 0].argsort()[: len(wrong)].sort().values
print(
    f"NRMSE {errors[0]:.3f} with all lines trusted, {errors[1]:.3f} with learnt weights; distrusted: {found.tolist()}"
)
assert found.tolist() == wrong.tolist()
assert errors[1] < 0.7 * errors[0]

figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained", width_ratios=(1, 1, 1.6))
for axis, image, title in zip(axes, (before, after), ("all lines trusted", "learnt weights"), strict=False):
    axis.imshow(image.abs(), cmap="gray", vmin=0, vmax=reference.abs().max())
    axis.set_title(title)
    axis.axis("off")
axes[2].plot(weights[:, 0], ".", label="learnt weight")
axes[2].plot(wrong, weights[wrong, 0], "o", mfc="none", ms=9, label="lines that were disturbed")
axes[2].set(xlabel="phase-encode line", ylim=(0, None))
axes[2].legend()
plt.show()

# %%
# Coil maps and image together
# ----------------------------
# Every third line is sampled, and ten in the centre. Maps from so small a centre are coarse, and SENSE with them
# leaves aliasing. Both factors of the model follow from all of the data: Adam descends the misfit in the maps, and for
# each step the image is solved for.

mask = trajectories.mask_equispaced(im_size, 3, acs=10)
data = phantoms.add_noise(full, sigma=0.2 * sigma, seed=3) * mask
centre = torch.zeros(im_size[0], 1)
centre[im_size[0] // 2 - 5 : im_size[0] // 2 + 5, 0] = torch.hann_window(12)[1:11]
low = ops.ifft(data * centre * centre.T, (-2, -1))
start = low / low.abs().square().sum(0).sqrt().clamp_min(0.02 * low.abs().max())


def solve_with(maps: torch.Tensor) -> torch.Tensor:
    """CG-SENSE with these maps."""
    b = ops.sense_adjoint(data, maps, mask)
    return solvers.cg(lambda x: ops.sense_gram(x, maps, mask), b, max_iter=20, tol=1e-5, damping=2e-3)


def smooth(maps: torch.Tensor) -> torch.Tensor:
    """Squared second differences: what coil maps have little of."""
    return sum(torch.diff(maps, n=2, dim=dim).abs().square().mean() for dim in (-2, -1))


maps = start.clone().requires_grad_()
optimiser = torch.optim.Adam([maps], lr=4e-3)
misfits = []
for _ in range(60):
    optimiser.zero_grad()
    image = solve_with(maps)
    misfit = (ops.sense(image, maps, mask) - data).abs().square().sum() / data.abs().square().sum()
    (misfit + 20 * smooth(maps)).backward()
    optimiser.step()
    misfits.append(misfit.item())

with torch.no_grad():
    images = [solve_with(m) for m in (start, maps)]
    seen = [(m.abs().square().sum(0).sqrt() * x.abs()) for m, x in zip((start, maps), images, strict=True)]
truth = ops.ifft(full, (-2, -1)).abs().square().sum(0).sqrt()
errors = [float(metrics.nrmse(picture, truth)) for picture in seen]
print(f"misfit {misfits[0]:.1e} -> {misfits[-1]:.1e}; NRMSE {errors[0]:.3f} -> {errors[1]:.3f}")
assert errors[1] < 0.8 * errors[0]

figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
for axis, (title, picture, top) in zip(
    axes,
    (
        ("maps of the centre: error x 4", 4 * (seen[0] - truth).abs(), truth.max()),
        ("learnt maps: error x 4", 4 * (seen[1] - truth).abs(), truth.max()),
        ("coil 0, from the centre", start[0].abs().detach(), 1),
        ("coil 0, learnt", maps[0].abs().detach(), 1),
    ),
    strict=True,
):
    axis.imshow(picture, cmap="gray" if top != 1 else "viridis", vmin=0, vmax=top)
    axis.set_title(title)
    axis.axis("off")
plt.show()
