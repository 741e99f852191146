"""What is timed: one way of doing one workload, by one piece of software."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(frozen=True)
class Sample:
    """One timed call: CPU time of this process (or of a child process) and wall time, both in [s]."""

    cpu: float
    wall: float


def time_call(call: Callable[[], Any], calls: int = 1) -> Sample:
    """Time ``calls`` repetitions and return the time of one.

    CPU time is that of the whole process: some software hands work to threads of its own even if it is given one.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        call()
    return Sample((time.process_time() - cpu) / calls, (time.perf_counter() - wall) / calls)


@dataclass(frozen=True)
class Contender:
    """One peer's way of doing a workload.

    Attributes
    ----------
    peer
        Software, e.g. ``"mriops"``, ``"torch.fft"``, ``"sigpy"``.
    variant
        Which of several ways, e.g. ``"in place"``; the fastest variant of a peer counts, all are recorded.
    call
        Does the work once and returns the peer's own result.
    canonical
        Turns that result into a tensor in the project's layout (image centre at ``N // 2``), for the error.
    timer
        How one sample is taken; peers that run as a process bring their own.
    calls
        Calls per sample: more than one where a call is shorter than the clock can tell.
    note
        Remark kept with the result, e.g. why a variant is as it is.
    """

    peer: str
    variant: str
    call: Callable[[], Any]
    canonical: Callable[[Any], torch.Tensor]
    timer: Callable[[Callable[[], Any], int], Sample] = time_call
    calls: int = 1
    note: str = ""
    quality: Callable[[Any], float] | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """Peer and variant in one word for logs."""
        return f"{self.peer} ({self.variant})" if self.variant else self.peer


def version_of(peer: str) -> str:
    """Return the installed version of a peer, or an empty string where it has none to give."""
    distribution = {"torch.fft": "torch", "torch C++ op": "torch", "torch custom_op": "torch"}.get(peer, peer)
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
