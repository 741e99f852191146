"""
Parameter maps with their uncertainty
=====================================

A signal model with the times of a measurement is an operator from parameters to images. Fitted voxel by voxel it gives
maps, their standard deviations from the Cramer-Rao bound, and a map of where the fit converged.
"""

import matplotlib.pyplot as plt
import torch

from mriops import signals

# %%
# An inversion recovery of four tissues
# -------------------------------------
y, x = torch.meshgrid(torch.linspace(-1, 1, 128), torch.linspace(-1, 1, 128), indexing="ij")
inside = x**2 + y**2 < 0.9
t1 = torch.where(x < 0, torch.where(y < 0, 0.4, 0.9), torch.where(y < 0, 1.4, 2.5))
op = signals.SignalOp(
    "inversion_recovery", inversion_time=[0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5, 4.0], magnitude=True
)
print(op, op.names, op.units)

sigma = 2.0
clean = op(m0=100.0 * inside, t1=t1, efficiency=0.95)
g = torch.Generator().manual_seed(0)
noise = torch.randn(2, *clean.shape, generator=g) * sigma
images = torch.hypot(clean + noise[0], noise[1])

# %%
# The fit
# -------
# Magnitudes are fitted as magnitudes: no polarity has to be restored before. The derivative of the model is part of the
# same sweep as its value.
result = signals.fit(op, images, mask=inside, noise=sigma)
error = (result.parameters["t1"] - t1)[inside]
spread = result.uncertainty["t1"][inside]
print(f"converged: {100 * result.converged[inside].float().mean():.2f} %")
print(f"error in units of the predicted standard deviation: {(error / spread).std():.3f}")
assert result.converged[inside].float().mean() > 0.999
assert abs((error / spread).std() - 1) < 0.1

# %%
# Maps
# ----
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
shown = (("T1 [s]", result.parameters["t1"], 3.0), ("standard deviation [s]", result.uncertainty["t1"], 0.2))
for axis, (title, values, top) in zip(axes, (*shown, ("efficiency", result.parameters["efficiency"], 1.2))):
    picture = axis.imshow(values, vmin=0, vmax=top)
    axis.set_title(title)
    axis.set_axis_off()
    figure.colorbar(picture, ax=axis)

# %%
# Derivatives design measurements
# -------------------------------
# The bound for three inversion times, as a function of the times, by autograd: gradient descent finds better ones.
times = torch.tensor([0.1, 0.5, 2.0], dtype=torch.float64, requires_grad=True)


def bound(times: torch.Tensor) -> torch.Tensor:
    """Variance of T1 (0.6 to 1.4 s) for noise of 1 % of m0, two parameters."""
    t1 = torch.linspace(0.6, 1.4, 9, dtype=torch.float64)
    e = torch.exp(-times[:, None] / t1)
    m0_column, t1_column = 1 - 2 * e, -2 * e * times[:, None] / t1**2
    a, b, c = (m0_column**2).sum(0), (m0_column * t1_column).sum(0), (t1_column**2).sum(0)
    return (1e-4 * a / (a * c - b * b)).mean()


before = bound(times).item()
optimiser = torch.optim.Adam([times], lr=0.02)
for _ in range(150):
    optimiser.zero_grad()
    bound(times.clamp_min(0.02)).backward()
    optimiser.step()
after = bound(times).item()
print(
    f"standard deviation of T1: {1e3 * before**0.5:.1f} ms before, {1e3 * after**0.5:.1f} ms after, at {times.tolist()}"
)
assert after < before
