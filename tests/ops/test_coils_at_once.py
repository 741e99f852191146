"""NUFFTs of a few coils at a time: the same numbers with less memory."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mriops.array
from mriops import ops
from mriops.operators import NufftOp, SenseOp, StackOfPlanesOp, SubspaceNufftOp
from mriops.testing import available_backends, relative_error, use_backend

C64, C128 = torch.complex64, torch.complex128


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, dtype=C128, generator=torch.Generator().manual_seed(seed))


def scan(im: tuple[int, ...], coils: int, samples: int) -> tuple[torch.Tensor, ...]:
    """Image, maps, k-space and trajectory."""
    uniform = torch.rand((samples, len(im)), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    trajectory = (uniform - 0.5) * torch.tensor(im)
    return random(*im, seed=1), random(coils, *im, seed=2), random(coils, samples, seed=3), trajectory


@pytest.mark.parametrize("backend", available_backends())
@pytest.mark.parametrize("at_once", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("im", [(12, 10), (6, 5, 7)])
def test_they_agree(im: tuple[int, ...], at_once: int, backend: str) -> None:
    with use_backend(backend) as device:
        image, csm, kspace, trajectory = (x.to(device) for x in scan(im, 7, 150))
        trajectory.requires_grad_()
        dcf = torch.rand(150, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).to(device)

        def results(coils_at_once: int | None) -> list[torch.Tensor]:
            plan = ops.nufft_plan(trajectory, im, eps=1e-8, coils_at_once=coils_at_once)
            assert plan.coils_at_once == (coils_at_once or 0)
            forward = ops.sense_nufft(image, csm, trajectory, plan=plan)
            adjoint = ops.sense_nufft_adjoint(kspace, csm, trajectory, dcf=dcf, plan=plan)
            gram = ops.sense_nufft_gram(image, csm, trajectory, dcf=dcf, plan=plan)
            bare = ops.nufft(csm, trajectory, plan=plan)
            (slope,) = torch.autograd.grad((forward * kspace.conj()).real.sum() + adjoint.abs().sum(), trajectory)
            tangent = ops.nufft_trajectory_jvp(image, trajectory.detach(), slope, csm=csm, plan=plan)
            return [forward, adjoint, gram, bare, slope, tangent]

        for one, other in zip(results(at_once), results(None), strict=True):
            assert relative_error(one, other) < 1e-13


def test_arrays_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    image, csm, _, trajectory = (x.numpy() for x in scan((12, 10), 5, 80))
    together = mriops.array.sense_nufft(image, csm, trajectory)
    module = sys.modules["mriops.array.sense_nufft"]  # which the function of the package hides
    asked, call = [], module.call
    monkeypatch.setattr(module, "call", lambda op, a, how: asked.append(how[-1]) or call(op, a, how))
    plan = mriops.array.nufft_plan(trajectory, (12, 10), coils_at_once=2)
    few = mriops.array.sense_nufft(image, csm, trajectory, plan=plan)
    assert asked == [2]
    assert np.linalg.norm(few - together) < 1e-13 * np.linalg.norm(together)


@pytest.mark.parametrize("learned", [False, True])
def test_operators_pass_it_on(learned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    image, csm, _, trajectory = scan((12, 10), 5, 80)
    trajectory.requires_grad_(learned)
    volume, stack = random(3, 12, 10, seed=5), random(5, 3, 12, 10, seed=6)
    shots, basis = trajectory.unflatten(0, (2, 40)), random(2, 2, seed=7)

    def images(**keywords: int) -> list[torch.Tensor]:
        kept = {"gram": "nufft", **keywords}
        sense = SenseOp(csm, trajectory=trajectory, **kept)
        return [
            sense(image),
            sense.gram(image),
            NufftOp(trajectory, (12, 10), **kept)(image),
            StackOfPlanesOp(stack, shots, **kept)(volume),
            SubspaceNufftOp(csm, shots.unsqueeze(1), basis, **kept)(random(2, 12, 10, seed=8)),
        ]

    plain = images()
    asked = []
    for name in ("nufft", "sense_nufft", "sense_nufft_gram"):
        function = getattr(ops, name)

        def noted(*arguments: Any, function: Any = function, **keywords: Any) -> torch.Tensor:
            asked.append(keywords["plan"].coils_at_once)
            return function(*arguments, **keywords)

        monkeypatch.setattr(ops, name, noted)
    for one, other in zip(images(coils_at_once=1), plain, strict=True):
        assert relative_error(one, other) < 1e-13
    assert len(asked) >= 5
    assert set(asked) == {1}


def test_the_precision_of_data_is_that_of_the_trajectory() -> None:
    image, _, _, trajectory = scan((12, 10), 5, 80)
    operator = NufftOp(trajectory.requires_grad_(), (12, 10), coils_at_once=1)
    with pytest.raises(TypeError, match=r"image: expected torch.complex128, the precision of the trajectory"):
        operator(image.to(C64))


def test_what_is_no_number_of_coils_is_refused() -> None:
    _, csm, _, trajectory = scan((12, 10), 5, 80)
    wrong = [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError), ("1", TypeError)]
    for value, error in wrong:
        with pytest.raises(error, match="coils_at_once: expected an integer >= 1, got"):
            ops.nufft_plan(trajectory, (12, 10), coils_at_once=value)  # type: ignore[arg-type]
        with pytest.raises(error, match="coils_at_once: expected an integer >= 1, got"):
            mriops.array.nufft_plan(trajectory.numpy(), (12, 10), coils_at_once=value)  # type: ignore[arg-type]
        with pytest.raises(error, match="coils_at_once: expected an integer >= 1, got"):
            NufftOp(trajectory, (12, 10), coils_at_once=value)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="coils_at_once: expected None without a trajectory, got 1"):
        SenseOp(csm, coils_at_once=1)


_PEAK = """
import sys, torch
from benchmarks.memory import peak_of
from mriops import ops

torch.set_num_threads(1)
coils, im = 16, (160, 160)
uniform = torch.rand(8000, 2, generator=torch.Generator().manual_seed(0))
csm, trajectory = torch.ones(coils, *im, dtype=torch.complex64), (uniform - 0.5) * 160
plan = ops.nufft_plan(trajectory, im, coils_at_once=int(sys.argv[1]) or None)
small = trajectory[:9]
ops.sense_nufft(csm[:1, :9, :9].sum(0), csm[:1, :9, :9].contiguous(), small, upsampling=2)
print(peak_of(lambda: ops.sense_nufft(csm[0], csm, trajectory, plan=plan)))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux to say what the peak is")
def test_less_memory_is_used() -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}

    def peak(at_once: int) -> int:
        command = [sys.executable, "-c", _PEAK, str(at_once)]
        return int(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)

    output = 16 * 8000 * 8
    assert peak(1) - output < (peak(0) - output) / 2
