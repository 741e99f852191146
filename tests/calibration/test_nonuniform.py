"""Calibration data and maps from radial and spiral samples, against exact Cartesian k-space and exact maps."""

import pytest
import torch

from mriops import calibration, phantoms, trajectories

SIZE = (80, 72)


@pytest.fixture(scope="module")
def scan():
    coils, phantom = phantoms.fourier_coils(6), phantoms.shepp_logan()
    k = trajectories.radial(SIZE, 72)
    kspace = phantom.multicoil_kspace(k.flatten(0, 1), coils, im_size=SIZE).unflatten(-1, k.shape[:2])
    return kspace, k, phantom.multicoil_kspace(SIZE, coils), coils.maps(SIZE), phantom.image(SIZE).abs() > 0.05


def centre(kspace: torch.Tensor, width: int) -> torch.Tensor:
    return kspace[..., 40 - width // 2 : 40 + width // 2, 36 - width // 2 : 36 + width // 2]


def likeness(found: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """Cosine between coil vectors, whatever their common phase and scale."""
    product = (found.conj() * true).sum(0).abs()
    return product / (found.norm(dim=0) * true.norm(dim=0)).clamp_min(1e-12)


def test_gridded_samples_are_the_cartesian_ones(scan):
    kspace, k, cartesian, _, _ = scan
    found = calibration.gridded_calibration(kspace, k, SIZE, acs=24)
    assert found.shape == (6, *SIZE)
    assert torch.count_nonzero(found) == torch.count_nonzero(centre(found, 24))
    for width, error in ((8, 0.01), (24, 0.03)):  # the margin of 8 samples leaves 1/(pi 8) of what rings in
        expected = centre(cartesian, width)
        assert float((centre(found, width) - expected).norm() / expected.norm()) < error


def test_maps_are_those_of_the_coils(scan):
    kspace, k, cartesian, true, inside = scan
    gridded = calibration.gridded_calibration(kspace, k, SIZE)
    found = likeness(calibration.espirit(gridded, acs=24), true)[inside]
    usual = likeness(calibration.espirit(cartesian, acs=24), true)[inside]
    assert found.mean() > 0.999 and found.mean() > usual.mean() - 2e-4


def test_maps_from_the_adjoint(scan):
    kspace, k, _, true, inside = scan
    assert likeness(calibration.adjoint_maps(kspace, k, SIZE), true)[inside].mean() > 0.995
    weights = trajectories.dcf_radial(k[::3], SIZE)
    few = calibration.adjoint_maps(kspace[:, ::3], k[::3], SIZE, dcf=weights)
    assert likeness(few, true)[inside].mean() > 0.97


def test_batches(scan):
    kspace, k, _, _, _ = scan
    frames = torch.stack([kspace[:, :36], kspace[:, 36:]])
    paths = torch.stack([k[:36], k[36:]])
    together = calibration.gridded_calibration(frames, paths, SIZE)
    assert torch.allclose(together[1], calibration.gridded_calibration(kspace[:, 36:], k[36:], SIZE), rtol=1e-3)
    shared = calibration.gridded_calibration(torch.stack([kspace, 2 * kspace]), k, SIZE)
    assert torch.allclose(shared[1], 2 * shared[0], rtol=1e-4)
    assert calibration.adjoint_maps(frames, paths, SIZE).shape == (2, 6, *SIZE)
    one = calibration.gridded_calibration(frames[:1], paths, SIZE)  # batch axes broadcast
    assert torch.equal(one[0], together[0]) and one.shape == (2, 6, *SIZE)
    assert calibration.gridded_calibration(frames[0], paths[:1].expand(2, -1, -1, -1), SIZE).shape == (2, 6, *SIZE)
    assert calibration.gridded_calibration(frames[:0], paths[:0], SIZE).shape == (0, 6, *SIZE)
    with pytest.raises(ValueError, match="expected batch axes that broadcast"):
        calibration.gridded_calibration(frames, paths[:1].expand(3, -1, -1, -1), SIZE)


def test_three_dimensions():
    size = (14, 16, 18)
    coils, phantom = phantoms.fourier_coils(4, ndim=3), phantoms.shepp_logan(ndim=3)
    k = trajectories.kooshball(size, 300)
    kspace = phantom.multicoil_kspace(k.flatten(0, 1), coils, im_size=size).unflatten(-1, k.shape[:2])
    found = calibration.gridded_calibration(kspace, k, size, acs=8)
    expected = phantom.multicoil_kspace(size, coils)
    box = (..., slice(3, 11), slice(4, 12), slice(5, 13))
    assert float((found[box] - expected[box]).norm() / expected[box].norm()) < 0.05


def test_refusals(scan):
    kspace, k, _, _, _ = scan
    with pytest.raises(TypeError, match="kspace: expected a complex tensor"):
        calibration.gridded_calibration(kspace.real, k, SIZE)
    with pytest.raises(ValueError, match=r"kspace: expected \(\*batch, coils, 72, 160\)"):
        calibration.gridded_calibration(kspace[..., 1:], k, SIZE)
    with pytest.raises(ValueError, match=r"trajectory: expected .*readout, 3"):
        calibration.adjoint_maps(kspace, k, (8, 8, 8))
    with pytest.raises(ValueError, match="im_size: expected"):
        calibration.gridded_calibration(kspace, k, (8,))
    with pytest.raises(ValueError, match="acs: expected an integer >= 2"):
        calibration.gridded_calibration(kspace, k, SIZE, acs=1)
    outer = k.norm(dim=-1)[0] > 30
    with pytest.raises(ValueError, match="expected samples within 12 cycles/FOV"):
        calibration.gridded_calibration(kspace[..., outer], k[:, outer], SIZE)


def test_coordinates_of_another_precision_are_converted(scan):
    kspace, k, _, _, _ = scan
    found = calibration.gridded_calibration(kspace, k.double(), SIZE, acs=24)
    assert found.dtype == torch.complex64
    torch.testing.assert_close(found, calibration.gridded_calibration(kspace, k, SIZE, acs=24))
