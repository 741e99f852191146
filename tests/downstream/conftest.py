"""A wheel of this tree, and a fresh environment with that wheel and the packages of the running Python."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD_WHEEL = (
    "import sys, scikit_build_core.build as backend; "
    "settings = dict(item.split('=', 1) for item in sys.argv[2:]); "
    "print(backend.build_wheel(sys.argv[1], settings))"
)

Run = Callable[..., str]


def run(command: list[object], **options: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def outside() -> dict[str, str]:
    """The environment without what would let the source tree in."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the backend itself: no network, no isolation, no CUDA."""
    pytest.importorskip("scikit_build_core")
    folder = tmp_path_factory.mktemp("wheel")
    settings = ["cmake.define.MRIOPS_CUDA=OFF", "cmake.define.MRIOPS_EMU=OFF", "cmake.define.MRIOPS_TESTS=OFF"]
    if (ROOT / "build" / "install" / "CMakeCache.txt").exists():  # `make test` has compiled the same kernels there
        settings.append("build-dir=build/install")
    out = run([sys.executable, "-c", BUILD_WHEEL, folder, *settings], cwd=ROOT, env=outside())
    return folder / out.strip().splitlines()[-1]


class FreshPython:
    """A virtual environment; `install` adds a project to it, `__call__` runs code in it, away from the source tree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=False)
        self.executable = folder / "venv" / "bin" / "python"
        self.site = Path(self("import sysconfig; print(sysconfig.get_path('platlib'))").strip())
        # A path in a .pth file comes after this site-packages, and the .pth files over there are not read: an editable
        # mriops in the running environment stays out.
        packages = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
        (self.site / "packages.pth").write_text("\n".join(sorted(packages)) + "\n")

    def __call__(self, code: str, *arguments: object) -> str:
        return run([self.executable, "-c", code, *arguments], cwd=self.folder, env=outside())

    def unpack(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self.site)

    def install(self, project: Path) -> None:
        folder = self.folder / f"{project.name}-wheel"
        settings = [f"build-dir={self.folder / project.name}"]
        out = run([self.executable, "-c", BUILD_WHEEL, folder, *settings], cwd=project, env=outside())
        self.unpack(folder / out.strip().splitlines()[-1])


@pytest.fixture(scope="session")
def fresh_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> FreshPython:
    """An environment with mriops installed from the wheel."""
    python = FreshPython(tmp_path_factory.mktemp("fresh"))
    python.unpack(wheel)
    return python
