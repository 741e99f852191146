"""Command line: `python -m benchmarks [run] | table | list | peaks`."""

from __future__ import annotations

import os

# Before numpy and torch come in: their thread pools read these once. The second column sets torch's threads by call.
for _name in ("OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Sequence  # noqa: E402


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="time the cases, write benchmarks/results/<cpu>.csv, print a table")
    run.add_argument("--case", action="append", metavar="NAME", help="a case or the start of its name; may be repeated")
    run.add_argument("--peer", action="append", metavar="NAME", help="only these peers (mriops is always in)")
    run.add_argument("--quick", action="store_true", help="a few rounds of a few cases; nothing is written")
    run.add_argument("--no-memory", action="store_true", help="leave out peak memory")
    run.add_argument("--no-write", action="store_true", help="leave the results file alone")
    commands.add_parser("table", help="write the tables into README.md and docs/performance.md")
    commands.add_parser("list", help="name all cases")
    commands.add_parser("peaks", help="measure this machine's peaks and store them")
    memory = commands.add_parser("memory", help="peak memory of contenders of one case (used by run)")
    memory.add_argument("case")
    memory.add_argument("contender", nargs="+")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _run(arguments: argparse.Namespace) -> None:
    from benchmarks import machine, results, runner, table
    from benchmarks.cases import CASES, by_name

    runner.set_up_process()
    path = machine.RESULTS / f"{machine.slug(machine.cpu_name())}.csv"
    peers = None if arguments.peer is None else ["mriops", *arguments.peer]
    rows: list[results.Row] = []
    for case in by_name(arguments.case, quick=arguments.quick):
        start = time.perf_counter()
        _say(case.title)
        new = runner.run_case(case, quick=arguments.quick, peers=peers, with_memory=not arguments.no_memory, log=_say)
        for line in runner.describe(new):
            _say(line)
        _say(f"  {case.name}: {time.perf_counter() - start:.0f} s")
        rows += new
        if not (arguments.quick or arguments.no_write or peers):
            merged = results.merge(results.read(path), new, [case.name for case in CASES])
            results.write(path, merged)  # after every case: a run that is cut off keeps what it has
    _say("\n" + table.ratio_table(rows))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words.insert(0, "run")
    arguments = _parser().parse_args(words)
    if arguments.command == "run":
        _run(arguments)
    elif arguments.command == "table":
        from benchmarks import table

        for path in table.update():
            _say(f"updated {path.name}")
    elif arguments.command == "list":
        from benchmarks.cases import CASES

        for case in CASES:
            _say(f"{case.name:32s} {case.title}")
    elif arguments.command == "peaks":
        from benchmarks import machine_peaks

        machine_peaks.path().unlink(missing_ok=True)
        _say(json.dumps(machine_peaks.load(), indent=1))
    else:
        from benchmarks import memory

        _say(json.dumps(memory.measure_here(arguments.case, arguments.contender)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
