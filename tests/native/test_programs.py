"""The C++ test programs, under the sanitizers MRIOPS_SANITIZE names; MRIOPS_FUZZ_CASES is the length of the fuzz."""

import os
import subprocess
from pathlib import Path

import pytest


def run(program: Path, *arguments: str) -> str:
    environment = os.environ | {
        "TSAN_OPTIONS": "die_after_fork=0",  # the pool test forks a process that has threads, on purpose
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    done = subprocess.run([program, *arguments], capture_output=True, text=True, env=environment, timeout=1800)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    return done.stdout


@pytest.mark.slow
def test_pool(cpp_build: Path) -> None:
    assert "dispatch to two threads" in run(cpp_build / "tests" / "native" / "pool")


@pytest.mark.slow
@pytest.mark.parametrize(
    "program", ["fuzz_bloch", "fuzz_fit", "fuzz_models", "fuzz_nufft", "fuzz_sense", "fuzz_toeplitz"]
)
def test_random_problems_agree_with_direct_sums(cpp_build: Path, program: str) -> None:
    cases = os.environ.get("MRIOPS_FUZZ_CASES", "1000" if program == "fuzz_sense" else "300")
    out = run(cpp_build / "tests" / "native" / program, cases, os.environ.get("MRIOPS_FUZZ_SEED", "1"))
    assert f"{cases} cases" in out


@pytest.mark.slow
def test_exp_and_sincos_keep_their_stated_errors(cpp_build: Path) -> None:
    assert "eps" in run(cpp_build / "tests" / "native" / "lane_math")


@pytest.mark.slow
@pytest.mark.parametrize("program", ["fuzz_bloch_exchange", "fuzz_epg", "fuzz_epgx"])
def test_random_waveforms_and_trains_have_consistent_derivatives(cpp_build: Path, program: str) -> None:
    assert "200 cases" in run(cpp_build / "tests" / "native" / program, "200")
