"""A shared directory as broker and result backend of tq."""

from __future__ import annotations

from tq_filesystem.backend import FilesystemBackend
from tq_filesystem.broker import FilesystemBroker

__all__ = ["FilesystemBackend", "FilesystemBroker"]
