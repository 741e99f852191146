"""Arguments of kinds that are none."""

import numpy as np
import pytest
import torch

from mriops.phantoms import coil_covariance, coil_maps, fourier_coils, noise_samples, shepp_logan


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
        (lambda: coil_maps((8, 8), 2, loop_radius=0), ValueError, "loop_radius: expected a positive number, got 0"),
        (lambda: coil_maps((8, 8), 2, distance=np.nan), ValueError, "distance: expected a positive number, got nan"),
        (
            lambda: noise_samples(np.eye(3)),
            ValueError,
            r"n_coils: expected an int where .* \(a torch.Tensor\), got None",
        ),
        (lambda: noise_samples(torch.eye(3), -3), ValueError, "n_samples: expected an integer >= 1, got -3"),
        (lambda: coil_covariance(3, sigma=np.nan), ValueError, "sigma: expected a finite number >= 0, got nan"),
    ],
)
def test_kinds_that_are_none(call, error, message):
    with pytest.raises(error, match=message):
        call()
