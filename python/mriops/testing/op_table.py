"""The OpCase table: one row per op, from which its tests and its benchmarks are made."""

from __future__ import annotations

from .bloch_cases import BLOCH_CASES
from .bloch_exchange_cases import BLOCH_EXCHANGE_CASES
from .epg_cases import EPG_CASES
from .epgx_cases import EPGX_CASES
from .nufft_cases import NUFFT_CASES
from .op_case import OpCase
from .sense_cases import SENSE_CASES
from .signal_cases import SIGNAL_CASES

__all__ = ["OP_CASES", "SERVANTS"]

#: Every op's row, by public name.
OP_CASES: dict[str, OpCase] = {
    case.name: case
    for case in (
        *SENSE_CASES,
        *BLOCH_CASES,
        *BLOCH_EXCHANGE_CASES,
        *NUFFT_CASES,
        *EPG_CASES,
        *EPGX_CASES,
        *SIGNAL_CASES,
    )
}

#: Public names without a row: they prepare what ops use, whose tests are theirs.
SERVANTS = frozenset(("NufftPlan", "nufft_plan"))
