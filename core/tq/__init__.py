"""tq: a distributed task queue with Celery's names and wire, and nothing lost."""

from __future__ import annotations

from tq._version import __version__
from tq.errors import TQError

__all__ = ["TQError", "__version__"]
