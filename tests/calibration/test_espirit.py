"""ESPIRiT against its definition, against known maps, and its options, views and errors."""

import math

import numpy as np
import pytest
import torch

from mriops import ops
from mriops.calibration import espirit
from mriops.calibration.eigenmaps import _certain_level, _small_eigh, dirichlet_matrix
from mriops.calibration.espirit import _principal_coil
from mriops.calibration.kernels import calibration_kernels, coil_gram_samples, patch_matrix


def direction_error(csm, true):
    """Sine of the angle between unit vectors over coils."""
    return (1 - (csm.conj() * true).sum(0).abs().square()).clamp_min(0).sqrt()


def unexplained(csm, coil_images):
    """The part of coil images that no image times the maps gives."""
    explained = csm * (csm.conj() * coil_images).sum(0, keepdim=True)
    return (coil_images - explained).norm() / coil_images.norm()


def reference_gram(acs, kernel_size, threshold, im_size):
    """G(r) = E(r)^H P E(r) / |k| straight from the definition: SVD of the patch matrix, all pixels at once."""
    matrix = patch_matrix(acs.to(torch.complex128)[None], kernel_size)[0]
    u, s, _ = torch.linalg.svd(matrix, full_matrices=False)
    u = u[:, s > threshold * s[0]]
    coils = acs.shape[0]
    offsets = torch.stack(torch.meshgrid(*[torch.arange(k) for k in kernel_size], indexing="ij")).reshape(
        len(kernel_size), -1
    )
    axes = [(torch.arange(n, dtype=torch.float64) - n // 2) / n for n in im_size]
    r = torch.stack(torch.meshgrid(*axes, indexing="ij")).reshape(len(im_size), -1)
    phase = torch.exp(-2j * math.pi * (offsets.T.double() @ r))  # (kernel, pixels)
    v = torch.einsum("cak,ap->pck", u.reshape(coils, offsets.shape[1], -1), phase.conj())
    return v @ v.mH / offsets.shape[1]


@pytest.mark.parametrize(
    ("im_size", "acs", "kernel"),
    [
        ((32, 40), 16, (4, 4)),
        ((31, 45), (15, 16), (5, 4)),
        ((1, 48), 16, (4, 4)),
        ((48,), 16, (6,)),
        ((14, 1, 12), 10, 3),
    ],
)
def test_agrees_with_the_definition(make_scan, im_size, acs, kernel):
    ndim = len(im_size)
    scan = make_scan(4, im_size, 0.01, dtype=torch.complex128)
    csm, values = espirit(
        scan.kspace, acs=acs, kernel_size=kernel, crop=0, tol=1e-9, max_iter=3000, ndim=ndim, return_eigenvalues=True
    )
    widths = (acs,) * ndim if isinstance(acs, int) else acs
    widths = [min(w, n) for w, n in zip(widths, im_size, strict=True)]
    block = scan.kspace[(..., *[slice(n // 2 - w // 2, n // 2 - w // 2 + w) for w, n in zip(widths, im_size)])]
    kernels = (kernel,) * ndim if isinstance(kernel, int) else kernel
    kernels = tuple(1 if n == 1 else k for k, n in zip(kernels, im_size))
    expected_values, expected = torch.linalg.eigh(reference_gram(block, kernels, 0.02, im_size))
    # Residual 1e-9 bounds the eigenvalue itself; the vector by 1e-9 / gap.
    torch.testing.assert_close(values.reshape(-1), expected_values[:, -1], rtol=0, atol=1e-7)
    gap = (expected_values[:, -1] - expected_values[:, -2]).clamp_min(1e-12)
    overlap = (csm.reshape(4, -1).T * expected[..., -1].conj()).sum(1).abs()
    wide = gap > 0.05
    assert wide.double().mean() > 0.3
    assert (1 - overlap[wide]).abs().max() < 1e-7


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize(("coils", "im_size"), [(8, (96, 80)), (5, (75, 91)), (2, (64, 64)), (16, (128, 128))])
def test_true_maps_are_found(make_scan, coils, im_size, dtype):
    scan = make_scan(coils, im_size, dtype=dtype)
    csm, values = espirit(scan.kspace, acs=24, threshold=1e-3, return_eigenvalues=True)
    assert csm.dtype == dtype and csm.shape == scan.kspace.shape
    projected = csm * (csm.conj() * scan.coil_images).sum(0)
    error = (projected - scan.coil_images).norm() / scan.coil_images.norm()
    # The Gaussian coils are not exactly limited to 6 x 6 patches: model error, independent of precision.
    assert error < 5e-3
    assert values[scan.support].min() > 0.98
    assert values.max() < 1 + 1e-5 and values.min() >= 0


def test_true_maps_are_found_in_3d(make_scan):
    scan = make_scan(6, (24, 30, 28), 0.001)
    csm = espirit(scan.kspace, acs=14, kernel_size=4, threshold=5e-3, ndim=3)
    projected = csm * (csm.conj() * scan.coil_images).sum(0)
    assert (projected - scan.coil_images).norm() < 2e-2 * scan.coil_images.norm()


def test_unit_norm_and_phase_convention(make_scan):
    scan = make_scan(8, (96, 80), 0.002)
    csm = espirit(scan.kspace, acs=24)
    norm = csm.abs().square().sum(0)
    inside = norm > 0
    assert inside[scan.support].all()
    # Norm of 8 values in single precision: a few eps.
    assert (norm[inside] - 1).abs().max() < 20 * torch.finfo(torch.float32).eps
    block = scan.kspace[:, 36:60, 28:52]
    u = torch.linalg.svd(block.reshape(8, -1))[0][:, 0]
    largest = u[u.abs().argmax()]
    u = u * (largest.conj() / largest.abs())
    virtual = (u.conj()[:, None, None] * csm).sum(0)[inside]
    assert virtual.imag.abs().max() < 1e-5
    assert virtual.real.min() >= -1e-6


def test_pruning_and_block_order_do_not_change_the_result(make_scan):
    scan = make_scan(8, (96, 80), 0.01)
    pruned = espirit(scan.kspace, acs=24, crop=0.9)
    full, values = espirit(scan.kspace, acs=24, crop=0.9, return_eigenvalues=True)
    # Pixels whose eigenvalue is within the tolerance of the crop level may fall on either side.
    clear = (values - 0.9).abs() > 1e-3
    assert ((pruned.abs().sum(0) > 0) == (full.abs().sum(0) > 0))[clear].all()
    both = scan.support
    assert (pruned - full)[:, both].abs().max() < 1e-3
    assert torch.equal(pruned, espirit(scan.kspace, acs=24, crop=0.9))


def test_coarse_level_bound_is_a_bound(make_scan):
    """No pixel of a block exceeds what _certain_level promises from the eigenvalue at the block's centre."""
    scan = make_scan(4, (33, 33), 0.02, dtype=torch.complex128)
    values = espirit(scan.kspace, acs=16, kernel_size=5, crop=0, tol=1e-9, max_iter=2000, return_eigenvalues=True)[1]
    highest = 4
    for shift in (1, 2, 3):
        turn = 2 * math.pi * highest * shift / 33
        centre, away = values[:, :-shift].reshape(-1), values[:, shift:].reshape(-1)
        for c, a in zip(centre.tolist(), away.tolist()):
            assert c >= _certain_level(a, turn) - 1e-6


@pytest.mark.parametrize("options", [{}, {"n_maps": 2}, {"smooth": True}, {"soft": True}, {"crop": "auto"}])
def test_batch_equals_a_loop(make_scan, options):
    items = [make_scan(5, (48, 44), 0.01, seed).kspace * scale for seed, scale in enumerate((1.0, 3.0, 1e-6))]
    batch = torch.stack(items).reshape(3, 1, 5, 48, 44)
    got = espirit(batch, acs=20, **options)
    assert got.shape == (3, 1, *([2] if "n_maps" in options else []), 5, 48, 44)
    for item, maps in zip(items, got[:, 0]):
        single = espirit(item, acs=20, **options)
        # Batched BLAS may order sums differently; tol = 1e-4 of the iteration bounds the effect.
        assert (single - maps).abs().mean() < 1e-4


@pytest.mark.parametrize("view", ["conj", "strided", "negative order"])
def test_views(make_scan, view):
    kspace = make_scan(5, (48, 44), 0.01).kspace
    expected = espirit(kspace, acs=20)
    if view == "conj":
        same = kspace.conj().resolve_conj().conj()
        assert same.is_conj()
    elif view == "strided":
        same = torch.stack([kspace, kspace * 0], -1)[..., 0]
        assert not same.is_contiguous()
    else:
        same = kspace.permute(2, 1, 0).contiguous().permute(2, 1, 0)
        assert not same.is_contiguous()
    assert torch.equal(espirit(same, acs=20), expected)


def test_one_coil(make_scan):
    scan = make_scan(1, (48, 44))
    csm, values = espirit(scan.kspace, acs=24, return_eigenvalues=True)
    # One coil in its own phase is real: the map is 1 where the eigenvalue, the object, is.
    assert (csm[0][scan.support] - 1).abs().max() < 1e-5
    assert values.shape == (48, 44)


def test_two_sets_hold_an_object_larger_than_the_field_of_view(make_scan):
    """Fold the object by dropping every other line: each pixel then shows two places with two sensitivities."""
    scan = make_scan(8, (96, 80))
    folded = scan.kspace[:, ::2].contiguous()
    images = torch.fft.fftshift(torch.fft.ifft2(torch.fft.ifftshift(folded, dim=(1, 2)), norm="ortho"), dim=(1, 2))
    residual = []
    for n_maps in (1, 2):
        csm = espirit(folded, acs=24, threshold=2e-3, n_maps=n_maps, crop=0.5).reshape(n_maps, 8, 48, 80)
        projected = torch.einsum("mcyx,mdyx,dyx->cyx", csm, csm.conj(), images)
        residual.append(float((projected - images).norm() / images.norm()))
    assert residual[0] > 0.2
    assert residual[1] < 0.05
    gram = torch.einsum("mcyx,ncyx->yxmn", csm.conj(), csm)
    kept = (csm.abs().square().sum(1) > 0).all(0)
    assert (gram[kept] - torch.eye(2)).abs().max() < 1e-5


def test_eigenvalues_descend_and_n_maps_is_a_prefix(make_scan):
    scan = make_scan(4, (40, 40), 0.01, dtype=torch.complex128)
    options = {"acs": 16, "kernel_size": 4, "crop": 0, "tol": 1e-8, "max_iter": 5000, "return_eigenvalues": True}
    three = espirit(scan.kspace, n_maps=3, **options)[1]
    one = espirit(scan.kspace, n_maps=1, **options)[1]
    assert (three[:-1] - three[1:]).min() > -1e-6
    torch.testing.assert_close(three[0], one, rtol=0, atol=1e-5)


def test_smooth_maps_fade(make_scan):
    scan = make_scan(8, (96, 80), 0.01)
    smooth, values = espirit(scan.kspace, acs=24, crop=0.8, smooth=True, return_eigenvalues=True)
    norm = smooth.abs().square().sum(0).sqrt()
    at_crop = (values.sqrt() - 0.8).abs() < 0.005
    assert at_crop.any()
    assert (norm[at_crop] - 0.5).abs().max() < 0.05
    assert norm[values < 0.3].max() == 0
    assert norm[values > 0.999].min() > 0.99


def test_auto_threshold_separates_noise_from_signal(make_scan):
    scan = make_scan(8, (96, 80), 0.05)
    block = scan.kspace[None, :, 36:60, 28:52]
    kernels = calibration_kernels(block, (6, 6), "auto")
    # The smallest quarter of about 300 singular values; the signal adds a little to it.
    assert 0.85 < float(kernels.noise_std) / scan.noise_std < 1.15
    noise = torch.randn(block.shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(3))
    top = calibration_kernels(noise * scan.noise_std, (6, 6), 0.5).singular_values[0, 0]
    assert 0.85 < float(kernels.thresholds) / float(top) < 1.2
    csm = espirit(scan.kspace, acs=24, threshold="auto", crop="auto")
    assert (csm.abs().sum(0) > 0)[scan.support].double().mean() > 0.99
    assert direction_error(csm, scan.csm)[scan.support].mean() < 0.05


def test_auto_crop_removes_background(make_scan):
    scan = make_scan(8, (96, 80), 0.1)
    fixed = espirit(scan.kspace, acs=24, crop=0.5).abs().sum(0) > 0
    auto = espirit(scan.kspace, acs=24, crop="auto").abs().sum(0) > 0
    assert auto[scan.support].double().mean() > 0.98
    assert auto[~scan.support].sum() < fixed[~scan.support].sum()


def test_soft_weights_shrink_the_projector(make_scan):
    block = make_scan(8, (96, 80), 0.01).kspace[None, :, 36:60, 28:52]
    hard, soft = (calibration_kernels(block, (6, 6), 0.02, soft=s) for s in (False, True))
    assert set(hard.weights.unique().tolist()) == {1.0}
    expected = 1 - (0.02 * hard.singular_values[:, :1] / hard.singular_values[:, : hard.weights.shape[1]]) ** 2
    torch.testing.assert_close(soft.weights, expected)
    assert (soft.weights[0].diff() <= 0).all()


def test_gram_samples_interpolate_exactly(make_scan):
    """The 2k - 1 grid and the Dirichlet matrix give G at other places as the definition does."""
    acs = make_scan(3, (32, 32), 0.01, dtype=torch.complex128).kspace[:, 8:24, 9:25]
    samples = coil_gram_samples(calibration_kernels(acs[None], (4, 3), 0.02))[0]
    axes = [(torch.arange(n, dtype=torch.float64) - n // 2) / n for n in (13, 10)]
    wy, wx = (dirichlet_matrix(p, n).to(samples) for p, n in zip(axes, samples.shape[:2], strict=True))
    got = torch.einsum("yp,xq,pqcd->yxcd", wy, wx, samples).reshape(-1, 3, 3)
    # complex128 sums over 12 offsets and about 20 kernels; the Gram matrix squares the condition number (50^2 eps).
    torch.testing.assert_close(got, reference_gram(acs, (4, 3), 0.02, (13, 10)), rtol=0, atol=1e-10)


def test_slabs_do_not_change_the_kernels(make_scan, monkeypatch):
    block = make_scan(2, (24, 30, 28), 0.01).kspace[None, :, 5:19, 8:22, 7:21]
    expected = calibration_kernels(block, (3, 3, 3), 0.02)
    monkeypatch.setattr("mriops.calibration.kernels._SLAB_ELEMENTS", 1)
    got = calibration_kernels(block, (3, 3, 3), 0.02)
    torch.testing.assert_close(got.singular_values, expected.singular_values)
    torch.testing.assert_close(coil_gram_samples(got), coil_gram_samples(expected))


def test_small_eigh_closed_form():
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(200, 2, 2, dtype=torch.complex128, generator=generator)
    h = h + h.mH
    h[0], h[1] = torch.eye(2), torch.diag(torch.tensor([1.0, 2.0]))
    value, vector = _small_eigh(h)
    assert (h @ vector - vector * value[:, None, :]).abs().max() < 1e-14 * 20
    assert (vector.mH @ vector - torch.eye(2)).abs().max() < 1e-14
    assert (value[:, 0] >= value[:, 1]).all()


def test_principal_coil_is_deterministic_in_phase(make_scan):
    block = make_scan(5, (48, 44)).kspace[None, :, 14:34, 12:32]
    turned = block * torch.exp(torch.tensor(1.3j))
    torch.testing.assert_close(_principal_coil(block), _principal_coil(turned), rtol=0, atol=1e-6)


def test_default_acs_is_the_sampled_centre(make_scan):
    kspace = make_scan(5, (96, 80), 0.002).kspace.clone()
    mask = torch.zeros(96, dtype=torch.bool)
    mask[::4] = True
    mask[38:58] = True
    kspace[:, ~mask] = 0
    assert torch.equal(espirit(kspace), espirit(kspace, acs=(slice(38, 58), slice(28, 52))))


@pytest.mark.parametrize("acs", [6, 8, 10, (8, 24), (5, 72)])
def test_kernels_are_smaller_where_the_acs_is(make_scan, acs):
    """With patches of 6 x 6 there would be too few: maps of nothing, or with holes."""
    scan = make_scan(5, (72, 72), 0.002)
    assert unexplained(espirit(scan.kspace, acs=acs), scan.coil_images) < 0.1


@pytest.mark.parametrize("partitions", [2, 3, 4, 6])
def test_slabs_of_few_partitions(make_scan, partitions):
    start = 24 - partitions // 2
    images = make_scan(6, (48, 32, 32), 0.002).coil_images[:, start : start + partitions]
    csm = espirit(ops.fft(images, (-3, -2, -1)), acs=(partitions, 24, 24), ndim=3)
    assert unexplained(csm, images) < 0.1


def test_options_of_any_kind_of_number(make_scan):
    kspace = make_scan(5, (48, 44)).kspace
    given = espirit(kspace, acs=24, kernel_size=np.array([5, 6]), n_maps=np.int64(1), threshold=np.float32(0.25))
    assert torch.equal(given, espirit(kspace, acs=24, kernel_size=(5, 6), threshold=0.25))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"acs": 4, "kernel_size": 6},
            r"acs: expected at least as many \(6, 6\) patches as coils \(5\), got 0 patches in an ACS of \(4, 4\)",
        ),
        ({"acs": 7, "kernel_size": 6}, r"got 4 patches in an ACS of \(7, 7\)"),
        ({"acs": 2}, r"at least as many \(1, 1\) patches as coils \(5\), got 4 patches in an ACS of \(2, 2\)"),
        ({"acs": (24, 24, 24)}, "acs: expected 2 entries"),
        ({"acs": 0}, "acs: expected a positive width, got 0"),
        ({"acs": (slice(5, 5), 24)}, "acs: expected a non-empty slice"),
        ({"kernel_size": 0}, "kernel_size: expected a positive int"),
        ({"kernel_size": (6,)}, "kernel_size: expected a positive int or 2"),
        ({"threshold": 1.5}, "threshold: expected 0 <= threshold < 1, got 1.5"),
        ({"threshold": "best"}, "threshold: expected a number or \"auto\", got 'best'"),
        ({"crop": -0.1}, "crop: expected 0 <= crop <= 1, got -0.1"),
        ({"n_maps": 6}, "n_maps: expected an int from 1 to the number of coils 5, got 6"),
        ({"max_iter": 0}, "max_iter: expected a positive int, got 0"),
        ({"tol": 0.0}, "tol: expected a positive number"),
        ({"ndim": 4}, "ndim: expected 1, 2 or 3, got 4"),
        ({"ndim": 3}, r"kspace: expected \(\*batch, coils, \*im_size\) with 3 spatial axes, got \(5, 48, 44\)"),
    ],
)
def test_bad_options(make_scan, change, message):
    with pytest.raises(ValueError, match=message):
        espirit(make_scan(5, (48, 44)).kspace, **{"acs": 24, **change})


def test_bad_kspace(make_scan):
    kspace = make_scan(5, (48, 44)).kspace
    for value, shown in ((float("nan"), "nan"), (float("inf"), "inf")):
        broken = kspace.clone()
        broken[3, 7, 11] = value
        broken[4, 0, 0] = value
        with pytest.raises(ValueError, match=rf"kspace: expected finite values, got .*{shown}.* at index \(3, 7, 11\)"):
            espirit(broken)
    with pytest.raises(TypeError, match=r"kspace: expected dtype complex64 or complex128, got torch\.float32"):
        espirit(kspace.real)
    with pytest.raises(TypeError, match=r"kspace: expected a torch\.Tensor, got ndarray"):
        espirit(kspace.numpy())
    with pytest.raises(ValueError, match="expected no empty axis"):
        espirit(kspace[:0])
    with pytest.raises(ValueError, match="expected a nonzero ACS, got all zeros in batch item 1"):
        espirit(torch.stack([kspace, kspace * 0]), acs=24)


def test_no_gradient_is_recorded(make_scan):
    kspace = make_scan(5, (48, 44)).kspace.clone().requires_grad_()
    assert not espirit(kspace, acs=24).requires_grad
