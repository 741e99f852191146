"""Rows of the results files, one per contender of a case: read, merged by case, written."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from benchmarks.machine import RESULTS


@dataclass(frozen=True)
class Row:
    """One contender's figures; 0 where a figure was not taken.

    ``cpu_ms``: one thread, CPU time, median. ``wall_ms``: two threads, wall time, median. ``error``: what the case
    calls quality. ``peak_mib``: memory above the inputs. ``gflops``, ``gbs``: least work over ``cpu_ms``; the shares
    are of this machine's multiply-add peak and of its memory's copy bandwidth.
    """

    case: str
    peer: str
    variant: str
    cpu_ms: float
    wall_ms: float
    error: float
    peak_mib: float
    gflops: float
    gbs: float
    share_fma: float
    share_copy: float
    rounds: int
    version: str
    cpu: str
    date: str
    commit: str


_NUMBERS = {f.name for f in fields(Row) if f.type == "float"}


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as csv, floats with five digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Row)], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.5g}" if k in _NUMBERS else v for k, v in asdict(row).items()})


def read(path: Path) -> list[Row]:
    """Read a results file; an absent file has no rows.

    Raises
    ------
    ValueError
        If the columns are not those of `Row`.
    """
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        expected = [f.name for f in fields(Row)]
        if reader.fieldnames != expected:
            raise ValueError(f"{path.name}: expected columns {expected}, got {reader.fieldnames}")
        return [_row(line) for line in reader]


def _row(line: dict[str, str]) -> Row:
    values: dict[str, object] = dict(line)
    for name in _NUMBERS:
        values[name] = float(line[name])
    values["rounds"] = int(line["rounds"])
    return Row(**values)  # type: ignore[arg-type]


def merge(old: Sequence[Row], new: Sequence[Row], order: Sequence[str]) -> list[Row]:
    """Replace the cases that were run again, keep the others, sort by ``order`` of case names."""
    fresh = {row.case for row in new}
    rows = [row for row in old if row.case not in fresh] + list(new)
    place = {name: i for i, name in enumerate(order)}
    return sorted((row for row in rows if row.case in place), key=lambda row: place[row.case])


def files() -> list[Path]:
    """All files of timings, sorted by name; other tables lie beside them."""
    header = ",".join(f.name for f in fields(Row))
    return [path for path in sorted(RESULTS.glob("*.csv")) if path.open().readline().strip() == header]


def best_by_peer(rows: Iterable[Row]) -> dict[str, Row]:
    """Return the fastest variant (one thread, CPU time) of every peer in the rows of one case."""
    best: dict[str, Row] = {}
    for row in rows:
        if row.peer not in best or row.cpu_ms < best[row.peer].cpu_ms:
            best[row.peer] = row
    return best
