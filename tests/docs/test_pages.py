"""Code on the pages runs: all Python and shell blocks of a page, in order, in one namespace and one empty folder."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# Peers that a page compares with; the page is skipped where they are missing.
NEEDS = {"sigpy": ["sigpy"], "torchkbnufft": ["torchkbnufft"], "finufft": ["finufft"]}


def blocks(page: Path) -> list[tuple[str, str, int]]:
    """(language, code, first line) of every block that is to run."""
    text = page.read_text()
    return [(m[1], m[2], text[: m.start()].count("\n") + 2) for m in BLOCK.finditer(text)]


PAGES = [page for page in PAGES if "_build" not in page.parts and "_generated" not in page.parts]


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_blocks_run(page, tmp_path, monkeypatch):
    for module in NEEDS.get(page.stem, []):
        pytest.importorskip(module)
    if page.stem == "bart" and shutil.which("bart") is None:
        pytest.skip("bart is not installed")
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": page.stem}
    for language, code, line in blocks(page):
        if language == "python":
            exec(compile("\n" * (line - 1) + code, str(page), "exec"), namespace)
        else:
            _shell(code, tmp_path)


def _shell(code: str, folder: Path) -> None:
    # the `mriops` command of this very interpreter, installed or not
    command = folder / "bin" / "mriops"
    command.parent.mkdir(exist_ok=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mriops.cli "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    source = os.pathsep.join([str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["sh", "-e", "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{code}\n{done.stderr}"


def test_links_between_pages_exist(root):
    missing = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+\.(?:md|png|py|csv))[^)]*\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                missing.append(f"{page.relative_to(root)}: {target}")
    assert not missing


def test_every_page_is_in_a_table_of_contents(root):
    named = set()
    for page in (root / "docs").rglob("*.md"):
        for body in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(), re.DOTALL):
            named |= {(page.parent / line).resolve() for line in body.split("\n") if line and not line.startswith(":")}
    pages = {p.with_suffix("") for p in PAGES if (root / "docs") in p.parents and p.name != "index.md"}
    assert sorted(str(p) for p in pages - named) == []
