"""Chains of radices: the one that is chosen for a length beside the fastest of all.

`python -m benchmarks.radices [LENGTH ...]` times every chain of up to four codelets for this machine's instruction sets
and prints a table; the stage times of `csrc/fft/plan.h` were fitted to such tables.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from benchmarks.compiled import run

SOURCE = Path(__file__).with_name("chains.cpp")
LENGTHS = (
    *(64, 72, 80, 96, 100, 108, 112, 120, 128, 140, 144, 150, 160, 168, 180, 192, 200, 210, 216, 224, 240, 250, 252),
    *(256, 270, 280, 288, 300, 320, 336, 352, 360, 384, 400, 420, 432, 448, 480, 500, 512, 540, 560, 576, 600, 640),
    *(672, 720, 768, 800, 896, 960, 1024),
)


class Chain(NamedTuple):
    """The radices of a length, and the time of a round trip [ns per row of lanes]."""

    length: int
    time: float
    chosen: bool
    radices: tuple[int, ...]


def measure(isa: str, lengths: tuple[int, ...] = LENGTHS) -> list[Chain]:
    """Time all chains of the lengths."""
    flags = ("-fno-math-errno", "-fno-trapping-math")
    rows = [line.split() for line in run(SOURCE, isa, [str(n) for n in lengths], flags)]
    return [Chain(int(n), float(t), chosen == "1", tuple(map(int, rest))) for n, t, chosen, *rest in rows]


def compare(chains: list[Chain]) -> dict[int, tuple[Chain, Chain]]:
    """By length: the chosen chain and the fastest; lengths whose chosen chain is not among those timed are left out."""
    found = {}
    for length in sorted({chain.length for chain in chains}):
        own = [chain for chain in chains if chain.length == length]
        chosen = next((chain for chain in own if chain.chosen), None)
        if chosen is not None:
            found[length] = chosen, min(own, key=lambda chain: chain.time)
    return found
