"""`mriops demo`: the simulated scan is what it claims to be, and the pictures show it."""

import json

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from mriops import phantoms
from mriops.cli import main, simulation
from mriops.cli.figure import draw
from mriops.io import read, remove_oversampling


def test_oversampled_readout_is_exact():
    phantom, coils = phantoms.brain(), phantoms.fourier_coils(3)
    wide = simulation._oversampled_kspace(phantom, coils, (24, 20))
    direct = phantom.multicoil_kspace((24, 20), coils)
    # Every second sample lies on the plain grid; the orthonormal scale of twice as many samples is sqrt(2) smaller.
    torch.testing.assert_close(wide[..., ::2] * 2**0.5, direct, rtol=0, atol=1e-5 * float(direct.abs().max()))


def test_protocol_is_what_is_simulated():
    protocol = simulation.Protocol(size=(64, 48), n_coils=4, acceleration=3, acs=16, snr=20)
    scan, truth = simulation.simulate(protocol)
    assert scan.shape == truth.shape == (1, 4, 64, 96) and scan.recon_size == (64, 48)
    lines = np.flatnonzero(scan.mask[0, :, 0])
    assert set(range(24, 40)) <= set(lines) and set(np.diff(lines[lines < 23])) == {3}
    assert (scan.kspace[:, :, ~scan.mask[0, :, 0]] == 0).all()
    noise = (scan.kspace - truth.kspace)[0][:, scan.mask[0, :, 0]].reshape(4, -1)
    found, expected = np.cov(noise), np.cov(scan.noise)
    # 2000 and 8192 samples: three standard errors of both.
    np.testing.assert_allclose(found, expected, atol=3 * abs(expected).max() * (2000**-0.5 + 8192**-0.5))
    np.testing.assert_allclose(remove_oversampling(scan).voxel_size, (5e-3, 0.24 / 64, 0.24 / 48))
    again = simulation.simulate(protocol)[0]
    np.testing.assert_array_equal(scan.kspace, again.kspace)


@pytest.mark.slow
def test_demo(tmp_path, capsys):
    assert main(["demo", "--quick", "-o", str(tmp_path), "--threads", "1"]) == 0
    table = capsys.readouterr().out
    assert "NRMSE" in table and "CG-SENSE" in table
    scores = json.loads((tmp_path / "demo.json").read_text())["scores"]
    assert scores["CG-SENSE"]["NRMSE"] < 0.05 < 0.2 < scores["Zero-filled"]["NRMSE"]
    assert scores["CG-SENSE"]["SSIM"] > 0.9 and scores["CG-SENSE"]["PSNR"] > 35
    raw = read(tmp_path / "scan.h5")
    assert raw.noise is not None and raw.acs_size == (24, 256) and raw.mask is not None
    image = nibabel.load(tmp_path / "sense" / "image.nii.gz")
    np.testing.assert_allclose(image.header.get_zooms(), (240 / 128, 240 / 128, 5), rtol=1e-5)
    assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
    assert Image.open(tmp_path / "figure.png").size == (1920, 1400)


def test_figure_is_written_whole_or_not_at_all(tmp_path):
    image = np.random.default_rng(0).random((16, 12))
    scores = {"A": {"NRMSE": 0.1, "SSIM": 0.9, "PSNR": 30.0}}
    draw(image, {"A": image}, image > 0.5, scores, tmp_path / "a.png", title="t", voxel=1e-2)
    assert np.asarray(Image.open(tmp_path / "a.png")).std() > 10
    with pytest.raises(OSError, match="expected an existing folder"):
        draw(image, {"A": image}, image > 0.5, scores, tmp_path / "no" / "a.png", title="t", voxel=1e-2)
