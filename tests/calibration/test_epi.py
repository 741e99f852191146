"""Shift and phase of EPI lines from a navigator: simulated, and measured."""

import numpy as np
import pytest
import torch

from mriops import calibration, phantoms, recon, trajectories

SIZE = (48, 48)


def train(shift: float, phase: float, drift: float = 0.0, n_coils: int = 3) -> dict[str, torch.Tensor]:
    """A navigator and an image train of exact samples: lines displaced, turned, and with a phase that grows."""
    wave = trajectories.epi(SIZE, field_of_view=0.2)
    k = wave.trajectory[0].unflatten(0, (48, -1)).double()
    way = (k[:, -1, 1] - k[:, 0, 1]).sign()
    turn = torch.exp(1j * (way * phase + drift * torch.arange(48)))[:, None]
    out = {"trajectory": k}
    for name, height in (("navigator", 0.0), ("image", 1.0)):
        taken = torch.stack([height * k[..., 0], k[..., 1] + shift * way[:, None]], -1)
        samples = phantoms.shepp_logan().multicoil_kspace(
            taken.flatten(0, 1), phantoms.fourier_coils(n_coils), im_size=SIZE, dtype=torch.complex128
        )
        out[name] = samples.unflatten(-1, k.shape[:2]) * turn
    return out


@pytest.mark.parametrize(("shift", "phase", "drift"), [(0.0, 0.0, 0.0), (-0.7, 0.4, 0.0), (0.3, -0.6, 0.2)])
def test_shift_and_phase_are_found(shift, phase, drift):
    scan = train(shift, phase, drift)
    found = calibration.epi_phase(scan["navigator"], scan["trajectory"], 48)
    assert float(found.shift) == pytest.approx(shift, abs=0.01)
    assert float(found.phase) == pytest.approx(phase, abs=0.01)
    kspace, moved = found.correct(scan["navigator"], scan["trajectory"])
    again = calibration.epi_phase(kspace, moved, 48)
    assert abs(float(again.shift)) < 1e-3 and abs(float(again.phase)) < 1e-3


def test_the_ghost_goes():
    scan = train(-0.5, 0.3)
    found = calibration.epi_phase(scan["navigator"], scan["trajectory"], 48)
    kspace, moved = found.correct(scan["image"], scan["trajectory"])

    def ghost(kspace: torch.Tensor, k: torch.Tensor) -> float:
        weights = trajectories.dcf_voronoi(k, SIZE)
        image = recon.gridding(kspace, k, SIZE, dcf=weights)
        truth = phantoms.shepp_logan().image(SIZE).abs() > 0.05
        outside = truth.roll(24, 0) & ~truth
        return float(image[outside].square().mean() / image[truth].square().mean()) ** 0.5

    pytest.importorskip("scipy")
    assert ghost(kspace, moved) < 0.25 * ghost(scan["image"], scan["trajectory"])


def test_measured_navigator(data_dir):
    folder = data_dir / "epi_phantom_3t"
    stored = np.load(folder / "05_EPI.npz")
    k = torch.from_numpy((stored["traj"][..., :2] * stored["fov"][:2])[..., ::-1].copy())
    navigator = torch.from_numpy(np.load(folder / "05_EPI_noPE.npz")["kspace"])
    found = calibration.epi_phase(navigator, k, 128)
    assert float(found.shift) == pytest.approx(-0.76, abs=0.02) and abs(float(found.phase)) < 0.05
    early, late = (calibration.epi_phase(navigator[:, part], k[part], 128) for part in (slice(0, 64), slice(64, 128)))
    assert float(early.shift) == pytest.approx(float(late.shift), abs=0.05)
    image = recon.gridding(*(pair := found.correct(torch.from_numpy(stored["kspace"]), k)), (128, 128))
    plain = recon.gridding(torch.from_numpy(stored["kspace"]), k, (128, 128))
    assert pair[1].shape == k.shape
    bright = image > 0.2 * torch.quantile(image, 0.99)
    outside = bright.roll(64, 0) & ~bright
    before, after = (float((i[outside].square().mean() / i[bright].square().mean()).sqrt()) for i in (plain, image))
    assert before > 0.5 and after < 0.12


def test_refusals():
    scan = train(0.0, 0.0, n_coils=1)
    y, k = scan["navigator"], scan["trajectory"]
    with pytest.raises(TypeError, match="navigator: expected a complex tensor"):
        calibration.epi_phase(y.real, k, 48)
    with pytest.raises(ValueError, match=r"trajectory: expected \(lines >= 3, samples, ndim\)"):
        calibration.epi_phase(y[:, :2], k[:2], 48)
    with pytest.raises(ValueError, match=r"navigator: expected \(\*batch, coils, 48, "):
        calibration.epi_phase(y[..., 1:], k, 48)
    with pytest.raises(ValueError, match="lines in alternating directions"):
        calibration.epi_phase(y[:, ::2], k[::2], 48)


def test_a_trajectory_of_integers_is_refused():
    scan = train(0.3, 0.0, n_coils=1)
    whole = scan["trajectory"].round().long()
    found = calibration.epi_phase(scan["navigator"], scan["trajectory"], 48)
    with pytest.raises(TypeError, match=r"trajectory: expected a real floating-point dtype, got torch\.int64"):
        found.correct(scan["navigator"], whole)
    with pytest.raises(TypeError, match=r"trajectory: expected a real floating-point dtype, got torch\.int64"):
        calibration.epi_phase(scan["navigator"], whole, 48)
