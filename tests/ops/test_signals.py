"""Signal models against closed forms worked out elsewhere, direct simulation of the Bloch equations, and quadrature."""

import math

import numpy as np
import pytest
import torch

from mriops import array, ops
from mriops._native.signal_models import SIGNAL_MODELS

F64 = torch.float64


def t(x):
    return torch.tensor(x, dtype=F64)


@pytest.mark.parametrize(
    ("t1", "tr", "degrees", "signal"),
    [(1.0, 0.010, 15, 0.058951014360), (0.8, 0.005, 8, 0.054529612822), (1.4, 0.020, 20, 0.065881623560)],
)
def test_spgr_is_the_ernst_formula(t1, tr, degrees, signal):
    got = ops.signal_spgr(1.0, t(t1), math.radians(degrees), tr)
    assert abs(got.item() - signal) < 1e-12  # the digits given


def test_spgr_is_largest_at_the_ernst_angle():
    angle = t([math.radians(8.089348877)]).requires_grad_()
    signal = ops.signal_spgr(1.0, t(1.0), angle, 0.01)
    (slope,) = torch.autograd.grad(signal.sum(), angle)
    assert abs(signal.item() - 0.070710383493) < 1e-12
    assert abs(slope.item()) < 1e-9


@pytest.mark.parametrize(
    ("degrees", "signal"), [(180, 0.160495756080), (90, 0.144609569945), (30, 0.069664779976), (2, 0.008579864102)]
)
def test_bssfp_per_precession(degrees, signal):
    got = ops.signal_bssfp(1.0, t(1.0), 0.1, 0.0, math.radians(40), 0.005, 0.0, phase_increment=math.radians(degrees))
    assert abs(got.abs().item() - signal) < 1e-12


def _rotate(axis, angle, m):
    """Clockwise about an axis, which is the sense of dM/dt = gamma M x B."""
    c, s = math.cos(angle), math.sin(angle)
    if axis == "x":
        return np.array([m[0], c * m[1] + s * m[2], -s * m[1] + c * m[2]])
    return np.array([c * m[0] + s * m[1], -s * m[0] + c * m[1], m[2]])


def _relax(m, time, t1, t2):
    e1, e2 = math.exp(-time / t1), math.exp(-time / t2)
    return np.array([m[0] * e2, m[1] * e2, 1 + (m[2] - 1) * e1])


@pytest.mark.parametrize("increment", [0.0, math.pi, 1.0])
def test_bssfp_against_stepping_the_bloch_equations(increment):
    t1, t2, f, tr, te, flip = 0.4, 0.08, 37.0, 0.006, 0.002, 0.6
    m = np.array([0.0, 0.0, 1.0])
    for n in range(2000):
        phase = increment * n
        m = _rotate("z", -phase, _rotate("x", flip, _rotate("z", phase, m)))
        echo = _relax(_rotate("z", 2 * math.pi * f * te, m), te, t1, t2)
        signal = (echo[0] + 1j * echo[1]) * np.exp(-1j * phase)  # the receiver follows the pulse
        m = _relax(_rotate("z", 2 * math.pi * f * tr, m), tr, t1, t2)
    got = ops.signal_bssfp(1.0, t(t1), t2, f, flip, tr, te, phase_increment=increment).item()
    assert abs(got - signal) < 1e-10  # 2000 TR = 30 T1 leave 1e-13 of the transient


def test_look_locker_against_stepping():
    t1, tr, flip, efficiency = 1.0, 0.005, math.radians(7), 0.9
    m, series = -efficiency, []
    for _ in range(300):
        series.append(math.sin(flip) * m)
        m = 1 + (m * math.cos(flip) - 1) * math.exp(-tr / t1)
    times = t([tr * n for n in range(300)])
    got = ops.signal_look_locker(1.0, t(t1), times, flip, tr, 1.0, efficiency)
    assert torch.allclose(got, t(series), rtol=0, atol=1e-13)
    steady = ops.signal_look_locker(1.0, t(t1), 1e3, flip, tr).item() / math.sin(flip)
    assert abs(steady - 0.402083459243) < 1e-12


def test_mp2rage_against_stepping():
    t1, tr, efficiency, b1 = 1.2, 0.007, 0.96, 0.9
    delay, flips, before, after, final = (0.4, 1.1), (math.radians(5), math.radians(6)), (40, 50), (60, 70), 1.3
    m = 1.0
    for _ in range(40):  # cycles
        m, series = -efficiency * m, []
        for d, flip, n, rest in zip(delay, flips, before, after):
            m = 1 + (m - 1) * math.exp(-d / t1)
            for i in range(n + rest):
                if i == n:
                    series.append(math.sin(flip * b1) * m)
                m = 1 + (m * math.cos(flip * b1) - 1) * math.exp(-tr / t1)
        m = 1 + (m - 1) * math.exp(-final / t1)
    got = ops.signal_mp2rage(1.0, t(t1), t(delay), t(flips), tr, t(before), t(after), final, b1, efficiency)
    assert torch.allclose(got, t(series), rtol=0, atol=1e-12)


def test_inversion_recovery_null_and_repetition_time():
    null = ops.signal_inversion_recovery(1.0, t(0.9), 0.9 * math.log(2))
    assert abs(null.item()) < 1e-15
    short = ops.signal_inversion_recovery(1.0, t(0.9), 0.3, repetition_time=1.5)
    assert abs(short.item() - (1 - 2 * math.exp(-0.3 / 0.9) + math.exp(-1.5 / 0.9))) < 1e-15


def test_molli_is_the_three_parameter_fit_with_its_correction():
    a, b, star = 2.0, 3.7, 0.8
    times = t([0.1, 0.9, 2.5])
    got = ops.signal_molli(t(a), star * (b / a - 1), times, b / a - 1)
    assert torch.allclose(got, a - b * torch.exp(-times / star), rtol=0, atol=1e-14)


def test_tofts_with_an_exponential_input():
    ktrans, kep, amplitude, decay, end = 0.25 / 60, 0.5 / 60, 5.0, 0.03, 300.0
    times = torch.linspace(0, end, 3001, dtype=F64)
    aif = amplitude * torch.exp(-decay * times)
    got = ops.signal_tofts(t(ktrans), ktrans / kep, times, aif)[-1].item()
    exact = ktrans * amplitude * (math.exp(-kep * end) - math.exp(-decay * end)) / (decay - kep)
    assert abs(exact - 0.0788092200) < 1e-10
    # Linear pieces of h = 0.1 s err by h^2 m^2 / 12 = 7.5e-7 of the input.
    assert abs(got - exact) < 1e-6 * exact


def test_tofts_is_exact_for_linear_pieces_and_keeps_plasma():
    times = t([0.0, 2.0, 3.0, 7.0])
    aif = t([0.0, 4.0, 1.0, 2.0])
    fine = torch.linspace(0, 7, 70001, dtype=F64)
    values = torch.from_numpy(np.interp(fine.numpy(), times.numpy(), aif.numpy()))
    kernel = 0.3 * torch.exp(-0.3 / 0.4 * (7 - fine))
    integral = torch.trapezoid(values * kernel, fine)  # step 1e-4: 1e-9
    got = ops.signal_tofts(t(0.3), 0.4, times, aif, 0.1)[-1]
    assert abs(got - (integral + 0.1 * 2.0)) < 1e-8


@pytest.mark.parametrize("kind", ["continuous", "pulsed"])
def test_buxton_against_quadrature(kind):
    f, arrival, t1, blood, length, partition = 0.012, 0.7, 1.3, 1.65, 1.4, 0.9
    both = 1 / t1 + f / partition
    times = t([0.5, 1.0, 1.9, 2.5, 3.4])
    curve = []
    for now in times.tolist():
        s = torch.linspace(arrival, max(min(now, arrival + length), arrival), 20001, dtype=F64)
        age = s if kind == "pulsed" else torch.full_like(s, arrival)
        curve.append(torch.trapezoid(2 * f * torch.exp(-age / blood - (now - s) * both), s).item())
    got = getattr(ops, f"signal_asl_{kind}")(1.0, t(f), arrival, times, length, t1, blood, partition)
    assert torch.allclose(got, t(curve), rtol=0, atol=1e-11)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("module", [ops, ops.reference])
def test_pulsed_labelling_of_tissue_that_relaxes_much_faster_than_blood(module, dtype):
    blood, flow, transit, times = 1.65, 0.01, 0.5, [0.7, 1.0, 2.0, 3.0]
    for t1 in (0.0, 1e-5, 1e-3, 0.01, 0.02):
        x = torch.tensor([1.0, flow, transit, t1, blood], dtype=dtype, requires_grad=True)
        m0, f, delay, tissue, of_blood = x
        signal = module.signal_asl_pulsed(m0, f, delay, times, 1.4, t1=tissue, t1_blood=of_blood)
        (slope,) = torch.autograd.grad(signal[:2].sum(), x)
        rate = 1 / max(t1, 1e-18) + flow / 0.9
        inflow = np.minimum(np.array(times) - transit, 1.4)
        k = rate - 1 / blood
        # exp(-k inflow) is below 1e-4 of the rest; bolus that has passed for 0.1 s or more has decayed by then.
        expected = 2 * flow * np.exp(-np.array(times) / blood) / k * -np.expm1(-k * inflow)
        expected = expected * np.exp(-k * (np.array(times) - transit - inflow))
        torch.testing.assert_close(signal.detach(), torch.tensor(expected, dtype=dtype), rtol=2e-5, atol=1e-30)
        assert slope.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("t1", [0.01, 0.3, 1.65, 3.0])
def test_pulsed_labelling_derivatives_are_those_of_the_formula(t1, dtype):
    def derivatives(module):
        x = torch.tensor([1.0, 0.01, 0.5, t1, 1.65], dtype=dtype, requires_grad=True)
        m0, f, delay, tissue, blood = x
        signal = module.signal_asl_pulsed(m0, f, delay, [0.3, 0.7, 1.0, 2.0, 3.0], 1.4, t1=tissue, t1_blood=blood)
        return torch.stack([torch.autograd.grad(s, x, retain_graph=True)[0] for s in signal])

    got, expected = derivatives(ops), derivatives(ops.reference)
    scale = expected.abs().amax(0)
    scale[2] = scale[2].clamp_min(scale[0] / t1)  # the formula's for the delay is a difference of such terms
    assert ((got - expected).abs() <= 40 * torch.finfo(dtype).eps * scale).all()


def _values_and_derivatives(module, name, dtype, *values):
    """Signal, and the derivatives of its sum for the values that are numbers."""
    x = [torch.tensor(v, dtype=dtype, requires_grad=isinstance(v, float)) for v in values]
    signal = getattr(module, f"signal_{name}")(*x)
    total = signal.real.sum() + signal.imag.sum() if signal.is_complex() else signal.sum()
    numbers = [v for v in x if v.requires_grad]
    return signal.detach(), torch.stack(torch.autograd.grad(total, numbers, allow_unused=True, materialize_grads=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("module", [ops, ops.reference])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("spgr", (1.0, math.inf, [0.0, 0.2], 0.01)),
        ("spgr", (1.0, math.inf, [0.1, 0.2], 0.01, 0.0)),
        ("bssfp", (1.0, math.inf, 0.1, 5.0, [0.0, 0.2], 0.005, 0.002)),
        ("look_locker", (1.0, math.inf, [0.1, 0.2], 0.0, 0.005)),
    ],
)
def test_neither_pulse_nor_relaxation_gives_no_signal(name, values, module, dtype):
    signal, slopes = _values_and_derivatives(module, name, dtype, *values)
    assert not signal.any() and slopes.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("module", [ops, ops.reference])
@pytest.mark.parametrize(
    ("t2", "exponent", "expected"),
    [
        (0.1, 0.0, [1.0, math.exp(-1), math.exp(-1)]),
        (0.1, -1.0, [1.0, math.exp(-1), math.exp(-0.5)]),
        (math.inf, 0.0, [1.0, 1.0, 1.0]),
        (0.0, 3.0, [1.0, 0.0, 0.0]),  # (t / t2)^3 is infinite in single precision
    ],
)
def test_stretched_exponential_begins_at_m0_for_any_exponent(t2, exponent, expected, module, dtype):
    values = 1.0, t2, exponent, [0.0, 0.1, 0.2]
    signal, slopes = _values_and_derivatives(module, "stretched_exponential", dtype, *values)
    torch.testing.assert_close(signal, torch.tensor(expected, dtype=dtype))
    assert slopes.isfinite().all()
    if module is ops:
        torch.testing.assert_close(
            torch.from_numpy(
                array.signal_stretched_exponential(*(np.asarray(v, dtype=str(dtype)[6:]) for v in values))
            ),
            signal,
        )


def test_water_fat_in_and_out_of_phase():
    frequency, amplitude = t([-440.0]), t([1.0])
    out_of_phase, in_phase = 1 / 880, 1 / 440
    got = ops.signal_water_fat(t(3.0), t(1.0), 0.0, 0.0, t([out_of_phase, in_phase]), frequency, amplitude)
    assert torch.allclose(got, torch.tensor([2.0, 4.0], dtype=torch.complex128), rtol=0, atol=1e-12)
    turned = ops.signal_water_fat(t(1.0), t(0.0), 10.0, 0.0, 0.025, frequency, amplitude)
    assert abs(turned.item() - (-1j)) < 1e-14  # exp(-2 pi i f t), a quarter of a turn


def test_kurtosis_of_an_isotropic_medium():
    diffusion, kurtosis, b = 1e-9, 0.8, 2e9
    direction = t([[0.6, 0.0, 0.8], [1.0, 0.0, 0.0]])
    tensor = t([diffusion] * 3 + [0.0] * 3)
    w = t([kurtosis] * 3 + [0.0] * 6 + [kurtosis / 3] * 3 + [0.0] * 3)
    got = ops.signal_diffusion_kurtosis(t(1.0), tensor, w, t([b, b]), direction)
    expected = math.exp(-b * diffusion + (b * diffusion) ** 2 * kurtosis / 6)
    assert torch.allclose(got, t([expected, expected]), rtol=1e-13)


# --- inputs that bite ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_and_infinite_times_are_limits_and_negative_ones_stay_alone(dtype):
    t2 = torch.tensor([0.0, math.inf, 0.1, -0.1, math.nan, 0.1], dtype=dtype, requires_grad=True)
    signal = ops.signal_mono_exponential(1.0, t2, torch.tensor([0.0, 0.05], dtype=dtype))
    limits = torch.tensor([[1.0, 1.0, 1.0], [0.0, 1.0, math.exp(-0.5)]], dtype=dtype)
    assert torch.allclose(signal[:, :3], limits, rtol=0, atol=4 * torch.finfo(dtype).eps)
    assert signal[:, 3:5].isnan().all()
    assert torch.equal(signal[:, 5], signal[:, 2])
    (grad,) = torch.autograd.grad(signal[:, [0, 1, 2, 5]].sum(), t2)
    assert grad[[0, 1, 2, 5]].isfinite().all()
    assert grad[0] == 0


def test_t2_longer_than_t1_is_computed():
    assert ops.signal_bssfp(1.0, t(0.1), 0.5, 0.0, 0.5, 0.005, 0.0025).isfinite().all()


@pytest.mark.parametrize("of", ["ops", "array"])
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: m.signal_spgr(1.0, x, [0.1, 0.2, 0.3], [0.005, 0.006]), "repetition_time: expected 3 values"),
        (lambda m, x: m.signal_spgr(1.0, x, [], 0.005), "flip_angle: expected at least one value, got none"),
        (lambda m, x: m.signal_spgr(1.0, x, [0.1], -0.005), "repetition_time: expected times >= 0"),
        (lambda m, x: m.signal_mono_exponential(1.0, x, [0.1, math.nan]), "time: expected numbers, got NaN"),
        (lambda m, x: m.signal_bssfp(1.0, x, x, 0.0, 0.5, 0.005, 0.006), "echo_time: expected at most the repetition"),
        (lambda m, x: m.signal_diffusion_tensor(1.0, x, [1e9], [[1.0, 0, 0]]), "diffusion_tensor: expected 6 compon"),
        (lambda m, x: m.signal_phase_contrast(x[0], x, [1.0, 0]), "encoding: expected shape"),
        (lambda m, x: m.signal_look_locker(1.0, x, x, x, 0.01), "flip_angle: expected one number, got shape"),
        (lambda m, x: m.signal_asl_pulsed(1.0, 0.01, 0.7, x, 0.8, partition=x), "partition: expected one number"),
        (lambda m, x: m.signal_model(x, x, model="spin"), "model: expected one of mono_exponential"),
        (lambda m, x: m.signal_model(x, x, model="spgr"), "parameters: expected 3 rows"),
        (lambda m, x: m.signal_model(x.reshape(1, 3).repeat(3, 0) if of_array(x) else x[:, None], x, model="spgr"),
         "design: expected shape"),
        (lambda m, x: m.signal_spgr(x[:2], x, 0.1, 0.005), "parameters: expected shapes that broadcast"),
    ],
)  # fmt: skip
def test_bad_input_is_named(of, call, message):
    module, x = (ops, torch.tensor([0.5, 0.6, 0.7])) if of == "ops" else (array, np.array([0.5, 0.6, 0.7], np.float32))
    if "expected 3 rows" in message:
        x = x[:2]
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        call(module, x)


def of_array(x):
    return isinstance(x, np.ndarray)


@pytest.mark.parametrize("module", [ops, array])
def test_wrong_types_are_named(module):
    x = torch.ones(2) if module is ops else np.ones(2, np.float32)
    with pytest.raises(TypeError, match="t1: expected a real dtype"):
        module.signal_spgr(1.0, x + 1j, 0.1, 0.005)
    with pytest.raises(TypeError, match="flip_angle: expected"):
        module.signal_spgr(1.0, x, "15", 0.005)


@pytest.mark.parametrize("module", [ops, array])
def test_degrees_are_noticed(module):
    x = torch.ones(2) if module is ops else np.ones(2, np.float32)
    with pytest.warns(UserWarning, match="flip_angle: expected radians, got 15, more than 4 pi"):
        module.signal_spgr(1.0, x, 15.0, 0.005)


def test_every_model_is_public():
    for model in SIGNAL_MODELS.values():
        assert model.function in ops.__all__ and model.function in array.__all__
