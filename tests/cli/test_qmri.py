"""`mriops qmri`: maps in SI units with the geometry of the input, pictures, report, errors in one line."""

import json
import math

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from mriops import ops
from mriops.cli import main
from mriops.cli.qmri_derived import derived
from mriops.cli.qmri_models import MODELS
from mriops.cli.qmri_options import QMRI_MODELS
from mriops.cli.qmri_water_fat import fat_peaks
from mriops.signals import FitResult, SignalOp, fat_spectrum, fit

from .conftest import TE


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
        (["--model", "waterfat", "--times", "1,2,3,4", "--field", "3"], "expected complex images"),
        (["--model", "t2", "--times", "1,2,3,4", "--no-decay"], "--no-decay: expected the model waterfat, got t2"),
    ],
)
def test_errors_are_one_line(tmp_path, series, capsys, extra, message):
    np.savez(tmp_path / "in.npz", images=series[1])
    assert main(["qmri", str(tmp_path / "in.npz"), "-o", str(tmp_path / "maps"), *extra]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in lines if line.startswith("mriops: error:")]) == 1
    assert message in lines[-1]


@pytest.mark.parametrize("name", ["cut.npz", "cut.nii.gz", "cut.nii"])
def test_a_damaged_file_is_named(tmp_path, series, capsys, name):
    if name == "cut.npz":
        np.savez(tmp_path / name, images=series[1])
    else:
        nibabel.save(nibabel.Nifti1Image(np.moveaxis(series[1], 0, -1).astype(np.float32), np.eye(4)), tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[:-20])
    out = tmp_path / "maps"
    assert main(["qmri", str(tmp_path / name), "--model", "t2", "--times", "1,2,3,4", "-o", str(out)]) == 1
    error = capsys.readouterr().err
    assert f"{name}: expected a complete file, got a damaged one" in error and error.count("\n") == 1
    assert not out.exists()


def test_a_missing_file_is_named(tmp_path, capsys):
    assert main(["qmri", str(tmp_path / "no.npz"), "--model", "t2", "--times", "1"]) == 1
    assert "no such file" in capsys.readouterr().err


@pytest.fixture
def echoes(tmp_path):
    """Six echoes of known water, fat, field and decay in an npz file, and the truth."""
    te = [0.0012 + 0.0009 * i for i in range(6)]
    fraction = torch.linspace(0.1, 0.9, 20).reshape(4, 5)
    off, r2star = torch.linspace(-60, 60, 20).reshape(4, 5), torch.full((4, 5), 30.0)
    phase = torch.polar(torch.tensor(50.0), torch.tensor(0.4))
    images = ops.signal_water_fat((1 - fraction) * phase, fraction * phase, off, r2star, te, *fat_spectrum(3.0))
    np.savez(tmp_path / "in.npz", images=images.numpy(), te=te)
    return tmp_path / "in.npz", {"fat_fraction": fraction, "off_resonance": off, "r2star": r2star, "fat": 50 * fraction}


def test_water_and_fat(tmp_path, echoes):
    file, truth = echoes
    arguments = ["qmri", str(file), "--model", "waterfat", "--times", "@te", "--field", "3", "-q"]
    assert main([*arguments, "-o", str(tmp_path / "maps")]) == 0
    for name, expected in truth.items():
        found = nibabel.load(tmp_path / "maps" / f"{name}.nii.gz").get_fdata()[..., 0].T
        # Single precision: 1e-7 of the signal, times the condition of six echoes over 4.5 ms.
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=0.02 if name == "off_resonance" else 0)
        assert (tmp_path / "maps" / f"{name}_std.nii.gz").exists()
    report = json.loads((tmp_path / "maps" / "report.json").read_text())
    assert len(report["design"]["fat_frequency"]) == 6 and report["voxels"]["converged"] == 20
    single = [*arguments, "--peaks=-3.4:2", "--no-decay", "-o", str(tmp_path / "single")]
    assert main(single) == 0
    report = json.loads((tmp_path / "single" / "report.json").read_text())
    assert report["design"]["fat_amplitude"] == [1.0] and "r2star" not in report["maps"]


def test_voxels_at_bounds_are_counted(tmp_path, capsys):
    """Spin echoes taken for an inversion recovery: T1 falls to its bound. Those of their own model are inside."""
    te = [0.01, 0.02, 0.04, 0.08]
    images = ops.signal_mono_exponential(100.0, torch.linspace(0.04, 0.1, 20).reshape(4, 5), te)
    np.savez(tmp_path / "in.npz", images=images.numpy(), te=te)
    arguments = ["qmri", str(tmp_path / "in.npz"), "--times", "@te", "--signed"]
    for model, name, count in (("ir", "t1", 20), ("t2", "t2", 0)):
        assert main([*arguments, "--model", model, "-o", str(tmp_path / model)]) == 0
        report = json.loads((tmp_path / model / "report.json").read_text())
        assert report["maps"][name]["at_bounds"] == count
        assert ("20 voxels at its bounds" in capsys.readouterr().out) == (count > 0)


@pytest.mark.parametrize(("last", "count", "least", "most"), [(0.0112, 6, 0.85, 0.99), (0.03, 12, 0.0, 0.2)])
def test_water_and_fat_are_not_swapped_between_starts(tmp_path, last, count, least, most):
    """Nearly pure fat in six echoes, nearly pure water in twelve that end late, at any off-resonance."""
    te = np.linspace(0.0012, last, count).tolist()
    fraction = torch.linspace(least, most, 20)[:, None].expand(20, 20)
    off = torch.linspace(-50, 50, 20)[None].expand(20, 20)
    images = ops.signal_water_fat(100 * (1 - fraction) + 0j, 100 * fraction + 0j, off, 40.0, te, *fat_spectrum(3.0))
    np.savez(tmp_path / "in.npz", images=images.numpy().astype(np.complex64), te=te)
    arguments = ["qmri", str(tmp_path / "in.npz"), "--model", "waterfat", "--times", "@te", "--field", "3", "-q"]
    assert main([*arguments, "-o", str(tmp_path / "maps")]) == 0
    found = nibabel.load(tmp_path / "maps" / "fat_fraction.nii.gz").get_fdata()[..., 0].T
    np.testing.assert_allclose(found, fraction, rtol=0, atol=2e-3)


def test_deviation_of_the_fat_fraction():
    """Against the scatter of noisy voxels: where water and fat are told apart well they are nearly uncorrelated."""
    te = [0.0012 + 0.0008 * i for i in range(6)]
    op = SignalOp("water_fat", echo_time=te, **fat_peaks(3.0, "-3.4:1"))
    fixed = {"off_resonance": 0.0, "r2star": 0.0}
    g = torch.Generator().manual_seed(0)
    clean = op(water=torch.full((4000,), 0.7 + 0j), fat=torch.full((4000,), 0.3 + 0j), off_resonance=0.0, r2star=0.0)
    noise = 0.02 * torch.randn(*clean.shape, 2, generator=g)
    part = derived("water_fat", fit(op, clean + torch.view_as_complex(noise), fixed=fixed, noise=0.02))
    fraction, deviation = part.parameters["fat_fraction"], part.uncertainty["fat_fraction"]
    assert fraction.mean() == pytest.approx(0.3, abs=0.003)
    # A standard deviation of 4000 samples scatters by 1.1 %; the rest is what the correlation is allowed to take.
    assert fraction.std() / deviation.mean() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(
    ("model", "made_of", "name", "values", "spread"),
    [
        ("diffusion_tensor", "diffusion_tensor", "fa", [1.0, 1, 1, 0, 0, 0], [0.01, 0.02, 0.03, 0.01, 0.02, 0.03]),
        ("phase_contrast", "velocity", "speed", [0.0, 0, 0], [0.1, 0.2, 0.3]),
    ],
)
def test_deviation_of_a_length_of_zero(model, made_of, name, values, spread):
    """That of the scatter: an isotropic tensor and no flow, where the length has no derivative."""
    base, sigma = torch.tensor([values, spread])[..., None]
    unset = torch.zeros(1)
    part = derived(model, FitResult({made_of: base}, {made_of: sigma}, unset, unset, unset))
    noisy = base + sigma * torch.randn(len(values), 40000, generator=torch.Generator().manual_seed(0))
    scatter = derived(model, FitResult({made_of: noisy}, {made_of: sigma.expand_as(noisy)}, unset, unset, unset))
    assert part.parameters[name] == 0
    expected = scatter.parameters[name].square().mean().sqrt()
    # The mean of 40,000 squares scatters by less than 1 %; the anisotropy is linear in the noise to that too.
    torch.testing.assert_close(part.uncertainty[name], expected.reshape(1), rtol=0.02, atol=0)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ([], "--field: expected the field strength [T] for the model waterfat, got None"),
        (["--field", "3", "--peaks", "1"], "--peaks: expected PPM:AMPLITUDE separated by commas"),
        (["--field", "3", "--peaks", "1:0"], "--peaks: expected PPM:AMPLITUDE separated by commas"),
    ],
)
def test_spectra_that_are_none(tmp_path, echoes, capsys, extra, message):
    arguments = ["qmri", str(echoes[0]), "--model", "waterfat", "--times", "@te", "-o", str(tmp_path / "maps")]
    assert main([*arguments, *extra]) == 1
    assert message in capsys.readouterr().err


def test_measured_acetone_in_water(tmp_path, data_dir):
    stored = np.load(data_dir / "acetone_dixon_3t/acetone_dixon_3t.npz")
    images = ops.ifft(torch.from_numpy(stored["kspace"]), (-2, -1)).numpy()
    np.savez(tmp_path / "in.npz", images=images, te=stored["TE_s"])
    arguments = ["qmri", str(tmp_path / "in.npz"), "--model", "waterfat", "--times", "@te", "--field", "3", "-q"]
    arguments += ["--peaks=-2.8:1", "--no-decay", "--threshold", "0.1", "-o", str(tmp_path / "maps")]
    assert main(arguments) == 0
    fraction = nibabel.load(tmp_path / "maps" / "fat_fraction.nii.gz").get_fdata()[..., 0]
    inside = np.isfinite(fraction)
    assert np.median(fraction[inside]) < 0.1  # the bath
    assert (fraction[inside] > 0.7).mean() > 0.05  # vials of nearly pure acetone


def test_every_model_is_offered():
    assert set(QMRI_MODELS) == {*MODELS, "mrf"}


def volume(*values: float) -> list[torch.Tensor]:
    """Maps (2, 3) that grow by a tenth."""
    return [value * torch.linspace(0.95, 1.05, 6).reshape(2, 3) for value in values]


def run(tmp_path, images, model, *extra, sequence=None, **arrays):
    np.savez(tmp_path / "in.npz", images=images.numpy(), **arrays)
    arguments = ["qmri", str(tmp_path / "in.npz"), "--model", model, *extra, "-q", "-o", str(tmp_path / "maps")]
    if sequence is not None:
        (tmp_path / "scan.json").write_text(json.dumps(sequence))
        arguments += ["--sequence", str(tmp_path / "scan.json")]
    assert main(arguments) == 0

    def load(name):
        return nibabel.load(tmp_path / "maps" / f"{name}.nii.gz").get_fdata()[:, :, 0].swapaxes(0, 1)

    return load


def test_look_locker(tmp_path):
    (t1,) = volume(1.2)
    times = [0.1 * 1.4**i for i in range(10)]
    images = ops.signal_look_locker(10.0, t1, times, math.radians(8), 0.006)
    load = run(
        tmp_path, images, "looklocker", "--signed", "--times", "@t", "--angles", "8", "--tr", "0.006",
        "--fix", "efficiency=1", t=times,
    )  # fmt: skip
    np.testing.assert_allclose(load("t1"), t1, rtol=1e-3)


def test_mp2rage(tmp_path):
    (t1,) = volume(1.2)
    scan = {
        "delay": [0.6, 1.0], "flip_angle_deg": [4, 5], "repetition_time": 0.007, "n_before": 80, "n_after": 80,
        "final_delay": 1.2,
    }  # fmt: skip
    flips = [math.radians(a) for a in scan["flip_angle_deg"]]
    images = ops.signal_mp2rage(10.0, t1, scan["delay"], flips, 0.007, 80, 80, 1.2)
    np.testing.assert_allclose(run(tmp_path, images, "mp2rage", sequence=scan)("t1"), t1, rtol=2e-3)


def test_diffusion_tensor(tmp_path):
    (scale,) = volume(1.0)
    tensor = 1e-9 * torch.tensor([1.5, 0.4, 0.3, 0.1, 0.0, 0.05])[:, None, None] * scale
    g = torch.Generator().manual_seed(0)
    directions = torch.randn(20, 3, generator=g)
    b = [0.0, *[1000.0] * 20]
    unit = torch.cat([torch.zeros(1, 3), directions / directions.norm(dim=1, keepdim=True)])
    images = ops.signal_diffusion_tensor(100.0, tensor, 1e6 * torch.tensor(b), unit)
    np.savetxt(tmp_path / "bvec", 3 * unit.T)  # lengths do not matter
    load = run(tmp_path, images, "dti", "--b-values", "@b", "--directions", str(tmp_path / "bvec"), b=b)
    np.testing.assert_allclose(load("md"), tensor[:3].mean(0), rtol=1e-3)
    xx, yy, zz, xy, xz, yz = tensor[:, 0, 0].tolist()
    values = np.linalg.eigvalsh([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    fa = math.sqrt(1.5 * ((values - values.mean()) ** 2).sum() / (values**2).sum())
    np.testing.assert_allclose(load("fa"), fa, rtol=2e-3)
    assert nibabel.load(tmp_path / "maps" / "diffusion_tensor.nii.gz").shape == (3, 2, 1, 6)
    assert (tmp_path / "maps" / "png" / "fa.png").exists()


@pytest.mark.parametrize("m0", [1.0, 1000.0])
def test_diffusion_kurtosis(tmp_path, m0):
    (scale,) = volume(1.0)
    diffusion = 1e-9 * torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])[:, None, None] * scale
    w = torch.tensor([0.8] * 3 + [0.0] * 6 + [0.8 / 3] * 3 + [0.0] * 3)[:, None, None].expand(15, *scale.shape)
    directions = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    unit = torch.cat([torch.zeros(1, 3), directions / directions.norm(dim=1, keepdim=True)])
    b = [0.0, *[1000.0] * 20, *[2000.0] * 20]
    images = ops.signal_diffusion_kurtosis(m0, diffusion, w, 1e6 * torch.tensor(b), unit)
    load = run(tmp_path, images, "dki", "--b-values", "@b", "--directions", "@d", b=b, d=unit.tolist())
    assert load("converged").all()
    np.testing.assert_allclose(load("md"), 1e-9 * scale, rtol=1e-3)
    found = nibabel.load(tmp_path / "maps" / "kurtosis_tensor.nii.gz").get_fdata()[:, :, 0].transpose(2, 1, 0)
    np.testing.assert_allclose(found, w, rtol=0, atol=2e-3)


def test_b1_without_a_background(tmp_path):
    (t1,) = volume(1.0)
    (b1,) = volume(1.1)
    flips = torch.deg2rad(torch.tensor([3.0, 10.0, 20.0]))
    background = torch.zeros(*t1.shape[:-1], 20)  # more than half of the map
    images = torch.cat([ops.signal_spgr(100.0, t1, flips, 0.005, b1=b1), background.expand(3, *background.shape)], -1)
    field = torch.cat([b1, background], -1)[None].tolist()
    load = run(tmp_path, images, "vfa", "--angles", "3,10,20", "--tr", "0.005", "--b1", "@b1", b1=field)
    np.testing.assert_allclose(load("t1")[:, : t1.shape[-1]], t1, rtol=1e-3)


def test_contrast_agent(tmp_path):
    ktrans, ve = volume(0.003, 0.3)
    times = torch.arange(0, 300, 5.0)
    aif = torch.where(times > 20, 5 * torch.exp(-(times - 20) / 120), 0.0)
    images = ops.signal_tofts(ktrans, ve, time=times, aif=aif)
    scan = {"time": times.tolist(), "aif": aif.tolist()}
    load = run(tmp_path, images, "tofts", "--fix", "vp=0", sequence=scan)
    np.testing.assert_allclose(load("ktrans"), ktrans, rtol=1e-3)
    np.testing.assert_allclose(load("ve"), ve, rtol=1e-3)
    listed = ",".join(map(str, times.tolist()))
    again = run(tmp_path, images, "tofts", "--fix", "vp=0", "--times", listed, sequence={"aif": aif.tolist()})
    np.testing.assert_array_equal(again("ktrans"), load("ktrans"))


def test_perfusion(tmp_path):
    flow, delay = volume(0.01, 0.7)
    times = [1.8 + 0.3 * i for i in range(8)]
    images = ops.signal_asl_continuous(100.0, flow, delay, time=times, label_duration=1.8)
    scan = {"time": times, "label_duration": 1.8}
    m0 = np.full((2, 3), 100.0)
    load = run(tmp_path, images, "pcasl", "--fix", "m0=@m0", sequence=scan, m0=m0)
    np.testing.assert_allclose(load("perfusion"), flow, rtol=2e-3)
    np.testing.assert_allclose(load("transit_time"), delay, rtol=2e-3)


def test_velocity(tmp_path):
    x, y, z = volume(0.3, -0.2, 0.1)
    encoding = (math.pi / 0.8 * torch.cat([torch.zeros(1, 3), torch.eye(3)])).tolist()
    images = ops.signal_phase_contrast(torch.full((2, 3), 5 + 2j), torch.stack([x, y, z]), encoding)
    load = run(tmp_path, images, "flow", sequence={"encoding": encoding})
    np.testing.assert_allclose(load("speed"), (x**2 + y**2 + z**2).sqrt(), rtol=1e-3)
    np.testing.assert_allclose(load("m0"), math.hypot(5, 2), rtol=1e-3)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--model", "tofts"], "--sequence: expected a file with time, aif for the model tofts, got nothing"),
        (["--model", "dti", "--b-values", "0,1,2,3"], "--directions: expected for the model dti"),
        (["--model", "flow", "--sequence", "scan.json"], "expected complex images for the model flow"),
        (["--model", "t2", "--times", "1,2,3,4", "--fix", "t2"], "--fix: expected NAME=NUMBER or NAME=FILE, got 't2'"),
        (["--model", "t2", "--times", "1,2,3,4", "--fix", "t3=1"], "fixed: expected names among m0, t2, got t3"),
        (["--model", "looklocker", "--times", "1,2,3,4"], "--angles: expected for the model looklocker"),
        (["--model", "mp2rage", "--sequence", "scan.json"], "expected the design delay, flip_angle"),
        (
            ["--model", "t2", "--times", "1,2,3,4", "--fix", "t2=no.npy"],
            "--fix t2: expected a file, or @name, got 'no.npy'",
        ),
        (
            ["--model", "t2", "--times", "1,2,3,4", "--mask", "no.nii"],
            "--mask: expected a file, or @name, got 'no.nii'",
        ),
        (["--model", "t2", "--times", "1,2,3,4", "--threshold", "9"], "--threshold: expected voxels to fit, got none"),
        (
            ["--model", "t2", "--times", "1,2,3,4", "--time-axis", "7"],
            "--time-axis: expected an axis from -4 to 3, got 7",
        ),
        (["--model", "t2", "--times", "1,2,3,4", "--slice-axis", "0"], "--slice-axis: expected another axis than"),
    ],
)
def test_measurements_that_are_none(tmp_path, series, capsys, monkeypatch, extra, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scan.json").write_text('{"encoding": [[0, 0, 1]]}')
    np.savez(tmp_path / "in.npz", images=series[1])
    assert main(["qmri", "in.npz", *extra]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--noise", "--tr", "--field"])
@pytest.mark.parametrize("value", ["-1", "0", "nan", "inf", "some"])
def test_numbers_that_are_not_positive(capsys, option, value):
    with pytest.raises(SystemExit) as caught:
        main(["qmri", "in.npz", "--model", "t2", f"{option}={value}"])
    assert (
        caught.value.code == 2 and f"argument {option}: expected a number > 0, got '{value}'" in capsys.readouterr().err
    )
