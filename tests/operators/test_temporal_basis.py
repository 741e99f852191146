"""Temporal bases as operators, alone and beneath Cartesian encoding."""

import pytest
import torch

from mriops.operators import SenseOp, SubspaceOp
from mriops.solvers import cg
from mriops.testing import check_linear_operator


def random(*shape: int, dtype: torch.dtype = torch.complex64, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
@pytest.mark.parametrize(("ndim", "im"), [(2, (4, 5)), (3, (2, 3, 4)), (0, ())])
def test_operator(dtype: torch.dtype, ndim: int, im: tuple[int, ...]) -> None:
    basis = random(6, 3, dtype=dtype)
    op = SubspaceOp(basis, ndim=ndim)
    check_linear_operator(op, domain_shape=(2, 3, *im))
    a = random(2, 3, *im)
    torch.testing.assert_close(op(a), torch.einsum("tk,bk...->bt...", basis.to(a.dtype), a))


def test_shuffled_echoes_give_the_coefficients() -> None:
    """12 echoes of which each sees a third of the lines: unknown as images, known as 2 coefficients."""
    rates = torch.linspace(5, 30, 40, dtype=torch.float64)
    times = 0.01 * torch.arange(1, 13, dtype=torch.float64)
    basis = torch.linalg.svd(torch.exp(-times[:, None] * rates))[0][:, :2].to(torch.complex64)
    csm = random(4, 24, 20, seed=1)
    mask = (torch.arange(24)[None, :, None] + torch.arange(12)[:, None, None]) % 3 == 0
    truth = random(2, 24, 20, seed=2)
    encoding = SenseOp(csm, mask) @ SubspaceOp(basis)
    x = cg(encoding.gram, encoding.H(encoding(truth)), max_iter=200, tol=1e-6)
    # tol * condition number of the normal operator, which is about 1e2 here
    torch.testing.assert_close(x, truth, rtol=0, atol=1e-3)


@pytest.mark.parametrize("basis", [torch.float64, torch.complex128])
def test_basis_takes_the_precision_of_the_images(basis: torch.dtype) -> None:
    op, a = SubspaceOp(random(6, 3, dtype=basis)), random(3, 4, 5)
    assert op(a).dtype == op.H(op(a)).dtype == op.gram(a).dtype == torch.complex64
    assert op(a.real).dtype == (torch.complex64 if basis.is_complex else torch.float32)
    torch.testing.assert_close(op(a), SubspaceOp(op.basis.to(op(a).dtype))(a))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: SubspaceOp(torch.zeros(3, dtype=torch.int64)),
            TypeError,
            "basis: expected a floating or complex tensor",
        ),
        (lambda: SubspaceOp(torch.zeros(3)), ValueError, r"basis: expected shape \(times, rank\), got \(3,\)"),
        (lambda: SubspaceOp(torch.zeros(3, 0)), ValueError, r"basis: expected shape \(times, rank\), got \(3, 0\)"),
        (lambda: SubspaceOp(torch.zeros(3, 2), ndim=-1), ValueError, "ndim: expected an integer >= 0, got -1"),
        (
            lambda: SubspaceOp(torch.zeros(3, 2))(torch.zeros(3, 4, 4)),
            ValueError,
            r"coefficients: expected shape \(\*batch, 2, \.\.\.\) with 2 trailing axes, got \(3, 4, 4\)",
        ),
        (
            lambda: SubspaceOp(torch.zeros(3, 2)).H(torch.zeros(4, 4)),
            ValueError,
            r"images: expected shape \(\*batch, 3, \.\.\.\) with 2 trailing axes, got \(4, 4\)",
        ),
    ],
)
def test_bad_input(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()


def test_empty_batches_of_a_basis():
    assert SubspaceOp(torch.ones(5, 3))(torch.zeros(0, 3, 4, 4)).shape == (0, 5, 4, 4)
