"""Every writer against its reader, and slice by slice against whole."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mriops.io import RawData, ScanInfo, open_raw, read, write_bart, write_ismrmrd, write_npz


def assert_same_info(got: ScanInfo, expected: ScanInfo) -> None:
    for field in dataclasses.fields(ScanInfo):
        if field.name == "format":
            continue
        a, b = getattr(got, field.name), getattr(expected, field.name)
        if field.name != "axes" and isinstance(b, (float, tuple, np.ndarray)):
            # ISMRMRD keeps positions as float32 millimetres.
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=0, err_msg=field.name)
        else:
            assert a == b, field.name


def assert_same_mask(got: RawData, expected: RawData) -> None:
    assert got.mask is not None and expected.mask is not None
    np.testing.assert_array_equal(got.mask, expected.mask)


def test_ismrmrd(raw, tmp_path):
    write_ismrmrd(raw, tmp_path / "scan.h5")
    got = read(tmp_path / "scan.h5")
    np.testing.assert_array_equal(got.kspace, raw.kspace)
    np.testing.assert_array_equal(got.noise, raw.noise)
    assert_same_mask(got, raw)
    assert got.acs_size == (5, 32)
    assert got.format == "ismrmrd"
    assert_same_info(got, raw)


def test_ismrmrd_3d_with_separate_calibration(tmp_path):
    rng = np.random.default_rng(1)
    kspace = (rng.standard_normal((1, 2, 5, 6, 8)) + 0j).astype(np.complex64)
    acs = (rng.standard_normal((1, 2, 3, 4, 8)) + 0j).astype(np.complex64)
    mask = np.zeros((1, 5, 6, 1), bool)
    mask[:, ::2, 1::2] = True
    raw = RawData(
        kspace=kspace * mask[:, None], axes=("slice", "coil", "z", "y", "x"), mask=mask, acs=acs,
        field_of_view=(0.1, 0.12, 0.16),
    )  # fmt: skip
    write_ismrmrd(raw, tmp_path / "scan.h5")
    got = read(tmp_path / "scan.h5")
    assert got.axes == raw.axes
    np.testing.assert_array_equal(got.kspace, raw.kspace)
    np.testing.assert_array_equal(got.acs, acs)
    assert_same_mask(got, raw)
    np.testing.assert_allclose(got.voxel_size, (0.02,) * 3)


def test_npz(raw, tmp_path):
    write_npz(raw, tmp_path / "scan.npz")
    got = read(tmp_path / "scan.npz")
    np.testing.assert_array_equal(got.kspace, raw.kspace)
    np.testing.assert_array_equal(got.noise, raw.noise)
    assert_same_mask(got, raw)
    assert got.acs_size == raw.acs_size
    assert_same_info(got, raw)


def test_bart(raw, tmp_path):
    write_bart(raw, tmp_path / "scan")
    got = read(tmp_path / "scan")
    assert got.axes == raw.axes
    np.testing.assert_array_equal(got.kspace, raw.kspace)
    assert_same_mask(got, raw)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("name", ["scan.h5", "scan.npz", "scan.cfl"])
def test_slices_equal_the_whole(raw, tmp_path, name, compress):
    if name == "scan.h5":
        write_ismrmrd(raw, tmp_path / name)
    elif name == "scan.npz":
        write_npz(raw, tmp_path / name, compress=compress)
    else:
        write_bart(raw, tmp_path / name)
    with open_raw(tmp_path / name) as file:
        assert file.info.n_slices == 3
        for s in range(3):
            part = file.read(range(s, s + 1))
            np.testing.assert_array_equal(part.kspace, raw.kspace[s : s + 1])
            np.testing.assert_array_equal(part.mask, raw.mask[s : s + 1])
            assert part.slices == range(s, s + 1)
        with pytest.raises(ValueError, match=r"slices: expected a non-empty range within 0\.\.2"):
            file.read(range(2, 4))


def test_npy(tmp_path):
    kspace = np.ones((2, 5, 6), np.complex128)
    np.save(tmp_path / "k.npy", kspace)
    got = read(tmp_path / "k.npy")
    assert got.kspace.dtype == np.complex64 and got.kspace.shape == (1, 2, 5, 6) and got.mask is None


def test_npz_named_axes_in_any_order(tmp_path):
    kspace = np.random.default_rng(2).standard_normal((5, 6, 2, 3)) + 0j
    np.savez(tmp_path / "k.npz", kspace=kspace)
    got = read(tmp_path / "k.npz", axes=("y", "x", "coil", "contrast"))
    assert got.axes == ("slice", "contrast", "coil", "y", "x")
    np.testing.assert_allclose(got.kspace[0], kspace.transpose(3, 2, 0, 1), rtol=1e-6)


def test_written_twice_leaves_the_second_and_nothing_else(raw, tmp_path):
    for write, name in ((write_ismrmrd, "a.h5"), (write_npz, "a.npz"), (write_bart, "a")):
        write(raw, tmp_path / name)
        write(dataclasses.replace(raw, kspace=2 * raw.kspace), tmp_path / name)
        np.testing.assert_array_equal(read(tmp_path / name).kspace, 2 * raw.kspace)
    assert sorted(p.name for p in Path(tmp_path).iterdir()) == ["a.cfl", "a.h5", "a.hdr", "a.npz"]


@pytest.mark.parametrize("shape", [(1, 1, 13, 1), (1, 2, 13, 1), (3, 1, 13, 1), (1, 1, 1, 1)])
def test_ismrmrd_takes_masks_that_broadcast(raw, tmp_path, shape):
    mask = np.broadcast_to(raw.mask[:1, :1], (3, 2, 13, 1))[tuple(slice(0, n) for n in shape)]
    raw = dataclasses.replace(raw, mask=mask, kspace=raw.kspace * mask[:, :, None], acs_size=None)
    write_ismrmrd(raw, tmp_path / "scan.h5")
    got = read(tmp_path / "scan.h5")
    np.testing.assert_array_equal(got.kspace, raw.kspace)
    full = np.ones((3, 2, 13, 1), bool) if got.mask is None else got.mask
    np.testing.assert_array_equal(full, np.broadcast_to(mask, full.shape))


def test_ismrmrd_without_a_mask_has_every_line(raw, tmp_path):
    raw = dataclasses.replace(raw, mask=None, acs_size=None)
    write_ismrmrd(raw, tmp_path / "scan.h5")
    got = read(tmp_path / "scan.h5")
    assert got.mask is None and got.acs_size is None
    np.testing.assert_array_equal(got.kspace, raw.kspace)


@pytest.mark.parametrize("name", ["scan.h5", "scan.npz"])
def test_some_slices_stay_in_their_place(raw, tmp_path, name):
    write = write_ismrmrd if name == "scan.h5" else write_npz
    write_npz(raw, tmp_path / "all.npz")
    with open_raw(tmp_path / "all.npz") as file:
        part = file.read(range(1, 3))
    write(part, tmp_path / name)
    got = read(tmp_path / name)
    assert got.n_slices == 2 and got.slices == range(2)
    # float32 millimetres in ISMRMRD
    np.testing.assert_allclose(got.affine(), raw.affine(first_slice=1), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["scan.npz", "scan.npy", "scan.cfl"])
def test_what_is_read_can_be_written_to(tmp_path, name):
    kspace = np.ones((2, 2, 5, 6), np.complex64)
    if name == "scan.cfl":
        write_bart(RawData(kspace=kspace), tmp_path / name)
    elif name == "scan.npy":
        np.save(tmp_path / name, kspace)
    else:
        np.savez(tmp_path / name, kspace=kspace)
    got = read(tmp_path / name)
    got.kspace[:] = 2
    np.testing.assert_array_equal(read(tmp_path / name).kspace, 1)


def test_npz_mask_has_the_axes_of_the_array(tmp_path):
    kspace = np.ones((6, 6, 2), np.complex64)  # square, so that no shape tells the axes apart
    mask = np.arange(36).reshape(6, 6) % 5 == 0
    np.savez(tmp_path / "k.npz", kspace=kspace, mask=mask)
    np.testing.assert_array_equal(read(tmp_path / "k.npz", axes=("x", "y", "coil")).mask, mask.T[None])
    np.testing.assert_array_equal(read(tmp_path / "k.npz", axes=("y", "x", "coil")).mask, mask[None])


def test_numbers_of_numpy_in_the_header(raw, tmp_path):
    changed = dataclasses.replace(raw, echo_time=tuple(np.float32([0.01, 0.02])), slice_spacing=np.float64(5e-3))
    write_npz(changed, tmp_path / "a.npz")
    assert read(tmp_path / "a.npz").echo_time == pytest.approx((0.01, 0.02))


@pytest.mark.parametrize("info", ["subject 3", "12", "[1]", np.array({"subject": 3}, dtype=object), 7.0])
def test_an_info_of_somebody_else(tmp_path, info):
    kspace = np.ones((2, 8, 6), np.complex64)
    np.savez(tmp_path / "a.npz", kspace=kspace, info=info)
    np.testing.assert_array_equal(read(tmp_path / "a.npz").kspace[0], kspace)


def test_names_of_pairs_with_a_dot(raw, tmp_path):
    write_bart(raw, tmp_path / "scan_0.5mm")
    np.testing.assert_array_equal(read(tmp_path / "scan_0.5mm").kspace, read(tmp_path / "scan_0.5mm.cfl").kspace)


@pytest.mark.parametrize("write", [write_npz, write_ismrmrd])
@pytest.mark.parametrize("directions", [None, np.array([[1.0, 0, 0], [0, 0.8, 0.6], [0, -0.6, 0.8]])])
def test_some_slices_stay_in_their_place_where_nobody_knows_it(tmp_path, write, directions):
    kspace = np.ones((5, 2, 8, 6), np.complex64)
    options = {"slice_spacing": 5e-3, "field_of_view": (4e-3, 0.08, 0.06), "directions": directions}
    whole = RawData(kspace=kspace, axes=("slice", "coil", "y", "x"), **options)
    write_npz(whole, tmp_path / "whole.npz")
    with open_raw(tmp_path / "whole.npz") as file:
        write(file.read(range(3, 5)), tmp_path / "some")
    for name, first in (("whole.npz", 3), ("some", 0)):
        found = read(tmp_path / name)
        assert found.slice_spacing == pytest.approx(5e-3)
        np.testing.assert_allclose(found.affine(first_slice=first), whole.affine(first_slice=3), atol=1e-7)
