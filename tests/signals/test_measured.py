"""Fits of measured data: published T1 of others' programs, vials, brain, prostate, kidney, water and acetone."""

import csv
import math

import numpy as np
import pytest
import torch

from mriops import ops
from mriops.signals import SignalOp, fit

GAMMA = 42.577478518e6


def numbers(text):
    return [float(part) for part in text.split()]


@pytest.mark.parametrize(("name", "limit"), [("brain", 1e-4), ("prostate", 1e-5)])
def test_osipi_reference_fits(data_dir, name, limit):
    """The same least-squares minimum as the collection's own programs, to the digits that they give."""
    worst = 0.0
    with open(data_dir / f"references/osipi_t1/t1_{name}_data.csv") as file:
        for row in csv.DictReader(file):
            scale = 1e-3 if name == "prostate" else 1.0
            flips = [math.radians(a) for a in numbers(row["FA"])]
            op = SignalOp("spgr", flip_angle=flips, repetition_time=numbers(row["TR"])[0] * scale)
            result = fit(op, torch.tensor(numbers(row["s"]), dtype=torch.float64)[:, None])
            expected = 1 / float(row["R1"]) if name == "brain" else float(row[" T1 nonlinear"]) * 1e-3
            assert result.converged.all(), row["label"]
            worst = max(worst, abs(result.parameters["t1"].item() / expected - 1))
    assert worst < limit


def test_qiba_digital_reference(data_dir):
    with open(data_dir / "references/osipi_t1/t1_quiba_data.csv") as file:
        for row in csv.DictReader(file):
            op = SignalOp(
                "spgr",
                flip_angle=[math.radians(a) for a in numbers(row["FA"])],
                repetition_time=numbers(row["TR"])[0],
            )
            result = fit(op, torch.tensor(numbers(row["s"]), dtype=torch.float64)[:, None])
            # Integer signals with noise: the true value, within four of the fit's own standard deviations or 1 %.
            error = abs(result.parameters["t1"].item() - 1e-3 / float(row["R1"]))
            assert error < max(4 * result.uncertainty["t1"].item(), 0.01e-3 / float(row["R1"])), row["label"]


def brain(data_dir):
    stored = np.load(data_dir / "vfa_cart_brain/brain_vfa_10fa_4vc.npz")
    csm = torch.from_numpy(stored["csm"])
    images = (csm.conj() * ops.ifft(torch.from_numpy(stored["kspace"]), (-2, -1))).sum(1)
    op = SignalOp(
        "spgr", flip_angle=np.deg2rad(stored["flip_deg"]).tolist(), repetition_time=float(stored["TR_ms"]) * 1e-3
    )
    return op, images, torch.from_numpy(stored["b1_rel"])


def test_brain_t1_of_variable_flip_angles(data_dir):
    op, images, b1 = brain(data_dir)
    magnitude = images.abs()
    mask = magnitude.mean(0) > 0.12 * magnitude.mean(0).max()
    result = fit(op, magnitude, fixed={"b1": b1}, mask=mask)
    assert result.converged[mask].double().mean() > 0.999
    t1 = result.parameters["t1"]
    inside = t1[70:160, 70:160]  # brain alone: white and grey matter, ventricles
    values = inside[inside.isfinite() & (inside > 0.7) & (inside < 2.2)]
    counts = torch.histc(values, 30, 0.7, 2.2)
    white = 0.7 + 0.05 * (int(counts.argmax()) + 0.5)
    # White matter at 3 T: 0.8 to 1.1 s; with variable flip angles up to 1.2 s. Grey matter 1.3 to 1.8 s.
    assert 0.8 < white < 1.25
    grey = values[(values > white + 0.25)].median()
    assert 1.3 < grey < 1.8
    # The noise that the residual shows explains the spread of white matter or less.
    assert result.uncertainty["t1"][mask].median() < 0.2


def test_vials_by_inversion_recovery(data_dir):
    stored = np.load(data_dir / "t1_phantom_irse_vfa_3t/irse.npz")
    images = torch.from_numpy(stored["images"])
    mask = images.amax(0) > 0.15 * images.max()
    op = SignalOp(
        "inversion_recovery", inversion_time=stored["TI_s"].tolist(), repetition_time=float(stored["TR_s"]),
        magnitude=True,
    )  # fmt: skip
    result = fit(op, images, mask=mask, fixed={"efficiency": 1.0})
    t1 = result.parameters["t1"]
    assert result.converged[mask].double().mean() > 0.999
    bath = t1[mask].median()
    assert 0.15 < bath < 0.18  # nine tenths of the voxels
    vials = t1[mask & (t1 > 0.3)]
    assert vials.min() > 0.3 and 1.3 < torch.quantile(vials, 0.98) < 2.0


def test_one_pixel_by_flip_angles_against_an_independent_program(data_dir):
    """The reference value comes with the data: T1 1.0218 s, k_fa 1.1379 from five images; k_fa is taken as known."""
    op = SignalOp("spgr", flip_angle=[math.radians(a) for a in (2, 5, 12)], repetition_time=5.4e-3)
    signal = torch.tensor([413.0, 604.0, 445.0], dtype=torch.float64)[:, None]
    result = fit(op, signal, fixed={"b1": 1.1379})
    # Three of its five images: three standard deviations of this fit, and the value is no constant of the data.
    assert abs(result.parameters["t1"].item() - 1.0218) < max(3 * result.uncertainty["t1"].item(), 0.03)


def test_prostate_t2(data_dir):
    images = torch.from_numpy(np.load(data_dir / "mese_prostate/mese_prostate.npz")["images"]).movedim(-1, 0)
    # The spacing is not stored; ratios do not depend on it. 11.4 ms is plausible for the protocol.
    op = SignalOp("mono_exponential", time=[11.4e-3 * (i + 1) for i in range(10)], magnitude=True)
    mask = images[0] > 0.05 * images[0].max()
    result = fit(op, images, mask=mask)
    assert result.converged[mask].double().mean() > 0.999
    prostate = result.parameters["t2"][40:80, 60:100]
    muscle = result.parameters["t2"][110:126, 70:110]
    assert 0.06 < prostate.nanmedian() < 0.2
    assert prostate.nanmedian() > 1.2 * torch.nanquantile(muscle, 0.25)


def test_kidney_molli(data_dir):
    stored = np.load(data_dir / "molli_kidney/molli.npz")
    images = torch.from_numpy(stored["images"].astype(np.float32)).permute(3, 2, 0, 1)
    mask = images.amax(0) > 0.1 * images.max()
    op = SignalOp("molli", inversion_time=(stored["TI_ms"] * 1e-3).tolist(), magnitude=True)
    result = fit(op, images, mask=mask)
    assert result.converged[mask].double().mean() > 0.9  # breathing, and fat whose inversion is too quick to see
    kidney = result.parameters["t1"][0, 70:85, 115:160]
    assert 0.9 < kidney.nanmedian() < 2.2  # cortex and medulla at 1.5 and 3 T: 1.0 to 1.7 s
    assert result.parameters["t1"][mask].nanquantile(0.3) < 0.45  # fat


def test_acetone_in_water(data_dir):
    stored = np.load(data_dir / "acetone_dixon_3t/acetone_dixon_3t.npz")
    images = ops.ifft(torch.from_numpy(stored["kspace"]), (-2, -1))
    frequency = torch.tensor([float(stored["ppm"][0]) * 1e-6 * GAMMA * float(stored["B0_T"])], dtype=torch.float64)
    op = SignalOp(
        "water_fat",
        echo_time=stored["TE_s"].astype(np.float64).tolist(),
        fat_frequency=frequency,
        fat_amplitude=torch.ones(1, dtype=torch.float64),
    )
    mask = images.abs()[0] > 0.1 * images.abs().max()
    result = fit(op, images, mask=mask, fixed={"r2star": 0.0})
    water, acetone = result.parameters["water"].abs(), result.parameters["fat"].abs()
    fraction = acetone / (water + acetone)
    assert result.converged[mask].double().mean() > 0.99
    # Bath of water, vials up to nearly pure acetone; the wrong sign of the convention swaps the rim of the bath.
    assert fraction[mask].nanmedian() < 0.1
    assert (fraction[mask] > 0.7).double().mean() > 0.05
    rim = mask.clone()
    rim[20:100, 20:100] = False
    assert (fraction[rim] < 0.2).double().mean() > 0.95
