"""
Learning a hyper-parameter through the solver
=============================================

How strongly should Tikhonov regularisation pull? ``solvers.cg`` has a gradient with respect to everything its problem
depends on: the right-hand side, whatever the operator closes over, and ``damping``. It is the gradient of the
solution, not of the iterations: exact where the solver has converged, at the price of one more solve.
"""

import matplotlib.pyplot as plt
import torch

from mriops import operators, phantoms, solvers, trajectories

torch.set_num_threads(1)
im_size, n_coils = (96, 96), 8
phantom, coils = phantoms.brain(), phantoms.fourier_coils(n_coils)
encoding = operators.SenseOp(coils.maps(im_size), mask=trajectories.mask_equispaced(im_size, 4, acs=16))
reference = phantom.image(im_size, kind="bandlimited")
full = phantom.multicoil_kspace(im_size, coils)
kspace = phantoms.add_noise(full, sigma=0.08 * reference.abs().max().item(), seed=0)
b = encoding.H(kspace)


def error(damping: torch.Tensor) -> torch.Tensor:
    """Relative squared error of the regularised solution."""
    image = solvers.cg(encoding.gram, b, damping=damping, max_iter=100, tol=1e-6)
    return (image - reference).abs().square().sum() / reference.abs().square().sum()


# %%
# The gradient is right
# ---------------------

log_damping = torch.tensor(-3.0, requires_grad=True)
error(log_damping.exp()).backward()
with torch.no_grad():
    step = 1e-2
    difference = (error((log_damping + step).exp()) - error((log_damping - step).exp())) / (2 * step)
print(f"implicit {log_damping.grad.item():.6f}, by differences {difference.item():.6f}")
assert abs(log_damping.grad - difference) < 0.03 * abs(difference)

# %%
# Descend it
# ----------

log_damping = torch.tensor(-5.0, requires_grad=True)
optimiser = torch.optim.LBFGS([log_damping], max_iter=12, line_search_fn="strong_wolfe")
path = []


def evaluate() -> torch.Tensor:
    """Error and its gradient at the current damping."""
    optimiser.zero_grad()
    loss = error(log_damping.exp())
    loss.backward()
    path.append((log_damping.exp().item(), loss.item()))
    return loss


optimiser.step(evaluate)

grid = torch.logspace(-3, 1, 13)
with torch.no_grad():
    curve = [error(value).item() for value in grid]
best = min(path, key=lambda point: point[1])
print(f"damping {best[0]:.4f}, relative error {best[1] ** 0.5:.4f}; best of the grid {min(curve) ** 0.5:.4f}")
assert best[1] < 1.02 * min(curve)

figure, axis = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
axis.semilogx(grid, curve, "-", label="error on a grid")
axis.plot(*zip(*path, strict=True), "o-", ms=4, label="evaluations of L-BFGS")
axis.set(xlabel="damping", ylabel="relative squared error")
axis.legend()
plt.show()
