"""The signatures kept in the tree are those of the compiled module (`make stubs` writes them)."""

import ast
from pathlib import Path

from nanobind.stubgen import StubGen

from mriops import __path__ as package_path, _native


def signatures(text: str) -> dict[str, str]:
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    return {f.name: f"({ast.unparse(f.args)}) -> {ast.unparse(f.returns)}" for f in functions if f.returns}


def test_stub_is_what_the_module_has() -> None:
    generator = StubGen(_native.load("cpu"))
    generator.put(_native.load("cpu"))
    kept = next(path for root in package_path if (path := Path(root, "_cpu.pyi")).exists()).read_text()
    assert signatures(kept) == signatures(generator.get())
