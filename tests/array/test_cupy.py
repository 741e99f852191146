"""Every function of arrays, called with CuPy's: the emulated kernels behind a stand-in that is as strict as CuPy."""

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from mriops import _native, array
from mriops.array import _call
from mriops.testing import OP_CASES, OpCase, Sample, available_backends

from . import cupy_stand_in

if "emu" not in available_backends():
    pytest.skip("this build has no emulated kernels", allow_module_level=True)
pytestmark = pytest.mark.emu

SMALL = [
    pytest.param(case, shape, id=f"{name}-{shape}")
    for name, case in OP_CASES.items()
    for shape in case.shapes
    if shape.startswith("gradient")
]


@pytest.fixture(autouse=True)
def cupy(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = cupy_stand_in.module()
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setitem(_native.loader._loaded, "cuda", _native.load("emu"))
    return module


def arrays(sample: Sample, wrap: Any) -> Sample:
    tensors: Any = {n: None if t is None else wrap(t.resolve_conj().numpy()) for n, t in sample.tensors.items()}
    return Sample(tensors, sample.keywords, sample.positional, sample.by_name)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize(("case", "shape"), SMALL)
def test_the_same_as_numpy(case: OpCase, shape: str, dtype: torch.dtype) -> None:
    sample = case.sample(shape, dtype)
    with _native.use_backend("emu"):
        expected = arrays(sample, np.asarray).call(case.array)
    got = arrays(sample, cupy_stand_in.ndarray).call(case.array)
    assert type(got) is cupy_stand_in.ndarray
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got.held, expected)


def test_a_plan_is_made_of_cupy_arrays_and_reused(cupy: Any) -> None:
    generator = np.random.default_rng(0)
    image = cupy_stand_in.ndarray(generator.standard_normal((8, 10)) + 0j)
    trajectory = cupy_stand_in.ndarray(generator.uniform(-4, 4, (30, 2)))
    plan = array.nufft_plan(trajectory, (8, 10), eps=1e-6)
    assert type(plan.points) is type(plan.order) is cupy_stand_in.ndarray
    np.testing.assert_array_equal(
        array.nufft(image, trajectory, plan=plan).held, array.nufft(image, trajectory, eps=1e-6).held
    )


@pytest.mark.parametrize(("case", "shape"), [p for p in SMALL if p.values[1] == "gradient"])
def test_a_device_without_kernels_is_helped_out(case: OpCase, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Array functions and the CPU's kernels take the place of a CUDA module that has nothing."""
    monkeypatch.setitem(_native.loader._loaded, "cuda", ModuleType("empty"))
    monkeypatch.setattr(_call, "_plans", {})
    sample = case.sample(shape, torch.complex128)
    expected = arrays(sample, np.asarray).call(case.array)
    got = arrays(sample, cupy_stand_in.ndarray).call(case.array)
    assert type(got) is cupy_stand_in.ndarray and got.dtype == expected.dtype
    # Sums in another order, and the exact sum in place of a NUFFT of the case's accuracy.
    allowed = case.tolerance(sample, torch.complex128) * max(np.linalg.norm(expected), 1e-300)
    assert np.linalg.norm(got.held - expected) <= 10 * allowed


@pytest.mark.parametrize("method", ["auto", "exact"])
def test_coordinates_that_are_not_finite_are_refused(method: str) -> None:
    image, trajectory = cupy_stand_in.ndarray(np.ones((8, 10), complex)), np.zeros((6, 2))
    trajectory[4, 1] = np.nan
    with pytest.raises(ValueError, match="expected finite coordinates, got nan at sample 4, component 1"):
        array.nufft(image, cupy_stand_in.ndarray(trajectory), method=method)


def test_numpy_and_cupy_do_not_mix() -> None:
    image, csm = np.ones((4, 5), np.complex64), np.ones((3, 4, 5), np.complex64)
    with pytest.raises(ValueError, match=r"csm: expected device cuda:0 \(that of image\), got cpu"):
        array.sense(cupy_stand_in.ndarray(image), csm)
    with pytest.raises(ValueError, match=r"csm: expected device cpu \(that of image\), got cuda:0"):
        array.sense(image, cupy_stand_in.ndarray(csm))
