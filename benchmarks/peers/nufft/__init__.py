"""How each software does the work along trajectories: one file each, with `ways(work, target, ndim)`.

Works are ``forward``, ``adjoint`` and ``gram`` (forward and adjoint, or a convolution). Software without coil maps
(ducc0, finufft, and sigpy's transforms) is given coil images: neither the product with the maps nor the sum over coils
is in its time. Plans are made outside the clock and kept, one per number of threads; all coils go into one call where
there is such a call.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from benchmarks import accuracy
from benchmarks.contender import Contender
from benchmarks.scans import Scan

Call = Callable[[], Any]

#: The variant of mriops with the least memory.
ONE_COIL = "one coil at a time"
#: Module of this folder by name of the software, in the order in which they take turns.
PEERS = {
    "mriops": "mriops_ops",
    "ducc0": "ducc0_plan",
    "finufft": "finufft_plan",
    "mri-nufft": "mrinufft_operator",
    "sigpy": "sigpy_nufft",
    "mrpro": "mrpro_operators",
    "torchkbnufft": "torchkbnufft_modules",
}


@dataclass(frozen=True)
class Way:
    """One way of a software: a ladder of settings, and how to do the work with one of them.

    ``make`` prepares a call (plans, layouts); ``canonical`` turns its result into the project's layout and scale.
    ``same_as`` is the variant whose setting serves here, too. A way is for scans of at least ``least_coils``.
    """

    variant: str
    ladder: Sequence[Any]
    make: Callable[[Scan, Any], Call]
    canonical: Callable[[Scan, Any], torch.Tensor]
    label: Callable[[Any], str] = field(default=lambda setting: f"eps {setting:.1e}")
    same_as: str | None = None
    least_coils: int = 1

    def attempt(self, scan: Scan, setting: Any) -> torch.Tensor:
        """Do the work once."""
        return self.canonical(scan, self.make(scan, setting)())


def per_threads(make: Callable[[int], Call]) -> Call:
    """Return a call with plans for each number of threads: for the present one made now, for another when it comes."""
    made = {torch.get_num_threads(): make(torch.get_num_threads())}

    def call() -> Any:
        threads = torch.get_num_threads()
        if threads not in made:
            made[threads] = make(threads)
        return made[threads]()

    return call


def contenders(
    scan: Scan, work: str, target: float, software: Sequence[str], *, tiny: bool = False
) -> tuple[list[Contender], list[str]]:
    """Return the contenders of a work, each with settings that give the error ``target``, and who is missing and why.

    With ``tiny`` settings are not looked for: any do to load code.
    """
    found: list[Contender] = []
    missing: list[str] = []
    for peer in software:
        try:
            ways = importlib.import_module(f"benchmarks.peers.nufft.{PEERS[peer]}").ways(work, target, scan.ndim)
        except Exception as error:
            if peer == "mriops":
                raise
            missing.append(f"{peer}: {str(error)[:200]}")  # not installed, or not with this torch
            continue
        for way in ways:
            if scan.csm.shape[0] < way.least_coils:
                continue
            name = f"{peer} {way.variant}".strip()
            try:
                ladder = way.ladder[:1] if tiny else way.ladder
                key = name if way.same_as is None else f"{peer} {way.same_as}".strip()
                setting = accuracy.settle(key, ladder, scan, work, target, way.attempt)
                label = ", ".join(filter(None, (way.variant, way.label(setting))))
                found.append(Contender(peer, label, way.make(scan, setting), partial(way.canonical, scan)))
            except Exception as error:
                if peer == "mriops":
                    raise
                missing.append(f"{name}: {str(error)[:200]}")
    return found, missing
