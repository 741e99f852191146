"""The references against closed forms and direct sums: everything else is tested against the references."""

import math

import pytest
import torch

from mriops.ops import reference

SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def dft_matrix(n: int) -> torch.Tensor:
    """The definition: exp(-2 pi i (k - n//2)(x - n//2) / n) / sqrt(n)."""
    centred = torch.arange(n, dtype=torch.float64) - n // 2
    phase = -2 * math.pi * centred[:, None] * centred[None, :] / n
    return torch.polar(torch.full_like(phase, n**-0.5), phase)


# Sums of up to 12 products of numbers near 1, in double precision: 12 eps each, 100 eps with room for the phases.
TOLERANCE = {"rtol": 0, "atol": 100 * torch.finfo(torch.float64).eps}


@pytest.mark.parametrize("n", SIZES)
def test_fft_is_the_direct_sum(n: int) -> None:
    x = normal(3, n)
    torch.testing.assert_close(reference.fft(x, -1), x @ dft_matrix(n).T, **TOLERANCE)
    torch.testing.assert_close(reference.ifft(x, -1), x @ dft_matrix(n).conj(), **TOLERANCE)


@pytest.mark.parametrize("n", SIZES)
def test_fft_of_a_centred_impulse_is_flat(n: int) -> None:
    x = torch.zeros(n, dtype=torch.complex128)
    x[n // 2] = 1
    torch.testing.assert_close(reference.fft(x, 0), torch.full_like(x, n**-0.5), **TOLERANCE)


@pytest.mark.parametrize("n", SIZES)
def test_fft_of_a_plane_wave_is_an_impulse_at_its_frequency(n: int) -> None:
    for frequency in range(-(n // 2), (n + 1) // 2):
        position = torch.arange(n, dtype=torch.float64) - n // 2
        wave = torch.polar(torch.ones(n, dtype=torch.float64), 2 * math.pi * frequency * position / n)
        expected = torch.zeros(n, dtype=torch.complex128)
        expected[frequency + n // 2] = n**0.5
        torch.testing.assert_close(reference.fft(wave, 0), expected, **TOLERANCE)


def test_fft_over_two_axes_is_one_after_the_other() -> None:
    x = normal(3, 4, 5)
    torch.testing.assert_close(
        reference.fft(x, (0, 2)), torch.einsum("ai,bj,iyj->ayb", dft_matrix(3), dft_matrix(5), x), **TOLERANCE
    )


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_family_is_the_explicit_sum(ndim: int, weighted: bool) -> None:
    im, letters = (3, 4, 5)[:ndim], "abc"[:ndim]
    image, csm, kspace = normal(2, *im), normal(2, 3, *im, seed=1), normal(3, *im, seed=2)
    mask = torch.rand(im, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) if weighted else None
    weights = torch.ones(im, dtype=torch.float64) if mask is None else mask
    # One matrix for the transform of all axes: kron of the axes' matrices.
    full = torch.ones(1, 1, dtype=torch.complex128)
    for n in im:
        full = torch.kron(full, dft_matrix(n))
    encode = torch.einsum("k,kr,mcr->ckmr", weights.reshape(-1).to(full.dtype), full, csm.reshape(2, 3, -1))
    size = math.prod(im)
    matrix = encode.reshape(3 * size, 2 * size)
    keywords = {"ndim": ndim, "maps": True}
    assert letters  # the shapes above have as many axes as letters

    forward = (matrix @ image.reshape(-1)).reshape(3, *im)
    torch.testing.assert_close(reference.sense(image, csm, mask, **keywords), forward, rtol=0, atol=1e-12)
    adjoint = (matrix.conj().T @ kspace.reshape(-1)).reshape(2, *im)
    torch.testing.assert_close(reference.sense_adjoint(kspace, csm, mask, **keywords), adjoint, rtol=0, atol=1e-12)
    gram = (matrix.conj().T @ matrix @ image.reshape(-1)).reshape(2, *im)
    torch.testing.assert_close(reference.sense_gram(image, csm, mask, **keywords), gram, rtol=0, atol=1e-12)


def test_csm_adjoint_is_the_adjoint_in_the_maps() -> None:
    image, csm, kspace = normal(4, 5, 6), normal(2, 1, 3, 5, 6, seed=1), normal(2, 4, 3, 5, 6, seed=2)
    mask = torch.rand(5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    left = torch.vdot(kspace.reshape(-1), reference.sense(image, csm, mask).reshape(-1))
    maps = reference.sense_csm_adjoint(kspace, image, mask, csm_batch=(2, 1))
    assert maps.shape == csm.shape
    # csm -> k-space is linear: <k, A s> = <A^H k, s>; 720 terms of size 1.
    torch.testing.assert_close(left, torch.vdot(maps.reshape(-1), csm.reshape(-1)), rtol=0, atol=1e-12)


def test_expand_and_combine_of_one_pixel() -> None:
    image = torch.tensor([[2 + 1j]])
    csm = torch.tensor([1j, 2.0]).reshape(2, 1, 1)
    coil_images = reference.coil_expand(image, csm)
    assert coil_images.reshape(-1).tolist() == [-1 + 2j, 4 + 2j]
    assert reference.coil_combine(coil_images, csm).item() == 5 * (2 + 1j)  # |1j|^2 + |2|^2 = 5


def test_references_take_any_float_dtype() -> None:
    image, csm = torch.ones(4, 4, dtype=torch.float64), torch.ones(2, 4, 4, dtype=torch.float64)
    assert reference.sense(image, csm).dtype == torch.complex128
    assert reference.coil_expand(image.half(), csm.half()).dtype == torch.float16
