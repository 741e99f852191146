"""Cartesian masks: exact positions, counts, shapes, frames, and the requests that are refused."""

import math

import numpy as np
import pytest
import torch

from mriops.trajectories import acceleration, mask_caipi, mask_equispaced, mask_gaussian, mask_random

RANDOM = [mask_random, mask_gaussian]


@pytest.mark.parametrize("n", [1, 7, 8, 181, 320])
@pytest.mark.parametrize("rate", [1, 2, 3, 5])
@pytest.mark.parametrize("offset", [0, 1, -1])
def test_equispaced_is_the_residue_class(n, rate, offset):
    if rate > n:
        pytest.skip("spacing beyond the axis is refused")
    mask = mask_equispaced((n, 3), rate, offset=offset)
    assert mask.dtype == torch.bool
    expected = [(k - n // 2 - offset) % rate == 0 for k in range(n)]
    assert mask.shape == (n, 1)
    assert mask[:, 0].tolist() == expected


@pytest.mark.parametrize(("n", "acs"), [(8, 3), (8, 4), (9, 3), (9, 4), (5, 5), (6, 0)])
def test_centre_lines(n, acs):
    mask = mask_equispaced((n, 2), n, acs=acs, offset=1)[:, 0]
    centre = set(range(n // 2 - acs // 2, n // 2 - acs // 2 + acs))
    assert set(torch.nonzero(mask)[:, 0].tolist()) == centre | {k for k in range(n) if (k - n // 2 - 1) % n == 0}


def test_centre_lines_contain_dc_and_are_balanced():
    mask = mask_equispaced((64, 2), 64, acs=24)[:, 0]
    assert torch.nonzero(mask)[:, 0].tolist() == list(range(20, 44))


def test_shapes_broadcast_to_kspace_without_coils():
    assert mask_equispaced((6, 9, 4), 3).shape == (1, 9, 1)
    assert mask_equispaced((6, 9, 4), (2, 3)).shape == (6, 9, 1)
    assert mask_equispaced((6, 9, 4), (2, 3), frames=5).shape == (5, 6, 9, 1)
    assert mask_equispaced((9, 4), 3, frames=5).shape == (5, 9, 1)
    for make in RANDOM:
        assert make((9, 4), 2).shape == (9, 1)
        assert make((6, 9, 4), 2).shape == (6, 9, 1)
        assert make((6, 9, 4), 2, frames=2).shape == (2, 6, 9, 1)


def test_frames_shift_and_cover_kspace_once():
    mask = mask_equispaced((24, 2), 4, frames=4)
    assert mask.sum(0).eq(1).all()
    assert torch.equal(mask[1], mask_equispaced((24, 2), 4, offset=1))
    still = mask_equispaced((24, 2), 4, frames=3, frame_step=0)
    assert torch.equal(still[0], still[2])


def test_equispaced_seed_draws_an_offset_per_axis():
    masks = (mask_equispaced((8, 8, 1), (2, 4), seed=seed)[..., 0] for seed in range(100))
    assert {tuple(mask.nonzero()[0].tolist()) for mask in masks} == {(z, y) for z in range(2) for y in range(4)}


def test_partial_fourier_counts_lines_as_written():
    # 0.55 * 100 is a little more than 55 in floating point
    for fraction, lines in ((0.55, 55), (0.56, 56), (0.57, 57), (0.555, 56)):
        assert int(mask_equispaced((100, 1), 1, partial_fourier=fraction).sum()) == lines


def test_equispaced_seed_draws_the_offset():
    masks = [mask_equispaced((32, 1), 8, seed=s)[:, 0] for s in range(20)]
    assert torch.equal(masks[3], mask_equispaced((32, 1), 8, seed=3)[:, 0])
    assert len({tuple(m.tolist()) for m in masks}) > 1
    assert all(int(m.sum()) == 4 for m in masks)


def test_caipi_shifts_each_row():
    mask = mask_caipi((8, 12, 5), (2, 3), 1)[..., 0]
    assert mask.shape == (8, 12)
    for z in range(8):
        found = torch.nonzero(mask[z])[:, 0].tolist()
        row, odd = divmod(z - 4, 2)
        assert found == ([] if odd else [y for y in range(12) if (y - 6 - row) % 3 == 0])


def test_caipi_without_shift_is_the_grid():
    assert torch.equal(mask_caipi((7, 9, 2), (3, 2), 0, acs=3), mask_equispaced((7, 9, 2), (3, 2), acs=3))


@pytest.mark.parametrize("make", RANDOM)
@pytest.mark.parametrize("im_size", [(181, 2), (320, 2), (40, 33, 2), (1, 64, 2)])
@pytest.mark.parametrize("rate", [1.0, 1.7, 4.0])
def test_random_masks_reach_the_count(make, im_size, rate):
    mask = make(im_size, rate, acs=4 if im_size[0] > 4 else 1, seed=3)
    total = math.prod(im_size[:-1])
    assert int(mask.sum()) == round(total / rate)
    assert acceleration(mask) == pytest.approx(total / round(total / rate))


@pytest.mark.parametrize("make", RANDOM)
def test_random_masks_repeat_with_the_seed_and_differ_between_frames(make):
    first, second = make((128, 4), 4, seed=7), make((128, 4), 4, seed=8)
    assert torch.equal(first, make((128, 4), 4, seed=7))
    assert not torch.equal(first, second)
    frames = make((128, 4), 4, acs=8, seed=7, frames=3)
    assert not torch.equal(frames[0], frames[1])
    assert frames[:, 60:68].all()


def test_random_is_uniform_and_gaussian_prefers_the_centre():
    # 400 draws of 25 of 100 lines: a line's count has mean 100, deviation sqrt(400 * 1/4 * 3/4) = 8.7; six deviations
    uniform = mask_random((100, 1), 4, frames=400).sum(0)[:, 0]
    assert (uniform - 100).abs().max() < 6 * 8.7
    gaussian = mask_gaussian((100, 1), 4, frames=400, sigma=0.15).sum(0)[:, 0].double()
    assert gaussian[45:55].mean() > 3 * gaussian[:20].mean()
    assert float(gaussian[:50].mean()) == pytest.approx(float(gaussian[50:].mean()), rel=0.1)


@pytest.mark.parametrize("make", RANDOM)
def test_partial_fourier_leaves_out_the_first_lines(make):
    mask = make((64, 1), 2, acs=8, partial_fourier=0.75, seed=1)[:, 0]
    assert not mask[:16].any()
    assert int(mask.sum()) == 32
    equispaced = mask_equispaced((64, 1), 2, partial_fourier=0.75)[:, 0]
    assert not equispaced[:16].any()
    assert int(equispaced.sum()) == 24


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mask_equispaced((8, 8), 0), "acceleration: expected between 1 and the axis length 8, got 0"),
        (lambda: mask_equispaced((8, 8), 9), "acceleration: expected between 1 and the axis length 8, got 9"),
        (lambda: mask_equispaced((8,), 2), "im_size: expected"),
        (lambda: mask_equispaced((8, 0), 2), "im_size: expected"),
        (lambda: mask_equispaced((8, 8), 2, acs=9), "acs: expected between 0 and the axis length 8, got 9"),
        (lambda: mask_equispaced((8, 8), 2, frames=0), "frames: expected a positive int, got 0"),
        (lambda: mask_equispaced((8, 8), (2, 2)), "acceleration: expected an int or 1 of them"),
        (lambda: mask_equispaced((8, 8), 2, partial_fourier=0.5), r"partial_fourier: expected in \(0.5, 1\], got 0.5"),
        (lambda: mask_equispaced((64, 8), 2, acs=40, partial_fourier=0.6), "expected to keep the acs lines"),
        (lambda: mask_caipi((8, 8, 8), (2, 2), 2), "shift: expected 0 <= shift < 2, got 2"),
        (lambda: mask_caipi((8, 8), (2, 2), 1), "im_size: expected"),
        (lambda: mask_random((64, 1), 4, acs=24), "acceleration: expected between 1 and 2.667"),
        (lambda: mask_random((64, 1), 0.5), "acceleration: expected a number >= 1, got 0.5"),
        (lambda: mask_random((64, 1), float("nan")), "acceleration: expected a number >= 1, got nan"),
        (lambda: mask_random((64, 1), 1.1, partial_fourier=0.75), "acceleration: expected between 1.333"),
        (lambda: mask_gaussian((64, 1), 2, sigma=0.0), "sigma: expected a positive number"),
        (lambda: acceleration(torch.zeros(4, dtype=torch.bool)), "mask: expected at least one sampled entry"),
    ],
)
def test_impossible_requests(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mask_caipi((8, 8, 8), (2, 2), 0.5), "shift: expected 0 <= shift < 2, got 0.5"),
        (lambda: mask_equispaced((8, 8), 2, frames=2, frame_step=0.5), "frame_step: expected an integer, got 0.5"),
        (lambda: mask_gaussian((64, 1), 2, sigma="wide"), "sigma: expected a positive number"),
        (lambda: acceleration(np.ones(4)), r"mask: expected a torch\.Tensor, got ndarray"),
    ],
)
def test_refusals_of_kinds(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_acceleration_counts_entries():
    assert acceleration(torch.tensor([[True], [False], [True], [False]])) == 2.0
    assert acceleration(torch.tensor([0.0, 0.5, 0.0, 0.0])) == 4.0


@pytest.mark.parametrize("number", [np.int64, np.float32, float])
def test_accelerations_of_any_kind_of_number(number):
    for size in ((12, 8), (4, 12, 8)):
        found = mask_equispaced(size, number(3), acs=np.int64(2))
        assert torch.equal(found, mask_equispaced(size, 3, acs=2))
    with pytest.raises(ValueError, match=r"acceleration: expected an int or 1 of them, got 2\.5"):
        mask_equispaced((12, 8), 2.5)
