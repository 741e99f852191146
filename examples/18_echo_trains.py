"""
Echo trains: T2 beside imperfect refocusing, and a better fingerprinting train
==============================================================================

Extended phase graphs give the signal of a train of pulses without simulating single spins, here with all derivatives.
Two uses: fitting T2 to echoes that are not an exponential, and choosing flip angles that tell T1 and T2 apart.
"""

import math

import matplotlib.pyplot as plt
import torch

from mriops import ops

torch.manual_seed(0)

# %%
# T2 from echoes with stimulated contributions
# --------------------------------------------
# Where the transmit field is 20 % too weak, a refocusing pulse of 180 degrees is one of 144: part of the magnetization
# is stored along z, where it decays with T1, and comes back later. The echoes decay too slowly, and with 40 % the
# second is larger than the first.

n_echoes, spacing = 32, 0.010
flips = torch.full((n_echoes,), math.pi, dtype=torch.float64)
t1, t2 = torch.tensor(1.0, dtype=torch.float64), torch.linspace(0.04, 0.16, 61, dtype=torch.float64)
b1 = torch.linspace(0.6, 1.0, 41, dtype=torch.float64)[:, None]
echoes = ops.epg_fse(flips, t1, t2, b1, echo_spacing=spacing)  # (echoes, 41, 61)

# The log-linear fit that ignores all this, without the first echo:
times = spacing * torch.arange(1, n_echoes + 1, dtype=torch.float64)
design = torch.stack([torch.ones_like(times), -times], 1)[1:12]
rate = torch.linalg.lstsq(design, echoes[1:12].log().reshape(11, -1)).solution[1].reshape(echoes.shape[1:])
bias = 1 / rate / t2 - 1

# %%
# Fitting T2, the transmit field and the amplitude together, one Gauss-Newton step after another for every voxel of a
# noisy data set: the Jacobian comes from forward mode.

noisy = echoes + 0.005 * torch.randn(echoes.shape, dtype=torch.float64)
log_t2, field = torch.full_like(rate, math.log(0.08)), torch.full_like(rate, 0.85)
amplitude = torch.ones_like(rate)


def model(log_t2: torch.Tensor, field: torch.Tensor, amplitude: torch.Tensor) -> torch.Tensor:
    return ops.epg_fse(flips, t1, log_t2.exp(), field, m0=amplitude, echo_spacing=spacing)


one, zero = torch.ones_like(rate), torch.zeros_like(rate)
for _ in range(8):
    state = (log_t2, field, amplitude)
    columns = [torch.func.jvp(model, state, tuple(one if i == j else zero for j in range(3)))[1] for i in range(3)]
    jacobian = torch.stack(columns, -1).movedim(0, -2)  # (41, 61, echoes, 3)
    residual = (noisy - model(*state)).movedim(0, -1)[..., None]
    normal = jacobian.mT @ jacobian + 1e-4 * torch.eye(3, dtype=torch.float64)
    step = torch.linalg.solve(normal, jacobian.mT @ residual)[..., 0]
    log_t2 = (log_t2 + step[..., 0].clamp(-0.5, 0.5)).clamp(math.log(0.01), math.log(0.5))
    field = (field + step[..., 1].clamp(-0.1, 0.1)).clamp(0.5, 1.0)  # b1 and 2 - b1 have the same echoes
    amplitude = amplitude + step[..., 2]
error = log_t2.exp() / t2 - 1
print(
    f"exponential fit: T2 up to {100 * bias.max():.0f} % too long; with the echo train: {100 * error.std():.1f} % noise"
)
assert bias.max() > 0.2
assert error.abs().median() < 0.02

# %%
# A fingerprinting train by the Cramer-Rao bound
# ----------------------------------------------
# The variance of any unbiased estimate of T1 and T2 is at least the inverse of the Fisher matrix ``J^T J / sigma^2``.
# ``J`` is a forward-mode derivative, and its gradient for 150 flip angles is one reverse sweep of second derivatives.

n_pulses, repetition = 150, 0.012
tissue_t1, tissue_t2 = torch.tensor([0.8, 1.3], dtype=torch.float64), torch.tensor([0.07, 0.10], dtype=torch.float64)


def relative_bounds(angles: torch.Tensor) -> torch.Tensor:
    """Bounds on the standard deviations of T1 and T2, relative to them, for noise of 1 % of m0: (2, tissues)."""

    def signal(t1: torch.Tensor, t2: torch.Tensor, m0: torch.Tensor) -> torch.Tensor:
        s = ops.epg_fisp(angles, repetition, t1, t2, m0=m0, echo_time=0.003, inversion_time=0.02, orders=40)
        return torch.view_as_real(s).movedim(-1, 0).flatten(0, 1)

    point = (tissue_t1, tissue_t2, torch.ones(2, dtype=torch.float64))
    columns = []
    for i, value in enumerate(point):
        direction = tuple(value if i == j else torch.zeros_like(v) for j, v in enumerate(point))
        columns.append(torch.func.jvp(signal, point, direction)[1])
    jacobian = torch.stack(columns, -1).movedim(1, 0)
    covariance = torch.linalg.inv(jacobian.mT @ jacobian) * 0.01**2
    return covariance.diagonal(dim1=-2, dim2=-1)[:, :2].sqrt().T


start = torch.deg2rad(10 + 40 * torch.sin(math.pi * torch.arange(n_pulses, dtype=torch.float64) / n_pulses))
angles = start.clone().requires_grad_()
optimiser = torch.optim.Adam([angles], lr=0.03)
for _ in range(120):
    optimiser.zero_grad()
    loss = relative_bounds(angles).square().sum() + 1e-6 * angles.diff().square().sum()
    loss.backward()
    optimiser.step()
    with torch.no_grad():
        angles.clamp_(0.02, math.radians(80))
before, after = relative_bounds(start), relative_bounds(angles.detach())
print("bound on T1, T2 [%] before", (100 * before.mean(1)).round(decimals=2).tolist(), end=", ")
print("after", (100 * after.mean(1)).round(decimals=2).tolist())
assert after.square().sum() < 0.5 * before.square().sum()

# %%
fig, axes = plt.subplots(1, 4, figsize=(15, 3.4), layout="constrained")
for value, colour in ((1.0, "C0"), (0.8, "C1"), (0.6, "C3")):
    train = ops.epg_fse(flips, t1, torch.tensor(0.08, dtype=torch.float64), value, echo_spacing=spacing)
    axes[0].plot(1e3 * times, train, colour + ".-", label=f"b1 = {value}")
axes[0].plot(1e3 * times, torch.exp(-times / 0.08), "k:", label="exp(-t / T2)")
axes[0].set(xlabel="time [ms]", ylabel="echo / $M_0$", title="T2 = 80 ms, 180° refocusing")
axes[0].legend()
extent = (1e3 * float(t2[0]), 1e3 * float(t2[-1]), float(b1[0]), float(b1[-1]))
for axis, picture, title in (
    (axes[1], bias, "exponential fit"),
    (axes[2], error, "fit of the echo train, noise 0.5 %"),
):
    shown = axis.imshow(100 * picture, extent=extent, origin="lower", aspect="auto", cmap="RdBu_r", vmin=-25, vmax=25)
    axis.set(xlabel="T2 [ms]", ylabel="b1", title=title)
fig.colorbar(shown, ax=axes[2], label="error of T2 [%]")
axes[3].plot(torch.rad2deg(start), label="start")
axes[3].plot(torch.rad2deg(angles.detach()), label="refined")
axes[3].set(xlabel="pulse", ylabel="flip angle [°]", title="fingerprinting train")
axes[3].legend()
fig.savefig("echo_trains.png", dpi=110)
