"""`mriops qmri --model mrf`: from images and from k-space, known B1, a run that is continued, files named in errors."""

import csv
import json
import math
import os

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from mriops import ops, phantoms, trajectories
from mriops.cli import main
from mriops.cli.qmri_design import read_columns, read_train
from mriops.signals import PulseTrain

PULSES, SIZE = 120, (24, 20)
ANGLES = [5 + 50 * abs(math.sin(2 * math.pi * i / PULSES)) + 10 * (i % 7 == 0) for i in range(PULSES)]
TRAIN = PulseTrain([math.radians(a) for a in ANGLES], 0.013, 0.004, 0.02)
GRID = ["--t1", "0.2:3:40", "--t2", "0.02:0.4:40"]


def truth() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """T1, T2 and a complex M0 with a dark border."""
    y, x = torch.meshgrid(torch.linspace(0, 1, SIZE[0]), torch.linspace(0, 1, SIZE[1]), indexing="ij")
    m0 = torch.polar(50 + 20 * x, 3 * y) * ((y > 0.1) & (y < 0.9))
    return 0.5 + 1.5 * y, 0.04 + 0.15 * x, m0


def images(b1: torch.Tensor | None = None) -> torch.Tensor:
    t1, t2, m0 = truth()
    field = None if b1 is None else b1.reshape(-1)
    return TRAIN.signal(t1.reshape(-1), t2.reshape(-1), field).reshape(PULSES, *SIZE) * m0


@pytest.fixture
def sequence(tmp_path):
    path = tmp_path / "train.json"
    path.write_text(
        json.dumps({"flip_angle_deg": ANGLES, "repetition_time_ms": 13, "echo_time_ms": 4, "inversion_time_ms": 20})
    )
    return path


def load(folder, name: str) -> np.ndarray:
    return nibabel.load(folder / f"{name}.nii.gz").get_fdata().transpose(2, 1, 0)


def median_error(found: np.ndarray, expected: torch.Tensor) -> float:
    inside = truth()[2].abs().numpy() > 0
    return float(np.median(np.abs(found[inside] / expected.numpy()[inside] - 1)))


@pytest.mark.parametrize("kind", ["complex", "magnitude", "signed"])
def test_images(tmp_path, sequence, kind, capsys) -> None:
    series = images()
    t1, t2, m0 = truth()
    if kind == "magnitude":
        series = series.abs()
    if kind == "signed":  # fingerprints of a train without phases lie on one axis
        series = (series / torch.polar(torch.ones(()), torch.angle(m0)) * -1j).real
    np.savez(tmp_path / "in.npz", images=series.numpy())
    extra = ["--signed"] if kind == "signed" else []
    arguments = ["qmri", str(tmp_path / "in.npz"), "--model", "mrf", "--sequence", str(sequence), *GRID, *extra]
    assert main([*arguments, "-o", str(tmp_path / "maps")]) == 0
    out = tmp_path / "maps"
    # Entries lie 7 and 8 % apart; between them the parabola is good to a tenth of that.
    assert median_error(load(out, "t1")[0], t1) < 0.01 and median_error(load(out, "t2")[0], t2) < 0.01
    assert median_error(load(out, "m0")[0], m0.abs()) < 0.02
    assert np.isnan(load(out, "t1")[0][m0.abs().numpy() == 0]).all()
    assert min(Image.open(out / "png" / "t2.png").size) > 200
    report = json.loads((out / "report.json").read_text())
    assert report["maps"]["t1"]["unit"] == "s" and report["dictionary"] == {"entries": 1600, "rank": 10}
    assert report["slices"] == {"total": 1, "computed in this run": 1} and (out / "t1_std.nii.gz").exists()
    assert "t2" in capsys.readouterr().out
    assert main([*arguments, "-o", str(out), "-q"]) == 0
    assert json.loads((out / "report.json").read_text())["slices"]["computed in this run"] == 0
    assert main([*arguments, "-o", str(out), "-q", "--rank", "8"]) == 0
    assert json.loads((out / "report.json").read_text())["slices"]["computed in this run"] == 1
    assert not list(out.rglob(".tmp-*"))


def test_other_settings_leave_what_is_not_theirs(tmp_path, sequence) -> None:
    series = images()[:, None].abs().numpy().transpose(3, 2, 1, 0)
    nibabel.save(nibabel.Nifti1Image(series, np.eye(4)), tmp_path / "in.nii.gz")
    (tmp_path / "png").mkdir()
    (tmp_path / "png" / "mine.png").write_bytes(b"mine")
    arguments = ["qmri", str(tmp_path / "in.nii.gz"), "--model", "mrf", "--sequence", str(sequence), *GRID, "-q"]
    assert main([*arguments, "-o", str(tmp_path)]) == 0
    assert main([*arguments, "-o", str(tmp_path), "--rank", "8"]) == 0
    assert (tmp_path / "in.nii.gz").exists() and (tmp_path / "png" / "mine.png").exists()


@pytest.mark.parametrize("name", ["b1", "mask"])
def test_another_map_of_the_same_name_is_another_run(tmp_path, sequence, name) -> None:
    np.savez(tmp_path / "in.npz", images=images().numpy())
    arguments = ["qmri", str(tmp_path / "in.npz"), "--model", "mrf", "--sequence", str(sequence), *GRID, "-q"]
    found = []
    for fill in (1.0, 0.0 if name == "mask" else 0.8):
        values = np.ones(SIZE, np.float32)
        values[SIZE[0] // 2 :] = fill
        np.save(tmp_path / "map.npy", values)
        os.utime(tmp_path / "map.npy", ns=(0, int(1e9 * (2 + fill))))  # copies may be made within one tick of the clock
        assert main([*arguments, f"--{name}", str(tmp_path / "map.npy"), "-o", str(tmp_path / "maps")]) == 0
        found.append(np.nan_to_num(load(tmp_path / "maps", "t2")))
    assert not np.array_equal(*found)


def test_deviation_is_the_scatter(tmp_path, sequence) -> None:
    clean = TRAIN.signal(torch.tensor([1.1]), torch.tensor([0.09]))[:, :, None].expand(-1, 24, 20)
    noise = torch.randn(PULSES, *SIZE, 2, generator=torch.Generator().manual_seed(0))
    np.savez(tmp_path / "in.npz", images=(clean + 0.01 * torch.view_as_complex(noise)).numpy())
    arguments = ["qmri", str(tmp_path / "in.npz"), "--model", "mrf", "--sequence", str(sequence), *GRID, "-q"]
    assert main([*arguments, "-o", str(tmp_path / "maps")]) == 0
    for name in ("t1", "t2"):
        # 480 voxels: 3 % scatter of their deviation; the rest is the parabola.
        ratio = load(tmp_path / "maps", name).std() / np.median(load(tmp_path / "maps", f"{name}_std"))
        assert ratio == pytest.approx(1, abs=0.2)


def test_known_and_fitted_field(tmp_path, sequence) -> None:
    b1 = torch.linspace(0.8, 1.1, SIZE[1]).expand(SIZE).contiguous()
    np.savez(tmp_path / "in.npz", images=images(b1).numpy(), b1=b1.numpy())
    arguments = ["qmri", str(tmp_path / "in.npz"), "--model", "mrf", "--sequence", str(sequence), *GRID, "-q"]
    t1, t2, _ = truth()
    assert main([*arguments, "--b1", "@b1", "-o", str(tmp_path / "known")]) == 0
    assert not (tmp_path / "known" / "b1.nii.gz").exists()
    assert main([*arguments, "--b1-grid", "0.7:1.2:11", "-o", str(tmp_path / "fitted")]) == 0
    assert main([*arguments, "-o", str(tmp_path / "ignored")]) == 0
    errors = {kind: median_error(load(tmp_path / kind, "t2")[0], t2) for kind in ("known", "fitted", "ignored")}
    assert errors["known"] < 0.02 and errors["fitted"] < 0.05 < errors["ignored"]
    assert median_error(load(tmp_path / "known", "t1")[0], t1) < 0.01
    assert median_error(load(tmp_path / "fitted", "b1")[0], b1) < 0.02


@pytest.mark.parametrize("kind", ["radial", "cartesian"])
def test_kspace_through_the_subspace(tmp_path, sequence, kind) -> None:
    maps = phantoms.fourier_coils(6).maps(SIZE).to(torch.complex64)
    if kind == "radial":
        path = trajectories.radial(SIZE, 3 * PULSES, 40).unflatten(0, (PULSES, 3))
        kspace = ops.sense_nufft(images(), maps, path.flatten(1, 2), eps=1e-5).unflatten(-1, (3, 40))
        arrays = {"trajectory": path.numpy()}
    else:
        mask = torch.stack([trajectories.mask_equispaced(SIZE, 4, acs=0, offset=i % 4) for i in range(PULSES)])
        kspace = ops.sense(images(), maps, mask)
        arrays = {"mask": mask.numpy()}
    both = kspace.expand(2, *kspace.shape).numpy()  # two slices
    np.savez(tmp_path / "in.npz", kspace=both, csm=maps.numpy(), **arrays)
    arguments = ["qmri", str(tmp_path / "in.npz"), "--model", "mrf", "--sequence", str(sequence), *GRID, "-q"]
    arguments += ["--rank", "5", "--l2", "1e-5", "-o", str(tmp_path / "maps")]
    assert main(arguments) == 0
    t1, t2, _ = truth()
    found = load(tmp_path / "maps", "t1")
    assert found.shape == (2, *SIZE) and not (tmp_path / "maps" / "t1_std.nii.gz").exists()
    # Spokes leave out the corners of k-space, and the object has edges.
    assert median_error(found[1], t1) < 0.03 and median_error(load(tmp_path / "maps", "t2")[1], t2) < 0.05


def test_trains_from_csv_and_npz(tmp_path, sequence) -> None:
    expected = read_train(sequence)
    with (tmp_path / "train.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["flip_angle_deg", "repetition_time_ms", "echo_time_ms", "inversion_time_ms", "spoiling"])
        writer.writerows([a, 13, 4, 20, "gradient"] for a in ANGLES)
    found = read_train(tmp_path / "train.csv")
    assert found.flip_angle == expected.flip_angle and found.inversion_time == expected.inversion_time
    assert found.repetition_time == pytest.approx([0.013] * PULSES) and found.spoiling == "gradient"
    np.savez(tmp_path / "train.npz", flip_angle=np.deg2rad(ANGLES), repetition_time=0.013, echo_time=0.004)
    assert read_train(tmp_path / "train.npz").repetition_time == 0.013


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a readable json file"),
        ("[1]", "expected an object of names, got list"),
        ('{"flip_angle_deg": [1, 2]}', "got no repetition_time, echo_time"),
        ('{"flip_angle": [1], "repetition_time": 1, "echo_time": 0, "flips": 2}', "got also flips"),
        ('{"flip_angle": [1, "a"], "repetition_time": 1, "echo_time": 0}', "flip_angle: expected numbers, got"),
        ('{"flip_angle": [1], "flip_angle_deg": [1]}', "expected flip_angle once, got it twice"),
        ('{"flip_angle": [0.1, 0.2], "repetition_time": [1], "echo_time": 0}', "repetition_time: expected 2 values"),
        ('{"flip_angle": [0.1], "repetition_time": 0.01, "echo_time": 0.02}', "echo_time"),
        ('{"flip_angle": [0.1, 0.2], "repetition_time": 0.01, "echo_time": 0}', "expected 2 images, as many as pulses"),
    ],
)
def test_sequences_that_are_none(tmp_path, capsys, text, message) -> None:
    (tmp_path / "train.json").write_text(text)
    np.savez(tmp_path / "in.npz", images=np.ones((1, *SIZE), np.complex64))
    arguments = ["qmri", str(tmp_path / "in.npz"), "--model", "mrf", "--sequence", str(tmp_path / "train.json")]
    assert main([*arguments, "-o", str(tmp_path / "maps")]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("mriops: error:")]
    assert len(lines) == 1 and message in lines[0]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ([], "--sequence: expected a file with flip angles and times"),
        (["--sequence", "none.json"], "none.json: no such file"),
        (["--sequence", "SEQUENCE", "--t1", "a"], "--t1: expected FIRST:LAST:COUNT or positive numbers, got 'a'"),
        (["--sequence", "SEQUENCE", "--t2=-1,2"], "t2: expected increasing positive values"),
        (["--sequence", "SEQUENCE", "--fix", "t2=1"], "--fix: expected another model, got mrf"),
        (["--sequence", "SEQUENCE", "--rician"], "--rician: expected another model, got mrf"),
        (["--sequence", "SEQUENCE", "--tr", "1"], "--tr: expected another model, got mrf"),
        (["--sequence", "SEQUENCE", "--times", "1"], "--times: expected another model, got mrf"),
        (["--sequence", "SEQUENCE", "--im-size", "1,2"], "--im-size: expected k-space in"),
        (["--sequence", "SEQUENCE", "--max-iter", "30"], "--max-iter: expected k-space in"),
    ],
)
def test_arguments_that_are_none(tmp_path, sequence, capsys, extra, message) -> None:
    np.savez(tmp_path / "in.npz", images=images().numpy())
    extra = [str(sequence) if part == "SEQUENCE" else part for part in extra]
    arguments = ["qmri", str(tmp_path / "in.npz"), "--model", "mrf", *extra, "-o", str(tmp_path / "maps")]
    assert main(arguments) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["radial", "cartesian"])
def test_kspace_that_is_sampled_otherwise_in_each_slice(tmp_path, sequence, kind) -> None:
    maps = phantoms.fourier_coils(4).maps(SIZE).to(torch.complex64)
    if kind == "radial":
        path = trajectories.radial(SIZE, 3 * PULSES, 40).unflatten(0, (PULSES, 3))
        stack = torch.stack([path, path.flip(0)])
        kspace = torch.stack(
            [ops.sense_nufft(images(), maps, p.flatten(1, 2), eps=1e-5).unflatten(-1, (3, 40)) for p in stack]
        )
        arrays = {"trajectory": stack.numpy(), "dcf": torch.ones(2, PULSES, 3, 40).numpy()}
    else:
        lines = [
            [trajectories.mask_equispaced(SIZE, 4, acs=0, offset=(i + s) % 4) for i in range(PULSES)] for s in (0, 1)
        ]
        stack = torch.stack([torch.stack(masks) for masks in lines])
        kspace = torch.stack([ops.sense(images(), maps, masks) for masks in stack])
        arrays = {"mask": stack.numpy()}
    out = []
    for name, s in (("both", slice(None)), ("first", slice(1)), ("second", slice(1, 2))):
        parts = {key: values[s] for key, values in arrays.items()}
        np.savez(tmp_path / "in.npz", kspace=kspace[s].numpy(), csm=maps.numpy(), **parts)
        arguments = ["qmri", str(tmp_path / "in.npz"), "--model", "mrf", "--sequence", str(sequence), "-q"]
        arguments += ["--t1", "0.4:2:8", "--t2", "0.03:0.2:8", "--rank", "4", "--max-iter", "6"]
        assert main([*arguments, "-o", str(tmp_path / name)]) == 0
        out.append(load(tmp_path / name, "t1"))
    np.testing.assert_array_equal(out[0], np.concatenate(out[1:]))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"mask": np.ones(24)},
            "in.npz: mask: expected ([slices,] frames, y, x) or (y, x) for 1 slices of (120, 24, 24), got (24,)",
        ),
        ({"mask": np.ones((2, PULSES, 24, 24))}, "in.npz: mask: expected ([slices,] frames, y, x)"),
        ({"dcf": np.ones((PULSES, 24, 24))}, "in.npz: dcf: expected none without trajectory, got (120, 24, 24)"),
        (
            {"trajectory": np.zeros((PULSES, 24, 24, 2)), "mask": np.ones((24, 24))},
            "in.npz: mask: expected none with trajectory, got (24, 24)",
        ),
        (
            {"trajectory": np.zeros((7, 24, 24, 2))},
            "in.npz: trajectory: expected ([slices,] frames, shots",
        ),
        ({"csm": np.ones((1, 20, 20), np.complex64)}, "--im-size: expected that of csm (20, 20), got (24, 24)"),
        (
            {"kspace": np.ones((PULSES, 1, 20, 20), np.complex64)},
            "im_size: expected the size of kspace (20, 20), got (24, 24)",
        ),
    ],
)
def test_what_is_beside_kspace_and_does_not_fit(tmp_path, sequence, capsys, arrays, message) -> None:
    np.savez(tmp_path / "in.npz", **{"kspace": np.ones((PULSES, 1, 24, 24), np.complex64), **arrays})
    arguments = ["qmri", str(tmp_path / "in.npz"), "--model", "mrf", "--sequence", str(sequence), "--im-size", "24,24"]
    assert main([*arguments, "-o", str(tmp_path / "maps")]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("broken", ["cut", "objects"])
def test_a_file_of_kspace_that_cannot_be_read_is_named(tmp_path, sequence, capsys, broken) -> None:
    kspace = np.ones((PULSES, 1, 8, 8), np.complex64) if broken == "cut" else np.array({}, dtype=object)
    np.savez(tmp_path / "in.npz", kspace=kspace)
    if broken == "cut":
        (tmp_path / "in.npz").write_bytes((tmp_path / "in.npz").read_bytes()[:-20])
    assert main(["qmri", str(tmp_path / "in.npz"), "--model", "mrf", "--sequence", str(sequence)]) == 1
    words = "expected a complete file, got a damaged one" if broken == "cut" else "expected arrays of numbers"
    assert f"in.npz: {words}" in capsys.readouterr().err


def test_few_entries_have_few_singular_vectors(tmp_path, sequence) -> None:
    np.savez(tmp_path / "in.npz", images=images().numpy())
    arguments = ["qmri", str(tmp_path / "in.npz"), "--model", "mrf", "--sequence", str(sequence), "-q"]
    assert main([*arguments, "--t1", "1.1", "--t2", ".08,.05", "-o", str(tmp_path / "maps")]) == 0
    report = json.loads((tmp_path / "maps" / "report.json").read_text())
    assert report["dictionary"] == {"entries": 2, "rank": 2}


def test_an_infinite_field_is_outside(tmp_path, sequence) -> None:
    b1 = torch.ones(SIZE)
    b1[10, 3:6] = torch.tensor([math.inf, math.nan, -math.inf])
    np.savez(tmp_path / "in.npz", images=images().numpy(), b1=b1.numpy())
    arguments = ["qmri", str(tmp_path / "in.npz"), "--model", "mrf", "--sequence", str(sequence), *GRID, "-q"]
    assert main([*arguments, "--b1", "@b1", "-o", str(tmp_path / "maps")]) == 0
    inside = np.isfinite(load(tmp_path / "maps", "t1")[0][10])
    assert not inside[3:6].any() and inside[:3].all() and inside[6:].all()


def test_kspace_that_does_not_fit(tmp_path, sequence, capsys) -> None:
    np.savez(tmp_path / "in.npz", kspace=np.ones((7, 2, *SIZE), np.complex64))
    arguments = ["qmri", str(tmp_path / "in.npz"), "--model", "mrf", "--sequence", str(sequence)]
    assert main([*arguments, "-o", str(tmp_path / "maps")]) == 1
    assert "kspace: expected complex ([slices,] 120 frames" in capsys.readouterr().err


def test_columns_that_are_none(tmp_path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n3\n")
    with pytest.raises(ValueError, match="line 3: expected 2 values, got 1"):
        read_columns(tmp_path / "a.csv")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ValueError, match=r"expected a file \.json, \.csv or \.npz"):
        read_columns(tmp_path / "a.txt")
