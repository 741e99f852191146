"""The output folder of `mriops qmri`: slices that are kept, maps that replace others, inputs that stay."""

import json
import math

import nibabel
import numpy as np
import pytest
import torch

from mriops import ops
from mriops.cli import main, qmri_slices

from .conftest import TE


def test_maps_stay_until_new_ones_are_computed(tmp_path, series, monkeypatch):
    np.savez(tmp_path / "in.npz", images=series[1])
    out, times = tmp_path / "maps", ",".join(map(str, TE))
    command = ["qmri", str(tmp_path / "in.npz"), "--model", "t2", "--times", times, "-o", str(out), "-q"]
    assert main(command) == 0
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}

    def failed(*_, **__):
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(qmri_slices, "fit", failed)
        assert main([*command, "--noise", "0.5"]) == 1
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    # A map that is known now is not left over from the run that fitted it.
    assert main([*command, "--fix", "m0=100"]) == 0
    assert (out / "m0.nii.gz") in before and not (out / "m0.nii.gz").exists()
    assert (out / "t2.nii.gz").exists()


@pytest.mark.parametrize("model", ["t2", "dti", "flow"])
def test_an_interrupted_fit_continues(tmp_path, series, model, capsys, monkeypatch):
    shape, options = series[0].shape, []
    if model == "t2":
        arrays, options = {"images": series[1]}, ["--times", ",".join(map(str, TE))]
    elif model == "dti":
        directions = np.concatenate([np.eye(3)[:1], np.eye(3), np.sqrt(0.5) * (1 - np.eye(3))])
        b = np.array([0.0] + [1000.0] * 6)
        images = ops.signal_diffusion_tensor(
            50.0, torch.full((6, *shape), 2e-10), torch.from_numpy(b * 1e6), torch.from_numpy(directions)
        )
        arrays, options = (
            {"images": images.numpy(), "b": b, "n": directions},
            ["--b-values", "@b", "--directions", "@n"],
        )
    else:
        (tmp_path / "flow.json").write_text(json.dumps({"encoding": [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]}))
        phase = np.linspace(-0.5, 0.5, 4 * math.prod(shape)).reshape(4, *shape)
        arrays, options = {"images": np.exp(1j * phase)}, ["--sequence", str(tmp_path / "flow.json")]
    np.savez(tmp_path / "in.npz", **arrays)
    arguments = ["qmri", str(tmp_path / "in.npz"), "--model", model, "-q", "--slice-axis", "1", *options]
    assert main([*arguments, "-o", str(tmp_path / "whole")]) == 0

    calls, real = [], qmri_slices.fit

    def stopped(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(qmri_slices, "fit", stopped)
    out = tmp_path / "maps"
    assert main([*arguments, "-o", str(out)]) == 130
    assert "finished slices are kept, the same command continues" in capsys.readouterr().err
    assert not (out / "report.json").exists()
    assert main([*arguments, "-o", str(out)]) == 0
    assert json.loads((out / "report.json").read_text())["slices"] == {"total": 2, "computed in this run": 1}
    maps = sorted(path.name for path in (tmp_path / "whole").glob("*.nii.gz"))
    assert maps == sorted(path.name for path in out.glob("*.nii.gz"))
    for name in maps:
        ours, theirs = (nibabel.load(folder / name).get_fdata() for folder in (out, tmp_path / "whole"))
        np.testing.assert_array_equal(ours, theirs)
    # The same once more has nothing to do; other settings and --restart begin anew.
    for more, computed in (([], 0), (["--noise", "0.5"], 2), (["--noise", "0.5", "--restart"], 2)):
        assert main([*arguments, *more, "-o", str(out)]) == 0
        assert json.loads((out / "report.json").read_text())["slices"]["computed in this run"] == computed


def test_an_unwritable_folder_is_named_before_the_work(tmp_path, series, capsys, monkeypatch):
    np.savez(tmp_path / "in.npz", images=series[1])
    monkeypatch.setattr(qmri_slices, "fit", lambda *_, **__: pytest.fail("fitted before the folder was looked at"))
    arguments = ["qmri", str(tmp_path / "in.npz"), "--model", "t2", "--times", "1,2,3,4", "-q"]
    assert main([*arguments, "-o", "/proc/maps"]) == 1
    assert "output: folder /proc/maps" in capsys.readouterr().err
    monkeypatch.setattr("os.access", lambda *_: False)
    assert main([*arguments, "-o", str(tmp_path / "maps")]) == 1
    assert "maps/png is not writable" in capsys.readouterr().err


def test_maps_of_another_model_are_not_left_over(tmp_path, series):
    np.savez(tmp_path / "in.npz", images=series[1])
    out = tmp_path / "maps"
    common = ["qmri", str(tmp_path / "in.npz"), "--times", ",".join(map(str, TE)), "-o", str(out), "-q"]
    assert main([*common, "--model", "t2"]) == 0
    others = [out / "t2_mine.nii.gz", out / "png" / "other.png"]
    for other in others:
        other.write_bytes(b"not of this command")
    assert main([*common, "--model", "t2star"]) == 0
    kept = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file() and ".slices" not in p.parts}
    assert "t2star.nii.gz" in kept and "png/t2star.png" in kept and all(other.exists() for other in others)
    assert not kept & {"t2.nii.gz", "t2_std.nii.gz", "png/t2.png"}


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("t2.nii.gz", ["t2.nii.gz", "--model", "t2", "--times", "1,2,3,4"]),
        ("noise.nii.gz", ["in.npz", "--model", "t2", "--times", "1,2,3,4", "--mask", "noise.nii.gz"]),
        ("m0.nii.gz", ["in.npz", "--model", "t2", "--times", "1,2,3,4", "--fix", "m0=m0.nii.gz"]),
        ("b1.nii.gz", ["in.npz", "--model", "mrf", "--sequence", "train.json", "--b1", "b1.nii.gz"]),
    ],
)
def test_inputs_are_not_overwritten(tmp_path, series, capsys, monkeypatch, name, extra):
    monkeypatch.chdir(tmp_path)
    images = series[1]
    np.savez("in.npz", images=images)
    (tmp_path / "train.json").write_text('{"flip_angle": [1, 1, 1, 1], "repetition_time": 0.01, "echo_time": 0.003}')
    values = images if name == "t2.nii.gz" else np.ones_like(images[0])
    nibabel.save(nibabel.Nifti1Image(values.transpose(*reversed(range(values.ndim))), np.eye(4)), name)
    before = (tmp_path / name).read_bytes()
    assert main(["qmri", *extra, "-o", "."]) == 1
    assert (
        f"output: expected a folder whose results do not overwrite an input, got that of {name}"
        in capsys.readouterr().err
    )
    assert (tmp_path / name).read_bytes() == before
