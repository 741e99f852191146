"""Radial, kooshball, stacks, rosettes, blades: geometry, order, range, and refusals."""

import math

import numpy as np
import pytest
import torch

from mriops import trajectories


def directions(spokes: torch.Tensor) -> torch.Tensor:
    ends = spokes[:, -1].double()
    return ends / ends.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize(("shots", "readout"), [(1, 1), (5, 7), (8, 16), (13, 64)])
def test_full_spokes_have_their_centre_at_half_the_readout(shots, readout):
    spokes = trajectories.radial((32, 32), shots, readout)
    assert spokes.shape == (shots, readout, 2) and spokes.dtype == torch.float32
    assert spokes[:, readout // 2].abs().max() == 0
    radius = spokes.norm(dim=-1)
    expected = (torch.arange(readout) - readout // 2).abs() * 32 / readout
    assert torch.allclose(radius, expected.expand(shots, -1), atol=2e-5)  # 16 eps(float32) at 16


def test_first_spoke_runs_along_x_and_the_second_turns_towards_y():
    spokes = trajectories.radial((64, 64), 4, 8, order="uniform")
    assert torch.allclose(spokes[0, :, 0], torch.zeros(8)) and spokes[0, -1, 1] > 0
    assert torch.allclose(spokes[2, :, 1], torch.zeros(8), atol=1e-5) and spokes[2, -1, 0] > 0


def test_axes_scale_with_their_own_length():
    tall = trajectories.radial((64, 32), 16, 32, order="uniform")
    assert tall[..., 0].abs().max() == 32 and tall[..., 1].abs().max() == 16


@pytest.mark.parametrize("half", [False, True])
def test_uniform_angles_divide_the_circle(half):
    found = trajectories.radial((16, 16), 6, 8, order="uniform", half=half)
    angle = torch.atan2(*found[:, -1].double().unbind(-1))
    expected = torch.arange(6, dtype=torch.float64) * (2 if half else 1) * math.pi / 6
    wrapped = torch.remainder(angle - expected + math.pi, 2 * math.pi) - math.pi
    assert wrapped.abs().max() < 1e-6


def test_golden_angles():
    assert math.degrees(trajectories.golden_angle()) == pytest.approx(111.24611797)
    assert math.degrees(trajectories.golden_angle(7)) == pytest.approx(23.62814, abs=1e-5)  # Wundrak et al., Table I
    spokes = trajectories.radial((16, 16), 55, 8)
    lines = torch.remainder(torch.atan2(*directions(spokes).unbind(-1)), math.pi).sort().values
    gaps = torch.cat([lines.diff(), (lines[:1] + math.pi) - lines[-1:]])
    # With a Fibonacci number of spokes only two gaps occur, and their ratio is the golden ratio.
    assert float(gaps.max() / gaps.min()) == pytest.approx((1 + math.sqrt(5)) / 2, rel=1e-3)
    given = trajectories.radial((16, 16), 55, 8, order=trajectories.golden_angle())
    assert torch.equal(given, spokes)


@pytest.mark.parametrize("half", [False, True])
def test_ramps_slow_down_where_the_gradient_is_low(half):
    spoke = trajectories.radial((64, 64), 1, 640, half=half, ramp=0.25, dtype=torch.float64)[0, :, 1]
    flat = trajectories.radial((64, 64), 1, 640, half=half, dtype=torch.float64)[0, :, 1]
    pace = spoke.diff()
    if half:
        assert spoke[0] == 0 and 0 < flat[-1] - spoke[-1] < 0.02  # the last step is longer
        # A quarter of the readout at half the mean gradient covers 1/8 of what would be covered on the flat part.
        assert float(spoke[160] / spoke[-1]) == pytest.approx((0.25 / 2) / (1 - 0.125), rel=5e-3)
    else:
        assert (
            spoke[0] == flat[0] == -32
            and spoke[320] == 0
            and pace[0] < 0.02 * pace[320]
            and pace[-1] < 0.02 * pace[320]
        )
    assert torch.allclose(pace[200:400], pace[300].expand(200))


@pytest.mark.parametrize("order", ["golden", "uniform"])
@pytest.mark.parametrize("half", [False, True])
def test_kooshball_covers_the_sphere(order, half):
    spokes = trajectories.kooshball((32, 32, 32), 400, 8, order=order, half=half)
    assert spokes.shape == (400, 8, 3)
    way = directions(spokes)
    if not half:
        way = torch.cat([way, -way])
    # Second moments of the uniform distribution are 1/3; the discrepancy of 400 spokes is below 2 %.
    assert torch.allclose(way.T @ way / len(way), torch.eye(3, dtype=torch.float64) / 3, atol=0.02)
    assert way.mean(0).abs().max() < 0.02


def test_stacks_repeat_the_plane():
    plane = trajectories.radial((32, 16), 3, 8)
    whole = trajectories.stack(plane, 4).unflatten(0, (4, 3))
    assert whole[..., 0].unique().tolist() == [-2, -1, 0, 1]
    assert torch.equal(whole[..., 1:], plane.expand(4, -1, -1, -1))
    turned = trajectories.stack(plane, [0.0, 2.5], angle=0.3, im_size=(32, 16)).unflatten(0, (2, 3))
    expected = trajectories.radial((32, 16), 3, 8, start=0.3)
    assert torch.allclose(turned[1, ..., 1:], expected, atol=1e-5)
    assert set(turned[..., 0].unique().tolist()) == {0.0, 2.5}


def test_rosettes_cross_the_centre_once_a_petal():
    path = trajectories.rosette((32, 32), 3, 801, petals=8, dtype=torch.float64)
    radius = path.norm(dim=-1)
    lows = (radius[:, 1:-1] < radius[:, :-2]) & (radius[:, 1:-1] < radius[:, 2:])
    assert lows.sum(-1).tolist() == [7, 7, 7]
    assert radius.max() <= 16 and radius.max() > 15.99


def test_blades_are_parallel_lines_that_turn():
    blades = trajectories.propeller((64, 64), 6, 9, 32).unflatten(0, (6, 9))
    assert torch.allclose(blades[0, :, 0, 0], torch.arange(9) - 4.0)
    assert blades[0, :, :, 0].std(dim=-1).max() < 1e-6
    assert torch.allclose(blades[:, 4, 16], torch.zeros(6, 2), atol=1e-5)
    turned = torch.einsum(
        "lri,ji->lrj", blades[0], torch.tensor([[0.5, 0.75**0.5], [-(0.75**0.5), 0.5]])
    )  # by 60 degrees
    assert torch.allclose(blades[2], turned, atol=1e-4)
    assert blades.norm(dim=-1).max() <= 32 * (1 + 1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: trajectories.radial((0, 8), 3), r"im_size: expected 2 positive ints"),
        (lambda: trajectories.radial((8, 8, 8), 3), "im_size: expected 2 positive ints"),
        (lambda: trajectories.radial((8, 8), 0), "shots: expected an integer >= 1, got 0"),
        (lambda: trajectories.radial((8, 8), 3, 0), "readout: expected an integer >= 1"),
        (
            lambda: trajectories.radial((8, 8), 3, order="silver"),
            "order: expected 'uniform', 'golden' or a finite angle",
        ),
        (lambda: trajectories.radial((8, 8), 3, order=math.nan), "order: expected 'uniform'"),
        (lambda: trajectories.radial((8, 8), 3, ramp=1.0), r"ramp: expected a share in \[0, 1\)"),
        (lambda: trajectories.kooshball((8, 8), 3), "im_size: expected 3 positive ints"),
        (lambda: trajectories.kooshball((8, 8, 8), 3, order="tiny"), "order: expected 'uniform' or 'golden'"),
        (lambda: trajectories.golden_angle(0), "tiny: expected an integer >= 1"),
        (lambda: trajectories.stack(torch.zeros(3, 2), 4), r"plane: expected \(shots, readout, 2\)"),
        (lambda: trajectories.radial((8, 8), 3, start=math.nan), "start: expected a finite angle"),
        (lambda: trajectories.stack(torch.zeros(3, 4, 2), 4, angle=math.nan), "angle: expected a finite angle"),
        (
            lambda: trajectories.stack(torch.zeros(3, 4, 2), [0.0, math.nan]),
            "partitions: expected a count or a sequence",
        ),
        (
            lambda: trajectories.stack(torch.zeros(3, 4, 2), torch.tensor([0.0, math.inf])),
            r"partitions: expected finite coordinates, got inf at index \(1,\)",
        ),
        (lambda: trajectories.stack(torch.zeros(3, 4, 2), []), "partitions: expected a count or a sequence"),
        (lambda: trajectories.rosette((8, 8), 2, 30, petals=0), "petals: expected a positive number"),
        (lambda: trajectories.rosette((8, 8), 2, 30, ratio=math.inf), "ratio: expected a finite number"),
        (lambda: trajectories.propeller((8, 8), 4, 9), "lines: expected at most the image size 8"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: trajectories.radial((8, 8), 2.5), r"shots: expected an integer >= 1, got 2\.5"),
        (lambda: trajectories.radial((8, 8), 3, order=[1.0]), "order: expected 'uniform', 'golden' or a finite angle"),
        (lambda: trajectories.radial((8, 8), 3, start="x"), "start: expected a finite angle"),
        (lambda: trajectories.radial((8, 8), 3, ramp="x"), r"ramp: expected a share in \[0, 1\)"),
        (lambda: trajectories.rosette((8, 8), 2, 30, petals="x"), "petals: expected a positive number"),
        (lambda: trajectories.stack(np.zeros((3, 4, 2)), 4), r"plane: expected a torch\.Tensor, got ndarray"),
        (lambda: trajectories.stack(torch.zeros(3, 4, 2).long(), 4), "plane: expected a real floating-point dtype"),
        (lambda: trajectories.stack(torch.zeros(3, 4, 2), "four"), "partitions: expected a count or a sequence"),
        (lambda: trajectories.stack(torch.zeros(3, 4, 2), 4.0), "partitions: expected a count or a sequence"),
        (
            lambda: trajectories.stack(torch.zeros(3, 4, 2), torch.ones(2, dtype=torch.complex64)),
            "partitions: expected a count or a sequence",
        ),
    ],
)
def test_refusals_of_kinds(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize("dtype", [torch.int32, torch.complex64, "float32"])
@pytest.mark.parametrize(
    "make",
    [
        lambda dtype: trajectories.radial((8, 8), 3, dtype=dtype),
        lambda dtype: trajectories.kooshball((8, 8, 8), 3, dtype=dtype),
        lambda dtype: trajectories.rosette((8, 8), 3, 9, dtype=dtype),
        lambda dtype: trajectories.propeller((8, 8), 3, 3, dtype=dtype),
        lambda dtype: trajectories.spiral((8, 8), 3, field_of_view=0.2, dtype=dtype),
        lambda dtype: trajectories.cones((8, 8, 8), 3, field_of_view=0.2, dtype=dtype),
        lambda dtype: trajectories.epi((8, 8), field_of_view=0.2, dtype=dtype),
        lambda dtype: trajectories.from_pulseq("none.seq", dtype=dtype),
    ],
)
def test_coordinates_are_real_floating_point_numbers(make, dtype):
    with pytest.raises(TypeError, match=r"dtype: expected a real floating-point torch\.dtype, got"):
        make(dtype)


def test_partitions_of_any_kind_of_integer():
    plane = trajectories.radial((8, 8), 3)
    assert torch.equal(trajectories.stack(plane, np.int64(4)), trajectories.stack(plane, 4))
