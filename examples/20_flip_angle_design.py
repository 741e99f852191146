"""
Designing a flip angle train, and checking the design
=====================================================

No unbiased estimate of T1 and T2 scatters less than the Cramer-Rao bound. The bound of a fingerprinting train is a
function of its flip angles with a gradient, so a train can be designed by descent; simulated fits say what came of it.
"""

import math

import matplotlib.pyplot as plt
import torch

from mriops import ops

torch.manual_seed(0)
n_pulses, repetition, sigma = 200, 0.012, 0.005  # noise: standard deviation of real and imaginary part, relative to m0
names = ("white matter", "grey matter", "myocardium")
tissue = torch.tensor([[0.83, 1.30, 1.20], [0.075, 0.095, 0.045], [1.0, 1.0, 1.0]], dtype=torch.float64)  # t1, t2, m0


def signal(angles: torch.Tensor, parameters: torch.Tensor) -> torch.Tensor:
    """Signal ``(2 pulses, *atoms)``, real parts first, of parameters ``(3, *atoms)``: t1 [s], t2 [s], m0."""
    t1, t2, m0 = parameters
    s = ops.epg_fisp(angles, repetition, t1, t2, m0=m0, echo_time=0.003, inversion_time=0.02, orders=30)
    return torch.cat([s.real, s.imag])


# %%
# Fisher information
# ------------------
# Columns of the Jacobian are forward-mode derivatives. All three come from one sweep over three copies of the atoms,
# each copy with a tangent along its own parameter. Tangents are the parameters themselves: bounds are relative then.


def value_and_jacobian(angles: torch.Tensor, parameters: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Signal ``(atoms, times)`` and its derivative ``(atoms, times, 3)`` for the logarithms of ``(3, atoms)``."""
    copies = parameters[:, None].repeat(1, 3, 1)
    tangent = torch.eye(3, dtype=parameters.dtype)[:, :, None] * copies
    value, columns = torch.func.jvp(lambda p: signal(angles, p), (copies,), (tangent,))  # (times, 3, atoms)
    return value[:, 0].T, columns.permute(2, 0, 1)


def covariance(angles: torch.Tensor) -> torch.Tensor:
    """Cramer-Rao bound on the covariance of the logarithms of t1, t2, m0 for each tissue: ``(tissues, 3, 3)``."""
    jacobian = value_and_jacobian(angles, tissue)[1]
    return sigma**2 * torch.linalg.inv(jacobian.mT @ jacobian)


# %%
# Design
# ------
# Angles are a sum of slow cosines, which makes them smooth, put between 2 and 70 degrees by a sigmoid, so that bounds
# need no constraints; a small penalty on differences keeps them calm. L-BFGS minimises the weighted trace of the bound:
# T1 and T2 count alike, m0 is a nuisance. Each gradient is one reverse sweep through the derivatives.

low, high, n_cosines = math.radians(2), math.radians(70), 24
place = (torch.arange(n_pulses, dtype=torch.float64) + 0.5) / n_pulses
cosines = torch.cos(math.pi * place[:, None] * torch.arange(n_cosines))
weight = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)


def train(coefficients: torch.Tensor) -> torch.Tensor:
    """Flip angles [rad] of coefficients of the cosines."""
    return low + (high - low) * torch.sigmoid(cosines @ coefficients)


def cost(covariances: torch.Tensor) -> torch.Tensor:
    """Weighted trace, mean over the tissues."""
    return (covariances.diagonal(dim1=-2, dim2=-1) @ weight).mean()


hill = torch.deg2rad(10 + 40 * torch.sin(math.pi * place))
start = torch.linalg.lstsq(cosines, torch.logit((hill - low) / (high - low))[:, None]).solution[:, 0]
scale = cost(covariance(train(start)))
coefficients = start.clone().requires_grad_()
optimiser = torch.optim.LBFGS([coefficients], max_iter=60, line_search_fn="strong_wolfe")


def closure() -> torch.Tensor:
    optimiser.zero_grad()
    angles = train(coefficients)
    loss = cost(covariance(angles)) / scale + 0.02 * angles.diff().square().sum()
    loss.backward()
    return loss


optimiser.step(closure)
trains = {"start": train(start), "designed": train(coefficients.detach())}
bounds = {label: covariance(angles) for label, angles in trains.items()}

# %%
# Check by simulated fits
# -----------------------
# Noise is added to the signal of each tissue 1000 times and each signal fitted: the best of a dictionary, then
# Gauss-Newton steps with the same Jacobian. If the bound is right and attained, the scatter of the fits is the bound,
# to within the 1 / sqrt(2 n) by which a standard deviation of n samples scatters itself.

n_noise = 1000
grid = torch.cartesian_prod(torch.logspace(-0.5, 0.5, 40), torch.logspace(-1.7, -0.7, 40)).T.double()  # t1, t2
grid = torch.cat([grid, torch.ones(1, grid.shape[1], dtype=grid.dtype)])


def fit(angles: torch.Tensor, noisy: torch.Tensor) -> torch.Tensor:
    """Maximum likelihood estimate ``(3, fits)`` of noisy signals ``(2 pulses, fits)``."""
    atoms = signal(angles, grid)
    norms = atoms.norm(dim=0)
    correlation = atoms.T @ noisy / norms[:, None]
    best = correlation.argmax(0)
    scale = correlation.gather(0, best[None])[0] / norms[best]
    log_parameters = torch.stack([grid[0, best], grid[1, best], scale]).log()
    for _ in range(6):
        value, jacobian = value_and_jacobian(angles, log_parameters.exp())
        gradient = jacobian.mT @ (noisy.T - value)[..., None]
        log_parameters = log_parameters + torch.linalg.solve(jacobian.mT @ jacobian, gradient)[..., 0].T
    return log_parameters.exp()


fits = {}
for label, angles in trains.items():
    clean = signal(angles, tissue)[..., None]
    noisy = clean + sigma * torch.randn(*clean.shape[:2], n_noise, dtype=torch.float64)
    fits[label] = fit(angles, noisy.flatten(1)).unflatten(1, (len(names), n_noise))
    predicted = bounds[label].diagonal(dim1=-2, dim2=-1)[:, :2].sqrt()
    found = fits[label].log().std(-1)[:2].T
    for name, bound, scatter in zip(names, predicted, found, strict=True):
        print(
            f"{label:9s} {name:13s} T1 bound {100 * bound[0]:.2f} %, scatter {100 * scatter[0]:.2f} %;  "
            f"T2 bound {100 * bound[1]:.2f} %, scatter {100 * scatter[1]:.2f} %"
        )
    # Four standard errors of a standard deviation, and 2 % for what is not linear within the noise.
    assert torch.allclose(found / predicted, torch.ones_like(found), atol=4 / math.sqrt(2 * n_noise) + 0.02)

# What is minimised is the sum: T1 may give some of its precision away where T2 gains more.
change = (bounds["designed"] / bounds["start"]).diagonal(dim1=-2, dim2=-1)[:, :2].mean(0).sqrt()
total = (cost(bounds["designed"]) / scale).sqrt()
print(f"standard deviations, designed by start: T1 {change[0]:.2f}, T2 {change[1]:.2f}, root of the sum {total:.2f}")
assert total < 0.7
assert low <= trains["designed"].min() and trains["designed"].max() <= high

# %%
# Pictures
# --------
figure, axes = plt.subplots(1, 4, figsize=(15, 3.6), layout="constrained")
circle = torch.linspace(0, 2 * math.pi, 200, dtype=torch.float64)
for (label, angles), colour in zip(trains.items(), ("C0", "C3"), strict=True):
    axes[0].plot(torch.rad2deg(angles), colour, label=label)
    axes[1].plot(signal(angles, tissue)[:, 1].unflatten(0, (2, -1)).norm(dim=0), colour, label=label)
    for axis, k in ((axes[2], 0), (axes[3], 2)):
        axis.plot(1e3 * fits[label][0, k], 1e3 * fits[label][1, k], colour + ".", ms=1.5, alpha=0.35)
        # Twice the standard deviations in every direction.
        root = torch.linalg.cholesky(bounds[label][k, :2, :2])
        ellipse = tissue[:2, k, None] * (2 * root @ torch.stack([circle.cos(), circle.sin()])).exp()
        axis.plot(1e3 * ellipse[0], 1e3 * ellipse[1], colour, lw=2, label=f"{label}: bound, 2 std")
        axis.set(xlabel="T1 [ms]", ylabel="T2 [ms]", title=f"{names[k]}: {n_noise} fits")
axes[0].set(xlabel="pulse", ylabel="flip angle [°]", title="train")
axes[1].set(xlabel="pulse", ylabel="|signal| / $M_0$", title=names[1])
axes[0].set_ylim(0, 85)
for axis in axes:
    axis.legend(loc="upper right", fontsize=8)
figure.savefig("flip_angle_design.png", dpi=110)
