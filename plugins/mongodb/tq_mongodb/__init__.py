"""MongoDB as broker and result backend of tq."""

from __future__ import annotations

from tq_mongodb.backend import MongoBackend
from tq_mongodb.broker import MongoBroker

__all__ = ["MongoBackend", "MongoBroker"]
