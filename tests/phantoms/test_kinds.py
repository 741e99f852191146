"""Arguments of kinds that are none, and what belongs to the caller."""

import numpy as np
import pytest
import torch

from mriops import calibration
from mriops.operators import NufftOp
from mriops.phantoms import coil_covariance, coil_maps, fourier_coils, noise_samples, shepp_logan


def test_one_coordinate():
    phantom, k = shepp_logan(), torch.tensor([1.0, 2.0])
    assert phantom.kspace(k).shape == () and torch.equal(phantom.kspace(k), phantom.kspace(k[None])[0])


def test_coefficients_are_the_callers_own():
    first = fourier_coils(2)
    first.coefficients.mul_(3)
    assert torch.equal(fourier_coils(2).coefficients * 3, first.coefficients)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: shepp_logan().kspace(np.zeros((5, 2))),
            TypeError,
            r"coords: expected a Tensor \(..., 2\), or 2 sizes",
        ),
        (lambda: shepp_logan().kspace([[0.0, 0.0]]), TypeError, r"coords: expected a Tensor \(..., 2\), or 2 sizes"),
        (
            lambda: shepp_logan().image((8, 8), oversample=2.5),
            TypeError,
            "oversample: expected an integer >= 1, got 2.5",
        ),
        (lambda: coil_maps((8, 8), 2.5), TypeError, "n_coils: expected a positive int, got 2.5"),
        (lambda: fourier_coils(2, order=2.5), TypeError, "order: expected a positive int, got 2.5"),
        (lambda: coil_maps((8, 8), 2, distance=np.nan), ValueError, "distance: expected a positive number, got nan"),
        (
            lambda: noise_samples(np.eye(3)),
            ValueError,
            r"n_coils: expected an int where .* \(a torch.Tensor\), got None",
        ),
        (lambda: noise_samples(torch.eye(3), -3), ValueError, "n_samples: expected an integer >= 1, got -3"),
        (lambda: coil_covariance(3, sigma=np.nan), ValueError, "sigma: expected a finite number >= 0, got nan"),
        (lambda: NufftOp(torch.zeros(4, 2), 8), TypeError, r"im_size: expected \(y, x\) or \(z, y, x\)"),
        (lambda: NufftOp(torch.zeros(4, 2), (8.7, 8)), TypeError, r"im_size: expected \(y, x\) or \(z, y, x\)"),
        (lambda: calibration.detect_acs(torch.ones(4, 4), ndim=0), ValueError, "ndim: expected an integer >= 1, got 0"),
        (lambda: calibration.noise_covariance(None), TypeError, "noise: expected a torch.Tensor, got NoneType"),
    ],
)
def test_kinds_that_are_none(call, error, message):
    with pytest.raises(error, match=message):
        call()
