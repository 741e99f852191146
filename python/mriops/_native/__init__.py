"""F2: loads the compiled modules and checks arrays once. Imports the standard library only; torch never at top level."""

from mriops._native.loader import backend as backend
from mriops._native.loader import load as load
from mriops._native.loader import use_backend as use_backend

__all__ = ["backend", "load", "use_backend"]
