"""Files from scanners and other software."""

import numpy as np
import pytest

from mriops.io import open_raw, read, remove_oversampling


def test_brain_npz(data_dir):
    raw = read(data_dir / "vfa_cart_brain" / "brain_13ch_fa9.npz")
    with np.load(data_dir / "vfa_cart_brain" / "brain_13ch_fa9.npz") as stored:
        np.testing.assert_array_equal(raw.kspace[0], stored["kspace"])
    assert raw.axes == ("slice", "coil", "y", "x") and raw.mask is None


def test_array_is_chosen_by_key(data_dir):
    path = data_dir / "flash16_brain_3t" / "flash16_brain_3t.npz"
    assert read(path, key="vivo_array16").shape == (1, 16, 128, 128)
    with pytest.raises(ValueError, match=r"expected one of kspace, .* got vivo_array16, .*; choose with key="):
        read(path)


def test_twix_gre(data_dir):
    pytest.importorskip("twixtools")
    folder = data_dir / "twix_gre_epi_3t"
    with open_raw(folder / "gre.dat") as file:
        raw = file.read()
    with np.load(folder / "gre_epi.npz") as stored:
        np.testing.assert_array_equal(raw.kspace[0], stored["gre"])
    assert raw.recon_size == (160, 160) and raw.mask is None
    np.testing.assert_allclose(raw.voxel_size, (4e-3, 1.25e-3, 1.25e-3))
    assert raw.repetition_time == (0.01,) and raw.echo_time == (0.003,)
    np.testing.assert_allclose(raw.flip_angle, [np.deg2rad(15)])
    # The slice normal of the protocol, LPS; the voxel at N//2 lies on the protocol's slice position.
    np.testing.assert_allclose(raw.directions[:, 2], [0, 0.0383878, 0.9992630], atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(raw.directions), -1, atol=1e-5)
    np.testing.assert_allclose(raw.affine() @ [80, 80, 0, 1], [2.5897e-3, -53.9224e-3, -53.9995e-3, 1], atol=1e-6)
    assert remove_oversampling(raw).im_size == (160, 160)


def test_twix_epi(data_dir):
    pytest.importorskip("twixtools")
    folder = data_dir / "twix_gre_epi_3t"
    with open_raw(folder / "epi.dat") as file:
        raw = file.read()
    with np.load(folder / "gre_epi.npz") as stored:
        np.testing.assert_array_equal(raw.kspace[0], stored["epi"])
    assert raw.notes[0] == "3 phase correction lines were left out"


def test_twix_truncated(data_dir, tmp_path):
    pytest.importorskip("twixtools")
    start = (data_dir / "twix_gre_epi_3t" / "gre.dat").read_bytes()[:30000]
    (tmp_path / "cut.dat").write_bytes(start)
    with pytest.raises(ValueError, match="expected a Siemens twix file, got one that cannot be read"):
        read(tmp_path / "cut.dat")


def test_image_file_is_not_raw_data(data_dir):
    with pytest.raises(ValueError, match=r"holds ISMRMRD images .*image_0.*, expected raw acquisitions"):
        read(data_dir / "seq_mrd" / "mrd1_images_gadgetron_epi.h5")


def test_mrd_version_2(data_dir):
    with pytest.raises(ValueError, match="MRD version 2 stream; expected an ISMRMRD/MRD version 1"):
        read(data_dir / "seq_mrd" / "mrd2_marge.mrd")


def test_text_file(data_dir):
    with pytest.raises(ValueError, match="not a known raw format; expected HDF5"):
        read(data_dir / "seq_mrd" / "README.txt")
