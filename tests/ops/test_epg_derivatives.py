"""Derivatives of phase graphs: in reverse, forward, several in one sweep; in both precisions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mriops import ops

from .epg_trains import INFINITE, constant, fingerprint, seconds


def test_receiver_phase_has_a_gradient() -> None:
    flips = torch.tensor([0.5, 1.0, 0.7], dtype=torch.float64)
    receiver = torch.tensor([0.1, -0.4, 2.0], dtype=torch.float64, requires_grad=True)
    t1, t2 = seconds(1.0, 0.5)
    torch.autograd.gradcheck(
        lambda r: ops.epg(flips, 0.3, t1, t2, receiver_phase=r), (receiver,), check_forward_ad=True
    )


def test_gradients_of_a_long_train_equal_differences() -> None:
    """Past the 32 segments after which states are recomputed, for every argument at once."""
    flips, times = fingerprint(150)
    generator = torch.Generator().manual_seed(0)
    values = [flips, 20 * times, *seconds(1.1, 1.7), torch.tensor(1.05).double(), torch.tensor(0.2).double()]
    values += [torch.rand(150, generator=generator).double()]
    names = ("flip_angle", "repetition_time", "t1", "t2", "b1", "off_resonance", "phase")

    def loss(*v: Tensor) -> Tensor:
        signal = ops.epg_fisp(*v[:6], phase=v[6], echo_time=0.03, inversion_time=0.2)
        return (signal.real * torch.linspace(0, 1, 150)).sum() + signal.abs().square().sum()

    leaves = [v.clone().requires_grad_() for v in values]
    grads = torch.autograd.grad(loss(*leaves), leaves)
    for i, name in enumerate(names):
        direction = torch.randn(values[i].shape, generator=generator).double()
        step = 1e-5
        ahead, behind = ([v + s * direction if j == i else v for j, v in enumerate(values)] for s in (step, -step))
        difference = float(loss(*ahead) - loss(*behind)) / (2 * step)
        # h^2 f''' / 6 with 150 times the curvature of one pulse, and eps / h.
        assert float((grads[i] * direction).sum()) == pytest.approx(difference, rel=2e-6), name


def test_single_precision_over_a_thousand_repetitions() -> None:
    flips, times = fingerprint(1000)
    generator = torch.Generator().manual_seed(1)
    t1, t2 = (
        torch.rand(40, generator=generator).double() + 0.5,
        0.2 * torch.rand(40, generator=generator).double() + 0.02,
    )
    wide = ops.epg_fisp(flips, times, t1, t2, echo_time=0.002, inversion_time=0.02, orders=40)
    narrow = ops.epg_fisp(flips, times, t1.float(), t2.float(), echo_time=0.002, inversion_time=0.02, orders=40)
    assert narrow.dtype == torch.complex64
    # Errors of eps per pulse decay with T1: no more than about T1 / TR of them add up, as a random walk.
    assert float((narrow - wide).abs().max() / wide.abs().max()) < 10 * torch.finfo(torch.float32).eps


def test_gradients_in_single_precision() -> None:
    flips, times = fingerprint(500)

    def gradients(dtype: torch.dtype) -> list[Tensor]:
        leaves = [
            v.to(dtype).requires_grad_() for v in (flips, torch.linspace(0.5, 2, 50), torch.linspace(0.03, 0.2, 50))
        ]
        signal = ops.epg_fisp(leaves[0], times, leaves[1], leaves[2], echo_time=0.002, inversion_time=0.02, orders=30)
        return list(torch.autograd.grad(signal.abs().square().sum(), leaves))

    for narrow, wide in zip(gradients(torch.float32), gradients(torch.float64), strict=True):
        # Sums of 500 terms of both signs: sqrt(500) eps, times a constant for the chain of states.
        assert float((narrow - wide).norm() / wide.norm()) < 10 * math.sqrt(500) * torch.finfo(torch.float32).eps


def test_jacobian_by_forward_mode_equals_reverse_mode() -> None:
    flips, times = fingerprint(20)
    t1, t2, b1 = (v * torch.ones(3, dtype=torch.float64) for v in (1.0, 0.1, 0.9))

    def signal(t1: Tensor, t2: Tensor, b1: Tensor) -> Tensor:
        return torch.view_as_real(ops.epg_fisp(flips, times, t1, t2, b1, echo_time=0.002))

    forward = torch.func.jacfwd(signal, argnums=(0, 1, 2))(t1, t2, b1)
    backward = torch.func.jacrev(signal, argnums=(0, 1, 2))(t1, t2, b1)
    for a, b in zip(forward, backward, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("off_resonance", [None, 3.0])
def test_derivatives_in_one_sweep_are_those_of_forward_mode(off_resonance: float | None) -> None:
    flips, times = fingerprint(40)
    t1, t2, b1 = torch.linspace(0.5, 2, 19).double(), torch.linspace(0.05, 0.3, 19).double(), torch.tensor(0.9).double()
    call = {"echo_time": 0.003, "inversion_time": 0.02}
    values = {"t1": t1, "t2": t2, "b1": b1}
    if off_resonance is not None:
        values["off_resonance"] = torch.tensor(off_resonance, dtype=torch.float64)
    names = tuple(values)
    rows = ops.epg_fisp(flips, times, **values, **call, jacobian=names)
    assert rows.shape == (1 + len(names), 40, 19)
    torch.testing.assert_close(rows[0], ops.epg_fisp(flips, times, **values, **call), rtol=0, atol=1e-15)
    for row, name in zip(rows[1:], names, strict=True):

        def along(value: Tensor, name: str = name) -> Tensor:
            return ops.epg_fisp(flips, times, **{**values, name: value}, **call)

        (_, tangent) = torch.func.jvp(along, (values[name],), (torch.ones_like(values[name]),))
        torch.testing.assert_close(row, tangent, rtol=0, atol=1e-13 * float(tangent.abs().max()))
        step = 1e-5 * values[name]
        difference = (along(values[name] + step) - along(values[name] - step)) / (2 * step)
        # h^2 f''' / 6 of a relative step of 1e-5, and eps / h.
        torch.testing.assert_close(row, difference, rtol=0, atol=1e-7 * float(difference.abs().max()))


def test_derivatives_in_one_sweep_have_gradients() -> None:
    flips = torch.tensor([0.7, 1.4, 0.9], dtype=torch.float64)
    values = [torch.tensor([0.9, 1.2]), torch.tensor([0.4, 0.6]), torch.tensor([1.1, 0.8]), torch.tensor(0.3)]
    leaves = [v.double().requires_grad_() for v in (flips, *values)]

    def rows(*v: Tensor) -> Tensor:
        return ops.epg_fisp(v[0], 0.3, *v[1:], echo_time=0.1, jacobian=("t1", "b1", "off_resonance"))

    torch.autograd.gradcheck(rows, leaves)
    with pytest.raises(RuntimeError, match="not forward over forward"):
        torch.func.jvp(rows, tuple(v.detach() for v in leaves), tuple(torch.ones_like(v) for v in leaves))


def test_directions_that_are_mapped_are_one_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    from mriops.ops import _epg_rules

    calls = []
    native = _epg_rules.epg_jacobian
    monkeypatch.setattr(_epg_rules, "epg_jacobian", lambda *a: calls.append(1) or native(*a))
    flips, times = fingerprint(12)
    t1, t2 = torch.linspace(0.5, 2, 5).double(), torch.linspace(0.05, 0.3, 5).double()

    def signal(t1: Tensor, t2: Tensor) -> Tensor:
        return ops.epg_fisp(flips, times, t1, t2, 0.9, echo_time=0.003)

    def push(direction: Tensor) -> Tensor:
        tangents = tuple(d * torch.ones_like(t1) for d in direction)
        return torch.func.jvp(signal, (t1, t2), tangents)[1]

    rows = torch.func.vmap(push)(torch.eye(2, dtype=torch.float64))
    assert len(calls) == 1
    expected = ops.epg_fisp(flips, times, t1, t2, 0.9, echo_time=0.003, jacobian=("t1", "t2"))[1:]
    torch.testing.assert_close(rows, expected, rtol=0, atol=1e-15)


def test_the_op_of_several_derivatives_registers_well() -> None:
    flips, times = (v.float() for v in fingerprint(4))
    one, tangent = torch.ones(3), torch.eye(2)
    arguments = (flips, None, times, 0 * times, None, one, one, *[None] * 5)
    tangents = (tangent[:, :1].clone(), tangent[:, 1:].clone(), *[None] * 5)
    torch.library.opcheck(torch.ops.mriops.epg_jacobian.default, (*arguments, *tangents, (0, 4, 1, 0, 1, 0), 0, True))


def test_third_derivatives_are_refused() -> None:
    t2 = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    loss = ops.epg_fse(constant(120, 3), INFINITE, t2, echo_spacing=0.01).sum()
    for _ in range(2):
        (loss,) = torch.autograd.grad(loss, t2, create_graph=True)
    with pytest.raises(RuntimeError, match="second derivatives"):
        torch.autograd.grad(loss, t2)
