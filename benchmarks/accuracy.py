"""Equal errors: every software is asked for what makes its true error just small enough.

A requested tolerance means something else everywhere. So each way of doing a transform has a ladder of settings, from
cheap to dear, and takes the first whose error against the direct sums, for one coil of the scan, is below the target.
Where none is (single-precision coordinates cost some software 2e-5), the cheapest within a fifth of its smallest error
counts, if that error is below three times the target; else it is left out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.direct_sums import comparison
from benchmarks.scans import Scan

#: Rungs as shares of the target, for whatever takes a tolerance.
SHARES = (4, 2.5, 1.6, 1, 0.6, 0.4, 0.25, 0.1, 0.04)
#: Errors of one coil and of all differ a little.
_MARGIN = 0.9
#: Settings found in another process, so that they need not be found again.
VARIABLE = "MRIOPS_BENCHMARK_SETTINGS"

_chosen: dict[str, int] = json.loads(os.environ.get(VARIABLE, "{}"))


def tolerances(target: float, least: float = 1.1e-6) -> tuple[float, ...]:
    """The ladder of a tolerance for an error of ``target``; single precision ends at ``least``."""
    return tuple(round(share * target, 12) for share in SHARES if share * target >= least)


def chosen() -> str:
    """What has been found so far, for `VARIABLE` of a child process."""
    return json.dumps(_chosen)


def settle(
    key: str, ladder: Sequence[Any], scan: Scan, work: str, target: float, attempt: Callable[[Scan, Any], Any]
) -> Any:
    """Return the setting to use.

    Parameters
    ----------
    key
        Under which the choice is remembered, together with scan, work and target.
    ladder
        Settings from cheap to dear; a single one is taken as it is.
    attempt
        Does the work on a scan with a setting and returns it in the project's layout.

    Raises
    ------
    ValueError
        If no setting comes near the target; with the error of the best.
    """
    if len(ladder) == 1:
        return ladder[0]
    key = f"{key}, {scan.name}, {work}, {target:g}"
    if key not in _chosen:
        probe = scan.probe()
        error_of = comparison(probe, work)
        errors: list[float] = []
        for setting in ladder:
            errors.append(error_of(attempt(probe, setting)))
            if errors[-1] <= _MARGIN * target:
                break
            if len(errors) > 4 and errors[-1] > 0.8 * errors[-5]:
                break  # rounding, or the edge of a coarse grid: asking for more changes nothing
        least = min(errors)
        if least > 3 * target:
            raise ValueError(f"no setting has an error of {target:g}, the best {least:.1e}")
        _chosen[key] = next(i for i, e in enumerate(errors) if e <= _MARGIN * target or e <= 1.2 * least)
    return ladder[_chosen[key]]
