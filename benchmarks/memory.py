"""Peak memory of one call above its inputs, read from the kernel in a process of its own.

Python's tracemalloc does not see what native code and torch allocate, and the peak of a process never falls: so every
contender gets a fresh process, its inputs and plans are made, the peak counter is set back (``/proc/self/clear_refs``),
one call is made, and the high-water mark is read. What is counted: the output, temporaries, and scratch kept by the
library. What is not: inputs, and what was set up beforehand (sorted samples, spectra).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import accuracy
from benchmarks.case import Case
from benchmarks.machine import ROOT

_LIMIT = 120  # s


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


def measure_here(case_name: str, contender_names: Sequence[str]) -> dict[str, int]:
    """Return the peak of one call of each contender of a case in bytes.

    Each is set up and called in a child of its own: none finds memory that another one left, and threads that a set-up
    starts, which a fork would not have, are where the call looks for them. What is loaded or compiled when a peer is
    called for the first time is not its operator's memory: there, a tiny problem is done first, and pages of libraries
    are brought in. torch keeps nothing between calls, and compiles for a shape: it is called twice.
    """
    import torch

    from benchmarks.cases import by_name

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    (case,) = [case for case in by_name([case_name]) if case.name == case_name]
    peaks = {name: _in_child(case, name) for name in contender_names}
    return {name: peak for name, peak in peaks.items() if peak is not None}


def _in_child(case: Case, name: str) -> int | None:
    """Return the peak of a contender's call in a fork of this process, None if it fails there or takes too long."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(_LIMIT)
            peer = name.split(" (")[0]
            (contender,) = [c for c in case.build([peer]).contenders if c.name == name]
            if peer == "torch.fft":
                contender.call()
            for small in case.tiny([peer]).contenders if case.tiny else ():
                small.call()
            _bring_in_libraries()
            os.write(write, str(peak_of(contender.call)).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return int(text) if status == 0 and text else None


def _bring_in_libraries(maps: Path = Path("/proc/self/maps")) -> None:
    """Make pages of mapped files resident, which a fork starts without; does nothing before Linux 5.14."""
    advise = ctypes.CDLL(None, use_errno=True).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for line in maps.read_text().splitlines():
        span, access, _, _, inode, *_ = line.split()
        if inode != "0" and access[0] == "r":
            start, end = (int(part, 16) for part in span.split("-"))
            advise(start, end - start, 22)  # MADV_POPULATE_READ


def measure(case_name: str, contender_names: Sequence[str]) -> dict[str, float]:
    """Return the peak of each contender in [MiB], measured outside of this process; failures are left out."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", accuracy.VARIABLE: accuracy.chosen()}
    command = [sys.executable, "-m", "benchmarks", "memory", case_name, *contender_names]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        return {}
    peaks = json.loads(done.stdout.splitlines()[-1])
    return {name: peak / (1 << 20) for name, peak in peaks.items()}
