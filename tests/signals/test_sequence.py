"""Event tables, Pulseq files, and the signals of JEMRIS and Koma."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from mriops import ops, signals
from mriops.signals import Adc, Block, Gradient, RfPulse, Sequence

GAMMA = 42.577478518e6


def hard(angle: float, duration: float = 1e-6, **offsets: float) -> RfPulse:
    return RfPulse(np.array([angle / (2 * np.pi * GAMMA * duration) + 0j]), np.array([0.0, duration]), **offsets)


def trapezoid(amplitude: float, ramp: float, flat: float, delay: float = 0.0) -> Gradient:
    times = delay + np.cumsum([0, ramp, flat, ramp])
    return Gradient(times, amplitude * np.array([0.0, 1.0, 1.0, 0.0]))


# --- waveforms -------------------------------------------------------------------------------------------------------


def test_gradient_area_is_exact_between_and_outside_points() -> None:
    g = trapezoid(2.0, 1.0, 3.0, delay=1.0)
    t = np.array([0.0, 1.0, 1.5, 2.0, 4.0, 5.0, 5.5, 6.0, 9.0])
    np.testing.assert_allclose(g.area(t), [0, 0, 0.25, 1, 5, 7, 7.75, 8, 8], atol=1e-15)


def test_waveform_keeps_area_time_and_samples() -> None:
    sequence = Sequence([Block(2e-3, hard(0.3), {"x": trapezoid(5e-3, 2e-4, 1e-3)}, Adc(7, 1e-4, 3e-4))])
    sequence.append(Block(1e-3))
    w = sequence.waveform()
    assert w.dt.sum() == pytest.approx(3e-3) == sequence.duration
    assert (w.gradient[:, 2] * w.dt).sum() == pytest.approx(5e-3 * 1.2e-3)
    assert (w.gradient[:, :2] == 0).all()
    np.testing.assert_allclose(np.cumsum(w.dt)[np.array(w.record) - 1], 3e-4 + (np.arange(7) + 0.5) * 1e-4)
    assert (w.rf * w.dt).sum() * 2 * np.pi * GAMMA == pytest.approx(0.3)


def test_joined_rf_samples_keep_their_area() -> None:
    shape = np.hanning(100) * (1 + 0.5j)
    sequence = Sequence([Block(1e-3, RfPulse(shape, np.linspace(0, 1e-3, 101)))])
    fine, coarse = sequence.waveform(), sequence.waveform(rf_step=5e-5)
    assert (fine.dt.size, coarse.dt.size) == (100, 20)
    assert (coarse.rf * coarse.dt).sum() == pytest.approx((fine.rf * fine.dt).sum())


def test_a_carrier_selects_the_slice_at_its_frequency() -> None:
    """A pulse at +f under a gradient g excites x = f / (gamma g), and its receiver undoes its phase."""
    g, place, n = 10e-3, 12e-3, 800
    f = GAMMA * g * place
    t = (np.arange(n) + 0.5) / n * 4 - 2
    shape = np.sinc(t) * np.hanning(n)
    shape = 0.3 * shape / (2 * np.pi * GAMMA * (4e-3 / n) * shape.sum())
    pulse = RfPulse(shape + 0j, np.linspace(0, 4e-3, n + 1), frequency=f)
    w = Sequence([Block(4e-3, pulse, {"z": Gradient(np.array([0, 4e-3]), np.array([g, g]))})]).waveform()
    x = torch.linspace(-20e-3, 20e-3, 401, dtype=torch.float64)
    m = signals.slice_profile(torch.from_numpy(w.rf), g, 4e-3 / n, x)
    assert float(x[m[:, :2].norm(dim=-1).argmax()]) == pytest.approx(place, abs=2e-4)


def test_receiver_phase_follows_the_transmitter() -> None:
    """RF spoiling: with the receiver at the phase of the pulse the first sample does not depend on it."""
    first = []
    for phase in (0.0, 1.1, -2.5):
        sequence = Sequence([Block(1e-6, hard(0.4, phase=phase)), Block(1e-3, adc=Adc(2, 1e-5, phase=phase))])
        receive = torch.ones(1, dtype=torch.complex128)
        first.append(signals.simulate(sequence, torch.zeros(1, 3, dtype=torch.float64), None, None, receive)[0, 0])
    torch.testing.assert_close(torch.stack(first), first[0].expand(3), atol=1e-12, rtol=0)


def test_spin_echo_refocuses_a_frequency() -> None:
    blocks = [Block(1e-6, hard(np.pi / 2)), Block(5e-3), Block(1e-6, hard(np.pi, phase=np.pi / 2)), Block(5e-3)]
    blocks.append(Block(1e-6, adc=Adc(1, 1e-9)))
    receive = torch.ones(1, 51, dtype=torch.complex128) / 51
    frequency = torch.linspace(-300, 300, 51, dtype=torch.float64)
    place = torch.zeros(51, 3, dtype=torch.float64)
    echo = signals.simulate(Sequence(blocks), place, None, None, receive, frequency)
    # Precession during the pulses of 1 us: 2 pi 300 1e-6 = 2e-3 rad.
    assert abs(abs(complex(echo)) - 1) < 1e-5


def test_signal_of_a_phantom_is_its_kspace() -> None:
    """Isochromats on a grid with coil maps, under a Cartesian readout: sum m exp(-2 pi i k r)."""
    n, fov = 16, 0.2
    csm = torch.randn(3, n, n, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))
    density = torch.rand(n, n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    grid = (torch.arange(n, dtype=torch.float64) - n // 2) * fov / n
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    position = torch.stack([torch.zeros_like(x), y, x], -1).reshape(-1, 3)
    dwell = 1e-5
    g = 1 / (GAMMA * fov * dwell)
    line = Gradient(np.array([0.0, n * dwell]), np.array([g, g]))
    before = Gradient(np.array([0.0, 1e-4]), np.full(2, -(n / 2 + 0.5) * dwell * g / 1e-4))
    blip = Gradient(np.array([0.0, 1e-4]), np.full(2, 3 / (GAMMA * fov * 1e-4)))
    sequence = Sequence([Block(1e-6, hard(np.pi / 2)), Block(1e-4, gradients={"x": before, "y": blip})])
    sequence.append(Block(n * dwell, gradients={"x": line}, adc=Adc(n, dwell)))
    receive = (csm * density).reshape(3, -1)
    signal = signals.simulate(sequence, position, None, None, receive) / 1j  # RF along x leaves spins along y
    k = torch.arange(n, dtype=torch.float64) - n // 2
    cycles = (k[:, None] * x.reshape(1, -1) + 3 * y.reshape(1, -1)) / fov
    phase = torch.polar(torch.ones_like(cycles), -2 * torch.pi * cycles)
    torch.testing.assert_close(signal, receive @ phase.T, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RfPulse(np.ones(3), np.arange(3.0)), "edges: expected 4 increasing times"),
        (lambda: RfPulse(np.array([np.nan]), np.arange(2.0)), "signal: expected finite samples"),
        (lambda: Gradient(np.array([0.0, -1.0]), np.ones(2)), "times: expected two or more increasing"),
        (lambda: Gradient(np.array([0.0, 1.0]), np.ones(3)), "amplitudes: expected 2 finite values"),
        (lambda: Adc(0, 1e-5), "samples: expected at least 1"),
        (lambda: Adc(4, 0.0), "dwell: expected a positive time"),
        (lambda: Block(-1.0), "duration: expected a time"),
        (lambda: Block(1e-3, gradients={"q": trapezoid(1, 1e-4, 1e-4)}), "gradients: expected axes among"),
        (lambda: Block(1e-3, adc=Adc(200, 1e-5)), "duration: expected at least .*the end of adc"),
        (lambda: Sequence().waveform(), "sequence: expected at least one block"),
        (lambda: Sequence([Block(1.0)]).waveform(rf_step=0), "rf_step: expected a positive time"),
    ],
)
def test_what_cannot_be_played_is_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_sequence_without_readout_has_no_signal() -> None:
    receive = torch.ones(1, dtype=torch.complex64)
    with pytest.raises(ValueError, match="sequence: expected a block with an ADC event"):
        signals.simulate(Sequence([Block(1e-3)]), torch.zeros(1, 3), 1.0, 0.1, receive)
    with pytest.raises(TypeError, match="receive: expected complex64 or complex128, got"):
        signals.simulate(Sequence([Block(1e-3)]), torch.zeros(1, 3), 1.0, 0.1, torch.ones(1))


# --- Pulseq ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pulseq_file(tmp_path: Path):
    """Writes a sequence made with pypulseq, and gives its path."""
    pypulseq = pytest.importorskip("pypulseq")

    def write(build) -> Path:
        sequence = pypulseq.Sequence(pypulseq.Opts(max_grad=30, grad_unit="mT/m", max_slew=150, slew_unit="T/m/s"))
        build(pypulseq, sequence)
        path = tmp_path / "made.seq"
        sequence.write(str(path))
        return path

    return write


def test_pulseq_round_trip(pulseq_file) -> None:
    def build(pp, sequence) -> None:
        system = sequence.system
        shape = {"duration": 2e-3, "slice_thickness": 5e-3, "time_bw_product": 4, "apodization": 0.5}
        rf, gz, _ = pp.make_sinc_pulse(0.4, **shape, return_gz=True, system=system, use="excitation")
        rf.freq_offset = gz.amplitude * 8e-3
        sequence.add_block(rf, gz)
        gx = pp.make_trapezoid("x", flat_area=64 / 0.2, flat_time=6.4e-4, system=system)
        sequence.add_block(gx, pp.make_adc(64, dwell=1e-5, delay=gx.rise_time, phase_offset=0.3))

    sequence = signals.read_pulseq(pulseq_file(build))
    assert len(sequence) == 2
    w = sequence.waveform()
    assert len(w.record) == 64
    np.testing.assert_allclose(w.demodulation, np.exp(0.3j), atol=1e-6)
    read = sequence[1].gradients["x"]
    flat = 1 + read.times[1] / 6.4e-4
    assert float(read.area(np.array([1.0]))[0]) * GAMMA == pytest.approx(64 / 0.2 * flat, rel=1e-4)
    # The slice lies where frequency and gradient say.
    x = torch.linspace(-20e-3, 20e-3, 401, dtype=torch.float64)
    first = sequence[0].duration
    steps = int((np.cumsum(w.dt) < first + 1e-9).sum())
    position = torch.stack([x, 0 * x, 0 * x], -1)
    m = ops.bloch(
        torch.from_numpy(w.rf[:steps]),
        torch.from_numpy(w.gradient[:steps]),
        torch.from_numpy(w.dt[:steps]),
        position,
        None,
        None,
    )
    transverse = m[:, :2].norm(dim=-1)
    centre = (transverse * x).sum() / transverse.sum()
    assert float(centre) == pytest.approx(8e-3, abs=2e-4)
    assert float(transverse.max()) == pytest.approx(np.sin(0.4), rel=0.05)


def test_a_file_that_ends_with_a_shape_is_read(pulseq_file, tmp_path) -> None:
    """pypulseq 1.5.0 loops forever over the last line of such a file."""

    def build(pypulseq, sequence) -> None:
        sequence.add_block(pypulseq.make_gauss_pulse(0.5, duration=1e-3))

    whole = pulseq_file(build)
    bare = tmp_path / "bare.seq"
    bare.write_text(whole.read_text().split("[SIGNATURE]")[0].rstrip())
    found, expected = (signals.read_pulseq(path).waveform() for path in (bare, whole))
    assert np.array_equal(found.rf, expected.rf)


def test_a_block_that_cannot_be_simulated_is_named(pulseq_file) -> None:
    def build(pp, sequence) -> None:
        sequence.add_block(pp.make_delay(1e-3))
        rf = pp.make_block_pulse(0.3, duration=1e-3, system=sequence.system, use="excitation")
        rf.freq_ppm = 3.4
        sequence.add_block(rf)

    with pytest.raises(ValueError, match="block 2 cannot be simulated: expected rf offsets in Hz"):
        signals.read_pulseq(pulseq_file(build))


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pypulseq")
    with pytest.raises(FileNotFoundError, match="no such file"):
        signals.read_pulseq(tmp_path / "none.seq")
    bad = tmp_path / "bad.seq"
    bad.write_text("[VERSION]\nmajor 9\n")
    with pytest.raises(ValueError, match="expected a Pulseq file with blocks, got none"):
        signals.read_pulseq(bad)
    bad.write_text("[VERSION]\nmajor nine\n")
    with pytest.raises(ValueError, match=r"pypulseq .* does not read this file"):
        signals.read_pulseq(bad)


# --- other simulators ------------------------------------------------------------------------------------------------

# NRMSE up to one complex factor. Koma and mriops agree to 1e-4..3e-4, the float32 of its record and of its sums. JEMRIS
# integrates an ODE to a tolerance: it lies 0.7 to 1.1 % from both.
REFERENCES = [
    ("a.column1d", "phantom_column1d.h5", 5e-4, 0.012),
    ("b.spheresCS", "phantom_sphere_chemical_shift.h5", 5e-4, 0.008),
    ("c.brain_suscep", "phantom_brain_susceptibility.h5", 6e-4, 0.010),
]


def nrmse(ours: np.ndarray, theirs: np.ndarray) -> float:
    factor = np.vdot(ours, theirs) / np.vdot(ours, ours)
    return float(np.linalg.norm(factor * ours - theirs) / np.linalg.norm(theirs))


@pytest.mark.parametrize(("folder", "sample", "koma_bound", "jemris_bound"), REFERENCES)
def test_epi_signals_of_koma_and_jemris(
    data_dir: Path, folder: str, sample: str, koma_bound: float, jemris_bound: float
) -> None:
    pytest.importorskip("pypulseq")
    root = data_dir / "references" / "koma_vs_jemris"
    sequence = signals.read_pulseq(root / "sequences" / "EPI" / "epi_100x100_TE100_FOV230.seq")
    with h5py.File(root / sample) as file:
        data, size = file["sample/data"][:], 1e-3 * file["sample/resolution"][:].ravel()
    ny, nx = data.shape[:2]
    places = [(np.arange(n) - (n - 1) / 2) * step for n, step in zip((ny, nx), size[[1, 0]], strict=True)]
    y, x = np.meshgrid(*places, indexing="ij")
    inside = data[..., 0] > 0
    density, r1, r2, _, shift = data[inside].T  # rates per ms, shift in rad/s
    position = torch.from_numpy(np.stack([0 * x, y, x], -1)[inside]).float()
    signal = signals.simulate(
        sequence,
        position,
        torch.from_numpy(1e-3 / r1).float(),
        torch.from_numpy(1e-3 / r2).float(),
        torch.from_numpy(density).to(torch.complex64),
        torch.from_numpy(shift / (2 * np.pi)).float(),
    )[0].numpy()
    with h5py.File(root / folder / "signals.h5") as file:
        record, times = file["signal/channels/00"][:], file["signal/times"][:]
    with h5py.File(root / folder / "signal_koma.mat") as file:
        koma = file["signal"][:].ravel()
    w = sequence.waveform()
    np.testing.assert_allclose(1e3 * np.cumsum(w.dt)[np.array(w.record) - 1], times, atol=1e-6)
    assert nrmse(signal, koma["real"] + 1j * koma["imag"]) < koma_bound
    assert nrmse(signal, record[:, 0] + 1j * record[:, 1]) < jemris_bound
