"""
Spirals and the field map
=========================

A variable-density spiral within the limits of gradient amplitude and slew rate, played while the field is off resonance
by up to 180 Hz: blurred without a field map, sharp with one.
"""

import matplotlib.pyplot as plt
import torch

from mriops import metrics, operators, phantoms, solvers, trajectories

torch.set_num_threads(1)

# %%
# Design
# ------
# Timing along the spiral is the fastest that the limits allow: first the slew rate binds, then the amplitude.

im_size, fine, field_of_view = (128, 128), (256, 256), 0.24
limits = trajectories.GradientLimits(gradient=25e-3, slew=150.0)
wave = trajectories.spiral(im_size, 6, field_of_view=field_of_view, density=(1.6, 0.8), limits=limits, dwell=4e-6)
print(f"6 shots of {wave.trajectory.shape[1]} samples, {1e3 * float(wave.time[-1]):.1f} ms")

figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
for shot in wave.trajectory:
    axes[0].plot(shot[:, 1], shot[:, 0], lw=0.6)
axes[0].set(aspect="equal", xlabel="kx [cycles/FOV]", ylabel="ky [cycles/FOV]")
milliseconds = 1e3 * wave.gradient_time
axes[1].plot(milliseconds, 1e3 * wave.gradient[0], lw=0.8)
axes[1].plot(milliseconds, 1e3 * wave.gradient[0].norm(dim=-1), "k", lw=1.2)
axes[1].set(xlabel="t [ms]", ylabel="gradient [mT/m]")
axes[2].plot(milliseconds[1:], wave.gradient[0].diff(dim=0).norm(dim=-1) / limits.raster, "k", lw=1.2)
axes[2].set(xlabel="t [ms]", ylabel="slew rate [T/m/s]", ylim=(0, 1.1 * limits.slew))
plt.show()
assert wave.gradient.norm(dim=-1).max() <= limits.gradient * 1.000001

# %%
# A scan in a bad field
# ---------------------
# As behind the sinuses: a bump of 180 Hz on a slope. The object has finer pixels than the images, and its signal is
# computed to an error of 1e-5.


def field(size: tuple[int, int]) -> torch.Tensor:
    """Off-resonance [Hz]."""
    y, x = (((torch.arange(n) - n // 2) / n) for n in size)
    bump = torch.exp(-((y[:, None] + 0.17) ** 2 + (x - 0.05) ** 2) / 0.15**2)
    return 180 * bump - 60 * x.expand(size) - 40 * y[:, None]


brain, coils = phantoms.brain(), phantoms.fourier_coils(8)
exact = operators.SenseOp(coils.maps(fine), trajectory=wave.trajectory, eps=1e-5)
exact = operators.OffResonanceOp(exact, field(fine), wave.time, eps=1e-5)
kspace = phantoms.add_noise(exact(brain.image(fine)) / 2, sigma=2e-3, seed=0)

# %%
# With and without the map
# ------------------------
# The operator approximates the phase of every voxel at every time by segments; it says how many an error needs. The
# density as weights brings conjugate gradients down to a dozen iterations.

csm = coils.maps(im_size)
csm = csm / csm.norm(dim=0)
weights = trajectories.dcf_spiral(wave.trajectory, im_size)
plain = operators.SenseOp(csm, trajectory=wave.trajectory, dcf=weights)
corrected = operators.OffResonanceOp(plain, field(im_size), wave.time, eps=1e-3)
print(f"{corrected.n_segments} segments for an error of {corrected.error:.1e}")


def solve(encode: operators.LinearOperator) -> torch.Tensor:
    """Weighted least squares."""
    return solvers.cg(encode.gram, encode.H(plain.weigh(kspace)), max_iter=12, damping=1e-3).abs()


blurred, sharp = solve(plain), solve(corrected)
# What a scan without off-resonance would give, at this resolution.
still = operators.SenseOp(coils.maps(fine), trajectory=wave.trajectory, eps=1e-5)(brain.image(fine)) / 2
reference = solvers.cg(plain.gram, plain.H(plain.weigh(still)), max_iter=12, damping=1e-3).abs()

figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
shown = axes[0].imshow(field(im_size), cmap="coolwarm", vmin=-180, vmax=180)
figure.colorbar(shown, ax=axes[0], shrink=0.7, label="off-resonance [Hz]")
errors = []
for axis, image, name in zip(
    axes[1:], (blurred, sharp, reference), ("ignored", "corrected", "no off-resonance"), strict=True
):
    axis.imshow(image, cmap="gray", vmin=0, vmax=float(reference.quantile(0.995)))
    errors.append(float(metrics.nrmse(image, reference)))
    axis.set_title(f"{name}\nNRMSE {errors[-1]:.3f}" if name != "no off-resonance" else name)
for axis in axes:
    axis.axis("off")
plt.show()
assert errors[1] < 0.25 * errors[0]
