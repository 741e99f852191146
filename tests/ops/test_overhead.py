"""What a call costs beside its kernel, in calls of Python and C functions: times are for the benchmarks.

What would break the goals (a check that is not remembered, the new-style Function, torch.library) makes dozens more.
"""

import sys
from collections.abc import Callable
from typing import Any

import torch

from mriops import ops


def functions_called(call: Callable[[], object]) -> int:
    """Calls of functions within a call that is not the first."""
    for _ in range(3):
        call()
    count = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(before)
    return count


def arguments() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.ones(2, 2, dtype=torch.complex64), torch.ones(2, 2, 2, dtype=torch.complex64)


def test_a_call_without_gradient() -> None:
    image, csm = arguments()
    assert functions_called(lambda: ops.coil_expand(image, csm)) <= 30  # 22 on Python 3.11


def test_a_call_with_backward() -> None:
    image, csm = arguments()
    image.requires_grad_()
    gradient = torch.ones_like(csm)
    assert functions_called(lambda: ops.coil_expand(image, csm).backward(gradient)) <= 170  # 127 on Python 3.11


def test_the_general_route_counts_more() -> None:
    image, csm = arguments()
    plain = functions_called(lambda: ops.coil_expand(image, csm))
    assert functions_called(lambda: torch.func.vjp(lambda x: ops.coil_expand(x, csm), image)) > 4 * plain
