"""Measured radial scans: against the Cartesian twin, and against the images that came with the data."""

import numpy as np
import pytest
import torch

from mriops import calibration, metrics, recon, trajectories

SIZE = (256, 256)


def path_of(stored) -> torch.Tensor:
    return torch.from_numpy((stored["traj"][..., :2] * stored["fov"][:2])[..., ::-1].copy())


@pytest.mark.slow
def test_radial_phantom_against_its_cartesian_twin(data_dir):
    folder = data_dir / "radial_phantom_3t"
    lines, spokes = (np.load(folder / f"{n}.npz") for n in ("cartesian_gre_reordered", "radial_256spokes"))
    ones = torch.ones(256, 256)
    reference = recon.gridding(torch.from_numpy(lines["kspace"]), path_of(lines), SIZE, dcf=ones)
    inside = torch.nn.functional.avg_pool2d(reference[None, None], 7, 1, 3)[0, 0] > 0.1 * reference.quantile(0.99)
    kspace, nominal = torch.from_numpy(spokes["kspace"]), path_of(spokes)
    corrected = trajectories.delayed(nominal, trajectories.radial_delays(kspace, nominal))
    weights = trajectories.dcf_radial(nominal, SIZE)

    def error(image: torch.Tensor) -> float:
        image = image * ((image * reference)[inside].sum() / image[inside].square().sum())
        return float(metrics.nrmse(image * inside, reference * inside))

    before, after = (error(recon.gridding(kspace, k, SIZE, dcf=weights)) for k in (nominal, corrected))
    assert after < 0.075 < 0.1 < before  # measured: 0.073 and 0.103
    few, path = kspace[:, ::6], corrected[::6]
    solved = recon.noncartesian_sense(few, path, SIZE, l2=1e-2).abs()
    assert error(solved) < 0.09 < error(recon.gridding(few, path, SIZE))  # 0.084 and 0.096


def test_radial_brain(data_dir):
    stored = np.load(data_dir / "vfa_radial_brain" / "vfa_radial_brain.npz")
    k = torch.from_numpy(stored["traj"] * np.float32(256))
    kspace = torch.from_numpy(stored["kspace"])
    image = recon.noncartesian_sense(
        kspace[4], k[4], SIZE, csm=torch.from_numpy(stored["csm"]), l2=5e-2, max_iter=15
    ).abs()
    reference = torch.from_numpy(stored["ref_images"][1]).abs()
    # Gridding by another program correlates 0.90 with this noisy image.
    assert float(torch.corrcoef(torch.stack([image.flatten(), reference.flatten()]))[0, 1]) > 0.93


def test_two_kinds_of_maps_agree_on_an_undersampled_heart(data_dir):
    stored = np.load(data_dir / "cardiac_radial_12ch" / "cardiac_radial_12ch.npz")
    k, kspace = torch.from_numpy(stored["traj"] * np.float32(256)), torch.from_numpy(stored["kspace"])
    first = recon.nonuniform_csm(kspace, k, SIZE)
    second = calibration.adjoint_maps(kspace, k, SIZE)
    image = recon.gridding(kspace, k, SIZE)
    bright = image > 0.3 * image.quantile(0.995)
    alike = (first.conj() * second).sum(0).abs()[bright]
    assert float(alike.median()) > 0.95
