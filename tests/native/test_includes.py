"""The floors of C++: what each room may include, and that kernels of one instruction set stay to themselves."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[2] / "csrc"
# Room -> rooms whose headers it may include. Nothing else: no torch, no Python, no nanobind below bindings/.
MAY_INCLUDE = {
    "core": {"core"},
    "vectors": {"core", "vectors"},
    "fft": {"core", "fft"},
    "sense": {"core", "fft", "sense"},
    "nufft": {"core", "fft", "nufft"},
    "spins": {"core", "spins"},
    "bindings": {"core", "vectors", "sense", "nufft", "spins", "bindings"},
}
CUDA_HEADERS = {"cuda_runtime.h", "cuda_runtime_api.h"}
SYSTEM = {"pthread.h", "sched.h", "signal.h", "unistd.h", "ucontext.h", "sys/mman.h", "immintrin.h", "arm_neon.h"}
SYSTEM |= {"sanitizer/asan_interface.h", "sanitizer/common_interface_defs.h"}


def test_every_include_stays_on_its_floor() -> None:
    wrong, seen = [], 0
    for file in sorted(CSRC.rglob("*.*")):
        room = file.parent.name
        for quoted, name in re.findall(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', file.read_text(), re.M):
            seen += 1
            if quoted:
                target = next((p.resolve() for p in (file.parent / quoted, CSRC / quoted) if p.exists()), None)
                fine = target is not None and target.parent.name in MAY_INCLUDE[room]
            else:
                standard = "/" not in name and "." not in name
                fine = standard or name in CUDA_HEADERS | SYSTEM or (room == "bindings" and "nanobind/" in name)
            if not fine:
                wrong.append(f"{file.relative_to(CSRC)} includes {quoted or name}")
    assert seen > 20
    assert not wrong, "\n".join(wrong)


@pytest.mark.skipif(shutil.which("nm") is None or shutil.which("ar") is None, reason="needs binutils")
@pytest.mark.slow
def test_kernels_define_their_tables_and_nothing_else(cpp_build: Path) -> None:
    """A weak symbol of an object compiled for AVX-512 could win the link and run on a processor without it."""
    objects = [o for o in cpp_build.rglob("*_cpu.cpp.o") if re.search(r"mriops_kernels_(v\d|generic)\.dir", str(o))]
    assert objects, f"no kernel objects in {cpp_build}"
    wrong = []
    for file in objects:
        isa = re.search(r"mriops_kernels_(v\d|generic)\.dir", str(file))[1]
        lines = subprocess.run(
            ["nm", "-C", "--defined-only", "--extern-only", file], capture_output=True, text=True
        ).stdout
        for line in lines.splitlines():
            kind, symbol = line.split(maxsplit=2)[1:]
            if symbol != "DW.ref.__gxx_personality_v0" and not re.search(rf"_{isa}\b", symbol):
                wrong.append(f"{file.name} for {isa} exports {kind} {symbol}")
    assert not wrong, "\n".join(wrong)
