"""Relaxation times that are infinite, zero or impossible: one rule for phase graphs and Bloch simulations, of one pool
and of two."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from mriops import ops
from mriops.testing import available_backends, use_backend

FLIPS = torch.full((3,), 1.0, dtype=torch.float64)
RF = torch.full((5,), 1e-6, dtype=torch.complex128)


def sum_of_pools(m: Tensor) -> Tensor:
    return m.sum(-2)


# From t1 and t2 of one pool, and what else there is set to ordinary values, to (*, atoms).
CALLS: dict[str, Callable[[Any, Any], Tensor]] = {
    "epg": lambda t1, t2: torch.view_as_real(ops.epg(FLIPS, 0.01, t1, t2, sample_time=0.005)).movedim(1, -1),
    "epg_exchange": lambda t1, t2: torch.view_as_real(
        ops.epg_exchange(FLIPS, 0.01, t1, t2, 1.0, 0.1, 0.2, 3.0, sample_time=0.005)
    ).movedim(1, -1),
    "epg_exchange, pool b": lambda t1, t2: torch.view_as_real(
        ops.epg_exchange(FLIPS, 0.01, torch.ones_like(t1), 0.1, t1, t2, 0.2, 3.0, sample_time=0.005)
    ).movedim(1, -1),
    "epg_mt": lambda t1, t2: torch.view_as_real(
        ops.epg_mt(FLIPS, 0.01, 0.1, t1, t2, 1.0, 0.2, 3.0, sample_time=0.005)
    ).movedim(1, -1),
    "bloch": lambda t1, t2: ops.bloch(RF.to(t1.device), None, 1e-3, None, t1, t2).mT,
    "bloch_exchange": lambda t1, t2: (
        sum_of_pools(ops.bloch_exchange(RF.to(t1.device), None, 1e-3, None, t1, t2, 1.0, 0.1, 0.2, 3.0)).mT
    ),
    "bloch_exchange, pool b": lambda t1, t2: (
        sum_of_pools(ops.bloch_exchange(RF.to(t1.device), None, 1e-3, None, 1.0, 0.1, t1, t2, 0.2, 3.0)).mT
    ),
}


@pytest.mark.parametrize("backend", available_backends())
@pytest.mark.parametrize("which", ["t1", "t2"])
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_times_that_are_no_ordinary_ones(backend: str, name: str, which: str, dtype: torch.dtype) -> None:
    odd = [0.5, 0.0, -0.0, 1e-30, 1e-8, math.inf, 1e12, -1.0, -math.inf, math.nan, 0.5]
    with use_backend(backend) as device:
        t = torch.tensor(odd, dtype=dtype, device=device, requires_grad=True)
        ordinary = torch.full_like(t, 0.5, requires_grad=True)
        with torch.device(device):
            value = CALLS[name](t if which == "t1" else ordinary, ordinary if which == "t1" else t)
        grads = torch.autograd.grad(value.square().sum(), (t, ordinary))
        value = value.detach().cpu().reshape(-1, len(odd))
        of_odd, of_ordinary = (g.cpu() for g in grads)
    for bad in (7, 8, 9):
        assert value[:, bad].isnan().any()
        assert of_odd[bad].isnan() and of_ordinary[bad].isnan()
    good = [i for i in range(len(odd)) if i not in (7, 8, 9)]
    assert value[:, good].isfinite().all() and of_odd[good].isfinite().all() and of_ordinary[good].isfinite().all()
    eps = torch.finfo(dtype).eps
    for instant in (1, 2, 3):
        assert torch.equal(value[:, instant], value[:, 4])
        assert abs(of_odd[instant]) < 100 * eps  # of nothing that is left
    # What relaxes in 1e12 s takes 1e-14 of a signal of 10 ms.
    torch.testing.assert_close(value[:, 5], value[:, 6], rtol=0, atol=100 * eps)
    assert of_odd[5] == 0
    assert torch.equal(value[:, 0], value[:, 10])  # neighbours do not matter
