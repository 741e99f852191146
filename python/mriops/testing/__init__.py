"""Beside the floors: contracts that every op and operator keeps, and the table of ops shared with the benchmarks.

May import every room; nothing in the library imports it. People who write ops or operators of their own may use it too.
"""

from .backends import available_backends, use_backend
from .linear_operator import check_adjoint, check_linear_operator
from .op_case import OpCase, Sample, relative_error
from .op_checks import check_op
from .op_table import OP_CASES

__all__ = [
    "OP_CASES",
    "OpCase",
    "Sample",
    "available_backends",
    "check_adjoint",
    "check_linear_operator",
    "check_op",
    "relative_error",
    "use_backend",
]
