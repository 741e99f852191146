"""The Bloch simulation against closed forms, invariants and an independent integrator."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from mriops import ops

GAMMA = 42.577478518e6
F64 = {"dtype": torch.float64}


def one_pulse(angle: float, phase: float = 0.0, dt: float = 1e-6) -> torch.Tensor:
    """One step of RF that turns by an angle."""
    return torch.tensor([angle / (2 * math.pi * GAMMA * dt) * np.exp(1j * phase)], dtype=torch.complex128)


def turned(m: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Rodrigues' formula in extended precision, sense dM/dt = M x w."""
    m, w = m.astype(np.longdouble), w.astype(np.longdouble)
    angle = np.sqrt((w**2).sum(-1, keepdims=True))
    n = w / angle
    along = n * (n * m).sum(-1, keepdims=True)
    return along + np.cos(angle) * (m - along) + np.sin(angle) * np.cross(m, n)


# --- turns -----------------------------------------------------------------------------------------------------------


def test_signs_are_those_of_the_conventions() -> None:
    """RF along x turns z towards y; a positive frequency turns the transverse plane clockwise, exp(-2 pi i f t)."""
    m = ops.bloch(one_pulse(math.pi / 2), None, 1e-6, None, None, None)
    torch.testing.assert_close(m, torch.tensor([[0.0, 1.0, 0.0]], **F64), atol=1e-14, rtol=0)
    start = torch.tensor([[1.0, 0.0, 0.0]], **F64)
    m = ops.bloch(torch.zeros(1, dtype=torch.complex128), None, 1e-3, None, None, None, 100.0, None, start)
    expected = np.exp(-2j * np.pi * 0.1)
    torch.testing.assert_close(m, torch.tensor([[expected.real, expected.imag, 0.0]], **F64), atol=1e-14, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1e-12, 1e-6, 1e-3, 0.1, 1.0, 1.5, 1.6, 3.0, math.pi, 2 * math.pi, 20.0, 100.0])
def test_turns_are_exact_at_tiny_and_large_angles(size: float, dtype: torch.dtype) -> None:
    """A few eps, and eps |w| for the rounding of w itself."""
    rng = np.random.default_rng(0)
    n = 200
    w = rng.standard_normal((n, 3))
    w *= size / np.linalg.norm(w, axis=-1, keepdims=True)
    w = torch.from_numpy(w).to(dtype)
    start = torch.from_numpy(rng.standard_normal((n, 3))).to(dtype)
    start = start / start.norm(dim=-1, keepdim=True)
    unit = torch.tensor(1 / (2 * math.pi), dtype=torch.float64).to(dtype)  # gamma 1: Hz are turns per second
    rf = torch.complex(w[:, :1] * unit, w[:, 1:2] * unit)
    m = ops.bloch(rf, None, 1.0, None, None, None, (w[:, 2:] * unit), None, start[:, None], gamma=1.0)[:, 0]
    truth = turned(start.double().numpy(), w.double().numpy())
    eps = torch.finfo(dtype).eps
    error = np.abs(m.double().numpy() - truth).max()
    # Three times eps |w| / 2: w is rounded, divided by 2 pi and multiplied by it.
    assert error < (3 + 1.5 * size) * eps, f"{error / eps:.1f} eps"


def test_the_change_by_a_tiny_turn_keeps_its_digits() -> None:
    """1 - cos of a small angle must not be taken as a difference of ones."""
    angle = 1e-9
    start = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    m = ops.bloch(one_pulse(angle), None, 1e-6, None, None, None, None, None, start)
    assert abs(float(m[0, 1]) / angle - 1) < 1e-14


@pytest.mark.parametrize(("dtype", "bound"), [(torch.complex64, 1e-4), (torch.complex128, 2e-12)])
@pytest.mark.parametrize("integrator", ["exact", "split"])
def test_length_is_kept_over_a_hundred_thousand_steps(integrator: str, dtype: torch.dtype, bound: float) -> None:
    """Each step rounds a vector of length one by about eps, at random: eps sqrt(1e5) = 4e-5 and 7e-14, times three."""
    generator = torch.Generator().manual_seed(0)
    steps, n = 100_000, 16
    rf = (1e-5 * torch.randn(steps, generator=generator, dtype=torch.complex128)).to(dtype)
    frequency = torch.linspace(-2e3, 2e3, n, **F64)
    m = ops.bloch(rf, None, 1e-5, None, None, None, frequency, integrator=integrator)
    assert (m.norm(dim=-1) - 1).abs().max() < bound


def test_composite_pulse_inverts() -> None:
    """90x 180y 90x."""
    rf = torch.cat([one_pulse(math.pi / 2), one_pulse(math.pi, math.pi / 2), one_pulse(math.pi / 2)])
    m = ops.bloch(rf, None, 1e-6, None, None, None)
    torch.testing.assert_close(m, torch.tensor([[0.0, 0.0, -1.0]], **F64), atol=1e-13, rtol=0)


# --- spinors ----------------------------------------------------------------------------------------------------------


def test_spinors_turn_as_vectors_do() -> None:
    """Any magnetization, M . sigma -> U M . sigma U^H, after 200 random steps; and U stays unitary."""
    generator = torch.Generator().manual_seed(0)
    rf = 2e-6 * torch.randn(200, dtype=torch.complex128, generator=generator)
    gradient = 5e-3 * torch.randn(200, 2, **F64, generator=generator)
    place = 1e-2 * torch.randn(9, 2, **F64, generator=generator)
    start = torch.randn(9, 3, **F64, generator=generator)
    frequency = torch.linspace(-500, 500, 9, **F64)
    turned_by = ops.bloch_spinor(rf, gradient, 1e-5, place, frequency)
    alpha, beta = turned_by[:, 0], turned_by[:, 1]
    torch.testing.assert_close(alpha.abs() ** 2 + beta.abs() ** 2, torch.ones(9, **F64), atol=1e-13, rtol=0)
    m = ops.bloch(rf, gradient, 1e-5, place, None, None, frequency, None, start)
    transverse, z = torch.complex(start[:, 0], start[:, 1]), start[:, 2]
    across = alpha.conj() ** 2 * transverse - beta**2 * transverse.conj() + 2 * alpha.conj() * beta * z
    along = (alpha.abs() ** 2 - beta.abs() ** 2) * z - 2 * (alpha * beta * transverse.conj()).real
    torch.testing.assert_close(torch.complex(m[:, 0], m[:, 1]), across, atol=1e-12, rtol=0)
    torch.testing.assert_close(m[:, 2], along, atol=1e-12, rtol=0)


def test_a_full_turn_changes_the_sign_of_a_spinor() -> None:
    turned_by = ops.bloch_spinor(one_pulse(2 * math.pi), None, 1e-6, None)
    torch.testing.assert_close(turned_by, torch.tensor([[-1, 0]], dtype=torch.complex128), atol=1e-14, rtol=0)


# --- closed forms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amplitude", "mu", "offset"), [(5, 5, 0), (8, 5, 2.5), (8, 5, 6), (3, 5, 1), (0.7, 0, 0.5), (1, 0, 0)]
)
def test_hyperbolic_secant(amplitude: float, mu: float, offset: float) -> None:
    """Silver, Joseph & Hoult 1985; amplitude, mu and offset in units of beta."""
    beta, reach, steps = 500.0, 12.0, 40_000
    x = np.linspace(-reach, reach, steps + 1)
    x = 0.5 * (x[1:] + x[:-1])
    # The frame that turns with the pulse becomes a phase: d(phase)/dt = -mu beta tanh, in the sense of precession.
    phase = mu * np.log(np.cosh(x))
    rf = amplitude * beta / np.cosh(x) * np.exp(1j * phase) / (2 * np.pi * GAMMA)
    m = ops.bloch(torch.from_numpy(rf), None, 2 * reach / beta / steps, None, None, None, offset * beta / (2 * math.pi))
    d = 0.5 * offset
    root = np.emath.sqrt(amplitude**2 - mu**2)
    plus, minus = np.pi * (d + mu / 2), np.pi * (d - mu / 2)
    expected = np.tanh(plus) * np.tanh(minus) + (np.cos(np.pi * root) / np.cosh(plus) / np.cosh(minus)).real
    # sech(12) = 1.2e-5 is left out at each end, and steps of 6e-4 / beta.
    assert float(m[0, 2]) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("angle", [180.0, 90.0, 30.0, 2.0])
def test_balanced_ssfp(angle: float) -> None:
    """Freeman & Hill 1971, by 4000 repetitions: exp(-4000 5/1000) = 2e-9 of the transient is left."""
    t1, t2, tr, flip = 1.0, 0.1, 5e-3, math.radians(40)
    count, short = 4000, 1e-12
    rf = torch.zeros(2 * count + 1, dtype=torch.complex128)
    rf[::2] = one_pulse(flip, dt=short)
    dt = torch.full((2 * count + 1,), tr, **F64)
    dt[::2] = short
    m = ops.bloch(rf, None, dt, None, t1, t2, math.radians(angle) / (2 * math.pi * tr))
    e1, e2, theta = math.exp(-tr / t1), math.exp(-tr / t2), math.radians(angle)
    d = (1 - e1 * math.cos(flip)) * (1 - e2 * math.cos(theta)) - e2 * (e1 - math.cos(flip)) * (e2 - math.cos(theta))
    expected = [
        (1 - e1) * e2 * math.sin(flip) * math.sin(theta) / d,
        (1 - e1) * math.sin(flip) * (1 - e2 * math.cos(theta)) / d,
    ]
    torch.testing.assert_close(m[0, :2], torch.tensor(expected, **F64), atol=2e-8, rtol=0)


def shaped(steps: int = 256, flip: float = math.pi / 2) -> tuple[torch.Tensor, float]:
    """A Hamming-filtered sinc of 4 ms."""
    t = (torch.arange(steps, **F64) + 0.5) / steps * 4 - 2
    shape = torch.sinc(t) * (0.54 + 0.46 * torch.cos(torch.pi * t / 2))
    dt = 4e-3 / steps
    return (shape * flip / (2 * math.pi * GAMMA * dt * shape.sum())).to(torch.complex128), dt


def test_area_theorem() -> None:
    """On resonance and without relaxation a pulse of constant phase turns by its area."""
    rf, dt = shaped(flip=1.234)
    m = ops.bloch(rf, None, dt, None, None, None)
    torch.testing.assert_close(m[0, 1:], torch.tensor([math.sin(1.234), math.cos(1.234)], **F64), atol=1e-13, rtol=0)


@pytest.mark.parametrize("flip", [1e-2, 1e-3])
def test_small_tip_is_a_fourier_transform(flip: float) -> None:
    """Pauly 1989: the profile is i times the transform of the pulse; the rest is of third order in the flip angle."""
    rf, dt = shaped(flip=flip)
    frequency = torch.linspace(-2e3, 2e3, 81, **F64)
    m = ops.bloch(rf, None, dt, None, None, None, frequency)
    end = dt * rf.numel()
    middle = (torch.arange(rf.numel(), **F64) + 0.5) * dt
    turn = torch.polar(torch.ones((81, rf.numel()), **F64), -2 * torch.pi * frequency[:, None] * (end - middle))
    # Each step turns about a tilted axis: its sinc, seen from its middle.
    expected = 2j * math.pi * GAMMA * dt * (turn @ rf) * torch.sinc(frequency * dt)
    assert (torch.complex(m[:, 0], m[:, 1]) - expected).abs().max() < flip**3


def test_relaxation_alone() -> None:
    """In float32, in steps so short that exp(-dt/T) is one but for its last digits."""
    t1, t2, steps, dt = 0.9, 0.05, 2000, 1e-6
    start = torch.tensor([[0.6, 0.0, -1.0]], dtype=torch.float32)
    m = ops.bloch(torch.zeros(steps, dtype=torch.complex64), None, dt, None, t1, t2, None, None, start)
    time = steps * dt
    expected = torch.tensor([[0.6 * math.exp(-time / t2), 0.0, 1 - 2 * math.exp(-time / t1)]])
    # Each step rounds a state between 1/2 and 1 by up to 3e-8, always the same way.
    torch.testing.assert_close(m, expected, atol=3e-8 * steps, rtol=0)


@pytest.mark.parametrize(("integrator", "bound"), [("exact", 2e-6), ("split", 4e-5)])
def test_against_an_adaptive_integrator(integrator: str, bound: float) -> None:
    """Relaxation, RF, gradient, off-resonance and b1 together; the error falls with the square of the step."""
    t1, t2, f, scale, x, g = 0.05, 0.01, 130.0, 0.9 * np.exp(0.3j), 2e-3, 8e-3
    errors = []
    for steps in (256, 512):
        rf, dt = shaped(steps)
        field = rf.numpy() * scale * GAMMA

        def rate(t: float, m: np.ndarray, field: np.ndarray = field, dt: float = dt) -> np.ndarray:
            b = field[min(int(t / dt), field.size - 1)]
            w = 2 * np.pi * np.array([b.real, b.imag, f + GAMMA * g * x])
            return np.cross(m, w) - np.array([m[0] / t2, m[1] / t2, (m[2] - 1) / t1])

        m = np.array([0.0, 0.0, 1.0])
        for n in range(steps):
            m = solve_ivp(rate, (n * dt, (n + 1) * dt * (1 - 1e-12)), m, rtol=1e-10, atol=1e-12, max_step=dt).y[:, -1]
        b1 = torch.tensor([scale], dtype=torch.complex128)
        gradient, place = torch.full((steps, 1), g, **F64), torch.tensor([[x]], **F64)
        ours = ops.bloch(rf, gradient, dt, place, t1, t2, f, b1, integrator=integrator)
        errors.append(float(np.abs(ours[0].numpy() - m).max()))
    assert errors[1] < bound
    assert errors[1] < errors[0] / 3


# --- arguments -------------------------------------------------------------------------------------------------------


def test_velocity_is_a_position_that_changes() -> None:
    """A spin at constant velocity under a bipolar gradient: the phase is the first moment times v."""
    steps, dt, g, v = 100, 1e-4, 5e-3, 0.7
    gradient = torch.full((steps, 1), g, **F64)
    gradient[steps // 2 :] *= -1
    start = torch.tensor([[1.0, 0.0, 0.0]], **F64)
    m = ops.bloch(
        *(torch.zeros(steps, dtype=torch.complex128), gradient, dt, torch.tensor([[0.01]], **F64), None, None),
        magnetization=start,
        velocity=torch.tensor([[v]], **F64),
    )
    half = steps * dt / 2
    expected = np.exp(-2j * np.pi * GAMMA * g * v * (-(half**2)))
    assert complex(m[0, 0], m[0, 1]) == pytest.approx(expected, abs=1e-9)


def test_channels_add_up() -> None:
    generator = torch.Generator().manual_seed(0)
    rf = 1e-6 * torch.randn(3, 20, dtype=torch.complex128, generator=generator)
    b1 = torch.randn(3, 7, dtype=torch.complex128, generator=generator)
    got = ops.bloch(rf, None, 1e-4, None, 1.0, 0.1, 30.0, b1, multi_transmit=True)
    for i in range(7):
        alone = ops.bloch((b1[:, i, None] * rf).sum(0), None, 1e-4, None, 1.0, 0.1, 30.0)
        torch.testing.assert_close(got[i], alone[0], atol=1e-13, rtol=0)


def test_a_bad_isochromat_does_not_poison_its_neighbours() -> None:
    rf, dt = shaped(32)
    t1 = torch.full((40,), 0.8, **F64)
    clean = ops.bloch(rf, None, dt, None, t1, 0.1)
    t1[3], t1[17], t1[30] = math.nan, 0.0, -1.0
    m = ops.bloch(rf, None, dt, None, t1, 0.1)
    good = torch.arange(40)
    good = good[(good != 3) & (good != 17) & (good != 30)]
    assert torch.equal(m[good], clean[good])
    assert m[3].isnan().any() and m[30].isnan().any()
    assert ops.bloch(rf, None, dt, None, 0.8, torch.tensor([-0.1, 0.1])).isnan().any(-1).tolist() == [True, False]
    assert m[17].isfinite().all()


def test_memory_of_a_gradient_does_not_grow_with_spins_times_steps() -> None:
    """16 chunks of sums at most, and the states of one block: what a run needs beyond its arguments and results."""
    import resource

    steps, n = 20_000, 20_000
    rf = torch.full((steps,), 1e-7, dtype=torch.complex64, requires_grad=True)
    frequency = torch.linspace(-50, 50, n, requires_grad=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ops.bloch(rf, None, 1e-5, None, 1.0, 0.1, frequency)[..., :32, :].sum().backward()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 0.02 * steps * n * 12, f"{grown / 1e6:.0f} MB"
    assert rf.grad is not None and rf.grad.isfinite().all()


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"rf": torch.ones(4, dtype=torch.int64)}, TypeError, "rf: expected complex64"),
        ({"rf": np.ones(4)}, TypeError, "rf: expected torch.Tensor, got numpy.ndarray"),
        ({"rf": torch.ones(0, dtype=torch.complex64)}, ValueError, "rf: expected axis steps to be at least 1"),
        ({"gradient": None}, ValueError, "gradient: expected an array, since position is given, got None"),
        ({"gradient": torch.ones(5, 1)}, ValueError, "gradient: expected 4 steps"),
        ({"gradient": torch.ones(4, 2)}, ValueError, "position: expected 2 axes"),
        ({"dt": torch.ones(3)}, ValueError, "dt: expected 4 steps"),
        ({"dt": None}, TypeError, "dt: expected torch.Tensor"),
        ({"t1": torch.ones(3)}, ValueError, "t1: expected 2 spins"),
        ({"t1": "1"}, TypeError, "t1: expected torch.Tensor, got builtins.str"),
        ({"off_resonance": torch.ones(2, dtype=torch.complex64)}, TypeError, "off_resonance: expected a real dtype"),
        ({"b1": torch.ones(3)}, ValueError, "b1: expected 2 spins"),
        ({"magnetization": torch.ones(2, 2)}, ValueError, "magnetization: expected a last axis of 3"),
        ({"record": ()}, ValueError, "record: expected increasing numbers of steps in"),
        ({"record": (2, 1)}, ValueError, "record: expected increasing"),
        ({"record": (5,)}, ValueError, r"\[0, 4\], got \(5,\)"),
        ({"record": (1.5,)}, TypeError, "record: expected integers, got 1.5"),
        ({"record": (True,)}, TypeError, "record: expected integers, got True"),
        ({"integrator": "euler"}, ValueError, "integrator: expected 'exact' or 'split', got 'euler'"),
        ({"multi_transmit": True}, ValueError, "b1: expected an array of shape"),
        ({"gamma": "proton"}, TypeError, "gamma: expected a number"),
        ({"t2": torch.ones(3, 2), "b1": torch.ones(2, 2)}, ValueError, "b1: expected batch axes that broadcast"),
    ],
)
def test_what_does_not_fit_is_named(change: dict, kind: type, message: str) -> None:
    arguments = {
        "rf": torch.ones(4, dtype=torch.complex64),
        "gradient": torch.ones(4, 1),
        "dt": 1e-5,
        "position": torch.ones(2, 1),
        "t1": 1.0,
        "t2": 0.1,
    }
    with pytest.raises(kind, match=message):
        ops.bloch(**{**arguments, **change})


@pytest.mark.parametrize("record", [np.array([1, 3]), torch.tensor([1, 3]), (np.int64(1), 3), range(1, 4, 2)], ids=repr)
def test_numbers_of_steps_of_any_kind(record) -> None:
    rf, arguments = torch.full((4,), 1e-6, dtype=torch.complex64), (None, 1e-5, None, 1.0, 0.1)
    assert torch.equal(ops.bloch(rf, *arguments, record=record), ops.bloch(rf, *arguments, record=(1, 3)))


def test_third_derivatives_are_refused_in_words() -> None:
    rf = torch.full((3,), 1e-6, dtype=torch.complex128)

    def squared(frequency: torch.Tensor) -> torch.Tensor:
        return ops.bloch(rf, None, 1e-3, None, None, None, frequency).square()[..., 0].sum()

    third = torch.func.grad(torch.func.grad(torch.func.grad(squared)))
    with pytest.raises(RuntimeError, match="up to the second order"):
        third(torch.tensor(30.0, **F64))
