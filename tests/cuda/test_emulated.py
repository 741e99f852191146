"""The CUDA kernels of the SENSE family against NumPy in double precision, on the emulator and on a GPU if there is one.

Tolerance everywhere: a transform of n points makes O(log n) roundings per point, of random sign, so errors grow like
eps sqrt(log2 n); the constant 4 leaves a factor two over what is measured for Bluestein lengths, the least accurate.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, Any]
Caller = Any  # tests/cuda/conftest.py
DTYPES = (np.complex64, np.complex128)

# All small lengths; then the radices and their products, MRI's favourites, primes on both sides of the largest codelet
# (13) and of the largest direct prime (61), and lengths whose lines shared memory does not hold.
LENGTHS = [
    *range(1, 66),
    *(72, 77, 80, 81, 84, 91, 96, 100, 104, 110, 120, 121, 127, 128, 131, 143, 144, 160, 169, 176, 180, 181, 192, 200),
    *(208, 210, 217, 224, 230, 240, 243, 256, 288, 320, 343, 352, 360, 372, 384, 400, 416, 448, 480, 512, 600, 640),
    *(729, 768, 961, 1000, 1024, 1031, 1331, 2048, 2039, 3600),
    *(5462, 7001, 8192, 9973),
]


def by(im_size: tuple[int, ...]) -> str:
    """A size as it is said: 13x9."""
    return "x".join(map(str, im_size))


def tolerance(dtype: Any, points: int) -> float:
    return 4 * float(np.finfo(dtype).eps) * np.sqrt(1 + np.log2(points))


def error(value: Array, truth: Array) -> float:
    return float(np.linalg.norm(value - truth) / (np.linalg.norm(truth) or 1.0))


def random(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)


def centred_fft(x: Array, axes: tuple[int, ...], inverse: bool = False) -> Array:
    transform = np.fft.ifftn if inverse else np.fft.fftn
    shifted = np.fft.ifftshift(x.astype(np.complex128), axes=axes)
    return np.fft.fftshift(transform(shifted, axes=axes, norm="ortho"), axes=axes)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("inverse", [False, True])
def test_fft_of_any_length(call: Caller, dtype: Any, inverse: bool) -> None:
    """Along rows (neighbours in memory) and along columns, with more lines than a tile has lanes and with fewer."""
    rng = np.random.default_rng(0)
    for n in LENGTHS:
        for shape, bits, axis in (((3, n), 1, -1), ((n, 2), 2, -2), ((n, 21), 2, -2)):
            if n > 2000 and shape[-1] == 21:
                continue
            x = random(rng, shape, dtype)
            got = call("fft", [x], x, [1, 1, *shape, bits, inverse])
            assert error(got, centred_fft(x, (axis,), inverse)) < tolerance(dtype, n), (n, bits)


@pytest.mark.parametrize("bits", range(8))
@pytest.mark.parametrize("in_place", [False, True])
def test_fft_of_chosen_axes(call: Caller, bits: int, in_place: bool) -> None:
    rng = np.random.default_rng(1)
    for shape, seed in (((2, 6, 5, 9), 0), ((3, 1, 7, 67), 3), ((1, 4, 1, 12), 4), ((70, 1, 4, 3), 5)):
        call.shuffle(seed)
        x = random(rng, shape, np.complex64)
        axes = tuple(axis for axis, bit in ((1, 4), (2, 2), (3, 1)) if bits & bit)
        truth = centred_fft(x, axes) if axes else x
        got = call("fft", [x.copy()], x, [*shape, bits, False], in_place=in_place)
        assert error(got, truth) <= tolerance(np.complex64, x[0].size), shape


def sense_case(
    rng: np.random.Generator,
    dtype: Any,
    im_size: tuple[int, ...],
    batch: int,
    batch_per_csm: int,
    maps: int,
    coils: int,
    mask: tuple[int, str],
) -> dict[str, tuple[list[Array | None], Array, list[int]]]:
    """Inputs, exact result and sizes for each function. `mask`: its kind, and 1 where axis b, z, y, x varies."""
    volume = (1,) * (3 - len(im_size)) + im_size
    full = (batch, *volume)
    kind, varies = mask
    shape = tuple(n if kind and v == "1" else 1 for n, v in zip(full, varies))
    weights: Array | None = None
    if kind == 1:
        weights = (rng.random(shape) < 0.5).astype(np.uint8)
    elif kind == 2:
        weights = (rng.random(shape) - 0.3).astype(np.empty(0, dtype).real.dtype)
    strides = [0, 0, 0, 0]
    if weights is not None:
        strides = [s // weights.itemsize if n > 1 else 0 for n, s in zip(shape, weights.strides)]
    w = np.float64(1) if weights is None else weights.astype(np.float64)[:, None]
    axes = tuple(range(-len(im_size), 0))

    csm = random(rng, (batch // batch_per_csm, maps, coils, *volume), dtype)
    image = random(rng, (batch, maps, *volume), dtype)
    kspace = random(rng, (batch, coils, *volume), dtype)
    c = np.repeat(csm.astype(np.complex128), batch_per_csm, axis=0)
    x, k = image.astype(np.complex128)[:, :, None], kspace.astype(np.complex128)
    expanded = (c * x).sum(1)
    back = centred_fft(w * k, axes, True)
    summed = (x.conj() * back[:, None]).reshape(-1, batch_per_csm, *c.shape[1:]).sum(1)
    normal = centred_fft(w**2 * centred_fft(expanded, axes), axes, True)

    sizes = [batch, maps, coils, *volume, len(im_size), batch_per_csm, kind, *strides]
    return {
        "sense": ([image, csm, weights], w * centred_fft(expanded, axes), sizes),
        "sense_adjoint": ([kspace, csm, weights], (c.conj() * back[:, None]).sum(2), sizes),
        "sense_gram": ([image, csm, weights], (c.conj() * normal[:, None]).sum(2), sizes),
        "sense_csm_adjoint": ([kspace, image, weights], summed, sizes),
        "coil_expand": ([image, csm], expanded, sizes),
        "coil_combine": ([kspace, csm], (c.conj() * k[:, None]).sum(2), sizes),
    }


def check(call: Caller, case: dict[str, Any], dtype: Any, note: Any) -> None:
    for name, (inputs, truth, sizes) in case.items():
        got = call(name, inputs, np.empty(truth.shape, dtype), sizes)
        points = int(np.prod(sizes[3:6])) * max(sizes[0], sizes[1], sizes[2])
        assert error(got, truth) <= tolerance(dtype, points), (name, note)


MASKS = [
    (0, "0000"),
    (1, "0001"),
    (1, "0010"),
    (1, "0011"),
    (1, "1010"),
    (1, "1111"),
    (2, "0011"),
    (2, "1011"),
    (2, "1000"),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "im_size", [(16, 20), (13, 9), (33, 40), (1, 24), (24, 1), (1, 1), (31, 67), (67, 31), (71, 71)], ids=by
)
def test_family_2d(call: Caller, dtype: Any, im_size: tuple[int, int]) -> None:
    """(batch, slices per set of maps, sets, coils): own and shared maps, soft SENSE, one coil, split coil sums."""
    rng = np.random.default_rng(2)
    layouts = [(1, 1, 1, 1), (1, 1, 1, 13), (4, 1, 1, 3), (6, 3, 2, 2), (5, 5, 3, 4)]
    for i, (mask, layout) in enumerate(zip(MASKS * 2, layouts * 4)):  # 18 of the 45 pairs
        call.shuffle(i % 5)
        check(call, sense_case(rng, dtype, im_size, *layout, mask), dtype, (mask, layout))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("im_size", [(5, 6, 7), (1, 8, 9), (4, 1, 1), (12, 1, 10), (3, 67, 4), (10, 12, 14)], ids=by)
def test_family_3d(call: Caller, dtype: Any, im_size: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(3)
    masks = [*MASKS, (1, "0110"), (2, "0110"), (1, "0100"), (2, "0101"), (1, "1111")]
    for i, (mask, layout) in enumerate(product(masks, [(1, 1, 1, 3), (4, 2, 2, 2)])):
        call.shuffle(i % 5)
        check(call, sense_case(rng, dtype, im_size, *layout, mask), dtype, (mask, layout))


@pytest.mark.parametrize("im_size", [(2, 5462), (5462, 1), (9973, 2)], ids=by)
def test_lines_that_shared_memory_does_not_hold(call: Caller, im_size: tuple[int, int]) -> None:
    rng = np.random.default_rng(4)
    for mask, layout in (((0, "0000"), (1, 1, 1, 2)), ((2, "0011"), (2, 2, 2, 1)), ((1, "0001"), (1, 1, 1, 1))):
        check(call, sense_case(rng, np.complex64, im_size, *layout, mask), np.complex64, (mask, layout))


def test_sizes_that_mri_uses(call: Caller) -> None:
    rng = np.random.default_rng(5)
    for im_size, coils in (((320, 320), 2), ((372, 640), 1), ((230, 180), 2), ((181, 217), 2), ((16, 48, 40), 2)):
        for mask in ((1, "0010"), (1, "0111" if len(im_size) == 3 else "0011")):
            check(call, sense_case(rng, np.complex64, im_size, 1, 1, 1, coils, mask), np.complex64, (im_size, mask))


def test_results_do_not_depend_on_the_order_of_threads(call: Caller) -> None:
    """Sums have a fixed order, so that even the last bit agrees (on a GPU: from run to run)."""
    case = sense_case(np.random.default_rng(6), np.complex64, (24, 30), 4, 2, 2, 7, (2, "1011"))
    for name, (inputs, truth, sizes) in case.items():
        results = []
        for seed in (0, 1, 2):
            call.shuffle(seed)
            results.append(call(name, inputs, np.empty(truth.shape, np.complex64), sizes))
        assert all(np.array_equal(results[0], other) for other in results[1:]), name


def test_not_a_number_stays_in_its_item(call: Caller) -> None:
    """Items of a batch share tiles; what one of them holds must not reach another."""
    rng = np.random.default_rng(7)
    case = sense_case(rng, np.complex64, (6, 5), 4, 4, 1, 3, (1, "0011"))
    for name in ("sense", "sense_adjoint", "sense_gram", "coil_expand", "coil_combine"):
        inputs, truth, sizes = case[name]
        spoilt = [inputs[0].copy(), *inputs[1:]]  # type: ignore[union-attr]
        spoilt[0][1] = np.nan
        got = call(name, spoilt, np.empty(truth.shape, np.complex64), sizes)
        good = [0, 2, 3]
        assert np.isnan(got[1]).any(), name
        assert error(got[good], truth[good]) < tolerance(np.complex64, 400), name


@pytest.mark.emu
@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("axis", range(4), ids=["batch", "z", "y", "x"])
def test_mask_strides_beyond_32_bits(call: Caller, kind: int, axis: int, sparse_bytes: Callable[[int], Array]) -> None:
    """The last entry of the mask lies more than 2^31 elements from the first."""
    if not isinstance(call.kind.upload(np.zeros(1)), np.ndarray):
        pytest.skip("sparse memory is the CPU's")
    rng = np.random.default_rng(8)
    varies = "".join("1" if a == axis else "0" for a in range(4))
    case = sense_case(rng, np.complex64, (3, 4, 5), 2, 1, 1, 2, (2, varies))
    sizes = case["sense"][2]
    count = [*sizes[:1], *sizes[3:6]][axis]
    stride = 2**31 // (count - 1) + 1
    item = np.uint8 if kind == 1 else np.float32
    far = sparse_bytes(((count - 1) * stride + 1) * np.dtype(item).itemsize).view(item)
    values = (rng.random(count) < 0.5) if kind == 1 else rng.random(count)
    values[-1] = 1
    far[::stride] = values
    near = np.ascontiguousarray(far[::stride])
    strides = [0, 0, 0, 0]
    for name in ("sense", "sense_adjoint", "sense_gram", "sense_csm_adjoint"):
        inputs, truth, _ = case[name]
        results = []
        for mask, step in ((near, 1), (far, stride)):
            strides[axis] = step
            new = [*sizes[:8], kind, *strides]
            results.append(call(name, [*inputs[:2], mask], np.empty(truth.shape, np.complex64), new))
        assert np.array_equal(*results), name
        assert np.linalg.norm(results[0]) > 0


def test_empty_batch_does_nothing(call: Caller) -> None:
    x = np.zeros((1, 4, 4), np.complex64)
    got = call("fft", [x], x, [0, 1, 4, 4, 3, False])
    assert np.isnan(got).all()


@pytest.mark.gpu
def test_capture_into_a_graph(call: Caller) -> None:
    """Nothing allocates or synchronises, so that every function can be captured and replayed on new data."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    rng = np.random.default_rng(9)
    case = sense_case(rng, np.complex64, (40, 67), 2, 1, 2, 3, (1, "0011"))
    for name, (inputs, truth, sizes) in case.items():
        module = call.kind.module
        arrays = [None if a is None else call.kind.upload(a) for a in inputs]
        out = torch.empty(truth.shape, dtype=torch.complex64, device="cuda")
        workspace = call.kind.workspace(getattr(module, f"{name}_workspace_bytes")(*sizes, 0) + 1)
        addresses = [0 if a is None else a.data_ptr() for a in arrays]
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            stream = torch.cuda.current_stream().cuda_stream
            getattr(module, name)(*addresses, out.data_ptr(), *sizes, 0, workspace.data_ptr(), stream)
        arrays[0].mul_(2)
        graph.replay()
        assert error(out.cpu().numpy(), 2 * truth) < tolerance(np.complex64, truth.size), name
