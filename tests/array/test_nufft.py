"""NUFFT of NumPy arrays: plans, the exact sum, devices without kernels, errors. Values equal the ops' by contract."""

from types import SimpleNamespace

import numpy as np
import pytest

from mriops import _native, array
from mriops.array import _call

IM = (6, 8)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.standard_normal(shape) + 1j * generator.standard_normal(shape)


def points(*shape: int, im: tuple[int, ...] = IM, seed: int = 1) -> np.ndarray:
    return (np.random.default_rng(seed).random((*shape, len(im))) - 0.5) * im


def error(value: np.ndarray, truth: np.ndarray) -> float:
    assert value.shape == truth.shape
    return float(np.linalg.norm(value - truth) / np.linalg.norm(truth))


IMAGE, CSM, TRAJECTORY, DCF = normal(*IM), normal(3, *IM, seed=2), points(9), np.random.default_rng(3).random(9) + 0.5
KSPACE, TANGENT = normal(3, 9, seed=4), points(9, seed=5)
CALLS = {
    "nufft": ((IMAGE, TRAJECTORY), {}),
    "nufft_adjoint": ((KSPACE, TRAJECTORY, IM), {"dcf": DCF}),
    "sense_nufft": ((IMAGE, CSM, TRAJECTORY), {}),
    "sense_nufft_adjoint": ((KSPACE, CSM, TRAJECTORY), {"dcf": DCF}),
    "sense_nufft_gram": ((IMAGE, CSM, TRAJECTORY), {"dcf": DCF}),
    "nufft_trajectory_jvp": ((IMAGE, TRAJECTORY, TANGENT), {"csm": CSM}),
    "nufft_trajectory_grad": ((IMAGE, KSPACE, TRAJECTORY), {"csm": CSM}),
    "toeplitz_kernel": ((TRAJECTORY, IM), {"dcf": DCF}),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_exact_method_is_the_limit(name: str) -> None:
    arguments, keywords = CALLS[name]
    function = getattr(array, name)
    exact = function(*arguments, **keywords, method="exact")
    # Few pixels: the error of one call strays from the mean that eps promises, and derivatives weigh the edges.
    assert error(function(*arguments, **keywords, eps=1e-10), exact) < 1e-8


@pytest.mark.parametrize("name", [*CALLS, "sense_toeplitz", "toeplitz"])
def test_a_module_without_the_kernels_serves_by_the_sum(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = array.toeplitz_kernel(TRAJECTORY, IM, method="exact")
    more = {"sense_toeplitz": ((IMAGE, CSM, kernel), {}), "toeplitz": ((IMAGE, kernel), {})}
    arguments, keywords = {**CALLS, **more}[name]
    function = getattr(array, name)
    truth = function(*arguments, **keywords)
    monkeypatch.setattr(_native, "backend", lambda device: SimpleNamespace())
    _call._plans.clear()
    try:
        assert error(function(*arguments, **keywords), truth) < 1e-3
    finally:
        _call._plans.clear()


def test_a_plan_gives_the_same_bits() -> None:
    plan = array.nufft_plan(TRAJECTORY, IM, eps=1e-6)
    assert np.array_equal(array.nufft(IMAGE, TRAJECTORY, plan=plan), array.nufft(IMAGE, TRAJECTORY, eps=1e-6))
    with pytest.raises(ValueError, match=r"plan: expected one for images of size \(8, 6\), got one for \(6, 8\)"):
        array.nufft(IMAGE.T, TRAJECTORY, plan=plan)


def test_precision_is_that_of_the_data() -> None:
    single = array.nufft(IMAGE.astype(np.complex64), TRAJECTORY)
    assert single.dtype == np.complex64
    assert error(single.astype(np.complex128), array.nufft(IMAGE, TRAJECTORY, method="exact")) < 1e-3
    assert array.toeplitz_kernel(TRAJECTORY.astype(np.float32), IM).dtype == np.float32


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(TypeError, match=r"trajectory: expected numpy.ndarray or cupy.ndarray, got builtins.list"):
        array.nufft(IMAGE, TRAJECTORY.tolist())
    with pytest.raises(TypeError, match="trajectory: expected a real dtype, got complex128"):
        array.nufft(IMAGE, TRAJECTORY + 0j)
    with pytest.raises(ValueError, match=r"trajectory: expected shape \(\*batch, samples, 2 or 3\)"):
        array.nufft(IMAGE, TRAJECTORY[:, :1])
    with pytest.raises(ValueError, match="im_size: expected 2 axes"):
        array.nufft_adjoint(KSPACE, TRAJECTORY, (3, *IM))
    with pytest.raises(ValueError, match="method: expected 'auto' or 'exact', got 'fast'"):
        array.nufft(IMAGE, TRAJECTORY, method="fast")
    with pytest.raises(ValueError, match="trajectory_gradient: expected 'exact' or 'analytic'"):
        array.nufft(IMAGE, TRAJECTORY, trajectory_gradient="numeric")
