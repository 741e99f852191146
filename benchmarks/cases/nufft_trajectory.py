"""What depends on the samples: the gradient of the trajectory, and setting up a plan, for a radial scan.

The gradient is that of a loss by the trajectory, given the loss's gradient by k-space: the backward pass alone. It is
measured against the forward transform of mriops, at most twice of which it may take, and against mri-nufft and
pytorch-finufft. Setting up is sorting: software that keeps nothing sorts in every call and is not in that table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch

from benchmarks import accuracy
from benchmarks.case import Built, Case
from benchmarks.cases.nufft import quality
from benchmarks.contender import Contender
from benchmarks.peers.nufft import Call, Way, per_threads
from benchmarks.peers.nufft.finufft_plan import upsamplings
from benchmarks.scans import RADIAL, Plan, Scan, acquire
from mriops import ops

_TARGET = 1e-3


def _backward(k_space: torch.Tensor, points: torch.Tensor, cotangent: torch.Tensor) -> Call:
    return lambda: torch.autograd.grad(k_space, points, cotangent, retain_graph=True)[0]


def _mriops(scan: Scan, eps: float) -> Call:
    points = scan.trajectory.clone().requires_grad_()
    plan = ops.nufft_plan(scan.trajectory, scan.im_size, eps=eps)
    return _backward(ops.sense_nufft(scan.image, scan.csm, points, eps=eps, plan=plan), points, scan.kspace)


def _forward(scan: Scan, eps: float) -> Call:
    plan = ops.nufft_plan(scan.trajectory, scan.im_size, eps=eps)
    return torch.no_grad()(partial(ops.sense_nufft, scan.image, scan.csm, scan.trajectory, eps=eps, plan=plan))


def _mrinufft(upsampling: float, scan: Scan, eps: float) -> Call:
    from benchmarks.peers.nufft.mrinufft_operator import operator

    def with_threads(threads: int) -> Call:
        made = operator(scan, eps, upsampling, threads, squeeze_dims=False)
        made = made.make_autograd(wrt_data=False, wrt_traj=True)
        return _backward(made.op(scan.image[None, None]), made.samples, scan.kspace[None])

    return per_threads(with_threads)


def _pytorch_finufft(upsampling: float, scan: Scan, eps: float) -> Call:
    from pytorch_finufft.functional import finufft_type2

    def with_threads(threads: int) -> Call:
        points = scan.radians().T.contiguous().requires_grad_()
        keywords = {"eps": eps, "upsampfac": upsampling, "nthreads": threads, "modeord": 0, "isign": -1, "showwarn": 0}
        return _backward(finufft_type2(points, scan.coil_images(), **keywords), points, scan.kspace)

    return per_threads(with_threads)


def _per_radian(scale: float, transposed: bool, scan: Scan, result: torch.Tensor) -> torch.Tensor:
    """Bring a gradient by radians per pixel, of sums that are not scaled, into cycles per field of view."""
    by_points = result.T if transposed else result
    return scale * by_points * (2 * torch.pi / torch.tensor(scan.im_size))


def _same(scan: Scan, result: torch.Tensor) -> torch.Tensor:
    return result


def _ways(scan: Scan) -> dict[str, list[Way]]:
    ladder = accuracy.tolerances(_TARGET)
    pixels = scan.csm[0].numel() ** 0.5
    found = {"mriops": [Way("backward", ladder, _mriops, _same)]}
    for peer, make, scale in (
        ("mri-nufft", _mrinufft, 2 ** (scan.ndim / 2)),
        ("pytorch-finufft", _pytorch_finufft, 1 / pixels),
    ):
        canonical = partial(_per_radian, scale, peer != "mri-nufft")
        found[peer] = [
            Way(f"backward, upsampling {u}", ladder, partial(make, u), canonical) for u in upsamplings(_TARGET)
        ]
    return found


def build_gradient(peers: Sequence[str] | None = None, plan: Plan = RADIAL) -> Built:
    """Set up the backward passes, and the forward transform with the same accuracy."""
    scan = acquire(plan)
    contenders: list[Contender] = []
    missing: list[str] = []
    eps = _TARGET
    for peer, ways in _ways(scan).items():
        if peers is not None and peer not in peers and peer != "mriops":
            continue
        for way in ways:
            name = f"{peer} {way.variant}"
            try:
                setting = accuracy.settle(name, way.ladder, scan, "trajectory", _TARGET, way.attempt)
                label = f"{way.variant}, {way.label(setting)}"
                contenders.append(Contender(peer, label, way.make(scan, setting), partial(way.canonical, scan)))
            except Exception as error:
                if peer == "mriops":
                    raise
                missing.append(f"{name}: {str(error)[:200]}")
            else:
                eps = setting if peer == "mriops" else eps
    error_of = quality(scan, "trajectory")
    if peers is None or "forward" in peers:
        forward = _forward(scan, eps)
        contenders.append(Contender("forward", "mriops", forward, lambda y: y))
    return Built(contenders, lambda who, y: float("nan") if who.peer == "forward" else error_of(who, y), missing)


def _plan_makers(scan: Scan) -> dict[str, Callable[[], list[tuple[str, Call]]]]:
    def mriops() -> list[tuple[str, Call]]:
        return [("nufft_plan", partial(ops.nufft_plan, scan.trajectory, scan.im_size, eps=_TARGET))]

    def finufft() -> list[tuple[str, Call]]:
        from benchmarks.peers.nufft import finufft_plan

        made = []
        for upsampling in upsamplings(_TARGET):

            def with_threads(threads: int, u: float = upsampling) -> Call:
                plan = finufft_plan.plan(scan, 2, _TARGET, u, threads)
                return partial(plan.setpts, *finufft_plan.points(scan))

            made.append((f"setpts, upsampling {upsampling}", per_threads(with_threads)))
        return made

    def ducc0() -> list[tuple[str, Call]]:
        from benchmarks.peers.nufft import ducc0_plan

        return [("plan", per_threads(lambda threads: partial(ducc0_plan.plan, scan, _TARGET, threads, False)))]

    return {"mriops": mriops, "finufft": finufft, "ducc0": ducc0}


def build_plan(peers: Sequence[str] | None = None, plan: Plan = RADIAL) -> Built:
    """Set up what sorts the samples."""
    scan = acquire(plan)
    contenders: list[Contender] = []
    missing: list[str] = []
    for peer, make in _plan_makers(scan).items():
        if peers is not None and peer not in peers:
            continue
        try:
            contenders += [Contender(peer, name, call, lambda made: made) for name, call in make()]
        except ImportError as error:
            missing.append(f"{peer}: {error}")
    return Built(contenders, lambda who, made: float("nan"), missing)


CASES: tuple[Case, ...] = (
    Case(
        name=f"nufft-trajectory-{RADIAL.size}-{_TARGET:.0e}",
        title=f"Gradient of the trajectory, {RADIAL.title}, error {_TARGET:.0e}",
        build=build_gradient,
        goals={"forward": 0.5, "mri-nufft": 3.0, "pytorch-finufft": 3.0},
        limits={"error": _TARGET},
        memory=False,  # the forward pass, before the clock starts, leaves scratch that the backward pass finds
    ),
    Case(
        name=f"nufft-plan-{RADIAL.size}",
        title=f"Plan: sorting {RADIAL.title}",
        build=build_plan,
        goals={"finufft": 1.0, "ducc0": 1.0},
        memory=False,
        seconds=2.0,
    ),
)
