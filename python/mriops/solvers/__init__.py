"""Iterative solvers for problems given as callables (floor F3).

A solver takes functions from tensor to tensor and knows no operator, no physics and no image: it may import torch and
``mriops._native`` only. Every solver works on real and complex tensors of any shape on any device, treats the leading
``batch_ndim`` axes as independent problems, and returns tensors.
"""

from mriops.solvers.cg import cg
from mriops.solvers.gauss_newton import Linearization, irgnm, linearize, pointwise_linearize
from mriops.solvers.info import SolverInfo
from mriops.solvers.lsqr import lsqr
from mriops.solvers.power import lipschitz, power_method

__all__ = [
    "Linearization",
    "SolverInfo",
    "cg",
    "irgnm",
    "linearize",
    "lipschitz",
    "lsqr",
    "pointwise_linearize",
    "power_method",
]
