"""Loading the compiled modules: what is there works, what is missing says what to do, torch stays out."""

import subprocess
import sys

import pytest

import mriops
from mriops import _native

ROOMS_WITHOUT_TORCH = ("mriops", "mriops._native", "mriops.array", "mriops.info")


def test_cpu_module_was_built_from_this_version() -> None:
    assert _native.backend("cpu").version() == mriops.__version__


def test_backend_refuses_other_devices() -> None:
    with pytest.raises(ValueError, match="expected cpu or cuda, got 'meta'"):
        _native.backend("meta")


def test_use_backend_refuses_cuda_for_cpu_memory() -> None:
    with pytest.raises(ValueError, match="expected cpu or emu, got 'cuda'"), _native.use_backend("cuda"):
        pass


@pytest.mark.emu
def test_use_backend_switches_and_restores() -> None:
    before = _native.backend("cpu")
    with pytest.raises(RuntimeError, match="inside"), _native.use_backend("emu") as module:
        assert _native.backend("cpu") is module
        assert module.__name__ == "mriops._emu"
        raise RuntimeError("inside")
    assert _native.backend("cpu") is before


def test_a_missing_module_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mriops._cuda", None)  # import then fails as for a module that is not there
    with pytest.raises(ImportError, match="MRIOPS_CUDA=ON"):
        _native.load("cuda")


@pytest.mark.parametrize("room", ROOMS_WITHOUT_TORCH)
def test_import_leaves_torch_out(room: str) -> None:
    code = f"import {room}, sys; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_unknown_attribute_is_named() -> None:
    with pytest.raises(AttributeError, match="'mriops' has no attribute 'nuft'"):
        _ = mriops.nuft
