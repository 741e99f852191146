"""The one place that holds the version: read by the package, by the build and by the docs."""

__version__ = "0.1.0"
