"""Gauss-Newton with falling regularisation: linear problems in closed form, exponential fits, bad input."""

import pytest
import torch

from mriops.solvers import irgnm, linearize, pointwise_linearize

TIMES = torch.linspace(0.01, 0.2, 12, dtype=torch.float64)


def decay(x: torch.Tensor) -> torch.Tensor:
    """``(2, *im)`` amplitude and rate, of order one, to ``(times, *im)``."""
    return x[0] * torch.exp(-10 * x[1] * TIMES.reshape(-1, *(1,) * (x.ndim - 1)))


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_linear_model_gives_the_ridge_solution_in_one_step() -> None:
    matrix, y = random(9, 4), random(9, seed=1)
    x = irgnm(lambda x: matrix @ x, y, torch.zeros(4, dtype=torch.float64), alpha=0.3, max_iter=1, cg_tol=1e-12)
    expected = torch.linalg.solve(matrix.T @ matrix + 0.3 * torch.eye(4, dtype=torch.float64), matrix.T @ y)
    torch.testing.assert_close(x, expected, rtol=1e-9, atol=1e-9)


def test_reference_attracts_where_data_say_nothing() -> None:
    reference = torch.tensor([2.0, 7.0], dtype=torch.float64)
    x = irgnm(
        lambda x: x[:1], torch.ones(1, dtype=torch.float64), reference * 0, reference=reference, alpha=1e-9, max_iter=2
    )
    torch.testing.assert_close(x, torch.tensor([1.0, 7.0], dtype=torch.float64), rtol=1e-6, atol=1e-6)


def test_smoothing_does_not_pull_towards_the_reference() -> None:
    matrix, y, reference = random(9, 4), random(9, seed=1), 5 * random(4, seed=2)
    roughness = torch.diff(torch.eye(4, dtype=torch.float64), dim=0)
    square = roughness.T @ roughness
    x = irgnm(
        lambda x: matrix @ x, y, torch.zeros(4, dtype=torch.float64), reference=reference, alpha=0.3, max_iter=1,
        smoothing=lambda _: lambda d: 2 * square @ d, cg_tol=1e-12,
    )  # fmt: skip
    identity = torch.eye(4, dtype=torch.float64)
    expected = torch.linalg.solve(matrix.T @ matrix + 0.3 * (identity + 2 * square), matrix.T @ y + 0.3 * reference)
    torch.testing.assert_close(x, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("linearization", [linearize, pointwise_linearize])
def test_decays_are_found(linearization) -> None:
    truth = torch.stack((1 + random(5, 6), 0.5 + random(5, 6, seed=1)))
    start = torch.full_like(truth, 1.2)
    steps = []
    x = irgnm(
        decay,
        decay(truth),
        start,
        alpha=0.1,
        alpha_factor=0.1,
        max_iter=12,
        cg_tol=1e-10,
        linearization=linearization,
        callback=lambda step, x, change: steps.append(change),
    )
    torch.testing.assert_close(x, truth, rtol=1e-6, atol=0)
    assert len(steps) == 12 and steps[-1] < 1e-5 < steps[0]


def test_gram_stands_for_what_is_measured() -> None:
    """With weights w the data are A^H y = w^2 M(x), and a pixel with w = 0 keeps its start."""
    truth = torch.stack((1 + random(6), 0.5 + random(6, seed=1)))
    weight = torch.tensor([1.0, 2, 0, 1, 3, 1], dtype=torch.float64)
    start = torch.full_like(truth, 1.2)
    x = irgnm(
        decay,
        weight**2 * decay(truth),
        start,
        gram=lambda u: weight**2 * u,
        reference=start,
        alpha=0.1,
        alpha_factor=0.1,
        max_iter=12,
        cg_tol=1e-10,
        linearization=pointwise_linearize,
    )
    expected = torch.where(weight > 0, truth, start)
    torch.testing.assert_close(x, expected, rtol=1e-6, atol=0)


def test_both_linearisations_agree_and_are_adjoint() -> None:
    x, d = torch.stack((random(3, 4), random(3, 4, seed=1))), random(2, 3, 4, seed=2)
    u = torch.complex(random(12, 3, 4, seed=3), random(12, 3, 4, seed=4))
    model = lambda x: torch.complex(decay(x), 0.3 * decay(x).square())  # noqa: E731
    points = [kind(model, x) for kind in (linearize, pointwise_linearize)]
    for a, b in zip(*[(p.value, p.tangent(d), p.cotangent(u)) for p in points], strict=True):
        torch.testing.assert_close(a, b)
    left = torch.vdot(points[1].tangent(d).flatten(), u.flatten()).real
    torch.testing.assert_close(left, (d * points[1].cotangent(u)).sum())


def test_projection_keeps_bounds_and_callback_stops() -> None:
    truth = torch.full((2, 3), 2.0, dtype=torch.float64)
    x = irgnm(decay, decay(truth), truth * 0 + 1, max_iter=5, project=lambda x: x.clamp(max=1.5))
    assert float(x.max()) <= 1.5
    steps = []
    irgnm(
        decay, decay(truth), truth * 0 + 1, max_iter=5, callback=lambda step, x, change: steps.append(step) or step == 2
    )
    assert steps == [1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": -1.0}, "alpha: expected a finite number >= 0, got -1.0"),
        ({"alpha_factor": 0.0}, r"alpha_factor: expected a number in \(0, 1\], got 0.0"),
        ({"max_iter": -1}, "max_iter: expected an integer >= 0, got -1"),
        ({"reference": torch.zeros(3)}, r"reference: expected the shape of x0 \(2, 3\), got \(3,\)"),
        (
            {"adjoint_data": torch.zeros(4, 3)},
            r"adjoint_data: expected the shape of model\(x0\) \(12, 3\), got \(4, 3\)",
        ),
        ({"adjoint_data": torch.full((12, 3), torch.nan)}, "expected finite values, got NaN or infinity in step 0"),
        ({"x0": torch.zeros(2, 3, dtype=torch.complex64), "linearization": pointwise_linearize}, "x0?: expected real"),
    ],
)
def test_bad_input(change, message) -> None:
    arguments = {"adjoint_data": torch.ones(12, 3, dtype=torch.float64), "x0": torch.ones(2, 3, dtype=torch.float64)}
    with pytest.raises(ValueError, match=message):
        irgnm(decay, **{**arguments, **change})


@pytest.mark.parametrize("name", ["project", "proximal"])
def test_parameters_that_become_nan_in_the_last_step(name) -> None:
    with pytest.raises(ValueError, match="project: expected finite parameters, got NaN or infinity in step 0"):
        broken = {"project": lambda x: x * torch.nan, "proximal": lambda v, _: v + torch.nan}[name]
        irgnm(lambda p: p, torch.ones(3), torch.zeros(3), max_iter=1, admm_iter=1, **{name: broken})


def test_no_tensor() -> None:
    with pytest.raises(TypeError, match=r"x0: expected a torch\.Tensor, got list"):
        irgnm(decay, torch.ones(12, 3), [1.0])
    with pytest.raises(TypeError, match=r"x0: expected a floating-point or complex tensor, got torch\.int64"):
        irgnm(lambda x: x, torch.ones(3), torch.ones(3, dtype=torch.int64))


def test_proximal_step_is_the_soft_threshold() -> None:
    """Of images themselves ``|x - y|^2 / 2 + alpha |x|_1`` has the soft threshold as its minimiser."""
    y = torch.randn(50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def soft(v: torch.Tensor, t: float) -> torch.Tensor:
        return v.sign() * (v.abs() - t).clamp_min(0)

    x = irgnm(
        lambda v: v, y, torch.zeros_like(y), alpha=0.4, alpha_factor=1.0, penalty=lambda x: lambda d: 0 * d,
        proximal=soft, admm_iter=60, max_iter=1, cg_iter=300, cg_tol=1e-12,
    )  # fmt: skip
    torch.testing.assert_close(x, soft(y, 0.4), rtol=0, atol=1e-8)


def test_proximal_step_of_correlated_data_is_optimal() -> None:
    """Subgradient: ``A^T (y - A x) = alpha sign(x)`` where x is not zero, within alpha elsewhere."""
    g = torch.Generator().manual_seed(0)
    a = torch.randn(30, 12, dtype=torch.float64, generator=g) / 30**0.5
    y = torch.randn(30, dtype=torch.float64, generator=g)
    x = irgnm(
        lambda v: a @ v, y, torch.zeros(12, dtype=torch.float64), alpha=0.2, alpha_factor=1.0,
        penalty=lambda x: lambda d: 0 * d, proximal=lambda v, t: v.sign() * (v.abs() - t).clamp_min(0),
        admm_iter=300, max_iter=1, cg_iter=6000, cg_tol=1e-12,
    )  # fmt: skip
    pull = a.T @ (y - a @ x)
    on = x != 0
    assert 0 < int(on.sum()) < 12
    torch.testing.assert_close(pull[on], 0.2 * x[on].sign(), rtol=0, atol=1e-6)
    assert pull[~on].abs().max() <= 0.2


def test_bad_split() -> None:
    with pytest.raises(ValueError, match="rho: expected a finite number > 0, got 0"):
        irgnm(lambda x: x, torch.ones(3), torch.ones(3), rho=0)
