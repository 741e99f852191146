"""Coil compression."""

import numpy as np
import pytest
import torch

from mriops.calibration import apply_compression, compress_coils


def test_svd_keeps_the_leading_energy(make_scan):
    kspace = make_scan(8, (48, 44), 0.01).kspace
    singular = torch.linalg.svdvals(kspace.reshape(8, -1).to(torch.complex128))
    for n_coils in (1, 3, 8):
        compressed, matrix = compress_coils(kspace, n_coils)
        assert compressed.shape == (n_coils, 48, 44) and matrix.shape == (n_coils, 8)
        # Rows of 8 values rounded to single precision.
        assert (matrix @ matrix.mH - torch.eye(n_coils)).abs().max() < 10 * torch.finfo(torch.float32).eps
        energy = compressed.abs().square().sum((1, 2)).double()
        torch.testing.assert_close(energy, singular[:n_coils] ** 2, rtol=1e-5, atol=0)


@pytest.mark.parametrize("method", ["svd", "geometric"])
@pytest.mark.parametrize("batch", [(), (2,), (2, 1)])
def test_all_coils_is_a_unitary_change(make_scan, method, batch):
    kspace = make_scan(4, (21, 18), 0.01, dtype=torch.complex128).kspace
    kspace = torch.stack([kspace * (1 + i) for i in range(2)]).reshape(*batch, 4, 21, 18) if batch else kspace
    compressed, matrices = compress_coils(kspace, 4, method=method)
    torch.testing.assert_close(compressed.norm(), kspace.norm())
    back = apply_compression(compressed, matrices.mH)
    torch.testing.assert_close(back, kspace, rtol=0, atol=1e-12 * float(kspace.abs().max()) * 10)
    torch.testing.assert_close(apply_compression(kspace, matrices), compressed)


@pytest.mark.parametrize(("readout_dim", "im_size"), [(-1, (40, 36)), (-2, (40, 36)), (-2, (9, 20, 11))])
def test_geometric_keeps_more_than_svd(make_scan, readout_dim, im_size):
    ndim = len(im_size)
    kspace = make_scan(8, im_size, 0.001).kspace
    options = {"readout_dim": readout_dim, "ndim": ndim}
    plain, _ = compress_coils(kspace, 3, ndim=ndim)
    geometric, matrices = compress_coils(kspace, 3, method="geometric", window=1, **options)
    assert matrices.shape == (im_size[readout_dim], 3, 8)
    assert geometric.shape == (3, *im_size)
    assert geometric.norm() > plain.norm()
    gram = matrices @ matrices.mH
    assert (gram - torch.eye(3)).abs().max() < 1e-5
    # With a window of one position, each position keeps its own leading energy.
    x = torch.fft.ifftshift(kspace, dim=readout_dim)
    hybrid = torch.fft.fftshift(torch.fft.ifft(x, dim=readout_dim, norm="ortho"), dim=readout_dim)
    columns = hybrid.movedim(readout_dim, 0).reshape(im_size[readout_dim], 8, -1)
    best = torch.linalg.svdvals(columns)[:, :3].square().sum()
    torch.testing.assert_close(geometric.norm() ** 2, best, rtol=1e-4, atol=0)


def test_alignment_is_smooth(make_scan):
    matrices = compress_coils(make_scan(8, (48, 60), 0.01).kspace, 4, method="geometric")[1]
    step = (matrices[1:] - matrices[:-1]).flatten(1).norm(dim=1)
    # Two unrelated 4-row bases differ by up to sqrt(8); aligned neighbours turn slowly inside the object.
    assert step[12:47].max() < 0.5
    overlap = matrices[:-1] @ matrices[1:].mH
    # Procrustes: the overlap of neighbours is Hermitian positive semidefinite.
    assert (overlap - overlap.mH).abs().max() < 1e-4
    assert torch.linalg.eigvalsh(overlap).min() > -1e-4


def test_acs_only(make_scan):
    kspace = make_scan(8, (48, 44), 0.0).kspace
    undersampled = kspace.clone()
    undersampled[:, :12] = 0
    for method in ("svd", "geometric"):
        full = compress_coils(kspace, 5, method=method, acs=16)[1]
        half = compress_coils(undersampled, 5, method=method, acs=(16, 16))[1]
        assert torch.equal(full, half)


def test_views_and_noise_data(make_scan):
    kspace = make_scan(4, (24, 22), 0.01).kspace
    compressed, matrix = compress_coils(kspace.conj().resolve_conj().conj(), 2)
    torch.testing.assert_close(compressed, compress_coils(kspace, 2)[0])
    noise = torch.randn(4, 500, dtype=torch.complex64)
    torch.testing.assert_close(apply_compression(noise, matrix, ndim=1), matrix @ noise)


def test_errors(make_scan):
    kspace = make_scan(4, (24, 22), 0.01).kspace
    for bad, error in ((0, ValueError), (5, ValueError), (2.0, TypeError), (True, TypeError)):
        with pytest.raises(error, match="n_coils: expected an int from 1 to the number of coils 4"):
            compress_coils(kspace, bad)
    assert compress_coils(kspace, np.int64(2), method="geometric", window=np.int64(3))[0].shape[0] == 2
    with pytest.raises(ValueError, match='method: expected "svd" or "geometric", got \'pca\''):
        compress_coils(kspace, 2, method="pca")
    with pytest.raises(ValueError, match="readout_dim: expected a spatial axis from -2 to -1, got 1"):
        compress_coils(kspace, 2, method="geometric", readout_dim=1)
    with pytest.raises(ValueError, match="window: expected an odd positive int, got 2"):
        compress_coils(kspace, 2, method="geometric", window=2)
    with pytest.raises(ValueError, match="acs: expected 2 entries"):
        compress_coils(kspace, 2, method="geometric", acs=(4, 4, 4))
    with pytest.raises(ValueError, match=r"matrices: expected \(n_coils, 4\) or \(readout, n_coils, 4\), got \(2, 3\)"):
        apply_compression(kspace, torch.ones(2, 3))
    with pytest.raises(TypeError, match=r"kspace: expected a torch.Tensor, got ndarray"):
        apply_compression(kspace.numpy(), torch.ones(2, 4))
    with pytest.raises(TypeError, match=r"matrices: expected a torch.Tensor, got ndarray"):
        apply_compression(kspace, np.ones((2, 4)))
    with pytest.raises(TypeError, match=r"kspace: expected a complex tensor, got torch.float32"):
        apply_compression(kspace.real, torch.ones(2, 4))
    with pytest.raises(ValueError, match="matrices: expected 22 readout positions, got 24"):
        apply_compression(kspace, torch.ones(24, 2, 4))
    with pytest.raises(ValueError, match="kspace: expected"):
        apply_compression(kspace[0, 0], torch.ones(2, 4))


def test_empty_batches_are_compressed():
    kspace = torch.zeros(0, 4, 6, 6, dtype=torch.complex64)
    assert apply_compression(kspace, torch.eye(4)[:3]).shape == (0, 3, 6, 6)


def test_widths_of_numpy(make_scan):
    kspace = make_scan(4, (24, 24), 0.01).kspace
    for method in ("svd", "geometric"):
        given, plain = (compress_coils(kspace, 2, acs=acs, method=method)[0] for acs in (np.int64(12), 12))
        assert torch.equal(given, plain)
