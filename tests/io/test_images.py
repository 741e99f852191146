"""NIfTI and PNG against the libraries that read them; npz against NIfTI; what may be given as an image."""

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from mriops.io import ScanInfo, read_cfl, read_image, write_cfl, write_image, write_nifti, write_png

SWAPPED = ScanInfo(
    axes=("slice", "coil", "y", "x"), shape=(1, 1, 6, 8), field_of_view=(2e-3, 6e-3, 16e-3), swapped=True
)
SLAB = ScanInfo(axes=("slice", "coil", "z", "y", "x"), shape=(1, 4, 5, 6, 8), field_of_view=(0.1, 0.12, 0.16))


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


@pytest.mark.parametrize("case", ["slices", "frames", "swapped", "slab", "slabs", "no scan"])
def test_npz_holds_the_axes_and_the_place_of_the_nifti_file(case, raw, tmp_path):
    info, shape, first = {
        "slices": (raw, (2, 11, 16), 1),
        "frames": (raw, (3, 2, 11, 16), 0),
        "swapped": (SWAPPED, (1, 6, 8), 0),
        "slab": (SLAB, (1, 5, 6, 8), 0),
        "slabs": (SLAB, (2, 5, 6, 8), 0),
        "no scan": (None, (4, 5), 0),
    }[case]
    rng = np.random.default_rng(0)
    image = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
    write_nifti(image, tmp_path / "a.nii", info=info, part="complex", first_slice=first)
    write_image(image, tmp_path / "a.npz", info=info, first_slice=first)
    nifti, got = nibabel.load(tmp_path / "a.nii"), read_image(tmp_path / "a.npz")
    assert got.image.dtype == np.complex64
    frames = got.image.ndim - 3
    order = (frames + 2, frames + 1, frames, *range(frames))
    np.testing.assert_array_equal(got.image.transpose(order), np.asanyarray(nifti.dataobj))
    # NIfTI keeps millimetres as float32.
    np.testing.assert_allclose(1e3 * got.affine[:3], nifti.affine[:3], rtol=1e-6, atol=1e-5)
    expected = {"swapped": (2e-3, 2e-3, 1e-3), "no scan": None}.get(case, info and info.voxel_size)
    assert got.voxel_size == (None if expected is None else pytest.approx(expected))


def test_npz_that_is_no_image(raw, tmp_path):
    np.savez(tmp_path / "other.npz", maps=np.ones(3))
    with pytest.raises(ValueError, match=r"expected the arrays image and affine, .* got \['maps'\]"):
        read_image(tmp_path / "other.npz")
    np.savez(tmp_path / "flat.npz", image=np.ones((2, 2)), affine=np.eye(4))
    with pytest.raises(ValueError, match=r"expected image \(\*frames, z, y, x\), .* got {'image': \(2, 2\)"):
        read_image(tmp_path / "flat.npz")
    write_image(np.ones((3, 4)), tmp_path / "a.npz", compress=True)
    assert read_image(tmp_path / "a.npz").image.sum() == 12
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-30])
    with pytest.raises(OSError, match=r"a\.npz: expected a complete npz file, got a damaged one"):
        read_image(tmp_path / "a.npz")
    (tmp_path / "a.npz").write_bytes(b"text")
    with pytest.raises(ValueError, match="expected an npz file as write_image writes it, got another format"):
        read_image(tmp_path / "a.npz")


def _pixels(path):
    return np.asarray(Image.open(path))


WRITERS = {
    "a.nii": (write_nifti, lambda path: np.asanyarray(nibabel.load(path).dataobj)),
    "a.npz": (write_image, lambda path: read_image(path).image),
    "a.png": (write_png, _pixels),
    "a.cfl": (write_cfl, read_cfl),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("state", ["grad", "conj", "neg", "list"])
def test_tensors_of_any_state(name, state, tmp_path):
    write, load = WRITERS[name]
    values = torch.complex(torch.arange(12.0).reshape(3, 4), torch.arange(12.0, 0, -1).reshape(3, 4))
    given, plain = {
        "grad": (values.clone().requires_grad_(), values),
        "conj": (values.conj(), values.conj().resolve_conj()),
        "neg": ((-values).conj().imag, values.imag.clone()),
        "list": (values.tolist(), values.to(torch.complex128)),
    }[state]
    write(given, tmp_path / name)
    got = load(tmp_path / name)
    write(plain.numpy(), tmp_path / name)
    np.testing.assert_array_equal(got, load(tmp_path / name))
    assert got.any()


@pytest.mark.parametrize("name", ["a.nii", "a.npz", "a.png"])
def test_what_is_no_image(name, tmp_path):
    write = WRITERS[name][0]
    for empty in (np.ones((0, 3)), np.ones((2, 0))):
        with pytest.raises(ValueError, match=r"image: expected .*empty.*, got shape \("):
            write(empty, tmp_path / name)
    for strange in ("words", [[1, 2], [3]], {"image": 1}):
        with pytest.raises(TypeError, match=r"image: expected an array of numbers, got (str|list|dict)"):
            write(strange, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_the_least_whole_number_has_a_magnitude(tmp_path):
    write_nifti(np.full((3, 4), -32768, np.int16), tmp_path / "a.nii")
    assert (nibabel.load(tmp_path / "a.nii").get_fdata() == 32768).all()
