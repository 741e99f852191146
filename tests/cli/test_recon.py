"""`mriops recon` through a process: results, continuing, killing, refusing."""

import json
import os
import signal
import subprocess
import sys
import time

import nibabel
import numpy as np
import pytest
from PIL import Image

from mriops import phantoms, trajectories
from mriops.cli import main
from mriops.io import RawData, read_image, write_bart, write_ismrmrd, write_npz
from mriops.recon import reconstruct

from .conftest import ENVIRONMENT, make_raw


def test_file_to_images(mriops, scan_file, tmp_path):
    done = mriops("recon", scan_file, "-o", tmp_path / "out", "--calib", "espirit", "--method", "sense", "--phase")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].startswith("recon 3/3")
    image = nibabel.load(tmp_path / "out" / "image.nii.gz")
    assert image.shape == (40, 48, 3)
    np.testing.assert_allclose(image.header.get_zooms(), (5, 5, 5), rtol=1e-6)
    np.testing.assert_allclose(image.affine @ [20, 24, 0, 1], [0, 0, 20, 1], atol=1e-5)
    values = image.get_fdata()
    # Slices differ by a factor in the file, and the solver is linear.
    np.testing.assert_allclose(values[..., 2], 3 * values[..., 0], atol=1e-3 * values.max())
    phase = nibabel.load(tmp_path / "out" / "phase.nii.gz")
    stored = read_image(tmp_path / "out" / "image.npz")
    np.testing.assert_allclose(np.abs(stored.image).T, values, rtol=1e-6)
    np.testing.assert_allclose(np.angle(stored.image).T, phase.get_fdata(), rtol=1e-6)
    np.testing.assert_allclose(1e3 * stored.affine[:3], image.affine[:3], atol=1e-5)
    assert stored.voxel_size == pytest.approx((4e-3, 5e-3, 5e-3))  # slices of 4 mm, 5 mm apart
    assert Image.open(tmp_path / "out" / "png" / "slice_0002.png").size == (40, 48)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["scan"]["vendor"] == "Maker" and report["scan"]["shape"] == [3, 4, 48, 40]
    assert report["settings"]["method"] == "sense" and len(report["seconds"]["slices"]) == 3
    assert {"mriops", "torch", "numpy", "python", "device"} <= set(report["versions"])


def finished(out):
    return {p.name: p.stat().st_mtime_ns for p in (out / ".slices").glob("slice_*.npz")}


def recon(file, out, *options):
    return main(["recon", str(file), "-o", str(out), "-q", "--method", "rss", *options])


def test_continues_where_it_was(scan_file, tmp_path, capsys):
    out = tmp_path / "out"
    assert recon(scan_file, out) == 0
    first = finished(out)
    (out / ".slices" / "slice_0001.npz").unlink()
    (out / ".slices" / ".tmp-1234-slice_0001.npz").touch()
    (out / ".slices" / "slice_0002.npz").write_bytes(b"half")
    assert recon(scan_file, out) == 0
    assert "continuing: 1 of 3 slices are finished" in capsys.readouterr().err
    second = finished(out)
    assert first["slice_0000.npz"] == second["slice_0000.npz"]
    assert second["slice_0001.npz"] > first["slice_0001.npz"]
    assert json.loads((out / "report.json").read_text())["slices"]["computed in this run"] == 2
    assert not list(out.rglob(".tmp-*"))


@pytest.mark.parametrize("change", ["setting", "file", "restart"])
def test_starts_anew_when_something_changed(change, scan_file, tmp_path):
    out = tmp_path / "out"
    recon(scan_file, out)
    if change == "file":
        write_ismrmrd(make_raw(), scan_file)
    (out / "png" / "slice_0009.png").touch()
    (out / "png" / "mine.png").touch()
    options = {"setting": ["--compress", "3"], "file": [], "restart": ["--restart"]}[change]
    assert recon(scan_file, out, *options) == 0
    assert json.loads((out / "report.json").read_text())["slices"]["computed in this run"] == 3
    names = {p.name for p in (out / "png").iterdir()}
    assert names == {"mine.png", "slice_0000.png", "slice_0001.png", "slice_0002.png"}


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--compress", "9"], "compress: expected at most the 4 coils of the data, got 9"),
        (["--method", "sense", "--maps", "9"], "n_maps: expected at most the 4 coils that maps are for, got 9"),
        (["--method", "sense", "--calib", "walsh", "--maps", "2"], "n_maps: expected 1 with calib 'walsh', got 2"),
    ],
)
def test_settings_that_do_not_fit_the_file_cost_nothing(options, message, scan_file, tmp_path, capsys):
    out = tmp_path / "out"
    assert recon(scan_file, out) == 0
    before = contents(out)
    assert recon(scan_file, out, *options) == 1
    assert message in capsys.readouterr().err
    assert contents(out) == before
    assert recon(scan_file, tmp_path / "new", *options) == 1
    assert not (tmp_path / "new").exists()


def broken_at(monkeypatch, number, error):
    """A reconstruction that fails at its slice `number`."""
    whole, calls = reconstruct, []

    def broken(raw, settings):
        calls.append(raw)
        if len(calls) > number:
            raise error
        return whole(raw, settings)

    monkeypatch.setattr("mriops.cli.recon.reconstruct", broken)


@pytest.mark.parametrize("options", [["--compress", "3"], ["--restart"]])
def test_results_stay_until_new_ones_are_computed(options, scan_file, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert recon(scan_file, out, "--no-whiten") == 0
    before = contents(out)
    broken_at(monkeypatch, 0, ValueError("kspace: NaN"))
    assert recon(scan_file, out, "--no-whiten", *options) == 1
    assert contents(out) == before
    broken_at(monkeypatch, 2, KeyboardInterrupt())
    assert recon(scan_file, out, "--no-whiten", *options) == 130
    after = contents(out)
    assert [name for name in before if name not in after] == [".slices/slice_0002.npz"]
    assert all(after[name] == old for name, old in before.items() if not name.startswith(".slices/"))
    monkeypatch.undo()
    capsys.readouterr()
    assert recon(scan_file, out, "--no-whiten", *(o for o in options if o != "--restart")) == 0
    assert "continuing: 2 of 3 slices" in capsys.readouterr().err


def test_results_stay_where_new_ones_cannot_be_written(scan_file, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert main(["recon", str(scan_file), "-o", str(out), "-q", "--method", "zero-filled", "--phase"]) == 0
    before = contents(out)

    def full(*_, **__):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("mriops.cli.recon.write_nifti", full)
        assert recon(scan_file, out) == 1
    after = contents(out)
    # Images of a run without its report are not complete.
    assert {n for n in before if before[n] != after.get(n) and not n.startswith(".slices/")} == {"report.json"}
    assert recon(scan_file, out) == 0
    assert json.loads((out / "report.json").read_text())["slices"]["computed in this run"] == 0
    assert not (out / "phase.nii.gz").exists()


def test_what_a_run_does_not_write_again_goes(scan_file, tmp_path):
    out = tmp_path / "out"
    command = ["recon", str(scan_file), "-o", str(out), "-q", "--method", "zero-filled"]
    assert main([*command, "--phase"]) == 0
    mine = {"notes.txt", "png/slice_of_mine.png", "png/slice_0000.jpg", "t1.nii.gz"}
    for name in mine:
        (out / name).touch()
    assert main([*command, "--slices", "1:2"]) == 0
    names = {n for n in contents(out) if not n.startswith(".slices/")}
    assert names == {"image.nii.gz", "image.npz", "report.json", "png/slice_0001.png", *mine}
    assert len(finished(out)) == 3


def test_an_input_among_the_results_is_refused(tmp_path, capsys):
    write_npz(make_raw(1), tmp_path / "image.npz")
    before = contents(tmp_path)
    assert "do not overwrite an input" in fails(capsys, "recon", tmp_path / "image.npz", "-o", tmp_path, "-q")
    assert contents(tmp_path) == before


def test_an_empty_file(tmp_path, capsys):
    np.savez(tmp_path / "empty.npz", kspace=np.ones((0, 2, 8, 8), np.complex64))
    for command in (["recon", "-o", tmp_path / "out", "-q"], ["info"]):
        error = fails(capsys, *command, tmp_path / "empty.npz")
        assert "expected complex k-space in 'kspace' that is not empty, got complex64 (0, 2, 8, 8)" in error
    assert not (tmp_path / "out").exists()


def test_a_folder_of_slices_that_cannot_be_written(scan_file, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    assert recon(scan_file, out) == 0
    before = contents(out)
    allowed = os.access
    # Tests may run as root, for whom every folder is writable.
    monkeypatch.setattr("os.access", lambda path, mode: ".slices" not in str(path) and allowed(path, mode))
    error = fails(capsys, "recon", scan_file, "-o", out, "-q", "--restart")
    assert f"output: folder {out / '.slices'} is not writable" in error
    assert contents(out) == before


def test_more_slices_later(scan_file, tmp_path):
    out = tmp_path / "out"
    assert recon(scan_file, out, "--slices", "1:2") == 0
    assert nibabel.load(out / "image.nii.gz").shape == (40, 48, 1)
    # Slice 1 of the scan lies one spacing above the first.
    np.testing.assert_allclose(nibabel.load(out / "image.nii.gz").affine @ [20, 24, 0, 1], [0, 0, 25, 1], atol=1e-5)
    assert recon(scan_file, out) == 0
    assert json.loads((out / "report.json").read_text())["slices"]["computed in this run"] == 2


@pytest.mark.parametrize("name", ["scan", "scan[1]", "scan_0.5mm", "scan.cfl", "scan.hdr"])
def test_another_pair_under_the_same_name_is_computed_anew(name, tmp_path):
    raw, out = make_raw(1), tmp_path / "out"
    for factor in (1, 2):
        raw.kspace *= factor
        write_bart(raw, tmp_path / name)
        assert recon(tmp_path / name, out) == 0
        assert json.loads((out / "report.json").read_text())["slices"]["computed in this run"] == 1


def test_samples_outside_the_mask_of_a_file_do_not_count(tmp_path):
    raw = make_raw(1)
    inside = np.expand_dims(raw.mask, 1)
    np.savez(tmp_path / "whole.npz", kspace=np.where(inside, raw.kspace, 5), mask=raw.mask)
    np.savez(tmp_path / "zeros.npz", kspace=raw.kspace, mask=raw.mask)
    images = []
    for name in ("whole", "zeros"):
        assert recon(tmp_path / f"{name}.npz", tmp_path / name) == 0
        images.append(read_image(tmp_path / name / "image.npz").image)
    np.testing.assert_array_equal(*images)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_in_the_middle(how, tmp_path, capsys):
    write_ismrmrd(make_raw(8), tmp_path / "scan.h5")
    command = ["recon", tmp_path / "scan.h5", "-o", tmp_path / "out", "--tol", "0", "--max-iter", "1500"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mriops.cli", *map(str, command)],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
        # What runs in the background of a shell ignores interrupts, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    limit = time.monotonic() + 60
    while len(finished(tmp_path / "out")) < 2 and time.monotonic() < limit and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(how)
    told = process.communicate()[1]
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert "interrupted; finished slices are kept, the same command continues" in told
        assert "Traceback" not in told and not list(tmp_path.rglob(".tmp-*"))
    before = finished(tmp_path / "out")
    assert 2 <= len(before) < 8, "the process ended before it could be killed"
    assert not (tmp_path / "out" / "image.nii.gz").exists()
    assert main([str(c) for c in command]) == 0
    assert f"continuing: {len(before)} of 8" in capsys.readouterr().err
    after = finished(tmp_path / "out")
    assert len(after) == 8 and all(after[name] == stamp for name, stamp in before.items())
    if how is signal.SIGINT:
        return
    assert main([str(c) for c in (*command[:2], "-o", tmp_path / "whole", "-q", *command[4:])]) == 0
    parts, whole = (nibabel.load(tmp_path / name / "image.nii.gz").get_fdata() for name in ("out", "whole"))
    np.testing.assert_array_equal(parts, whole)


def fails(capsys, *arguments):
    assert main([str(a) for a in arguments]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("mriops: error: ") and "Traceback" not in error
    return error


def test_errors_are_one_line(scan_file, tmp_path, capsys):
    assert "no such file" in fails(capsys, "recon", tmp_path / "none.h5")
    whole = scan_file.read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 3])
    assert "expected a complete HDF5 file" in fails(capsys, "recon", tmp_path / "cut.h5", "-o", tmp_path / "o")
    assert not (tmp_path / "o").exists()
    (tmp_path / "taken").touch()
    assert "expected a folder, but" in fails(capsys, "recon", scan_file, "-o", tmp_path / "taken")
    assert "parent of" in fails(capsys, "recon", scan_file, "-o", tmp_path / "taken" / "below")
    assert "/proc/out cannot be made" in fails(capsys, "recon", scan_file, "-o", "/proc/out")
    assert "--slices: expected A:B within 0:3, got '2:9'" in fails(capsys, "recon", scan_file, "--slices", "2:9")
    assert "--slices: expected A:B, got 'x'" in fails(capsys, "recon", scan_file, "--slices", "x")
    assert "--device: expected auto, cpu or cuda" in fails(capsys, "recon", scan_file, "--device", "abacus")
    assert "expected the options dataset, encoding, trajectory_units for ismrmrd files, got key" in fails(
        capsys, "recon", scan_file, "--key", "k"
    )
    assert "at most the 4 coils" in fails(
        capsys, "recon", scan_file, "--compress", "9", "-o", tmp_path / "o", "-q", "--method", "rss"
    )


def test_debug_shows_the_traceback(tmp_path, capsys):
    assert main(["recon", str(tmp_path / "none.h5"), "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err
    assert main(["--debug", "recon", str(tmp_path / "none.h5")]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_wrong_arguments_exit_with_2(capsys):
    for arguments in (["recon"], ["recon", "x", "--method", "magic"], ["recon", "x", "--max-iter", "0"], ["fly"]):
        with pytest.raises(SystemExit) as exit:
            main(arguments)
        assert exit.value.code == 2
    capsys.readouterr()


def test_what_nobody_foresaw_is_one_line_too(scan_file, tmp_path, capsys, monkeypatch):
    def surprised(*_):
        raise KeyError("gone")

    monkeypatch.setattr("mriops.cli.recon.reconstruct", surprised)
    assert "KeyError: 'gone' (--debug shows where)" in fails(capsys, "recon", scan_file, "-o", tmp_path / "out", "-q")


def test_an_empty_slice_is_named(tmp_path, capsys):
    raw = make_raw()
    raw.kspace[1] = 0
    write_npz(raw, tmp_path / "scan.npz")
    assert main(["recon", str(tmp_path / "scan.npz"), "-o", str(tmp_path / "out"), "-q"]) == 1
    assert "scan.npz: slice 1: kspace: expected a nonzero ACS" in capsys.readouterr().err


def test_a_slab_of_two_partitions(tmp_path):
    raw = make_raw(2)
    kspace = np.moveaxis(raw.kspace, 0, 1)[None]
    write_npz(RawData(kspace=kspace, axes=("slice", "coil", "z", "y", "x")), tmp_path / "slab.npz")
    assert main(["recon", str(tmp_path / "slab.npz"), "-o", str(tmp_path / "out"), "-q"]) == 0
    assert nibabel.load(tmp_path / "out" / "image.nii.gz").shape == (40, 48, 2)


def test_brain_from_npz(data_dir, tmp_path):
    path = data_dir / "flash16_brain_3t" / "flash16_brain_3t.npz"
    code = main(["recon", str(path), "--key", "vivo_array16", "--acceleration", "2", "-o", str(tmp_path), "-q"])
    assert code == 0
    assert nibabel.load(tmp_path / "image.nii.gz").shape == (128, 128, 1)


def test_twix(data_dir, tmp_path):
    pytest.importorskip("twixtools")
    path = data_dir / "twix_gre_epi_3t" / "gre.dat"
    assert main(["recon", str(path), "-o", str(tmp_path), "-q", "--method", "rss"]) == 0
    image = nibabel.load(tmp_path / "image.nii.gz")
    assert image.shape == (160, 160, 1)
    np.testing.assert_allclose(image.header.get_zooms(), (1.25, 1.25, 4), rtol=1e-5)


@pytest.mark.slow
def test_recon_of_a_radial_file(mriops, tmp_path):
    size = (40, 40)
    spokes = trajectories.radial(size, 50)
    kspace = phantoms.shepp_logan().multicoil_kspace(spokes.flatten(0, 1), phantoms.fourier_coils(4), im_size=size)
    raw = RawData(
        kspace=kspace.unflatten(-1, spokes.shape[:2])[None].numpy(),
        trajectory=spokes[None].numpy(),
        axes=("slice", "coil", "shot", "sample"),
        matrix=size,
        field_of_view=(4e-3, 0.2, 0.2),
    )
    write_ismrmrd(raw, tmp_path / "radial.h5")
    done = mriops("recon", tmp_path / "radial.h5", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "50 shots of 80 samples" in done.stderr
    assert (tmp_path / "out" / "image.nii.gz").exists()
    units = mriops("recon", tmp_path / "radial.h5", "-o", tmp_path / "units", "--trajectory-units", "pixel")
    assert units.returncode == 0, units.stderr
    assert (tmp_path / "units" / "image.nii.gz").read_bytes() != b""
    told = mriops("info", tmp_path / "radial.h5")
    assert told.returncode == 0 and "shot 50, sample 80" in told.stdout
    refused = mriops("recon", tmp_path / "radial.h5", "-o", tmp_path / "other", "--acceleration", "2")
    assert refused.returncode != 0 and "acceleration: expected 1 for data with a trajectory" in refused.stderr
