"""ACS detection and extraction."""

import pytest
import torch

from mriops.calibration import check_kspace, detect_acs, extract_acs


def widths(region):
    return tuple(s.stop - s.start for s in region)


@pytest.mark.parametrize("size", [40, 41])
@pytest.mark.parametrize("lines", [1, 12, 13])
def test_lines(size, lines):
    mask = torch.zeros(size, 30)
    first = size // 2 - lines // 2
    mask[first : first + lines] = 1
    mask[(first + 1) % 4 : first - 2 : 4] = 1
    mask[first + lines + 3 :: 4] = 1
    assert detect_acs(mask) == (slice(first, first + lines), slice(0, 30))


def test_off_centre_block_is_trimmed_to_the_centred_part():
    mask = torch.zeros(40, 40, dtype=torch.bool)
    mask[15:30, 10:26] = True  # centre 20: 5 to the left, 10 to the right; 10 and 6
    assert detect_acs(mask) == (slice(15, 26), slice(14, 26))
    rows, columns = detect_acs(mask)
    for part, n in ((rows, 40), (columns, 40)):
        width = part.stop - part.start
        assert part.start == n // 2 - width // 2
    assert mask[rows, columns].all()


def test_3d_elliptical_centre():
    axes = [torch.arange(n) - n // 2 for n in (24, 30, 20)]
    r = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    mask = (r[0] / 8.0) ** 2 + (r[1] / 8.0) ** 2 <= 1
    region = detect_acs(mask, ndim=3)
    assert mask[region].all()
    assert widths(region)[2] == 20
    # A square inside a circle of radius 8 has sides of 11: 2 * floor(8 / sqrt(2)) + 1.
    assert min(widths(region)[:2]) >= 10


def test_kspace_counts_any_coil_and_every_batch_item():
    kspace = torch.zeros(2, 3, 20, 20, dtype=torch.complex64)
    kspace[0, 0, 4:16] = 1
    kspace[1, 2, 6:14] = 1j
    assert detect_acs(kspace) == (slice(6, 14), slice(0, 20))
    assert detect_acs(kspace[0]) == (slice(4, 16), slice(0, 20))


def test_fully_sampled_and_tiny():
    for shape in ((8, 9), (1, 7), (1, 1)):
        assert detect_acs(torch.ones(shape)) == tuple(slice(0, n) for n in shape)


def test_extract():
    kspace = torch.randn(2, 3, 21, 16, dtype=torch.complex64)
    block = extract_acs(kspace, (5, 4))
    assert torch.equal(block, kspace[..., 8:13, 6:10])
    assert block.data_ptr() == kspace[..., 8:13, 6:10].data_ptr()
    assert torch.equal(block[..., 5 // 2, 4 // 2], kspace[..., 21 // 2, 16 // 2])
    assert extract_acs(kspace, 100).shape == kspace.shape
    assert torch.equal(extract_acs(kspace, (slice(1, 4), 6)), kspace[..., 1:4, 5:11])
    assert extract_acs(kspace).shape == kspace.shape


def test_errors():
    with pytest.raises(ValueError, match=r"expected a sampled centre of k-space, got none at index \(4, 4\)"):
        detect_acs(torch.zeros(8, 8))
    with pytest.raises(ValueError, match=r"k-space \(\*batch, coils, \*im_size\) with 2 spatial axes, got \(8, 8\)"):
        detect_acs(torch.ones(8, 8, dtype=torch.complex64))
    with pytest.raises(ValueError, match="a mask"):
        detect_acs(torch.ones(8))
    with pytest.raises(TypeError, match=r"expected a torch\.Tensor, got list"):
        detect_acs([1])
    with pytest.raises(ValueError, match="expected a non-empty slice of step 1 within an axis of 8"):
        extract_acs(torch.ones(1, 8, 8, dtype=torch.complex64), (slice(0, 8, 2), 4))
    with pytest.raises(ValueError, match="with 2 spatial axes, got"):
        extract_acs(torch.ones(8, 8, dtype=torch.complex64), 4)


def test_check_kspace_accepts_values_whose_sum_overflows():
    big = torch.full((2, 4, 4), 3e38, dtype=torch.complex64)
    assert check_kspace(big, ndim=2) is not None
    with pytest.raises(ValueError, match="the first of 2 values"):
        broken = torch.zeros(2, 4, 4, dtype=torch.complex64)
        broken[1, 2, 3] = complex(0, float("nan"))
        broken[1, 3, 3] = float("-inf")
        check_kspace(broken, ndim=2)


def test_axes_that_are_none():
    with pytest.raises(ValueError, match="ndim: expected an integer >= 1, got 0"):
        detect_acs(torch.ones(4, 4), ndim=0)
