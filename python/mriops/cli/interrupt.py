"""Interrupts (Ctrl-C) that are not lost.

Python raises KeyboardInterrupt wherever the main thread happens to be, and drops it where no exception can leave:
in callbacks of weak references and in ``__del__``. The command would go on to its end as if nobody had asked.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_asked = threading.Event()


def stop_if_interrupted() -> None:
    """Raise KeyboardInterrupt if there was an interrupt since `interruptible` was entered, dropped or not."""
    if _asked.is_set():
        raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[None]:
    """Remember interrupts; leave by KeyboardInterrupt after one, also where it was dropped or became another error.

    Does nothing outside the main thread and where interrupts are ignored or handled by the caller.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    report = sys.unraisablehook
    leaving = False

    def remember(*_: Any) -> None:
        _asked.set()
        if not leaving:
            raise KeyboardInterrupt

    def report_others(dropped: Any) -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            report(dropped)

    _asked.clear()
    try:
        signal.signal(signal.SIGINT, remember)
        sys.unraisablehook = report_others
        yield
    finally:
        leaving = True  # another interrupt must not keep what follows from being put back
        sys.unraisablehook = report
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if _asked.is_set():
            _asked.clear()
            raise KeyboardInterrupt
