"""Fits of unusual arguments: phases beyond a quarter turn, voxels without information, scalars, arrays, wrong kinds."""

import math

import numpy as np
import pytest
import torch

from mriops import ops
from mriops.signals import SignalOp, fit

F64 = torch.float64
TE = [0.01, 0.02, 0.04, 0.08]
ANGLES = [0.0, 1.0, 2.0, 3.0, -2.0, -1.0]
#: A complex number of length 1 per voxel, in all quadrants.
PHASE = torch.polar(torch.ones(6, dtype=F64), torch.tensor(ANGLES, dtype=F64))


@pytest.fixture(scope="module")
def decay() -> SignalOp:
    return SignalOp("mono_exponential", time=TE)


@pytest.fixture(scope="module")
def flips() -> SignalOp:
    return SignalOp("spgr", flip_angle=[0.05, 0.1, 0.2, 0.4], repetition_time=0.01)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize(
    "known",
    [
        {"fixed": {"m0": 2.0}},
        {"fixed": {"m0": torch.full((6,), 2.0)}},
        {"fixed": {"m0": -2.0}},
        {"bounds": {"m0": (0.0, 100.0)}},
        {"bounds": {"m0": (-100.0, -1.0)}},
        {"start": {"m0": 1.0, "t2": 0.03}},
        {"start": {"m0": 1.0, "t2": 0.03}, "bounds": {"m0": (0.0, 100.0)}},
        {"fixed": {"m0": 2.0}, "noise": 0.1},
    ],
)
def test_phases_beyond_a_quarter_turn(decay, known, dtype) -> None:
    signal = (decay(m0=2.0, t2=torch.full((6,), 0.05, dtype=F64)) * PHASE).to(dtype)
    result = fit(decay, signal, **known)
    assert torch.allclose(result.parameters["t2"], torch.tensor(0.05, dtype=result.noise.dtype), rtol=1e-5)
    assert torch.allclose(result.parameters["m0"].abs(), torch.tensor(2.0, dtype=result.noise.dtype), rtol=1e-5)
    assert result.converged.all()
    fixed = known.get("fixed", {}).get("m0")
    if fixed is not None:
        assert (result.parameters["m0"] == fixed).all()


def test_phases_of_models_without_m0_and_of_signals_with_both_signs() -> None:
    time = torch.linspace(0, 300, 60, dtype=F64)
    uptake = SignalOp("tofts", time=time, aif=5 * (time / 20) * torch.exp(1 - time / 20))
    truth = {"ktrans": torch.linspace(1e-3, 4e-3, 6, dtype=F64), "ve": torch.full((6,), 0.3, dtype=F64)}
    found = fit(uptake, uptake(**truth, vp=0.02) * PHASE, fixed={"vp": 0.02}).parameters
    for name, value in truth.items():
        assert torch.allclose(found[name], value, rtol=1e-5), name
    recovery = SignalOp("inversion_recovery", inversion_time=[0.05, 0.2, 0.5, 1.0, 2.0])
    t1 = torch.linspace(0.2, 2.0, 6, dtype=F64)
    found = fit(recovery, recovery(m0=3.0, t1=t1, efficiency=0.9) * PHASE, fixed={"m0": 3.0}).parameters
    assert torch.allclose(found["t1"], t1, rtol=1e-5)


def test_derivatives_of_turned_signals_with_a_known_amplitude(decay) -> None:
    signal = (decay(m0=2.0, t2=torch.full((6,), 0.05, dtype=F64)) * PHASE).requires_grad_()

    def t2_of(s):
        return fit(decay, s, fixed={"m0": 2.0}, tol=1e-9).parameters["t2"]

    (grad,) = torch.autograd.grad(t2_of(signal).sum(), signal)
    assert (grad.abs().amax(0) > 1e-3).all()
    for t in (0, 3):
        for unit in (1.0, 1j):
            moved = torch.zeros_like(signal)
            moved[t] = 1e-5 * unit
            difference = (t2_of(signal.detach() + moved) - t2_of(signal.detach() - moved)) / 2e-5
            along = grad[t].real if unit == 1.0 else grad[t].imag
            # The phase is settled by all samples; second differences are 1e-5 of the first ones.
            assert torch.allclose(along, difference, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("noise", [None, 1.0])
def test_voxels_in_which_nothing_depends_on_a_parameter_are_not_converged(flips, decay, noise) -> None:
    signal = flips(m0=torch.full((3,), 100.0), t1=1.0)
    result = fit(flips, signal, fixed={"b1": torch.tensor([0.0, 1.0, 0.9])}, noise=noise)
    assert result.converged.tolist() == [False, True, True]
    assert result.uncertainty["t1"][0] == math.inf and result.iterations[0] > 0
    empty = fit(decay, torch.zeros(4, 2), noise=noise)
    assert not empty.converged.any()


def test_derivatives_of_rician_fits_are_those_of_the_likelihood() -> None:
    op, sigma = SignalOp("mono_exponential", time=TE, magnitude=True), 0.3
    clean = op(m0=torch.tensor([2.0, 1.0], dtype=F64), t2=torch.tensor([0.05, 0.09], dtype=F64))
    # Magnitudes whose expectation is the signal, by bisection: no residual meets the curvature of the model.
    low, high = torch.zeros_like(clean), clean + 1
    for _ in range(80):
        middle = (low + high) / 2
        z = middle * clean / sigma**2
        below = middle * torch.special.i1e(z) / torch.special.i0e(z) < clean
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    data = high.requires_grad_()

    def maps(d):
        return fit(op, d, noise=sigma, rician=True, tol=1e-10).parameters

    found = maps(data)
    assert torch.allclose(found["t2"], torch.tensor([0.05, 0.09], dtype=F64), rtol=1e-6)
    for name in ("m0", "t2"):
        (grad,) = torch.autograd.grad(found[name].sum(), data, retain_graph=True)
        for t in range(4):
            moved = torch.zeros_like(data)
            moved[t] = 1e-5
            difference = (maps(data.detach() + moved)[name] - maps(data.detach() - moved)[name]) / 2e-5
            # What the turns leave to go and rounding, over the step; least squares is 5 % to 50 % away.
            assert torch.allclose(grad[t], difference, rtol=1e-4), (name, t)


@pytest.mark.parametrize("sigma", [1e-6, 1e-3])
def test_derivatives_of_rician_fits_without_noise_are_those_of_least_squares(sigma) -> None:
    op = SignalOp("mono_exponential", time=TE, magnitude=True)
    data = op(m0=torch.tensor([2.0]), t2=torch.tensor([0.05])).requires_grad_()
    rice, least = (fit(op, data, noise=sigma, rician=flag).parameters["t2"].sum() for flag in (True, False))
    (ours,), (theirs,) = torch.autograd.grad(rice, data), torch.autograd.grad(least, data)
    assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)  # their largest is 0.05


@pytest.mark.parametrize("known", [0.0, math.nan, -1.0, 1e-30, 1e6])
def test_one_known_number_behaves_as_a_map_of_it(flips, known) -> None:
    signal = flips(m0=torch.full((2,), 100.0), t1=1.0)
    two = fit(flips, signal, fixed={"b1": torch.full((2,), known)})
    scalar = fit(flips, signal, fixed={"b1": known})
    single = fit(flips, signal[:, :1], fixed={"b1": torch.full((1,), known)})
    masked = fit(flips, signal, fixed={"b1": torch.tensor([known, 1.0])}, mask=torch.tensor([True, False]))
    for name in ("m0", "t1"):
        value = two.parameters[name]
        assert torch.equal(torch.nan_to_num(scalar.parameters[name]), torch.nan_to_num(value))
        for other in (single, masked):
            assert torch.equal(torch.nan_to_num(other.parameters[name][:1]), torch.nan_to_num(value[:1]))
    assert not any(r.converged.any() for r in (two, scalar, single, masked))


@pytest.mark.parametrize("known", [0.05, 3.5, 6.0])
def test_known_numbers_beyond_their_bounds_are_fitted_with(flips, known) -> None:
    signal = flips(m0=100.0, t1=torch.tensor([0.5, 1.5], dtype=F64), b1=known)
    for b1 in (known, torch.full((2,), known, dtype=F64)):
        found = fit(flips, signal, fixed={"b1": b1})
        assert torch.allclose(found.parameters["t1"], torch.tensor([0.5, 1.5], dtype=F64), rtol=1e-5)


@pytest.mark.parametrize("known", [-1.0, torch.full((2,), -1.0)])
def test_known_decays_that_are_none_stop_no_fit(decay, known) -> None:
    found = fit(decay, torch.ones(4, 2), fixed={"t2": known})
    assert not found.converged.any()


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor, lambda v: np.array(v[::-1])[::-1]])
def test_known_tensors_of_any_kind(kind) -> None:
    direction = torch.nn.functional.normalize(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    op = SignalOp("diffusion_tensor", b_value=[0.0] + [1e9] * 7, direction=direction)
    values = [1e-9, 8e-10, 6e-10, 1e-10, 0.0, -1e-10]
    tensor = torch.tensor(values, dtype=F64)[:, None].expand(6, 3)
    signal = op(m0=torch.tensor([1.0, 2.0, 3.0], dtype=F64), diffusion_tensor=tensor)
    result = fit(op, signal, fixed={"diffusion_tensor": kind(values)})
    exact = 1e-12 if kind is not torch.tensor else 1e-6  # that one is in single precision
    assert torch.allclose(result.parameters["m0"], torch.tensor([1.0, 2.0, 3.0], dtype=F64), rtol=exact)
    assert result.parameters["diffusion_tensor"].shape == (6, 3)


def test_known_numbers_keep_their_digits(flips, decay) -> None:
    signal = flips(m0=100.0, t1=torch.tensor([1.0], dtype=F64), b1=0.9)
    result = fit(flips, signal, fixed={"b1": 0.9}, noise=0.1)
    assert result.parameters["b1"].item() == 0.9 and result.noise.item() == 0.1
    assert torch.allclose(result.parameters["t1"], torch.ones(1, dtype=F64), rtol=1e-10)
    maps = np.full((2,), 2.0)[::-1]
    signal = decay(m0=2.0, t2=torch.tensor([0.05, 0.08], dtype=F64))
    assert torch.allclose(fit(decay, signal, fixed={"m0": maps}).parameters["t2"], torch.tensor([0.05, 0.08]).double())


def test_noise_is_nan_where_there_is_no_fit(decay) -> None:
    signal = decay(m0=1.0, t2=torch.tensor([0.05, 0.08, 0.06]))
    signal[1, 1] = math.nan
    for noise in (None, 0.1, torch.full((3,), 0.1)):
        result = fit(decay, signal, noise=noise)
        assert result.noise.isnan().tolist() == [False, True, False]
        assert result.noise.dtype == torch.float32


def test_masks_with_nan(decay) -> None:
    signal = decay(m0=1.0, t2=torch.tensor([0.05, 0.08, 0.06]))
    result = fit(decay, signal, mask=torch.tensor([1.0, math.nan, 0.0]))
    assert result.converged.tolist() == [True, False, False]
    assert result.parameters["t2"].isnan().tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("error", "options", "message"),
    [
        (
            TypeError,
            {"start": {"m0": 1.0, "t1": 1.0, "b1": 1.0}},
            "start: expected all of m0, t1, the free ones, got m0",
        ),
        (TypeError, {"start": {}}, "start: expected all of m0, t1, the free ones, got none"),
        (TypeError, {"fixed": {"b1": None}}, "b1: expected a tensor or numbers, got None"),
        (TypeError, {"fixed": {"b1": "one"}}, "b1: expected a tensor or numbers, got 'one'"),
        (TypeError, {"fixed": {"b1": [1.0, None]}}, r"b1: expected a tensor or numbers, got \[1.0, None\]"),
        (TypeError, {"noise": "much"}, "noise: expected a tensor or numbers, got 'much'"),
        (TypeError, {"max_iter": 1.5}, "max_iter: expected an integer >= 0, got 1.5"),
        (ValueError, {"max_iter": -1}, "max_iter: expected an integer >= 0, got -1"),
        (TypeError, {"tol": None}, "tol: expected a positive number, got None"),
        (ValueError, {"tol": math.nan}, "tol: expected a positive number, got nan"),
    ],
)
def test_arguments_of_the_wrong_kind_are_named(flips, error, options, message) -> None:
    signal = flips(m0=100.0, t1=torch.ones(2))
    with pytest.raises(error, match=message):
        fit(flips, signal, **options)
    with pytest.raises(TypeError, match=r"op: expected mriops.signals.SignalOp, got str"):
        fit("spgr", signal)


@pytest.mark.parametrize("magnitude", [False, True])
def test_complex_m0_of_any_kind(magnitude) -> None:
    op = SignalOp("mono_exponential", time=TE, magnitude=magnitude)
    t2 = torch.tensor([0.05, 0.08], dtype=F64)
    expected = op(m0=torch.tensor(1.1 + 0.3j, dtype=torch.complex128), t2=t2)
    for m0 in (1.1 + 0.3j, np.complex128(1.1 + 0.3j)):
        assert torch.allclose(op(m0=m0, t2=t2), expected, rtol=1e-15)
    single = op(m0=1.1 + 0.3j, t2=0.05)
    assert single.dtype == (torch.float32 if magnitude else torch.complex64) and single.shape == (4,)


def test_complex_numbers_of_python_keep_their_digits():
    m0, velocity = 1.1 + 0.3j, torch.linspace(-0.5, 0.5, 3, dtype=torch.float64)
    op = SignalOp("phase_contrast", encoding=[[0.0, 0, 0], [3.0, 0, 0]])
    velocity = torch.stack([velocity, velocity, velocity])
    exact = torch.full((3,), m0, dtype=torch.complex128)
    torch.testing.assert_close(op(m0=m0, velocity=velocity), op(m0=exact, velocity=velocity), rtol=1e-15, atol=0)
    t2 = torch.tensor([0.05, 0.1, 0.2], dtype=torch.float64)
    direct = ops.signal_mono_exponential(m0, t2, [0.01, 0.02])
    assert direct.dtype == torch.complex128
    torch.testing.assert_close(direct, ops.signal_mono_exponential(exact, t2, [0.01, 0.02]), rtol=1e-15, atol=0)
    assert ops.signal_mono_exponential(m0, t2.float(), [0.01, 0.02]).dtype == torch.complex64


def test_lists_of_complex_numbers_are_known_values(decay):
    m0, velocity = [1 + 1j, 2 - 1j], torch.full((3, 2), 0.1, dtype=F64)
    op = SignalOp("phase_contrast", encoding=[[0.0, 0, 0], [3.0, 0, 0], [0, 3.0, 0], [0, 0, 3.0]])
    signal = op(m0=torch.tensor(m0, dtype=torch.complex128), velocity=velocity)
    found = fit(op, signal, fixed={"m0": m0}).parameters
    torch.testing.assert_close(found["velocity"], velocity, rtol=1e-6, atol=1e-9)
    with pytest.raises(TypeError, match=r"noise: expected a real dtype, got torch\.complex128"):
        fit(decay, decay(m0=1.0, t2=torch.tensor([0.05, 0.08])), noise=1j)
