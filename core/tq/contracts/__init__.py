"""The contracts between the core and its plugins. A plugin needs these, `tq.records` and `tq.errors`."""

from __future__ import annotations

from tq.contracts.broker import Broker, Cap, Consumer
from tq.contracts.pool import Engine, Job, Pool, PoolCap, PoolSetup, Seat, Spawn, StopMode
from tq.contracts.results import BackendCap, ResultBackend
from tq.contracts.schedules import Advance, Entry, Lead, Row, ScheduleCap, ScheduleStore, State
from tq.contracts.serializer import CallSerializer, Configurable, Serializer, SettingsReader
from tq.contracts.subscription import Subscription

__all__ = [
    "Advance",
    "BackendCap",
    "Broker",
    "CallSerializer",
    "Cap",
    "Configurable",
    "Consumer",
    "Engine",
    "Entry",
    "Job",
    "Lead",
    "Pool",
    "PoolCap",
    "PoolSetup",
    "ResultBackend",
    "Row",
    "ScheduleCap",
    "ScheduleStore",
    "Seat",
    "Serializer",
    "SettingsReader",
    "Spawn",
    "State",
    "StopMode",
    "Subscription",
]
