"""How a call reaches the kernel: conversions, views, modes, transforms, devices, threads, and what is remembered."""

import multiprocessing
import pickle
import types
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mriops import _native, ops
from mriops.ops import _factory, reference
from mriops.testing import relative_error

C64, C128, F32, F64 = torch.complex64, torch.complex128, torch.float32, torch.float64
EPS = torch.finfo(F32).eps


def normal(*shape: int, dtype: torch.dtype = C64, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def problem() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    mask = torch.rand(6, 5, generator=torch.Generator().manual_seed(2)) < 0.5
    return normal(6, 5), normal(3, 6, 5, seed=1), mask


# --- conversions -----------------------------------------------------------------------------------------------------


def test_a_real_image_is_promoted_and_has_a_real_gradient(problem: tuple) -> None:
    _, csm, mask = problem
    image = normal(6, 5, dtype=F32).requires_grad_()
    kspace = ops.sense(image, csm, mask)
    assert kspace.dtype == C64
    weights = normal(3, 6, 5, seed=4)
    (gradient,) = torch.autograd.grad(kspace, image, weights)
    assert gradient.dtype == F32
    expected = reference.sense_adjoint(weights, csm, mask).real
    assert relative_error(gradient, expected) < 20 * EPS  # two transforms of 30 points


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, F32, F64, torch.uint8, torch.int32, torch.int64])
def test_weights_of_every_real_dtype_are_converted_by_value(problem: tuple, dtype: torch.dtype) -> None:
    image, csm, _ = problem
    weights = torch.arange(30).reshape(6, 5).remainder(3).to(dtype)  # 2 must count as 2, not as true
    expected = reference.sense(image, csm, weights.to(F32))
    assert ops.sense(image, csm, weights).dtype == C64
    assert relative_error(ops.sense(image, csm, weights), expected) < 10 * EPS


def test_double_weights_keep_a_double_gradient(problem: tuple) -> None:
    image, csm, _ = problem
    weights = torch.rand(6, 5, dtype=F64, requires_grad=True)
    ops.sense(image, csm, weights).abs().square().sum().backward()
    assert weights.grad is not None and weights.grad.dtype == F64


def test_bool_mask_equals_weights_of_zero_and_one(problem: tuple) -> None:
    image, csm, mask = problem
    assert relative_error(ops.sense_gram(image, csm, mask), ops.sense_gram(image, csm, mask.float())) < 4 * EPS


def test_weights_count_squared_in_the_gram(problem: tuple) -> None:
    image, csm, _ = problem
    weights = torch.rand(6, 5) + 0.5
    expected = ops.sense_adjoint(ops.sense(image, csm, weights), csm, weights)
    assert relative_error(ops.sense_gram(image, csm, weights), expected) < 20 * EPS


# --- values that are not finite --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_spreads(problem: tuple, bad: float) -> None:
    image, csm, mask = problem
    image = image.clone()
    image[2, 3] = bad
    assert not ops.sense(image, csm).isfinite().any()
    batch = torch.stack([image, normal(6, 5, seed=9)])
    assert ops.sense(batch, csm)[1].isfinite().all()  # but not into another image
    assert not ops.sense_gram(image, csm, mask).isfinite().any()
    assert not ops.sense_gram(image, csm)[2, 3].isfinite()  # nothing is transformed without a mask
    assert ops.sense_gram(batch, csm, mask)[1].isfinite().all()


# --- batches ---------------------------------------------------------------------------------------------------------


def test_empty_batches_give_empty_results_and_gradients(problem: tuple) -> None:
    _, csm, mask = problem
    image = torch.empty(0, 6, 5, dtype=C64, requires_grad=True)
    csm = csm.clone().requires_grad_()
    kspace = ops.sense(image, csm, mask)
    assert kspace.shape == (0, 3, 6, 5)
    kspace.abs().sum().backward()
    assert image.grad is not None and image.grad.shape == image.shape
    assert csm.grad is not None and torch.equal(csm.grad, torch.zeros_like(csm))


def test_expanded_arguments_are_not_copied_more_than_needed(problem: tuple) -> None:
    image, csm, mask = problem
    expanded = ops.sense_gram(image.expand(4, 6, 5), csm.expand(4, 3, 6, 5), mask.expand(4, 6, 5))
    assert relative_error(expanded, ops.sense_gram(image, csm, mask).expand(4, 6, 5)) < 4 * EPS


@pytest.mark.parametrize("weighted", [False, True])
def test_a_mask_repeated_by_expand_is_used_as_what_it_repeats(
    problem: tuple, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, csm, mask = problem
    line = mask[:, :1].float() if weighted else mask[:, :1]
    seen: list[tuple] = []
    cpu = _native.backend("cpu")

    class Module(types.SimpleNamespace):
        sense_gram_workspace_bytes = cpu.sense_gram_workspace_bytes

        def sense_gram(self, *args: int) -> None:
            seen.append(args[-7:-3])  # the mask's strides
            cpu.sense_gram(*args)

    monkeypatch.setitem(_native.loader._loaded, "cpu", Module())
    for forget in _native.loader._listeners:
        forget()
    expected = ops.sense_gram(image, csm, line)
    assert torch.equal(ops.sense_gram(image, csm, line.expand(6, 5)), expected)
    batch = image.expand(2, 6, 5)
    assert torch.equal(ops.sense_gram(batch, csm, line.expand(2, 6, 5)), expected.expand(2, 6, 5))
    # Where the repeated axis is what makes the batch, it stays.
    more = ops.sense_gram(image, csm, line.expand(2, 6, 5))
    assert relative_error(more, expected.expand(2, 6, 5)) < 20 * EPS
    monkeypatch.undo()
    for forget in _native.loader._listeners:
        forget()
    assert seen[:3] == [(0, 0, 1, 0)] * 3


# --- modes, subclasses, tracing --------------------------------------------------------------------------------------


class Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def test_dispatch_modes_see_the_op_forward_and_backward(problem: tuple) -> None:
    image, csm, mask = problem
    with Recorder() as recorder:
        ops.sense(image.clone().requires_grad_(), csm, mask).abs().sum().backward()
    assert "mriops.sense.default" in recorder.names
    assert "mriops.sense_adjoint.default" in recorder.names


def test_fake_tensors_inside_and_outside_their_mode(problem: tuple) -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode() as mode:
        image, csm = torch.empty(6, 5, dtype=C64), torch.empty(3, 6, 5, dtype=C64)
        assert ops.sense(image, csm).shape == (3, 6, 5)
    outside = ops.sense(mode.from_tensor(problem[0]), mode.from_tensor(problem[1]))
    assert type(outside).__name__ == "FakeTensor"
    with pytest.raises(ValueError, match="image: expected spatial axes"), mode:
        ops.sense(torch.empty(6, 4, dtype=C64), torch.empty(3, 6, 5, dtype=C64))


class Named(torch.Tensor):
    """A subclass without behaviour of its own, as other packages have them."""


def test_subclasses_of_tensor_are_computed_and_kept(problem: tuple) -> None:
    image, csm, mask = problem
    result = ops.sense(image.as_subclass(Named), csm, mask)
    assert type(result) is Named
    assert torch.equal(result.as_subclass(torch.Tensor), ops.sense(image, csm, mask))
    leaf = image.clone().as_subclass(Named).requires_grad_()
    ops.sense(leaf, csm, mask).abs().sum().backward()
    assert leaf.grad is not None
    assert ops.sense(torch.nn.Parameter(image), csm, mask).requires_grad


def test_jit_trace_records_the_op(problem: tuple) -> None:
    image, csm, mask = problem
    with pytest.warns(DeprecationWarning):
        traced = torch.jit.trace(lambda x: ops.sense(x, csm, mask), image)
    assert torch.equal(traced(2 * image), ops.sense(2 * image, csm, mask))


def test_compile_with_sizes_as_symbols(problem: tuple) -> None:
    torch._dynamo.reset()
    compiled = torch.compile(ops.sense_gram, fullgraph=True, dynamic=True, backend="aot_eager")
    for y in (4, 5, 9):
        image, csm, mask = normal(2, y, 5), normal(3, y, 5), torch.rand(y, 1) < 0.5
        assert torch.equal(compiled(image, csm, mask), ops.sense_gram(image, csm, mask))


def nufft_there_and_back(image: torch.Tensor, trajectory: torch.Tensor) -> torch.Tensor:
    return ops.nufft_adjoint(ops.nufft(image, trajectory), trajectory, image.shape)


@pytest.mark.parametrize(
    ("function", "dynamic"),
    [
        (nufft_there_and_back, None),
        (lambda image, trajectory: ops.toeplitz_kernel(trajectory, image.shape), None),
        (ops.nufft, True),
    ],
    ids=["nufft", "toeplitz_kernel", "symbols"],
)
def test_a_compiled_nufft_takes_other_sizes(function: Any, dynamic: bool | None) -> None:
    """Kernel and grid depend on the number of samples and the image's size, and are chosen while a call is traced."""
    torch._dynamo.reset()
    compiled = torch.compile(function, fullgraph=True, dynamic=dynamic, backend="eager")
    for y, samples in ((4, 6), (4, 9), (7, 9)):
        image, trajectory = normal(y, 5), torch.rand(samples, 2)
        assert torch.equal(compiled(image, trajectory), function(image, trajectory))


def test_a_compiled_train_takes_other_lengths() -> None:
    torch._dynamo.reset()
    t1, t2 = torch.tensor([1.0, 0.5]), torch.tensor([0.1, 0.05])
    train = lambda flip: ops.epg_spgr(flip, 0.01, t1, t2, echo_time=0.003)  # noqa: E731
    compiled = torch.compile(train, fullgraph=True, dynamic=True, backend="eager")
    for pulses in (4, 6):
        flip = torch.full((pulses,), 0.3)
        assert torch.equal(compiled(flip), train(flip))


def test_compile_promotes_and_converts(problem: tuple) -> None:
    torch._dynamo.reset()
    _, csm, _ = problem
    image, weights = normal(6, 5, dtype=F32).requires_grad_(), torch.rand(6, 5, dtype=F64)
    compiled = torch.compile(ops.sense, fullgraph=True, backend="aot_eager")
    output = compiled(image, csm, weights)
    assert torch.equal(output, ops.sense(image, csm, weights))
    (gradient,) = torch.autograd.grad(output.abs().sum(), image)
    assert gradient.dtype == F32


@pytest.mark.slow
def test_compile_with_the_default_backend(problem: tuple) -> None:
    torch._dynamo.reset()
    image, csm, mask = problem
    compiled = torch.compile(lambda x: 2 * ops.sense_gram(x + 1, csm, mask), fullgraph=True)
    assert relative_error(compiled(image), 2 * ops.sense_gram(image + 1, csm, mask)) < 4 * EPS


@pytest.mark.parametrize("strict", [False, True])
def test_export_with_a_symbolic_batch(problem: tuple, strict: bool) -> None:
    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("csm", problem[1])

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return ops.sense_gram(image, self.csm)

    image = normal(4, 6, 5)
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(Module(), (image,), dynamic_shapes={"image": {0: batch}}, strict=strict)
    other = normal(7, 6, 5)
    assert torch.equal(program.module()(other), ops.sense_gram(other, problem[1]))


def test_make_fx_of_a_gradient_has_the_family_s_nodes(problem: tuple) -> None:
    from torch.fx.experimental.proxy_tensor import make_fx

    image, csm, mask = problem
    graph = make_fx(torch.func.grad(lambda x: ops.sense(x, csm, mask).abs().sum()))(image)
    names = [str(node.target) for node in graph.graph.nodes]
    assert "mriops.sense.default" in names and "mriops.sense_adjoint.default" in names


def test_functional_call_of_a_module(problem: tuple) -> None:
    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.csm = torch.nn.Parameter(problem[1])

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return ops.sense(image, self.csm)

    module = Module()

    def loss(parameters: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.func.functional_call(module, parameters, (problem[0],)).abs().square().sum()

    parameters = {name: value.detach() for name, value in module.named_parameters()}
    gradient = torch.func.grad(loss)(parameters)["csm"]
    expected = torch.autograd.grad(loss(dict(module.named_parameters())), module.csm)[0]
    assert torch.equal(gradient, expected)


def test_vjp_function_outlives_its_transform(problem: tuple) -> None:
    image, csm, mask = problem
    kspace, pull = torch.func.vjp(ops.sense, image, csm, mask.float())
    for gradient, argument in zip(pull(kspace), (image, csm, mask)):
        assert gradient.shape == argument.shape


@pytest.mark.parametrize("transform", [torch.func.jacfwd, torch.func.jacrev])
def test_jacobians(transform: Any) -> None:
    csm = normal(2, 2, 3, dtype=C128)
    image = normal(2, 3, dtype=F64)
    jacobian = transform(lambda x: torch.view_as_real(ops.sense_gram(torch.complex(x, 0 * x), csm)))(image)
    columns = [torch.view_as_real(ops.sense_gram(e.to(C128).reshape(2, 3), csm)) for e in torch.eye(6)]
    expected = torch.stack(columns, -1).reshape(2, 3, 2, 2, 3)
    assert relative_error(jacobian, expected) < 1e-14  # the operator itself, six columns of it


def without_memory(tensor: torch.Tensor) -> torch.Tensor:
    """Zeros as forward mode makes them, which have no memory."""
    return torch._efficientzerotensor(tensor.shape, dtype=tensor.dtype)


def test_zeros_without_memory_are_zeros(problem: tuple) -> None:
    image, csm, mask = problem
    assert torch.equal(ops.sense(without_memory(image), csm, mask), torch.zeros_like(csm))
    assert torch.equal(ops.sense(image, without_memory(csm)), torch.zeros_like(csm))  # `csm` goes by its address
    assert torch.equal(ops.coil_expand(without_memory(image).conj(), csm), torch.zeros_like(csm))
    leaf = csm.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(ops.sense(without_memory(image), leaf).abs().sum(), leaf)
    assert torch.equal(gradient, torch.zeros_like(csm))


def test_weights_without_memory_are_zero_and_not_left_out() -> None:
    trajectory, kspace = torch.rand(7, 2), normal(7)
    weights = without_memory(trajectory[:, 0])
    assert torch.equal(ops.nufft_adjoint(kspace, trajectory, (4, 5), dcf=weights), torch.zeros(4, 5, dtype=C64))
    image, csm = normal(4, 5), normal(3, 4, 5)
    without = ops.nufft_trajectory_jvp(image, trajectory, trajectory, csm=without_memory(csm))
    assert torch.equal(without, torch.zeros(3, 7, dtype=C64))


OF_BATCHES = {
    "sense": lambda image, csm, trajectory: ops.sense(image, csm),
    "sense_nufft": lambda image, csm, trajectory: ops.sense_nufft(image, csm, trajectory, eps=1e-11),
}


@pytest.mark.parametrize("op", list(OF_BATCHES.values()), ids=list(OF_BATCHES))
def test_batches_of_gradients(op: Any) -> None:
    """``is_grads_batched`` and what is made of it map by other means than ``torch.func``."""
    trajectory = torch.rand(5, 2, dtype=F64, generator=torch.Generator().manual_seed(3))
    leaves = tuple(t.requires_grad_() for t in (normal(3, 2, dtype=C128), normal(2, 3, 2, dtype=C128), trajectory))
    output = op(*leaves)
    several = normal(4, *output.shape, dtype=C128)
    together = torch.autograd.grad(output, leaves[:2], several, is_grads_batched=True, retain_graph=True)
    for i, one in enumerate(several):
        for rows, gradient in zip(together, torch.autograd.grad(output, leaves[:2], one, retain_graph=True)):
            torch.testing.assert_close(rows[i], gradient)
    torch.autograd.gradcheck(
        op, leaves, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True
    )


@pytest.mark.parametrize("strategy", ["forward-mode", "reverse-mode"])
def test_vectorised_jacobians(strategy: str) -> None:
    image, csm = normal(3, 2, dtype=C128), normal(2, 3, 2, dtype=C128, seed=1)

    def magnitude(real: torch.Tensor) -> torch.Tensor:
        return ops.sense(real.to(C128), csm).abs()

    jacobian = torch.autograd.functional.jacobian
    alone = jacobian(magnitude, image.real)
    torch.testing.assert_close(jacobian(magnitude, image.real, vectorize=True, strategy=strategy), alone)


def test_forward_mode_nests_as_deep_as_wanted() -> None:
    image, csm, trajectory = normal(4, 5, dtype=C128), normal(2, 4, 5, dtype=C128), torch.rand(6, 2, dtype=F64)
    direction = torch.rand(6, 2, dtype=F64)

    def power(f: Any, moved: torch.Tensor) -> torch.Tensor:
        return f(image, csm, moved).abs().square().sum()

    def third(f: Any) -> torch.Tensor:
        derivative = lambda moved: power(f, moved)  # noqa: E731
        for _ in range(3):
            derivative = lambda moved, g=derivative: torch.func.jvp(g, (moved,), (direction,))[1]  # noqa: E731
        return derivative(trajectory)

    expected = third(reference.sense_nufft)
    assert relative_error(third(lambda *a: ops.sense_nufft(*a, eps=1e-11)), expected) < 1e-9  # thrice some 1e-10

    def hessian(f: Any, outer: Any, inner: Any) -> torch.Tensor:
        return outer(inner(lambda moved: power(f, moved)))(trajectory)

    expected = hessian(reference.sense_nufft, torch.func.jacrev, torch.func.jacrev)
    found = hessian(lambda *a: ops.sense_nufft(*a, eps=1e-11), torch.func.jacfwd, torch.func.jacfwd)
    assert relative_error(found, expected) < 1e-9


def test_hessian_of_a_toeplitz_kernel_by_forward_mode_alone() -> None:
    """Its tangents are zeros without memory on the way."""
    trajectory = torch.rand(4, 2, dtype=F64, generator=torch.Generator().manual_seed(1))

    def power(moved: torch.Tensor) -> torch.Tensor:
        return ops.toeplitz_kernel(moved, (3, 2), eps=1e-11).square().sum()

    expected = torch.func.jacrev(torch.func.jacrev(power))(trajectory)
    assert relative_error(torch.func.jacfwd(torch.func.jacfwd(power))(trajectory), expected) < 1e-9


def test_a_tangent_may_be_differentiated_by_its_direction() -> None:
    """Also where there are no second derivatives by forward mode over forward mode."""
    flip, t1, t2 = torch.full((3,), 0.4, dtype=F64), torch.tensor(1.0, dtype=F64), torch.tensor(0.1, dtype=F64)
    rf, position = torch.full((4,), 0.1 + 0.2j, dtype=C128), torch.rand(3, 2, dtype=F64)
    steps = torch.full((4,), 1e-3, dtype=F64)
    gradient = torch.rand(4, 2, dtype=F64)
    for function, at in (
        (lambda a: ops.epg_spgr(a, 0.01, t1, t2, echo_time=0.003), flip),
        (lambda x: ops.bloch(rf, gradient, steps, x, t1, t2), position),
    ):
        along, change = torch.rand_like(at), torch.rand_like(at)
        tangent = lambda v, f=function, x=at: torch.func.jvp(f, (x,), (v,))[1]  # noqa: E731
        torch.testing.assert_close(torch.func.jvp(tangent, (along,), (change,))[1], tangent(change))


def test_checkpointing(problem: tuple) -> None:
    from torch.utils.checkpoint import checkpoint

    image, csm, mask = problem
    leaf = image.clone().requires_grad_()
    checkpoint(lambda x: ops.sense(x, csm, mask), leaf, use_reentrant=False).abs().sum().backward()
    other = image.clone().requires_grad_()
    ops.sense(other, csm, mask).abs().sum().backward()
    assert leaf.grad is not None and other.grad is not None and torch.equal(leaf.grad, other.grad)


# --- backward keeps little -------------------------------------------------------------------------------------------


def test_a_linear_argument_alone_is_not_kept_for_backward(problem: tuple) -> None:
    image, csm, mask = problem
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        ops.sense(image.clone().requires_grad_(), csm, mask)
    assert sorted(t.numel() for t in kept) == sorted([csm.numel(), mask.numel()])


def test_backward_twice_and_gradients_of_gradients(problem: tuple) -> None:
    image, csm, mask = problem
    leaf = image.clone().requires_grad_()
    energy = ops.sense_gram(leaf, csm, mask).abs().square().sum()
    (first,) = torch.autograd.grad(energy, leaf, create_graph=True)
    (second,) = torch.autograd.grad(first.abs().square().sum(), leaf)
    # The energy is |Gx|^2: its gradient 2GGx, and that of |2GGx|^2 is 8 GGGGx.
    expected = leaf.detach()
    for _ in range(4):
        expected = reference.sense_gram(expected, csm, mask)
    assert relative_error(second, 8 * expected) < 100 * EPS  # eight transforms


# --- backends, threads, cache ----------------------------------------------------------------------------------------


class FakeModule(types.SimpleNamespace):
    """A native module that has no kernel for any size."""

    def __getattr__(self, name: str) -> Any:
        if name.endswith("_workspace_bytes"):
            return lambda *sizes: -1
        raise AttributeError(name)


@pytest.fixture
def no_kernels(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setitem(_native.loader._loaded, "cpu", FakeModule())
    for forget in _native.loader._listeners:
        forget()
    yield
    monkeypatch.undo()
    for forget in _native.loader._listeners:
        forget()


def test_sizes_without_a_kernel_take_the_plain_path(no_kernels: Any, problem: tuple) -> None:
    image, csm, mask = problem
    leaf = image.clone().requires_grad_()
    assert torch.equal(ops.sense_gram(leaf, csm, mask), reference.sense_gram(leaf, csm, mask))
    ops.sense(leaf, csm, mask).abs().sum().backward()
    assert leaf.grad is not None
    assert torch.equal(ops.fft(image, 0), reference.fft(image, 0))
    assert torch.equal(ops.coil_combine(csm, csm), reference.coil_combine(csm, csm))
    expected = reference.sense_csm_adjoint(csm, image, mask)
    assert torch.equal(ops.sense_csm_adjoint(csm, image, mask), expected)


def test_workspace_comes_from_torch_and_is_as_large_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple] = []
    cpu = _native.backend("cpu")

    class Module(types.SimpleNamespace):
        def coil_expand_workspace_bytes(self, *sizes: int) -> int:
            return 4096

        def coil_expand(self, *args: int) -> None:
            *rest, workspace, lane = args
            seen.append((workspace, lane))
            cpu.coil_expand(*rest, 0, lane)

    monkeypatch.setitem(_native.loader._loaded, "cpu", Module())
    for forget in _native.loader._listeners:
        forget()
    image, csm = normal(3, 5), normal(2, 3, 5)
    assert relative_error(ops.coil_expand(image, csm), reference.coil_expand(image, csm)) < 4 * EPS
    assert seen[0][0] != 0 and seen[0][1] == torch.get_num_threads()
    monkeypatch.undo()
    for forget in _native.loader._listeners:
        forget()


def test_the_thread_count_is_torch_s(monkeypatch: pytest.MonkeyPatch) -> None:
    lanes: list[int] = []
    cpu = _native.backend("cpu")
    image, csm = normal(4, 7), normal(2, 4, 7)
    ops.coil_expand(image, csm)
    executor_recipes = ops.coils._coil_expand.__globals__["recipes"]
    for recipe in executor_recipes.values():
        if recipe.function is not None:
            monkeypatch.setattr(recipe, "function", lambda *a: (lanes.append(a[-1]), cpu.coil_expand(*a))[1])
    before = torch.get_num_threads()
    try:
        for n in (1, 3):
            torch.set_num_threads(n)
            ops.coil_expand(image, csm)
    finally:
        torch.set_num_threads(before)
    assert lanes == [1, 3]


def test_the_cache_is_bounded_and_holds_no_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    import gc
    import weakref

    from mriops.ops import _execute

    monkeypatch.setattr(_execute, "_MAX_RECIPES", 8)
    recipes = ops.coils._coil_expand.__globals__["recipes"]
    for n in range(1, 30):
        ops.coil_expand(normal(1, n), normal(1, 1, n))
    assert len(recipes) <= 8
    image = normal(1, 31)
    alive = weakref.ref(image)
    ops.coil_expand(image, normal(1, 1, 31))
    del image
    gc.collect()
    assert alive() is None


def _in_child(connection: Any) -> None:
    image, csm = normal(16, 16), normal(4, 16, 16)
    connection.send(pickle.dumps(ops.sense_gram(image, csm).sum()))


def test_forked_children_compute(problem: tuple) -> None:
    image, csm = normal(16, 16), normal(4, 16, 16)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        expected = ops.sense_gram(image, csm).sum()
        ours, theirs = multiprocessing.Pipe()
        child = multiprocessing.get_context("fork").Process(target=_in_child, args=(theirs,))
        child.start()
        assert ours.poll(30), "the child hangs"
        value = pickle.loads(ours.recv())
        child.join(30)
    finally:
        torch.set_num_threads(before)
    assert relative_error(value, expected) < 4 * EPS


def test_threads_of_python_share_the_ops(problem: tuple) -> None:
    from concurrent.futures import ThreadPoolExecutor

    image, csm, mask = problem
    expected = ops.sense_gram(image, csm, mask)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: ops.sense_gram(image, csm, mask), range(64)))
    assert all(torch.equal(result, expected) for result in results)


def test_default_device_and_dtype_do_not_leak_in(problem: tuple) -> None:
    image, csm, mask = problem
    expected = ops.sense(image, csm, mask)
    with torch.device("meta"):
        assert torch.equal(ops.sense(image, csm, mask), expected)
        assert ops.sense(image.expand(2, 6, 5), csm, mask).device.type == "cpu"


def test_other_devices_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="device: expected cpu or cuda, got 'xpu'"):
        _native.backend("xpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a build or a machine without CUDA")
def test_missing_cuda_is_told() -> None:
    try:
        _native.load("cuda")
    except ImportError as error:
        assert "without CUDA kernels" in str(error)


def test_declared_ops_are_registered_with_torch() -> None:
    for name in _factory.DECLARED:
        assert hasattr(torch.ops.mriops, name)
