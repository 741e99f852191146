"""The contracts find what is wrong: each check fails on an op or operator with that one fault."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch

from mriops import _native, ops
from mriops.ops import reference
from mriops.testing import (
    OP_CASES,
    OpCase,
    available_backends,
    check_adjoint,
    check_linear_operator,
    check_op,
    op_checks,
    relative_error,
    use_backend,
)


@contextmanager
def replaced(name: str, function: Callable[..., Any]) -> Iterator[OpCase]:
    """The row of an op whose implementation is another."""
    original = getattr(ops, name)
    setattr(ops, name, function)
    try:
        yield OP_CASES[name]
    finally:
        setattr(ops, name, original)


def expand_with(scale: complex) -> Callable[..., Any]:
    """coil_expand, and a backward that is wrong by a factor."""

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, image: Any, csm: Any, ndim: int, maps: bool) -> Any:
            ctx.save_for_backward(image, csm)
            ctx.rest = ndim, maps
            return reference.coil_expand(image, csm, ndim=ndim, maps=maps)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            image, csm = ctx.saved_tensors
            return (csm.conj() * grad).sum(0) * scale, image.conj() * grad, None, None

    return lambda image, csm, *, ndim=2, maps=False: Wrong.apply(image, csm, ndim, maps)


def small(case: OpCase) -> op_checks.Sample:
    return case.sample("gradient", torch.complex128)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coil_expand", "fft"])
def test_check_op_passes_a_good_op(name: str) -> None:
    check_op(OP_CASES[name])


def test_wrong_values_are_found() -> None:
    with (
        replaced("coil_expand", lambda *a, **k: reference.coil_expand(*a, **k) * (1 + 1e-5)) as case,
        pytest.raises(AssertionError, match=r"coil_expand against its reference: relative error 1\.00e-05"),
    ):
        op_checks.check_values(case, case.sample("odd"))


def test_nan_is_no_value() -> None:
    with (
        replaced("coil_expand", lambda *a, **k: reference.coil_expand(*a, **k) * float("nan")) as case,
        pytest.raises(AssertionError, match="relative error nan"),
    ):
        op_checks.check_values(case, case.sample("odd"))


def test_wrong_shapes_and_dtypes_are_found() -> None:
    with (
        replaced("coil_expand", lambda *a, **k: reference.coil_expand(*a, **k)[None]) as case,
        pytest.raises(AssertionError, match="relative error inf"),
    ):
        op_checks.check_values(case, case.sample("odd"))
    with (
        replaced("coil_expand", lambda *a, **k: reference.coil_expand(*a, **k).to(torch.complex128)) as case,
        pytest.raises(AssertionError, match=r"expected torch\.complex64, got torch\.complex128"),
    ):
        op_checks.check_values(case, case.sample("odd"))


def test_changed_arguments_are_found() -> None:
    def greedy(image: torch.Tensor, csm: torch.Tensor, **k: Any) -> torch.Tensor:
        result = reference.coil_expand(image, csm, **k)
        image.zero_()
        return result

    with (
        replaced("coil_expand", greedy) as case,
        pytest.raises(AssertionError, match="coil_expand: changed its argument image"),
    ):
        op_checks.check_values(case, case.sample("odd"))


def test_an_ignored_conjugate_bit_is_found() -> None:
    def blind(image: torch.Tensor, csm: torch.Tensor, **k: Any) -> torch.Tensor:
        return reference.coil_expand(image.conj() if image.is_conj() else image, csm, **k)

    with replaced("coil_expand", blind) as case, pytest.raises(AssertionError, match="of conjugate views"):
        op_checks.check_layouts(case, case.sample("odd"))


@pytest.mark.parametrize("scale", [2.0, 1j, -1.0])
def test_wrong_gradients_are_found(scale: complex) -> None:
    with replaced("coil_expand", expand_with(scale)) as case, pytest.raises(RuntimeError, match="Jacobian mismatch"):
        torch.autograd.gradcheck(*op_checks._function_of(case, grads(small(case)), ["image", "csm"]))
    with replaced("coil_expand", expand_with(scale)) as case, pytest.raises((AssertionError, RuntimeError)):
        op_checks.check_transforms(case, small(case))


def grads(sample: op_checks.Sample) -> op_checks.Sample:
    return sample.map(lambda t: t.detach().requires_grad_())


def test_missing_tangents_are_found() -> None:
    """What torch.library.register_autograd does: the tangent is dropped, and no error tells."""

    def dropping(image: torch.Tensor, csm: torch.Tensor, **k: Any) -> torch.Tensor:
        return reference.coil_expand(image.detach(), csm.detach(), **k)

    with replaced("coil_expand", dropping) as case, pytest.raises(AssertionError, match="jvp in image"):
        op_checks.check_forward_mode(case, small(case))


def test_an_op_that_no_mode_sees_is_found() -> None:
    with (
        replaced("coil_expand", reference.coil_expand) as case,
        pytest.raises(AssertionError, match=r"expected torch\.ops\.mriops\.coil_expand under a dispatch mode"),
    ):
        op_checks.check_library(case, small(case))
    with (
        replaced("coil_expand", reference.coil_expand) as case,
        pytest.raises(AssertionError, match="expected the op in the exported graph"),
    ):
        op_checks.check_export(case, small(case))


def test_relative_error() -> None:
    one = torch.ones(3)
    assert relative_error(one, one) == 0
    assert relative_error(torch.zeros(3), one) == 1
    assert relative_error(one, torch.zeros(3)) == pytest.approx(3**0.5)
    assert relative_error(torch.ones(2), one) == float("inf")
    assert relative_error(one[:0], one[:0]) == 0


# --- backends --------------------------------------------------------------------------------------------------------


def test_backends() -> None:
    assert available_backends()[0] == "cpu"
    with use_backend("cpu") as device:
        assert device.type == "cpu"
    with pytest.raises(ValueError, match="backend: expected cpu or emu, got 'tpu'"), use_backend("tpu"):
        pass


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_without_a_gpu_is_told() -> None:
    with pytest.raises((RuntimeError, ImportError), match=r"expected a GPU|without CUDA"), use_backend("cuda"):
        pass


def test_switching_forgets_remembered_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    cpu = _native.backend("cpu")

    class Module:
        def __getattr__(self, name: str) -> Any:
            return getattr(cpu, name)

        def coil_expand(self, *args: int) -> None:
            calls.append(1)
            cpu.coil_expand(*args)

    image, csm = torch.ones(2, 2, dtype=torch.complex64), torch.ones(1, 2, 2, dtype=torch.complex64)
    ops.coil_expand(image, csm)
    monkeypatch.setattr(_native.loader, "load", lambda name: Module())
    with use_backend("cpu"):
        ops.coil_expand(image, csm)
        assert len(calls) == 1
    ops.coil_expand(image, csm)
    assert len(calls) == 1


# --- linear operators ------------------------------------------------------------------------------------------------


class Scale(torch.nn.Module):
    """A correct operator, with one fault on demand."""

    domain_shape = (4, 5)

    def __init__(self, fault: str = "", adjoint_of: Any = None) -> None:
        super().__init__()
        self.register_buffer("factor", torch.tensor(2 - 1j) if adjoint_of is None else adjoint_of.factor.conj())
        self.fault = fault
        self.other = [adjoint_of]

    @property
    def H(self) -> Any:
        if self.fault == "H.H":
            return Scale(adjoint_of=Scale())
        if self.other[0] is None:
            self.other[0] = Scale(adjoint_of=self)
            if self.fault == "adjoint":
                self.other[0].factor = self.factor
        return self.other[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.fault == "affine":
            return self.factor * x + 1
        if self.fault == "conjugate":
            return self.factor * x.conj()
        if self.fault == "gradient":
            return self.factor * x.detach() + 0 * x
        return self.factor * x

    def gram(self, x: torch.Tensor) -> torch.Tensor:
        return self.H(self(x)) * (2 if self.fault == "gram" else 1)

    def __deepcopy__(self, memo: Any) -> Any:
        return Scale("affine" if self.fault == "copy" else self.fault)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_a_good_operator_passes(dtype: torch.dtype) -> None:
    check_linear_operator(Scale(), dtype=dtype)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("affine", "linearity"),
        ("conjugate", "linearity"),
        ("adjoint", "adjoint: <y, Ax>"),
        ("H.H", "H: expected op.H.H to be op itself"),
        ("gram", "gram"),
        ("gradient", "jvp"),
        ("copy", "deep copy"),
    ],
)
def test_a_faulty_operator_is_found(fault: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_linear_operator(Scale(fault))


def test_the_domain_must_be_known() -> None:
    with pytest.raises(ValueError, match="domain_shape: expected a shape, got None"):
        check_linear_operator(torch.nn.Identity())


def test_check_adjoint_of_the_ops() -> None:
    x, y = torch.randn(5, 7, dtype=torch.complex64), torch.randn(3, 5, 7, dtype=torch.complex64)
    csm = torch.randn(3, 5, 7, dtype=torch.complex64)
    check_adjoint(lambda x: ops.sense(x, csm), lambda y: ops.sense_adjoint(y, csm), x, y)
    with pytest.raises(AssertionError, match="adjoint"):
        check_adjoint(lambda x: ops.sense(x, csm), lambda y: ops.sense_adjoint(y, csm.conj()), x, y)
    with pytest.raises(AssertionError, match="forward: expected shape"):
        check_adjoint(lambda x: x, lambda y: y, x, y)


def test_rows_are_frozen_and_reproducible() -> None:
    case = OP_CASES["sense"]
    first, second = case.sample("mask_plane"), case.sample("mask_plane")
    for name, tensor in first.tensors.items():
        assert tensor is not None and torch.equal(tensor, second.tensors[name])  # type: ignore[arg-type]
    assert replace(case, name="sense_gram").op is ops.sense_gram
