"""
NumPy without torch
===================

``mriops.array`` has the functions of ``mriops.ops`` for NumPy (and CuPy) arrays, on the same kernels. It imports no
torch; CG-SENSE takes ten lines.
"""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np

from mriops import array

# %%
# That no torch is loaded shows only in a new process: this page may share its own with others.

code = "import sys, numpy, mriops.array; print('torch' in sys.modules)"
loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
print("torch loaded by mriops.array:", loaded)
assert loaded == "False"

# %%
# An object, coils around it, a mask
# ----------------------------------

n, n_coils = 160, 8
y, x = np.mgrid[:n, :n] / n - 0.5
image = ((y / 0.42) ** 2 + (x / 0.32) ** 2 < 1).astype(np.complex64)
for cy, cx, r, value in (
    (-0.15, 0.1, 0.09, -0.5),
    (0.1, -0.1, 0.12, 0.8),
    (0.2, 0.12, 0.05, 1.0),
    (0.0, 0.0, 0.02, 1.5),
):
    image += value * ((y - cy) ** 2 + (x - cx) ** 2 < r**2)
angle = 2 * np.pi * np.arange(n_coils)[:, None, None] / n_coils
distance = np.hypot(y - 0.6 * np.sin(angle), x - 0.6 * np.cos(angle))
csm = (np.exp(-3 * distance**2) * np.exp(1j * (angle + 3 * distance))).astype(np.complex64)
mask = np.zeros((n, 1), bool)
mask[::3] = True
mask[n // 2 - 10 : n // 2 + 10] = True

rng = np.random.default_rng(0)
kspace = array.sense(image, csm, mask)
kspace += (
    mask * 0.01 * (rng.standard_normal(kspace.shape) + 1j * rng.standard_normal(kspace.shape)).astype(np.complex64)
)

# %%
# Conjugate gradients
# -------------------

r = array.sense_adjoint(kspace, csm, mask)
solution, p, energy = np.zeros_like(r), r.copy(), np.vdot(r, r).real
for _ in range(20):
    ap = array.sense_gram(p, csm, mask)
    step = energy / np.vdot(p, ap).real
    solution += step * p
    r -= step * ap
    energy, previous = np.vdot(r, r).real, energy
    p = r + (energy / previous) * p

error = np.linalg.norm(solution - image) / np.linalg.norm(image)
print(f"relative error {error:.3f}")
assert error < 0.15

figure, axes = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
zero_filled = np.abs(array.sense_adjoint(kspace, csm, mask))
pictures = (zero_filled * abs(image).sum() / zero_filled.sum(), np.abs(solution), 4 * np.abs(solution - image))
for axis, picture, title in zip(axes, pictures, ("zero-filled", "CG-SENSE", "error x 4"), strict=True):
    axis.imshow(picture, cmap="gray", vmin=0, vmax=2)
    axis.set_title(title)
    axis.axis("off")
plt.show()
