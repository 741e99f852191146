"""g-factors against the covariance of the dense encoding matrix, and pseudo replicas within their statistical error."""

import math

import numpy as np
import pytest
import torch

from mriops.metrics import gfactor, gfactor_pseudo_replica, noise_pseudo_replica
from mriops.phantoms import coil_covariance, coil_maps
from mriops.trajectories import mask_caipi, mask_equispaced


def _fourier_matrix(im_size):
    axes = tuple(range(1, len(im_size) + 1))
    identity = torch.eye(math.prod(im_size), dtype=torch.complex128).reshape(-1, *im_size)
    out = torch.fft.fftshift(torch.fft.fftn(torch.fft.ifftshift(identity, axes), dim=axes, norm="ortho"), axes)
    return out.reshape(len(identity), -1).T


def _encoding(csm, mask):
    """Rows (coils x sampled points), columns pixels."""
    im_size = csm.shape[1:]
    keep = mask.expand(im_size).reshape(-1)
    fourier = _fourier_matrix(im_size)[keep]
    return torch.stack([fourier * coil.reshape(-1) for coil in csm.to(torch.complex128)])


def _noise_deviation(csm, mask, psi):
    encoding = _encoding(csm, mask)
    inverse = torch.linalg.inv(psi)
    normal = torch.einsum("ckp,cd,dkq->pq", encoding.conj(), inverse, encoding)
    return torch.linalg.inv(normal).diagonal().real.sqrt().reshape(csm.shape[1:])


CASES = [
    ((12, 5), 2, mask_equispaced((12, 5), 2), 0),
    ((12, 5), 3, mask_equispaced((12, 5), 3, offset=1), 0),
    ((6, 9), (2, 3), mask_equispaced((6, 9, 1), (2, 3))[..., 0], 0),
    ((1, 8), (1, 4), mask_equispaced((8, 1), 4).T, 0),
    ((4, 6, 3), (2, 2, 1), mask_equispaced((4, 6, 3), (2, 2)), 0),
    ((4, 6, 3), (2, 2, 1), mask_caipi((4, 6, 3), (2, 2), 1), 1),
    ((6, 6, 2), (1, 3, 1), mask_caipi((6, 6, 2), (1, 3), 2), 2),
    ((6, 6, 1), (3, 2, 1), mask_caipi((6, 6, 1), (3, 2), 1), 1),
]


@pytest.mark.parametrize(("im_size", "rate", "mask", "shift"), CASES)
@pytest.mark.parametrize("correlated", [False, True])
def test_analytic_equals_the_dense_covariance(im_size, rate, mask, shift, correlated):
    csm = coil_maps(im_size, 12, dtype=torch.complex128)
    # symmetric loops cannot tell some mirrored pixels apart: disturb them
    csm += 0.2 * torch.randn(csm.shape, generator=torch.Generator().manual_seed(0), dtype=csm.dtype)
    psi = coil_covariance(12, correlation=0.4) if correlated else torch.eye(12, dtype=torch.complex128)
    g = gfactor(csm, rate, caipi_shift=shift, noise_covariance=psi if correlated else None, ndim=len(im_size))
    full = _noise_deviation(csm, torch.ones(1, dtype=torch.bool), psi)
    expected = _noise_deviation(csm, mask, psi) / full / math.sqrt(math.prod(rate) if isinstance(rate, tuple) else rate)
    assert g.shape == im_size
    assert g.isfinite().all()
    # the dense inverse loses eps x condition; g^2 <= condition
    assert torch.allclose(g, expected, rtol=1e-9 * float(g.max()) ** 2)


def test_without_undersampling_g_is_one():
    g = gfactor(coil_maps((7, 9), 5), 1)
    assert g.dtype == torch.float32
    assert torch.allclose(g, torch.ones(7, 9), atol=1e-6)


def test_batches_and_odd_strides():
    csm = coil_maps((8, 9), 6, dtype=torch.complex128)
    batch = torch.stack([csm, 2.0 * csm.flip(0)])
    g = gfactor(batch.transpose(-1, -2).contiguous().transpose(-1, -2), 4)
    assert g.shape == (2, 8, 9)
    assert torch.allclose(g[0], gfactor(csm, (4, 1)))
    assert torch.allclose(g[1], g[0])  # neither scale nor order of coils matters
    assert torch.allclose(gfactor(csm.conj(), 4), gfactor(csm.conj().resolve_conj(), 4))


def test_outside_the_object_and_not_separable():
    csm = coil_maps((8, 4), 6, dtype=torch.complex128)
    csm[:, :4] = 0.0  # folds onto rows 4..7 at R = 2, which are then alone
    g = gfactor(csm, 2)
    assert g[:4].eq(0).all()
    assert torch.allclose(g[4:], torch.ones(4, 4, dtype=torch.float64))
    one_coil = gfactor(coil_maps((8, 4), 1), 2)
    assert one_coil.isinf().all()
    same = torch.ones(3, 4, 4, dtype=torch.complex64)
    assert gfactor(same, 2).isinf().all()


def spoilt(csm, value):
    csm[1, 2, 3] = value
    return csm


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: gfactor(c, 5), r"acceleration: expected to divide the image size \(8, 6\), got \(5, 1\)"),
        (lambda c: gfactor(c, 0), "acceleration: expected a positive int"),
        (lambda c: gfactor(c, (2, 1, 1)), "acceleration: expected a positive int or 2 of them"),
        (lambda c: gfactor(c[0], 2), r"csm: expected \(\*batch, coils, \*im_size\) with 2 spatial axes"),
        (lambda c: gfactor(c[:0], 2), r"csm: expected no empty axis, got shape \(0, 8, 6\)"),
        (lambda c: gfactor(c[:, :0], 2), r"csm: expected no empty axis, got shape \(4, 0, 6\)"),
        (lambda c: gfactor(c, 2, ndim=1), "ndim: expected 2 or 3, got 1"),
        (lambda c: gfactor(spoilt(c, math.nan), 2), r"csm: expected finite values, got .*nan.* at index \(1, 2, 3\)"),
        (lambda c: gfactor(spoilt(c, math.inf), 2), r"csm: expected finite values, got .*inf.* at index \(1, 2, 3\)"),
        (lambda c: gfactor(c, 2, caipi_shift=1), "caipi_shift: expected 0"),
        (lambda c: gfactor(c[..., None], (4, 3, 1), caipi_shift=1, ndim=3), "to be a multiple of R_y = 3"),
        (lambda c: gfactor(c, 2, noise_covariance=torch.eye(3)), r"noise_covariance: expected shape \(..., 4, 4\)"),
        (lambda c: gfactor(c, 2, noise_covariance=-torch.eye(4)), "noise_covariance: expected a positive definite"),
        (
            lambda c: gfactor(c, 2, noise_covariance=5 * torch.eye(4) + torch.ones(4, 4).triu()),
            "noise_covariance: expected a finite Hermitian matrix",
        ),
        (
            lambda c: gfactor(c, 2, noise_covariance=torch.eye(4).expand(2, 4, 4)),
            r"noise_covariance: expected batch axes that broadcast to \(\), got \(2, 4, 4\)",
        ),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(coil_maps((8, 6), 4))


def _sense_matrix(csm, mask, psi):
    encoding = _encoding(csm, mask)
    inverse = torch.linalg.inv(psi)
    weighted = torch.einsum("ckp,cd->dkp", encoding.conj(), inverse)  # E^H Psi^-1
    normal = torch.einsum("dkp,dkq->pq", weighted, encoding)
    return torch.linalg.solve(normal, weighted.permute(2, 0, 1).flatten(1))


def test_pseudo_replica_converges_to_the_analytic_g():
    im_size, n_replicas, rate = (12, 8), 400, 3
    csm, psi = coil_maps(im_size, 8, dtype=torch.complex128), coil_covariance(8, sigma=0.5)
    mask, full = mask_equispaced(im_size, rate), torch.ones(1, 1, dtype=torch.bool)
    keep = mask.expand(im_size)
    unfold, combine = _sense_matrix(csm, mask, psi), _sense_matrix(csm, full, psi)
    estimate = gfactor_pseudo_replica(
        lambda k: (unfold @ k[:, keep].reshape(-1)).reshape(im_size),
        lambda k: (combine @ k.reshape(-1)).reshape(im_size),
        torch.zeros(8, *im_size, dtype=torch.complex128),
        mask=mask,
        noise_covariance=psi,
        n_replicas=n_replicas,
        seed=11,
    )
    error = estimate / gfactor(csm, rate, noise_covariance=psi) - 1.0
    # each deviation estimate has relative deviation 1/(2 sqrt(n - 1)), the ratio sqrt(2) times that = 0.035;
    # 96 pixels stay within 4.5 of these (p = 1e-3), their mean is no further off than one pixel may be
    deviation = math.sqrt(2.0) / (2.0 * math.sqrt(n_replicas - 1))
    assert error.abs().max() < 4.5 * deviation
    assert error.mean().abs() < 3.0 * deviation
    assert error.std() > 0.3 * deviation  # it is an estimate: agreeing better would mean the noise is not there


def test_pseudo_replica_noise_of_a_known_map():
    # the sum over coils of white noise with E|n|^2 = 4 has E|n|^2 = 4 x coils; data do not matter for a linear map
    generator = torch.Generator().manual_seed(0)
    kspace = 100.0 * torch.randn(3, 16, 16, generator=generator, dtype=torch.complex128)
    deviation = noise_pseudo_replica(lambda k: k.sum(0), kspace, noise_covariance=4.0, n_replicas=200)
    relative = deviation / math.sqrt(12.0) - 1.0
    one = 1.0 / (2.0 * math.sqrt(199))
    assert relative.abs().max() < 5 * one  # 256 independent pixels
    assert relative.mean().abs() < 5 * one / 16


def test_pseudo_replica_without_undersampling_is_one():
    kspace = torch.zeros(4, 16, 16, dtype=torch.complex64)
    g = gfactor_pseudo_replica(
        lambda k: k.mean(0), lambda k: k.mean(0), kspace, mask=torch.ones(16, 1), n_replicas=100, seed=1
    )
    assert g.dtype == torch.float32
    assert (g - 1).abs().max() < 5 * math.sqrt(2) / (2 * math.sqrt(99))


def test_pseudo_replica_refuses():
    kspace = torch.zeros(2, 4, 4, dtype=torch.complex64)
    with pytest.raises(ValueError, match="n_replicas: expected an integer >= 2, got 1"):
        noise_pseudo_replica(lambda k: k, kspace, n_replicas=1)
    with pytest.raises(ValueError, match="mask: expected at least one sampled entry"):
        gfactor_pseudo_replica(lambda k: k, lambda k: k, kspace, mask=torch.zeros(4, 4))


def test_acceleration_of_any_kind_of_integer():
    csm = coil_maps((12, 8), 4)
    for two in (np.int64(2), torch.tensor(2), (2, 1), np.array([2, 1])):
        assert torch.equal(gfactor(csm, two), gfactor(csm, 2))


def test_empty_batches_and_batches_of_covariances():
    csm = coil_maps((8, 6), 4)
    assert gfactor(csm.expand(0, 4, 8, 6), 2).shape == (0, 8, 6)
    assert gfactor(csm.expand(2, 0, 4, 8, 6), 2, noise_covariance=torch.eye(4)).shape == (2, 0, 8, 6)
    psi = torch.stack([coil_covariance(4, seed=s) for s in (0, 1)])
    both = gfactor(csm.expand(2, 4, 8, 6), 2, noise_covariance=psi)
    assert torch.equal(both, torch.stack([gfactor(csm, 2, noise_covariance=p) for p in psi]))
