"""
A selective pulse: SLR design, and a better one by gradients
============================================================

The Shinnar-Le Roux transform turns the design of a selective pulse into that of a digital filter. The simulation of
:func:`mriops.signals.slice_profile` shows what the pulse does, and being differentiable, it can improve a pulse where
no closed form helps: here with relaxation, and with a transmit field that is not uniform.
"""

import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.signal import remez

from mriops import signals

gamma = 42.577478518e6
n, duration, time_bandwidth = 128, 3e-3, 6.0
dt, thickness = duration / n, 5e-3
gradient = time_bandwidth / duration / (gamma * thickness)

# %%
# SLR design
# ----------
# An excitation by 90 degrees has ``|beta| = sin(45 deg)`` in the slice. ``beta`` is a linear-phase filter, ``alpha``
# the minimum-phase one with ``|alpha|^2 + |beta|^2 = 1``, and the pulse follows by peeling off hard pulses one by one.

band = time_bandwidth / n
transition = 2.4 / n
edges = [0, band / 2 - transition / 2, band / 2 + transition / 2, 0.5]
beta = math.sin(math.pi / 4) * remez(n, edges, [1, 0], weight=[1, 1], fs=1.0)


def minimum_phase(beta: np.ndarray, oversampling: int = 16) -> np.ndarray:
    """The polynomial alpha of largest first coefficient, by the cepstrum."""
    size = oversampling * beta.size
    magnitude = np.sqrt(np.maximum(1 - np.abs(np.fft.fft(beta, size)) ** 2, 1e-12))
    cepstrum = np.fft.ifft(np.log(magnitude))
    cepstrum[1 : size // 2] *= 2
    cepstrum[size // 2 + 1 :] = 0
    return np.fft.ifft(np.exp(np.fft.fft(cepstrum)))[: beta.size]


def peel(alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Flip angles [rad] of the hard pulses that make alpha and beta, as complex numbers."""
    a, b = alpha.astype(complex), beta.astype(complex)
    angles = np.zeros(beta.size, complex)
    for j in range(beta.size)[::-1]:
        half = np.arctan2(np.abs(b[0]), np.abs(a[0]))
        phase = np.angle(-1j * b[0] / a[0])
        angles[j] = 2 * half * np.exp(1j * phase)
        s, c = 1j * np.exp(1j * phase) * np.sin(half), np.cos(half)
        a, b = c * a + s.conjugate() * b, -s * a + c * b
        a, b = a[:-1] if j else a, b[1:]
    return angles


angles = peel(minimum_phase(beta), beta)
angles = angles * np.exp(-1j * np.angle(angles.sum()))  # along x, where a linear-phase beta lies along y
slr = torch.from_numpy(angles / (2 * math.pi * gamma * dt)).to(torch.complex128)

# %%
# A windowed sinc of the same duration and bandwidth, for comparison.

t = (torch.arange(n, dtype=torch.float64) + 0.5) / n - 0.5
shape = torch.sinc(time_bandwidth * t) * (0.54 + 0.46 * torch.cos(2 * math.pi * t))
sinc = (shape / (4 * gamma * dt * shape.sum())).to(torch.complex128)

position = torch.linspace(-8e-3, 8e-3, 801, dtype=torch.float64)
with torch.no_grad():
    profiles = {name: signals.slice_profile(rf, gradient, dt, position) for name, rf in (("sinc", sinc), ("SLR", slr))}

outside = position.abs() > thickness / 2 * 1.4
inside = position.abs() < thickness / 2 * 0.6
transverse = {name: m[:, :2].norm(dim=-1) for name, m in profiles.items()}
for name, value in transverse.items():
    print(f"{name:5s} in the slice {value[inside].min():.3f} to 1, outside at most {value[outside].max():.4f}")
assert transverse["SLR"][inside].min() > 0.98
assert transverse["SLR"][outside].max() < 0.02

# %%
# Better, by gradients
# --------------------
# Now with short T2, and for three strengths of the transmit field at once: L-BFGS through the simulation, starting from
# the SLR pulse. What is wanted is a rectangle, whatever the field; bands of 0.6 mm on both sides of its edges are left
# out.

strengths = torch.tensor([0.9, 1.0, 1.1], dtype=torch.float64)
x = torch.linspace(-8e-3, 8e-3, 161, dtype=torch.float64)
wanted = (x.abs() < thickness / 2).double()
weight = ((x.abs() - thickness / 2).abs() > 0.6e-3).double()
rf = torch.view_as_real(slr * 1e6).clone().requires_grad_()  # microtesla, for the optimiser


def mismatch() -> torch.Tensor:
    """Mean squared error of |Mxy| over the slice and the strengths."""
    b1 = strengths[:, None].expand(3, x.numel()).to(torch.complex128)
    m = signals.slice_profile(1e-6 * torch.view_as_complex(rf), gradient, dt, x, t1=0.3, t2=0.01, b1=b1)
    return (weight * (m[..., :2].square().sum(-1) + 1e-9).sqrt().sub(wanted).square()).mean()


optimiser = torch.optim.LBFGS([rf], max_iter=60, history_size=20, line_search_fn="strong_wolfe")
before = float(mismatch().detach())


def closure() -> torch.Tensor:
    """One evaluation for L-BFGS."""
    optimiser.zero_grad()
    loss = mismatch()
    loss.backward()
    return loss


optimiser.step(closure)
after = float(mismatch().detach())
print(f"mean squared error {before:.2e} before, {after:.2e} after {optimiser.state[rf]['func_evals']} evaluations")
assert after < 0.5 * before
better = (1e-6 * torch.view_as_complex(rf)).detach()

# %%
fig, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
time = (np.arange(n) + 0.5) * dt * 1e3
for name, pulse in (("sinc", sinc), ("SLR", slr), ("refined", better)):
    axes[0].plot(time, 1e6 * pulse.real, label=name)
axes[0].set(xlabel="time [ms]", ylabel=r"$B_1$ along x [$\mu$T]", title="pulses")
axes[0].legend()
for name, value in transverse.items():
    axes[1].semilogy(1e3 * position, value.clamp_min(1e-5), label=name)
axes[1].set(xlabel="position [mm]", ylabel=r"$|M_{xy}|$", title="without relaxation", ylim=(1e-4, 1.5))
axes[1].legend()
with torch.no_grad():
    for name, pulse, colour in (("SLR", slr, "C1"), ("refined", better, "C2")):
        for strength, style in ((0.9, ":"), (1.0, "-"), (1.1, "--")):
            b1 = torch.full_like(position, strength).to(torch.complex128)
            m = signals.slice_profile(pulse, gradient, dt, position, t1=0.3, t2=0.01, b1=b1)
            axes[2].plot(1e3 * position, m[:, :2].norm(dim=-1), colour + style, label=f"{name}, b1 {strength}", lw=1)
axes[2].set(xlabel="position [mm]", title="T2 10 ms, three strengths")
axes[2].legend(fontsize=7)
fig.savefig("slr_pulse.png", dpi=110)
