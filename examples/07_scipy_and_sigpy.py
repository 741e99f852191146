"""
Inside SciPy and SigPy
======================

An mriops operator can stand in other people's programs: as a ``scipy.sparse.linalg.LinearOperator``, with SciPy's
solvers around it, or as a SigPy ``Linop``, with SigPy's proximal operators and apps.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse.linalg
import sigpy as sp
import torch

from mriops import metrics, operators, phantoms, trajectories

torch.set_num_threads(1)
im_size, n_coils = (128, 128), 8
phantom, coils = phantoms.brain(), phantoms.fourier_coils(n_coils)
csm = coils.maps(im_size)
mask = trajectories.mask_poisson(im_size, 5, acs=20, seed=0)
full = phantom.multicoil_kspace(im_size, coils)
kspace = phantoms.add_noise(full, sigma=0.02 * phantom.image(im_size).abs().max().item(), seed=1) * mask
encoding = operators.SenseOp(csm, mask=mask)
reference = phantom.image(im_size, kind="bandlimited").abs()

# %%
# SciPy
# -----
# SciPy's operators act on flat vectors. Any of its solvers will do: GMRES here, on the fused normal operator.

normal = operators.to_scipy(encoding.gram + 1e-2 * operators.IdentityOp(im_size))
solution, failed = scipy.sparse.linalg.gmres(normal, encoding.H(kspace).numpy().ravel(), rtol=1e-4, maxiter=5)
least_squares = torch.from_numpy(solution.reshape(im_size))
print("SciPy:", normal.shape, "stopped early" if failed else "converged")

# %%
# SigPy
# -----
# Wavelet-regularised reconstruction with SigPy's own app and priors, on mriops' kernels.

linop = operators.to_sigpy(encoding)
wavelet = sp.linop.Wavelet(im_size, wave_name="db4")
scale = float(encoding.H(kspace).abs().max())
prox = sp.prox.UnitaryTransform(sp.prox.L1Reg(wavelet.oshape, 5e-3 * scale), wavelet)
app = sp.app.LinearLeastSquares(
    linop, kspace.numpy(), proxg=prox, max_iter=60, show_pbar=False, max_power_iter=15, accelerate=True
)
sparse = torch.from_numpy(np.asarray(app.run()))

# %%
# Compare
# -------

images = {"zero-filled": encoding.H(kspace), "SciPy, GMRES": least_squares, "SigPy, wavelets": sparse}
errors = {}
figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
for axis, (title, image) in zip(axes, images.items(), strict=False):
    magnitude = image.abs() * (image.abs() * reference).sum() / image.abs().square().sum()
    errors[title] = float(metrics.nrmse(magnitude, reference))
    axis.imshow(magnitude, cmap="gray", vmin=0, vmax=reference.max())
    axis.set_title(f"{title}: NRMSE {errors[title]:.3f}")
axes[-1].imshow(reference, cmap="gray", vmin=0)
axes[-1].set_title("reference")
for axis in axes:
    axis.axis("off")
plt.show()
assert errors["SigPy, wavelets"] < errors["SciPy, GMRES"] < errors["zero-filled"]
