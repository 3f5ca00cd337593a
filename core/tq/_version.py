"""The one place where the version of all tq distributions is written."""

__version__ = "0.1.0"
