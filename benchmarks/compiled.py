"""Small C++ programs of the benchmarks: compiled for one instruction set, run, and their lines returned."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

#: Single-precision lanes by instruction set, weakest first.
ISAS = {"x86-64-v2": 4, "x86-64-v3": 8, "x86-64-v4": 16}


class ProgramError(RuntimeError):
    """A program cannot be built or run here."""


def supported_isas() -> list[str]:
    """Return the instruction sets of this machine, weakest first."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return ["native"]
    flags = set(Path("/proc/cpuinfo").read_text().split()) if Path("/proc/cpuinfo").is_file() else set()
    need = {"x86-64-v2": {"sse4_2"}, "x86-64-v3": {"avx2", "fma"}, "x86-64-v4": {"avx512f", "avx512vl", "avx512dq"}}
    return [isa for isa in ISAS if need[isa] <= flags]


def run(source: Path, isa: str, arguments: list[str], flags: tuple[str, ...] = ()) -> list[str]:
    """Compile ``source`` for ``isa``, run it with ``arguments`` and return the lines it writes."""
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        raise ProgramError(f"{source.stem}: expected a C++ compiler (CXX, g++ or c++), found none")
    wide = ["-mprefer-vector-width=512"] if isa == "x86-64-v4" else []
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / source.stem
        command = [compiler, "-std=gnu++17", "-O3", f"-march={isa}", *wide, *flags, str(source), "-o", str(program)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
            done = subprocess.run([str(program), *arguments], check=True, capture_output=True, text=True)
        except subprocess.CalledProcessError as error:
            raise ProgramError(f"{source.stem}: {isa} failed: {error.stderr[-500:]}") from error
    return done.stdout.splitlines()
