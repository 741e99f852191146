"""What is refused, and that the message names the argument, what was expected and what came."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import mriops.array as array
from mriops import ops

C64, C128, F32, F64 = torch.complex64, torch.complex128, torch.float32, torch.float64


def full(*shape: int, dtype: torch.dtype = C64) -> torch.Tensor:
    return torch.ones(shape, dtype=dtype)


SHAPE_ERRORS: list[tuple[str, Callable[[Any], Any], str]] = [
    ("image rank", lambda o: o.sense(full(5), full(3, 4, 5)), r"image: expected shape \(\*batch, y, x\), got \(5,\)"),
    (
        "csm rank",
        lambda o: o.sense(full(4, 5), full(4, 5)),
        r"csm: expected shape \(\*batch, coils, y, x\), got \(4, 5\)",
    ),
    (
        "csm rank with maps",
        lambda o: o.sense(full(2, 4, 5), full(3, 4, 5), maps=True),
        r"csm: expected shape \(\*batch, maps, coils, y, x\), got \(3, 4, 5\)",
    ),
    ("3D", lambda o: o.sense(full(4, 5), full(3, 4, 4, 5), ndim=3), r"image: expected shape \(\*batch, z, y, x\)"),
    ("sizes", lambda o: o.sense(full(4, 6), full(3, 4, 5)), r"image: expected spatial axes \(4, 5\) .* got \(4, 6\)"),
    ("coils", lambda o: o.sense_adjoint(full(2, 4, 5), full(3, 4, 5)), r"kspace: expected coils 3 .* got 2"),
    ("combine", lambda o: o.coil_combine(full(2, 4, 5), full(3, 4, 5)), r"coil_images: expected coils 3 .* got 2"),
    (
        "maps",
        lambda o: o.sense_gram(full(3, 4, 5), full(2, 3, 4, 5), maps=True),
        r"image: expected maps 2 \(those of csm\), got 3",
    ),
    ("empty axis", lambda o: o.sense(full(0, 5), full(3, 0, 5)), r"csm: expected axis y to be at least 1, got shape"),
    ("no coils", lambda o: o.sense(full(4, 5), full(0, 4, 5)), r"csm: expected axis coils to be at least 1"),
    (
        "batch",
        lambda o: o.sense(full(2, 4, 5), full(3, 3, 4, 5)),
        r"csm: expected batch axes that broadcast with \{'image': \(2,\)\}, got \(3,\)",
    ),
    (
        "mask size",
        lambda o: o.sense(full(4, 5), full(3, 4, 5), full(4, 4, dtype=F32)),
        r"mask: expected axes that broadcast to \(4, 5\) \(no coil axis\), got shape \(4, 4\)",
    ),
    (
        "mask with coils",
        lambda o: o.sense(full(2, 4, 5), full(3, 4, 5), full(3, 4, 5, dtype=F32)),
        r"mask: expected batch axes that broadcast with \{'image': \(2,\), 'csm': \(\)\}, got \(3,\)",
    ),
    ("ndim", lambda o: o.sense(full(4, 5), full(3, 4, 5), ndim=4), r"ndim: expected 2 or 3, got 4"),
    (
        "csm_batch",
        lambda o: o.sense_csm_adjoint(full(2, 3, 4, 5), full(4, 5), csm_batch=(3,)),
        r"csm_batch: expected axes that broadcast to the batch \(2,\), got \(3,\)",
    ),
    ("dims range", lambda o: o.fft(full(4, 5), 2), r"dims: expected axes in \[-2, 1\] for 2 axes, got 2"),
    ("dims twice", lambda o: o.fft(full(4, 5), (0, -2)), r"dims: expected distinct axes, got \(0, -2\)"),
    ("dims none", lambda o: o.fft(full(4, 5), ()), r"dims: expected at least one axis, got none"),
    ("fft of nothing", lambda o: o.fft(full(4, 0), 1), r"x: expected transformed axes .* of at least 1, got \(4, 0\)"),
]

TYPE_ERRORS: list[tuple[str, Callable[[Any], Any], str]] = [
    (
        "integers",
        lambda o: o.sense(full(4, 5, dtype=torch.int64), full(3, 4, 5)),
        "image: expected complex64, complex128, float32 or float64, got int64",
    ),
    ("half", lambda o: o.sense(full(4, 5, dtype=torch.float16), full(3, 4, 5)), "image: expected .* got float16"),
    (
        "mixed",
        lambda o: o.sense(full(4, 5), full(3, 4, 5, dtype=C128)),
        r"csm: expected complex64 or float32 \(the precision of image\), got complex128",
    ),
    (
        "complex weights",
        lambda o: o.sense(full(4, 5), full(3, 4, 5), full(4, 5)),
        "mask: expected bool or a real dtype, got complex64",
    ),
    ("maps", lambda o: o.sense(full(4, 5), full(3, 4, 5), maps=2), "maps: expected a bool, got 2"),
    ("dims", lambda o: o.fft(full(4, 5), (0.5,)), "dims: expected integers, got 0.5"),
    ("dims scalar", lambda o: o.fft(full(4, 5), 0.5), "dims: expected integers, got 0.5"),
    ("dims nothing", lambda o: o.fft(full(4, 5), None), "dims: expected integers, got None"),
    ("dims bool", lambda o: o.ifft(full(4, 5), np.True_), "dims: expected integers, got .*True"),
    ("dims array", lambda o: o.fft(full(4, 5), np.array([0.0])), "dims: expected integers, got .*0.0"),
    ("dims bool equal to ints", lambda o: (o.fft(full(4, 5), (1,)), o.fft(full(4, 5), (True,))), "got True"),
    ("dims float equal to ints", lambda o: (o.fft(full(4, 5), (-1,)), o.fft(full(4, 5), (-1.0,))), "got -1.0"),
    ("dims unhashable", lambda o: o.fft(full(4, 5), ([0], 1)), r"dims: expected integers, got \[0\]"),
]


class AsArrays:
    """mriops.array called with the tensors of the table above."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **keywords: Any) -> Any:
            converted = [a.numpy() if isinstance(a, torch.Tensor) else a for a in args]
            return getattr(array, name)(*converted, **keywords)

        return call


@pytest.mark.parametrize("floor", [ops, AsArrays()], ids=["ops", "array"])
@pytest.mark.parametrize(("call", "message"), [row[1:] for row in SHAPE_ERRORS], ids=[row[0] for row in SHAPE_ERRORS])
def test_shapes_that_do_not_fit(call: Callable[[Any], Any], message: str, floor: Any) -> None:
    with pytest.raises(ValueError, match=message):
        call(floor)


@pytest.mark.parametrize("floor", [ops, AsArrays()], ids=["ops", "array"])
@pytest.mark.parametrize(("call", "message"), [row[1:] for row in TYPE_ERRORS], ids=[row[0] for row in TYPE_ERRORS])
def test_types_that_do_not_fit(call: Callable[[Any], Any], message: str, floor: Any) -> None:
    with pytest.raises(TypeError, match=message):
        call(floor)


def test_errors_are_the_same_again_with_gradients_and_under_transforms() -> None:
    image, csm = full(4, 6).requires_grad_(), full(3, 4, 5)
    for _ in range(2):  # a failed call leaves nothing behind in the cache
        with pytest.raises(ValueError, match="image: expected spatial axes"):
            ops.sense(image, csm)
    with pytest.raises(ValueError, match="image: expected spatial axes"):
        torch.func.vmap(ops.sense, in_dims=(0, None))(full(2, 4, 6), csm)
    with pytest.raises(ValueError, match="image: expected spatial axes"):
        torch.func.jvp(lambda x: ops.sense(x, csm), (full(4, 6),), (full(4, 6),))


def test_no_chained_exception_distracts_from_the_message() -> None:
    with pytest.raises(ValueError) as caught:
        ops.sense(full(4, 6), full(3, 4, 5))
    assert caught.value.__context__ is None


def test_what_is_no_tensor_is_named() -> None:
    with pytest.raises(TypeError, match=r"image: expected torch.Tensor, got numpy.ndarray"):
        ops.sense(np.ones((4, 5), np.complex64), full(3, 4, 5))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"csm: expected torch.Tensor, got builtins.NoneType"):
        ops.sense(full(4, 5), None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"mask: expected torch.Tensor or None, got builtins.list"):
        ops.sense(full(4, 5), full(3, 4, 5), [1])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"x: expected torch.Tensor, got builtins.int"):
        ops.fft(3, 0)  # type: ignore[arg-type]


def test_sparse_tensors_are_refused() -> None:
    with pytest.raises(TypeError, match=r"image: expected a dense .* got layout torch\.sparse_coo"):
        ops.sense(full(4, 5).to_sparse(), full(3, 4, 5))
    # Also where a dense tensor of the same shape has been seen before, on every way a call can go.
    for csm in (full(3, 4, 5), full(3, 5, 4).mT, full(3, 4, 5).requires_grad_()):
        ops.sense(full(4, 5), csm)
        with pytest.raises(TypeError, match=r"image: expected a dense .* got layout torch\.sparse_coo"):
            ops.sense(full(4, 5).to_sparse(), csm)


def test_mixed_devices_are_named() -> None:
    with pytest.raises(ValueError, match=r"csm: expected device cpu \(that of image\), got meta"):
        ops.sense(full(4, 5), full(3, 4, 5).to("meta"))


def test_registered_ops_convert_nothing() -> None:
    with pytest.raises(TypeError, match=r"image: expected torch\.complex64, got torch\.float32"):
        torch.ops.mriops.sense(full(4, 5, dtype=F32), full(3, 4, 5), None, 2, False)
    with pytest.raises(TypeError, match=r"mask: expected torch\.float32, got torch\.float64"):
        torch.ops.mriops.sense(full(4, 5), full(3, 4, 5), full(4, 5, dtype=F64), 2, False)
    with pytest.raises(ValueError, match="dims: expected axes that one pass can transform"):
        torch.ops.mriops.fft(full(2, 2, 2, 2, 2), [0, 2, 4], False)
