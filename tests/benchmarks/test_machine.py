"""Names of machines and their peaks."""

import math
import shutil

import pytest

from benchmarks import machine, machine_peaks
from benchmarks.compiled import supported_isas


def test_names_of_processors(tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("cpu family : 25\nmodel : 17\nmodel name : AMD EPYC 9R14 96-Core Processor\n")
    assert machine.cpu_name(info) == "AMD EPYC 9R14 96-Core Processor"
    info.write_text("cpu family : 6\nmodel : 143\nmodel name : Intel(R) Xeon(R) Processor\n")
    assert machine.cpu_name(info) == "Intel Xeon Processor family 6 model 143"
    assert machine.slug("Intel Xeon Processor family 6 model 143") == "intel-xeon-processor-family-6-model-143"


def test_cache_sizes(tmp_path):
    for name, level, kind, size in (("index0", 1, "Data", "32K"), ("index2", 2, "Unified", "2048K")):
        (tmp_path / name).mkdir()
        for field, value in (("level", level), ("type", kind), ("size", size)):
            (tmp_path / name / field).write_text(f"{value}\n")
    assert machine_peaks.cache_bytes(2, 7, tmp_path) == 2 << 20
    assert machine_peaks.cache_bytes(3, 7, tmp_path) == 7


def test_working_sets_leave_their_caches():
    sets = machine_peaks.working_sets()
    assert sets["l2"] < sets["l3"] < sets["dram"] <= 1 << 30


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_every_instruction_set_and_level_is_measured():
    peaks = machine_peaks.measure()
    levels = [f"{level}{cores}" for level in machine_peaks.working_sets() for cores in ("", "_two_cores")]
    copies = {f"{what}_{level}" for what in ("copy", "read") for level in levels}
    assert set(peaks) == {f"fma_{isa}" for isa in supported_isas()} | copies
    assert all(0 < value < math.inf for value in peaks.values())


def test_best_rate():
    assert machine_peaks.best_fma({"fma_a": 1.0, "fma_b": 3.0, "copy_l2": 9.0}) == 3.0
    assert machine_peaks.best_fma({}) == 0.0
