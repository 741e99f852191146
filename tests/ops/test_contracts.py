"""Every op of the table keeps every promise, on every backend that this build has."""

import inspect

import pytest
import torch

import mriops.array
import mriops.ops
from mriops.ops import reference
from mriops.ops._factory import DECLARED
from mriops.testing import OP_CASES, OpCase, available_backends, op_checks, use_backend
from mriops.testing.op_table import SERVANTS

CASES = [pytest.param(case, id=name) for name, case in OP_CASES.items()]
SHAPES = [pytest.param(case, shape, id=f"{name}-{shape}") for name, case in OP_CASES.items() for shape in case.shapes]
SMALL = [
    pytest.param(case, shape, id=f"{name}-{shape}")
    for name, case in OP_CASES.items()
    for shape in case.shapes
    if shape.startswith("gradient")
]
BACKENDS = available_backends()


def small(case: OpCase, shape: str = "gradient") -> op_checks.Sample:
    return case.sample(shape, torch.complex128)


# --- conformance -----------------------------------------------------------------------------------------------------


def test_every_op_has_a_row() -> None:
    assert {case.native for case in OP_CASES.values()} == {name for name, op in DECLARED.items() if not op.derivative}
    functions = {name for name in mriops.ops.__all__ if callable(getattr(mriops.ops, name))}
    assert set(OP_CASES) | SERVANTS == functions


@pytest.mark.parametrize("case", CASES)
def test_one_name_and_one_signature_on_all_floors(case: OpCase) -> None:
    signature = list(inspect.signature(case.op).parameters.values())
    for other in (case.reference, case.array):
        assert other.__name__ == case.name
        assert [(p.name, p.kind, p.default) for p in inspect.signature(other).parameters.values()] == [
            (p.name, p.kind, p.default) for p in signature
        ]
    sample = case.sample("gradient")
    positional = [name for name in sample.tensors if name not in sample.by_name]
    assert [p.name for p in signature][: len(positional)] == positional
    assert set(sample.by_name) <= {p.name for p in signature if p.kind is p.KEYWORD_ONLY}


@pytest.mark.parametrize("case", CASES)
def test_docstrings_say_what_a_caller_needs(case: OpCase) -> None:
    for function in (case.op, case.array):
        for section in ("Parameters", "Returns", "Raises", "References"):
            assert section in (function.__doc__ or ""), f"{function.__module__}.{case.name}: no section {section}"


@pytest.mark.parametrize("case", CASES)
def test_costs_are_positive_and_grow(case: OpCase) -> None:
    few, many = case.sample("gradient"), case.sample(case.large)
    assert 0 < case.bytes_moved(few) < case.bytes_moved(many)
    assert 0 < case.flops(few) < case.flops(many)


# --- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize(("case", "shape"), SHAPES)
def test_values(case: OpCase, shape: str, dtype: torch.dtype, backend: str) -> None:
    with use_backend(backend) as device:
        op_checks.check_values(case, case.sample(shape, dtype).map(lambda t: t.to(device)))


@pytest.mark.parametrize(("case", "shape"), SHAPES)
def test_layouts(case: OpCase, shape: str) -> None:
    op_checks.check_layouts(case, case.sample(shape))


@pytest.mark.parametrize("backend", [b for b in BACKENDS if b != "cpu"])
@pytest.mark.parametrize("case", CASES)
def test_layouts_and_derivatives_elsewhere(case: OpCase, backend: str) -> None:
    with use_backend(backend) as device:
        sample = small(case).map(lambda t: t.to(device))
        op_checks.check_layouts(case, sample)
        op_checks.check_forward_mode(case, sample)
        op_checks.check_transforms(case, sample)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("case", CASES)
def test_results_do_not_depend_on_the_number_of_threads(case: OpCase, threads: int) -> None:
    sample = case.sample(case.large)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = sample.call(case.op)
        torch.set_num_threads(threads)
        assert torch.equal(sample.call(case.op), alone)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("case", "shape"), SHAPES)
def test_arrays_give_the_same_bits(case: OpCase, shape: str) -> None:
    op_checks.check_array(case, case.sample(shape))


# --- derivatives -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("case", "shape"), SMALL)
def test_numerical_derivatives_of_both_orders(case: OpCase, shape: str) -> None:
    op_checks.check_derivatives(case, small(case, shape), second=shape != "gradient_soft")


@pytest.mark.parametrize(("case", "shape"), SMALL)
def test_forward_mode(case: OpCase, shape: str) -> None:
    op_checks.check_forward_mode(case, small(case, shape))


@pytest.mark.parametrize(("case", "shape"), SMALL)
def test_forward_over_forward_mode(case: OpCase, shape: str) -> None:
    op_checks.check_nested_forward_mode(case, small(case, shape))


@pytest.mark.parametrize(("case", "shape"), SMALL)
def test_transforms(case: OpCase, shape: str) -> None:
    op_checks.check_transforms(case, small(case, shape))


# --- compilation, export, registration -------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_compile(case: OpCase) -> None:
    op_checks.check_compile(case, small(case, "gradient_weights" if "gradient_weights" in case.shapes else "gradient"))


@pytest.mark.parametrize(("case", "shape"), SMALL)
def test_export(case: OpCase, shape: str) -> None:
    op_checks.check_export(case, small(case, shape))


@pytest.mark.parametrize(("case", "shape"), SMALL)
def test_library(case: OpCase, shape: str) -> None:
    op_checks.check_library(case, small(case, shape))


@pytest.mark.parametrize("case", CASES)
def test_autocast_and_inference_mode(case: OpCase) -> None:
    op_checks.check_autocast(case, case.sample("gradient"))


@pytest.mark.parametrize(("case", "shape"), SHAPES)
def test_reference_and_op_agree_on_the_shape_of_fakes(case: OpCase, shape: str) -> None:
    fake = case.sample(shape).map(lambda t: t.to("meta"))
    output = fake.call(case.op)
    assert output.device.type == "meta"
    assert output.shape == fake.call(getattr(reference, case.name)).shape
