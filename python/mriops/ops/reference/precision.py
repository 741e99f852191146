"""Partners of dtypes, by what torch.compile can trace (it does not know ``dtype.to_real``)."""

from __future__ import annotations

import torch

__all__ = ["complex_of", "real_of"]

_REAL = {torch.complex32: torch.float16, torch.complex64: torch.float32, torch.complex128: torch.float64}
_COMPLEX = {real: complex_ for complex_, real in _REAL.items()}


def real_of(dtype: torch.dtype) -> torch.dtype:
    """Real partner of a complex dtype; any other as it is."""
    return _REAL.get(dtype, dtype)


def complex_of(dtype: torch.dtype) -> torch.dtype:
    """Complex partner of a floating-point dtype; any other as it is."""
    return _COMPLEX.get(dtype, dtype)
