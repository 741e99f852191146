"""F2: loads the compiled modules and checks arrays once. Imports only the standard library at top level, no torch."""

from mriops._native.loader import (
    backend as backend,
    load as load,
    native_on_cpu as native_on_cpu,
    on_backend_switch as on_backend_switch,
    use_backend as use_backend,
)

__all__ = ["backend", "load", "native_on_cpu", "on_backend_switch", "use_backend"]
