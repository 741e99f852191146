"""ESPIRiT beside BART and SigPy, where they are installed."""

import shutil
import subprocess

import numpy as np
import pytest
import torch

from mriops.calibration import espirit

BART_THRESHOLD = 0.001**0.5  # BART thresholds squared singular values


def _write_cfl(path, array):
    path.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(map(str, array.shape)) + "\n")
    array.astype(np.complex64).ravel(order="F").tofile(path.with_suffix(".cfl"))


def _read_cfl(path):
    shape = [int(n) for n in path.with_suffix(".hdr").read_text().splitlines()[1].split()]
    return np.fromfile(path.with_suffix(".cfl"), np.complex64).reshape(shape, order="F")


def bart_ecalib(folder, kspace, *options):
    """Maps (maps, coils, y, x) and eigenvalues (maps, y, x)."""
    _write_cfl(folder / "k", kspace.numpy().transpose(2, 1, 0)[:, :, None, :])
    subprocess.run(
        ["bart", "ecalib", *options, "k", "csm", "ev"], cwd=folder, check=True, capture_output=True, timeout=120
    )
    csm, values = _read_cfl(folder / "csm"), _read_cfl(folder / "ev")
    csm = csm.reshape(*csm.shape[:4], -1)[:, :, 0].transpose(3, 2, 1, 0)
    values = values.reshape(*values.shape[:2], -1).transpose(2, 1, 0)
    return torch.from_numpy(csm.copy()), torch.from_numpy(values.real.copy())


needs_bart = pytest.mark.skipif(shutil.which("bart") is None, reason="bart is not installed")


@needs_bart
@pytest.mark.parametrize(("coils", "im_size"), [(8, (96, 80)), (5, (64, 100))])
def test_bart_maps_up_to_one_phase(make_scan, tmp_path, coils, im_size):
    scan = make_scan(coils, im_size, 0.005)
    theirs, their_values = bart_ecalib(tmp_path, scan.kspace, "-m1", "-r24", "-k6", "-c0.8")
    ours, values = espirit(scan.kspace, acs=24, threshold=BART_THRESHOLD, return_eigenvalues=True)
    clear = (values - 0.8).abs() > 5e-3
    kept, their_kept = ours.abs().sum(0) > 0, theirs[0].abs().sum(0) > 0
    # BART stops after a fixed number of iterations: a few background pixels near the crop level differ.
    assert (kept != their_kept)[clear].double().mean() < 2e-3
    support = scan.support
    assert (values - their_values[0])[support].abs().max() < 1e-3
    overlap = (ours.conj() * theirs[0]).sum(0)
    assert overlap.abs()[support].min() > 1 - 1e-4
    # The phase reference is the same up to one constant, except where the reference coil vanishes.
    turn = overlap / overlap[support].mean()
    assert turn[support].angle().abs().quantile(0.99) < 0.02


@needs_bart
def test_bart_two_sets_span_the_same_space(make_scan, tmp_path):
    scan = make_scan(8, (96, 80), 0.005)
    folded = scan.kspace[:, ::2].contiguous()
    theirs, _ = bart_ecalib(tmp_path, folded, "-m2", "-r24", "-k6", "-c0.5")
    ours = espirit(folded, acs=24, threshold=BART_THRESHOLD, n_maps=2, crop=0.5)
    both = (ours.abs().sum(1) > 0).all(0) & (theirs.abs().sum(1) > 0).all(0)
    assert both.sum() > 200
    inner = torch.einsum("mcp,ncp->pmn", ours[:, :, both].conj(), theirs[:, :, both])
    energy = inner.abs().square().sum((1, 2))  # 2 for equal spaces
    assert energy.quantile(0.1) > 2 - 1e-2


@needs_bart
def test_bart_smooth_maps(make_scan, tmp_path):
    scan = make_scan(8, (96, 80), 0.005)
    theirs, _ = bart_ecalib(tmp_path, scan.kspace, "-m1", "-r24", "-k6", "-c0.8", "-S")
    ours = espirit(scan.kspace, acs=24, threshold=BART_THRESHOLD, smooth=True)
    norm, their_norm = ours.abs().square().sum(0).sqrt(), theirs[0].abs().square().sum(0).sqrt()
    assert (norm - their_norm).abs().quantile(0.98) < 0.02


@needs_bart
def test_bart_on_measured_data(data_dir, tmp_path):
    kspace = torch.from_numpy(np.load(data_dir / "vfa_cart_brain" / "brain_13ch_fa9.npz")["kspace"])
    theirs, their_values = bart_ecalib(tmp_path, kspace, "-m1", "-r24", "-k6", "-c0.8")
    ours, values = espirit(kspace, acs=24, threshold=BART_THRESHOLD, return_eigenvalues=True)
    both = (values > 0.95) & (their_values[0] > 0.95)
    assert both.double().mean() > 0.5
    error = (1 - (ours.conj() * theirs[0]).sum(0).abs()[both]).clamp_min(0)
    assert error.quantile(0.99) < 1e-4


@pytest.mark.slow
def test_sigpy_maps_on_the_object(make_scan):
    pytest.importorskip("sigpy")
    from sigpy.mri.app import EspiritCalib

    scan = make_scan(3, (32, 30), 0.005)
    theirs = EspiritCalib(
        scan.kspace.numpy(), calib_width=24, thresh=0.02, kernel_width=6, crop=0.8, show_pbar=False
    ).run()
    ours = espirit(scan.kspace, acs=24, threshold=0.02)
    overlap = (ours.conj() * torch.from_numpy(np.asarray(theirs))).sum(0).abs()
    assert overlap[scan.support].min() > 1 - 1e-3
