"""Operators of other packages from ours, and ours from theirs; the packages are imported when an adapter is called."""

from mriops.operators.adapters.deepinv import from_deepinv, to_deepinv
from mriops.operators.adapters.scipy import from_scipy, to_scipy
from mriops.operators.adapters.sigpy import from_sigpy, to_sigpy

__all__ = ["from_deepinv", "from_scipy", "from_sigpy", "to_deepinv", "to_scipy", "to_sigpy"]
