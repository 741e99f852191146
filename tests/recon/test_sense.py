"""CG-SENSE against the truth, against a direct solution, and on inputs it must refuse."""

import pytest
import torch

from mriops import metrics, recon


def test_removes_the_aliasing(scan):
    zero_filled = recon.rss(scan.kspace)
    image = recon.sense(scan.kspace, mask=scan.mask)
    assert metrics.nrmse(zero_filled, scan.truth) > 0.15
    # Noise alone: 5e-3 per pixel of an object of 0.1 to 1; Gibbs ringing is in both.
    assert metrics.nrmse(image.abs(), scan.truth) < 0.06


def test_solves_the_normal_equations():
    generator = torch.Generator().manual_seed(0)
    csm = torch.randn(3, 5, 4, dtype=torch.complex128, generator=generator)
    kspace = torch.randn(3, 5, 4, dtype=torch.complex128, generator=generator)
    mask = torch.tensor([1, 0, 1, 1, 0], dtype=torch.bool)[:, None]
    image = recon.sense(kspace, csm=csm, mask=mask, l2=0.1, max_iter=200, tol=1e-14)
    from mriops.ops import reference

    basis = torch.eye(20, dtype=torch.complex128).reshape(20, 5, 4)
    encode = reference.sense(basis, csm, mask).reshape(20, -1).T
    normal = encode.mH @ encode + 0.1 * torch.eye(20, dtype=torch.float64)
    expected = torch.linalg.solve(normal, encode.mH @ (kspace * mask).reshape(-1))
    # tol times the condition number (norm of E^H E, below 40, over 0.1).
    torch.testing.assert_close(image.reshape(-1), expected, rtol=0, atol=400 * 1e-14 * float(expected.abs().max()) * 10)


def test_batch_equals_items_with_own_maps(scan):
    kspace = torch.stack([scan.kspace, 2 * scan.kspace.flip(-1)])
    both = recon.sense(kspace, mask=scan.mask, max_iter=10)
    for item, alone in zip(both, kspace, strict=True):
        image = recon.sense(alone, mask=scan.mask, max_iter=10)
        torch.testing.assert_close(item, image, rtol=0, atol=1e-4 * float(image.abs().max()))


def test_mask_is_found_and_maps_can_be_walsh(scan):
    espirit = recon.sense(scan.kspace)
    torch.testing.assert_close(espirit, recon.sense(scan.kspace, mask=scan.mask))
    walsh = recon.sense(scan.kspace, calib="walsh")
    assert metrics.nrmse(walsh.abs(), scan.truth) < 0.1


def test_two_map_sets(scan):
    images = recon.sense(scan.kspace, mask=scan.mask, n_maps=2)
    assert images.shape == (2, 96, 80)
    combined = torch.linalg.vector_norm(images, dim=0)
    assert metrics.nrmse(combined, scan.truth) < 0.08


def test_three_axes():
    generator = torch.Generator().manual_seed(0)
    csm = torch.randn(3, 4, 5, 6, dtype=torch.complex64, generator=generator)
    csm = csm / torch.linalg.vector_norm(csm, dim=0)
    truth = torch.randn(4, 5, 6, dtype=torch.complex64, generator=generator)
    from mriops import ops

    kspace = ops.sense(truth, csm, ndim=3)
    torch.testing.assert_close(recon.sense(kspace, csm=csm, ndim=3), truth, rtol=0, atol=1e-4)


def test_differentiable_in_kspace_and_maps():
    generator = torch.Generator().manual_seed(0)
    csm = torch.randn(2, 4, 3, dtype=torch.complex128, generator=generator).requires_grad_()
    kspace = torch.randn(2, 4, 3, dtype=torch.complex128, generator=generator).requires_grad_()

    def solve(kspace, csm):
        return recon.sense(kspace, csm=csm, mask=torch.ones(4, 3), l2=0.5, max_iter=60, tol=1e-13)

    assert torch.autograd.gradcheck(solve, (kspace, csm))


def test_refuses():
    kspace = torch.ones(2, 8, 8, dtype=torch.complex64)
    with pytest.raises(ValueError, match=r"kspace: expected complex .* got torch.float32 \(2, 8, 8\)"):
        recon.sense(kspace.real)
    with pytest.raises(ValueError, match=r"with 2 spatial axes, got torch.complex64 \(8, 8\)"):
        recon.sense(kspace[0])
    with pytest.raises(ValueError, match=r"l2: expected a number >= 0, got -1"):
        recon.sense(kspace, csm=kspace, l2=-1)
    with pytest.raises(ValueError, match=r"method: expected one of espirit, walsh, adaptive, got 'sum'"):
        recon.sense(kspace, calib="sum")
    with pytest.raises(ValueError, match=r"n_maps: expected 1 with method 'walsh', got 2"):
        recon.sense(kspace, calib="walsh", n_maps=2)
    with pytest.raises(ValueError, match=r"kspace: expected \(\*batch, coils, \*im_size\) with 3 spatial axes"):
        recon.rss(kspace, ndim=3)
    bad = kspace.clone()
    bad[0, 1, 2] = float("nan")
    with pytest.raises(ValueError, match="kspace: expected finite values"):
        recon.sense(bad)


def test_empty_batch():
    kspace, csm = torch.zeros(0, 3, 8, 6, dtype=torch.complex64), torch.ones(3, 8, 6, dtype=torch.complex64)
    assert recon.sense(kspace, csm=csm).shape == (0, 8, 6)


@pytest.mark.parametrize("acs", [0, -2, (4, 4, 4), (4, 0)])
def test_widths_of_the_calibration_region(acs, scan):
    with pytest.raises(ValueError, match=r"acs: expected a positive width or 2 of them \(one per spatial axis\), got"):
        recon.estimate_csm(scan.kspace, method="walsh", acs=acs)
