"""NIfTI and PNG against the libraries that read them."""

import nibabel
import numpy as np
import pytest
from PIL import Image

from mriops.io import ScanInfo, write_nifti, write_png


def test_nifti_orientation_and_size(raw, tmp_path):
    image = np.arange(3 * 11 * 16).reshape(3, 11, 16) * np.exp(0.3j)
    write_nifti(image, tmp_path / "a.nii.gz", info=raw)
    got = nibabel.load(tmp_path / "a.nii.gz")
    assert got.shape == (16, 11, 3)
    np.testing.assert_allclose(got.get_fdata()[5, 4, 2], abs(image[2, 4, 5]), rtol=1e-6)
    np.testing.assert_allclose(got.header.get_zooms(), (15, 20, 4), rtol=1e-6)
    # x runs along patient P (LPS +y = RAS -y), y along L; voxel (8, 5) of slice 1 is one spacing above the first.
    assert nibabel.aff2axcodes(got.affine) == ("P", "L", "S")
    np.testing.assert_allclose(got.affine @ [8, 5, 1, 1], [-10, 20, 34, 1], rtol=1e-6)


def test_nifti_parts_and_frames(raw, tmp_path):
    image = np.random.default_rng(0).standard_normal((3, 2, 11, 16)) * np.exp(0.7j)
    for part, expected in (("magnitude", abs(image)), ("phase", np.angle(image)), ("complex", image)):
        write_nifti(image, tmp_path / "a.nii", info=raw, part=part)
        got = np.asanyarray(nibabel.load(tmp_path / "a.nii").dataobj)
        np.testing.assert_allclose(got, expected.transpose(3, 2, 0, 1), rtol=1e-6)


def test_nifti_first_slice_shifts_the_origin(raw, tmp_path):
    write_nifti(np.ones((2, 11, 16)), tmp_path / "a.nii", info=raw, first_slice=1)
    np.testing.assert_allclose(nibabel.load(tmp_path / "a.nii").affine @ [8, 5, 0, 1], [-10, 20, 34, 1], rtol=1e-6)


def test_nifti_3d(tmp_path):
    info = ScanInfo(axes=("slice", "coil", "z", "y", "x"), shape=(1, 4, 5, 6, 8), field_of_view=(0.1, 0.12, 0.16))
    image = np.random.default_rng(0).standard_normal((1, 5, 6, 8))
    write_nifti(image, tmp_path / "a.nii", info=info)
    got = nibabel.load(tmp_path / "a.nii")
    np.testing.assert_allclose(got.get_fdata(), abs(image[0]).T, rtol=1e-6)
    np.testing.assert_allclose(got.affine @ [4, 3, 2, 1], [0, 0, 0, 1], atol=1e-6)


def test_nifti_swapped_pictures(tmp_path):
    axes = ("slice", "coil", "y", "x")
    info = ScanInfo(axes=axes, shape=(1, 1, 6, 8), field_of_view=(2e-3, 6e-3, 16e-3), swapped=True)
    write_nifti(np.arange(48.0).reshape(1, 6, 8), tmp_path / "a.nii", info=info)
    got = nibabel.load(tmp_path / "a.nii")
    assert got.shape == (6, 8, 1)
    np.testing.assert_allclose(got.header.get_zooms(), (1, 2, 2), rtol=1e-6)
    np.testing.assert_allclose(got.get_fdata()[2, 3, 0], 2 * 8 + 3)


def test_nifti_faults(tmp_path):
    with pytest.raises(ValueError, match="part: expected one of magnitude, phase, complex, got 'real'"):
        write_nifti(np.ones((2, 2)), tmp_path / "a.nii", part="real")
    with pytest.raises(ValueError, match=r"path: expected a name ending in \.nii or \.nii\.gz"):
        write_nifti(np.ones((2, 2)), tmp_path / "a.img")


def test_png(tmp_path):
    image = np.array([[0, 1, 2], [3, 4, 9]]) * 1j
    write_png(image, tmp_path / "a.png", window=(0, 4))
    got = np.asarray(Image.open(tmp_path / "a.png"))
    np.testing.assert_array_equal(got, [[0, 64, 128], [191, 255, 255]])
    write_png(np.zeros((3, 3)), tmp_path / "b.png")
    assert np.asarray(Image.open(tmp_path / "b.png")).max() == 0
    with pytest.raises(ValueError, match=r"image: expected a non-empty \(y, x\), got shape \(2, 3, 4\)"):
        write_png(np.zeros((2, 3, 4)), tmp_path / "c.png")
    assert not (tmp_path / "c.png").exists()
