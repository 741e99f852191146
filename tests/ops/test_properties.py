"""Properties over random shapes, strides, dtypes and masks: the ops equal their references, and are adjoint pairs."""

from typing import Any

import torch
from hypothesis import HealthCheck, given, settings, strategies as st

from mriops import ops
from mriops.ops import reference
from mriops.testing import relative_error

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


@st.composite
def broadcasting(draw: st.DrawFn, count: int) -> list[tuple[int, ...]]:
    """Batch shapes that broadcast: each drops leading axes of, or has ones in, a common shape."""
    full = draw(st.lists(st.integers(1, 3), max_size=3))
    shapes = []
    for _ in range(count):
        kept = full[draw(st.integers(0, len(full))) :]
        shapes.append(tuple(n if draw(st.booleans()) else 1 for n in kept))
    return shapes


def values(shape: tuple[int, ...], dtype: torch.dtype, seed: int) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@st.composite
def laid_out(draw: st.DrawFn, tensor: torch.Tensor) -> torch.Tensor:
    """The same values in another memory layout, perhaps with the conjugate or the negative bit."""
    if draw(st.booleans()) and tensor.ndim:
        order = draw(st.permutations(range(tensor.ndim)))
        inverse = sorted(range(tensor.ndim), key=order.__getitem__)
        tensor = tensor.permute(order).contiguous().permute(inverse)
    if draw(st.booleans()) and tensor.ndim:
        axis = draw(st.integers(0, tensor.ndim - 1))
        tensor = torch.stack([tensor, torch.zeros_like(tensor)], axis + 1).flatten(axis, axis + 1)
        tensor = tensor[(slice(None),) * axis + (slice(None, None, 2),)]
    if tensor.is_complex() and draw(st.booleans()):
        tensor = tensor.conj().resolve_conj().conj()
    if tensor.dtype != torch.bool and draw(st.booleans()):
        tensor = torch._neg_view(-tensor)
    return tensor


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    ndim = draw(st.sampled_from([2, 3]))
    im = tuple(draw(st.lists(st.integers(1, 7 if ndim == 2 else 4), min_size=ndim, max_size=ndim)))
    maps = draw(st.sampled_from([0, 0, 1, 2]))
    sets = (maps,) if maps else ()
    coils = draw(st.integers(1, 4))
    dtype = draw(st.sampled_from([torch.complex64, torch.complex128]))
    real = torch.float32 if dtype == torch.complex64 else torch.float64
    batches = draw(broadcasting(4))
    seed = draw(st.integers(0, 2**16))
    mask: torch.Tensor | None = None
    kind = draw(st.sampled_from(["none", "bool", "weights"]))
    if kind != "none":
        shape = tuple(n if draw(st.booleans()) else 1 for n in im)
        drop = draw(st.integers(0, ndim)) if not batches[2] else 0
        uniform = torch.rand((*batches[2], *shape[drop:]), generator=torch.Generator().manual_seed(seed))
        mask = draw(laid_out(uniform < 0.5 if kind == "bool" else uniform.to(real)))
        if mask.ndim >= ndim and draw(st.booleans()):  # repeated along axes, and perhaps along new ones
            mask = mask.expand(*draw(st.sampled_from([(), (2,)])) if not any(batches) else (), *mask.shape[:-ndim], *im)
    return {
        "image": draw(laid_out(values((*batches[0], *sets, *im), dtype, seed))),
        "csm": draw(laid_out(values((*batches[1], *sets, coils, *im), dtype, seed + 1))),
        "kspace": draw(laid_out(values((*batches[3], coils, *im), dtype, seed + 2))),
        "mask": mask,
        "keywords": {"ndim": ndim, "maps": bool(maps)},
        # Up to 343 points and 8 coils and sets: log2 below 12; errors of a chain of two transforms.
        "tolerance": 40 * torch.finfo(dtype).eps,
    }


@SETTINGS
@given(problems())
def test_the_family_equals_its_references(p: dict[str, Any]) -> None:
    image, csm, kspace, mask, keywords = p["image"], p["csm"], p["kspace"], p["mask"], p["keywords"]
    for name, first in (("sense", image), ("sense_gram", image), ("sense_adjoint", kspace)):
        got = getattr(ops, name)(first, csm, mask, **keywords)
        assert relative_error(got, getattr(reference, name)(first, csm, mask, **keywords)) <= p["tolerance"]
    for name, first in (("coil_expand", image), ("coil_combine", kspace)):
        got = getattr(ops, name)(first, csm, **keywords)
        assert relative_error(got, getattr(reference, name)(first, csm, **keywords)) <= p["tolerance"]


@SETTINGS
@given(problems(), st.data())
def test_maps_adjoint_equals_its_reference_for_every_batch(p: dict[str, Any], data: st.DataObject) -> None:
    image, kspace, mask, keywords = p["image"], p["kspace"], p["mask"], p["keywords"]
    ndim, sets = keywords["ndim"], int(keywords["maps"])
    batch = torch.broadcast_shapes(
        image.shape[: image.ndim - ndim - sets],
        kspace.shape[: kspace.ndim - ndim - 1],
        () if mask is None else mask.shape[: max(mask.ndim - ndim, 0)],
    )
    kept = batch[data.draw(st.integers(0, len(batch))) :]
    csm_batch = tuple(n if data.draw(st.booleans()) else 1 for n in kept)
    got = ops.sense_csm_adjoint(kspace, image, mask, csm_batch=csm_batch, **keywords)
    expected = reference.sense_csm_adjoint(kspace, image, mask, csm_batch=csm_batch, **keywords)
    assert relative_error(got, expected) <= p["tolerance"]


@SETTINGS
@given(problems())
def test_gradients_of_every_argument_equal_the_references(p: dict[str, Any]) -> None:
    arguments = {"image": p["image"], "csm": p["csm"], "mask": p["mask"]}
    wanted = [name for name, t in arguments.items() if t is not None and t.dtype != torch.bool]
    gradients = []
    for family in (ops, reference):
        leaves = {n: t if n not in wanted or t is None else t.detach().requires_grad_() for n, t in arguments.items()}
        output = family.sense_gram(*leaves.values(), **p["keywords"])
        energy = (output.abs().square() + output.imag).sum()
        gradients.append(torch.autograd.grad(energy, [leaves[name] for name in wanted]))
    for got, expected in zip(*gradients):
        # Cubic in numbers up to 10: intermediate sums are larger than the results they leave.
        assert relative_error(got, expected) <= 30 * p["tolerance"]


@SETTINGS
@given(st.data())
def test_fft_over_any_axes_of_any_layout(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=5)))
    dims = data.draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=len(shape), unique=True))
    dtype = data.draw(st.sampled_from([torch.complex64, torch.complex128, torch.float32, torch.float64]))
    x = data.draw(laid_out(values(shape, dtype, data.draw(st.integers(0, 99)))))
    signed = tuple(d - len(shape) if data.draw(st.booleans()) else d for d in dims)
    eps = torch.finfo(dtype).eps
    spectrum = ops.fft(x, signed)
    assert relative_error(spectrum, reference.fft(x, signed)) <= 15 * eps  # up to 7776 points: log2 below 13
    assert relative_error(ops.ifft(spectrum, signed), x.to(spectrum.dtype)) <= 30 * eps
    # Orthonormal: the energy is kept.
    energy = torch.linalg.vector_norm(x.to(torch.complex128))
    assert abs(torch.linalg.vector_norm(spectrum.to(torch.complex128)) - energy) <= 30 * eps * energy
