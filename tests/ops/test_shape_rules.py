"""The rules behind all front doors, by numbers alone: flat batches, strides, 64-bit sizes, axes of transforms."""

import itertools
from math import prod

import numpy as np
import pytest
import torch

from mriops import array, ops
from mriops._native import sense_shapes
from mriops._native.fft_shapes import FFT, normalize_dims, split_dims
from mriops._native.plan import Facts, NativeOp, Plan, make_plan

NAMES = [
    *("batch", "maps", "coils", "nz", "ny", "nx", "ndim", "batch_per_csm"),
    *("mask_kind", "mask_sb", "mask_sz", "mask_sy", "mask_sx", "dtype"),
]


def facts(*shape: int, dtype: str = "complex64") -> Facts:
    return Facts(shape, dtype, "cpu")


def plan(op: NativeOp, *arrays: Facts | None, parameters: tuple = (2, False)) -> tuple[Plan, dict[str, int]]:
    casts, result = make_plan(op, arrays, parameters)
    assert casts is None and result is not None
    return result, dict(zip(NAMES, map(int, result.arguments)))


def test_plain_call() -> None:
    result, numbers = plan(sense_shapes.SENSE, facts(4, 5), facts(3, 4, 5), None)
    assert result.outputs[0].shape == (3, 4, 5)
    assert list(numbers.values()) == [1, 1, 3, 1, 4, 5, 2, 1, 0, 0, 0, 0, 0, 0]
    assert result.layouts == (None, None, None)


@pytest.mark.parametrize(
    ("image", "csm", "per_csm", "layouts"),
    [
        ((), (), 1, (None, None)),
        ((2, 3), (), 6, (None, None)),
        ((2, 3), (2, 1), 3, (None, None)),
        ((2, 3), (2, 3), 1, (None, None)),
        # Maps that change faster than the image cannot be indexed: they are repeated, and nothing else is.
        ((2, 3), (3,), 1, (None, (2, 3, 4, 5, 6))),
        ((2, 3, 7), (1, 3, 1), 7, (None, (2, 3, 1, 4, 5, 6))),
        ((), (2,), 1, ((2, 5, 6), None)),
        ((1,), (2,), 1, ((2, 5, 6), None)),
        ((3,), (2, 1), 3, ((2, 3, 5, 6), None)),
    ],
)
def test_batches_of_maps(image: tuple, csm: tuple, per_csm: int, layouts: tuple) -> None:
    result, numbers = plan(sense_shapes.SENSE, facts(*image, 5, 6), facts(*csm, 4, 5, 6), None)
    assert numbers["batch_per_csm"] == per_csm
    assert result.layouts[:2] == layouts
    # The kernel's own statement of the csm array must be the array it gets.
    elements = numbers["batch"] // per_csm * 4 * 30
    laid_out = layouts[1] or (*csm, 4, 5, 6)
    assert prod(laid_out) == elements


@pytest.mark.parametrize(
    ("mask", "strides", "layout"),
    [
        ((5, 6), (0, 0, 6, 1), None),
        ((5, 1), (0, 0, 1, 0), None),
        ((6,), (0, 0, 0, 1), None),
        ((1, 1), (0, 0, 0, 0), None),
        ((), (0, 0, 0, 0), None),
        ((1, 1, 5, 6), (0, 0, 6, 1), None),
        ((2, 3, 5, 6), (30, 0, 6, 1), None),
        ((2, 3, 1, 6), (6, 0, 0, 1), None),
        ((2, 3, 1, 1), (1, 0, 0, 0), None),
        ((3, 5, 1), (5, 0, 1, 0), (2, 3, 5, 1)),  # repeated along the batch only
    ],
)
def test_masks_by_strides(mask: tuple, strides: tuple, layout: tuple | None) -> None:
    result, numbers = plan(sense_shapes.SENSE, facts(2, 3, 5, 6), facts(4, 5, 6), facts(*mask, dtype="bool"))
    assert tuple(numbers[name] for name in ("mask_sb", "mask_sz", "mask_sy", "mask_sx")) == strides
    assert result.layouts[2] == layout
    assert numbers["mask_kind"] == 1


def test_mask_of_a_volume() -> None:
    _, numbers = plan(
        sense_shapes.SENSE, facts(3, 4, 5), facts(2, 3, 4, 5), facts(3, 4, 1, dtype="float32"), parameters=(3, False)
    )
    assert [numbers[name] for name in NAMES[8:13]] == [2, 0, 4, 1, 0]


def test_map_sets() -> None:
    result, numbers = plan(sense_shapes.SENSE, facts(7, 2, 4, 5), facts(2, 3, 4, 5), None, parameters=(2, True))
    assert result.outputs[0].shape == (7, 3, 4, 5)
    assert (numbers["batch"], numbers["maps"], numbers["coils"]) == (7, 2, 3)
    result, _ = plan(sense_shapes.SENSE_ADJOINT, facts(7, 3, 4, 5), facts(2, 3, 4, 5), None, parameters=(2, True))
    assert result.outputs[0].shape == (7, 2, 4, 5)


@pytest.mark.parametrize(
    ("csm_batch", "native", "per_csm"),
    [
        ((), None, 6),
        ((2, 1), None, 3),
        ((2, 3), None, 1),
        ((1, 1), None, 6),
        ((3,), (2, 3, 4, 5, 6), 1),  # summed over the leading axis afterwards
        ((1, 3), (2, 3, 4, 5, 6), 1),
    ],
)
def test_maps_gradient_is_summed_by_the_kernel_where_it_can_be(
    csm_batch: tuple, native: tuple | None, per_csm: int
) -> None:
    result, numbers = plan(
        sense_shapes.SENSE_CSM_ADJOINT, facts(2, 3, 4, 5, 6), facts(5, 6), None, parameters=(csm_batch, 2, False)
    )
    assert result.outputs[0].shape == (*csm_batch, 4, 5, 6)
    assert result.outputs[0].native_shape == native
    assert numbers["batch_per_csm"] == per_csm


def test_sizes_above_two_to_the_31() -> None:
    # 64 frames x 64 coils x 512^3: 2^39 elements. Strides of the mask exceed 2^31 too.
    n = 512
    result, numbers = plan(
        sense_shapes.SENSE,
        facts(64, n, n, n),
        facts(64, n, n, n),
        facts(64, n, n, n, dtype="bool"),
        parameters=(3, False),
    )
    assert prod(result.outputs[0].shape) == 2**39
    assert numbers["mask_sb"] == 2**27
    _, many = plan(sense_shapes.SENSE, facts(2**33, 1, 2), facts(1, 1, 2), facts(2**33, 1, 2, dtype="float32"))
    assert many["batch"] == 2**33 and many["batch_per_csm"] == 2**33
    _, transform = make_plan(FFT, (facts(2**33, 4),), ((-2,), False))
    assert transform is not None and transform.arguments[:4] == (1, 1, 2**33, 4)


# --- transforms over any axes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "dims", "expected"),
    [
        ((7, 4, 5), (-1,), (28, 1, 1, 5, 1)),
        ((7, 4, 5), (-2, -1), (7, 1, 4, 5, 3)),
        ((7, 4, 5), (0, 1, 2), (1, 7, 4, 5, 7)),
        ((7, 4, 5), (0,), (1, 1, 7, 20, 2)),  # axes behind are merged into one
        ((2, 7, 4, 5, 6), (1,), (2, 1, 7, 120, 2)),
        ((7, 4, 5), (0, 2), (1, 7, 4, 5, 5)),
        ((7, 4, 5, 3), (0, 3), (1, 7, 20, 3, 5)),
        ((2, 7, 4, 5), (1, 2), (2, 7, 4, 5, 6)),
    ],
)
def test_axes_become_one_pass(shape: tuple, dims: tuple, expected: tuple) -> None:
    (group,) = split_dims(normalize_dims(len(shape), dims))
    _, result = make_plan(FFT, (facts(*shape),), (group, True))
    assert result is not None
    assert result.arguments == (*expected, True, 0)


@pytest.mark.parametrize("rank", [1, 2, 3, 4, 5, 6])
def test_every_set_of_axes_is_split_into_passes_that_fit(rank: int) -> None:
    for count in range(1, rank + 1):
        for dims in itertools.combinations(range(rank), count):
            groups = split_dims(normalize_dims(rank, dims))
            assert sorted(a % rank for group in groups for a in group) == list(dims)
            for group in groups:
                assert make_plan(FFT, (facts(*[2] * rank),), (group, False))[1] is not None
            assert count > 3 or rank > 4 or len(groups) <= 2


def test_negative_and_single_axes() -> None:
    assert normalize_dims(4, -1) == (-1,)
    assert normalize_dims(4, [0, -1]) == (-4, -1)


@pytest.mark.parametrize("dims", [np.int64(1), np.array(1), (np.int32(1),), np.array([1]), [torch.tensor(1)]])
def test_axes_are_integers_of_any_kind(dims) -> None:
    assert normalize_dims(3, dims) == (-2,) and type(normalize_dims(3, dims)[0]) is int
    x = torch.ones(2, 3, 4, dtype=torch.complex64)
    assert torch.equal(ops.fft(x, dims), ops.fft(x, 1))
    np.testing.assert_array_equal(array.ifft(x.numpy(), dims), array.ifft(x.numpy(), 1))
