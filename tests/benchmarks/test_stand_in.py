"""Peers that import torchvision can be imported where it is absent or broken."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = """
from benchmarks.peers import torchvision_stand_in as stand_in
assert stand_in.install() == {used}
assert stand_in.install() == {used}
import torchvision.transforms.functional as f
from torchvision.transforms import InterpolationMode
if {used}:
    try:
        f.resize(1)
    except RuntimeError as error:
        assert "stand-in" in str(error)
    else:
        raise SystemExit("a stand-in did something")
"""


def _run(path: Path, used: bool) -> None:
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = [{str(path)!r}]\n" + CODE.format(used=used)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_broken_torchvision(tmp_path):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        "from torchvision import part\nraise RuntimeError('operator torchvision::nms does not exist')\n"
    )
    (tmp_path / "torchvision" / "part.py").write_text("")
    _run(tmp_path, used=True)


def test_working_torchvision_is_left_alone(tmp_path):
    transforms = tmp_path / "torchvision" / "transforms"
    transforms.mkdir(parents=True)
    (tmp_path / "torchvision" / "__init__.py").write_text("")
    (transforms / "__init__.py").write_text("InterpolationMode = object\n")
    (transforms / "functional.py").write_text("")
    _run(tmp_path, used=False)
