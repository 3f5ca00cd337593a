"""What about a MongoDB's set-up may lose messages or results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from tq.contracts.findings import of_clock
from tq.records import Finding, Severity
from tq_mongodb.store import Mongo, Store

OLDEST: Final = (4, 4)


def check_up(store: Store) -> list[Finding]:
    """Ask the server about itself. Raises `BrokerError` or `BackendError`."""
    shown = store.shown
    before = time.time()
    hello = store.run("look at the set-up", _command("hello"))
    found = of_clock(f"MongoDB at {shown}", hello["localTime"].timestamp(), before, time.time())
    version = store.run("read the version", _command("buildInfo")).get("versionArray") or ()
    return [*_version(version, shown), *_replicas(hello, shown), *_writes(store), *found]


def _command(name: str) -> Callable[[Mongo], dict[str, Any]]:
    return lambda db: db.command(name)


def _version(version: Any, shown: str) -> Iterator[Finding]:
    if tuple(version[:2]) < OLDEST:
        yield Finding(
            Severity.ERROR,
            f"MongoDB at {shown} is version {'.'.join(map(str, version[:3]))}",
            "upgrade it to 4.4 or newer",
        )


def _replicas(hello: dict[str, Any], shown: str) -> Iterator[Finding]:
    if not hello.get("setName") and hello.get("msg") != "isdbgrid":
        yield Finding(
            Severity.WARNING,
            f"MongoDB at {shown} is a single server without a replica set: what it accepted is lost with its disk, "
            "and while it is down nothing runs",
            "make it a member of a replica set, where nothing may be lost",
        )
    elif hello.get("setName") and len(hello.get("hosts") or ()) == 1:
        yield Finding(
            Severity.NOTE,
            f"the replica set {hello['setName']!r} at {shown} has one member",
            "add members where nothing may be lost with one disk",
        )
    if hello.get("readOnly"):
        yield Finding(
            Severity.ERROR, f"MongoDB at {shown} can only be read", "start it without read-only mode"
        )


def _writes(store: Store) -> Iterator[Finding]:
    if not store.durable:
        yield Finding(
            Severity.NOTE,
            f"the URL {store.shown} says itself how long a write waits (w, journal), in place of a majority and the journal",
            "remove w and journal from the URL unless you know that less is enough",
        )
