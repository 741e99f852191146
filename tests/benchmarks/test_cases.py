"""The cases that are more than one op: peers solve the same problem, and their quality is measured rightly."""

import shutil

import pytest
import torch

from benchmarks.cases import cg_sense, espirit, overhead, toeplitz
from benchmarks.peers import bart


@pytest.fixture(scope="module")
def acquisition():
    return cg_sense.acquire("1d", coils=6, size=(48, 44))


# 30 iterations in complex64 drift apart by a few hundred eps; BART scales its data and stops by its own rule.
@pytest.mark.parametrize(
    ("make", "tolerance"),
    [(cg_sense._torch, 1e-3), (cg_sense._sigpy, 1e-3), (cg_sense._mrpro, 1e-3), (bart.pics, 1e-2)],
    ids=["torch.fft", "sigpy", "mrpro", "bart"],
)
def test_peers_solve_the_same_equations(acquisition, make, tolerance):
    if make is bart.pics and shutil.which("bart") is None:
        pytest.skip("bart is not installed")
    if make is cg_sense._mrpro:
        pytest.importorskip("torchnd")
    if make is cg_sense._sigpy:
        pytest.importorskip("sigpy")
    ours, *others = [c.canonical(c.call()) for c in (*cg_sense._mriops(acquisition), *make(acquisition))]
    assert others
    for theirs in others:
        assert theirs.shape == ours.shape == (48, 44)
        scaled = theirs * torch.vdot(theirs.ravel(), ours.ravel()) / theirs.norm() ** 2
        assert (scaled - ours).norm() < tolerance * ours.norm()


def test_unexplained_part():
    g = torch.Generator().manual_seed(0)
    maps = torch.randn(4, 8, 8, dtype=torch.complex64, generator=g)
    maps /= maps.abs().square().sum(0).sqrt()
    image = torch.randn(8, 8, dtype=torch.complex64, generator=g)
    other = torch.randn(4, 8, 8, dtype=torch.complex64, generator=g)
    assert espirit.unexplained(maps, maps * image) < 1e-6
    assert espirit.unexplained(2j * maps, maps * image) < 1e-6  # neither scale nor phase
    assert espirit.unexplained(other, maps * image) > 0.3


@pytest.mark.parametrize("with_grad", [False, True])
def test_overhead_of_the_python_routes(with_grad):
    built = overhead.build(with_grad, ["mriops", "torch custom_op"])
    assert [c.peer for c in built.contenders] == ["mriops", "torch custom_op"]
    for contender in built.contenders:
        assert built.quality(contender, contender.call()) < 1e-6


# torchkbnufft's spectrum has the error of its table interpolation.
@pytest.mark.parametrize(("peer", "tolerance"), [("mriops", 1e-6), ("torch.fft", 1e-6), ("torchkbnufft", 1e-3)])
@pytest.mark.parametrize("size", [(24, 21), (8, 10, 6)])
def test_toeplitz_peers_apply_the_same_operator(peer, tolerance, size):
    if peer == "torchkbnufft":
        pytest.importorskip("torchkbnufft")
    built = toeplitz.build(lambda: toeplitz.acquire(3, size, 40, 32), [peer])
    assert built.contenders
    for contender in built.contenders:
        assert built.quality(contender, contender.call()) < tolerance
