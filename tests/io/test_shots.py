"""ISMRMRD files with trajectories: round trips, units, and faults by message."""

import h5py
import numpy as np
import pytest

from mriops.io import RawData, open_raw, read, write_ismrmrd, write_npz


@pytest.fixture
def raw() -> RawData:
    rng = np.random.default_rng(0)
    shape = (2, 3, 4, 5, 7)
    return RawData(
        kspace=(rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64),
        trajectory=rng.uniform(-8, 8, (2, 3, 5, 7, 2)).astype(np.float32) * np.array([2, 1], np.float32),
        axes=("slice", "repetition", "coil", "shot", "sample"),
        matrix=(32, 16),
        recon_size=(24, 16),
        field_of_view=(3e-3, 0.32, 0.16),
        slice_spacing=4e-3,
        directions=np.eye(3),
        position=np.zeros(3),
        noise=(rng.standard_normal((4, 900)) + 0j).astype(np.complex64),
        echo_time=(0.003,),
    )


def test_round_trip(raw, tmp_path):
    write_ismrmrd(raw, tmp_path / "a.h5")
    with open_raw(tmp_path / "a.h5") as file:
        assert file.info.axes == raw.axes and file.info.shape == raw.shape
        assert file.info.im_size == (32, 16) and file.info.recon_size == (24, 16) and file.info.ndim == 2
        assert file.info.voxel_size == pytest.approx((3e-3, 0.01, 0.01))
        assert any("5 shots of 7 samples" in note for note in file.info.notes)
        one = file.read(range(1, 2))
    assert np.array_equal(one.kspace, raw.kspace[1:])
    assert np.allclose(one.trajectory, raw.trajectory[1:], atol=2e-6)  # eps(float32) at 16
    whole = read(tmp_path / "a.h5")
    assert np.array_equal(whole.kspace, raw.kspace) and np.array_equal(whole.noise, raw.noise)
    assert whole.info_dict()["matrix"] == (32, 16)


def test_three_dimensions(tmp_path):
    k = np.random.default_rng(1).uniform(-4, 4, (1, 6, 9, 3)).astype(np.float32)
    kspace = np.ones((1, 2, 6, 9), np.complex64)
    volume = RawData(kspace=kspace, trajectory=k, axes=("slice", "coil", "shot", "sample"), matrix=(8, 10, 12))
    write_ismrmrd(volume, tmp_path / "a.h5")
    found = read(tmp_path / "a.h5")
    assert found.matrix == (8, 10, 12) and np.allclose(found.trajectory, k, atol=1e-6)


def scale(path, factor: float) -> None:
    """Multiply the stored trajectories."""
    with h5py.File(path, "r+") as file:
        rows = file["dataset/data"][:]
        for row in rows:
            row["traj"] = (row["traj"] * factor).astype(np.float32)
        file["dataset/data"][:] = rows


@pytest.mark.parametrize(("units", "factor"), [("auto", 1.0), ("pixel", 1.0)])
def test_units_per_pixel(raw, tmp_path, units, factor):
    write_ismrmrd(raw, tmp_path / "a.h5")
    assert np.allclose(read(tmp_path / "a.h5", trajectory_units=units).trajectory, factor * raw.trajectory, atol=1e-5)


def test_other_units(raw, tmp_path):
    raw.trajectory = np.ascontiguousarray(raw.trajectory * np.array([0.5, 1], np.float32))  # within 8 on both axes
    write_ismrmrd(raw, tmp_path / "a.h5")
    scale(tmp_path / "a.h5", 16.0)  # per pixel of y (32): half the cycles per FOV; of x (16): all of them
    found = read(tmp_path / "a.h5")
    assert np.allclose(found.trajectory, raw.trajectory * [0.5, 1], atol=1e-5)
    per_metre = read(tmp_path / "a.h5", trajectory_units="1/m")
    assert np.allclose(per_metre.trajectory, raw.trajectory * [0.5 * 0.32, 0.16], atol=1e-5)
    with pytest.raises(ValueError, match=r"within half the matrix .* choose with trajectory_units"):
        read(tmp_path / "a.h5", trajectory_units="pixel")
    with pytest.raises(ValueError, match="trajectory_units: expected one of auto, pixel, fov, 1/m"):
        read(tmp_path / "a.h5", trajectory_units="mm")


def test_unequal_shots(raw, tmp_path):
    write_ismrmrd(raw, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        rows = file["dataset/data"][:-1]
        del file["dataset/data"]
        file["dataset/data"] = rows
    with pytest.raises(ValueError, match=r"equally many shots in each of 6 slices and frames, got \[4, 5\]"):
        read(tmp_path / "a.h5")


def test_bad_coordinates(raw, tmp_path):
    raw.trajectory[0, 0, 0, 0, 0] = np.nan
    write_ismrmrd(raw, tmp_path / "a.h5")
    with pytest.raises(ValueError, match="expected a finite trajectory"):
        read(tmp_path / "a.h5")


def test_arrays_must_belong_together(raw):
    values = vars(raw)
    with pytest.raises(ValueError, match=r"trajectory: expected .*5, 7, 2"):
        RawData(**{**values, "trajectory": raw.trajectory[..., :1]})
    with pytest.raises(ValueError, match="matrix: expected an image size with a trajectory"):
        RawData(**{**values, "matrix": ()})
    with pytest.raises(ValueError, match="trajectory: expected neither mask nor acs"):
        RawData(**{**values, "acs": np.ones((2, 4, 8, 8), np.complex64)})


def test_npz_keeps_the_trajectory(raw, tmp_path):
    write_npz(raw, tmp_path / "a.npz")
    whole = read(tmp_path / "a.npz")
    assert whole.axes == raw.axes and whole.matrix == raw.matrix and whole.mask is None
    np.testing.assert_array_equal(whole.kspace, raw.kspace)
    np.testing.assert_array_equal(whole.trajectory, raw.trajectory)
    with open_raw(tmp_path / "a.npz") as file:
        one = file.read(range(1, 2))
    np.testing.assert_array_equal(one.trajectory, raw.trajectory[1:])
    np.testing.assert_array_equal(one.kspace, raw.kspace[1:])


def test_npz_with_a_trajectory_and_no_image_size(raw, tmp_path):
    np.savez(tmp_path / "a.npz", kspace=raw.kspace[0], trajectory=raw.trajectory[0])
    with pytest.raises(ValueError, match=r"expected the size of the image beside a trajectory.*got none"):
        read(tmp_path / "a.npz")
