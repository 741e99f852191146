"""Averages, noise scan, readout oversampling, coil compression, calibration data: what `prepare` makes of them."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from mriops import metrics, phantoms, recon, trajectories
from mriops.io import RawData, ScanInfo


def test_whitened_noise_is_white(raw):
    covariance = phantoms.coil_covariance(8, correlation=0.6)
    noise = phantoms.noise_samples(covariance, 20000, seed=3).numpy()
    kspace = phantoms.noise_samples(covariance, 96 * 80, seed=4).reshape(1, 8, 96, 80).numpy()
    data = recon.prepare(dataclasses.replace(raw, kspace=kspace, mask=None, noise=noise))
    samples = data.kspace[0].reshape(8, -1)
    found = samples @ samples.mH / samples.shape[1]
    # Two estimates from 20000 and 7680 samples; standard errors add to 0.014, five of them.
    torch.testing.assert_close(found, torch.eye(8, dtype=torch.complex64), rtol=0, atol=0.07)
    untouched = recon.prepare(dataclasses.replace(raw, kspace=kspace, mask=None, noise=noise), whiten=False)
    torch.testing.assert_close(untouched.kspace, torch.from_numpy(kspace))


def test_averages_are_averaged_where_acquired():
    kspace = np.zeros((1, 3, 2, 6, 4), np.complex64)
    mask = np.zeros((1, 3, 6, 1), bool)
    for average, lines in enumerate(([1, 3], [3], [0, 3])):
        mask[0, average, lines] = True
        kspace[0, average][:, lines] = average + 1
    data = recon.prepare(RawData(kspace=kspace, axes=("slice", "average", "coil", "y", "x"), mask=mask))
    np.testing.assert_array_equal(data.kspace[0, 0, :, 0], [3, 1, 0, 2, 0, 0])
    np.testing.assert_array_equal(data.mask[0, :, 0], [True, True, False, True, False, False])
    assert data.info.axes == ("slice", "coil", "y", "x")


@pytest.mark.parametrize("method", ["rss", "zero-filled", "sense"])
def test_samples_that_the_mask_leaves_out_do_not_count(raw, method):
    everywhere = dataclasses.replace(raw, kspace=np.where(raw.kspace == 0, np.complex64(5), raw.kspace))
    assert raw.mask is not None and (everywhere.kspace == 5).any()
    settings = recon.Settings(method=method)
    assert torch.equal(recon.reconstruct(everywhere, settings), recon.reconstruct(raw, settings))


def test_averages_of_whole_kspace_with_masks_of_their_own():
    rng = np.random.default_rng(0)
    kspace = rng.normal(size=(1, 2, 3, 6, 4)).astype(np.complex64)
    mask = np.zeros((1, 2, 6, 1), bool)
    mask[0, 0, :4] = mask[0, 1, 2:] = True
    data = recon.prepare(RawData(kspace=kspace, axes=("slice", "average", "coil", "y", "x"), mask=mask))
    np.testing.assert_array_equal(data.kspace[0, :, :2], kspace[0, 0, :, :2])
    np.testing.assert_allclose(data.kspace[0, :, 2:4], kspace[0, :, :, 2:4].mean(0), rtol=1e-6)
    np.testing.assert_array_equal(data.kspace[0, :, 4:], kspace[0, 1, :, 4:])


def test_averages_along_trajectories_become_shots():
    rng = np.random.default_rng(0)
    k = trajectories.radial((24, 24), 40, 48)
    kspace = rng.normal(size=(1, 3, 40, 48)).astype(np.complex64)
    options = {"matrix": (24, 24), "recon_size": (24, 24)}
    axes = ("slice", "coil", "shot", "sample")
    flat = RawData(kspace=kspace, trajectory=k.numpy()[None], axes=axes, **options)
    two = RawData(
        kspace=kspace.reshape(1, 3, 2, 20, 48).swapaxes(1, 2),
        trajectory=k.numpy().reshape(1, 2, 20, 48, 2),
        axes=("slice", "average", *axes[1:]),
        **options,
    )
    expected, found = recon.prepare_shots(flat), recon.prepare_shots(two)
    assert torch.equal(found.kspace, expected.kspace) and torch.equal(found.trajectory, expected.trajectory)
    settings = recon.Settings(method="rss")
    assert torch.equal(recon.reconstruct(two, settings), recon.reconstruct(flat, settings))


@pytest.mark.parametrize(
    "change",
    [
        lambda kspace: kspace.astype(">c8"),
        lambda kspace: kspace[..., ::-1].copy()[..., ::-1],
        lambda kspace: kspace.astype(np.complex128),
    ],
)
def test_kspace_however_it_lies_in_memory(raw, change):
    acs = raw.kspace[:, :, 36:60, 28:52]
    expected = recon.reconstruct(dataclasses.replace(raw, acs=acs))
    found = recon.reconstruct(dataclasses.replace(raw, kspace=change(raw.kspace), acs=acs))
    torch.testing.assert_close(found.to(expected.dtype), expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


def test_oversampling_is_cropped(raw):
    wide = dataclasses.replace(raw, recon_size=(96, 40))
    data = recon.prepare(wide)
    assert data.kspace.shape == (1, 8, 96, 40) and data.info.im_size == (96, 40)
    assert recon.prepare(wide, keep_oversampling=True).kspace.shape == (1, 8, 96, 80)
    image = recon.reconstruct(wide, recon.Settings(method="rss"))
    expected = recon.rss(torch.from_numpy(raw.kspace))[..., 20:60]
    torch.testing.assert_close(image, expected, rtol=0, atol=1e-5 * float(expected.max()))


def test_compression_keeps_the_image(raw, scan):
    data = recon.prepare(raw, n_coils=6)
    assert data.kspace.shape == data.calibration.shape == (1, 6, 96, 80)
    assert data.info.n_coils == 6
    image = recon.reconstruct(raw, recon.Settings(compress=6, l2=0))
    assert metrics.nrmse(image[0].abs(), scan.truth) < 0.08
    with pytest.raises(ValueError, match="n_coils: expected at most the 8 coils of the data, got 9"):
        recon.prepare(raw, n_coils=9)


def test_calibration_from_the_sampled_centre(raw):
    data = recon.prepare(raw)
    # 24 lines, and the neighbours that the regular pattern adds on both sides.
    assert data.acs_size[1] == 80 and 24 <= data.acs_size[0] <= 26


def test_separate_calibration_scan(raw, scan):
    acs = raw.kspace[:, :, 36:60].copy()
    alone = dataclasses.replace(raw, acs=acs)
    alone.mask = raw.mask.copy()
    alone.mask[:, 1::2] = False
    alone.kspace = raw.kspace * alone.mask[:, None]
    data = recon.prepare(alone)
    assert data.acs_size == (24, 80)
    image = recon.reconstruct(alone, recon.Settings(l2=0))
    assert metrics.nrmse(image[0].abs(), scan.truth) < 0.08


def test_frames_share_maps_from_their_mean(raw, scan):
    frames = np.stack([raw.kspace, 2 * raw.kspace], axis=1)
    masks = np.stack([raw.mask, raw.mask], axis=1)
    for axis in ("repetition", "contrast"):
        both = RawData(kspace=frames, mask=masks, axes=("slice", axis, "coil", "y", "x"))
        image = recon.reconstruct(both)
        assert image.shape == (1, 2, 96, 80)
        torch.testing.assert_close(image[:, 1], 2 * image[:, 0], rtol=0, atol=1e-4 * float(image.abs().max()))
        assert metrics.nrmse(image[0, 0].abs(), scan.truth) < 0.07


def test_three_axes_from_file_to_image():
    size = (32, 30, 24)
    phantom, coils = phantoms.brain(ndim=3), phantoms.fourier_coils(8, ndim=3)
    kspace = phantom.multicoil_kspace(size, coils)
    axes = ("slice", "coil", "z", "y", "x")
    truth = recon.reconstruct(RawData(kspace=kspace[None].numpy(), axes=axes), recon.Settings(method="rss"))
    mask = torch.ones(1, *size[:2], 1, dtype=torch.bool)
    mask[:, :, ::2] = False
    mask[:, 10:22, 9:21] = True
    raw = RawData(kspace=(kspace[None] * mask[:, None]).numpy(), mask=mask.numpy(), axes=axes)
    assert recon.prepare(raw).acs_size == (12, 13, 24)  # line 21 belongs to the regular pattern
    image = recon.reconstruct(raw, recon.Settings(l2=1e-4))
    assert image.shape == (1, *size)
    # So coarse a grid rings, in the estimated maps too.
    zero_filled = recon.reconstruct(raw, recon.Settings(method="zero-filled"))
    assert metrics.nrmse(image.abs(), truth, ndim=3) < 0.08
    assert metrics.nrmse(zero_filled.abs(), truth, ndim=3) > 0.15


def test_undersampling(scan):
    full = RawData(kspace=np.ones((1, 8, 48, 40), np.complex64))
    data = recon.from_raw.undersample(recon.prepare(full), 4, 8)
    kept = data.mask[0, :, 0]
    assert data.acs_size == (8, 40)
    np.testing.assert_array_equal(kept.nonzero()[:, 0], sorted({*range(0, 48, 4), *range(20, 28)}))
    assert bool((data.kspace[0, 0, ~kept] == 0).all())


@pytest.mark.parametrize("method", recon.METHODS)
@pytest.mark.parametrize("calib", recon.CALIBRATIONS)
def test_all_methods(raw, scan, method, calib):
    image = recon.reconstruct(raw, recon.Settings(method=method, calib=calib))
    assert image.shape == (1, 96, 80)
    assert metrics.nrmse(image[0].abs(), scan.truth) < (0.1 if method == "sense" else 0.3)


def test_settings_are_checked():
    with pytest.raises(ValueError, match="method: expected one of sense, zero-filled, rss, got 'magic'"):
        recon.Settings(method="magic")
    with pytest.raises(ValueError, match="calib: expected one of espirit, walsh, adaptive, got 'guess'"):
        recon.Settings(calib="guess")


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("acceleration", 0, ValueError, "expected an integer >= 1, got 0"),
        ("acceleration", 2.5, TypeError, "expected an integer >= 1, got 2.5"),
        ("acs", -1, ValueError, "expected an integer >= 0, got -1"),
        ("n_maps", 1.5, TypeError, "expected an integer >= 1, got 1.5"),
        ("max_iter", 2.5, TypeError, "expected an integer >= 1, got 2.5"),
        ("max_iter", 0, ValueError, "expected an integer >= 1, got 0"),
        ("l2", -1, ValueError, "expected a number >= 0, got -1"),
        ("l2", math.nan, ValueError, "expected a number >= 0, got nan"),
        ("l2", "1", TypeError, "expected a number >= 0, got '1'"),
        ("tol", -1.0, ValueError, "expected a number >= 0, got -1.0"),
        ("compress", 0, ValueError, "expected an integer >= 1 or None, got 0"),
        ("compress", 2.0, TypeError, "expected an integer >= 1 or None, got 2.0"),
        ("whiten", "no", TypeError, "expected a bool, got str"),
        ("device", "foo", ValueError, "expected the name of a torch device, such as cpu or cuda:0, got 'foo'"),
        ("device", 0.0, TypeError, "expected the name of a torch device, such as cpu or cuda:0, got float"),
    ],
)
def test_numbers_of_settings_are_checked(name, value, error, message):
    with pytest.raises(error, match=f"^{name}: {message}$"):
        recon.Settings(**{name: value})


def test_settings_take_numbers_of_any_kind():
    given = {"l2": np.float32(0), "tol": 0, "compress": np.int64(4), "acs": 0, "device": torch.device("cpu")}
    settings = recon.Settings(**given)
    assert {name: getattr(settings, name) for name in given} == given


def test_centre_missing(raw):
    raw.mask = raw.mask.copy()
    raw.mask[:, 40:60] = False
    with pytest.raises(ValueError, match="expected a sampled centre of k-space"):
        recon.reconstruct(raw)


def test_calibration_that_is_longer_than_the_data(raw):
    wide = np.zeros((1, 8, 20, 120), np.complex64)
    wide[..., 20:100] = np.arange(80)
    data = recon.prepare(dataclasses.replace(raw, acs=wide, acs_size=None))
    assert data.acs_size == (20, 80)
    np.testing.assert_array_equal(data.calibration[0, 0, 48], np.arange(80))


def test_values_that_are_not_finite_are_named(raw):
    kspace = raw.kspace.copy()
    kspace[0, 3, 7, 5] = np.nan
    with pytest.raises(ValueError, match=r"kspace: expected finite values, got .* at index \(0, 3, 7, 5\)"):
        recon.prepare(dataclasses.replace(raw, kspace=kspace))
    shots = RawData(
        kspace=np.full((1, 2, 3, 4), np.inf, np.complex64),
        trajectory=np.zeros((1, 3, 4, 2), np.float32),
        axes=("slice", "coil", "shot", "sample"),
        matrix=(8, 8),
    )
    with pytest.raises(ValueError, match=r"kspace: expected finite values, got .* at index \(0, 0, 0, 0\)"):
        recon.prepare_shots(shots)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"compress": 5}, "compress: expected at most the 4 coils of the data, got 5"),
        ({"n_maps": 5}, "n_maps: expected at most the 4 coils that maps are for, got 5"),
        ({"n_maps": 3, "compress": 2}, "n_maps: expected at most the 2 coils that maps are for, got 3"),
    ],
)
def test_settings_are_checked_against_the_scan_alone(settings, message):
    scan = ScanInfo(axes=("slice", "coil", "y", "x"), shape=(1, 4, 8, 8))
    with pytest.raises(ValueError, match=message):
        recon.Settings(**settings).check(scan)
    recon.Settings(method="rss", n_maps=5, compress=4).check(scan)  # maps are not estimated


def test_settings_that_do_not_belong_together():
    with pytest.raises(ValueError, match="n_maps: expected 1 with calib 'adaptive', got 2"):
        recon.Settings(calib="adaptive", n_maps=2)
