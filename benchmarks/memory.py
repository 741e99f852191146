"""Peak memory of one call above its inputs, read from the kernel in a process of its own.

Python's tracemalloc does not see what native code and torch allocate, and the peak of a process never falls: so every
contender gets a fresh process, its inputs are made, the peak counter is set back (``/proc/self/clear_refs``), one call
is made, and the high-water mark is read. What is counted: the output, temporaries, and scratch kept by the library.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT


def resident(field: str, status: Path = Path("/proc/self/status")) -> int:
    """Return ``VmRSS`` (now) or ``VmHWM`` (peak) of this process in bytes.

    Raises
    ------
    ValueError
        If the kernel does not give the field.
    """
    for line in status.read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"field: expected VmRSS or VmHWM in {status}, got {field!r}")


def _settle() -> None:
    """Give freed pages back, so that a call cannot hide in memory that making the inputs left behind."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc only
        ctypes.CDLL(None).malloc_trim(0)


def peak_of(call: Any) -> int:
    """Return the growth of resident memory in bytes at the peak of ``call()``; Linux only."""
    _settle()
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    result = call()
    peak = resident("VmHWM")
    del result
    return max(peak - before, 0)


def measure_here(case_name: str, contender_name: str) -> int:
    """Build one case with one peer in this process and return the peak of one call in bytes."""
    import torch

    from benchmarks.cases import by_name

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    (case,) = [case for case in by_name([case_name]) if case.name == case_name]
    peer = contender_name.split(" (")[0]
    (contender,) = [c for c in case.build([peer]).contenders if c.name == contender_name]
    _load_code(case_name, peer, contender_name)
    return peak_of(contender.call)


def _load_code(case_name: str, peer: str, contender_name: str) -> None:
    """Do the same on a tiny problem first: pages of lazily loaded libraries are not the operator's memory."""
    from dataclasses import replace

    from benchmarks.peers import sense_contenders
    from benchmarks.workloads import WORKLOADS, make_problem

    for workload in WORKLOADS:
        if workload.name == case_name:
            tiny = replace(workload, coils=2, im_size=(16,) * workload.ndim, batch=2 if workload.batch else None)
            for contender in sense_contenders(make_problem(tiny), [peer])[0]:
                if contender.name == contender_name:
                    contender.call()


def measure(case_name: str, contender_names: Sequence[str]) -> dict[str, float]:
    """Return the peak of each contender in [MiB], each measured in a process of its own; failures are left out."""
    peaks: dict[str, float] = {}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    for name in contender_names:
        command = [sys.executable, "-m", "benchmarks", "memory", case_name, name]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode == 0:
            peaks[name] = json.loads(done.stdout.splitlines()[-1])["peak"] / (1 << 20)
    return peaks
