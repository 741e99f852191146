"""The emulator itself: it runs correct kernels as a GPU would, and finds the faults it is there to find."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.emu
HERE = Path(__file__).parent
COMPILER = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")


def build(target: Path, *flags: str) -> Path:
    """Compiles the kernels of emulator_kernels.cpp into a shared library."""
    if COMPILER is None or not sys.platform.startswith("linux"):
        pytest.skip("needs g++ or clang++ on Linux")
    command = [COMPILER, "-std=c++17", "-O1", "-g1", "-shared", "-fPIC", "-DMRIOPS_EMU", *flags]
    subprocess.run([*command, str(HERE / "emulator_kernels.cpp"), "-o", str(target)], check=True)
    return target


def load(library: Path) -> ctypes.CDLL:
    kernels = ctypes.CDLL(str(library))
    kernels.seed.argtypes = [ctypes.c_uint64]
    for name in ("rotate", "tree_sum", "unwritten", "early_return", "two_barriers", "past_the_end", "warps"):
        getattr(kernels, f"run_{name}").restype = ctypes.c_char_p
    for name in ("lonely_lane", "count", "indices", "too_many_threads"):
        getattr(kernels, f"run_{name}").restype = ctypes.c_char_p
    return kernels


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return load(build(tmp_path_factory.mktemp("emulator") / "kernels.so"))


@pytest.fixture(params=[0, 1, 2])
def kernels(library: ctypes.CDLL, request: pytest.FixtureRequest) -> Iterator[ctypes.CDLL]:
    library.seed(request.param)
    yield library
    library.seed(0)


def address(array: np.ndarray[Any, Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def passes(run: Callable[..., bytes], *arguments: Any) -> None:
    assert run(*arguments) == b""


def test_barriers_and_shared_memory(kernels: ctypes.CDLL) -> None:
    blocks, threads = 5, 100
    out = np.full((blocks, threads), -1, np.int32)
    passes(kernels.run_rotate, address(out), blocks, threads, 1)
    np.testing.assert_array_equal(out, np.roll(np.arange(out.size).reshape(out.shape), -1, axis=1))


def test_tree_sum(kernels: ctypes.CDLL) -> None:
    values = np.arange(4 * 256, dtype=np.float32).reshape(4, 256)
    out = np.zeros(4, np.float32)
    passes(kernels.run_tree_sum, address(values), address(out), 4, 256, 1)
    np.testing.assert_array_equal(out, values.sum(axis=1))


@pytest.mark.parametrize("kernel", ["rotate", "tree_sum"])
def test_a_deleted_barrier_is_found(library: ctypes.CDLL, kernel: str) -> None:
    """In natural order of the threads, or a shuffled one, the result must come out wrong for both kernels."""
    values = np.arange(4 * 256, dtype=np.float32).reshape(4, 256)
    wrong = []
    for seed in range(4):
        library.seed(seed)
        if kernel == "rotate":
            ring = np.full((4, 256), -1, np.int32)
            passes(library.run_rotate, address(ring), 4, 256, 0)
            wrong.append(not np.array_equal(ring, np.roll(np.arange(ring.size).reshape(4, 256), -1, axis=1)))
        else:
            sums = np.zeros(4, np.float32)
            passes(library.run_tree_sum, address(values), address(sums), 4, 256, 0)
            wrong.append(not np.array_equal(sums, values.sum(axis=1)))
    library.seed(0)
    assert all(wrong[1:]), wrong


def test_shared_memory_starts_as_garbage_in_every_block(kernels: ctypes.CDLL) -> None:
    out = np.zeros(4, np.uint32)
    passes(kernels.run_unwritten, address(out))
    np.testing.assert_array_equal(out, 0xCDCDCDCD)


def test_a_barrier_that_some_threads_never_reach(kernels: ctypes.CDLL) -> None:
    message = kernels.run_early_return(address(np.zeros(8, np.int32))).decode()
    assert "deadlock: 3 of 8 threads wait at a barrier, 5 have returned" in message
    assert "early_return" in message
    assert "emulator_kernels.cpp:" in message


def test_threads_at_different_barriers(kernels: ctypes.CDLL) -> None:
    message = kernels.run_two_barriers(address(np.zeros(8, np.int32))).decode()
    assert "divergent barrier: threads wait at" in message
    assert message.count("emulator_kernels.cpp:") == 2


def test_a_failed_kernel_leaves_the_emulator_usable(kernels: ctypes.CDLL) -> None:
    for _ in range(3):
        assert b"deadlock" in kernels.run_early_return(address(np.zeros(8, np.int32)))
        test_barriers_and_shared_memory(kernels)


@pytest.mark.parametrize("threads", [32, 64, 77])
def test_shuffles_and_votes(kernels: ctypes.CDLL, threads: int) -> None:
    out = np.full((5, threads), -7, np.int32)
    passes(kernels.run_warps, address(out), threads)
    t = np.arange(threads)
    warp = t // 32
    for w in np.unique(warp):
        mine = warp == w
        assert (out[0][mine] == t[mine].sum()).all()
        ballot = sum(1 << int(lane) for lane in np.flatnonzero(t[mine] % 3 == 0))
        assert (out[2][mine].view(np.uint32) == ballot).all()
        assert (out[3][mine] == 2 * (w == 0) + (t[mine] < 64).all()).all()
    paired = (t ^ 1) < threads
    np.testing.assert_array_equal(out[1][paired], (t ^ 1)[paired])
    np.testing.assert_array_equal(out[4], np.where(t % 32 == 0, t, t - 1))


def test_a_lane_missing_from_a_shuffle(kernels: ctypes.CDLL) -> None:
    assert b"deadlock" in kernels.run_lonely_lane(address(np.zeros(32, np.int32)))


def test_atomics_and_the_order_of_threads(library: ctypes.CDLL) -> None:
    orders = {}
    for seed in (0, 1, 1, 2):
        library.seed(seed)
        total, order = np.zeros(1, np.uint64), np.full(6 * 50, -1, np.int32)
        passes(library.run_count, address(total), address(order), 6, 50)
        assert total[0] == 300
        np.testing.assert_array_equal(np.sort(order), np.arange(300))
        assert seed not in orders or np.array_equal(orders[seed], order), "one seed, one order"
        orders[seed] = order
    library.seed(0)
    np.testing.assert_array_equal(orders[0], np.arange(300))
    assert not np.array_equal(orders[1], orders[2])


def test_three_dimensional_indices(kernels: ctypes.CDLL) -> None:
    out = np.zeros((12, 24), np.int32)
    passes(kernels.run_indices, address(out))
    np.testing.assert_array_equal(out, 1000 * np.arange(12)[:, None] + np.arange(24))


def test_launches_that_a_gpu_would_refuse(kernels: ctypes.CDLL) -> None:
    assert b"invalid grid or block size" in kernels.run_too_many_threads(address(np.zeros(8, np.int32)))


@pytest.mark.slow
def test_address_sanitizer_sees_the_end_of_shared_memory(tmp_path: Path) -> None:
    """In a process of its own, since the sanitizer must be there from the start."""
    library = build(tmp_path / "kernels.so", "-fsanitize=address")
    query = [str(COMPILER), "-print-file-name=libasan.so"]
    runtime = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    program = (
        "import ctypes, sys; k = ctypes.CDLL(sys.argv[1]); b = (ctypes.c_int * 512)();"
        "k.run_rotate.restype = ctypes.c_char_p; assert k.run_rotate(b, 4, 128, 1) == b'';"
        "print('correct kernel ran', flush=True); k.run_past_the_end(b)"
    )
    environment = {**os.environ, "LD_PRELOAD": runtime.strip(), "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(library)], capture_output=True, text=True, env=environment, check=False
    )
    assert "correct kernel ran" in done.stdout, done.stderr[-2000:]
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr
    assert "past_the_end" in done.stderr
