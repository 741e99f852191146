"""Voxelwise fits: against scipy, against the truth with noise, their flags and what they do with bad voxels."""

import importlib
import math

import numpy as np
import pytest
import torch

from mriops import ops, signals
from mriops._native.signal_models import SIGNAL_MODELS
from mriops.signals import SignalOp, fit

F64 = torch.float64
TE = [0.01 * (i + 1) for i in range(8)]
TI = [0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5, 4.0]


def uniform(n, low, high, seed):
    g = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(n, generator=g, dtype=F64)


def noise_like(x, sigma, seed=9):
    return sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed), dtype=x.dtype)


def directions(n):
    """Points spread over the half sphere by the golden angle."""
    z = (torch.arange(n, dtype=F64) + 0.5) / n
    angle, r = torch.arange(n) * math.pi * (3 - math.sqrt(5)), torch.sqrt(1 - z * z)
    return torch.stack([r * torch.cos(angle), r * torch.sin(angle), z], -1)


FAT = signals.fat_spectrum(3.0)
AIF_TIME = torch.linspace(0, 300, 60, dtype=F64)
AIF = 5 * (AIF_TIME / 20) * torch.exp(1 - AIF_TIME / 20)
#: Model, design, ranges of the true parameters, parameters that are known.
MODELS = {
    "mono_exponential": ({"time": TE}, {"m0": (50, 150), "t2": (0.02, 0.2)}, {}),
    "bi_exponential": (
        {"time": [0.006 * (i + 1) for i in range(32)]},
        {"m0": (50, 150), "fraction": (0.2, 0.5), "t2_short": (0.01, 0.02), "t2_long": (0.07, 0.12)},
        {},
    ),
    "stretched_exponential": ({"time": TE}, {"m0": (50, 150), "t2": (0.02, 0.1), "exponent": (0.6, 1.0)}, {}),
    "inversion_recovery": ({"inversion_time": TI}, {"m0": (50, 150), "t1": (0.2, 2), "efficiency": (0.8, 1)}, {}),
    "saturation_recovery": ({"time": TI}, {"m0": (50, 150), "t1": (0.2, 2)}, {}),
    "molli": ({"inversion_time": TI}, {"m0": (50, 150), "t1": (0.3, 2), "efficiency": (0.8, 1.3)}, {}),
    "look_locker": (
        {"time": TI, "flip_angle": 0.1, "repetition_time": 0.01},
        {"m0": (50, 150), "t1": (0.3, 2)},
        {},
    ),
    "spgr": (
        {"flip_angle": [math.radians(a) for a in (2, 4, 8, 15, 25)], "repetition_time": 0.01},
        {"m0": (50, 150), "t1": (0.3, 3)},
        {"b1": (0.7, 1.3)},
    ),
    "mp2rage": (
        {
            "delay": [0.3, 0.9],
            "flip_angle": [0.07, 0.09],
            "repetition_time": 0.006,
            "n_before": 50,
            "n_after": 50,
            "final_delay": 2.0,
        },
        {"m0": (50, 150), "t1": (0.6, 2)},
        {"b1": (0.8, 1.2)},
    ),
    "water_fat": (
        {"echo_time": [0.0012 + 0.0009 * i for i in range(6)], "fat_frequency": FAT[0], "fat_amplitude": FAT[1]},
        {"water": (50, 150), "fat": (10, 80), "off_resonance": (-60, 60), "r2star": (10, 60)},
        {},
    ),
    "diffusion": ({"b_value": [0, 2e8, 5e8, 1e9]}, {"m0": (50, 150), "adc": (3e-10, 3e-9)}, {}),
    "ivim": (
        {"b_value": [0, 1e7, 2e7, 4e7, 8e7, 2e8, 4e8, 8e8]},
        {"m0": (50, 150), "fraction": (0.1, 0.3), "fast": (1e-8, 5e-8), "slow": (7e-10, 2e-9)},
        {},
    ),
    "tofts": (
        {"time": AIF_TIME, "aif": AIF},
        {"ktrans": (5e-4, 5e-3), "ve": (0.1, 0.5)},
        {"vp": (0.01, 0.05)},
    ),
    "asl_continuous": (
        {"time": [1.9 + 0.3 * i for i in range(8)], "label_duration": 1.8},
        {"m0": (900, 1100), "perfusion": (0.005, 0.02), "transit_time": (0.5, 1.5)},
        {"t1": (1.2, 1.4)},
    ),
}  # fmt: skip


def problem(name, n=300):
    design, ranges, known = MODELS[name]
    op = SignalOp(name, **design)
    truth = {k: uniform(n, *r, seed=i) for i, (k, r) in enumerate({**ranges, **known}.items())}
    if name == "water_fat":
        truth["water"] = truth["water"] * torch.exp(1j * uniform(n, -3, 3, 77))
        truth["fat"] = truth["fat"] * torch.exp(1j * uniform(n, -3, 3, 78))
    if name == "asl_continuous":  # the signal sees the product of the two alone
        known = {**known, "m0": None}
    return op, truth, {k: truth[k] for k in known}


@pytest.mark.parametrize("name", MODELS)
def test_noise_free_signals_give_their_parameters_back(name):
    op, truth, fixed = problem(name)
    result = fit(op, op(**truth), fixed=fixed)
    # Steps are Gauss-Newton near the solution; what remains is rounding times the condition of the problem.
    # Near-degenerate voxels; in Tofts a recursion of 60 steps whose rounding hides the last step.
    share = {"bi_exponential": 0.95, "ivim": 0.95, "tofts": 0.98}.get(name, 1.0)
    for key, value in truth.items():
        close = (result.parameters[key] - value).abs() <= 1e-5 * value.abs()
        assert close.double().mean() >= share, key
    assert result.converged.double().mean() >= share


def test_diffusion_tensor_and_phase_contrast():
    n = 50
    tensor = torch.stack(
        [*(uniform(n, 5e-10, 2e-9, i) for i in range(3)), *(uniform(n, -2e-10, 2e-10, 5 + i) for i in range(3))]
    )
    op = SignalOp(
        "diffusion_tensor",
        b_value=[0.0] + [1e9] * 12,
        direction=torch.cat([torch.eye(3, dtype=F64)[:1], directions(12)]),
    )
    result = fit(op, op(m0=uniform(n, 50, 100, 1), diffusion_tensor=tensor))
    assert torch.allclose(result.parameters["diffusion_tensor"], tensor, rtol=0, atol=1e-15)
    assert result.uncertainty["diffusion_tensor"].shape == (6, n)
    k = math.pi / 2.0
    flow = SignalOp("phase_contrast", encoding=[[0.0, 0, 0], [k, 0, 0], [0, k, 0], [0, 0, k]])
    velocity = torch.stack([uniform(n, -1, 1, i) for i in range(3)])
    result = fit(flow, flow(m0=torch.polar(uniform(n, 1, 2, 3), uniform(n, -3, 3, 4)), velocity=velocity))
    assert torch.allclose(result.parameters["velocity"], velocity, rtol=0, atol=1e-7)


@pytest.fixture(scope="module")
def kurtosis():
    """Model, tensors of an isotropic medium, m0 = 1, and a signal with noise."""
    n, first = 64, [[0.0, 0, 0]]
    direction = torch.cat([torch.tensor(first, dtype=F64), directions(30), directions(30)])
    op = SignalOp("diffusion_kurtosis", b_value=[0.0] + [1e9] * 30 + [2e9] * 30, direction=direction)
    tensor = torch.tensor([1e-9] * 3 + [0.0] * 3, dtype=F64)[:, None].expand(6, n)
    w = torch.tensor([0.8] * 3 + [0.0] * 6 + [0.8 / 3] * 3 + [0.0] * 3, dtype=F64)[:, None].expand(15, n)
    clean = op(m0=1.0, diffusion_tensor=tensor, kurtosis_tensor=w)
    return op, tensor, w, clean + noise_like(clean, 0.005)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("m0", [1.0, 100.0, 1000.0])
def test_kurtosis_comes_back_as_it_went_in(kurtosis, m0, dtype):
    op, tensor, w, noisy = kurtosis
    clean = op(m0=m0, diffusion_tensor=tensor, kurtosis_tensor=w)
    found = fit(op, clean.to(dtype))
    assert found.converged.all()
    # Noise of eps is 100 eps in W here.
    assert (found.parameters["kurtosis_tensor"] - w).abs().max() < 200 * torch.finfo(dtype).eps
    signal = m0 * noisy
    result = fit(op, signal.to(dtype))
    assert result.converged.all()
    left = (op(**result.parameters) - signal).norm() / signal.norm()
    assert left < 0.02  # that of the noise
    z = (result.parameters["kurtosis_tensor"] - w) / result.uncertainty["kurtosis_tensor"]
    assert abs(z.std() - 1) < 0.15 and abs(z.mean()) < 0.15  # 960 draws, correlated in each voxel


def test_kurtosis_is_known_begins_and_is_bounded_in_its_own_unit(kurtosis):
    op, tensor, w, noisy = kurtosis
    free, known = fit(op, noisy), fit(op, noisy, fixed={"kurtosis_tensor": w})
    assert known.converged.all() and torch.equal(known.parameters["kurtosis_tensor"], w)
    apart = (known.parameters["diffusion_tensor"] - tensor) / known.uncertainty["diffusion_tensor"]
    assert apart.abs().max() < 5
    assert (known.uncertainty["diffusion_tensor"] < 0.7 * free.uncertainty["diffusion_tensor"])[:3].all()
    begun = fit(op, noisy, start={"m0": 1.0, "diffusion_tensor": tensor, "kurtosis_tensor": w})
    assert (begun.iterations < free.iterations).all()
    assert torch.allclose(begun.parameters["kurtosis_tensor"], free.parameters["kurtosis_tensor"], rtol=0, atol=1e-3)
    held = fit(op, noisy, bounds={"kurtosis_tensor": (-0.5, 0.5)})
    assert held.converged.all() and held.parameters["kurtosis_tensor"].abs().max() == 0.5


def test_derivatives_for_kurtosis_and_for_the_mean_diffusivity_in_it(kurtosis):
    op, tensor, w, _ = kurtosis
    at = {"m0": torch.tensor(1.0, dtype=F64), "diffusion_tensor": tensor[:, 0], "kurtosis_tensor": w[:, 0]}
    _, jacobian = op.value_and_jacobian(**at)
    for name, step in (("diffusion_tensor", 1e-14), ("kurtosis_tensor", 1e-5)):
        for k in (0, 4):
            moved = torch.zeros_like(at[name])
            moved[k] = step
            up, down = (op(**{**at, name: at[name] + sign * moved}) for sign in (1, -1))
            assert torch.allclose(jacobian[f"{name}_{k}"], (up - down) / (2 * step), rtol=1e-5, atol=1e-9 / step * 1e-5)


def test_the_same_minimum_as_scipy():
    optimize = pytest.importorskip("scipy.optimize")
    op = SignalOp("inversion_recovery", inversion_time=TI)
    signal = op(m0=uniform(40, 50, 150, 0), t1=uniform(40, 0.2, 2, 1), efficiency=0.9)
    signal = signal + noise_like(signal, 1.0)
    result = fit(op, signal, tol=1e-6)
    ti = np.array(TI)
    for v in range(40):
        theirs, covariance = optimize.curve_fit(
            lambda t, m0, t1, e: m0 * (1 - (1 + e) * np.exp(-t / t1)),
            ti,
            signal[:, v].numpy(),
            (100, 1, 1),
            xtol=1e-12,
            ftol=1e-12,
        )
        ours = [result.parameters[k][v].item() for k in ("m0", "t1", "efficiency")]
        assert np.allclose(ours, theirs, rtol=1e-5)
        spread = [result.uncertainty[k][v].item() for k in ("m0", "t1", "efficiency")]
        assert np.allclose(spread, np.sqrt(np.diag(covariance)), rtol=1e-3)  # scipy's Jacobian is by differences


def general_fit(monkeypatch, *args, **kwargs):
    """The fit without variable projection."""
    module = importlib.import_module("mriops.signals.fit")
    grids = module._with_grids
    with monkeypatch.context() as patch:
        patch.setattr(module, "_with_grids", lambda *a: grids(*a)._replace(projected=None, affine=0))
        return fit(*args, **kwargs)


@pytest.mark.parametrize("snr", [5, 200])
@pytest.mark.parametrize(
    ("name", "free"),
    [
        ("mono_exponential", ()),
        ("bi_exponential", ()),
        ("stretched_exponential", ()),
        ("inversion_recovery", ()),
        ("saturation_recovery", ()),
        ("saturation_recovery", ("efficiency",)),
        ("look_locker", ()),
        ("look_locker", ("efficiency",)),
        ("molli", ()),
        ("spgr", ()),
        ("mp2rage", ()),
        ("diffusion", ()),
        ("ivim", ()),
    ],
)
def test_variable_projection_finds_the_minimum_of_the_general_fit(name, free, snr, monkeypatch):
    op, truth, fixed = problem(name)
    clean = op(**truth)
    signal = clean + noise_like(clean, float(clean.abs().mean()) / snr)
    ours, general = (
        fit(op, signal, fixed=fixed, free=free),
        general_fit(monkeypatch, op, signal, fixed=fixed, free=free),
    )
    # Two or more minima of four parameters in little signal: either may be found.
    share = 0.95 if name in ("bi_exponential", "ivim", "stretched_exponential") and snr == 5 else 1.0
    assert ours.converged.double().mean() >= general.converged.double().mean() - 0.01
    if name == "mp2rage":  # as many signals as parameters: nothing is left
        near = (ours.parameters["t1"] - general.parameters["t1"]).abs() <= 1e-6 * general.parameters["t1"]
        assert near[general.converged].all()
        return
    # A step of 1e-3 standard errors short of the minimum costs 1e-6 of it; 1e-4 leaves room for valleys.
    assert (ours.noise <= general.noise * (1 + 1e-4))[general.converged].double().mean() >= share
    same = ours.converged & general.converged & ((ours.noise / general.noise - 1).abs() < 1e-4)
    for key in ("t1", "t2"):
        if key not in ours.parameters or key in fixed or snr == 5:
            continue
        apart = (ours.parameters[key] - general.parameters[key]).abs() / general.uncertainty[key]
        assert apart[same].max() < 3e-3  # both stop below 1e-3 of where they would end up
        assert torch.allclose(ours.uncertainty[key][same], general.uncertainty[key][same], rtol=5e-3)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("name", ["mono_exponential", "inversion_recovery"])
def test_two_steps_are_enough_and_end_within_the_tolerance(name, dtype):
    op, truth, _ = problem(name, 4000)
    clean = op(**truth)
    for snr in (1000, 100, 20):
        signal = clean + noise_like(clean, float(clean.abs().mean()) / snr)
        result, exact = fit(op, signal.to(dtype)), fit(op, signal, tol=1e-8)
        assert result.converged.all() and result.iterations.double().mean() < 2.2
        for key in truth:
            apart = (result.parameters[key] - exact.parameters[key]).abs() / exact.uncertainty[key]
            # tol, and what rounding of samples of size 1 does where the noise is 1 / snr.
            assert apart.max() < 1e-3 + 20 * snr * torch.finfo(dtype).eps, (key, snr)


@pytest.mark.parametrize("name", [model.name for model in SIGNAL_MODELS.values() if model.positive])
def test_magnitudes_of_signals_that_are_never_negative_are_fitted_as_they_are(name):
    if name == "diffusion_tensor":
        design = {"b_value": [0.0] + [1e9] * 12, "direction": torch.cat([torch.eye(3, dtype=F64)[:1], directions(12)])}
        truth = {"m0": uniform(50, 50, 150, 0), "diffusion_tensor": torch.full((6, 50), 2e-10, dtype=F64)}
    else:
        design, ranges, _ = MODELS[name]
        truth = {k: uniform(50, *r, seed=i) for i, (k, r) in enumerate(ranges.items())}
    plain, magnitude = SignalOp(name, **design), SignalOp(name, magnitude=True, **design)
    signal = plain(**truth)
    signal = (signal + noise_like(signal, 1.0)).abs()
    ours, theirs = fit(magnitude, signal), fit(plain, signal)
    for key in truth:
        assert torch.equal(ours.parameters[key], theirs.parameters[key])
    # Where signs are allowed the magnitude counts: an amplitude below zero fits as well as one above.
    for options in ({"fixed": {"m0": -truth["m0"]}}, {"bounds": {"m0": (-1e3, -1.0)}}):
        below = fit(magnitude, signal, start=None if "fixed" in options else truth | {"m0": -truth["m0"]}, **options)
        assert (below.parameters["m0"] < 0).all()
        assert (below.noise < 10).double().mean() > 0.9


def test_finite_repetition_times_and_bounds_that_hold_the_efficiency(monkeypatch):
    op = SignalOp("inversion_recovery", inversion_time=TI, repetition_time=5.0)
    clean = op(m0=uniform(200, 50, 150, 0), t1=uniform(200, 0.3, 1.5, 1), efficiency=uniform(200, 0.7, 0.99, 2))
    signal = clean + noise_like(clean, 0.5)
    free = fit(op, signal)
    assert (free.parameters["efficiency"] != 0.9).all() and free.converged.all()
    held = fit(op, signal, bounds={"efficiency": (0.9, 1.2)})
    at_bound = fit(op, signal, fixed={"efficiency": 0.9})
    low = free.parameters["efficiency"] < 0.9
    assert 20 < low.sum() < 180
    assert held.converged.all() and (held.parameters["efficiency"][low] == 0.9).all()
    apart = (held.parameters["t1"] - at_bound.parameters["t1"])[low].abs() / at_bound.uncertainty["t1"][low]
    assert apart.max() < 3e-3
    assert torch.equal(held.parameters["t1"][~low], free.parameters["t1"][~low])


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("name", ["mono_exponential", "inversion_recovery", "bi_exponential"])
def test_voxels_without_a_signal_of_the_model_leave_the_others_alone(name, dtype):
    op, truth, _ = problem(name, 64)
    signal = op(**truth).to(dtype)
    alone = fit(op, signal)
    odd = {0: 0.0, 9: 5.0, 18: -5.0, 27: math.nan, 36: math.inf, 45: 1e-30, 54: 1e30}
    broken = signal.clone()
    for voxel, value in odd.items():
        broken[:, voxel] = value
    result = fit(op, broken)
    rest = torch.tensor([v for v in range(64) if v not in odd])
    for p in op.model.parameters:
        assert torch.equal(result.parameters[p.name][rest], alone.parameters[p.name][rest])
        assert torch.equal(result.uncertainty[p.name][rest], alone.uncertainty[p.name][rest])
        for voxel, value in odd.items():
            found = result.parameters[p.name][voxel]
            assert p.lower <= found <= p.upper if math.isfinite(value) else found.isnan(), (p.name, value)
    assert not result.converged[[27, 36]].any()


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("magnitude", [False, True])
def test_uncertainty_is_the_spread_of_the_estimates(dtype, magnitude):
    n, sigma = 20000, 0.5
    op = SignalOp("inversion_recovery", inversion_time=TI, magnitude=magnitude)
    clean = op(m0=100.0, t1=torch.full((n,), 0.8, dtype=dtype), efficiency=0.95)
    result = fit(op, clean + noise_like(clean, sigma), noise=sigma)
    assert result.converged.double().mean() > 0.9999
    for key, truth in (("t1", 0.8), ("m0", 100.0), ("efficiency", 0.95)):
        z = (result.parameters[key] - truth) / result.uncertainty[key]
        # 20,000 draws: standard error of the mean 0.007, of the deviation 0.005.
        assert abs(z.mean()) < 0.05
        assert abs(z.std() - 1) < 0.03


def test_complex_signals_of_real_models_are_turned_by_their_phase():
    op = SignalOp("inversion_recovery", inversion_time=TI)
    t1, phase = uniform(100, 0.2, 2, 0), uniform(100, -3, 3, 1)
    signal = op(m0=100.0, t1=t1, efficiency=1.0) * torch.exp(1j * phase)
    result = fit(op, signal)
    assert torch.allclose(result.parameters["t1"], t1, rtol=1e-6)
    assert torch.allclose(result.parameters["m0"], torch.full_like(t1, 100.0), rtol=1e-6)
    assert torch.equal(fit(op, signal.conj().conj()).parameters["t1"], result.parameters["t1"])


def test_rician_likelihood_removes_the_bias_of_the_noise_floor():
    n, sigma = 4000, 4.0
    op = SignalOp("mono_exponential", magnitude=True, time=[0.02 * (i + 1) for i in range(10)])
    clean = op(m0=40.0, t2=torch.full((n,), 0.06, dtype=F64))
    noisy = (clean + noise_like(clean, sigma, 1) + 1j * noise_like(clean, sigma, 2)).abs()
    gauss = fit(op, noisy, noise=sigma).parameters["t2"].median()
    rice = fit(op, noisy, noise=sigma, rician=True).parameters["t2"].median()
    assert gauss > 0.06 * 1.2  # least squares takes the floor for signal
    assert abs(rice - 0.06) < 0.06 * 0.06
    with pytest.raises(ValueError, match="rician: expected a model of magnitude and noise"):
        fit(op, noisy, rician=True)


def test_rician_fits_do_not_stay_on_the_floor_of_the_noise():
    optimize, special = pytest.importorskip("scipy.optimize"), pytest.importorskip("scipy.special")
    time = np.linspace(0.01, 0.16, 16)
    op = SignalOp("mono_exponential", time=time.tolist(), magnitude=True)
    clean = torch.full((40,), 3.0, dtype=F64) * torch.exp(-torch.tensor(time)[:, None] / 0.05)
    data = (clean + noise_like(clean, 1.0, 1) + 1j * noise_like(clean, 1.0, 2)).abs()
    result = fit(op, data, noise=1.0, rician=True)

    def cost(p, d):
        m = p[0] * np.exp(-time / p[1])
        return np.sum((d - m) ** 2 / 2 - np.log(special.ive(0, d * m)))

    held = 0
    for v in range(40):
        ours = [result.parameters[k][v].item() for k in ("m0", "t2")]
        starts = ([max(ours[0], 0.1), ours[1]], [3.0, 0.05], [3.0, 0.02])
        limits = [(0, None), (1e-4, 20)]
        best = min(optimize.minimize(cost, x, args=(data[:, v].numpy(),), bounds=limits).fun for x in starts)
        held += cost(ours, data[:, v].numpy()) < best + 1e-3
    assert held == 40
    assert result.converged.double().mean() >= 0.95  # turns take small steps in flat valleys


def test_rician_fits_that_run_out_of_turns_are_not_converged(monkeypatch):
    monkeypatch.setattr("mriops.signals._rician._TURNS", 2)
    op = SignalOp("mono_exponential", magnitude=True, time=[0.02 * (i + 1) for i in range(10)])
    clean = op(m0=4.0, t2=torch.full((50,), 0.06, dtype=F64))
    noisy = (clean + noise_like(clean, 1.0, 1) + 1j * noise_like(clean, 1.0, 2)).abs()
    assert not fit(op, noisy, noise=1.0, rician=True).converged.any()


def test_nan_voxels_are_marked_and_leave_neighbours_alone():
    op = SignalOp("mono_exponential", time=TE)
    signal = op(m0=100.0, t2=uniform(35, 0.02, 0.2, 0)).reshape(8, 5, 7)
    alone = fit(op, signal)
    for bad in (math.nan, math.inf):
        broken = signal.clone()
        broken[3, 2, 4] = bad
        result = fit(op, broken)
        mask = torch.ones(5, 7, dtype=torch.bool)
        mask[2, 4] = False
        assert result.parameters["t2"][2, 4].isnan() and not result.converged[2, 4]
        assert torch.equal(result.parameters["t2"][mask], alone.parameters["t2"][mask])
        assert result.converged[mask].all()


def test_mask_and_threads_change_nothing_inside():
    op = SignalOp("mono_exponential", time=TE)
    signal = op(m0=100.0, t2=uniform(2000, 0.02, 0.2, 0)).to(torch.float32)
    full = fit(op, signal)
    mask = uniform(2000, 0, 1, 3) < 0.3
    part = fit(op, signal, mask=mask)
    assert torch.equal(part.parameters["t2"][mask], full.parameters["t2"][mask])
    assert part.parameters["t2"][~mask].isnan().all() and not part.converged[~mask].any()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert torch.equal(fit(op, signal).parameters["t2"], full.parameters["t2"])
    finally:
        torch.set_num_threads(before)


def test_what_does_not_converge_is_flagged():
    op = SignalOp("mono_exponential", time=TE)
    signal = op(m0=100.0, t2=uniform(50, 0.02, 0.2, 0))
    assert not fit(op, signal + noise_like(signal, 1), max_iter=1).converged.any()
    assert fit(op, signal + noise_like(signal, 1)).converged.all()


@pytest.mark.parametrize("bounds", [(0.1, 0.01), (0.1, 0.1), (0.1, math.nan), 0.1, (0.1,)])
def test_bounds_that_hold_nothing_are_refused(bounds):
    op = SignalOp("mono_exponential", time=[0.01, 0.02])
    with pytest.raises((TypeError, ValueError), match=r"bounds: expected .*lower.* for t2, got"):
        fit(op, torch.ones(2, 3), bounds={"t2": bounds})


def test_bounds_hold_and_the_rest_is_still_a_minimum():
    op = SignalOp("mono_exponential", time=TE)
    signal = op(m0=100.0, t2=uniform(50, 0.05, 0.2, 0))
    result = fit(op, signal, bounds={"t2": (0.01, 0.04)})
    assert (result.parameters["t2"] == 0.04).all() and result.converged.all()
    basis = torch.exp(-torch.tensor(TE, dtype=F64) / 0.04)
    assert torch.allclose(result.parameters["m0"], basis @ signal / (basis @ basis), rtol=1e-6)
    assert (result.uncertainty["t2"] >= 0).all()


@pytest.mark.parametrize("mask", [None, torch.tensor(True)])
def test_one_voxel_without_axes(mask):
    op = SignalOp("mono_exponential", time=TE)
    result = fit(op, op(m0=100.0, t2=torch.tensor(0.05, dtype=F64)), mask=mask)
    assert result.converged and result.parameters["t2"].shape == ()
    assert abs(result.parameters["t2"].item() - 0.05) < 1e-9


@pytest.mark.parametrize("masked", [False, True])
def test_maps_of_known_parameters_may_have_a_background(masked):
    op, truth, _ = problem("spgr", 90)
    inside = torch.arange(90) < 30
    signal = op(**truth) * inside
    for background in (0.0, math.nan):
        b1 = torch.where(inside, truth["b1"], background)
        result = fit(op, signal, fixed={"b1": b1}, mask=inside if masked else None)
        assert result.converged[inside].all()
        assert torch.allclose(result.parameters["t1"][inside], truth["t1"][inside], rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("size", [1e-30, 1e-28, 1e20, 1e30])
def test_signals_of_any_size_are_fitted(size, dtype):
    op = SignalOp("mono_exponential", time=TE)
    t2 = uniform(20, 0.02, 0.2, 0).to(dtype)
    signal = op(m0=1.0, t2=t2)
    signal = signal + noise_like(signal, 0.01)
    for options in (
        lambda size: {},
        lambda size: {"noise": 0.01 * size},
        lambda size: {"fixed": {"m0": size}},
        lambda size: {"start": {"m0": size, "t2": 0.05}},
    ):
        near, far = fit(op, signal, **options(1.0)), fit(op, signal * size, **options(size))
        assert far.converged.all()
        # Both stop below 1e-3 standard errors of where they would end up, and the products are rounded.
        assert ((far.parameters["t2"] - near.parameters["t2"]).abs() <= 2e-3 * near.uncertainty["t2"]).all()
        assert torch.allclose(far.uncertainty["t2"], near.uncertainty["t2"], rtol=1e-3)
        assert torch.allclose(far.parameters["m0"] / size, near.parameters["m0"], rtol=1e-4)
        assert torch.allclose(far.noise / size, near.noise, rtol=1e-3)


def test_half_precision_is_fitted_in_single_and_differentiated():
    op = SignalOp("mono_exponential", time=TE)
    signal = op(m0=1.0, t2=torch.tensor([0.05, 0.08])).half().requires_grad_()
    t2 = fit(op, signal).parameters["t2"]
    (grad,) = torch.autograd.grad(t2.sum(), signal)
    assert t2.dtype == torch.float32 and grad.dtype == torch.float16 and grad.abs().min() > 0


def test_derivative_for_the_signal():
    op = SignalOp("mono_exponential", time=TE)
    signal = op(m0=100.0, t2=uniform(3, 0.03, 0.1, 0)).requires_grad_()

    def t2_of(s):
        return fit(op, s, tol=1e-9).parameters["t2"]

    (grad,) = torch.autograd.grad(t2_of(signal).sum(), signal)
    step = 1e-3
    for t in (0, 4):
        moved = torch.zeros_like(signal)
        moved[t] = step
        difference = (t2_of(signal.detach() + moved) - t2_of(signal.detach() - moved)) / (2 * step)
        assert torch.allclose(grad[t], difference, rtol=1e-5)


@pytest.mark.parametrize(
    ("error", "call", "message"),
    [
        (ValueError, lambda op, s: fit(op, s[:5]), r"signal: expected shape \(8, \*voxels\), times first"),
        (ValueError, lambda op, s: fit(op, s, mask=torch.ones(3)), "mask: expected shape"),
        (ValueError, lambda op, s: fit(op, s, fixed={"m0": 1.0, "t2": 0.1}), "fixed: expected at least one parameter"),
        (TypeError, lambda op, s: fit(op, s, fixed={"t1": 1.0}), "fixed: expected names among m0, t2, got t1"),
        (TypeError, lambda op, s: fit(op, s, free=["b1"]), "free: expected names among m0, t2, got b1"),
        (
            ValueError,
            lambda op, s: fit(op, s, free=["t2"], fixed={"t2": 0.1}),
            "free: expected parameters that are not fixed, got t2",
        ),
        (TypeError, lambda op, s: fit(op, s, start={"t2": 0.1}), "start: expected all of m0, t2"),
        (ValueError, lambda op, s: fit(op, s, start={"m0": -1.0, "t2": 0.1}), "start: expected m0 within its bounds"),
        (ValueError, lambda op, s: fit(op, s, noise=torch.ones(3)), "noise: expected one number or voxels"),
        (TypeError, lambda op, s: fit(op, s, mask=[True] * 4), "mask: expected torch.Tensor, got list"),
        (TypeError, lambda op, s: fit(op, s.numpy()), "signal: expected torch.Tensor, got numpy"),
        (ValueError, lambda op, s: fit(op, s, fixed={"t2": torch.ones(9)}), "t2: expected voxels"),
        (ValueError, lambda op, s: fit(op, s, tol=0.0), "tol: expected a positive number"),
        (TypeError, lambda op, s: SignalOp("spgr", flip_angle=0.1), "spgr: expected the design flip_angle, repetition"),
        (ValueError, lambda op, s: SignalOp("spin"), "model: expected one of"),
        (TypeError, lambda op, s: op(t2=0.1), "mono_exponential: expected the parameters m0, t2, got t2"),
    ],
)  # fmt: skip
def test_bad_calls_are_named(error, call, message):
    op = SignalOp("mono_exponential", time=TE)
    with pytest.raises(error, match=message):
        call(op, op(m0=100.0, t2=uniform(4, 0.02, 0.2, 0)))


def test_the_operator_is_the_function_with_its_names():
    op = SignalOp("spgr", flip_angle=[0.1, 0.2], repetition_time=0.01)
    t1 = uniform(3, 0.5, 1.5, 0)
    assert torch.equal(op(m0=2.0, t1=t1), ops.signal_spgr(2.0, t1, [0.1, 0.2], 0.01))
    assert op.names == ("m0", "t1", "b1") and op.units["t1"] == "s" and op.times == 2
    value, jacobian = op.value_and_jacobian(m0=2.0, t1=t1)
    assert torch.allclose(value, op(m0=2.0, t1=t1), rtol=1e-14)  # other fused multiply-adds
    h = 1e-6
    difference = (op(m0=2.0, t1=t1 + h) - op(m0=2.0, t1=t1 - h)) / (2 * h)
    assert torch.allclose(jacobian["t1"], difference, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("noise", [-1.0, 0.0, math.nan, torch.tensor([0.1, math.inf])])
def test_noise_that_is_none_is_refused(noise) -> None:
    op = SignalOp("mono_exponential", time=TE)
    signal = op(m0=torch.ones(2), t2=torch.tensor([0.05, 0.08]))
    with pytest.raises(ValueError, match=r"noise: expected finite standard deviations above 0, got (-1|0|nan|inf)"):
        fit(op, signal, noise=noise)


def test_noise_outside_the_mask_is_not_looked_at() -> None:
    op = SignalOp("mono_exponential", time=TE)
    signal = op(m0=torch.ones(2), t2=torch.tensor([0.05, 0.08]))
    noise, mask = torch.tensor([0.01, 0.0]), torch.tensor([True, False])
    result = fit(op, signal, noise=noise, mask=mask)
    assert result.uncertainty["t2"][0] > 0
