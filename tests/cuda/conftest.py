"""The native modules that are built from the CUDA sources, behind one calling convention for NumPy arrays."""

import mmap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from mriops import _native

Array = np.ndarray[Any, Any]
GUARD = 1024  # bytes on both sides of the workspace that nothing may touch


class Emulated:
    """CUDA kernels on fibres of the CPU; arrays are NumPy's."""

    def __init__(self) -> None:
        self.module = _native.load("emu")

    def upload(self, array: Array) -> Any:
        return array

    def download(self, array: Any) -> Array:
        return array

    def address(self, array: Any) -> int:
        return array.ctypes.data

    def workspace(self, count: int) -> Any:
        return np.full(count, 0xCD, np.uint8)

    def stream(self) -> int:
        return 0


class Device:
    """A real GPU; arrays are torch tensors."""

    def __init__(self) -> None:
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
        self.torch = torch
        self.module = _native.load("cuda")

    def upload(self, array: Array) -> Any:
        return self.torch.from_numpy(np.ascontiguousarray(array)).cuda()

    def download(self, array: Any) -> Array:
        return array.cpu().numpy()

    def address(self, array: Any) -> int:
        return array.data_ptr()

    def workspace(self, count: int) -> Any:
        return self.torch.full((count,), 0xCD, dtype=self.torch.uint8, device="cuda")

    def stream(self) -> int:
        return self.torch.cuda.current_stream().cuda_stream


class Caller:
    """Calls native functions on NumPy arrays, into outputs full of NaN and a guarded workspace."""

    def __init__(self, kind: Emulated | Device) -> None:
        self.kind = kind

    def shuffle(self, seed: int) -> None:
        """Order of the emulated threads from now on; a GPU has its own."""
        if isinstance(self.kind, Emulated):
            self.kind.module.set_seed(seed)

    def __call__(
        self,
        name: str,
        inputs: Sequence[Array | None],
        out: Array,
        sizes: Sequence[int],
        *,
        in_place: bool = False,
        more: Sequence[int] = (),
        also: Array | None = None,
    ) -> Array:
        """Runs `name`; `out` gives shape and dtype of the result. `in_place`: the first input is the output.

        `more` are sizes that the workspace does not depend on; `also` is a second output, written to as it is.
        """
        kind = self.kind
        dtype = 0 if out.dtype in (np.complex64, np.float32) else 1
        sizes = [size if isinstance(size, bool) else int(size) for size in sizes]
        count = getattr(kind.module, f"{name}_workspace_bytes")(*sizes, dtype)
        assert count >= 0
        guarded = kind.workspace(count + 2 * GUARD)
        arrays = [None if array is None else kind.upload(array) for array in inputs]
        result = arrays[0] if in_place else kind.upload(np.full_like(out, np.nan))
        addresses = [0 if array is None else kind.address(array) for array in arrays]
        workspace = kind.address(guarded) + GUARD if count else 0
        second = None if also is None else kind.upload(also)
        outputs = [kind.address(result)] + ([] if second is None else [kind.address(second)])
        getattr(kind.module, name)(*addresses, *outputs, *sizes, *more, dtype, workspace, kind.stream())
        if also is not None:
            also[...] = kind.download(second)
        edges = kind.download(guarded)
        assert (edges[:GUARD] == 0xCD).all(), f"{name}: wrote before its workspace"
        assert (edges[GUARD + count :] == 0xCD).all(), f"{name}: wrote past its workspace of {count} bytes"
        return kind.download(result)


@pytest.fixture(
    scope="session",
    params=[pytest.param(Emulated, marks=pytest.mark.emu), pytest.param(Device, marks=pytest.mark.gpu)],
    ids=["emu", "cuda"],
)
def caller(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param())


@pytest.fixture
def call(caller: Caller) -> Iterator[Caller]:
    """The native functions, threads in natural order until a test shuffles them."""
    yield caller
    caller.shuffle(0)


@pytest.fixture
def sparse_bytes() -> Iterator[Any]:
    """A function that gives that many bytes of zeros, of which only touched pages take memory."""
    maps: list[mmap.mmap] = []

    def reserve(count: int) -> Array:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0x4000)
        try:
            maps.append(mmap.mmap(-1, count, flags=flags))
        except OSError:
            pytest.skip(f"cannot reserve {count} bytes of address space")
        return np.frombuffer(maps[-1], np.uint8)

    yield reserve
    maps.clear()
