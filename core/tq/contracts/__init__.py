"""The contracts between the core and its plugins. A plugin needs these, `tq.records` and `tq.errors`."""

from __future__ import annotations

from tq.contracts.broker import Broker, Cap, Consumer
from tq.contracts.pool import Engine, Job, Pool, PoolCap, PoolSetup, Seat, Spawn, StopMode
from tq.contracts.results import BackendCap, ResultBackend
from tq.contracts.serializer import Serializer

__all__ = [
    "BackendCap",
    "Broker",
    "Cap",
    "Consumer",
    "Engine",
    "Job",
    "Pool",
    "PoolCap",
    "PoolSetup",
    "ResultBackend",
    "Seat",
    "Serializer",
    "Spawn",
    "StopMode",
]
