"""Every public name has a place in the documentation."""

import importlib
import pkgutil
import re
import zlib

import pytest

import mriops


def rooms() -> list[str]:
    """Public rooms that exist; the command line has its own page and its own help."""
    found = [info.name for info in pkgutil.iter_modules(mriops.__path__) if info.ispkg and info.name[0] != "_"]
    return sorted(set(found) - {"cli"})


def public_names(room: str) -> list[str]:
    """What a room says is public."""
    names = list(importlib.import_module(f"mriops.{room}").__all__)
    assert names, f"mriops.{room} has an empty __all__"
    return names


def constants(room: str) -> set[str]:
    """Public names without a docstring of their own, which `:members:` leaves out."""
    module = importlib.import_module(f"mriops.{room}")
    return {f"mriops.{room}.{name}" for name in public_names(room) if not callable(getattr(module, name))}


def api_pages(root) -> str:
    """All the API pages."""
    return "".join(page.read_text() for page in (root / "docs" / "api").glob("*.md"))


def documented_modules(root) -> set[str]:
    """Modules whose members the API pages list."""
    return set(re.findall(r"\.\. automodule:: ([\w.]+)\n   :members:", api_pages(root)))


def test_there_are_rooms():
    assert {"ops", "operators", "solvers", "io"} <= set(rooms())


@pytest.mark.parametrize("room", rooms())
def test_a_page_lists_the_room(room, root):
    public_names(room)
    assert f"mriops.{room}" in documented_modules(root)
    assert room in (root / "docs" / "api" / "index.md").read_text().split()


def test_a_page_lists_the_package_and_its_report(root):
    assert {"mriops", "mriops.info"} <= documented_modules(root)
    assert ".. autodata:: mriops.__version__\n" in api_pages(root)


@pytest.mark.parametrize("room", rooms())
def test_a_page_says_what_constants_are(room, root):
    told = re.findall(r"\.\. autodata:: ([\w.]+)\n(?:   :[\w-]+:\n)*\n   \w", api_pages(root))
    assert sorted(constants(room) - set(told)) == []


@pytest.mark.parametrize("room", rooms())
def test_every_name_says_what_it_is(room):
    module = importlib.import_module(f"mriops.{room}")
    silent = [
        name
        for name in module.__all__
        if (callable(getattr(module, name)) and not (getattr(module, name).__doc__ or "").strip())
    ]
    assert silent == []


def inventory(path) -> set[str]:
    """Names in a Sphinx inventory (version 2: four header lines, then zlib)."""
    data = path.read_bytes()
    start = 0
    for _ in range(4):
        start = data.index(b"\n", start) + 1
    return {line.split(" ")[0] for line in zlib.decompress(data[start:]).decode().splitlines()}


@pytest.mark.parametrize("room", rooms())
def test_built_pages_hold_every_name(room, root):
    path = root / "docs" / "_build" / "html" / "objects.inv"
    if not path.is_file():
        pytest.skip("the documentation is not built (make docs)")
    if any(source.stat().st_mtime > path.stat().st_mtime for source in (root / "python").rglob("*.py")):
        pytest.skip("the documentation is older than the sources (make docs)")
    built = inventory(path)
    assert sorted({f"mriops.{room}.{name}" for name in public_names(room)} - built) == []
