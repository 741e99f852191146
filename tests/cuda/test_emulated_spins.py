"""The CUDA kernels of the spin physics where the contracts of the ops do not look: many jobs, checkpoints, orders of
threads; against the CPU kernels, which are tested against references of their own."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from mriops import _native, ops
from mriops._native.epg_shapes import OWN
from mriops.testing import use_backend

BACKENDS = [pytest.param("emu", marks=pytest.mark.emu), pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Any:
    """The name of a backend that is there."""
    try:
        with use_backend(request.param):
            pass
    except (ImportError, RuntimeError) as reason:
        pytest.skip(str(reason))
    yield request.param
    if request.param == "emu":
        _native.load("emu").set_seed(0)


def results(call: Callable[..., Tensor], inputs: dict[str, Tensor], backend: str) -> list[Tensor]:
    """The value, its tangent along fixed directions, gradients along a fixed cotangent, and their derivatives."""
    with use_backend(backend) as device:
        generator = torch.Generator().manual_seed(1)

        def like(x: Tensor) -> Tensor:
            return torch.randn(x.shape, dtype=x.dtype, generator=generator).to(device)

        given = {name: x.to(device).requires_grad_() for name, x in inputs.items()}
        value = call(**given)
        cotangent = like(value.cpu().detach()).requires_grad_()
        gradients = torch.autograd.grad(value, list(given.values()), cotangent, create_graph=True)
        # Arguments in SI units are of very different sizes: directions are scaled to them.
        along = [g.detach().abs().max() * like(g.cpu().detach()) for g in gradients]
        along = [d / (g.detach().abs().max() ** 2 + 1e-300) for d, g in zip(along, gradients, strict=True)]
        second = torch.autograd.grad(gradients, [*given.values(), cotangent], along)
        found = [value.detach(), *(g.detach() for g in gradients), *second]
        return [x.cpu() for x in found]


def assert_close(found: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        error = float((a - b).abs().max() / b.abs().max().clamp_min(1e-300))
        assert error < tolerance, f"result {i}: {error}"


def bloch_inputs(batch: tuple[int, ...], spins: int, steps: int, coils: int) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=g)

    inputs = {
        "rf": 2e-6 * torch.complex(normal(*batch, steps), normal(*batch, steps)),
        "gradient": 5e-3 * normal(*batch, steps, 2),
        "dt": 1e-5 * (1 + torch.rand(steps, dtype=torch.float64, generator=g)),
        "position": 1e-2 * normal(*batch, spins, 2),
        "t1": 0.5 + torch.rand(spins, dtype=torch.float64, generator=g),
        "t2": 0.05 + 0.1 * torch.rand(spins, dtype=torch.float64, generator=g),
        "off_resonance": 50 * normal(spins),
        "magnetization": normal(spins, 3),
    }
    inputs["rf"][..., ::3] = 0  # steps without RF take a way of their own
    return inputs | ({"receive": torch.complex(normal(coils, spins), normal(coils, spins))} if coils else {})


# More steps than are kept at once (64), more isochromats than a warp has lanes, and both integrators.
@pytest.mark.parametrize("integrator", ["exact", "split"])
@pytest.mark.parametrize("coils", [0, 3])
def test_bloch_with_checkpoints_and_many_jobs(backend: str, coils: int, integrator: str) -> None:
    inputs = bloch_inputs((2,), 70, 150, coils)
    simulate = ops.bloch_signal if coils else ops.bloch

    def call(**given: Tensor) -> Tensor:
        return simulate(**given, record=(0, 1, 64, 149, 150), integrator=integrator)

    # eps times the 150 turns, and ten for sums of 70 isochromats of either sign.
    assert_close(results(call, inputs, backend), results(call, inputs, "cpu"), 10 * 150 * 2.2e-16)


def test_spinors_over_many_jobs(backend: str) -> None:
    inputs = bloch_inputs((), 70, 90, 0)
    inputs = {name: inputs[name] for name in ("rf", "gradient", "dt", "position", "off_resonance")}

    def call(**given: Tensor) -> Tensor:
        return torch.view_as_real(ops.bloch_spinor(**given))

    assert_close(results(call, inputs, backend), results(call, inputs, "cpu"), 10 * 90 * 2.2e-16)


def test_sums_over_isochromats_are_the_same_every_time(backend: str) -> None:
    inputs = {name: x.to(torch.complex64 if x.is_complex() else torch.float32)
              for name, x in bloch_inputs((), 100, 40, 2).items()}  # fmt: skip
    first = results(lambda **given: ops.bloch_signal(**given), inputs, backend)
    for seed in (1, 2):
        if backend == "emu":
            _native.load("emu").set_seed(seed)
        again = results(lambda **given: ops.bloch_signal(**given), inputs, backend)
        assert all(torch.equal(a, b) for a, b in zip(again, first, strict=True))


def test_a_bad_isochromat_stays_alone(backend: str) -> None:
    inputs = bloch_inputs((), 40, 20, 0)
    inputs["t1"][7] = float("nan")
    with use_backend(backend) as device:
        found = ops.bloch(**{name: x.to(device) for name, x in inputs.items()}).cpu()
    assert torch.isnan(found[7]).any()
    assert torch.isfinite(torch.cat((found[:7], found[8:]))).all()


def epg_inputs(pulses: int, atoms: int) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(2)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, dtype=torch.float64, generator=g)

    return {
        "flip_angle": 0.2 + uniform(pulses),
        "duration": 5e-3 * (1 + uniform(pulses)),
        "t1": 0.5 + uniform(atoms),
        "t2": 0.05 + 0.1 * uniform(atoms),
        "b1": 0.8 + 0.4 * uniform(atoms),
        "m0": 0.5 + uniform(atoms),
    }


# More segments than are kept at once (32), more orders than a warp has lanes, all orders or few, shifts of both signs;
# states real (no phase, no off-resonance) and complex.
@pytest.mark.parametrize("axes", ["one", "many"])
@pytest.mark.parametrize("shift, orders", [(1, 100), (-2, 40), (1, 7)])
def test_epg_with_checkpoints_and_many_orders(backend: str, shift: int, orders: int, axes: str) -> None:
    inputs = epg_inputs(80, 5)
    if axes == "many":
        phase = torch.rand(80, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
        inputs |= {"phase": phase, "off_resonance": 20 * inputs["m0"]}

    def call(**given: Tensor) -> Tensor:
        sample_time = 0.5 * given["duration"]
        return torch.view_as_real(ops.epg(**given, sample_time=sample_time, shift=shift, orders=orders))

    # eps times the 80 pulses, and a hundred for sums over orders and derivatives of a second order.
    assert_close(results(call, inputs, backend), results(call, inputs, "cpu"), 100 * 80 * 2.2e-16)


@pytest.mark.parametrize("axes", ["one", "many"])
@pytest.mark.parametrize("shift, orders", [(1, 100), (-2, 40), (1, 7)])
@pytest.mark.parametrize("diffusion", [False, True])
def test_epg_derivatives_in_one_sweep(backend: str, shift: int, orders: int, axes: str, diffusion: bool) -> None:
    """As above; with 100 orders the states of four warps do not fit in shared memory."""
    inputs: dict[str, Any] = epg_inputs(80, 5)
    if axes == "many":
        phase = torch.rand(80, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
        inputs |= {"phase": phase, "off_resonance": 20 * inputs["m0"]}
    if diffusion:
        inputs |= {"diffusion": 1e-9 * inputs["m0"], "gradient_moment": torch.tensor(3e4, dtype=torch.float64)}
    names = tuple(name for name in inputs if name in OWN)

    def rows(backend: str) -> Tensor:
        with use_backend(backend) as device:
            given = {name: x.to(device) for name, x in inputs.items()}
            sample_time = 0.5 * given["duration"]
            return ops.epg(**given, sample_time=sample_time, shift=shift, orders=orders, jacobian=names).cpu()

    # eps times the 80 pulses, and ten for sums over orders.
    assert_close(list(rows(backend)), list(rows("cpu")), 10 * 80 * 2.2e-16)


@pytest.mark.parametrize("train", ["cpmg", "fse", "inverted", "spoiled"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_derivatives_of_trains_in_one_sweep(backend: str, train: str, dtype: torch.dtype) -> None:
    inputs = {name: x.to(dtype) for name, x in epg_inputs(20, 9).items()}
    duration = inputs.pop("duration")
    if train == "fse":
        inputs["phase"] = 0.3 * inputs["flip_angle"]
    efficiency = {"inversion_efficiency": 0.9 * inputs["b1"]} if train == "inverted" else {}

    def rows(backend: str) -> Tensor:
        with use_backend(backend) as device:
            given = {name: x.to(device) for name, x in (inputs | efficiency).items()}
            names = tuple(name for name in given if name in OWN)
            if train in ("cpmg", "fse"):
                return ops.epg_fse(**given, echo_spacing=0.01, orders=40, jacobian=names).cpu()
            times = {"repetition_time": duration.to(device), "echo_time": 0.002}
            if train == "inverted":
                return ops.epg_fisp(**given, **times, inversion_time=0.02, orders=12, jacobian=names).cpu()
            return ops.epg_spgr(**given, **times, phase_increment=None, jacobian=names).cpu()

    eps = torch.finfo(dtype).eps
    assert_close(list(rows(backend)), list(rows("cpu")), 10 * 20 * eps)


def test_more_directions_than_lanes_and_no_value(backend: str) -> None:
    inputs = epg_inputs(6, 4)
    tangents = torch.randn(40, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(4))

    def rows(backend: str) -> Tensor:
        with use_backend(backend) as device:
            given = {name: x.to(device) for name, x in inputs.items()}

            def push(t1: Tensor, t2: Tensor, m0: Tensor) -> Tensor:
                values = (given["t1"], given["t2"], given["m0"])

                def signal(t1: Tensor, t2: Tensor, m0: Tensor) -> Tensor:
                    return ops.epg(given["flip_angle"], given["duration"], t1, t2, m0=m0, orders=6)

                return torch.func.jvp(signal, values, (t1, t2, m0))[1]

            return torch.func.vmap(push)(*tangents.to(device).unbind(1)).cpu()

    assert_close(list(rows(backend)), list(rows("cpu")), 10 * 6 * 2.2e-16)


@pytest.mark.parametrize("b1", [True, False])
def test_echo_trains_with_many_atoms(backend: str, b1: bool) -> None:
    """Odd orders alone, a real signal, and more atoms than the choice of orders looks at together."""
    inputs = {name: x for name, x in epg_inputs(40, 70).items() if name in ("flip_angle", "t1", "t2", "b1")}
    inputs["flip_angle"] = inputs["flip_angle"] + 1.5
    if not b1:
        del inputs["b1"]

    def call(**given: Tensor) -> Tensor:
        signal = ops.epg_fse(**given, echo_spacing=0.01)
        return torch.view_as_real(signal) if signal.is_complex() else signal

    # Which orders are dropped is chosen by blocks of other sizes: what these hold is below 1e-4 of the signal.
    assert_close(results(call, inputs, backend), results(call, inputs, "cpu"), 2e-4)


def test_epg_does_not_depend_on_the_order_of_threads(backend: str) -> None:
    inputs = epg_inputs(50, 6) | {"off_resonance": torch.linspace(-30, 30, 6, dtype=torch.float64)}

    def call(**given: Tensor) -> Tensor:
        return torch.view_as_real(ops.epg(**given, shift=2))

    first = results(call, inputs, backend)
    for seed in (1, 2, 3):
        if backend == "emu":
            _native.load("emu").set_seed(seed)
        again = results(call, inputs, backend)
        assert all(torch.equal(a, b) for a, b in zip(again, first, strict=True))


def pools_inputs(pulses: int, atoms: int, bound: bool) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(4)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(atoms, dtype=torch.float64, generator=g)

    inputs = {name: x for name, x in epg_inputs(pulses, atoms).items() if name in ("flip_angle", "duration")}
    inputs |= {"t1": uniform(0.5, 1.5), "t2": uniform(0.05, 0.15), "t1_b": uniform(0.3, 1.0)}
    inputs |= {"fraction": uniform(0.1, 0.4), "exchange_rate": uniform(5, 50), "b1": uniform(0.8, 1.2)}
    if bound:
        return inputs | {"saturation": 0.1 + 0.1 * inputs["flip_angle"]}
    return inputs | {"t2_b": uniform(0.05, 0.1), "off_resonance_b": uniform(-20, 20)}


# More segments than are kept at once (32), more orders than a warp has lanes, all orders or few, shifts of both signs;
# both pools transverse, or one, with states that are real or complex.
@pytest.mark.parametrize("pools", ["exchange", "bound", "bound, off resonance"])
@pytest.mark.parametrize("shift, orders", [(1, 100), (-2, 40), (1, 7)])
def test_two_pools_with_checkpoints_and_many_orders(backend: str, shift: int, orders: int, pools: str) -> None:
    inputs = pools_inputs(80, 5, bound=pools != "exchange")
    if pools == "bound, off resonance":
        inputs["off_resonance"] = torch.linspace(-20, 20, 5, dtype=torch.float64)

    def call(**given: Tensor) -> Tensor:
        simulate = ops.epg_exchange if pools == "exchange" else ops.epg_mt
        sample_time = 0.5 * given["duration"]
        return torch.view_as_real(simulate(**given, sample_time=sample_time, shift=shift, orders=orders))

    # eps times the 80 pulses, and a hundred for sums over orders and derivatives of a second order.
    assert_close(results(call, inputs, backend), results(call, inputs, "cpu"), 100 * 80 * 2.2e-16)


def test_two_pools_do_not_depend_on_the_order_of_threads(backend: str) -> None:
    inputs = pools_inputs(50, 6, bound=False)

    def call(**given: Tensor) -> Tensor:
        return torch.view_as_real(ops.epg_exchange(**given, shift=2))

    first = results(call, inputs, backend)
    for seed in (1, 2, 3):
        if backend == "emu":
            _native.load("emu").set_seed(seed)
        again = results(call, inputs, backend)
        assert all(torch.equal(a, b) for a, b in zip(again, first, strict=True))


def exchange_inputs(spins: int, steps: int) -> dict[str, Tensor]:
    inputs = {name: x for name, x in bloch_inputs((), spins, steps, 0).items() if name != "magnetization"}
    more = pools_inputs(1, spins, bound=False)
    return inputs | {name: more[name] for name in ("t1_b", "t2_b", "fraction", "exchange_rate", "off_resonance_b")}


# More steps than are kept at once (64), more isochromats than a warp has lanes.
def test_exchanging_isochromats_with_checkpoints_and_many_jobs(backend: str) -> None:
    inputs = exchange_inputs(70, 150)

    def call(**given: Tensor) -> Tensor:
        return ops.bloch_exchange(**given, record=(0, 1, 64, 149, 150))

    # eps times the 150 steps, of which each relaxes twice, and ten for sums of 70 isochromats of either sign.
    assert_close(results(call, inputs, backend), results(call, inputs, "cpu"), 2 * 10 * 150 * 2.2e-16)


def test_sums_over_exchanging_isochromats_are_the_same_every_time(backend: str) -> None:
    inputs = {name: x.to(torch.complex64 if x.is_complex() else torch.float32)
              for name, x in exchange_inputs(100, 40).items()}  # fmt: skip
    first = results(lambda **given: ops.bloch_exchange(**given), inputs, backend)
    for seed in (1, 2):
        if backend == "emu":
            _native.load("emu").set_seed(seed)
        again = results(lambda **given: ops.bloch_exchange(**given), inputs, backend)
        assert all(torch.equal(a, b) for a, b in zip(again, first, strict=True))


@pytest.mark.parametrize("pools", ["exchange", "bound"])
def test_a_bad_atom_of_two_pools_stays_alone(backend: str, pools: str) -> None:
    inputs = pools_inputs(20, 40, bound=pools == "bound")
    inputs["t1_b"][7] = -1
    simulate = ops.epg_exchange if pools == "exchange" else ops.epg_mt
    with use_backend(backend) as device:
        found = simulate(**{name: x.to(device) for name, x in inputs.items()}).cpu()
    assert torch.isnan(found[:, 7]).all()
    assert torch.isfinite(torch.cat((found[:, :7], found[:, 8:]), 1)).all()
