"""The gallery's scripts run as they stand, each in less than a minute of one core."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "examples").glob("[0-9][0-9]_*.py"))
NEEDS = {
    "03_gfactor": ["scipy"],
    "07_scipy_and_sigpy": ["scipy", "sigpy"],
    "10_radial": ["scipy"],
    "17_slr_pulse": ["scipy"],
}


def test_there_are_scripts():
    assert len(SCRIPTS) >= 13


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_runs(script, tmp_path):
    for module in ["matplotlib", *NEEDS.get(script.stem, [])]:
        pytest.importorskip(module)
    source = os.pathsep.join([str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": source, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 60
