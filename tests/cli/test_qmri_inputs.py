"""Files as other software writes them, given to `mriops qmri`."""

import json
import math

import nibabel
import numpy as np
import pytest
import torch

from mriops import ops
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


@pytest.mark.parametrize("axis", [0, 1])
def test_times_in_front_of_a_nifti_file_leave_the_other_axes_their_columns(tmp_path, series, axis):
    """Of three axes the affine knows all; of four it does not know the last, which is then one of space."""
    _, images = series
    columns = {
        axis: [0.0, 0, 7],
        **dict(zip([a for a in range(3) if a != axis], ([2.0, 0, 0], [0, 3.0, 0]), strict=True)),
    }
    affine = np.eye(4)
    affine[:3, :3] = np.transpose([columns[a] for a in range(3)])
    affine[:3, 3] = (1, 2, 3)
    plane = np.moveaxis(images[:, 0].transpose(0, 2, 1), 0, axis)  # (x, y) and times
    nibabel.save(nibabel.Nifti1Image(plane, affine), tmp_path / "in.nii")
    file, _ = maps([tmp_path / "in.nii", "--times", TIMES, "--time-axis", axis], tmp_path / "a")
    np.testing.assert_allclose(file.affine, [[2, 0, 0, 1], [0, 3, 0, 2], [0, 0, 7, 3], [0, 0, 0, 1]])
    volume = np.moveaxis(images.transpose(0, 3, 2, 1), 0, 2)
    nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / "in.nii")
    file, _ = maps([tmp_path / "in.nii", "--times", TIMES, "--time-axis", "2"], tmp_path / "b")
    np.testing.assert_array_equal(file.affine, np.eye(4))


def t1_map(tmp_path, images, model, table, *options):
    """T1 of real images with signs."""
    np.savez(tmp_path / "in.npz", images=images.numpy())
    (tmp_path / "scan.csv").write_text(table)
    command = ["qmri", "in.npz", "--model", model, "--signed", "--sequence", "scan.csv", *options, "-o", "out", "-q"]
    assert main(command) == 0
    return nibabel.load(tmp_path / "out" / "t1.nii.gz").get_fdata()[..., 0].T


def test_options_give_what_the_file_lacks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    t1 = torch.linspace(0.9, 1.3, 6).reshape(2, 3)
    times, flips = [0.05, 0.4, 0.9, 1.5, 2.2], [3.0, 8, 14, 20]
    images = ops.signal_inversion_recovery(10.0, t1, inversion_time=times, repetition_time=2.5)
    table = "inversion_time\n" + "\n".join(map(str, times))
    np.testing.assert_allclose(t1_map(tmp_path, images, "ir", table, "--two-parameter", "--tr", "2.5"), t1, rtol=1e-3)
    images = ops.signal_spgr(10.0, t1, [math.radians(a) for a in flips], 0.006)
    table = "flip_angle_deg\n" + "\n".join(map(str, flips))
    np.testing.assert_allclose(t1_map(tmp_path, images, "vfa", table, "--tr", "0.006"), t1, rtol=1e-3)
    table, angles = "repetition_time_ms\n6\n6\n6\n6\n", ",".join(map(str, flips))
    np.testing.assert_allclose(t1_map(tmp_path, images, "vfa", table, "--angles", angles), t1, rtol=1e-3)


def test_columns_of_what_the_whole_measurement_has(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    t1, times = torch.linspace(0.9, 1.3, 6).reshape(2, 3), [0.1 * 1.4**i for i in range(10)]
    images = ops.signal_look_locker(10.0, t1, times, math.radians(8), 0.006)
    table = "time,flip_angle_deg,repetition_time\n" + "\n".join(f"{t},8,0.006" for t in times)
    np.testing.assert_allclose(t1_map(tmp_path, images, "looklocker", table, "--fix", "efficiency=1"), t1, rtol=1e-3)


def test_water_and_fat_with_times_from_a_file(tmp_path):
    te = [0.0012 + 0.0009 * i for i in range(6)]
    spectrum = {"fat_frequency": [-420.0], "fat_amplitude": [1.0]}
    fat = torch.linspace(0.1, 0.9, 20).reshape(4, 5) + 0j
    images = ops.signal_water_fat(1 - fat, fat, torch.zeros(4, 5), torch.zeros(4, 5), te, *spectrum.values())
    np.savez(tmp_path / "in.npz", images=images.numpy())
    for scan, options in (({"echo_time": te}, ["--field", "3"]), (spectrum, ["--times", ",".join(map(str, te))])):
        (tmp_path / "scan.json").write_text(json.dumps(scan))
        command = ["qmri", tmp_path / "in.npz", "--model", "waterfat", "--sequence", tmp_path / "scan.json", *options]
        assert main([*map(str, command), "--no-decay", "-o", str(tmp_path / "out"), "-q"]) == 0
    found = nibabel.load(tmp_path / "out" / "fat_fraction.nii.gz").get_fdata()[..., 0].T
    np.testing.assert_allclose(found, fat.real, rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("model", "scan", "options", "message"),
    [
        (
            "ir",
            {"inversion_time": TE},
            ["--times", "1,2,3,4"],
            "--times: expected either this or inversion_time in scan",
        ),
        (
            "vfa",
            {"flip_angle": TE, "repetition_time": 1},
            ["--tr", "1"],
            "--tr: expected either this or repetition_time",
        ),
        (
            "waterfat",
            {"fat_frequency": [1]},
            ["--field", "3"],
            "--field: expected either this or fat_frequency in scan",
        ),
        ("waterfat", {"fat_amplitude": [1]}, ["--peaks", "1:1"], "--peaks: expected either this or fat_amplitude in"),
        ("t2", {"time": TE}, ["--tr", "1"], "--tr: expected a model with repetition_time, got t2"),
        ("t2", {"time": TE}, ["--angles", "1"], "--angles: expected a model with flip_angle, got t2"),
        ("t2", {"time": TE}, ["--b-values", "1"], "--b-values: expected a model with b_value, got t2"),
        ("t2", {"time": TE}, ["--directions", "d"], "--directions: expected a model with direction, got t2"),
        ("t2", {"time": TE}, ["--field", "1"], "--field: expected a model with fat_frequency or fat_amplitude, got t2"),
        ("t2", {"time": TE}, ["--ms"], "--ms: expected --times, which are in milliseconds, got none"),
        ("t2", {"time": TE}, ["--b1-grid", "1"], "--b1-grid: expected the model mrf, got t2"),
        ("t2", {"time": TE}, ["--rank", "10"], "--rank: expected the model mrf, got t2"),
        ("t2", {"time": TE}, ["--max-iter", "30"], "--max-iter: expected the model mrf, got t2"),
        ("t2", {"time": TE}, ["--im-size", "1,1"], "--im-size: expected the model mrf, got t2"),
        ("vfa", {"flip_angle": TE}, [], "--tr: expected the repetition time [s] for the model vfa, got nothing"),
        ("vfa", {"repetition_time": 1}, [], "--angles: expected for the model vfa, got nothing"),
        (
            "waterfat",
            {"echo_time": TE},
            [],
            "--field: expected the field strength [T] for the model waterfat, got None",
        ),
    ],
)
def test_options_and_file_that_do_not_fit(tmp_path, series, capsys, monkeypatch, model, scan, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scan.json").write_text(json.dumps(scan))
    np.save(tmp_path / "in.npy", series[1].astype(np.complex64))
    assert main(["qmri", "in.npy", "--model", model, "--sequence", "scan.json", *options]) == 1
    assert message in capsys.readouterr().err


def test_a_damaged_sequence_is_named(tmp_path, series, capsys):
    np.save(tmp_path / "in.npy", series[1])
    np.savez(tmp_path / "scan.npz", time=TE)
    (tmp_path / "scan.npz").write_bytes((tmp_path / "scan.npz").read_bytes()[:-20])
    command = ["qmri", tmp_path / "in.npy", "--model", "t2", "--sequence", tmp_path / "scan.npz"]
    assert main(list(map(str, command))) == 1
    assert "scan.npz: not a readable npz file" in capsys.readouterr().err
