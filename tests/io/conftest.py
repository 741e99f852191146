"""A small multi-slice scan with everything a raw file can carry."""

import numpy as np
import pytest

from mriops.io import RawData


@pytest.fixture
def raw() -> RawData:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)

    mask = np.zeros((3, 2, 13, 1), bool)
    mask[:, :, ::3] = True
    mask[:, :, 4:9] = True
    mask[:, 1, 1] = True
    return RawData(
        kspace=draw(3, 2, 4, 13, 32) * mask[:, :, None],
        axes=("slice", "repetition", "coil", "y", "x"),
        mask=mask,
        noise=draw(4, 1000),
        acs_size=(5, 32),
        recon_size=(11, 16),
        field_of_view=(3e-3, 0.26, 0.48),
        slice_spacing=4e-3,
        directions=np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]]),
        position=np.array([0.01, -0.02, 0.03]),
        repetition_time=(1.5,),
        echo_time=(0.01, 0.02),
        inversion_time=(0.4,),
        flip_angle=(0.5,),
        field_strength=3.0,
        vendor="Maker",
        model="Scanner",
    )
