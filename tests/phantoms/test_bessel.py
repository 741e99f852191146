"""J1(x)/x against an independent implementation and its limits."""

import numpy as np
import pytest
import torch

from mriops.phantoms.bessel import j1_over_x

scipy_special = pytest.importorskip("scipy.special")
EPS = torch.finfo(torch.float64).eps


def test_j1_over_x_agrees_with_scipy_in_all_branches():
    x = np.concatenate([np.linspace(1e-9, 60.0, 60001), np.logspace(1.7, 4, 2000)])
    error = np.abs(j1_over_x(torch.from_numpy(x)).numpy() - scipy_special.j1(x) / x)
    # relative to the envelope sqrt(2/pi) x^-1.5 (1/2 near 0), plus the rounding eps x of the other's phase
    envelope = np.minimum(0.5, x**-1.5)
    assert (error / envelope < 20 * EPS * (1 + x)).all()
    assert error.max() < 2 * EPS


def test_j1_over_x_at_zero_and_empty():
    assert float(j1_over_x(torch.zeros(1, dtype=torch.float64))) == 0.5
    assert j1_over_x(torch.zeros(0, dtype=torch.float64)).shape == (0,)


def test_j1_over_x_solves_bessels_equation():
    # w = J1(x)/x satisfies x w'' + 3 w' + x w = 0; central differences of step h have error h^2
    x, h = torch.linspace(0.5, 40.0, 400, dtype=torch.float64), 1e-3
    low, mid, high = j1_over_x(x - h), j1_over_x(x), j1_over_x(x + h)
    residual = x * (low - 2 * mid + high) / h**2 + 3 * (high - low) / (2 * h) + x * mid
    assert residual.abs().max() < 1e-5
