"""The Bloch simulation on arrays, with the kernels of a device."""

import numpy as np
import pytest

from mriops import array
from mriops.testing import available_backends, use_backend


@pytest.mark.skipif("emu" not in available_backends(), reason="the emulated kernels are not built")
def test_the_kernels_of_a_device_give_what_those_of_the_cpu_give() -> None:
    rng = np.random.default_rng(0)
    rf = (1e-6 * rng.standard_normal((2, 1, 20))).astype(np.complex64)
    gradient = (1e-2 * rng.standard_normal((20, 1))).astype(np.float32)
    position = (1e-2 * rng.standard_normal((3, 7, 1))).astype(np.float32)
    receive = rng.standard_normal((4, 7)).astype(np.complex64)
    calls = [
        lambda: array.bloch(rf[:, 0, None], gradient, 1e-4, position, 1.0, 0.1),
        lambda: array.bloch_signal(rf[0, 0], gradient, 1e-4, position[0], 1.0, 0.1, receive, record=(5, 20)),
        lambda: array.bloch_spinor(rf[0, 0], gradient, 1e-4, position[0], 20.0),
    ]
    for call in calls:
        direct = call()
        with use_backend("emu"):
            # float32: a few eps per step, 20 steps
            np.testing.assert_allclose(call(), direct, rtol=0, atol=2e-5)
