"""A progress bar on standard error, where that is a terminal, and plain lines where it is not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mriops.cli.interrupt import stop_if_interrupted


class Progress:
    """Counts finished steps; draws nothing itself."""

    def advance(self, text: str = "") -> None:
        """One more step is done. After an interrupt there is no next one: KeyboardInterrupt."""
        self._draw(text)
        stop_if_interrupted()

    def _draw(self, text: str) -> None:
        pass


class _Bar(Progress):
    def __init__(self, bar: object, task: object) -> None:
        self._bar, self._task = bar, task

    def _draw(self, text: str) -> None:
        self._bar.update(self._task, advance=1, text=text)  # type: ignore[attr-defined]


class _Lines(Progress):
    def __init__(self, title: str, total: int, done: int) -> None:
        self._title, self._total, self._done = title, total, done

    def _draw(self, text: str) -> None:
        self._done += 1
        sys.stderr.write(f"{self._title} {self._done}/{self._total} {text}\n")
        sys.stderr.flush()


@contextmanager
def progress(title: str, total: int, *, done: int = 0, quiet: bool = False) -> Iterator[Progress]:
    """A bar of `total` steps, `done` of them finished before.

    Uses rich on a terminal; without rich, or without a terminal, one line per step.
    """
    if quiet:
        yield Progress()
        return
    if not sys.stderr.isatty():
        yield _Lines(title, total, done)
        return
    try:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress as RichProgress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
    except ImportError:
        yield _Lines(title, total, done)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as bar:
        yield _Bar(bar, bar.add_task(title, total=total, completed=done, text=""))
