"""Markdown tables out of the results, and their place in the README and the documentation.

A text carries ``<!-- benchmarks:NAME:start -->`` and ``<!-- benchmarks:NAME:end -->``; what is between belongs to
this file. `python -m benchmarks table` writes it, a test checks that it is in step with the csv.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import machine_peaks, results
from benchmarks.case import Case
from benchmarks.cases import CASES
from benchmarks.machine import RESULTS, ROOT, slug
from benchmarks.peers.nufft import ONE_COIL
from benchmarks.results import Row

#: Files that carry tables.
_PAGES = ("performance.md", "numbers.md", "real_data.md", "factory.md")
TEXTS = (ROOT / "README.md", *(ROOT / "docs" / name for name in _PAGES))
#: One table each: what its cases' names start with.
_FAMILIES = {
    "Cartesian encoding": ("gram", "forward", "adjoint", "cg-sense", "espirit"),
    "Encoding along trajectories": ("nufft-forward", "nufft-adjoint"),
    "Normal operator along trajectories": ("nufft-gram", "toeplitz"),
    "Gradient of the trajectory, plans": ("nufft-trajectory", "nufft-plan"),
    "Spin physics, signal models and fits": ("epg", "bloch", "fit"),
    "Cost of a call": ("overhead",),
}
_COIL_LOOP = "torch.fft, coil by coil"
_MRI_PACKAGES = ("sigpy", "mrpro", "deepinv", "bart", "mri-nufft", "torchkbnufft", "pytorch-finufft", "torchsim")
_MRI_PACKAGES += ("mrphy",)
_PEERS = ("torch.fft", _COIL_LOOP, "ducc0", "finufft", "sigpy", "mrpro", "deepinv", "bart", "mri-nufft")
_PEERS += ("pytorch-finufft", "torchkbnufft", "torch.compile", "torch", "numba", "torchsim", "mrphy", "scipy")
_PEERS += ("scalar C++", "C++ in float", "torch C++ op", "torch custom_op", "forward")
_LEAN = f"mriops, {ONE_COIL}"
#: Not other software: mriops with less memory, and its forward pass beside gradients.
_OWN = ("mriops", _LEAN, "forward")
_NONE = "No measurement is recorded yet: run `python -m benchmarks run`.\n"


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _time(ms: float) -> str:
    if not ms:
        return "-"
    return f"{_number(ms * 1e3)} µs" if ms < 0.1 else f"{_number(ms)} ms"


def _ratio(row: Row | None, ours: Row, goal: float | None) -> str:
    if row is None or not ours.cpu_ms:
        return "-"
    ratio = row.cpu_ms / ours.cpu_ms
    text = f"{ratio:.1f}x"
    if goal is None:
        return text
    return f"**{text}**" if ratio >= goal else f"{text} (goal {goal:g}x)"


def _wall(best: Mapping[str, Row]) -> str:
    """Wall time with two threads, and how many times longer the fastest other software takes."""
    ours = best["mriops"]
    others = [row.wall_ms for peer, row in best.items() if peer not in _OWN and row.wall_ms]
    if not ours.wall_ms:
        return "-"
    return f"{_time(ours.wall_ms)}, {min(others) / ours.wall_ms:.1f}x" if others else _time(ours.wall_ms)


def _memory(best: Mapping[str, Row]) -> str:
    """Peak above the inputs, also with one coil at a time, and that of the leanest other software."""
    ours = best["mriops"]
    others = {peer: row.peak_mib for peer, row in best.items() if peer not in _OWN and row.peak_mib}
    if not ours.peak_mib:
        return "-"
    text = f"{_number(ours.peak_mib)} MiB"
    if _LEAN in best and best[_LEAN].peak_mib:
        text += f", {ONE_COIL} {_number(best[_LEAN].peak_mib)}"
    leanest = min(others, key=others.__getitem__, default="")
    return f"{text} ({leanest} {_number(others[leanest])})" if others else text


def _error(case: Case, ours: Row) -> str:
    if math.isnan(ours.error):
        return "-"
    text, limit = f"{ours.error:.1e}", case.limits.get("error")
    return text if limit is None or ours.error <= limit else f"{text} (goal {limit:.0e})"


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
    """Best variant per column: as `results.best_by_peer`, coil by coil apart from the other ways."""
    lean = [row for row in rows if row.peer == "mriops" and ONE_COIL in row.variant]
    best = results.best_by_peer(row for row in rows if "coil loop" not in row.variant and row not in lean)
    if lean:
        best[_LEAN] = lean[0]
    loops = [row for row in rows if "coil loop" in row.variant]
    if loops:
        best[_COIL_LOOP] = min(loops, key=lambda row: row.cpu_ms)
    return best


def ratio_table(rows: Sequence[Row]) -> str:
    """Per family, one line per case: mriops' time, every peer's best variant as a ratio to it; goals met in bold."""
    chosen = list(_measured(rows))
    if not chosen:
        return _NONE
    parts = []
    for title in _FAMILIES:
        family = [(case, _columns(own)) for case, own in chosen if family_of(case.name) == title]
        if family:
            parts.append(_family_table(title, family))
    return "\n\n".join(parts) + "\n\n" + _origin(rows)


def family_of(name: str) -> str:
    """Return the title of the table that shows a case.

    Raises
    ------
    ValueError
        If there is none, or more than one.
    """
    found = [title for title, starts in _FAMILIES.items() if any(name.startswith(f"{start}-") for start in starts)]
    if len(found) != 1:
        raise ValueError(f"name: expected a case of one family, got {name!r} of {found}")
    return found[0]


def _family_table(title: str, family: Sequence[tuple[Case, dict[str, Row]]]) -> str:
    peers = [peer for peer in _PEERS if any(peer in best for _, best in family)]
    with_memory = any(best["mriops"].peak_mib for _, best in family)
    heads = [title, "mriops", *peers, "two threads, wall", *(["memory"] if with_memory else []), "error"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for case, best in family:
        ours = best["mriops"]
        cells = [case.title, _own_time(case, ours)]
        cells += [_ratio(best.get(peer), ours, case.goals.get(peer)) for peer in peers]
        cells += [_wall(best), *([_memory(best)] if with_memory else []), _error(case, ours)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def summary_table(rows: Sequence[Row], *, names: Sequence[str]) -> str:
    """One line per case: mriops beside the fastest other software and the fastest package for MRI, without goals."""
    chosen = [(case, _columns(own)) for case, own in _measured(rows) if case.name in names]
    if not chosen:
        return _NONE
    heads = ["work", "mriops", "fastest other software", "fastest MRI package", "two threads, wall", "error"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for case, best in chosen:
        cells = [
            case.title,
            _time(best["mriops"].cpu_ms),
            _fastest(best, [peer for peer in best if peer not in _OWN]),
            _fastest(best, _MRI_PACKAGES),
        ]
        lines.append(f"| {' | '.join([*cells, _wall(best), _error(case, best['mriops'])])} |")
    return "\n".join(lines) + "\n\n" + _origin(rows, goals=False)


def _fastest(best: Mapping[str, Row], peers: Sequence[str]) -> str:
    rows = {peer: best[peer] for peer in peers if peer in best}
    if not rows:
        return "-"
    peer = min(rows, key=lambda name: rows[name].cpu_ms)
    return f"{peer} {_ratio(rows[peer], best['mriops'], None)}"


def machine_table(machines: Sequence[Sequence[Row]], *, names: Sequence[str]) -> str:
    """One line per case: mriops' time on each machine, and the fastest other software there."""
    machines = [rows for rows in machines if rows]
    if not machines:
        return _NONE
    columns = [{case.name: _columns(own) for case, own in _measured(rows)} for rows in machines]
    titles = {case.name: case.title for case in CASES if case.name in names}
    heads = ["work", *(rows[0].cpu for rows in machines)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, title in titles.items():
        cells = []
        for best in (column.get(name) for column in columns):
            others = [] if best is None else [peer for peer in best if peer not in _OWN]
            cells.append("-" if best is None else f"{_time(best['mriops'].cpu_ms)}, {_fastest(best, others)}")
        if set(cells) != {"-"}:
            lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n" + "\n".join(_origin(rows, ratios=False) for rows in machines)


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
    return "\n".join(lines) + "\n\n" + _origin(rows, ratios=False)


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
                f"| {_error(replace(case, limits={}), row)} | {memory} |"
            )
    return "\n".join(lines) + "\n\n" + _origin(rows, ratios=False)


def peak_table(rows: Sequence[Row]) -> str:
    """Peaks of one core, and of two where it says so, of the machines in ``rows``."""
    lines = ["| machine | peak | |", "|---|---|---|"]
    for cpu in dict.fromkeys(row.cpu for row in rows):
        for name, value in machine_peaks.load(cpu, measure_if_missing=False).items():
            unit = "GFlop/s" if name.startswith("fma") else "GB/s"
            lines.append(f"| {cpu} | {name.replace('_', ' ')} | {value:.1f} {unit} |")
    return "\n".join(lines) + "\n" if len(lines) > 2 else _NONE


def _with_one_coil(rows: Sequence[Row]) -> Iterator[tuple[Case, dict[str, Row]]]:
    for case, own in _measured(rows):
        best = _columns(own)
        if _LEAN in best and best[_LEAN].peak_mib:
            yield case, best


def memory_table(machines: Sequence[Sequence[Row]]) -> str:
    """Memory of work along trajectories, as it comes and with one coil at a time, and what the latter costs in time."""
    chosen = next(filter(None, (list(_with_one_coil(rows)) for rows in machines)), None)
    if chosen is None:
        return _NONE
    heads = ["memory above inputs", "mriops", ONE_COIL, "leanest other", f"time, {ONE_COIL}", "time, leanest other"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for case, best in chosen:
        ours, lean = best["mriops"], best[_LEAN]
        others = {peer: row for peer, row in best.items() if peer not in _OWN and row.peak_mib}
        peer = min(others, key=lambda name: others[name].peak_mib, default=None)
        cells = [case.title, f"{_number(ours.peak_mib)} MiB", f"{_number(lean.peak_mib)} MiB"]
        cells.append("-" if peer is None else f"{peer} {_number(others[peer].peak_mib)} MiB")
        cells += [_ratio(lean, ours, None), "-" if peer is None else _ratio(others[peer], ours, None)]
        lines.append(f"| {' | '.join(cells)} |")
    text = "\n".join(lines) + "\n\n" + _origin([row for _, best in chosen for row in best.values()], ratios=False)
    return text + "Times are ratios to those of mriops as it comes.\n"


def _origin(rows: Sequence[Row], *, ratios: bool = True, goals: bool = True) -> str:
    """Machine, dates and commits, and what the signs of a table with ``ratios`` and ``goals`` say."""
    cpus = ", ".join(dict.fromkeys(row.cpu for row in rows))
    dates = sorted({row.date for row in rows})
    commits = ", ".join(dict.fromkeys(f"`{row.commit}`" for row in rows))
    span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    text = f"{cpus}; {span}; commit {commits}. One thread, median CPU time, all software in one process, interleaved"
    if not ratios:
        return text + ".\n"
    text += "; `x` says how many times longer the fastest variant of other software takes."
    return text + (" Bold: the goal is met.\n" if goals else "\n")


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
    "gram-8x160x192x160-3d",
    "gram-8x160x192x160-kykz",
    "forward-16x320x320-2d",
    "adjoint-16x320x320-2d",
    "cg-sense-16x320x320-2d",
    "espirit-16x320x320",
    "nufft-forward-12x256x256-1e-03",
    "nufft-adjoint-12x256x256-1e-03",
    "nufft-gram-12x256x256-1e-03",
    "toeplitz-12x256x256",
    "nufft-trajectory-12x256x256-1e-03",
    "nufft-forward-32x320x320-1e-03",
    "nufft-adjoint-32x320x320-1e-03",
    "toeplitz-32x320x320",
    "nufft-forward-8x128x128x128-1e-03",
    "nufft-gram-8x128x128x128-1e-03",
    "nufft-adjoint-40x12x256x256-1e-03",
    "bloch-exact-512x100k",
    "epg-fisp-10000x1000-forward",
    "epg-fisp-10000x1000-jacobian",
    "epg-cpmg-100000x32-vjp",
    "fit-mono-655360",
    "fit-ir-655360",
    "overhead-forward",
    "overhead-backward",
)


def tables(rows: Sequence[Row]) -> dict[str, str]:
    """All tables by marker name."""
    machines = [results.read(path) for path in results.files()]
    return {
        "summary": summary_table(rows, names=_README_CASES),
        "machines": machine_table(machines, names=_README_CASES),
        "ratios": ratio_table(rows),
        "memory": memory_table(machines),
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
    """Rows of the results file that the texts show: that of ``cpu``, else of the most cases, else measured last."""
    if cpu is not None:
        return results.read(RESULTS / f"{slug(cpu)}.csv")
    files = [rows for rows in map(results.read, results.files()) if rows]
    return max(files, key=lambda rows: (len({row.case for row in rows}), max(row.date for row in rows)), default=[])


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
