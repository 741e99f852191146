"""Updates and inner products by native kernels: against float64, at every kind of length, on any number of threads."""

from collections.abc import Iterator

import pytest
import torch

from mriops import _cpu, operators, solvers
from mriops.solvers import updates
from mriops.solvers.flat import Layout

# Around the 32 running sums of a chunk and the 8192 numbers of a chunk; the last is cut into chunks for threads.
LENGTHS = [0, 1, 31, 33, 8191, 8193, 100_003]


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def vectors(count: int, batch: int, n: int, dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(batch, n, dtype=torch.float64, generator=generator).to(dtype) for _ in range(count)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("batch", [1, 3])
def test_native_updates_are_those_of_the_formula(batch: int, n: int, dtype: torch.dtype) -> None:
    p, q, x, r = vectors(4, batch, n, dtype)
    step = torch.linspace(-0.5, 2.0, batch, dtype=dtype)[:, None]
    native = updates.updates_for(x, in_place=True)
    assert type(native).__name__ == "_Native"
    exact = [t.double() for t in (p, q, x, r, step)]
    eps = torch.finfo(dtype).eps

    # Products are summed 256 at a time (8192 numbers, 32 sums) in the dtype, each sum rounding by at most eps.
    bound = 256 * eps * (exact[0] * exact[1]).abs().sum(-1, keepdim=True) + 1e-300
    assert ((native.dot(p, q).double() - (exact[0] * exact[1]).sum(-1, keepdim=True)).abs() <= bound).all()

    moved, left, norm2 = native.descend(p, q, step, x.clone(), r.clone())
    wanted = exact[3] - exact[4] * exact[1]
    rounding = 4 * eps  # a product and a sum of numbers below 8
    torch.testing.assert_close(moved.double(), exact[2] + exact[4] * exact[0], rtol=rounding, atol=8 * rounding)
    torch.testing.assert_close(left.double(), wanted, rtol=rounding, atol=8 * rounding)
    torch.testing.assert_close(norm2.double(), wanted.square().sum(-1, keepdim=True), rtol=256 * eps, atol=1e-300)

    for got, formula in (
        (native.advance(x.clone(), p, step), exact[2] + exact[4] * exact[0]),
        (native.turn(x, p.clone(), step), exact[2] + exact[4] * exact[0]),
        (native.scale(p.clone(), step), exact[4] * exact[0]),
    ):
        torch.testing.assert_close(got.double(), formula, rtol=rounding, atol=8 * rounding)


# Only the first of 32 running sums is not zero, so that rounding in it is not lost in the others.
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_results_do_not_depend_on_where_vectors_lie(dtype: torch.dtype) -> None:
    native = updates.updates_for(torch.zeros(1, dtype=dtype), in_place=True)
    step = torch.tensor([[0.3]], dtype=dtype)
    n, middle = 128, 400
    for p, q, x, r in zip(*vectors(4, 20, n, dtype), strict=True):
        q, r = q * (torch.arange(n) % 32 == 0), r * (torch.arange(n) % 32 == 0)
        results = []
        for distance in [*range(-400, -n + 1, 16), *range(n, 400, 16)]:
            memory = torch.zeros(1024, dtype=dtype)
            near = memory[middle : middle + n].view(1, n).copy_(q)
            other = memory[middle + distance : middle + distance + n].view(1, n).copy_(r)
            inner = native.dot(near, other)
            moved, left, norm2 = native.descend(p[None], near, step, x[None].clone(), other)
            results.append(torch.cat([inner, moved, left, norm2, native.turn(near, other, step)], dim=1))
        assert all(torch.equal(result, results[0]) for result in results)


def test_what_is_overwritten_is_what_the_name_says() -> None:
    p, q, x, r = vectors(4, 2, 50, torch.float32)
    step = torch.ones(2, 1)
    native = updates.updates_for(x, in_place=True)
    before = [t.clone() for t in (p, q, x, r)]
    moved, left, _ = native.descend(p, q, step, x, r)
    assert moved is x and left is r
    assert torch.equal(p, before[0]) and torch.equal(q, before[1])
    assert native.turn(x, p, step) is p and torch.equal(x, moved)
    recorded = updates.updates_for(x, in_place=False)
    kept = x.clone()
    assert recorded.advance(x, p, step) is not x and torch.equal(x, kept)


def test_rows_that_are_not_contiguous_are_read_right() -> None:
    p, x = vectors(2, 2, 64, torch.float32)
    wide = torch.randn(2, 128, generator=torch.Generator().manual_seed(3))
    native = updates.updates_for(x, in_place=True)
    assert torch.equal(native.dot(p, wide[:, ::2]), native.dot(p, wide[:, ::2].clone()))
    step = torch.ones(1, 1).expand(2, 1)
    assert torch.equal(native.turn(wide[:, :64], p.clone(), step), native.turn(wide[:, :64].clone(), p, step))


def test_solutions_do_not_depend_on_the_thread_count(threads: None) -> None:
    b = torch.randn(3, 90_000, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    weights = torch.linspace(0.5, 3.0, 90_000)
    found = []
    for count in (1, 2, 5):
        torch.set_num_threads(count)
        with torch.no_grad():
            found.append(
                (
                    solvers.power_method(lambda x: weights * x, b[0], max_iter=6, tol=0.0)[1],
                    solvers.cg(lambda x: weights * x, b, max_iter=6, tol=0.0, damping=0.1, batch_ndim=1),
                    solvers.lsqr(lambda x: weights * x, lambda x: weights * x, b, max_iter=6, tol=0.0, batch_ndim=1),
                )
            )
    for got in found[1:]:
        assert all(torch.equal(a, c) for a, c in zip(got, found[0], strict=True))


@pytest.mark.parametrize("complex_", [False, True])
def test_batches_in_any_layout(complex_: bool) -> None:
    generator = torch.Generator().manual_seed(4)
    dtype = torch.complex64 if complex_ else torch.float32
    weights = 1 + torch.rand(3, 6, generator=generator)
    columns = torch.randn(6, 3, dtype=dtype, generator=generator)
    back = lambda x: x.mT.contiguous().mT  # noqa: E731
    for b in (columns.mT, columns.mT.contiguous()):
        found = (
            solvers.cg(lambda x: back(weights * x), b, batch_ndim=1),
            solvers.cg(lambda x: back(weights * x), b, batch_ndim=1, x0=columns.mT, preconditioner=lambda r: back(r)),
            solvers.lsqr(lambda x: back(weights * x), lambda y: back(weights * y), b, batch_ndim=1),
        )
        for x in found:
            torch.testing.assert_close(x, b / weights, rtol=1e-4, atol=1e-5)


def test_an_operator_that_returns_its_argument_harms_nothing() -> None:
    b = torch.randn(500, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))
    kept = b.clone()
    with torch.no_grad():
        torch.testing.assert_close(solvers.cg(lambda x: x, b, max_iter=3), b)
        torch.testing.assert_close(solvers.lsqr(lambda x: x, lambda y: y, b, max_iter=3), b)
    assert torch.equal(b, kept)


@pytest.mark.parametrize("make", [lambda: torch.zeros(4, dtype=torch.bfloat16), lambda: torch.zeros(4, device="meta")])
def test_what_native_kernels_do_not_know_goes_to_torch(make) -> None:
    assert type(updates.updates_for(make(), in_place=True)).__name__ == "_Torch"


def test_damping_is_differentiable_and_the_same_by_kernels() -> None:
    generator = torch.Generator().manual_seed(2)
    y, x = (torch.randn(2, 9, dtype=torch.complex128, generator=generator) for _ in range(2))
    layout = Layout.of(x, 0)
    x.requires_grad_()
    recorded = updates.damped(y, x, 0.3, layout)
    with torch.no_grad():
        torch.testing.assert_close(updates.damped(y, x, 0.3, layout), recorded.detach(), rtol=1e-15, atol=1e-15)
    (gradient,) = torch.autograd.grad(recorded.abs().square().sum(), x)
    torch.testing.assert_close(gradient, 0.6 * recorded.detach())


def test_cg_sense_takes_the_native_way(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    genuine = _cpu.vector_descend
    monkeypatch.setattr(_cpu, "vector_descend", lambda *args: (calls.append(args[-3:]), genuine(*args))[1])
    csm = torch.randn(2, 8, 8, dtype=torch.complex64, generator=torch.Generator().manual_seed(4)).requires_grad_()
    system = operators.SenseOp(csm)
    solvers.cg(lambda x: system.gram(x) + x, torch.ones(8, 8, dtype=torch.complex64), max_iter=4, tol=0.0)
    assert len(calls) == 4 and all(code == 0 for _, code, _ in calls)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 64, 64, 1, 4, 0, 1), r"x: expected an address, got 0"),
        ((64, 66, 64, 1, 4, 0, 1), r"y: expected an address divisible by 4, got 66"),
        ((64, 64, 64, -1, 4, 0, 1), r"batch: expected >= 0, got -1"),
        ((64, 64, 64, 1, -4, 0, 1), r"n: expected >= 0, got -4"),
        ((64, 64, 64, 2**40, 2**40, 0, 1), r"rows: expected fewer than 2\^63 bytes"),
        ((64, 64, 64, 1, 4, 2, 1), r"dtype: expected 0 \(complex64\) or 1 \(complex128\), got 2"),
        ((64, 64, 64, 1, 4, 0, 0), r"lane \(number of threads\): expected >= 1, got 0"),
    ],
)
def test_the_door_refuses_what_cannot_be(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _cpu.vector_dot(*arguments)
