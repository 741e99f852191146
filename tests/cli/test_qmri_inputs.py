"""Files as other software writes them, given to `mriops qmri`."""

import json

import nibabel
import numpy as np
import pytest

from mriops.cli import main
from mriops.io import write_image, write_nifti

from .conftest import TE, make_raw

TIMES = ",".join(map(str, TE))


def maps(arguments, out):
    assert main(["qmri", *map(str, arguments), "--model", "t2", "-o", str(out), "-q"]) == 0
    return nibabel.load(out / "t2.nii.gz"), json.loads((out / "report.json").read_text())


def test_an_image_of_recon_keeps_its_geometry(tmp_path, series):
    _, images = series
    info = make_raw(2).without_samples()
    info.directions = np.array([[1.0, 0, 0], [0, 0.8, 0.6], [0, -0.6, 0.8]])
    info.position = np.array([0.01, -0.02, 0.03])
    frames = np.swapaxes(images, 0, 1)  # slices first
    write_image(frames, tmp_path / "image.npz", info=info)
    write_nifti(frames, tmp_path / "image.nii.gz", info=info)
    found, _ = maps([tmp_path / "image.npz", "--times", TIMES], tmp_path / "a")
    expected, _ = maps([tmp_path / "image.nii.gz", "--times", TIMES], tmp_path / "b")
    np.testing.assert_allclose(found.affine, expected.affine, atol=1e-5)
    np.testing.assert_allclose(found.get_fdata(), expected.get_fdata(), rtol=1e-5)
    # Axes counted from the end are the same axes.
    counted = ["--time-axis", "-4", "--slice-axis", "-3"]
    same, _ = maps([tmp_path / "image.npz", "--times", TIMES, *counted], tmp_path / "d")
    np.testing.assert_array_equal(same.affine, found.affine)
    # Where slices are another axis, the affine is not that of the maps.
    turned = ["--time-axis", "1", "--slice-axis", "0"]
    np.savez(tmp_path / "turned.npz", image=frames, affine=np.eye(4) * 7)
    other, _ = maps([tmp_path / "turned.npz", "--times", TIMES, *turned], tmp_path / "c")
    np.testing.assert_array_equal(other.affine, np.eye(4))


@pytest.mark.parametrize("outside", [0.0, np.nan])
def test_masks_with_nan_outside(tmp_path, series, outside):
    _, images = series
    mask = np.full(images.shape[1:], outside, np.float32)
    mask[:, 3:5, 2:4] = 1
    np.savez(tmp_path / "mask.npz", brain=mask)
    np.save(tmp_path / "in.npy", images)
    file, report = maps([tmp_path / "in.npy", "--times", TIMES, "--mask", tmp_path / "mask.npz"], tmp_path / "out")
    assert report["voxels"]["fitted"] == 8
    assert int(np.isfinite(file.get_fdata()).sum()) == 8


def test_arrays_of_objects_beside_the_images(tmp_path, series):
    _, images = series
    np.savez(tmp_path / "in.npz", images=images, times=np.array(TE), about=np.array({"subject": 1}, dtype=object))
    _, report = maps([tmp_path / "in.npz", "--times", "@times"], tmp_path / "out")
    assert report["design"]["time"] == TE


@pytest.mark.parametrize(("name", "text"), [("a.csv", "time\n{}\n"), ("a.json", '{{"time": [{}]}}')])
def test_text_with_a_byte_order_mark(tmp_path, series, name, text):
    _, images = series
    np.save(tmp_path / "in.npy", images)
    values = text.format(("\n" if name.endswith("csv") else ", ").join(map(str, TE)))
    (tmp_path / name).write_text(values, encoding="utf-8-sig")
    _, report = maps([tmp_path / "in.npy", "--sequence", tmp_path / name], tmp_path / "out")
    assert report["design"]["time"] == TE


@pytest.mark.parametrize("option", ["--sequence", "--directions"])
def test_an_input_among_the_results_is_refused(tmp_path, series, capsys, option):
    _, images = series
    np.save(tmp_path / "in.npy", images)
    (tmp_path / "report.json").write_text(json.dumps({"time": TE}))
    command = ["qmri", tmp_path / "in.npy", "--model", "t2", "--times", TIMES, option, tmp_path / "report.json"]
    assert main([*map(str, command), "-o", str(tmp_path)]) == 1
    assert "do not overwrite an input" in capsys.readouterr().err
    assert json.loads((tmp_path / "report.json").read_text()) == {"time": TE}


def test_a_column_of_voxels_is_drawn(tmp_path, series):
    _, images = series
    column = np.repeat(images[:, :1, 3:4, :1], 3000, axis=2)
    np.save(tmp_path / "in.npy", column)
    maps([tmp_path / "in.npy", "--times", TIMES], tmp_path / "out")
    assert (tmp_path / "out" / "png" / "t2.png").stat().st_size < 1 << 20


def test_a_series_without_a_number(tmp_path, series):
    _, images = series
    np.save(tmp_path / "in.npy", images * np.nan)
    np.save(tmp_path / "mask.npy", np.ones(images.shape[1:]))
    file, _ = maps([tmp_path / "in.npy", "--times", TIMES, "--mask", tmp_path / "mask.npy"], tmp_path / "out")
    assert np.isnan(file.get_fdata()).all()
