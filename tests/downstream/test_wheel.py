"""The wheel, from outside the source tree: what it carries, and that it works there."""

import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.downstream]


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.mark.parametrize(
    "wanted",
    [
        "mriops/py.typed",
        "mriops/_cpu.pyi",
        "mriops/include/mriops/sense/dispatch.h",
        "mriops/include/mriops/nufft/dispatch.h",
        "mriops/include/mriops/spins/epg_dispatch.h",
        "mriops/lib/libmriops_kernels.a",
        "mriops/cmake/mriopsConfig.cmake",
    ],
)
def test_carries(wheel: Path, wanted: str) -> None:
    assert wanted in names(wheel)


def test_carries_nothing_else(wheel: Path) -> None:
    for name in names(wheel):
        assert name.startswith(("mriops/", "mriops-")), name
        assert "_emu" not in name
        assert not name.endswith((".cu", ".cpp", ".pyc")), name


def test_tag_says_what_pythons_it_serves(wheel: Path) -> None:
    """From Python 3.12 on, one wheel for all later versions."""
    major, minor = sys.version_info[:2]
    stable = (major, minor) >= (3, 12)
    assert ("cp312-abi3" if stable else f"cp{major}{minor}-cp{major}{minor}") in wheel.name
    suffix = ".abi3.so" if stable else sysconfig.get_config_var("EXT_SUFFIX")
    assert f"mriops/_cpu{suffix}" in names(wheel)


def test_works_from_elsewhere(fresh_python: Any) -> None:
    lines = fresh_python(
        "import mriops; from mriops import info; print(mriops.__file__); print(mriops.get_include()); "
        "print(mriops.get_cmake_dir()); print(any('a test transform is right' in line for line in info.report()))"
    ).splitlines()
    package = fresh_python.site / "mriops"
    assert lines == [str(package / "__init__.py"), str(package / "include"), str(package / "cmake"), "True"]


def test_metadata_names_version_licence_and_command(fresh_python: Any) -> None:
    lines = fresh_python(
        "import mriops; from importlib import metadata as m; d = m.metadata('mriops'); "
        "print(d['Version'] == mriops.__version__); print(d['License-Expression']); "
        "print([e.value for e in m.entry_points(group='console_scripts') if e.name == 'mriops'])"
    ).splitlines()
    assert lines == ["True", "Apache-2.0", "['mriops.cli:main']"]
