"""Iterated density compensation: point-spread functions, images, frames."""

import math

import pytest
import torch

from mriops import ops, trajectories

SIZE = (48, 48)
PATHS = {
    "radial": lambda: trajectories.radial(SIZE, 80),
    "undersampled": lambda: trajectories.radial(SIZE, 20),
    "spiral": lambda: trajectories.spiral(SIZE, 12, field_of_view=0.2, density=(1.5, 1.0), dwell=4e-6).trajectory,
    "rosette": lambda: trajectories.rosette(SIZE, 24, 400),
}


def point_spread(weights: torch.Tensor, k: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    flat = weights.flatten(-2).to(torch.complex64)
    return ops.nufft_adjoint(flat, k.flatten(-3, -2), size, eps=1e-5) / math.sqrt(math.prod(size))


@pytest.mark.parametrize("path", PATHS)
def test_the_point_spread_function_is_a_peak(path):
    k = PATHS[path]()
    weights = trajectories.dcf_pipe(k, SIZE)
    assert weights.shape == k.shape[:-1] and (weights > 0).all()
    found, plain = point_spread(weights, k, SIZE), point_spread(torch.ones_like(weights), k, SIZE)
    centre = (SIZE[0] // 2, SIZE[1] // 2)
    # The peak of a full circle of k-space is its area over that of the square; undersampling counts gaps half.
    assert float(found[centre].real) == pytest.approx(math.pi / 4, rel=0.12 if path != "undersampled" else 0.6)

    def spread(psf: torch.Tensor) -> float:
        psf = psf / psf[centre].real
        psf[centre[0] - 2 : centre[0] + 3, centre[1] - 2 : centre[1] + 3] = 0
        return float(psf.norm())

    assert spread(found) < (0.8 if path == "undersampled" else 0.5) * spread(plain)


def test_weights_agree_with_the_analytic_ones():
    k = trajectories.radial(SIZE, 90, order="uniform")
    found, expected = trajectories.dcf_pipe(k, SIZE, max_iter=30), trajectories.dcf_radial(k, SIZE)
    middle = (k.norm(dim=-1) > 4) & (k.norm(dim=-1) < 18)
    assert float((found / expected)[middle].std()) < 0.05
    assert float((found / expected)[middle].mean()) == pytest.approx(1, abs=0.02)


def test_a_constant_image_comes_back_constant():
    k = trajectories.spiral(SIZE, 16, field_of_view=0.2, dwell=4e-6).trajectory
    weights = trajectories.dcf_pipe(k, SIZE).flatten()
    axis = torch.arange(48) - 24
    disc = ((axis[:, None] ** 2 + axis**2) < 15**2).to(torch.complex64)
    flat = k.flatten(0, 1)
    back = ops.nufft_adjoint(ops.nufft(disc, flat), flat, SIZE, dcf=weights)
    inside = (axis[:, None] ** 2 + axis**2) < 11**2
    # Gibbs ringing of the disc's edge, 9 % next to it, has fallen to 2 % four pixels inside.
    assert float(back[inside].abs().mean()) == pytest.approx(1, abs=0.02)
    assert float(back[inside].abs().std()) < 0.03


def test_frames_in_one_call():
    k = trajectories.radial(SIZE, 39).unflatten(0, (3, 13))
    together = trajectories.dcf_pipe(k, SIZE)
    assert together.shape == (3, 13, 96)
    for frame, path in zip(together, k, strict=True):
        assert torch.allclose(frame, trajectories.dcf_pipe(path, SIZE), rtol=1e-3)


def test_half_precision_is_only_that_of_the_result():
    k = trajectories.radial(SIZE, 13).half()
    found = trajectories.dcf_pipe(k, SIZE)
    assert found.dtype == torch.float16 and torch.equal(found, trajectories.dcf_pipe(k.float(), SIZE).half())


def test_three_dimensions():
    size = (12, 12, 12)
    k = trajectories.kooshball(size, 250, order="uniform")
    weights = trajectories.dcf_pipe(k, size)
    expected = trajectories.dcf_radial(k, size)
    middle = (k.norm(dim=-1) > 2) & (k.norm(dim=-1) < 4.6)
    assert float((weights / expected)[middle].mean()) == pytest.approx(1, abs=0.05)


def test_refusals():
    k = trajectories.radial(SIZE, 5, 16)
    with pytest.raises(ValueError, match=r"trajectory: expected \(\*batch, shots, readout, 3\)"):
        trajectories.dcf_pipe(k, (8, 8, 8))
    with pytest.raises(ValueError, match="max_iter: expected an integer >= 1"):
        trajectories.dcf_pipe(k, SIZE, max_iter=0)


def test_integers_are_refused():
    with pytest.raises(TypeError, match=r"trajectory: expected a real floating-point dtype, got torch.int64"):
        trajectories.dcf_pipe(torch.zeros(1, 4, 2, dtype=torch.int64), (8, 8))
