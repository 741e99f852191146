"""ISMRMRD files written with the reference library: offsets, flags, counters, oversampling, faults."""

import sys

import ismrmrd
import numpy as np
import pytest

from mriops.io import open_raw, read, remove_oversampling, write_ismrmrd
from mriops.io.mrd_header import parse_header
from mriops.io.oversampling import crop_centre

NX, NY, COILS = 16, 8, 2


def header(*, matrix=(NX, NY, 1), recon=(NX // 2, NY, 1), centre=NY // 2, trajectory="cartesian", fov=(400, 200, 5)):
    recon_fov = [f * r / (m or 1) for f, r, m in zip(fov, recon, matrix)]

    def space(m, f):
        xyz = "<matrixSize><x>{}</x><y>{}</y><z>{}</z></matrixSize>".format(*m)
        return xyz + "<fieldOfView_mm><x>{}</x><y>{}</y><z>{}</z></fieldOfView_mm>".format(*f)

    return f"""<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
    <experimentalConditions><H1resonanceFrequency_Hz>63500000</H1resonanceFrequency_Hz></experimentalConditions>
    <encoding><encodedSpace>{space(matrix, fov)}</encodedSpace><reconSpace>{space(recon, recon_fov)}</reconSpace>
    <encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>{matrix[1] - 1}</maximum>
    <center>{centre}</center></kspace_encoding_step_1></encodingLimits><trajectory>{trajectory}</trajectory></encoding>
    <sequenceParameters><TR>500</TR><TE>5</TE><flipAngle_deg>90</flipAngle_deg></sequenceParameters>
    </ismrmrdHeader>"""


def line(samples, y=0, *, flags=(), centre=None, pre=0, post=0, position=None, **idx):
    acquisition = ismrmrd.Acquisition()
    acquisition.resize(samples.shape[1], samples.shape[0])
    acquisition.data[:] = samples
    acquisition.center_sample = samples.shape[1] // 2 if centre is None else centre
    acquisition.discard_pre, acquisition.discard_post = pre, post
    acquisition.idx.kspace_encode_step_1 = y
    for name, value in idx.items():
        setattr(acquisition.idx, name, value)
    for flag in flags:
        acquisition.setFlag(flag)
    if position is not None:
        acquisition.read_dir[:], acquisition.phase_dir[:] = (1, 0, 0), (0, 1, 0)
        acquisition.slice_dir[:], acquisition.position[:] = (0, 0, 1), position
    return acquisition


def write(path, lines, xml=None, group="dataset"):
    with ismrmrd.Dataset(str(path), group, mode="w") as file:
        if xml != "":
            file.write_xml_header(xml or header())
        for acquisition in lines:
            file.append_acquisition(acquisition)
    return path


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((NY, COILS, NX)) + 1j * rng.standard_normal((NY, COILS, NX))).astype(np.complex64)


def test_lines_centred_by_the_encoding_limits(samples, tmp_path):
    # Partial Fourier: counters start at 0 with the first acquired line, the centre is counter 2.
    xml = header(centre=2)
    got = read(write(tmp_path / "a.h5", [line(samples[i], i) for i in range(6)], xml))
    expected = np.zeros((COILS, NY, NX), np.complex64)
    expected[:, 2:8] = samples[:6].swapaxes(0, 1)
    np.testing.assert_array_equal(got.kspace[0], expected)
    np.testing.assert_array_equal(got.mask[0, :, 0], np.arange(NY) >= 2)


def test_centre_left_at_zero_is_noted(samples, tmp_path):
    got = read(write(tmp_path / "a.h5", [line(samples[i], i) for i in range(NY)], header(centre=0)))
    np.testing.assert_array_equal(got.kspace[0], samples.swapaxes(0, 1))
    assert any("centre 0" in note for note in got.notes)


def test_asymmetric_echo_and_discarded_samples(samples, tmp_path):
    # 12 samples of 16, centre at sample 4; the first and the last are to be discarded.
    got = read(write(tmp_path / "a.h5", [line(samples[i][:, :12], i, centre=4, pre=1, post=1) for i in range(NY)]))
    first = NX // 2 - 4 + 1
    np.testing.assert_array_equal(got.kspace[0, 0, :, first : first + 10], samples[:, 0, 1:11])
    assert got.mask.shape == (1, NY, NX)
    np.testing.assert_array_equal(got.mask[0, 0], (np.arange(NX) >= first) & (np.arange(NX) < first + 10))
    assert remove_oversampling(got) is got


def test_reversed_lines_are_mirrored(samples, tmp_path):
    lines = [line(samples[i], i, flags=(ismrmrd.ACQ_IS_REVERSE,) if i % 2 else ()) for i in range(NY)]
    got = read(write(tmp_path / "a.h5", lines))
    np.testing.assert_array_equal(got.kspace[0, :, 0], samples[0])
    np.testing.assert_array_equal(got.kspace[0, :, 1], samples[1][:, ::-1])


def test_repeated_lines_are_averaged_and_counters_become_axes(samples, tmp_path):
    lines = [line(samples[i], i, repetition=r, contrast=c) for r in range(2) for c in range(3) for i in range(NY)]
    lines += [line(3 * samples[0], 0, repetition=1, contrast=2)]
    got = read(write(tmp_path / "a.h5", lines))
    assert got.axes == ("slice", "repetition", "contrast", "coil", "y", "x")
    assert got.shape == (1, 2, 3, COILS, NY, NX)
    np.testing.assert_allclose(got.kspace[0, 1, 2, :, 0], 2 * samples[0], rtol=1e-6)
    np.testing.assert_array_equal(got.kspace[0, 1, 1], samples.swapaxes(0, 1))


def test_slices_in_spatial_order(samples, tmp_path):
    heights = [10, -10, 0]
    places = [(s, (1, 2, z)) for s, z in enumerate(heights)]
    lines = [line((s + 1) * samples[i], i, slice=s, position=p) for i in range(NY) for s, p in places]
    got = read(write(tmp_path / "a.h5", lines))
    np.testing.assert_allclose(got.kspace[:, 0, 0, 0] / samples[0, 0, 0], [2, 3, 1], rtol=1e-6)
    np.testing.assert_allclose(got.position, [1e-3, 2e-3, -1e-2], rtol=1e-6)
    np.testing.assert_allclose(got.slice_spacing, 1e-2, rtol=1e-6)
    # Voxel N//2 of the last slice lies on that slice's position, in RAS.
    np.testing.assert_allclose(got.affine() @ [NX // 4, NY // 2, 2, 1], [-1e-3, -2e-3, 1e-2, 1], atol=1e-8)


NOWHERE = (np.nan, 0, 0)


def two_slices(samples, broken):
    """Slice 1 lies below slice 0; the position of the lines `broken` `(slice, line)` is not a number."""
    places = [(1, 2, 10), (1, 2, -10)]
    return [
        line((s + 1) * samples[i], i, slice=s, position=NOWHERE if (s, i) in broken else places[s])
        for s in range(2)
        for i in range(NY)
    ]


@pytest.mark.parametrize("broken", [(0, 0), (1, 3)])
def test_a_position_that_is_not_finite_costs_no_slice(broken, samples, tmp_path):
    got = read(write(tmp_path / "a.h5", two_slices(samples, {broken})))
    np.testing.assert_allclose(got.kspace[:, 0, 0, 0] / samples[0, 0, 0], [2, 1], rtol=1e-6)
    np.testing.assert_allclose(got.position, [1e-3, 2e-3, -1e-2], rtol=1e-6)
    np.testing.assert_allclose(got.slice_spacing, 2e-2, rtol=1e-6)
    assert got.notes[0] == "1 readouts without a finite position were left out of the geometry"


def test_a_slice_without_any_finite_position(samples, tmp_path):
    got = read(write(tmp_path / "a.h5", two_slices(samples, {(1, i) for i in range(NY)})))
    np.testing.assert_allclose(got.kspace[:, 0, 0, 0] / samples[0, 0, 0], [1, 2], rtol=1e-6)
    assert got.position is None and np.isfinite(got.affine()).all()
    np.testing.assert_array_equal(got.directions, np.eye(3))
    assert got.slice_spacing == pytest.approx(5e-3)  # of the header
    assert "no finite position in slices [1]: the position of the scan is not known" in got.notes


def test_the_only_slice_without_any_finite_position(samples, tmp_path):
    got = read(write(tmp_path / "a.h5", [line(samples[i], i, position=NOWHERE) for i in range(NY)]))
    np.testing.assert_array_equal(got.kspace[0], samples.swapaxes(0, 1))
    assert got.position is None and "no finite position in slices [0]" in got.notes[1]


def test_counters_that_no_readout_has_are_no_slices(samples, tmp_path):
    lines = [line(samples[i], i, slice=s, position=(0, 0, s)) for i in range(NY) for s in (1, 4)]
    got = read(write(tmp_path / "a.h5", lines))
    assert got.n_slices == 2 and got.slice_spacing == pytest.approx(3e-3)


def test_reading_needs_no_ismrmrd(samples, tmp_path, monkeypatch):
    write(tmp_path / "a.h5", [line(samples[i], i) for i in range(NY)])
    monkeypatch.setitem(sys.modules, "ismrmrd", None)
    assert read(tmp_path / "a.h5").n_coils == COILS


def test_noise_calibration_and_navigators(samples, tmp_path):
    lines = [line(5 * samples[i], flags=(ismrmrd.ACQ_IS_NOISE_MEASUREMENT,)) for i in range(2)]
    lines += [line(7 * samples[i], i, flags=(ismrmrd.ACQ_IS_PARALLEL_CALIBRATION,)) for i in range(2, 6)]
    lines += [line(samples[i], i) for i in range(0, NY, 2)]
    lines += [line(samples[0], 1, flags=(ismrmrd.ACQ_IS_NAVIGATION_DATA,))]
    got = read(write(tmp_path / "a.h5", lines))
    np.testing.assert_array_equal(got.noise, 5 * np.concatenate(samples[:2], axis=1))
    np.testing.assert_array_equal(got.acs[0], 7 * samples[2:6].swapaxes(0, 1))
    np.testing.assert_array_equal(got.mask[0, :, 0], np.arange(NY) % 2 == 0)
    assert got.notes == ("1 navigator readouts were left out",)


def test_calibration_lines_of_a_shorter_readout(samples, tmp_path):
    short = (ismrmrd.ACQ_IS_PARALLEL_CALIBRATION,)
    lines = [line(7 * samples[i][:, :6], i, flags=short) for i in range(2, 6)]
    lines += [line(samples[i], i) for i in range(0, NY, 2)]
    got = read(write(tmp_path / "a.h5", lines))
    np.testing.assert_array_equal(got.acs[0], 7 * samples[2:6, :, :6].swapaxes(0, 1))
    write_ismrmrd(got, tmp_path / "b.h5")
    np.testing.assert_array_equal(read(tmp_path / "b.h5").acs, got.acs)


@pytest.mark.parametrize(("passed", "factor"), [(None, 4.0), (0.8, 5.0)])
def test_noise_of_another_bandwidth(samples, tmp_path, passed, factor):
    """Its variance grows with the bandwidth: dwell times of 8 and 2 us."""
    share = "" if passed is None else f"<relativeReceiverNoiseBandwidth>{passed}</relativeReceiverNoiseBandwidth>"
    system = f"<acquisitionSystemInformation>{share}</acquisitionSystemInformation>"
    xml = header().replace("<encoding>", system + "<encoding>", 1)
    lines = [line(samples[0], flags=(ismrmrd.ACQ_IS_NOISE_MEASUREMENT,))] + [line(samples[i], i) for i in range(NY)]
    for acquisition in lines:
        acquisition.sample_time_us = 2.0
    lines[0].sample_time_us = 8.0
    got = read(write(tmp_path / "a.h5", lines, xml))
    np.testing.assert_allclose(got.noise, factor**0.5 * samples[0], rtol=1e-6)
    for acquisition in lines:
        acquisition.sample_time_us = 0.0  # not known
    np.testing.assert_array_equal(read(write(tmp_path / "b.h5", lines, xml)).noise, samples[0])


def test_oversampling_is_removed_in_the_image_domain(tmp_path):
    rng = np.random.default_rng(3)
    image = np.zeros((COILS, NY, NX), np.complex64)
    image[..., NX // 4 : NX // 4 + NX // 2] = rng.standard_normal((COILS, NY, NX // 2))
    shift = {"axes": (-2, -1)}
    kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image, **shift), norm="ortho"), **shift).astype(np.complex64)
    raw = read(write(tmp_path / "a.h5", [line(kspace[:, i], i) for i in range(NY)]))
    assert raw.recon_size == (NY, NX // 2)
    cropped = remove_oversampling(raw)
    assert cropped.shape == (1, COILS, NY, NX // 2)
    np.testing.assert_allclose(cropped.voxel_size, raw.voxel_size)
    back = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(cropped.kspace[0], **shift), norm="ortho"), **shift)
    # 4 * eps(complex64) * sqrt(n) of the largest value, two transforms of n = 128 points.
    tolerance = 4 * 1.2e-7 * np.sqrt(128) * abs(image).max()
    np.testing.assert_allclose(back, crop_centre(image, (NY, NX // 2)), atol=tolerance)


def test_oversampling_removed_before_the_file_was_written(samples, tmp_path):
    got = read(write(tmp_path / "a.h5", [line(samples[i][:, : NX // 2], i) for i in range(NY)]))
    assert got.im_size == (NY, NX // 2) == got.recon_size
    np.testing.assert_allclose(got.voxel_size, (5e-3, 25e-3, 25e-3))
    assert "oversampling was removed before" in got.notes[0]


def test_other_group_name_and_choice(samples, tmp_path):
    write(tmp_path / "a.h5", [line(samples[i], i) for i in range(NY)], group="scan one")
    assert read(tmp_path / "a.h5", dataset="scan one").n_coils == COILS
    with pytest.raises(ValueError, match=r"dataset: expected one of \['scan one'\].*got 'dataset'"):
        read(tmp_path / "a.h5", dataset="dataset")
    with pytest.raises(ValueError, match=r"encoding: expected 0\.\.0 .* got 1"):
        read(tmp_path / "a.h5", encoding=1)


FAULTS = {
    "no header": (lambda s: [line(s[0])], "", r"expected an ISMRMRD header '/dataset/xml', got only \['data'\]"),
    "not xml": (lambda s: [line(s[0])], "<a", "header is not valid XML"),
    "no encoding": (lambda s: [line(s[0])], "<ismrmrdHeader/>", "an 'encoding' section, got none"),
    "no sizes": (lambda s: [line(s[0])], "<i><encoding/></i>", "expected encoding/encodedSpace/matrixSize with x, y"),
    "no data": (lambda s: [], None, r"expected acquisitions '/dataset/data', got only \['xml'\]"),
    "radial": (
        lambda s: [line(s[0])],
        header(trajectory="radial"),
        r"acquisition 0: expected a trajectory of 16 samples",
    ),
    "only noise": (lambda s: [line(s[0], flags=(19,))], None, "expected imaging acquisitions of encoding 0, got none"),
    "channels": (lambda s: [line(s[0]), line(s[1][:1], 1)], None, r"one number of channels .* got \[1, 2\]"),
    "too many lines": (
        lambda s: [line(s[0], 99)],
        None,
        r"encoded matrix \(8, 16\), got 2 coils, line \(99,\)",
    ),
    "discards": (
        lambda s: [line(s[0]), line(s[1], 1, pre=9, post=8)],
        None,
        r"acquisition 1: expected at most its 16 samples to be discarded, got discard_pre 9 and discard_post 8",
    ),
    "no columns": (lambda s: [line(s[0])], header(matrix=(0, NY, 1)), "encodedSpace/matrixSize .* got x 0, y 8, z 1"),
    "negative": (lambda s: [line(s[0])], header(matrix=(NX, -4, 1)), "encodedSpace/matrixSize .* got x 16, y -4, z 1"),
    "negative z": (lambda s: [line(s[0])], header(recon=(8, 8, -1)), "reconSpace/matrixSize .* got x 8, y 8, z -1"),
    "too long": (lambda s: [line(np.tile(s[0], 2))], None, r"within the encoded matrix .* columns -8\.\.23"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_name_what_was_expected(fault, samples, tmp_path):
    lines, xml, message = FAULTS[fault]
    write(tmp_path / "a.h5", lines(samples), xml)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "a.h5")


def test_truncated_file(raw, tmp_path):
    write_ismrmrd(raw, tmp_path / "a.h5")
    whole = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OSError, match="expected a complete HDF5 file, got one that is damaged or truncated"):
        read(tmp_path / "a.h5")


def test_readable_by_the_reference_library(raw, tmp_path):
    write_ismrmrd(raw, tmp_path / "a.h5")
    with ismrmrd.Dataset(str(tmp_path / "a.h5"), mode="r") as file:
        xml = ismrmrd.xsd.CreateFromDocument(file.read_xml_header())
        assert xml.encoding[0].encodedSpace.matrixSize.x == 32
        assert xml.encoding[0].reconSpace.fieldOfView_mm.x == pytest.approx(240)
        first = file.read_acquisition(0)
        assert first.isFlagSet(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
        count = file.number_of_acquisitions()
    assert count == 2 + int(raw.mask.sum())


def test_mask_along_the_readout_cannot_be_written(raw, tmp_path):
    raw.mask = np.ones((3, 2, 13, 32), bool)
    with pytest.raises(ValueError, match=r"mask: expected readout axis 1 .* got shape \(3, 2, 13, 32\)"):
        write_ismrmrd(raw, tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


def test_reading_one_slice_does_not_hold_the_file(tmp_path):
    import tracemalloc

    samples = np.ones((4, 256), np.complex64)
    lines = [line(samples, i, slice=s) for s in range(20) for i in range(64)]
    write(tmp_path / "a.h5", lines, header(matrix=(256, 64, 1), recon=(128, 64, 1), centre=32))
    one_slice = 4 * 64 * 256 * 8
    with open_raw(tmp_path / "a.h5") as file:
        tracemalloc.start()
        file.read(range(3, 4))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # The slice itself, one HDF5 block of the same size and its rows; all 20 would be 20.
    assert peak < 6 * one_slice


def test_header_without_namespace_and_units():
    info = parse_header(header().replace(' xmlns="http://www.ismrm.org/ISMRMRD"', ""), "x").info
    assert info.repetition_time == (0.5,) and info.echo_time == (0.005,)
    np.testing.assert_allclose(info.flip_angle, [np.pi / 2])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<TR>500", "<TR>soon", r"x: expected a number in sequenceParameters/TR of the ISMRMRD header, got 'soon'"),
        ("<TR>500", "<TR>nan", r"expected a number in sequenceParameters/TR .* got 'nan'"),
        ("<minimum>0", "<minimum>low", r"expected a number in encoding/encodingLimits/\w+ .* got 'low'"),
    ],
)
def test_words_where_numbers_belong(old, new, message):
    text = header()
    assert old in text
    with pytest.raises(ValueError, match=message):
        parse_header(text.replace(old, new, 1), "x")
