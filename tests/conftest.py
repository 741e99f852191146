"""What all tests share: where the real data lies, one thread for torch, and one line that says what is being tested."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the measured data sets (environment variable MRIOPS_DATA); the test is skipped where it is missing."""
    folder = Path(os.environ.get("MRIOPS_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no measured data in {folder} (set MRIOPS_DATA)")
    return folder.resolve()
