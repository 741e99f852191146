"""Measures what this machine's core can do at most: bandwidth per cache level, also of two cores, multiply-add rate.

The numbers stand beside every achieved rate in the results; `python -m benchmarks peaks` writes them to
`benchmarks/results/<cpu>.peaks.json`.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.compiled import ISAS, run, supported_isas
from benchmarks.machine import RESULTS, cpu_name, slug

SOURCE = Path(__file__).with_name("peaks.cpp")


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


def _peaks(isa: str, arguments: list[str]) -> dict[str, float]:
    lines = run(SOURCE, isa, arguments, (f"-DLANES={ISAS.get(isa, 4)}", "-ffp-contract=fast", "-pthread"))
    return {name: float(value) for name, value in (line.split() for line in lines)}


def measure() -> dict[str, float]:
    """Measure ``fma_<isa>`` in [GFlop/s], ``copy_*`` and ``read_*`` in [GB/s]; of two cores where the name says so."""
    peaks: dict[str, float] = {}
    isas = supported_isas()
    for isa in isas:
        peaks[f"fma_{isa}"] = _peaks(isa, [])["fma"]
    levels = [word for name, size in working_sets().items() for word in (name, str(size))]
    last = _peaks(isas[-1], levels)
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
