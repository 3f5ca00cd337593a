"""What about the set-up of memcached may lose results before their time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tq.contracts.findings import of_clock
from tq.records import Finding, Severity
from tq_memcache.ring import Ring

OLDEST: Final = (1, 4, 8)
SMALL: Final = 1024 * 1024
"""Bytes of the largest item, unless memcached is told otherwise."""
FULL: Final = 0.9
_BUSY: Final = 0.9


def check_up(ring: Ring) -> list[Finding]:
    """Ask each server about itself. Raises `BackendError`."""
    found = [
        Finding(
            Severity.NOTE,
            f"memcached at {ring.shown} keeps nothing on disk: a restart loses all results",
            "take another result backend where results matter",
        )
    ]
    for server in ring.servers():
        before = time.time()
        stats = _texts(server.run("look at the set-up", "stats"))
        after = time.time()
        settings = _texts(server.run("look at the settings", "stats", "settings"))
        found += _of(stats, settings, f"memcached {server.name} of {ring.shown}")
        if "time" in stats:
            # It counts whole seconds.
            found += of_clock(f"memcached {server.name}", float(stats["time"]) + 0.5, before, after)
    return found


def _of(stats: Mapping[str, str], settings: Mapping[str, str], name: str) -> Iterator[Finding]:
    version = stats.get("version", "0")
    if tuple(int(part) for part in version.split(".")[:3] if part.isdigit()) < OLDEST:
        yield Finding(Severity.ERROR, f"{name} is version {version}", "upgrade it to 1.4.8 or newer")
    evicted, used, limit = (_count(stats, key) for key in ("evictions", "bytes", "limit_maxbytes"))
    if evicted:
        yield Finding(
            Severity.WARNING,
            f"{name} has thrown away {evicted} items before their time since it was started, and may do so with "
            "results that nobody has read",
            "give it more memory (-m), or keep results for a shorter time (result_expires)",
        )
    elif limit and used > FULL * limit:
        yield Finding(
            Severity.WARNING,
            f"{name} is full by {used / limit:.0%}: soon it throws results away before their time",
            "give it more memory (-m), or keep results for a shorter time (result_expires)",
        )
    largest = _count(settings, "item_size_max")
    if 0 < largest < SMALL:
        yield Finding(
            Severity.WARNING,
            f"{name} takes items of at most {largest} bytes: larger results cannot be stored",
            "raise it with -I, or compress results (the option compression, see the plugin's README)",
        )
    connections, most = _count(stats, "curr_connections"), _count(settings, "maxconns")
    if most and connections > _BUSY * most:
        yield Finding(Severity.WARNING, f"{name} has {connections} of at most {most} connections", "raise -c")


def _count(values: Mapping[str, str], key: str) -> int:
    text = values.get(key, "")
    return int(text) if text.isdigit() else 0


def _texts(answer: Mapping[Any, Any]) -> dict[str, str]:
    """The client reads some of the values as numbers."""
    return {_text(key): _text(value) for key, value in answer.items()}


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
