"""The benchmark cases: the Cartesian SENSE table, CG-SENSE, ESPIRiT; NUFFT, Toeplitz, trajectories; Bloch, extended
phase graphs, voxelwise fits; op overhead."""

from __future__ import annotations

from benchmarks.case import Case
from benchmarks.cases.bloch import CASES as _BLOCH
from benchmarks.cases.cg_sense import CASES as _CG
from benchmarks.cases.epg import CASES as _EPG
from benchmarks.cases.espirit import CASES as _ESPIRIT
from benchmarks.cases.fit import CASES as _FIT
from benchmarks.cases.nufft import CASES as _NUFFT
from benchmarks.cases.nufft_trajectory import CASES as _TRAJECTORY
from benchmarks.cases.overhead import CASES as _OVERHEAD
from benchmarks.cases.sense import CASES as _SENSE
from benchmarks.cases.toeplitz import CASES as _TOEPLITZ

_ENCODING = (*_SENSE, *_CG, *_ESPIRIT, *_NUFFT, *_TOEPLITZ, *_TRAJECTORY)
CASES: tuple[Case, ...] = (*_ENCODING, *_BLOCH, *_EPG, *_FIT, *_OVERHEAD)


def by_name(names: list[str] | None, *, quick: bool = False) -> list[Case]:
    """Return the cases asked for; a name may be a prefix.

    Raises
    ------
    ValueError
        If a name fits no case.
    """
    if not names:
        return [case for case in CASES if case.quick or not quick]
    chosen: list[Case] = []
    for name in names:
        fitting = [case for case in CASES if case.name.startswith(name)]
        if not fitting:
            raise ValueError(f"case: expected the start of one of {', '.join(c.name for c in CASES)}, got {name!r}")
        chosen += [case for case in fitting if case not in chosen]
    return chosen
