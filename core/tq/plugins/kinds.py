"""The kinds of drivers: where they are registered, what a driver of the kind must be, and its words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from tq.contracts import Broker, Pool, ResultBackend, ScheduleStore, Serializer
from tq.plugins import catalog


class Kind(msgspec.Struct, frozen=True):
    """One entry-point group. `form` writes a driver's name as users write it."""

    word: str
    """The kind in `tq plugins`."""
    group: str
    noun: str
    form: str
    bundles: Mapping[str, str]
    flaw: Callable[[object], str | None]
    """What is wrong with an object as a driver of this kind, None for nothing."""
    api_versions: range
    """Versions of the contract that this core works with."""

    def show(self, name: str) -> str:
        return self.form.format(name)


def _subclass_flaw(base: type) -> Callable[[object], str | None]:
    where = f"tq.contracts.{base.__name__}"

    def flaw(driver: object) -> str | None:
        if not (isinstance(driver, type) and issubclass(driver, base)):
            return f"is {_describe(driver)}, not a subclass of {where}"
        missing: frozenset[str] = getattr(driver, "__abstractmethods__", frozenset())
        return f"does not implement {', '.join(sorted(missing))} of {where}" if missing else None

    return flaw


def _serializer_flaw(driver: object) -> str | None:
    members = ("name", "content_type", "content_encoding", "safe", "dumps", "loads")
    missing = [member for member in members if not hasattr(driver, member)]
    if missing:
        return f"is {_describe(driver)} without {', '.join(missing)} of tq.contracts.{Serializer.__name__}"
    return None


def _describe(driver: object) -> str:
    if isinstance(driver, type):
        return f"the class {driver.__qualname__}"
    return f"an object of type {type(driver).__qualname__}"


_FIRST = range(1, 2)

BROKER: Final = Kind(
    "broker", "tq.brokers", "broker", "{}://", catalog.BROKERS, _subclass_flaw(Broker), _FIRST
)
BACKEND: Final = Kind(
    "backend",
    "tq.backends",
    "result backend",
    "{}://",
    catalog.BACKENDS,
    _subclass_flaw(ResultBackend),
    _FIRST,
)
SERIALIZER: Final = Kind(
    "serializer", "tq.serializers", "serializer", "{!r}", catalog.SERIALIZERS, _serializer_flaw, _FIRST
)
POOL: Final = Kind("pool", "tq.pools", "pool", "{!r}", catalog.POOLS, _subclass_flaw(Pool), _FIRST)
SCHEDULER: Final = Kind(
    "scheduler",
    "tq.schedulers",
    "schedule store",
    "{}://",
    catalog.SCHEDULERS,
    _subclass_flaw(ScheduleStore),
    _FIRST,
)

KINDS: Final = (BROKER, BACKEND, SERIALIZER, POOL, SCHEDULER)
