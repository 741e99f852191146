"""The CUDA kernels of the NUFFT family against direct sums in double precision and against the CPU kernels.

Same polynomials and cells on all devices: what the kernel's width costs in accuracy is compared with the sum, what
rounding costs with the CPU.
"""

from math import prod
from typing import Any, NamedTuple

import numpy as np
import pytest

from mriops import _native

Array = np.ndarray[Any, Any]
Caller = Any  # tests/cuda/conftest.py
DTYPES = (np.complex64, np.complex128)


class Problem(NamedTuple):
    """Sizes of a call, in the order the native functions take them."""

    batch: int
    coils: int
    samples: int
    im: tuple[int, ...]
    per_csm: int
    per_traj: int
    grid: tuple[int, ...]
    width: int
    coils_at_once: int = 0

    @property
    def sizes(self) -> list[int]:
        im, grid = ((1,) * (3 - len(size)) + size for size in (self.im, self.grid))
        shared = [self.per_csm, self.per_traj]
        return [self.batch, self.coils, self.samples, *im, len(self.im), *shared, *grid, self.width, self.coils_at_once]


# Both dimensions; odd, prime and tiny sizes; maps shared or not; more coils than a block takes, more samples than a
# batch of the spreader, kernels as wide as the grid, a grid axis with a prime that has no plan (unfused route).
PROBLEMS = [
    Problem(1, 1, 100, (12, 10), 1, 1, (24, 20), 6),
    Problem(4, 3, 331, (9, 16), 2, 2, (18, 20), 5),
    Problem(2, 11, 60, (7, 1), 1, 2, (16, 8), 8),
    Problem(2, 2, 400, (5, 6, 7), 2, 1, (10, 12, 16), 5),
    Problem(1, 5, 70, (1, 3, 8), 1, 1, (4, 6, 16), 4),
    Problem(1, 2, 50, (40, 6), 1, 1, (67, 12), 6),
    Problem(3, 2, 64, (31, 33), 3, 3, (64, 66), 12),
    Problem(1, 1, 1, (6, 5), 1, 1, (12, 10), 6),
    Problem(2, 5, 90, (12, 10), 1, 2, (24, 20), 6, coils_at_once=2),
    Problem(1, 3, 90, (5, 6, 7), 1, 1, (10, 12, 16), 5, coils_at_once=1),
]
IDS = ["x".join(map(str, p.im)) + f"-{p.coils}coils{p.coils_at_once or ''}-w{p.width}" for p in PROBLEMS]


def real(dtype: Any) -> Any:
    return np.zeros(0, dtype).real.dtype


def normal(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    x = rng.standard_normal(shape)
    return (
        (x + 1j * rng.standard_normal(shape)).astype(dtype)
        if np.issubdtype(dtype, np.complexfloating)
        else (x.astype(dtype))
    )


class Case:
    """Inputs of one problem, its plan from the CPU, and what the family makes of them by direct sums."""

    def __init__(self, p: Problem, dtype: Any, seed: int = 0, maps: bool = True) -> None:
        rng = np.random.default_rng(seed)
        self.p, self.dtype = p, np.dtype(dtype)
        n_traj, n_csm = p.batch // p.per_traj, p.batch // p.per_csm
        spread = rng.uniform(-0.75, 0.75, (n_traj, p.samples, len(p.im)))  # a part lies outside and is wrapped
        spread[:, ::7] *= 0.02  # crowded tiles
        self.trajectory = (spread * p.im).astype(real(dtype))
        self.csm = normal(rng, (n_csm, p.coils, *p.im), dtype) if maps else None
        self.image = normal(rng, (p.batch, *p.im) if maps else (p.batch, p.coils, *p.im), dtype)
        self.kspace = normal(rng, (p.batch, p.coils, p.samples), dtype)
        self.dcf = (rng.random((n_traj, p.samples)) + 0.1).astype(real(dtype))
        self.tangent = normal(rng, self.trajectory.shape, real(dtype))
        self.points, self.order = np.empty_like(self.trajectory), np.empty((n_traj, p.samples), np.int32)
        addresses = [a.ctypes.data for a in (self.trajectory, self.points, self.order)]
        _native.load("cpu").nufft_points(*addresses, *p.sizes, 0 if dtype == np.complex64 else 1, 0, 1)

    def cpu(self, name: str, inputs: list[Array | None], out: Array, more: tuple[int, ...] = ()) -> Array:
        """The CPU kernel's answer."""
        result = np.empty_like(out)
        addresses = [0 if a is None else a.ctypes.data for a in (*inputs, result)]
        code = 0 if self.dtype == np.complex64 else 1
        getattr(_native.load("cpu"), name)(*addresses, *self.p.sizes, *more, code, 0, 1)
        return result

    def matrix(self, trajectory: int) -> Array:
        """exp(-2 pi i k (r - n//2) / n) / sqrt(prod n): samples by voxels."""
        p = self.p
        r = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for n in p.im), indexing="ij"), -1).reshape(-1, len(p.im))
        phase = self.trajectory[trajectory].astype(float) @ (r / np.array(p.im)).T
        return np.exp(-2j * np.pi * phase) / np.sqrt(prod(p.im))

    def images(self) -> Array:
        if self.csm is None:
            return self.image.astype(complex).reshape(self.p.batch, self.p.coils, -1)
        csm = np.repeat(self.csm, self.p.per_csm, 0).astype(complex)
        return (csm * self.image[:, None]).reshape(self.p.batch, self.p.coils, -1)

    def forward(self) -> Array:
        return np.stack([x @ self.matrix(b // self.p.per_traj).T for b, x in enumerate(self.images())])

    def adjoint(self, kspace: Array) -> Array:
        p = self.p
        weighed = kspace * np.repeat(self.dcf, p.per_traj, 0)[:, None].astype(float)
        back = np.stack([y @ self.matrix(b // p.per_traj).conj() for b, y in enumerate(weighed)])
        back = back.reshape(p.batch, p.coils, *p.im)
        if self.csm is None:
            return back
        return (np.repeat(self.csm, p.per_csm, 0).astype(complex).conj() * back).sum(1)


def error(value: Array, truth: Array) -> float:
    return float(np.linalg.norm(value - truth) / (np.linalg.norm(truth) or 1.0))


def kernel_error(p: Problem) -> float:
    """Aliasing of the kernel, exp(-pi width sqrt(1 - n/grid)), with room for the edge of the image and all axes."""
    least = min(1 - n / g for n, g in zip(p.im, p.grid))
    return 30 * float(np.exp(-np.pi * p.width * np.sqrt(least)))


def rounding(case: Case) -> float:
    """Two devices: each transform adds eps sqrt(log n) at random, and every sample sums width^ndim taps."""
    p = case.p
    terms = np.log2(prod(p.grid) + 2) + p.width ** len(p.im) + p.coils
    # 2, for deconvolution weighs some voxels and so their errors more than others.
    return 2 * float(np.finfo(case.dtype).eps) * float(np.sqrt(terms))


def check(case: Case, got: Array, cpu: Array, truth: Array) -> None:
    assert got.shape == truth.shape
    assert error(got, cpu) < rounding(case)
    assert error(got, truth) < kernel_error(case.p) + rounding(case)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", PROBLEMS, ids=IDS)
def test_points_are_those_of_the_cpu(call: Caller, p: Problem, dtype: Any) -> None:
    case = Case(p, dtype)
    for seed in (0, 5):
        call.shuffle(seed)
        order = np.full_like(case.order, -1)
        points = call("nufft_points", [case.trajectory], case.points, p.sizes, also=order)
        np.testing.assert_array_equal(order, case.order)
        np.testing.assert_array_equal(points, case.points)


@pytest.mark.parametrize("grid", [(180, 160), (96, 84)], ids=["by tile", "by cell"])
def test_points_of_a_long_trajectory(call: Caller, grid: tuple[int, int]) -> None:
    """More than one block of the sort, and digits of more than eight bits."""
    p = Problem(1, 1, 5000, (90, 80), 1, 1, grid, 4)
    case = Case(p, np.complex64)
    order = np.full_like(case.order, -1)
    points = call("nufft_points", [case.trajectory], case.points, p.sizes, also=order)
    np.testing.assert_array_equal(order, case.order)
    np.testing.assert_array_equal(points, case.points)


@pytest.mark.parametrize("maps", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", PROBLEMS, ids=IDS)
def test_forward(call: Caller, p: Problem, dtype: Any, maps: bool) -> None:
    case = Case(p, dtype, maps=maps)
    inputs, truth = [case.image, case.csm, case.points, case.order], case.forward()
    out = np.empty(truth.shape, dtype)
    cpu = case.cpu("nufft", inputs, out, (0,))
    check(case, call("nufft", inputs, out, p.sizes, more=(0,)), cpu, truth)
    call.shuffle(3)
    in_order = call("nufft", inputs, out.reshape(p.batch, p.samples, p.coils), p.sizes, more=(1,))
    for b in range(p.batch):
        sorted_truth = truth[b][:, case.order[b // p.per_traj]].T
        assert error(in_order[b], sorted_truth) < kernel_error(p) + rounding(case)


@pytest.mark.parametrize("maps", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", PROBLEMS, ids=IDS)
def test_adjoint(call: Caller, p: Problem, dtype: Any, maps: bool) -> None:
    case = Case(p, dtype, maps=maps)
    truth, out = case.adjoint(case.kspace.astype(complex)), np.empty_like(case.image)
    inputs = [case.kspace, case.csm, case.dcf, case.points, case.order]
    more = (p.samples, 0)
    got = call("nufft_adjoint", inputs, out, p.sizes, more=more)
    check(case, got, case.cpu("nufft_adjoint", inputs, out, more), truth)
    call.shuffle(4)
    again = call("nufft_adjoint", inputs, out, p.sizes, more=more)
    np.testing.assert_array_equal(again, got)  # sums come in one order
    turned = np.stack([y[:, case.order[b // p.per_traj]].T for b, y in enumerate(case.kspace)]).copy()
    in_order = call("nufft_adjoint", [turned, *inputs[1:]], out, p.sizes, more=(p.samples, 1))
    np.testing.assert_array_equal(in_order, got)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", PROBLEMS, ids=IDS)
def test_gram(call: Caller, p: Problem, dtype: Any) -> None:
    case = Case(p, dtype)
    inputs, out = [case.image, case.csm, case.dcf, case.points, case.order], np.empty_like(case.image)
    got = call("nufft_gram", inputs, out, p.sizes, more=(p.samples,))
    check(case, got, case.cpu("nufft_gram", inputs, out, (p.samples,)), case.adjoint(case.forward()))


@pytest.mark.parametrize("maps", [True, False])
@pytest.mark.parametrize("p", PROBLEMS, ids=IDS)
def test_derivatives_by_the_trajectory(call: Caller, p: Problem, maps: bool) -> None:
    """Both are derivatives of what the kernels compute: the same as the CPU's, and adjoint to each other."""
    case = Case(p, np.complex128, maps=maps)
    inputs = [case.image, case.csm, case.tangent, case.points, case.order]
    out = np.empty((p.batch, p.coils, p.samples), np.complex128)
    jvp = call("nufft_trajectory_jvp", inputs, out, p.sizes)
    assert error(jvp, case.cpu("nufft_trajectory_jvp", inputs, out)) < 10 * rounding(case)
    inputs[2] = case.kspace
    grad = call("nufft_trajectory_grad", inputs, case.trajectory, p.sizes)
    assert error(grad, case.cpu("nufft_trajectory_grad", inputs, case.trajectory)) < 10 * rounding(case)
    # <kspace, jvp(tangent)> = <grad, tangent>, to the rounding of the terms before they cancel.
    left, right = float(np.vdot(case.kspace, jvp).real), float((grad * case.tangent).sum())
    scale = np.linalg.norm(case.kspace) * np.linalg.norm(jvp)
    assert abs(left - right) < 10 * rounding(case) * scale


def test_no_samples(call: Caller) -> None:
    p = Problem(1, 2, 0, (6, 5), 1, 1, (12, 10), 4)
    case = Case(p, np.complex64)
    inputs = [case.kspace, case.csm, None, case.points, case.order]
    out = call("nufft_adjoint", inputs, np.empty_like(case.image), p.sizes, more=(0, 0))
    assert (out == 0).all()


# Even, odd and prime sizes, size 1; 67 and 71 have no plan in shared memory at twice their size.
TOEPLITZ = [(1, 3, (12, 10)), (4, 2, (9, 7)), (1, 1, (1, 5)), (2, 3, (5, 4, 6)), (1, 2, (3, 1, 7)), (1, 2, (67, 4)),
            (1, 1, (2, 71, 3))]  # fmt: skip


@pytest.mark.parametrize("maps", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch, coils, im", TOEPLITZ)
def test_toeplitz(call: Caller, batch: int, coils: int, im: tuple[int, ...], dtype: Any, maps: bool) -> None:
    rng = np.random.default_rng(0)
    per_csm, per_kernel = (2, 1) if batch > 2 else (1, batch)
    axes, twice = tuple(range(-len(im), 0)), tuple(2 * n for n in im)
    csm = normal(rng, (batch // per_csm, coils, *im), dtype) if maps else None
    image = normal(rng, (batch, *im) if maps else (batch, coils, *im), dtype)
    kernel = normal(rng, (batch // per_kernel, *twice), real(dtype))
    wide = np.repeat(csm, per_csm, 0).astype(complex) if csm is not None else 1.0
    x = wide * (image[:, None] if maps else image).astype(complex)
    y = np.fft.ifftn(np.fft.fftn(x, twice, axes) * np.repeat(kernel, per_kernel, 0)[:, None], axes=axes)
    y = y[(..., *(slice(n) for n in im))]
    truth = (np.conj(wide) * y).sum(1) if maps else y
    sizes = [batch, coils, *(1,) * (3 - len(im)), *im, len(im), per_csm, per_kernel]
    got = call("sense_toeplitz", [image, csm, kernel], image, sizes)
    # Forward and back over 2n points per axis, and the sum over coils; 4 as for lone transforms.
    assert error(got, truth) < 4 * np.finfo(dtype).eps * np.sqrt(2 * np.log2(prod(twice)) + coils)
