"""The command line (floor F8): arguments, progress, pictures. May import every floor; nothing imports it."""

from mriops.cli.main import main

__all__ = ["main"]
