"""Fourier, coil and SENSE operators: contract, meaning, masks, shapes, failures."""

import pytest
import torch

from mriops import ops
from mriops.operators import CoilOp, FourierOp, SenseOp
from mriops.ops import reference
from mriops.solvers import cg
from mriops.testing import check_linear_operator

IM_SIZES = [(6, 5), (1, 7), (4, 3, 5)]
DTYPES = [torch.complex64, torch.complex128]


def random(*shape, seed=0, dtype=torch.complex64):
    wide = torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))
    return (wide if dtype.is_complex else wide.real).to(dtype)


def bernoulli(*shape, seed=3):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) > 0.4


def close(value, expected, n):
    """Relative error of one or two transforms of n points and sums over coils: C eps log2(n), C = 8."""
    tol = 8 * torch.finfo(value.dtype).eps * max(1, torch.tensor(float(n)).log2().item())
    assert value.shape == expected.shape
    assert torch.linalg.vector_norm(value - expected) <= tol * torch.linalg.vector_norm(expected)


def masks(im_size, batch=()):
    yield None
    yield bernoulli(*im_size)
    yield bernoulli(*im_size[:-1], 1).expand(im_size)
    yield bernoulli(*batch, *im_size)
    yield random(*im_size, dtype=torch.float32).abs()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("im_size", IM_SIZES, ids=str)
@pytest.mark.parametrize("coils", [1, 3])
@pytest.mark.parametrize("maps", [False, True])
def test_sense_keeps_the_contract_and_is_its_reference(dtype, im_size, coils, maps):
    ndim, sets = len(im_size), (2,) if maps else ()
    csm = random(*sets, coils, *im_size, dtype=dtype)
    image = random(3, *sets, *im_size, seed=1, dtype=dtype)
    for mask in masks(im_size, batch=(3,)):
        op = SenseOp(csm, mask, ndim=ndim, maps=maps)
        weights = None if mask is None else mask if mask.dtype == torch.bool else mask.to(dtype.to_real())
        expected = reference.sense(image, csm, weights, ndim=ndim, maps=maps)
        n = csm.numel()
        close(op(image), expected, n)
        close(op.H(expected), reference.sense_adjoint(expected, csm, weights, ndim=ndim, maps=maps), n)
        close(op.gram(image), reference.sense_gram(image, csm, weights, ndim=ndim, maps=maps), n)
        batch = (3,) if mask is not None and mask.ndim > ndim else ()
        assert op.domain_shape == (*batch, *sets, *im_size) and op.range_shape == (*batch, coils, *im_size)
        check_linear_operator(op, dtype=dtype)
        op.check_adjoint()
        op.gram.check_adjoint()


def test_sense_is_fourier_after_coils():
    csm, mask, x = random(4, 6, 5), bernoulli(6, 5), random(2, 6, 5, seed=1)
    direct, composed = SenseOp(csm, mask), FourierOp((6, 5), mask=mask) @ CoilOp(csm)
    close(direct(x), composed(x), 30)
    close(direct.gram(x), composed.gram(x), 120)


class TestMask:
    csm = random(2, 4, 6)

    @pytest.mark.parametrize(
        ("mask", "shape"),
        [
            (torch.ones(4, 6, dtype=torch.bool), None),
            (torch.ones(4, 6), None),
            (torch.ones(3, 4, 6, dtype=torch.uint8), None),
            (torch.full((4, 6), 2.0), (1, 1)),
            (torch.zeros(4, 6, dtype=torch.bool), (1, 1)),
            (torch.tensor([1, 0, 1, 1])[:, None].expand(4, 6), (4, 1)),
            (torch.tensor([1, 0, 1, 1, 0, 1]).expand(4, 6), (1, 6)),
            (torch.tensor([True, False, True, True, False, True]), (1, 6)),
            (bernoulli(4, 6), (4, 6)),
            (bernoulli(4, 6).expand(5, 4, 6), (1, 4, 6)),
            (bernoulli(5, 1, 6).expand(5, 4, 6), (5, 1, 6)),
        ],
    )
    def test_axes_without_undersampling_shrink(self, mask, shape):
        op = SenseOp(self.csm, mask)
        assert (None if op.mask is None else tuple(op.mask.shape)) == shape
        x = random(5, 4, 6)[:3] if mask.shape[0] == 3 else random(5, 4, 6)
        full = mask if mask.is_floating_point() else mask.bool()
        close(op(x), reference.sense(x, self.csm, full.expand(4, 6) if full.ndim < 2 else full), 24)
        close(op.gram(x), reference.sense_gram(x, self.csm, full.expand(4, 6) if full.ndim < 2 else full), 48)

    def test_integers_beyond_one_are_weights(self):
        op = SenseOp(self.csm, torch.arange(4)[:, None])
        assert op.mask.dtype == torch.float32 and op.mask.shape == (4, 1)

    def test_precision_follows_the_maps(self):
        assert SenseOp(self.csm.to(torch.complex128), torch.arange(6.0)).mask.dtype == torch.float64
        assert SenseOp(self.csm, torch.arange(6.0, dtype=torch.float64)).mask.dtype == torch.float32

    def test_trained_weights_keep_their_shape_and_get_gradients(self):
        for weights in (torch.ones(4, 6, requires_grad=True), torch.nn.Parameter(torch.ones(4, 6))):
            op = SenseOp(self.csm, weights)
            assert op.mask is weights
            op.gram(random(4, 6)).abs().sum().backward()
            assert weights.grad.shape == (4, 6) and (weights.grad != 0).all()
        assert dict(op.named_parameters()).keys() == {"mask"}

    def test_fourier_gram_skips_constant_axes(self, monkeypatch):
        seen = []
        monkeypatch.setattr(ops, "fft", lambda x, dims: seen.append(dims) or reference.fft(x, dims))
        x = random(3, 4, 6)
        lines = torch.tensor([True, False, True, True])[:, None]
        for mask, dims in ((lines, [(-2,)]), (lines * 3.0, [(-2,)]), (torch.full((1, 1), 2.0), []), (None, [])):
            op = FourierOp((4, 6), mask=mask)
            seen.clear()
            got = op.gram(x)
            assert seen == dims
            weights = 1.0 if mask is None else mask * 1.0
            close(got, reference.ifft(reference.fft(x, (-2, -1)) * weights**2, (-2, -1)), 24)


@pytest.mark.parametrize("im_size", [(5,), (6, 5), (1, 1), (4, 3, 5)], ids=str)
def test_fourier_contract(im_size):
    for mask in (None, bernoulli(*im_size), bernoulli(3, *im_size), random(*im_size, dtype=torch.float32)):
        for op in (FourierOp(im_size, mask=mask), FourierOp(ndim=len(im_size), mask=mask)):
            check_linear_operator(op, domain_shape=(3, *im_size))
            op.check_adjoint((2, 3, *im_size))
    x = random(2, *im_size)
    close(FourierOp(im_size)(x), reference.fft(x, tuple(range(-len(im_size), 0))), x.numel())
    assert FourierOp(im_size).domain_shape == im_size and FourierOp().domain_shape is None


@pytest.mark.parametrize("maps", [False, True])
@pytest.mark.parametrize("im_size", IM_SIZES, ids=str)
def test_coil_contract(maps, im_size):
    csm = random(*((2,) if maps else ()), 3, *im_size)
    op = CoilOp(csm, ndim=len(im_size), maps=maps)
    check_linear_operator(op)
    op.check_adjoint()
    x = random(4, *op.domain_shape)
    close(op.gram(x), op.H(op(x)), csm.numel())


class TestBatch:
    def test_maps_per_item_and_shared_axes(self):
        csm = random(5, 1, 3, 4, 6)  # five slices, any number of frames each
        op = SenseOp(csm)
        assert op.domain_shape == (5, 1, 4, 6)
        x = random(5, 7, 4, 6)
        close(op(x), torch.stack([SenseOp(c[0])(i) for c, i in zip(csm, x, strict=True)]), 24)
        check_linear_operator(op, domain_shape=(5, 7, 4, 6))
        assert SenseOp(csm[:1]).domain_shape == (4, 6)

    def test_mask_per_frame(self):
        op = SenseOp(random(3, 4, 6), bernoulli(5, 4, 6))
        assert op.domain_shape == (5, 4, 6) and op.range_shape == (5, 3, 4, 6)
        check_linear_operator(op, domain_shape=(2, 5, 4, 6))

    def test_arguments_that_would_broadcast_are_refused(self):
        """Their adjoint would lack a sum."""
        for op in (
            SenseOp(random(5, 3, 4, 6)),
            SenseOp(random(3, 4, 6), bernoulli(5, 4, 6)),
            CoilOp(random(5, 3, 4, 6)),
        ):
            with pytest.raises(ValueError, match=r"image: expected shape \(\*, 5, 4, 6\), got \(4, 6\)"):
                op(random(4, 6))
            with pytest.raises(ValueError, match=r"image: expected shape \(\*, 5, 4, 6\), got \(2, 4, 6\)"):
                op.gram(random(2, 4, 6))
            with pytest.raises(ValueError, match=r"expected shape \(\*, 5, 3, 4, 6\), got \(1, 3, 4, 6\)"):
                op.H(random(1, 3, 4, 6))
        with pytest.raises(ValueError, match=r"image: expected shape \(\*, 5, 4, 6\), got \(4, 6\)"):
            FourierOp((4, 6), mask=bernoulli(5, 4, 6))(random(4, 6))


def test_strided_and_conjugated_views():
    csm = random(3, 4, 6).conj()
    x = random(6, 4, 2).permute(2, 1, 0).conj()
    op, plain = SenseOp(csm), SenseOp(csm.resolve_conj().clone())
    close(op(x), plain(x.resolve_conj().contiguous()), 24)
    close(op.H(op(x).conj()), plain.H(plain(x.resolve_conj().contiguous()).conj().resolve_conj()), 24)
    check_linear_operator(SenseOp(random(3, 6, 4).mT))


def test_gradient_reaches_maps_that_a_network_made():
    parameter = random(3, 4, 6, dtype=torch.complex128).requires_grad_()
    x = random(4, 6, seed=4, dtype=torch.complex128)

    def energy(encode):
        return (encode(parameter / (1 + parameter.abs())).abs() ** 2).sum()

    (got,) = torch.autograd.grad(energy(lambda csm: SenseOp(csm)(x)), parameter)
    (expected,) = torch.autograd.grad(energy(lambda csm: reference.sense(x, csm)), parameter)
    torch.testing.assert_close(got, expected)


def test_cg_sense_recovers_an_image_and_differentiates_maps_weights_and_damping():
    im_size = (8, 6)
    parameters = (
        random(4, *im_size, dtype=torch.complex128).requires_grad_(),
        (1 + random(*im_size, seed=5, dtype=torch.float64).abs()).requires_grad_(),
        torch.tensor(0.1, dtype=torch.float64, requires_grad=True),
    )
    truth = random(*im_size, seed=6, dtype=torch.complex128)
    kspace = SenseOp(*parameters[:2])(truth).detach().requires_grad_()

    def reconstruct(csm, weights, damping, kspace):
        op = SenseOp(csm, weights)
        return cg(op.gram, op.H(kspace), damping=damping, tol=1e-13, max_iter=200)

    def dense(csm, weights, damping, kspace):
        basis = torch.eye(truth.numel(), dtype=truth.dtype).view(-1, *im_size)
        matrix = reference.sense_gram(basis, csm, weights).reshape(truth.numel(), -1).mT
        right = reference.sense_adjoint(kspace, csm, weights).flatten()
        return torch.linalg.solve(matrix + damping * torch.eye(len(right)).to(matrix), right).view(im_size)

    x, expected = reconstruct(*parameters, kspace), dense(*parameters, kspace)
    torch.testing.assert_close(x, expected, rtol=1e-8, atol=1e-9)
    for got, want in zip(
        torch.autograd.grad((x - truth).abs().square().sum(), (*parameters, kspace)),
        torch.autograd.grad((expected - truth).abs().square().sum(), (*parameters, kspace)),
        strict=True,
    ):
        torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-8)


def test_compiles_without_graph_breaks():
    op = SenseOp(random(3, 4, 6), bernoulli(4, 1))
    x = random(2, 4, 6)
    for function in (op, lambda x: op.H(op(x)), lambda x: op.gram(x) + 0.1 * x, (2 * FourierOp((4, 6)) @ op.H).H):
        torch._dynamo.reset()
        compiled = torch.compile(function, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(x), function(x))


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda: SenseOp(3), TypeError, "csm: expected a torch.Tensor, got int"),
        (lambda: SenseOp(torch.ones(3, 4, 6)), TypeError, "csm: expected a complex tensor, got torch.float32"),
        (lambda: SenseOp(random(4, 6)), ValueError, r"csm: expected shape \(\*batch, coils, y, x\)"),
        (
            lambda: SenseOp(random(3, 4, 6), maps=True),
            ValueError,
            r"csm: expected shape \(\*batch, maps, coils, y, x\)",
        ),
        (lambda: SenseOp(random(3, 4, 6), ndim=3), ValueError, r"csm: expected shape \(\*batch, coils, z, y, x\)"),
        (lambda: SenseOp(random(3, 0, 6)), ValueError, r"without empty axes, got \(3, 0, 6\)"),
        (lambda: SenseOp(random(3, 4, 6), ndim=4), ValueError, "ndim: expected 2 or 3 spatial axes, got 4"),
        (lambda: SenseOp(random(3, 4, 6), [1]), TypeError, "mask: expected a torch.Tensor or None, got list"),
        (lambda: SenseOp(random(3, 4, 6), random(4, 6)), TypeError, "mask: expected bool, integer or real weights"),
        (lambda: SenseOp(random(3, 4, 6), bernoulli(6, 4)), ValueError, r"mask: expected trailing axes that broadcast"),
        (
            lambda: SenseOp(random(2, 3, 4, 6), bernoulli(5, 4, 6)),
            ValueError,
            r"batch axes that broadcast, got \(2,\) and",
        ),
        (lambda: SenseOp(random(3, 4, 6))(3), TypeError, "image: expected a torch.Tensor, got int"),
        (
            lambda: SenseOp(random(3, 4, 6))(random(4, 5)),
            ValueError,
            r"image: expected shape \(\*, 4, 6\), got \(4, 5\)",
        ),
        (lambda: SenseOp(random(3, 4, 6))(random(6)), ValueError, r"image: expected shape \(\*, 4, 6\), got \(6,\)"),
        (lambda: SenseOp(random(3, 4, 6)).H(random(2, 4, 6)), ValueError, r"kspace: expected shape \(\*, 3, 4, 6\)"),
        (lambda: CoilOp(random(3, 4, 6)).H(random(4, 6)), ValueError, r"coil_images: expected shape \(\*, 3, 4, 6\)"),
        (lambda: FourierOp((4, 6), ndim=3), ValueError, r"ndim: expected 2, the length of im_size \(4, 6\), got 3"),
        (lambda: FourierOp((4, 0)), ValueError, r"im_size: expected one to three positive ints, got \(4, 0\)"),
        (lambda: FourierOp(ndim=4), ValueError, "ndim: expected 1, 2 or 3, got 4"),
        (lambda: FourierOp((4, 6))(random(4, 5)), ValueError, r"image: expected shape \(\*, 4, 6\), got \(4, 5\)"),
        (
            lambda: FourierOp()(random(4)),
            ValueError,
            r"image: expected a tensor with at least 2 axes, got shape \(4,\)",
        ),
        (lambda: FourierOp().H(None), ValueError, "kspace: expected a tensor with at least 2 axes, got NoneType"),
        (lambda: FourierOp((4, 6), mask=bernoulli(4, 5)), ValueError, "mask: expected trailing axes that broadcast"),
        (lambda: SenseOp(random(3, 4, 6), torch.ones(3, 1)), ValueError, "mask: expected trailing axes that broadcast"),
        (lambda: FourierOp((4, 6), mask=torch.ones(4, 5)), ValueError, "mask: expected trailing axes that broadcast"),
        (lambda: FourierOp(mask=bernoulli(4, 5))(random(4, 6)), ValueError, "mask: expected trailing axes"),
    ],
)
def test_failures(build, error, match):
    with pytest.raises(error, match=match):
        build()


def test_fourier_weights_take_the_precision_of_the_image():
    weights, image = random(4, 6, dtype=torch.float64), random(4, 6, seed=1)
    op, narrow = FourierOp((4, 6), mask=weights), FourierOp((4, 6), mask=weights.float())
    for found, expected in (
        (op(image), narrow(image)),
        (op.H(image), narrow.H(image)),
        (op.gram(image), narrow.gram(image)),
    ):
        assert found.dtype == torch.complex64
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int32, torch.float64])
@pytest.mark.parametrize("constant", [False, True])
def test_operators_made_under_vmap_over_masks(dtype, constant):
    csm, x = random(3, 6, 8, dtype=torch.complex128), random(6, 8, seed=1, dtype=torch.complex128)
    masks = torch.rand(2, 6, 8, generator=torch.Generator().manual_seed(2)) > (1 if constant else 0.5)
    masks = (~masks if constant else masks).to(dtype)
    for make in (lambda mask: SenseOp(csm, mask), lambda mask: FourierOp((6, 8), mask=mask)):
        found = torch.vmap(lambda mask, make=make: make(mask).gram(x))(masks)
        expected = torch.stack([make(mask).gram(x) for mask in masks])
        torch.testing.assert_close(found, expected)


def test_a_mask_that_is_constant_but_has_a_tangent():
    csm, x = random(3, 6, 8, dtype=torch.complex128), random(6, 8, seed=1, dtype=torch.complex128)
    ones, tangent = torch.ones(6, 8).double(), torch.rand(6, 8, generator=torch.Generator().manual_seed(2)).double()
    found = torch.func.jvp(lambda mask: SenseOp(csm, mask)(x), (ones,), (tangent,))[1]
    torch.testing.assert_close(found, SenseOp(csm, tangent)(x))


def test_a_mask_given_within_a_transform_is_compressed():
    mask = (torch.arange(6) % 2 == 0)[:, None].expand(6, 8)

    def shape(x):
        op = FourierOp((6, 8), mask=mask)
        return op(x).abs().sum(), torch.zeros(op.mask.shape)

    assert torch.func.grad(shape, has_aux=True)(random(6, 8))[1].shape == (6, 1)
