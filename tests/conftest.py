"""What all tests share: where the real data lies, and random numbers that are the same in every run."""

import os
import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Start torch's own generator anew for each test, whatever ran before it."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the measured data sets (environment variable MRIOPS_DATA); the test is skipped where it is missing."""
    folder = Path(os.environ.get("MRIOPS_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no measured data in {folder} (set MRIOPS_DATA)")
    return folder.resolve()
