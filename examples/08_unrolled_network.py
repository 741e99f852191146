"""
Training an unrolled network
============================

A network that alternates a small convolutional denoiser with conjugate gradients on the SENSE normal equations (MoDL).
The gradient passes through the solver by the implicit function theorem: one more solve, whatever the number of
iterations, and no memory for them.
"""

import matplotlib.pyplot as plt
import torch

from mriops import metrics, ops, phantoms, solvers, trajectories

torch.manual_seed(0)
torch.set_num_threads(1)
im_size, n_coils = (64, 64), 6
coils = phantoms.fourier_coils(n_coils)
csm = coils.maps(im_size)
csm = csm / csm.abs().square().sum(0, keepdim=True).sqrt()
mask = trajectories.mask_random(im_size, 3, acs=10, seed=1)

# %%
# Simulated data: the phantom turned, stretched and moved at random, with exact k-space and noise.


def draw(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Undersampled k-space (count, coils, y, x) and images (count, y, x)."""
    generator = torch.Generator().manual_seed(seed)
    kspaces, images = [], []
    for _ in range(count):
        angle, stretch, dy, dx = (torch.rand(4, generator=generator) - 0.5).tolist()
        c, s = torch.cos(torch.tensor(angle)).item(), torch.sin(torch.tensor(angle)).item()
        matrix = [[c * (1 + 0.2 * stretch), -s], [s, c * (1 - 0.2 * stretch)]]
        phantom = phantoms.brain().moved(matrix, (0.05 * dy, 0.05 * dx))
        full = phantom.multicoil_kspace(im_size, coils)
        images.append(ops.sense_adjoint(full, csm))
        kspaces.append(phantoms.add_noise(full, sigma=0.02 * images[-1].abs().max().item(), seed=seed + len(images)))
    return torch.stack(kspaces) * mask, torch.stack(images)


train, test = draw(16, seed=0), draw(3, seed=1000)
scale = train[1].abs().amax().item()
train, test = ((k / scale, x / scale) for k, x in (train, test))

# %%
# The network
# -----------


class Denoiser(torch.nn.Module):
    """Three convolutions on real and imaginary part, added to the input."""

    def __init__(self, features: int = 24) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(2, features, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(features, features, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(features, 2, 3, padding=1),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(batch, y, x) complex to the same."""
        residual = self.layers(torch.view_as_real(image).movedim(-1, 1))
        return image + torch.view_as_complex(residual.movedim(1, -1).contiguous())


class Unrolled(torch.nn.Module):
    """x <- argmin ||E x - k||^2 + weight ||x - denoise(x)||^2, a few times."""

    def __init__(self, steps: int = 3) -> None:
        super().__init__()
        self.denoise, self.steps = Denoiser(), steps
        self.log_weight = torch.nn.Parameter(torch.tensor(-2.0))

    def forward(self, kspace: torch.Tensor) -> torch.Tensor:
        """(batch, coils, y, x) to images (batch, y, x)."""
        weight = self.log_weight.exp()
        b = ops.sense_adjoint(kspace, csm, mask)
        image = b
        for _ in range(self.steps):
            image = solvers.cg(
                lambda x: ops.sense_gram(x, csm, mask) + weight * x,
                b + weight * self.denoise(image),
                max_iter=8,
                tol=1e-4,
                batch_ndim=1,
            )
        return image


network = Unrolled()
optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
losses = []
for epoch in range(24):
    order = torch.randperm(len(train[0]), generator=torch.Generator().manual_seed(epoch))
    for pick in order.split(4):
        optimiser.zero_grad()
        loss = (network(train[0][pick]) - train[1][pick]).abs().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
print(f"loss {losses[0]:.4f} -> {losses[-1]:.4f}; learnt weight {network.log_weight.exp().item():.3f}")

# %%
# On objects it has not seen
# --------------------------
# Beside it: CG-SENSE with the best of four Tikhonov weights.

with torch.no_grad():
    learnt = network(test[0])
    b = ops.sense_adjoint(test[0], csm, mask)
    tried = [
        solvers.cg(lambda x: ops.sense_gram(x, csm, mask), b, max_iter=20, damping=damping, batch_ndim=1)
        for damping in (0.003, 0.01, 0.03, 0.1)
    ]
plain = min(tried, key=lambda image: float(metrics.nrmse(image.abs(), test[1].abs()).mean()))
scores = [float(metrics.nrmse(image.abs(), test[1].abs()).mean()) for image in (plain, learnt)]
print(f"NRMSE {scores[0]:.3f} CG-SENSE, {scores[1]:.3f} unrolled network")
assert scores[1] < scores[0]

figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
pictures = (b[0].abs(), plain[0].abs(), learnt[0].abs(), test[1][0].abs())
for axis, picture, title in zip(axes, pictures, ("zero-filled", "CG-SENSE", "unrolled", "reference"), strict=True):
    axis.imshow(picture, cmap="gray", vmin=0, vmax=test[1][0].abs().max())
    axis.set_title(title)
    axis.axis("off")
plt.show()
