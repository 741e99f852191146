"""Arrays: the ops' values from NumPy, without torch; layouts, byte orders, threads, CuPy by a stand-in."""

import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

import mriops.array
from mriops import _native, array
from mriops.array import _call, _plain, _threads

RNG = np.random.default_rng(0)


def normal(*shape: int, dtype: Any = np.complex64) -> np.ndarray:
    return (RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)).astype(dtype)


IMAGE, CSM, KSPACE = normal(2, 6, 5), normal(3, 6, 5), normal(2, 3, 6, 5)
MASK, WEIGHTS = RNG.random((6, 1)) < 0.5, RNG.random((6, 5)).astype(np.float32)
CALLS = {
    "fft": ((KSPACE, (1, 2)), (KSPACE, (1, 2), False)),
    "ifft": ((KSPACE, 0), (KSPACE, (0,), True)),
    "coil_expand": ((IMAGE, CSM), (IMAGE, CSM, 2, False)),
    "coil_combine": ((KSPACE, CSM), (KSPACE, CSM, 2, False)),
    "sense": ((IMAGE, CSM, MASK), (IMAGE, CSM, MASK, 2, False)),
    "sense_adjoint": ((KSPACE, CSM, WEIGHTS), (KSPACE, CSM, WEIGHTS, 2, False)),
    "sense_gram": ((IMAGE, CSM, WEIGHTS), (IMAGE, CSM, WEIGHTS, 2, False)),
    "sense_csm_adjoint": ((KSPACE, IMAGE, MASK), (KSPACE, IMAGE, MASK, (), 2, False)),
}


def error(value: np.ndarray, truth: np.ndarray) -> float:
    assert value.shape == truth.shape
    return float(np.linalg.norm(value - truth) / np.linalg.norm(truth))


# Two transforms of 30 points: log2(30) = 5 roundings each, as independent errors well below this.
TOLERANCE = 10 * np.finfo(np.float32).eps


@pytest.mark.parametrize("name", CALLS)
def test_values_by_numpy_alone(name: str) -> None:
    ours, plain = CALLS[name]
    result = getattr(array, name)(*ours)
    assert isinstance(result, np.ndarray) and result.dtype == np.complex64
    assert error(result, getattr(_plain, "fft" if name == "ifft" else name)(np, *plain)) < TOLERANCE


def test_torch_is_never_imported() -> None:
    code = """
        import sys
        import numpy as np
        import mriops
        assert "torch" not in sys.modules and "numpy" in sys.modules
        import mriops.array as a
        x, s = np.ones((4, 5), np.complex64), np.ones((3, 4, 5), np.complex64)
        y = a.sense(x, s, np.ones((4, 5)) > 0)
        a.sense_adjoint(y, s), a.sense_gram(x, s), a.sense_csm_adjoint(y, x), a.fft(x, 0), a.coil_combine(y, s)
        try:
            a.sense([1], s)
        except TypeError:
            pass
        for name in ("torch", "cupy", "mriops.ops"):
            assert name not in sys.modules, name
        print("fine")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout == "fine\n", done.stderr


def test_layouts_and_byte_orders() -> None:
    expected = array.sense(IMAGE, CSM, WEIGHTS)
    strided = np.zeros((4, 12, 5), np.complex64)[::2, ::2]
    strided[...] = IMAGE
    unaligned = np.frombuffer(b"\0" + CSM.tobytes(), np.uint8)[1:].view(CSM.dtype).reshape(CSM.shape)
    assert not unaligned.flags.aligned
    for image, csm, weights in (
        (strided, CSM, WEIGHTS),
        (np.asfortranarray(IMAGE), np.asfortranarray(CSM), np.asfortranarray(WEIGHTS)),
        (IMAGE[:, ::-1], CSM[:, ::-1], WEIGHTS[::-1]),
        (IMAGE.astype(">c8"), CSM.astype(">c8"), WEIGHTS.astype(">f4")),
        (IMAGE, unaligned, WEIGHTS.astype(np.float64)),
    ):
        flipped = image is not strided and np.shares_memory(image, IMAGE) and image.strides != IMAGE.strides
        result = array.sense(image, csm, weights)
        if flipped:  # other values: only check that they are those of a copy
            np.testing.assert_array_equal(result, array.sense(image.copy(), csm.copy(), weights.copy()))
        else:
            np.testing.assert_array_equal(result, expected)


def test_a_broadcast_mask_is_what_it_repeats() -> None:
    np.testing.assert_array_equal(
        array.sense_gram(IMAGE, CSM, np.broadcast_to(MASK, (2, 6, 5))), array.sense_gram(IMAGE, CSM, MASK)
    )
    more = array.sense_gram(IMAGE[0], CSM, np.broadcast_to(MASK, (3, 6, 5)))
    assert more.shape == (3, 6, 5)
    assert error(more[2], array.sense_gram(IMAGE[0], CSM, MASK)) < TOLERANCE


def test_read_only_arrays_are_fine_and_stay_as_they_were() -> None:
    image = IMAGE.copy()
    image.flags.writeable = False
    array.fft(image, (1, 2))
    array.sense(image, CSM)
    np.testing.assert_array_equal(image, IMAGE)


def test_real_images_and_integer_weights() -> None:
    real = RNG.standard_normal((6, 5)).astype(np.float32)
    weights = np.arange(30).reshape(6, 5) % 3
    assert error(array.sense(real, CSM, weights), _plain.sense(np, real, CSM, weights, 2, False)) < TOLERANCE


def test_empty_batch_and_summed_batch() -> None:
    assert array.sense(IMAGE[:0], CSM).shape == (0, 3, 6, 5)
    summed = array.sense_csm_adjoint(KSPACE[:0], IMAGE[:0])
    np.testing.assert_array_equal(summed, np.zeros((3, 6, 5)))
    many_kspace, many_images = normal(4, 2, 3, 6, 5), normal(4, 2, 6, 5)
    result = array.sense_csm_adjoint(many_kspace, many_images, csm_batch=(2,))
    expected = _plain.sense_csm_adjoint(np, many_kspace, many_images, None, (2,), 2, False)
    assert error(result, expected) < TOLERANCE


def test_subclasses_of_ndarray_give_ndarrays() -> None:
    result = array.sense(IMAGE.view(np.ma.MaskedArray).data, CSM)
    assert type(result) is np.ndarray


@pytest.mark.parametrize("bad", [[1, 2], None, 3.0])
def test_what_is_no_array_is_named(bad: Any) -> None:
    with pytest.raises(TypeError, match=r"image: expected numpy\.ndarray or cupy\.ndarray, got builtins\."):
        array.sense(bad, CSM)


def test_tensors_are_sent_to_the_ops() -> None:
    import torch

    with pytest.raises(TypeError, match=r"got torch\.Tensor \(mriops\.ops has the same functions for tensors\)"):
        array.sense(torch.ones(2, 2), CSM)


# --- threads ---------------------------------------------------------------------------------------------------------


def test_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_threads, "_chosen", None)
    monkeypatch.delenv("MRIOPS_NUM_THREADS", raising=False)
    assert array.get_num_threads() == _threads._available() >= 1
    array.set_num_threads(3)
    assert mriops.array.get_num_threads() == 3
    with pytest.raises(ValueError, match="n: expected at least 1 thread, got 0"):
        array.set_num_threads(0)
    for bad in (2.5, "4", True):
        with pytest.raises(TypeError, match=f"n: expected an integer or None, got {bad!r}"):
            array.set_num_threads(bad)
    assert array.get_num_threads() == 3
    monkeypatch.setenv("MRIOPS_NUM_THREADS", "2")
    array.set_num_threads(None)
    assert array.get_num_threads() == 2
    for bad in ("none", "0", "-1"):
        monkeypatch.setenv("MRIOPS_NUM_THREADS", bad)
        array.set_num_threads(None)
        with pytest.raises(ValueError, match=f"MRIOPS_NUM_THREADS: expected a positive integer, got '{bad}'"):
            array.get_num_threads()


def test_the_kernel_gets_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    lanes: list[int] = []
    cpu = _native.backend("cpu")

    class Module:
        def fft_workspace_bytes(self, *sizes: int) -> int:
            return 64

        def fft(self, *args: int) -> None:
            *rest, workspace, lane = args
            assert workspace
            lanes.append(lane)
            cpu.fft(*rest, 0, lane)

    monkeypatch.setitem(_native.loader._loaded, "cpu", Module())
    monkeypatch.setattr(_call, "_plans", {})
    monkeypatch.setattr(_threads, "_chosen", 3)
    array.fft(IMAGE, -1)
    assert lanes == [3]


def test_sizes_without_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    class Module:
        def __getattr__(self, name: str) -> Any:
            return lambda *sizes: -1

    monkeypatch.setitem(_native.loader._loaded, "cpu", Module())
    monkeypatch.setattr(_call, "_plans", {})
    for name, (ours, plain) in CALLS.items():
        expected = getattr(_plain, "fft" if name == "ifft" else name)(np, *plain)
        np.testing.assert_array_equal(getattr(array, name)(*ours), expected)


# --- cupy ------------------------------------------------------------------------------------------------------------


def test_cupy_arrays_go_to_cuda_with_their_stream_and_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    """CuPy needs a GPU: a stand-in with its interface shows which module is called, and with what."""
    seen: dict[str, Any] = {}

    class FakeDevice:
        id = 1

        def __enter__(self) -> None:
            seen["device"] = self.id

        def __exit__(self, *_: object) -> None:
            seen["left"] = True

    class FakeArray:
        __module__ = "cupy._core.core"

        def __init__(self, held: np.ndarray) -> None:
            self.held, self.shape, self.dtype, self.device = held, held.shape, held.dtype, FakeDevice()
            self.data = type("Pointer", (), {"ptr": held.ctypes.data})()

    class FakeCupy:
        uint8 = np.uint8

        class cuda:
            @staticmethod
            def get_current_stream() -> Any:
                return type("Stream", (), {"ptr": 77})()

        @staticmethod
        def empty(shape: Any, dtype: Any) -> FakeArray:
            return FakeArray(np.empty(shape, dtype))

        @staticmethod
        def ascontiguousarray(a: FakeArray) -> FakeArray:
            return a

    class Module:
        def coil_expand_workspace_bytes(self, *sizes: int) -> int:
            return 128

        def coil_expand(self, *args: int) -> None:
            *rest, seen["workspace"], seen["stream"] = args
            _native.backend("cpu").coil_expand(*rest, 0, 1)

    FakeArray.__name__ = "ndarray"
    monkeypatch.setitem(sys.modules, "cupy", FakeCupy())
    monkeypatch.setitem(_native.loader._loaded, "cuda", Module())
    result = array.coil_expand(FakeArray(IMAGE), FakeArray(CSM))
    assert error(result.held, _plain.coil_expand(np, IMAGE, CSM, 2, False)) < TOLERANCE
    assert seen["stream"] == 77 and seen["workspace"] != 0 and seen["device"] == 1 and seen["left"]
    with pytest.raises(ValueError, match=r"csm: expected device cuda:1 \(that of image\), got cpu"):
        array.coil_expand(FakeArray(IMAGE), CSM)
