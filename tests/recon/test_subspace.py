"""Coefficient images of a subspace, from Cartesian and from radial k-space, with maps and without."""

import pytest
import torch

from mriops import ops, phantoms, recon, trajectories

FRAMES, SIZE, RANK = 12, (48, 48), 3


@pytest.fixture(scope="module")
def truth() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Basis, coefficient images and frames."""
    g = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(FRAMES, RANK, dtype=torch.complex64, generator=g))[0]
    image = phantoms.shepp_logan().image(SIZE).to(torch.complex64)
    coefficients = torch.stack([image, 0.5 * image.roll(3, 0), 0.2j * image])
    return basis, coefficients, torch.einsum("tk,kyx->tyx", basis, coefficients)


def csm(coils: int = 8) -> torch.Tensor:
    maps = phantoms.fourier_coils(coils).maps(SIZE).to(torch.complex64)
    return maps / maps.norm(dim=0)


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def test_cartesian_frames_below_the_sampling_theorem(truth) -> None:
    basis, coefficients, frames = truth
    maps = csm()
    mask = torch.stack([trajectories.mask_equispaced(SIZE, 4, acs=8, offset=i % 4) for i in range(FRAMES)])
    kspace = ops.sense(frames, maps, mask)
    found = recon.subspace_sense(kspace, basis, csm=maps, mask=mask, l2=0, max_iter=60, tol=1e-6)
    assert error(found, coefficients) < 1e-3
    assert torch.equal(recon.subspace_sense(kspace, basis, csm=maps, l2=0, max_iter=60, tol=1e-6), found)


def test_samples_that_the_mask_leaves_out_do_not_count(truth) -> None:
    basis, _, frames = truth
    mask = torch.stack([trajectories.mask_equispaced(SIZE, 4, acs=24, offset=i % 4) for i in range(FRAMES)])
    kspace = ops.sense(frames, csm())  # of all lines
    found = recon.subspace_sense(kspace, basis, mask=mask, max_iter=10)
    assert error(found, recon.subspace_sense(kspace * mask.unsqueeze(1), basis, mask=mask, max_iter=10)) < 1e-5


def test_radial_frames(truth) -> None:
    basis, coefficients, frames = truth
    maps = csm()
    path = trajectories.radial(SIZE, FRAMES * 12, 96).unflatten(0, (FRAMES, 12))
    kspace = ops.sense_nufft(frames, maps, path.flatten(1, 2), eps=1e-6).unflatten(-1, (12, 96))
    found = recon.subspace_sense(kspace, basis, trajectory=path, csm=maps, l2=1e-4, max_iter=40)
    # The object has corners of k-space that spokes do not reach.
    assert error(found, coefficients) < 0.15
    alone = recon.noncartesian_sense(kspace[0], path[0], SIZE, csm=maps, l2=1e-4, max_iter=40)
    assert error(torch.einsum("tk,kyx->tyx", basis, found)[0], frames[0]) < 0.7 * error(alone, frames[0])
    own = recon.subspace_sense(kspace, basis, trajectory=path, im_size=SIZE, l2=1e-4, max_iter=40)
    inside = coefficients[0].abs() > 0.1
    assert error(own.abs()[0][inside], found.abs()[0][inside]) < 0.3


def test_bad_input(truth) -> None:
    basis, _, frames = truth
    kspace = ops.sense(frames, csm(2))
    with pytest.raises(ValueError, match=r"basis: expected shape \(12, coefficients\), got \(11, 3\)"):
        recon.subspace_sense(kspace, basis[1:])
    with pytest.raises(ValueError, match="kspace: expected complex"):
        recon.subspace_sense(kspace.real, basis)
    with pytest.raises(ValueError, match="l2: expected a number >= 0"):
        recon.subspace_sense(kspace, basis, l2=-1)
    with pytest.raises(ValueError, match="trajectory: expected shape"):
        recon.subspace_sense(kspace, basis, trajectory=torch.zeros(3, 2, 2))
    path = torch.zeros(FRAMES, *SIZE, 2)
    with pytest.raises(ValueError, match="im_size: expected the size of the images"):
        recon.subspace_sense(kspace, basis, trajectory=path)
    with pytest.raises(ValueError, match="mask: expected none with a trajectory"):
        recon.subspace_sense(kspace, basis, trajectory=path, mask=torch.ones(FRAMES, *SIZE), csm=csm(2))
    with pytest.raises(ValueError, match="dcf: expected none without a trajectory, got some"):
        recon.subspace_sense(kspace, basis, dcf=torch.ones(FRAMES, *SIZE), csm=csm(2))
    with pytest.raises(TypeError, match=r"csm: expected a torch\.Tensor, got ndarray"):
        recon.subspace_sense(kspace, basis, trajectory=path, csm=csm(2).numpy())
    with pytest.raises(ValueError, match=r"csm: expected shape \(coils, \*im_size\) for 2 axes, got \(48, 48\)"):
        recon.subspace_sense(kspace, basis, trajectory=path, csm=csm(2)[0])


@pytest.mark.parametrize("maps", [True, False])
def test_sizes_that_are_none(truth, maps) -> None:
    basis, _, frames = truth
    kspace = ops.sense(frames, csm(2))
    path = torch.zeros(FRAMES, *SIZE, 2)
    given = {"csm": csm(2)} if maps else {}
    with pytest.raises(TypeError, match="im_size: expected 2 positive ints, got 24"):
        recon.subspace_sense(kspace, basis, trajectory=path, im_size=24, **given)
    with pytest.raises(ValueError, match=r"im_size: expected 2 positive ints, got \(24,\)"):
        recon.subspace_sense(kspace, basis, trajectory=path, im_size=(24,), **given)
    with pytest.raises(ValueError, match=r"im_size: expected the size of kspace \(48, 48\), got \(24, 24\)"):
        recon.subspace_sense(kspace, basis, im_size=(24, 24), **given)
    if maps:
        with pytest.raises(ValueError, match=r"im_size: expected the size of csm \(48, 48\), got \(24, 24\)"):
            recon.subspace_sense(kspace, basis, trajectory=path, im_size=(24, 24), **given)
