"""Measures what this machine's core can do at most: copy bandwidth per cache level, multiply-add rate per ISA.

The numbers stand beside every achieved rate in the results; `python -m benchmarks peaks` writes them to
`benchmarks/results/<cpu>.peaks.json`.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.machine import RESULTS, cpu_name, slug

SOURCE = Path(__file__).with_name("peaks.cpp")
# Working sets chosen by cache sizes: half of L2, a quarter of what one core may hold of L3, far beyond any cache.
_ISAS = {"x86-64-v2": 4, "x86-64-v3": 8, "x86-64-v4": 16}


class PeakError(RuntimeError):
    """The peak program cannot be built or run here."""


def cache_bytes(level: int, default: int, sysfs: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> int:
    """Return the size of the unified cache of ``level`` of core 0 in bytes, or ``default`` where unknown."""
    for entry in sorted(sysfs.glob("index*")):
        try:
            if int((entry / "level").read_text()) != level or (entry / "type").read_text().strip() == "Instruction":
                continue
            text = (entry / "size").read_text().strip()
            return int(text.rstrip("KM")) * {"K": 1024, "M": 1 << 20}.get(text[-1], 1)
        except (OSError, ValueError):
            continue
    return default


def working_sets() -> dict[str, int]:
    """Return bytes per measured level: well inside L2, inside L3 but outside L2, outside all caches."""
    l2, l3 = cache_bytes(2, 1 << 20), cache_bytes(3, 32 << 20)
    # A shared L3 may be larger than memory allows to exceed (hundreds of MiB): 1 GiB is far enough then.
    return {"l2": l2 // 2, "l3": min(max(4 * l2, l3 // 4), 32 << 20), "dram": min(max(8 * l3, 256 << 20), 1 << 30)}


def supported_isas() -> list[str]:
    """Return the instruction sets of this machine that are measured, weakest first."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return ["native"]
    flags = set(Path("/proc/cpuinfo").read_text().split()) if Path("/proc/cpuinfo").is_file() else set()
    need = {"x86-64-v2": {"sse4_2"}, "x86-64-v3": {"avx2", "fma"}, "x86-64-v4": {"avx512f", "avx512vl", "avx512dq"}}
    return [isa for isa in _ISAS if need[isa] <= flags]


def _build_and_run(isa: str, arguments: list[str]) -> dict[str, float]:
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        raise PeakError("machine peaks: expected a C++ compiler (CXX, g++ or c++), found none")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "peaks"
        flags = ["-std=gnu++17", "-O3", f"-march={isa}", f"-DLANES={_ISAS.get(isa, 4)}", "-ffp-contract=fast"]
        if isa in ("x86-64-v4",):
            flags.append("-mprefer-vector-width=512")
        try:
            subprocess.run(
                [compiler, *flags, str(SOURCE), "-o", str(program)], check=True, capture_output=True, text=True
            )
            done = subprocess.run([str(program), *arguments], check=True, capture_output=True, text=True)
        except subprocess.CalledProcessError as error:
            raise PeakError(f"machine peaks: {isa} failed: {error.stderr[-500:]}") from error
    return {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}


def measure() -> dict[str, float]:
    """Measure all peaks of one core: ``fma_<isa>`` in [GFlop/s], ``copy_*`` and ``read_*`` in [GB/s]."""
    peaks: dict[str, float] = {}
    isas = supported_isas()
    for isa in isas:
        peaks[f"fma_{isa}"] = _build_and_run(isa, [])["fma"]
    levels = [word for name, size in working_sets().items() for word in (name, str(size))]
    last = _build_and_run(isas[-1], levels)
    last.pop("fma")
    return {**peaks, **last}


def path(cpu: str | None = None) -> Path:
    """Where the peaks of a processor are kept."""
    return RESULTS / f"{slug(cpu or cpu_name())}.peaks.json"


def load(cpu: str | None = None, *, measure_if_missing: bool = True) -> dict[str, float]:
    """Return the stored peaks of a processor, measuring this one's if there are none yet."""
    file = path(cpu)
    if file.is_file():
        return json.loads(file.read_text())
    if not measure_if_missing or cpu not in (None, cpu_name()):
        return {}
    peaks = measure()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(peaks, indent=1) + "\n")
    return peaks


def best_fma(peaks: dict[str, float]) -> float:
    """Return the highest multiply-add rate in [GFlop/s], 0 where none is known."""
    return max((value for name, value in peaks.items() if name.startswith("fma_")), default=0.0)
