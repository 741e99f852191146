"""Compiles every .cu with nvcc and fails when a kernel spills registers or keeps arrays in local memory.

Usage: python tests/cuda/check_spills.py [--arch sm_90 sm_80 ...] [--jobs N]

Prints one line per kernel: file, architecture, kernel, registers, bytes of stack, bytes spilled.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ENTRY = re.compile(r"Compiling entry function '([^']+)' for '([^']+)'")
_SPILL = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers")


def compile_one(source: Path, arch: str, nvcc: str) -> str:
    """Returns what ptxas says about the kernels of `source`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [nvcc, "-std=c++17", f"-arch={arch}", "-Xptxas=-v", "-c", str(source), "-o", f"{folder}/out.o"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{source}: nvcc failed\n{done.stderr}")
    warnings = [line for line in done.stderr.splitlines() if "warning" in line]
    if warnings:
        raise RuntimeError(f"{source}: expected no warnings, got\n" + "\n".join(warnings))
    return done.stderr


def readable(names: list[str]) -> list[str]:
    """Kernel names as they stand in the source, where c++filt or cu++filt is there to tell."""
    tool = shutil.which("cu++filt") or shutil.which("c++filt")
    if tool is None or not names:
        return names
    text = subprocess.run([tool], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    brief = (re.sub(r"\(anonymous namespace\)::|mriops::cuda::|mriops::|void ", "", line) for line in text.splitlines())
    # Template arguments tell the instances apart; the list of parameters does not.
    return [line[: line.index(">(") + 1] if ">(" in line else line for line in brief]


def kernels(report: str) -> list[tuple[str, int, int, int]]:
    """(mangled name, registers, stack bytes, spilled bytes) of each kernel in a ptxas report."""
    found: list[tuple[str, int, int, int]] = []
    name, stack, spilled = "", 0, 0
    for line in report.splitlines():
        if match := _ENTRY.search(line):
            name = match[1]
        elif match := _SPILL.search(line):
            stack, spilled = int(match[1]), int(match[2]) + int(match[3])
        elif (match := _USED.search(line)) and name:
            found.append((name, int(match[1]), stack, spilled))
            name = ""
    return found


def main() -> int:
    """Checks all sources; the exit status is the number of kernels that spill (at most 1)."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--arch", nargs="+", default=["sm_90"], help="architectures to compile for")
    parser.add_argument("--jobs", type=int, default=2, help="compilers at once")
    options = parser.parse_args()
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        print("check_spills: no nvcc on this machine, nothing checked")
        return 0
    work = [(source, arch) for source in sorted((ROOT / "csrc").glob("*/*.cu")) for arch in options.arch]
    with ThreadPoolExecutor(options.jobs) as pool:
        reports = list(pool.map(lambda item: compile_one(*item, nvcc), work))
    bad = 0
    for (source, arch), report in zip(work, reports):
        rows = kernels(report)
        for (_, registers, stack, spilled), name in zip(rows, readable([row[0] for row in rows])):
            wrong = stack > 0 or spilled > 0
            bad += wrong
            print(f"{source.name:22} {arch:7} {registers:3} registers, stack {stack}, spilled {spilled}"
                  f"{'  <-- SPILLS' if wrong else ''}  {name}")  # fmt: skip
    print(f"check_spills: {bad} kernels spill" if bad else "check_spills: no kernel spills")
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
