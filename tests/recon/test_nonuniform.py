"""Gridding and SENSE on radial and spiral samples; from files with trajectories to images."""

import dataclasses

import numpy as np
import pytest
import torch

from mriops import metrics, ops, phantoms, recon, trajectories
from mriops.io import RawData, read, write_ismrmrd

SIZE = (64, 64)


@dataclasses.dataclass
class Shots:
    kspace: torch.Tensor  # (coils, shots, readout), noisy
    trajectory: torch.Tensor
    truth: torch.Tensor  # rss of noiseless coil images within the circle of k-space


def shots(k: torch.Tensor, *, sigma: float = 5e-3) -> Shots:
    coils, phantom = phantoms.fourier_coils(8), phantoms.shepp_logan()
    kspace = phantom.multicoil_kspace(k.flatten(-3, -2), coils, im_size=SIZE).unflatten(-1, k.shape[-3:-1])
    grid = phantom.multicoil_kspace(SIZE, coils)
    axis = torch.arange(64) - 32
    circle = (axis[:, None] ** 2 + axis**2) <= 32**2
    images = torch.fft.fftshift(torch.fft.ifft2(torch.fft.ifftshift(grid * circle, (-2, -1)), norm="ortho"), (-2, -1))
    return Shots(phantoms.add_noise(kspace, sigma=sigma, seed=2), k, torch.linalg.vector_norm(images, dim=0))


@pytest.fixture(scope="module")
def radial() -> Shots:
    return shots(trajectories.radial(SIZE, 40))


def error(image: torch.Tensor, truth: torch.Tensor) -> float:
    image = image.abs()
    return float(metrics.nrmse(image * ((image * truth).sum() / image.square().sum()), truth))


def test_sense_beats_gridding(radial):
    gridded = recon.gridding(radial.kspace, radial.trajectory, SIZE)
    solved = recon.noncartesian_sense(radial.kspace, radial.trajectory, SIZE)
    assert gridded.shape == solved.shape == SIZE and not gridded.is_complex() and solved.is_complex()
    assert error(solved, radial.truth) < 0.12 and error(solved, radial.truth) < 0.7 * error(gridded, radial.truth)


@pytest.mark.parametrize("calib", ["espirit", "walsh"])
def test_spirals(calib):
    wave = trajectories.spiral(SIZE, 8, field_of_view=0.2, density=(2.0, 0.7), dwell=4e-6)
    scan = shots(wave.trajectory)
    solved = recon.noncartesian_sense(scan.kspace, scan.trajectory, SIZE, calib=calib)
    assert error(solved, scan.truth) < 0.15


def test_the_solution_satisfies_the_normal_equations(radial):
    csm = recon.nonuniform_csm(radial.kspace, radial.trajectory, SIZE)
    weights = trajectories.dcf_radial(radial.trajectory, SIZE)
    settings = {"csm": csm, "dcf": weights, "eps": 1e-5}
    solved = recon.noncartesian_sense(
        radial.kspace, radial.trajectory, SIZE, l2=0.01, max_iter=200, tol=1e-6, **settings
    )
    flat = radial.trajectory.flatten(0, 1)
    encoded = ops.sense_nufft(solved, csm, flat, eps=1e-5)
    left = ops.sense_nufft_adjoint(encoded, csm, flat, dcf=weights.flatten(), eps=1e-5) + 0.01 * solved
    right = recon.gridding(radial.kspace, radial.trajectory, SIZE, **settings)
    assert float((left - right).norm() / right.norm()) < 1e-4  # NUFFT and Toeplitz agree to eps


@pytest.mark.parametrize("shape", [(), (1, 1), (128,), (40, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_weights_broadcast_as_those_of_the_operator_do(radial, shape, dtype):
    csm = torch.ones(8, *SIZE, dtype=torch.complex64)
    dcf = torch.arange(1, 1 + int(np.prod(shape))).reshape(shape).to(dtype)
    whole = dcf.expand(40, 128).float()
    for solve, settings in ((recon.gridding, {}), (recon.noncartesian_sense, {"max_iter": 2})):
        found = solve(radial.kspace, radial.trajectory, SIZE, csm=csm, dcf=dcf, **settings)
        expected = solve(radial.kspace, radial.trajectory, SIZE, csm=csm, dcf=whole, **settings)
        assert torch.allclose(found.reshape(SIZE), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_gridding_in_a_transform_looks_at_no_values(radial):
    weights = trajectories.dcf_radial(radial.trajectory, SIZE)
    frames = torch.stack([radial.kspace, 2 * radial.kspace])

    def grid(kspace: torch.Tensor) -> torch.Tensor:
        return recon.gridding(kspace, radial.trajectory, SIZE, dcf=weights)

    assert torch.allclose(torch.vmap(grid)(frames), grid(frames), rtol=1e-4)
    empty = recon.gridding(frames.to("meta"), radial.trajectory.to("meta"), SIZE, dcf=weights.to("meta"))
    assert empty.is_meta and empty.shape == (2, *SIZE)


def test_frames_with_a_trajectory_each(radial):
    k = trajectories.radial(SIZE, 60).unflatten(0, (3, 20))
    scans = [shots(path) for path in k]
    kspace = torch.stack([s.kspace for s in scans])
    csm = recon.nonuniform_csm(radial.kspace, radial.trajectory, SIZE)
    images = recon.noncartesian_sense(kspace, k, SIZE, csm=csm)
    assert images.shape == (3, *SIZE)
    alone = recon.noncartesian_sense(kspace[1], k[1], SIZE, csm=csm)
    assert torch.allclose(images[1], alone, atol=2e-3 * float(alone.abs().max()))


def test_gradients_reach_kspace_and_maps(radial):
    csm = recon.nonuniform_csm(radial.kspace, radial.trajectory, SIZE).requires_grad_()
    kspace = radial.kspace.clone().requires_grad_()
    image = recon.noncartesian_sense(kspace, radial.trajectory, SIZE, csm=csm, max_iter=5)
    image.abs().square().sum().backward()
    assert kspace.grad is not None and csm.grad is not None
    assert float(kspace.grad.norm()) > 0 and float(csm.grad.norm()) > 0


def raw_of(scan: Shots, **changes: object) -> RawData:
    settings = {
        "kspace": scan.kspace[None].numpy(),
        "trajectory": scan.trajectory[None].numpy(),
        "axes": ("slice", "coil", "shot", "sample"),
        "matrix": SIZE,
        "field_of_view": (5e-3, 0.2, 0.2),
    }
    return RawData(**{**settings, **changes})


@pytest.mark.parametrize("method", ["sense", "zero-filled", "rss"])
def test_from_a_file_to_images(radial, tmp_path, method):
    write_ismrmrd(raw_of(radial, recon_size=(48, 56)), tmp_path / "radial.h5")
    raw = read(tmp_path / "radial.h5")
    image = recon.reconstruct(raw, recon.Settings(method=method))
    assert image.shape == (1, 48, 56)
    assert error(image[0], radial.truth[8:56, 4:60]) < (0.13 if method == "sense" else 0.35)


def test_frames_noise_and_compression(tmp_path):
    k = trajectories.radial(SIZE, 60).unflatten(0, (2, 30))
    scans = [shots(path) for path in k]
    noise = phantoms.noise_samples(5e-3, 2000, n_coils=8).numpy()
    raw = RawData(
        kspace=torch.stack([s.kspace for s in scans])[None].numpy(),
        trajectory=k[None].numpy(),
        axes=("slice", "repetition", "coil", "shot", "sample"),
        matrix=SIZE,
        noise=noise,
    )
    write_ismrmrd(raw, tmp_path / "frames.h5")
    images = recon.reconstruct(read(tmp_path / "frames.h5"), recon.Settings(compress=5))
    assert images.shape == (1, 2, *SIZE)
    assert max(error(i, s.truth) for i, s in zip(images[0], scans, strict=True)) < 0.15


def test_refusals(radial):
    with pytest.raises(ValueError, match="acceleration: expected 1 for data with a trajectory"):
        recon.reconstruct(raw_of(radial), recon.Settings(acceleration=2))
    with pytest.raises(ValueError, match="n_coils: expected at most the 8 coils"):
        recon.prepare_shots(raw_of(radial), n_coils=9)
    with pytest.raises(ValueError, match="raw: expected data with a trajectory"):
        recon.prepare_shots(RawData(kspace=np.ones((1, 2, 8, 8), np.complex64)))
    with pytest.raises(ValueError, match="raw: expected k-space on a grid"):
        recon.prepare(raw_of(radial))
    for solve in (recon.gridding, recon.noncartesian_sense):
        with pytest.raises(
            ValueError, match=r"dcf: expected weights that broadcast to \(\*batch, 40, 128\), got \(3, 4\)"
        ):
            solve(radial.kspace, radial.trajectory, SIZE, dcf=torch.ones(3, 4))
        with pytest.raises(TypeError, match=r"dcf: expected real weights, got torch\.complex64"):
            solve(radial.kspace, radial.trajectory, SIZE, dcf=torch.ones(40, 128, dtype=torch.complex64))
        bad = radial.kspace.clone()
        bad[3, 5, 7] = np.nan
        with pytest.raises(ValueError, match=r"kspace: expected finite values, got .*nan.* at index \(3, 5, 7\)"):
            solve(bad, radial.trajectory, SIZE, dcf=torch.ones(1, 1))
        with pytest.raises(TypeError, match="trajectory: expected a real floating-point dtype"):
            solve(radial.kspace, radial.trajectory.long(), SIZE, dcf=torch.ones(1, 1))
    with pytest.raises(ValueError, match="l2: expected a number >= 0"):
        recon.noncartesian_sense(radial.kspace, radial.trajectory, SIZE, l2=-1.0)
