"""fastMRI layout: readout along rows, masks along columns, header inside."""

import h5py
import numpy as np
import pytest

from mriops.io import read, remove_oversampling

SPACE = (
    "<{0}Space><matrixSize><x>{1}</x><y>{2}</y><z>1</z></matrixSize>"
    "<fieldOfView_mm><x>{3}</x><y>{4}</y><z>5</z></fieldOfView_mm></{0}Space>"
)
HEADER = SPACE.format("encoded", 16, 10, 400, 200) + SPACE.format("recon", 8, 6, 200, 120)
HEADER = f"<ismrmrdHeader><encoding>{HEADER}<trajectory>cartesian</trajectory></encoding></ismrmrdHeader>"


@pytest.fixture
def kspace():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((3, 2, 16, 10)) + 1j * rng.standard_normal((3, 2, 16, 10))).astype(np.complex64)


def write(path, kspace, **datasets):
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace
        for name, value in datasets.items():
            file[name] = value
    return path


def test_readout_becomes_the_last_axis(kspace, tmp_path):
    got = read(write(tmp_path / "a.h5", kspace, ismrmrd_header=HEADER))
    assert got.format == "fastmri" and got.swapped
    np.testing.assert_array_equal(got.kspace, kspace.swapaxes(-1, -2))
    assert got.mask is None
    assert got.recon_size == (6, 8)
    assert remove_oversampling(got).im_size == (10, 8)
    assert got.picture(np.zeros((6, 8))).shape == (8, 6)
    np.testing.assert_allclose(got.voxel_size, (5e-3, 0.02, 0.025))


def test_header_without_fields_of_view(kspace, tmp_path):
    header = HEADER
    for size in ("400", "200", "120"):
        header = header.replace(f">{size}<", ">0<")
    got = read(write(tmp_path / "a.h5", kspace, ismrmrd_header=header))
    assert got.recon_size == (10, 16) and got.voxel_size is None
    np.testing.assert_allclose(np.diag(got.affine()), [-1e-3, -1e-3, 5e-3, 1])


def test_mask_of_columns(kspace, tmp_path):
    mask = np.arange(10) % 3 == 0
    got = read(write(tmp_path / "a.h5", kspace * mask, mask=mask.astype(np.uint8)))
    np.testing.assert_array_equal(got.mask, mask[None, :, None])


def test_mask_found_from_zero_columns(kspace, tmp_path):
    kspace[..., :3] = 0
    got = read(write(tmp_path / "a.h5", kspace))
    np.testing.assert_array_equal(got.mask, np.broadcast_to((np.arange(10) >= 3)[None, :, None], (3, 10, 1)))


def test_single_coil(kspace, tmp_path):
    got = read(write(tmp_path / "a.h5", kspace[:, 0]))
    assert got.shape == (3, 1, 10, 16)


def test_faults(kspace, tmp_path):
    with pytest.raises(ValueError, match=r"expected complex kspace \(slices, \[coils,\] rows, columns\), got float32"):
        read(write(tmp_path / "a.h5", kspace.real))
    with pytest.raises(ValueError, match=r"expected a mask of 10 columns, got \(16,\)"):
        read(write(tmp_path / "a.h5", kspace, mask=np.ones(16)))
    with (
        pytest.raises(ValueError, match=r"expected a dataset 'kspace' \(fastMRI\) or a group"),
        h5py.File(tmp_path / "b.h5", "w") as file,
    ):
        file["image"] = np.zeros(3)
        file.close()
        read(tmp_path / "b.h5")
    whole = write(tmp_path / "c.h5", kspace).read_bytes()
    (tmp_path / "c.h5").write_bytes(whole[:-100])
    with pytest.raises(OSError, match="damaged or truncated"):
        read(tmp_path / "c.h5")


def test_kspace_that_is_no_array(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("kspace")
    with pytest.raises(ValueError, match=r"a\.h5: expected an array 'kspace', got <HDF5 group"):
        read(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["kspace"] = h5py.Empty("complex64")
    with pytest.raises(ValueError, match=r"b\.h5: expected an array 'kspace', got <HDF5 dataset"):
        read(tmp_path / "b.h5")
