"""Every .cu file compiles, torch-free, and no kernel spills registers to memory."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[2] / "csrc"
SOURCES = sorted(CSRC.rglob("*.cu"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.nvcc,
    pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc"),
]


def test_there_are_sources() -> None:
    assert SOURCES


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_compiles_without_spills(source: Path, architecture: str, tmp_path: Path) -> None:
    command = ["nvcc", "-std=c++17", "-O3", f"-arch={architecture}", f"-I{CSRC}", "-cubin", "-Xptxas", "-v"]
    run = subprocess.run([*command, "-o", tmp_path / "x.cubin", source], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    kernel, spills = "", []
    for line in run.stderr.splitlines():
        if found := re.search(r"Function properties for (\S+)", line):
            kernel = found[1]
        found = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line)
        if found and (int(found[1]) or int(found[2])):
            spills.append(f"{kernel}: {line.strip()}")
    assert not spills, "\n".join(spills)
