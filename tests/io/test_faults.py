"""Paths that cannot be read or written: one clear error, nothing half-written."""

import builtins
import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mriops.io import (
    FORMATS,
    RawData,
    atomic_path,
    crop_centre,
    find_sampling,
    open_raw,
    read,
    write_bart,
    write_image,
    write_ismrmrd,
    write_nifti,
    write_npz,
    write_png,
)
from mriops.io.optional import _EXTRA_OF, require

WRITERS = {
    "a.h5": write_ismrmrd,
    "a.npz": write_npz,
    "a.cfl": write_bart,
    "a.nii.gz": lambda raw, path: write_nifti(np.ones((3, 4)), path),
    "image.npz": lambda raw, path: write_image(np.ones((3, 4)), path),
    "a.png": lambda raw, path: write_png(np.ones((3, 4)), path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_unwritable_folder(name, raw, tmp_path, monkeypatch):
    with pytest.raises(OSError, match=r"expected an existing folder, but .*missing does not exist"):
        WRITERS[name](raw, tmp_path / "missing" / name)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"expected an existing folder, but .*file is a file"):
        WRITERS[name](raw, tmp_path / "file" / name)
    # Tests may run as root, for whom every folder is writable; /proc refuses everybody.
    with pytest.raises(OSError, match="folder /proc is not writable"):
        WRITERS[name](raw, f"/proc/{name}")


@pytest.mark.parametrize("name", WRITERS)
def test_interrupted_writing_leaves_the_old_file(name, raw, tmp_path, monkeypatch):
    WRITERS[name](raw, tmp_path / name)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        WRITERS[name](raw, tmp_path / name)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_atomic_path_refuses_a_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match="expected a file name, got an existing folder"), atomic_path(tmp_path):
        pass


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such file: .*a\.h5"):
        read(tmp_path / "a.h5")
    with pytest.raises(IsADirectoryError, match="expected a raw data file, got a folder"):
        read(tmp_path)
    with pytest.raises(IsADirectoryError, match=r"expected a raw data file, got a folder: \."):
        read(".")
    with pytest.raises(ValueError, match="format: expected one of fastmri, ismrmrd, cfl, npz, twix, got 'dicom'"):
        read(tmp_path / "a.h5", format="dicom")
    (tmp_path / "empty.h5").touch()
    with pytest.raises(ValueError, match="not a known raw format"):
        read(tmp_path / "empty.h5")
    with pytest.raises(OSError, match="expected a complete HDF5 file"):
        read(tmp_path / "empty.h5", format="ismrmrd")


def test_damaged_npz(raw, tmp_path):
    write_npz(raw, tmp_path / "a.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OSError, match="expected a complete npz archive, got a damaged one"):
        read(tmp_path / "a.npz")
    np.savez(tmp_path / "real.npz", kspace=np.ones((2, 3, 4)))
    with pytest.raises(
        ValueError, match=r"expected complex k-space in 'kspace' that is not empty, got float64 \(2, 3, 4\)"
    ):
        read(tmp_path / "real.npz")
    for shape in ((0, 2, 3, 4), (2, 0, 3, 4), (2, 3, 4, 0)):
        np.savez(tmp_path / "empty.npz", kspace=np.ones(shape, np.complex64))
        with pytest.raises(ValueError, match=rf"empty\.npz: .* not empty, got complex64 {re.escape(str(shape))}"):
            open_raw(tmp_path / "empty.npz")
    np.savez(tmp_path / "flat.npz", kspace=np.ones(4, complex))
    with pytest.raises(ValueError, match="got 1 axes; name them with axes="):
        read(tmp_path / "flat.npz")
    np.savez(tmp_path / "axes.npz", kspace=np.ones((2, 3, 4), complex))
    with pytest.raises(ValueError, match="axes: expected 3 different names"):
        read(tmp_path / "axes.npz", axes=("coil", "x", "x"))


@pytest.mark.parametrize("name", ["a.npz", "a.h5"])
def test_flipped_bytes(name, raw, tmp_path):
    """Damage anywhere is an OSError or a ValueError with the name of the file, or is not noticed."""
    WRITERS[name](raw, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(25):
        damaged = bytearray(whole)
        for at in generator.integers(0, min(len(whole), 6000), 8):
            damaged[at] = generator.integers(256)
        (tmp_path / name).write_bytes(damaged)
        try:
            read(tmp_path / name)
        except (OSError, ValueError) as error:
            refused += 1
            assert name in str(error) or type(error) is ValueError, repr(error)
    assert refused > 10


@pytest.mark.parametrize("name", ["a.h5", "a.npz", "a.cfl"])
def test_writers_of_raw_data_take_nothing_else(name, tmp_path):
    with pytest.raises(TypeError, match=r"raw: expected a RawData.*, got ndarray"):
        WRITERS[name](np.ones((2, 3, 4)), tmp_path / name)


def test_slices_are_a_range(raw, tmp_path):
    write_npz(raw, tmp_path / "a.npz")
    with open_raw(tmp_path / "a.npz") as file:
        for strange in (1, [0, 1]):
            with pytest.raises(TypeError, match=r"slices: expected a range, got (int|list)"):
                file.read(strange)


def test_every_option_of_a_format_is_described():
    for module, name in FORMATS.values():
        reader = getattr(importlib.import_module(module), name)
        for option in list(inspect.signature(reader).parameters)[1:]:
            assert f"`{option}`" in open_raw.__doc__, (name, option)


def test_what_the_extra_brings_is_what_files_need():
    """The distributions of `mriops[io]` are the libraries that some format imports."""
    project = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text()
    brought = re.findall(r'"(\w+)[^"]*"', re.search(r"^io = (\[.*\])$", project, re.MULTILINE)[1])
    assert set(brought) == {library for library, extra in _EXTRA_OF.items() if extra == "io"}


def test_missing_library_names_the_extra(monkeypatch, tmp_path):
    def no_import(name, *args, **kwargs):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", no_import)
    with pytest.raises(ImportError, match=r"reading HDF5 files needs the package 'h5py'.*pip install 'mriops\[io\]'"):
        require("h5py", "reading HDF5 files")
    assert builtins.__import__ is not no_import


def test_raw_data_checks_its_parts():
    kspace = np.ones((2, 3, 5, 6), np.complex64)
    assert RawData(kspace=kspace[0]).shape == (1, 3, 5, 6)
    with pytest.raises(ValueError, match=r"mask: expected a shape broadcastable to \(2, 5, 6\), got \(2, 5, 7\)"):
        RawData(kspace=kspace, mask=np.ones((2, 5, 7), bool))
    with pytest.raises(ValueError, match=r"noise: expected \(3 coils, samples\), got \(2, 10\)"):
        RawData(kspace=kspace, noise=np.ones((2, 10), np.complex64))
    with pytest.raises(ValueError, match=r"acs: expected \(2 slices, 3 coils, 2 axes\), got \(3, 4, 4\)"):
        RawData(kspace=kspace, acs=np.ones((3, 4, 4), np.complex64))
    with pytest.raises(ValueError, match="axes: expected 4 names that start with 'slice'"):
        RawData(kspace=kspace, axes=("coil", "slice", "y", "x"))


def test_find_sampling():
    kspace = np.ones((3, 6, 8), np.complex64)
    assert find_sampling(kspace, 0) is None
    kspace[0] = 0  # a dead coil does not look like missing samples
    assert find_sampling(kspace, 0) is None
    kspace[:, 1::2] = 0
    np.testing.assert_array_equal(find_sampling(kspace, 0), (np.arange(6) % 2 == 0)[:, None])
    kspace[:, :, :3] = 0
    assert find_sampling(kspace, 0).shape == (6, 8)


def test_crop_centre():
    np.testing.assert_array_equal(crop_centre(np.arange(7), (4,)), [1, 2, 3, 4])
    np.testing.assert_array_equal(crop_centre(np.arange(8), (3,)), [3, 4, 5])
    with pytest.raises(ValueError, match=r"size: expected at most the image size \(7,\), got \(8,\)"):
        crop_centre(np.arange(7), (8,))


def test_io_does_not_import_torch(tmp_path):
    code = "import sys, mriops.io; assert not {'torch', 'h5py', 'nibabel'} & set(sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


@pytest.mark.parametrize(
    ("xml", "data", "message"),
    [
        ("no header", np.zeros(3), "the ISMRMRD header is not valid XML"),
        (None, np.zeros(3), "expected acquisitions with a head in '/dataset/data', got other data"),
        (None, "group", "expected acquisitions with a head in '/dataset/data', got other data"),
    ],
)
def test_hdf5_files_that_are_nearly_ismrmrd(raw, tmp_path, xml, data, message):
    h5py = pytest.importorskip("h5py")
    write_ismrmrd(raw, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        group = file["dataset"]
        header = group["xml"][0]
        del group["data"], group["xml"]
        group["xml"] = xml or header  # a scalar
        if isinstance(data, str):
            group.create_group("data")
        else:
            group["data"] = data
    with pytest.raises((ValueError, OSError), match=message) as refusal:
        read(tmp_path / "a.h5", format="ismrmrd")
    assert "a.h5" in str(refusal.value)
