"""Markdown tables out of the results, and their place in the README and the documentation.

A text carries ``<!-- benchmarks:NAME:start -->`` and ``<!-- benchmarks:NAME:end -->``; what is between belongs to
this file. `python -m benchmarks table` writes it, a test checks that it is in step with the csv.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import machine_peaks, results
from benchmarks.case import Case
from benchmarks.cases import CASES
from benchmarks.machine import RESULTS, ROOT, slug
from benchmarks.results import Row

#: Files that carry tables.
_PAGES = ("performance.md", "numbers.md", "real_data.md", "factory.md")
TEXTS = (ROOT / "README.md", *(ROOT / "docs" / name for name in _PAGES))
#: One table each: what its cases' names start with.
_FAMILIES = {
    "Cartesian encoding": ("gram", "forward", "adjoint", "cg", "espirit"),
    "Non-Cartesian encoding": ("nufft", "toeplitz"),
    "Spin physics, signal models and fits": ("epg", "bloch", "fit"),
    "Cost of a call": ("overhead",),
}
_COIL_LOOP = "torch.fft, coil by coil"
_PEERS = ("torch.fft", _COIL_LOOP, "sigpy", "mrpro", "deepinv", "bart", "ducc0", "finufft", "torchkbnufft")
_PEERS += ("torch.compile", "torch", "torchsim", "scipy", "forward", "torch C++ op", "torch custom_op")
_NONE = "No measurement is recorded yet: run `python -m benchmarks run`.\n"


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _time(ms: float) -> str:
    if not ms:
        return "-"
    return f"{_number(ms * 1e3)} µs" if ms < 0.1 else f"{_number(ms)} ms"


def _ratio(row: Row | None, ours: Row, goal: float | None, column: str) -> str:
    if row is None or not getattr(ours, column):
        return "-"
    ratio = getattr(row, column) / getattr(ours, column)
    text = f"{ratio:.1f}x"
    if goal is None or column != "cpu_ms":
        return text
    return f"**{text}**" if ratio >= goal else f"{text} (goal {goal:g}x)"


def _own_time(case: Case, ours: Row) -> str:
    limit = case.limits.get("microseconds")
    text = _time(ours.cpu_ms)
    if limit is None:
        return text
    return f"**{text}**" if ours.cpu_ms * 1e3 <= limit else f"{text} (goal {limit:g} µs)"


def _measured(rows: Sequence[Row]) -> Iterator[tuple[Case, list[Row]]]:
    for case in CASES:
        own = [row for row in rows if row.case == case.name]
        if any(row.peer == "mriops" for row in own):
            yield case, own


def _columns(rows: Sequence[Row]) -> dict[str, Row]:
    """Best variant per column: as `results.best_by_peer`, loops over coils apart from the other ways of torch.fft."""
    best = results.best_by_peer(row for row in rows if "coil loop" not in row.variant)
    loops = [row for row in rows if "coil loop" in row.variant]
    if loops:
        best[_COIL_LOOP] = min(loops, key=lambda row: row.cpu_ms)
    return best


def ratio_table(rows: Sequence[Row], *, names: Sequence[str] | None = None) -> str:
    """Per family, one line per case: mriops' time, every peer's best variant as a ratio to it; goals met in bold."""
    chosen = [(case, own) for case, own in _measured(rows) if names is None or case.name in names]
    if not chosen:
        return _NONE
    parts = []
    for title, starts in _FAMILIES.items():
        family = [(case, _columns(own)) for case, own in chosen if case.name.split("-")[0] in starts]
        if family:
            parts.append(_family_table(title, family))
    return "\n\n".join(parts) + "\n\n" + _origin(rows)


def _family_table(title: str, family: Sequence[tuple[Case, dict[str, Row]]]) -> str:
    peers = [peer for peer in _PEERS if any(peer in best for _, best in family)]
    lines = [
        f"| {title} | mriops | {' | '.join(peers)} | two threads, wall | error |",
        f"|---|---|{'---|' * len(peers)}---|---|",
    ]
    for case, best in family:
        ours = best["mriops"]
        cells = [_ratio(best.get(peer), ours, case.goals.get(peer), "cpu_ms") for peer in peers]
        main = next((best[p] for p in peers if p in best), None)
        wall = f"{_time(ours.wall_ms)}, {_ratio(main, ours, None, 'wall_ms')}" if ours.wall_ms else "-"
        lines.append(f"| {case.title} | {_own_time(case, ours)} | {' | '.join(cells)} | {wall} | {ours.error:.1e} |")
    return "\n".join(lines)


def rate_table(rows: Sequence[Row]) -> str:
    """Achieved rates of mriops beside this machine's peaks, and peak memory beside the leanest fast peer."""
    chosen = [(case, own) for case, own in _measured(rows) if any(row.gflops for row in own)]
    if not chosen:
        return _NONE
    lines = [
        "| work | GFlop/s | of FMA peak | GB/s | of DRAM copy | memory above inputs | torch.fft memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for case, own in chosen:
        best = results.best_by_peer(own)
        ours, torch_row = best["mriops"], best.get("torch.fft")
        other = f"{torch_row.peak_mib:.0f} MiB" if torch_row and torch_row.peak_mib else "-"
        mine = f"{ours.peak_mib:.1f} MiB" if ours.peak_mib else "-"
        lines.append(
            f"| {case.title} | {ours.gflops:.1f} | {ours.share_fma:.0%} | {ours.gbs:.2f} | {ours.share_copy:.0%} "
            f"| {mine} | {other} |"
        )
    return "\n".join(lines) + "\n\n" + _origin(rows)


def variant_table(rows: Sequence[Row]) -> str:
    """Everything that was timed."""
    chosen = list(_measured(rows))
    if not chosen:
        return _NONE
    lines = [
        "| work | software | variant | one thread | two threads, wall | error | memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for case, own in chosen:
        for row in own:
            memory = f"{row.peak_mib:.1f} MiB" if row.peak_mib else "-"
            software = f"{row.peer} {row.version}".strip()
            lines.append(
                f"| {case.title} | {software} | {row.variant or '-'} | {_time(row.cpu_ms)} | {_time(row.wall_ms)} "
                f"| {row.error:.1e} | {memory} |"
            )
    return "\n".join(lines) + "\n\n" + _origin(rows)


def peak_table(rows: Sequence[Row]) -> str:
    """Peaks of one core of the machines in ``rows``."""
    lines = ["| machine | peak | |", "|---|---|---|"]
    for cpu in dict.fromkeys(row.cpu for row in rows):
        for name, value in machine_peaks.load(cpu, measure_if_missing=False).items():
            unit = "GFlop/s" if name.startswith("fma") else "GB/s"
            lines.append(f"| {cpu} | {name.replace('_', ' ', 1)} | {value:.1f} {unit} |")
    return "\n".join(lines) + "\n" if len(lines) > 2 else _NONE


def _origin(rows: Sequence[Row]) -> str:
    cpus = ", ".join(dict.fromkeys(row.cpu for row in rows))
    dates = sorted({row.date for row in rows})
    commits = ", ".join(dict.fromkeys(f"`{row.commit}`" for row in rows))
    span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return (
        f"{cpus}; {span}; commit {commits}. One thread, median CPU time, all software in one process, interleaved; a "
        "peer's column says how many times longer its fastest variant takes. Bold: the goal is met.\n"
    )


def real_data_table(path: Path = RESULTS / "real_data.csv") -> str:
    """NRMSE and SSIM on measured data, one line per scan and acceleration."""
    if not path.is_file():
        return "No measurement is recorded yet: run `python -m benchmarks.real_data`.\n"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    methods = list(dict.fromkeys(row["method"] for row in rows))
    lines = [f"| scan | R | {' | '.join(methods)} |", f"|---|---|{'---|' * len(methods)}"]
    for scan, factor in dict.fromkeys((row["scan"], row["acceleration"]) for row in rows):
        own = {r["method"]: r for r in rows if (r["scan"], r["acceleration"]) == (scan, factor)}
        cells = [f"{float(own[m]['nrmse']):.3f}, {float(own[m]['ssim']):.3f}" if m in own else "-" for m in methods]
        lines.append(f"| {scan} | {factor} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def bindings_table(path: Path = RESULTS / "bindings.csv") -> str:
    """What a call costs by its way from Python to the kernel."""
    if not path.is_file():
        return "No measurement is recorded yet: run `python -m benchmarks.bindings`.\n"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = ["| way to the kernel | checks arguments | forward | forward and backward |", "|---|---|---|---|"]
    for row in rows:
        both = f"{row['forward_backward_us']} µs" if row["forward_backward_us"] else "-"
        lines.append(f"| {row['route']} | {row['checks']} | {row['forward_us']} µs | {both} |")
    machines = ", ".join(dict.fromkeys(f"{row['cpu']}, {row['date']}" for row in rows))
    return "\n".join(lines) + f"\n\n{machines}.\n"


_README_CASES = (
    "gram-16x320x320-2d",
    "gram-16x320x320-1d",
    "gram-32x16x320x320-2d",
    "gram-32x16x320x320-1d",
    "gram-8x160x192x160-3d",
    "gram-8x160x192x160-kykz",
    "forward-16x320x320-2d",
    "adjoint-16x320x320-2d",
    "cg-sense-16x320x320-2d",
    "cg-sense-16x320x320-1d",
    "espirit-16x320x320",
    *(case.name for case in CASES if case.name.split("-")[0] in ("nufft", "toeplitz", "epg", "bloch", "fit")),
    "overhead-forward",
    "overhead-backward",
)


def tables(rows: Sequence[Row]) -> dict[str, str]:
    """All tables by marker name."""
    return {
        "summary": ratio_table(rows, names=_README_CASES),
        "ratios": ratio_table(rows),
        "rates": rate_table(rows),
        "variants": variant_table(rows),
        "peaks": peak_table(rows),
        "real-data": real_data_table(),
        "bindings": bindings_table(),
    }


def replace_tables(text: str, by_name: dict[str, str]) -> str:
    """Return ``text`` with the part between each pair of markers replaced.

    Raises
    ------
    ValueError
        If a marker names no table.
    """

    def fill(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in by_name:
            raise ValueError(f"marker: expected one of {sorted(by_name)}, got {name!r}")
        return f"{match['start']}\n{by_name[name]}{match['end']}"

    pattern = r"(?P<start><!-- benchmarks:(?P<name>[\w-]+):start -->)\n.*?(?P<end><!-- benchmarks:(?P=name):end -->)"
    return re.sub(pattern, fill, text, flags=re.DOTALL)


def main_rows(cpu: str | None = None) -> list[Row]:
    """Rows of the results file that the texts show: that of ``cpu``, else the one measured last."""
    if cpu is not None:
        return results.read(RESULTS / f"{slug(cpu)}.csv")
    files = [rows for rows in map(results.read, results.files()) if rows]
    return max(files, key=lambda rows: max(row.date for row in rows), default=[])


def outdated(texts: Sequence[Path] = TEXTS) -> list[Path]:
    """Texts whose tables are not what the csv says."""
    by_name = tables(main_rows())
    return [path for path in texts if path.is_file() and replace_tables(path.read_text(), by_name) != path.read_text()]


def update(texts: Sequence[Path] = TEXTS) -> list[Path]:
    """Write the tables into the texts and return the texts that changed."""
    by_name = tables(main_rows())
    changed = outdated(texts)
    for path in changed:
        path.write_text(replace_tables(path.read_text(), by_name))
    return changed
