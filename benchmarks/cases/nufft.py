"""sense_nufft, its adjoint and the fused normal operator, along four trajectories, at equal errors of all software."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from benchmarks.case import Built, Case
from benchmarks.contender import Contender
from benchmarks.direct_sums import comparison
from benchmarks.peers.nufft import contenders
from benchmarks.scans import DYNAMIC, KOOSHBALL, RADIAL, SPIRAL, Plan, Scan, acquire

_OPS = {"forward": "sense_nufft", "adjoint": "sense_nufft_adjoint", "gram": "sense_nufft_gram"}
_NATIVE = ("mriops", "ducc0", "finufft")


def quality(scan: Scan, work: str) -> Callable[[Contender, Any], float]:
    """Errors against direct sums, which are worked out when first asked for."""
    made: list[Callable[[Any], float]] = []

    def error(contender: Contender, result: Any) -> float:
        if not made:
            made.append(comparison(scan, work))
        return made[0](contender.canonical(result))

    return error


def build(
    plan: Plan,
    work: str,
    target: float,
    software: Sequence[str],
    peers: Sequence[str] | None = None,
    *,
    tiny: bool = False,
) -> Built:
    """Set up the software of a case, each with the settings that give the error ``target``."""
    scan = acquire(plan.tiny() if tiny else plan)
    wanted = [name for name in software if peers is None or name in peers]
    found, missing = contenders(scan, work, target, wanted, tiny=tiny)
    return Built(found, quality(scan, work), missing)


def _case(
    plan: Plan, work: str, target: float, goals: Mapping[str, float], others: Sequence[str] = (), *, quick: bool = False
) -> Case:
    software = (*_NATIVE, *others)
    return Case(
        name=f"nufft-{work}-{plan.size}-{target:.0e}",
        title=f"`{_OPS[work]}` {plan.title}, error {target:.0e}",
        build=partial(build, plan, work, target, software),
        tiny=partial(build, plan, work, target, software, tiny=True),
        goals=goals,
        limits={"error": target},
        quick=quick,
    )


def _native(goal: float, wheel: float | None = None) -> dict[str, float]:
    return {"ducc0": goal, "finufft": wheel or goal}


_PACKAGES = ("mri-nufft", "sigpy", "mrpro", "torchkbnufft")


def _cases() -> list[Case]:
    made = []
    for target, radial, spiral, volume in ((1e-3, 5.0, 3.5, 3.0), (1e-5, 4.0, 3.5, 2.0)):
        for work in ("forward", "adjoint"):
            goals = _native(radial, 8.0) | {"torchkbnufft": 50.0}
            made.append(_case(RADIAL, work, target, goals, _PACKAGES, quick=target == 1e-3))
        made.append(_case(RADIAL, "gram", target, _native(6.0), ("mri-nufft",)))
        made += [_case(SPIRAL, work, target, _native(spiral)) for work in ("forward", "adjoint")]
        made += [_case(KOOSHBALL, work, target, _native(volume)) for work in ("forward", "adjoint")]
        made.append(_case(KOOSHBALL, "gram", target, _native(volume) | {"mrpro": 10.0}, ("mrpro",)))
    dynamic = _native(2.5) | {"mrpro": 8.0}
    made += [_case(DYNAMIC, work, 1e-3, dynamic, ("mrpro",)) for work in ("forward", "adjoint", "gram")]
    for plan in (RADIAL.one_coil(), KOOSHBALL.one_coil()):
        made += [_case(plan, work, 1e-3, {}) for work in ("forward", "adjoint", "gram")]
    return made


CASES: tuple[Case, ...] = tuple(_cases())
