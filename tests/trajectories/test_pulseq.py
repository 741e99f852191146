"""Trajectories of Pulseq files, against those stored with measured data, and against a file written here."""

import sys

import numpy as np
import pytest
import torch

from mriops import trajectories

MEASURED = {
    "radial_phantom_3t/sol24_gre2radial_chen.seq": "radial_phantom_3t/radial_256spokes.npz",
    "epi_phantom_3t/05_EPI.seq": "epi_phantom_3t/05_EPI.npz",
    "gre_multiecho_phantom_3t/03_GRE_3echoes_bipolar.seq": "gre_multiecho_phantom_3t/03_GRE_3echoes_bipolar.npz",
}


@pytest.fixture
def pypulseq():
    return pytest.importorskip("pypulseq")


def write_lines(pypulseq, path, kz=0.0):
    """Three lines along x at ky = -10, 0, 10 and -kz/2, 0, kz/2 cycles/m, with a noise scan of 7 samples before."""
    system = pypulseq.Opts(max_grad=30, grad_unit="mT/m", max_slew=150, slew_unit="T/m/s")
    sequence = pypulseq.Sequence(system)
    sequence.add_block(pypulseq.make_adc(num_samples=7, duration=70e-6, system=system))
    pulse = pypulseq.make_block_pulse(0.1, duration=1e-3, system=system, use="excitation")
    read = pypulseq.make_trapezoid("x", flat_area=100.0, flat_time=1e-3, system=system)
    adc = pypulseq.make_adc(num_samples=20, duration=1e-3, delay=read.rise_time, system=system)
    back = pypulseq.make_trapezoid("x", area=-read.area / 2, duration=1e-3, system=system)
    for step in (-1, 0, 1):
        sequence.add_block(pulse)
        areas = {axis: area for axis, area in {"y": 10.0 * step, "z": kz / 2 * step}.items() if area}
        blips = [pypulseq.make_trapezoid(axis, area=area, duration=1e-3, system=system) for axis, area in areas.items()]
        sequence.add_block(back, *blips)
        sequence.add_block(read, adc)
    sequence.set_definition("FOV", [0.2, 0.3, 0.004])
    sequence.write(str(path))
    return path


@pytest.fixture
def written(pypulseq, tmp_path):
    return write_lines(pypulseq, tmp_path / "lines.seq")


def test_a_file_written_here(written):
    found = trajectories.from_pulseq(written, samples=20)
    assert found.field_of_view == (0.3, 0.2)
    assert found.trajectory.shape == (3, 20, 2)
    x = (torch.arange(20) + 0.5) * 5 - 50  # middles of 20 samples over 100 cycles/m
    assert torch.allclose(found.trajectory[..., 1], (x * 0.2).expand(3, -1), atol=1e-3)
    assert torch.allclose(found.trajectory[:, 0, 0], torch.tensor([-3.0, 0.0, 3.0]), atol=1e-4)
    assert torch.allclose(found.time[0], found.time[2], atol=1e-7) and 1e-3 < float(found.time[0, 0]) < 3e-3
    turned = trajectories.from_pulseq(written, samples=20, axes="xy", field_of_view=0.1)
    assert turned.field_of_view == (0.1, 0.1)
    assert torch.allclose(turned.trajectory[..., 0], (x * 0.1).expand(3, -1), atol=1e-3)
    late = trajectories.from_pulseq(written, samples=20, delay=10e-6)
    assert torch.allclose(found.trajectory - late.trajectory, torch.tensor([0.0, 0.2]), atol=1e-3)  # 100 1/m per ms


def test_a_file_that_ends_with_a_shape(written, tmp_path):
    body = written.read_text().split("[SIGNATURE]")[0]
    lines = [line for line in body.splitlines() if not line.startswith("#")]
    bare = tmp_path / "bare.seq"
    bare.write_text("\n".join(lines).rstrip() + "\n")
    assert "[SHAPES]" in body
    found, expected = (trajectories.from_pulseq(path, samples=20).trajectory for path in (bare, written))
    assert torch.equal(found, expected)


def test_what_lengths_say_of_the_axes(written):
    """kz does not vary here: two components, unless `axes` says otherwise."""
    expected = trajectories.from_pulseq(written, samples=20, field_of_view=0.2)
    assert expected.trajectory.shape == (3, 20, 2)
    for lengths in (np.float32(0.2), (0.2, 0.2), (0.004, 0.2, 0.2), [0.2] * 3):
        found = trajectories.from_pulseq(written, samples=20, field_of_view=lengths)
        assert found.field_of_view == pytest.approx((0.2, 0.2))
        assert torch.allclose(found.trajectory, expected.trajectory)
    assert trajectories.from_pulseq(written, samples=20, axes="zyx", field_of_view=(0.1, 0.2, 0.3)).field_of_view == (
        0.1,
        0.2,
        0.3,
    )
    with pytest.raises(ValueError, match="field_of_view: expected a positive length or 3 of them"):
        trajectories.from_pulseq(written, samples=20, field_of_view=(0.2, 0.2, 0.2, 0.2))


def test_slices_thin_and_thick(pypulseq, tmp_path):
    """kz varies over 2.4 cycles/m: half a cycle in 0.2 m, which is one slice, and more than one in half a metre."""
    path = write_lines(pypulseq, tmp_path / "lines.seq", kz=2.4)
    for thin in (0.2, np.float32(0.2), np.array(0.2), torch.tensor(0.2), [0.2] * 3, np.full(3, 0.2), (0.2, 0.4, 0.4)):
        assert trajectories.from_pulseq(path, samples=20, field_of_view=thin).trajectory.shape == (3, 20, 2), thin
    for thick in (0.5, np.float32(0.5), (0.5, 0.2, 0.2)):
        found = trajectories.from_pulseq(path, samples=20, field_of_view=thick)
        assert torch.allclose(found.trajectory[:, 0, 0], torch.tensor([-0.6, 0.0, 0.6]), atol=1e-4), thick
    for plane in ((2.0, 2.0), torch.tensor((2.0, 2.0))):
        assert trajectories.from_pulseq(path, samples=20, field_of_view=plane).trajectory.shape == (3, 20, 2)


def test_refusals(written, tmp_path, pypulseq):
    with pytest.raises(ValueError, match=r"samples: expected a choice.*\[7, 20\]"):
        trajectories.from_pulseq(written)
    with pytest.raises(ValueError, match=r"samples: expected one of \[7, 20\]"):
        trajectories.from_pulseq(written, samples=8)
    with pytest.raises(ValueError, match="axes: expected some of z, y, x"):
        trajectories.from_pulseq(written, samples=20, axes="yy")
    with pytest.raises(FileNotFoundError, match="no such file"):
        trajectories.from_pulseq(tmp_path / "none.seq")
    text = written.read_text()
    nothing = tmp_path / "nothing.seq"
    nothing.write_text(text.replace("FOV", "Area"))
    with pytest.raises(ValueError, match="field_of_view: expected a length"):
        trajectories.from_pulseq(nothing, samples=20)
    turned = tmp_path / "turned.seq"
    turned.write_text(text + "\n[EXTENSIONS]\n1 1 1 0\n\nextension ROTATIONS 1\n1 1 0 0 0\n\n")
    with pytest.raises(ValueError, match=r"expected no extensions but those known, got \['ROTATIONS'\]"):
        trajectories.from_pulseq(turned, samples=20)
    broken = tmp_path / "broken.seq"
    broken.write_text(text.replace("major 1", "major one"))
    with pytest.raises(ValueError, match=r"pypulseq .* does not read this file"):
        trajectories.from_pulseq(broken)


def test_without_pypulseq(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pypulseq", None)
    path = tmp_path / "some.seq"
    path.write_text("")
    with pytest.raises(ImportError, match=r"pip install 'mriops\[pulseq\]'"):
        trajectories.from_pulseq(path)


@pytest.mark.parametrize("sequence", MEASURED)
def test_sequences_of_measured_data(data_dir, pypulseq, sequence):
    stored = np.load(data_dir / MEASURED[sequence])
    found = trajectories.from_pulseq(data_dir / sequence)
    expected = (stored["traj"][..., :2] * stored["fov"][:2])[..., ::-1]
    assert found.field_of_view == pytest.approx(tuple(stored["fov"][1::-1]))
    assert np.abs(found.trajectory.numpy() - expected).max() < 1e-4  # float32 at 128
    assert np.abs(found.time.numpy() - stored["t_after_exc"]).max() < 1e-7


def test_sequences_of_other_programs(data_dir, pypulseq):
    folder = data_dir / "seq_mrd"
    stars = trajectories.from_pulseq(folder / "stack_of_stars_3d_testing.seq")
    assert stars.trajectory.shape[-1] == 3 and len(stars.trajectory) == 512
    ute = trajectories.from_pulseq(folder / "pypulseq" / "write_ute.seq")
    assert ute.trajectory.shape[-1] == 2
    radius = ute.trajectory.norm(dim=-1)
    assert float(radius[:, 0].max()) < 1 and float(radius[:, -1].min()) > 31  # half spokes
    with pytest.raises(ValueError, match="expected ADC events, got none"):
        trajectories.from_pulseq(folder / "koma_read_comparison" / "v1.4" / "gr-time-shaped.seq")
    with pytest.raises(ValueError, match="does not read this file"):
        trajectories.from_pulseq(folder / "koosh_ball_3d_testing.seq")
