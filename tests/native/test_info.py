"""`python -m mriops.info`: ten lines that say what was built, found, and why something is off."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mriops import __version__, info


def test_ten_lines_from_the_command_line() -> None:
    run = subprocess.run([sys.executable, "-m", "mriops.info"], capture_output=True, text=True)
    lines = run.stdout.splitlines()
    assert run.returncode == 0, run.stderr
    assert len(lines) == 10
    assert lines[0].startswith(f"mriops   {__version__}")
    assert "a test transform is right" in lines[3]


def test_does_not_import_torch() -> None:
    code = "import sys, mriops.info; mriops.info.report(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_a_module_of_another_version_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(info, "load", lambda name: SimpleNamespace(version=lambda: "0.0.9"))
    assert info.main() == 1
    assert "off: built from mriops 0.0.9, build it again" in capsys.readouterr().out


def test_a_wrong_kernel_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = SimpleNamespace(
        version=lambda: __version__,
        compiler=lambda: "x",
        isa=lambda: "y",
        isa_choices=lambda: ["y"],
        fft=lambda *arguments: None,
    )
    monkeypatch.setattr(info, "load", lambda name: broken)
    assert "A TEST TRANSFORM IS WRONG" in info._kernels("cpu", info._cpu)


def test_old_or_missing_torch_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "_version", lambda name: "2.5.1+cu124")
    assert info._torch() == "off: 2.5.1+cu124 is older than 2.6"
    monkeypatch.setattr(info, "_version", lambda name: None)
    assert info._torch().startswith("not installed: mriops.array serves NumPy and CuPy")


def test_a_broken_cuda_driver_is_said() -> None:
    module = SimpleNamespace(runtime_version=lambda: 13000, architectures=lambda: "90", problem=lambda: "no driver")
    assert info._cuda(module) == "built with CUDA 13.0 for 90; cannot be used here: no driver"


def test_cpp_line_without_headers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("mriops.__path__", [str(tmp_path)])
    assert "the wheel has them" in info._cpp()
