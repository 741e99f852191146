"""How each peer does the SENSE workloads: one file per peer, each with `contenders(problem)`.

A peer that is not installed is left out of the run and named in the log. Every peer gets its inputs in the layout it
likes best, prepared outside the clock.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from benchmarks.contender import Contender
from benchmarks.workloads import Problem

#: Module of this folder by peer name, in the order they are timed in.
PEERS = {
    "mriops": "mriops_ops",
    "torch.fft": "torch_fft",
    "sigpy": "sigpy_linop",
    "mrpro": "mrpro_operators",
    "deepinv": "deepinv_physics",
}


def sense_contenders(problem: Problem, peers: Sequence[str] | None = None) -> tuple[list[Contender], list[str]]:
    """Return the contenders of a workload and the peers that are missing here."""
    found: list[Contender] = []
    missing: list[str] = []
    for peer, module in PEERS.items():
        if peers is not None and peer not in peers:
            continue
        try:
            found += importlib.import_module(f"benchmarks.peers.{module}").contenders(problem)
        except Exception as error:
            if peer == "mriops":
                raise
            missing.append(f"{peer}: {error}")  # not installed, or not with this torch
    return found, missing
