"""What the runner needs to know about one benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.contender import Contender
from benchmarks.costs import Cost


@dataclass(frozen=True)
class Built:
    """Inputs made, peers ready.

    ``quality`` maps a contender's raw result to the number of column "error" (relative error against complex128, or
    NRMSE against the phantom, as the case says; NaN where nothing is approximated); ``missing`` tells which peers are
    not there and why.
    """

    contenders: Sequence[Contender]
    quality: Callable[[Contender, Any], float]
    missing: Sequence[str] = ()
    cost: Cost | None = None


@dataclass(frozen=True)
class Case:
    """One row of the table: its name, its goals and how it is built.

    ``goals`` are ratios of one-thread CPU times by peer; ``limits`` bound mriops' own figures, ``microseconds`` or
    ``error``; ``seconds`` is the wall time to spend per column. ``tiny`` builds a small problem for the same peers,
    which loads and compiles what they load and compile on first use, before memory is measured.
    """

    name: str
    title: str
    build: Callable[[Sequence[str] | None], Built]
    goals: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    quality_name: str = "relative error"
    memory: bool = True
    quick: bool = False
    seconds: float = 2.0
    tiny: Callable[[Sequence[str] | None], Built] | None = None
