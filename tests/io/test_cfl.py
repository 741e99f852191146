"""BART pairs: plain arrays against BART itself where it is installed, and faults."""

import gc
import shutil
import subprocess
import weakref

import numpy as np
import pytest

from mriops.io import open_raw, read, read_cfl, write_bart, write_cfl


def test_array_round_trip_keeps_order(tmp_path):
    array = (np.arange(24).reshape(2, 3, 4) + 1j).astype(np.complex64)
    write_cfl(array, tmp_path / "a")
    np.testing.assert_array_equal(read_cfl(tmp_path / "a.cfl"), array)
    # Fortran order on disk: the first axis is the fastest.
    np.testing.assert_array_equal(np.fromfile(tmp_path / "a.cfl", np.complex64)[:2], array[:, 0, 0])


@pytest.mark.skipif(shutil.which("bart") is None, reason="needs BART")
def test_bart_understands_the_order_of_axes(raw, tmp_path):
    write_bart(raw, tmp_path / "k")
    for dim, length in ((0, 32), (1, 13), (3, 4), (10, 2), (13, 3)):
        shown = subprocess.check_output(["bart", "show", "-d", str(dim), tmp_path / "k"])
        assert int(shown) == length
    subprocess.run(["bart", "fft", "-i", "-u", "3", tmp_path / "k", tmp_path / "i"], check=True)
    got = read(tmp_path / "i").kspace
    axes = {"axes": (-2, -1)}
    expected = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(raw.kspace, **axes), norm="ortho"), **axes)
    # Both centre at N//2, odd 13 included; 8 eps sqrt(13 * 32).
    np.testing.assert_allclose(got, expected, atol=8 * 1.2e-7 * np.sqrt(416) * abs(expected).max())


def test_faults(raw, tmp_path):
    write_bart(raw, tmp_path / "k")
    (tmp_path / "k.cfl").write_bytes(b"\0" * 100)
    with pytest.raises(ValueError, match=r"expected \d+ bytes for sizes \(32, 13, .*\) of complex64, got 100"):
        read(tmp_path / "k")
    (tmp_path / "k.hdr").write_text("# Dimensions\nseven\n")
    with pytest.raises(ValueError, match=r"expected a line of positive sizes, got \['seven'\]"):
        read(tmp_path / "k.cfl")
    (tmp_path / "k.hdr").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected the pair k.hdr, k.cfl .* got no k.hdr"):
        read(tmp_path / "k.cfl")
    write_cfl(np.ones((1, 32, 5, 4)), tmp_path / "r")
    with pytest.raises(ValueError, match=r"READ = 1 \(non-Cartesian samples\)"):
        read(tmp_path / "r")
    raw.axes = ("slice", "set", "coil", "y", "x")
    with pytest.raises(ValueError, match="for BART, got set"):
        write_bart(raw, tmp_path / "k")


def test_named_axes_of_a_single_coil(tmp_path):
    array = (np.arange(48).reshape(8, 6, 1) + 1j).astype(np.complex64)
    write_cfl(array, tmp_path / "a")
    got = read(tmp_path / "a", axes=("x", "y", "coil"))
    assert got.axes == ("slice", "coil", "y", "x")
    np.testing.assert_array_equal(got.kspace[0], array.transpose(2, 1, 0))


def test_arrays_that_bart_has_no_place_for(tmp_path):
    for shape in ((0, 3), (1,) * 17):
        with pytest.raises(ValueError, match=r"array: expected up to 16 axes, none of them empty, got shape"):
            write_cfl(np.ones(shape), tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_closing_releases_the_file(tmp_path):
    write_cfl(np.ones((8, 6, 1, 2)), tmp_path / "a")
    file = open_raw(tmp_path / "a")
    mapped = weakref.ref(file._view.base)
    part = file.read()
    file.close()
    gc.collect()
    assert mapped() is None and part.kspace.sum() == 96
