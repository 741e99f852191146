"""Extended phase graphs against closed forms, exact numbers, isochromats and other programs."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch

import mriops.array
from mriops import _native, ops
from mriops.ops import reference

from .epg_trains import DEGREE, INFINITE, constant, fingerprint, seconds

# --- fast spin echo --------------------------------------------------------------------------------------------------

RATIONAL = {
    120: "3/4 15/16 27/32 219/256 453/512 1755/2048 3531/4096 57363/65536",
    90: "1/2 3/4 3/4 11/16 11/16 23/32 23/32 179/256",
    60: "1/4 7/16 17/32 139/256 263/512 995/2048 1969/4096 32371/65536",
}


@pytest.mark.parametrize("angle", RATIONAL)
def test_cpmg_echoes_are_these_rational_numbers(angle: int) -> None:
    expected = torch.tensor([float(Fraction(q)) for q in RATIONAL[angle].split()], dtype=torch.float64)
    echoes = ops.epg_fse(constant(angle, 8), INFINITE, INFINITE, echo_spacing=0.01)
    torch.testing.assert_close(echoes, expected, rtol=0, atol=1e-15)  # eight pulses, a few eps each


def test_cpmg_echoes_tend_to_the_sine_of_half_the_angle() -> None:
    for angle in (120, 90, 60, 135, 150):
        echoes = ops.epg_fse(constant(angle, 2000), INFINITE, INFINITE, echo_spacing=0.01)
        # The echoes oscillate about the limit with an amplitude that falls like 1 / n: their mean is this close.
        assert float(echoes[1900:].mean()) == pytest.approx(math.sin(angle * DEGREE / 2), abs=2e-6)


def test_cpmg_with_relaxation() -> None:
    t1, t2 = seconds(1.0, 0.1)
    numbers = {
        180: [math.exp(-10 * n / 100) for n in range(1, 7)],
        120: [0.6786280635, 0.7964738493, 0.6369145974, 0.6068761578, 0.5636452069, 0.5086119463],
        60: [0.2262093545, 0.3871084728, 0.4340349750, 0.4233030841, 0.3684995184, 0.3320368254],
    }
    for angle, expected in numbers.items():
        echoes = ops.epg_fse(constant(angle, 6), t1, t2, echo_spacing=0.01)
        np.testing.assert_allclose(echoes, expected, rtol=0, atol=6e-11)  # as many digits as are written here


def generating_function(angle: float, spacing: float, t1: float, t2: float, echoes: int) -> np.ndarray:
    """Echoes of a CPMG train from its generating function, sampled on the unit circle: no states anywhere."""
    z = np.exp(2j * np.pi * np.arange(8192) / 8192)
    k1, k2, c = math.exp(-spacing / t1), math.exp(-spacing / t2), math.cos(angle)

    def b(k1: float, k2: float) -> np.ndarray:
        u, v = (1 - c) * k2 - c * k1, (1 - c) * k1 - c * k2
        return 1 + z * (u + z * k2 * (v + z * k2 * k1))

    ratio = b(k1, k2) / b(k1, -k2)
    root = np.sqrt(np.abs(ratio)) * np.exp(0.5j * np.unwrap(np.angle(ratio)))
    return (np.fft.fft(0.5 * (1 + root)) / 8192).real[1 : echoes + 1]


def test_cpmg_equals_its_generating_function() -> None:
    for angle in (60, 120, 150):
        echoes = ops.epg_fse(constant(angle, 40), *seconds(1.0, 0.1), echo_spacing=0.01)
        expected = generating_function(angle * DEGREE, 0.01, 1.0, 0.1, 40)
        sign = np.sign(expected[0])
        np.testing.assert_allclose(echoes, sign * expected, rtol=0, atol=1e-10)


def test_slice_profile_is_a_weighted_sum_of_b1() -> None:
    flips, (t1, t2) = constant(160, 9), seconds(1.0, 0.08)
    profile, weights = [1.0, 0.7, 0.2], [0.5, 0.3, 0.2]
    whole = ops.epg_fse(flips, t1, t2, echo_spacing=0.01, slice_profile=profile, slice_weights=weights)
    parts = [w * ops.epg_fse(flips, t1, t2, p, echo_spacing=0.01) for p, w in zip(profile, weights, strict=True)]
    torch.testing.assert_close(whole, sum(parts), rtol=0, atol=1e-15)


def test_fse_with_phases_is_complex_and_agrees_with_cpmg() -> None:
    flips, (t1, t2) = constant(140, 12), seconds(1.0, 0.08)
    real = ops.epg_fse(flips, t1, t2, 0.9, echo_spacing=0.01)
    general = ops.epg_fse(flips, t1, t2, 0.9, 30.0, phase=torch.zeros(12), echo_spacing=0.01)
    assert real.dtype == torch.float64
    assert general.dtype == torch.complex128
    # Off-resonance is refocused at the echoes.
    torch.testing.assert_close(general, real.to(torch.complex128), rtol=0, atol=1e-14)


# --- steady states ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("t1", "tr", "angle", "expected"),
    [(1.0, 0.010, 15, 0.058951014360), (0.8, 0.005, 8, 0.054529612822), (1.4, 0.020, 20, 0.065881623560)],
)
def test_perfect_spoiling_is_ernsts_formula(t1: float, tr: float, angle: float, expected: float) -> None:
    signal = ops.epg_spgr(constant(angle, 4000), tr, *seconds(t1, 0.1), echo_time=0.0, phase_increment=None)
    assert abs(complex(signal[-1])) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("increment", "expected"), [(117, 0.0572097729), (84, 0.0576739915), (169, 0.0573865354), (50, 0.0572114467)]
)
def test_rf_spoiling(increment: float, expected: float) -> None:
    signal = ops.epg_spgr(
        constant(15, 1200), 0.01, *seconds(1.0, 0.1), echo_time=0.0, phase_increment=increment * DEGREE, orders=300
    )
    assert abs(complex(signal[-1])) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("turn", "expected"), [(180, 0.160495756080), (90, 0.144609569945), (30, 0.069664779976), (2, 0.008579864102)]
)
def test_balanced_steady_state(turn: float, expected: float) -> None:
    t1, t2 = seconds(1.0, 0.1)
    off_resonance = torch.tensor(turn / 360 / 0.005, dtype=torch.float64)
    signal = ops.epg_bssfp(constant(40, 8000), 0.005, t1, t2, None, off_resonance, echo_time=0.0, phase_increment=0.0)
    e1, e2, theta, a = math.exp(-0.005), math.exp(-0.05), turn * DEGREE, 40 * DEGREE
    d = (1 - e1 * math.cos(a)) * (1 - e2 * math.cos(theta)) - e2 * (e1 - math.cos(a)) * (e2 - math.cos(theta))
    mx, my = (1 - e1) * e2 * math.sin(a) * math.sin(theta) / d, (1 - e1) * math.sin(a) * (1 - e2 * math.cos(theta)) / d
    assert abs(complex(signal[-1])) == pytest.approx(expected, abs=1e-12)
    assert complex(signal[-1]) == pytest.approx(complex(mx, my), abs=1e-12)


@pytest.mark.parametrize(
    ("t1", "t2", "tr", "angle", "fid", "echo"),
    [
        (1.0, 0.1, 0.010, 30, 0.107110760922, 0.083032202701),
        (0.8, 0.06, 0.006, 45, 0.076470170344, 0.061376499130),
        (1.4, 0.04, 0.008, 12, 0.064527591228, 0.036215924032),
    ],
)
def test_unbalanced_steady_state(t1: float, t2: float, tr: float, angle: float, fid: float, echo: float) -> None:
    signal = ops.epg_dess(constant(angle, 3000), tr, *seconds(t1, t2), echo_time=0.0, orders=200)
    assert abs(complex(signal[-1, 0])) == pytest.approx(fid, abs=1e-11)
    assert abs(complex(signal[-1, 1])) == pytest.approx(echo, abs=1e-11)
    alone = ops.epg_fisp(constant(angle, 3000), tr, *seconds(t1, t2), echo_time=0.0, orders=200)
    torch.testing.assert_close(signal[:, 0], alone, rtol=0, atol=1e-15)


def test_look_locker_recovery_is_exact() -> None:
    # After an inversion, Mz before pulse n is Mss - (Mss + 1) exp(-n TR / T1*), and the signal its sin(a) part.
    tr, angle, n = 0.005, 7 * DEGREE, 400
    t1_star, steady = 0.400584304841, 0.402083459243
    signal = ops.epg_spgr(
        torch.full((n,), angle, dtype=torch.float64),
        tr,
        *seconds(1.0, 0.1),
        echo_time=0.0,
        phase_increment=None,
        inversion_time=0.0,
    )
    times = tr * torch.arange(n, dtype=torch.float64)
    expected = math.sin(angle) * (steady - (steady + 1) * torch.exp(-times / t1_star))
    torch.testing.assert_close(signal.imag, expected, rtol=0, atol=1e-11)


# --- echoes of a few pulses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("angles", [(90, 90, 90), (60, 100, 70)])
def test_echoes_of_three_pulses(angles: tuple[float, float, float]) -> None:
    a1, a2, a3 = (a * DEGREE for a in angles)
    signal = ops.epg(
        torch.tensor([a1, a2, a3], dtype=torch.float64),
        0.01,
        INFINITE,
        INFINITE,
        shift=[1, 5, 1],
        sample_segment=[1, 2],
        sample_order=1,
    )
    spin_echo, stimulated = math.sin(a1) * math.sin(a2 / 2) ** 2, 0.5 * math.sin(a1) * math.sin(a2) * math.sin(a3)
    np.testing.assert_allclose(signal.abs(), [spin_echo, stimulated], rtol=0, atol=1e-15)


def test_hyperecho_brings_everything_back() -> None:
    generator = torch.Generator().manual_seed(4)
    angles, phases = (torch.rand(6, generator=generator, dtype=torch.float64) * 3 for _ in range(2))
    flips = torch.cat([torch.tensor([1.1], dtype=torch.float64), angles, seconds(math.pi)[0][None], -angles.flip(0)])
    turned = torch.cat([torch.zeros(1), phases, torch.zeros(1), -phases.flip(0)]).double()
    shift = [2] + [1] * 5 + [3, 3] + [1] * 5 + [2]
    signal = ops.epg(flips, 0.01, INFINITE, INFINITE, phase=turned, shift=shift, sample_segment=[13], sample_order=2)
    assert abs(complex(signal[0])) == pytest.approx(math.sin(1.1), abs=1e-14)


def isochromats(
    n: int, flips: np.ndarray, phases: np.ndarray, shifts: list[int], tr: float, t1: float, t2: float, f: float
):
    """Magnetization of n isochromats over one turn after the last pulse, rotated clockwise one by one."""
    theta = 2 * np.pi * np.arange(n) / n
    m = np.zeros((3, n))
    m[2] = 1
    for i, (a, p) in enumerate(zip(flips, phases, strict=True)):
        b = np.array([math.cos(p), math.sin(p), 0.0])[:, None]
        cross = np.cross(m.T, np.repeat(b, n, 1).T).T  # dM/dt = gamma M x B
        m = m * math.cos(a) + cross * math.sin(a) + b * (b * m).sum(0) * (1 - math.cos(a))
        if i == len(flips) - 1:
            break
        xy = (m[0] + 1j * m[1]) * np.exp(1j * shifts[i] * theta - tr / t2 - 2j * np.pi * f * tr)
        m = np.stack([xy.real, xy.imag, 1 + (m[2] - 1) * math.exp(-tr / t1)])
    return m[0] + 1j * m[1]


@pytest.mark.parametrize("module", [ops, reference])
def test_states_are_the_fourier_transform_of_isochromats(module) -> None:
    rng = np.random.default_rng(3)
    flips, phases, shifts = rng.uniform(0, 3, 12), rng.uniform(-3, 3, 12), [1, 2, -1, 1, 1, 0, 3, -2, 1, 1, 1, 1]
    orders = list(range(-9, 10))
    signal = module.epg(
        torch.tensor(flips),
        0.013,
        *seconds(0.9, 0.07),
        None,
        torch.tensor(7.0, dtype=torch.float64),
        phase=torch.tensor(phases),
        shift=shifts,
        sample_segment=[11] * len(orders),
        sample_order=orders,
    )
    transform = np.fft.fft(isochromats(64, flips, phases, shifts, 0.013, 0.9, 0.07, 7.0)) / 64
    # Moved by `order`, the state F_{-order} is what order 0 then holds.
    np.testing.assert_allclose(signal, [transform[-order % 64] for order in orders], rtol=0, atol=1e-14)


# --- orders, instruction sets, bad input -----------------------------------------------------------------------------


@pytest.mark.parametrize(("t1", "t2"), [(1.0, 0.06), (1.5, 0.15), (4.0, 0.6)])
def test_orders_chosen_from_t2_keep_their_promise(t1: float, t2: float) -> None:
    flips, times = fingerprint(400)
    keywords = {"echo_time": 0.002, "inversion_time": 0.02}
    exact = ops.epg_fisp(flips, times, *seconds(t1, t2), orders=401, **keywords)
    chosen = ops.epg_fisp(flips, times, *seconds(t1, t2), **keywords)
    error = float((chosen - exact).abs().max() / exact.abs().max())
    assert error < 1e-4
    few = ops.epg_fisp(flips, times, *seconds(t1, t2), orders=3, **keywords)
    assert float((few - exact).abs().max()) > 1e-3  # orders do limit


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_instruction_sets_agree(dtype: torch.dtype) -> None:
    cpu = _native.load("cpu")
    flips, times = fingerprint(50, dtype)
    t1, t2 = torch.linspace(0.5, 2, 37, dtype=dtype), torch.linspace(0.03, 0.2, 37, dtype=dtype)
    results = []
    try:
        for isa in cpu.isa_choices():
            cpu.set_isa(isa)
            leaf = flips.clone().requires_grad_()
            for off_resonance in (None, 5.0):
                signal = ops.epg_fisp(leaf, times, t1, t2, None, off_resonance, echo_time=0.002, orders=20)
                (grad,) = torch.autograd.grad(signal.abs().square().sum(), leaf)
                results.append((signal.detach(), grad))
    finally:
        cpu.set_isa("")
    eps = torch.finfo(dtype).eps
    for i, (signal, grad) in enumerate(results):
        first, first_grad = results[i % 2]
        assert float((signal - first).abs().max() / first.abs().max()) < 20 * eps
        assert float((grad - first_grad).norm() / first_grad.norm()) < 200 * eps


def test_a_bad_atom_does_not_touch_its_neighbours() -> None:
    flips, times = fingerprint(30)
    good1, good2 = torch.full((20,), 1.0).double(), torch.full((20,), 0.1).double()
    truth = ops.epg_fisp(flips, times, good1, good2, echo_time=0.002)
    for bad in (math.nan, -math.inf, -1.0):
        for which in (0, 1):
            t1, t2 = good1.clone(), good2.clone()
            (t1, t2)[which][7] = bad
            leaves = [t1.requires_grad_(), t2.requires_grad_()]
            signal = ops.epg_fisp(flips, times, *leaves, echo_time=0.002)
            grads = torch.autograd.grad(signal.real.sum() + signal.imag.sum(), leaves)
            keep = torch.arange(20) != 7
            assert signal[1:, 7].isnan().all()
            assert torch.equal(signal[:, keep], truth[:, keep])
            assert all(grad[keep].isfinite().all() for grad in grads)
    infinite = ops.epg_fisp(flips, times, good1 * math.inf, good2 * math.inf, echo_time=0.002)
    assert infinite.isfinite().all()


def test_degrees_are_noticed() -> None:
    for module, array in ((ops, torch.tensor), (mriops.array, np.array)):
        with pytest.warns(UserWarning, match=r"flip_angle: expected radians, got 90 .* degrees"):
            module.epg_fisp(array([90.0]), 0.01, array(1.0), array(0.1), echo_time=0.0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            module.epg_fisp(array([math.pi]), 0.01, array(1.0), array(0.1), echo_time=0.0)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"flip_angle": []}, ValueError, "flip_angle: expected at least one pulse, got an empty train"),
        ({"repetition_time": [0.01] * 3}, ValueError, r"repetition_time: expected a number or shape \(2,\)"),
        ({"echo_time": 0.02}, ValueError, "echo_time: expected at most the repetition_time, got 0.01 s more"),
        ({"echo_time": -0.001}, ValueError, "echo_time: expected times of at least 0 s, got -0.001"),
        ({"repetition_time": -0.01}, ValueError, "repetition_time: expected times of at least 0 s, got -0.01"),
        ({"repetition_time": [0.01, math.nan]}, ValueError, "repetition_time: expected times of .* got nan"),
        ({"inversion_time": -1.0}, ValueError, "inversion_time: expected times of at least 0 s, got -1"),
        ({"t2": [0.1, 0.1, 0.1]}, ValueError, r"t2: expected a shape that broadcasts with \(2,\), got \(3,\)"),
        ({"t1": [1j]}, TypeError, "t1: expected a real dtype, got"),
        ({"orders": 0}, ValueError, "orders: expected None or an integer of at least 1, got 0"),
        ({"orders": 2.5}, ValueError, "orders: expected None or an integer of at least 1, got 2.5"),
        ({"jacobian": ("t1", "b1")}, ValueError, r"jacobian: expected names of .* given, \['t1', 't2'\], got 'b1'"),
        ({"jacobian": ()}, ValueError, "jacobian: expected at least one name, got none"),
        ({"diffusion": 1e-9}, ValueError, "gradient_moment: expected a value, as diffusion has one, got None"),
        ({"gradient_moment": 1e5}, ValueError, "diffusion: expected a value, as gradient_moment has one, got None"),
        (
            {"diffusion": 1e-9, "gradient_moment": [1e5, 1e5]},
            ValueError,
            r"gradient_moment: expected a number, got shape \(2,\)",
        ),
        ({"inversion_efficiency": 0.9}, ValueError, "inversion_efficiency: expected None without an inversion_time"),
        ({"phase": [0.1]}, ValueError, r"phase: expected a number or shape \(2,\)"),
    ],
)
@pytest.mark.parametrize("kind", ["torch", "array"])
def test_bad_arguments_are_named(kind: str, change: dict, error: type[Exception], message: str) -> None:
    arguments = {"flip_angle": [0.1, 0.2], "repetition_time": 0.01, "t1": [1.0, 1.1], "t2": 0.1, "phase": None}
    arguments |= {"echo_time": 0.002, "orders": None} | change
    make = torch.tensor if kind == "torch" else np.array
    for name in ("flip_angle", "t1"):
        arguments[name] = make(arguments[name])
    for name in ("t2", "repetition_time", "phase", "gradient_moment"):
        if isinstance(arguments.get(name), list):
            arguments[name] = make(arguments[name])
    with pytest.raises(error, match=message):
        (ops if kind == "torch" else mriops.array).epg_fisp(**arguments)


def test_bad_tables_are_named() -> None:
    flips, (t1, t2) = constant(90, 3), seconds(1.0, 0.1)
    for keywords, message in [
        ({"shift": [1, 1]}, "shift: expected an integer or 3 of them, got 2"),
        ({"shift": 65}, "shift: expected at most 64 orders, got 65"),
        ({"sample_segment": [2, 1]}, "sample_segment: expected segments in ascending order"),
        ({"sample_segment": [3]}, "sample_segment: expected segments 0 to 2, got 3"),
        ({"spoil": [-1]}, "spoil: expected segments 0 to 2, got -1"),
    ]:
        with pytest.raises(ValueError, match=message):
            ops.epg(flips, 0.01, t1, t2, **keywords)
    with pytest.raises(TypeError, match=r"t1: expected torch.Tensor, got builtins.float"):
        ops.epg(flips, 0.01, 1.0, t2)


def test_kernels_refuse_programs_that_do_not_fit() -> None:
    cpu = _native.load("cpu")
    for program, message in [
        ((), "program: expected at least 1 entry"),
        ((0, 2, 1, 0, 1), "program .offsets."),
        ((0, 3, 1, 0, 1, 0), "program: expected 2 segments, got 3"),
        ((0, 2, 99, 0, 1, 0), "program .shift."),
        ((0, 2, 1, 9, 1, 0), "program .segment flags."),
        ((7, 2, 1, 0, 1, 0), "program: expected flags 0 to 3"),
        ((2, 2, 1, 0, 1, 0), "odd orders"),
        ((0, 1, 1, 0, 1, 0, 1, 1, 4, 1, 0), "program .inversion.: expected one first segment"),
    ]:
        one = np.ones(2)
        out = np.zeros((2, 2), complex)
        address = one.ctypes.data
        values = (address, 0, address, address, 0, address, address, *[0] * 5)
        with pytest.raises(ValueError, match=message):
            cpu.epg(*values, out.ctypes.data, 2, 2, 2, 0, program, 1, 0, 1)


@pytest.mark.parametrize("own", ["float32", "float64"])
def test_precision_is_that_of_t1(own: str) -> None:
    other = "float64" if own == "float32" else "float32"
    flips, t1, t2 = (np.array(v, dtype) for v, dtype in (([0.1, 0.2], other), (1.0, own), (0.1, other)))

    def signal(module, take, *values):
        fa, *times = (take(v) for v in values)
        return module.epg_fisp(fa, 0.01, *times, echo_time=0.004)

    for module, take in ((ops, torch.from_numpy), (mriops.array, np.asarray)):
        mixed = signal(module, take, flips, t1, t2)
        same = signal(module, take, flips.astype(own), t1, t2.astype(own))
        assert str(mixed.dtype).endswith("complex64" if own == "float32" else "complex128")
        assert mixed.dtype == same.dtype and bool((mixed == same).all())


# --- kinds of numbers ------------------------------------------------------------------------------------------------


def simple(module=ops, **options):
    take = torch.tensor if module is ops else np.array
    return module.epg(take([0.5, 0.6, 0.7, 0.8]), 0.01, take(1.0), take(0.1), **options)


def test_integers_of_any_kind() -> None:
    for name, plain, others in (
        ("spoil", [3], (iter([3]), range(3, 4), np.array([3]), torch.tensor([3]), (np.int64(3),))),
        ("shift", 2, (np.int64(2), torch.tensor(2), [2] * 4, np.full(4, 2))),
        ("orders", 4, (np.int64(4),)),
    ):
        for other in others:
            assert torch.equal(simple(**{name: other}), simple(**{name: plain}))


@pytest.mark.parametrize("module", [ops, mriops.array], ids=["ops", "array"])
@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("spoil", [False, False, False, True], "False"),
        ("spoil", [0.5], "0.5"),
        ("spoil", 1, "1"),
        ("adiabatic", "0", "'0'"),
        ("shift", [1, 1, 1.7, 1], "1.7"),
        ("shift", 1.9, "1.9"),
        ("sample_order", [0, 0.9, 0, 0], "0.9"),
        ("sample_segment", [0, 0.5], "0.5"),
    ],
)
def test_entries_that_are_no_integers(module, name, value, shown) -> None:
    with pytest.raises(TypeError, match=f"{name}: expected integers, got {shown}"):
        simple(module, **{name: value})


def test_complex_numbers_of_numpy() -> None:
    with pytest.raises(TypeError, match=r"m0: expected torch\.Tensor or numbers, got numpy\.complex64"):
        simple(m0=np.complex64(1j))
    with pytest.raises(TypeError, match=r"m0: expected numpy\.ndarray or cupy\.ndarray, got numpy\.complex64"):
        simple(mriops.array, m0=np.complex64(1j))
    found = mriops.array.signal_mono_exponential(np.complex64(1j), np.float32(0.05), [0.01])
    np.testing.assert_allclose(found, [1j * math.exp(-0.2)], rtol=1e-6)
    single = mriops.array.signal_mono_exponential(1j, np.array(0.05, np.float32), [0.01])
    assert single.dtype == np.complex64
