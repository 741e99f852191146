"""`mriops qmri`: maps in SI units with the geometry of the input, pictures, report, errors in one line."""

import json

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from mriops import ops
from mriops.cli import main

TE = [0.01, 0.02, 0.04, 0.08]


@pytest.fixture
def series():
    """T2 map (slices, y, x) with a dark corner, and its echoes (times, slices, y, x)."""
    t2 = torch.linspace(0.03, 0.15, 2 * 6 * 5).reshape(2, 6, 5)
    images = ops.signal_mono_exponential(100.0, t2, TE).numpy()
    images[:, :, :2, :2] = 0
    return t2.numpy(), images


def test_nifti_in_and_out(tmp_path, series, capsys):
    t2, images = series
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = (-10, 5, 7)
    nibabel.save(nibabel.Nifti1Image(images.transpose(3, 2, 1, 0), affine), tmp_path / "in.nii.gz")
    out = tmp_path / "maps"
    times = ",".join(str(1e3 * t) for t in TE)
    assert main(["qmri", str(tmp_path / "in.nii.gz"), "--model", "t2", "--times", times, "--ms", "-o", str(out)]) == 0
    file = nibabel.load(out / "t2.nii.gz")
    np.testing.assert_allclose(file.affine, affine)
    found = file.get_fdata().transpose(2, 1, 0)
    dark = images[0] == 0
    np.testing.assert_allclose(found[~dark], t2[~dark], rtol=1e-4)
    assert np.isnan(found[dark]).all()
    converged = nibabel.load(out / "converged.nii.gz").get_fdata().transpose(2, 1, 0)
    np.testing.assert_array_equal(converged, ~dark)
    assert (out / "t2_std.nii.gz").exists() and (out / "m0.nii.gz").exists() and (out / "noise.nii.gz").exists()
    assert min(Image.open(out / "png" / "t2.png").size) > 200
    report = json.loads((out / "report.json").read_text())
    assert report["maps"]["t2"]["unit"] == "s" and report["voxels"]["fitted"] == int((~dark).sum())
    assert "t2" in capsys.readouterr().out
    assert not list(out.glob(".tmp-*"))


def test_npz_with_its_own_times_and_b1(tmp_path):
    t1, b1 = np.linspace(0.5, 2, 30, dtype=np.float32).reshape(5, 6), np.full((5, 6), 0.9, np.float32)
    flips = np.array([3.0, 6.0, 12.0, 20.0])
    signal = ops.signal_spgr(
        10.0, torch.from_numpy(t1), torch.from_numpy(np.deg2rad(flips)), 0.008, torch.from_numpy(b1)
    )
    np.savez(tmp_path / "in.npz", images=signal.numpy(), flips=flips, b1=b1)
    arguments = [
        "qmri",
        str(tmp_path / "in.npz"),
        "--model",
        "vfa",
        "--angles",
        "@flips",
        "--tr",
        "0.008",
        "--b1",
        "@b1",
    ]
    assert main([*arguments, "-o", str(tmp_path / "maps"), "-q", "--threads", "1"]) == 0
    found = nibabel.load(tmp_path / "maps" / "t1.nii.gz").get_fdata()[..., 0].T
    np.testing.assert_allclose(found, t1, rtol=1e-3)
    assert not (tmp_path / "maps" / "b1.nii.gz").exists()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--model", "t2"], "--times: expected for the model t2"),
        (["--model", "t2", "--times", "1,2"], "expected 2 images, as many as times, got 4"),
        (["--model", "t2", "--times", "10,20,40,80"], "--times: expected seconds, got 80; add --ms"),
        (["--model", "t2", "--times", "a,b"], "--times: expected numbers separated by commas"),
        (["--model", "t2", "--times", "@te"], "--times: expected one of no arrays after @, got 'te'"),
        (["--model", "vfa", "--angles", "1,2,3,4"], "--tr: expected the repetition time"),
        (["--model", "t2", "--times", "1,2,3,4", "--key", "x"], "expected one of the arrays images"),
        (["--model", "t2", "--times", "1,2,3,4", "--rician"], "rician: expected"),
    ],
)
def test_errors_are_one_line(tmp_path, series, capsys, extra, message):
    np.savez(tmp_path / "in.npz", images=series[1])
    assert main(["qmri", str(tmp_path / "in.npz"), "-o", str(tmp_path / "maps"), *extra]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in lines if line.startswith("mriops: error:")]) == 1
    assert message in lines[-1]


def test_a_missing_file_is_named(tmp_path, capsys):
    assert main(["qmri", str(tmp_path / "no.npz"), "--model", "t2", "--times", "1"]) == 1
    assert "no such file" in capsys.readouterr().err
