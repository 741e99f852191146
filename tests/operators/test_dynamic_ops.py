"""SubspaceNufftOp against frames that are formed, StackOfPlanesOp against the volume's own transform."""

import pytest
import torch

from mriops import ops
from mriops.operators import StackOfPlanesOp, SubspaceNufftOp
from mriops.testing import check_linear_operator, relative_error

C64, C128, F64 = torch.complex64, torch.complex128, torch.float64


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=C128, generator=torch.Generator().manual_seed(seed))


def points(*shape: int, im: tuple[int, ...], seed: int = 1) -> torch.Tensor:
    uniform = torch.rand((*shape, len(im)), dtype=F64, generator=torch.Generator().manual_seed(seed))
    return (uniform - 0.5) * torch.tensor(im)


def weights(*shape: int) -> torch.Tensor:
    return torch.rand(shape, dtype=F64, generator=torch.Generator().manual_seed(2)) + 0.5


# --- subspace --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("im", [(8, 10), (3, 4, 5)])
@pytest.mark.parametrize("complex_basis", [False, True])
def test_subspace_equals_the_frames_it_never_forms(im: tuple[int, ...], complex_basis: bool) -> None:
    basis = random(6, 3, seed=4) if complex_basis else random(6, 3, seed=4).real
    csm, trajectory, coefficients = random(2, *im), points(6, 4, 7, im=im), random(3, *im, seed=5)
    op = SubspaceNufftOp(csm, trajectory, basis, eps=1e-11)
    frames = torch.tensordot(basis.to(C128), coefficients, dims=([1], [0]))
    expected = ops.sense_nufft(frames, csm, trajectory.flatten(1, 2), method="exact").unflatten(-1, (4, 7))
    assert op.range_shape == tuple(expected.shape)
    assert relative_error(op(coefficients), expected) < 1e-9
    batch = torch.stack([coefficients, 2 * coefficients])
    assert relative_error(op(batch)[1], 2 * expected) < 1e-9


@pytest.mark.parametrize("complex_basis", [False, True])
def test_subspace_keeps_the_contract(complex_basis: bool) -> None:
    im = (8, 10)
    basis = random(6, 3, seed=4) if complex_basis else random(6, 3, seed=4).real
    op = SubspaceNufftOp(random(2, *im), points(6, 4, 7, im=im), basis, dcf=weights(6, 4, 7), gram="nufft", eps=1e-12)
    check_linear_operator(op, dtype=C128)
    by_toeplitz = SubspaceNufftOp(
        op.csm, points(6, 4, 7, im=im), basis, dcf=weights(6, 4, 7), gram="toeplitz", eps=1e-11
    )
    x = random(2, 3, *im, seed=6)
    assert relative_error(by_toeplitz.gram(x), op.gram(x)) < 1e-9


def test_gradient_for_the_basis() -> None:
    im = (4, 5)
    csm, trajectory, x = random(2, *im), points(3, 2, 4, im=im), random(2, *im)
    basis = random(3, 2, seed=4).real.clone().requires_grad_()

    def value(basis: torch.Tensor) -> torch.Tensor:
        return SubspaceNufftOp(csm, trajectory, basis, eps=1e-11).gram(x)

    assert torch.autograd.gradcheck(value, basis)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trajectory": points(4, 7, im=(8, 10))}, "trajectory: expected shape (frames, shots, readout, ndim)"),
        ({"basis": random(5, 3)}, "basis: expected shape (6, coefficients), got shape (5, 3)"),
        ({"csm": random(2, 2, 8, 10)}, "csm: expected shape (coils, *im_size)"),
        ({"dcf": weights(5)}, "dcf: expected a shape that broadcasts to (6, 4, 7)"),
    ],
)
def test_what_does_not_fit_a_subspace_is_named(change: dict, message: str) -> None:
    given = {"csm": random(2, 8, 10), "trajectory": points(6, 4, 7, im=(8, 10)), "basis": random(6, 3), **change}
    with pytest.raises(ValueError) as caught:
        SubspaceNufftOp(**given)
    assert message in str(caught.value)


def test_a_loaded_state_has_its_own_spectra() -> None:
    im, x = (8, 10), random(2, 8, 10)
    op, other = (
        SubspaceNufftOp(random(2, *im, seed=s), points(3, 4, 7, im=im, seed=s), random(3, 2, seed=s), eps=1e-6)
        for s in (1, 2)
    )
    op.gram(x)
    op.load_state_dict(other.state_dict())
    assert relative_error(op.gram(x), other.gram(x)) < 1e-12
    assert op.to(torch.float32).spectra is None  # what is rounded would stay so in double precision


def test_spectra_are_made_anew_while_weights_require_gradients() -> None:
    im, x, dcf = (8, 10), random(2, 8, 10), weights(3, 4, 7).requires_grad_()
    op = SubspaceNufftOp(random(2, *im), points(3, 4, 7, im=im), random(3, 2), dcf=dcf, gram="toeplitz", eps=1e-9)
    with torch.no_grad():
        op.gram(x)
    first, second = (torch.autograd.grad(op.gram(x).abs().square().sum(), dcf)[0] for _ in range(2))
    expected = torch.autograd.grad(op.H(op(x)).abs().square().sum(), dcf)[0]
    assert relative_error(first, expected) < 1e-7 and relative_error(second, first) == 0


def test_weights_that_are_no_tensor() -> None:
    with pytest.raises(TypeError, match=r"dcf: expected a torch.Tensor or None, got ndarray"):
        SubspaceNufftOp(random(2, 8, 10), points(3, 4, 7, im=(8, 10)), random(3, 2), dcf=weights(3, 4, 7).numpy())


def test_coordinates_take_the_precision_of_the_maps() -> None:
    im = (8, 10)
    csm, x = random(2, *im).to(C64), random(2, *im, seed=3).to(C64)
    op = SubspaceNufftOp(csm, points(3, 4, 7, im=im), random(3, 2), dcf=weights(3, 4, 7))
    y = op(x)
    assert {t.dtype for t in (y, op.H(y), op.gram(x), op.weigh(y))} == {C64}
    assert relative_error(op.gram(x), op.H(y)) < 1e-3  # eps = 1e-4 on each side
    planes = StackOfPlanesOp(random(2, 5, *im).to(C64), points(4, 7, im=im), dcf=weights(4, 7))
    volume = random(5, *im).to(C64)
    y = planes(volume)
    assert {t.dtype for t in (y, planes.H(y), planes.gram(volume), planes.weigh(y))} == {C64}


# --- stack of planes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [False, True])
def test_a_stack_equals_the_volume_transform(own: bool) -> None:
    im = (5, 6, 8)
    csm, image = random(2, *im), random(*im, seed=3)
    plane = points(*((5,) if own else ()), 4, 7, im=im[1:])
    op = StackOfPlanesOp(csm, plane, eps=1e-11)
    kz = (torch.arange(5) - 2).double()[:, None, None, None].expand(5, 4, 7, 1)
    volume = torch.cat([kz, plane.expand(5, 4, 7, 2)], -1)
    expected = ops.sense_nufft(image, csm, volume.reshape(-1, 3), method="exact").unflatten(-1, (5, 4, 7))
    assert relative_error(op(image), expected) < 1e-9


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("gram", ["nufft", "toeplitz"])
def test_a_stack_keeps_the_contract(own: bool, gram: str) -> None:
    im = (5, 6, 8)
    plane, dcf = points(*((5,) if own else ()), 4, 7, im=im[1:]), weights(4, 7)
    fine = StackOfPlanesOp(random(2, *im), plane, dcf=dcf, gram="nufft", eps=1e-12)
    check_linear_operator(fine, dtype=C128)
    check_linear_operator(fine, (2, *im), dtype=C128)
    x = random(2, *im, seed=6)
    other = StackOfPlanesOp(random(2, *im), plane, dcf=dcf, gram=gram, eps=1e-11)
    assert relative_error(other.gram(x), fine.gram(x)) < 1e-9


def test_what_does_not_fit_a_stack_is_named() -> None:
    with pytest.raises(ValueError, match=r"csm: expected shape \(coils, z, y, x\)"):
        StackOfPlanesOp(random(2, 2, 5, 6, 8), points(4, 7, im=(6, 8)))
    with pytest.raises(ValueError, match=r"trajectory: expected shape \(shots, readout, 2\) or \(5, shots"):
        StackOfPlanesOp(random(2, 5, 6, 8), points(4, 4, 7, im=(6, 8)))
