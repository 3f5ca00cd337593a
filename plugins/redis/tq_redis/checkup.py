"""What about a Redis server's set-up may lose messages or results."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from tq.contracts.findings import of_clock
from tq.errors import BackendError, BrokerError
from tq.records import Finding, Severity
from tq_redis.link import pack
from tq_redis.server import Server

OLDEST: Final = (6, 2)


def check_up(server: Server, kept: str) -> list[Finding]:
    """Ask the server about itself; `kept` says what is in it. Raises `BrokerError` or `BackendError`."""
    before = time.time()
    raw, now = server.call([pack((b"INFO",)), pack((b"TIME",))], "read the server's figures")
    after = time.time()
    info = dict(line.split(":", 1) for line in raw.decode().splitlines() if ":" in line)
    theirs = int(now[0]) + int(now[1]) / 1e6
    found = [*_version(info, server), *_eviction(info, server, kept), *_disk(info, server)]
    return [*found, *of_clock(f"Redis at {server.shown}", theirs, before, after)]


def _version(info: dict[str, str], server: Server) -> Iterator[Finding]:
    found = info.get("redis_version", "0")
    if tuple(int(part) for part in found.split(".")[:2] if part.isdigit()) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        yield Finding(
            Severity.ERROR, f"Redis at {server.shown} is version {found}", f"upgrade it to {wanted} or newer"
        )


def _eviction(info: dict[str, str], server: Server, kept: str) -> Iterator[Finding]:
    policy = info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return
    limited = info.get("maxmemory", "0") != "0"
    yield Finding(
        Severity.ERROR if limited else Severity.WARNING,
        f"Redis at {server.shown} has maxmemory-policy {policy}: when its memory is full it throws keys away, "
        "and what was in them is lost",
        f"run CONFIG SET maxmemory-policy noeviction where {kept} are kept, and write it into redis.conf",
    )


def _disk(info: dict[str, str], server: Server) -> Iterator[Finding]:
    for field, what in (
        ("rdb_last_bgsave_status", "snapshot"),
        ("aof_last_write_status", "write to the AOF"),
    ):
        if info.get(field, "ok") != "ok":
            yield Finding(
                Severity.ERROR,
                f"the last {what} of Redis at {server.shown} failed",
                "look into its log, and at the space and permissions of its folder",
            )
    if info.get("aof_enabled") == "0":
        yield _without_aof(server)


def _without_aof(server: Server) -> Finding:
    advice = "set appendonly yes in redis.conf where nothing may be lost"
    try:
        (found,) = server.call([pack((b"CONFIG", b"GET", b"save"))], "read the server's settings")
    except (BrokerError, BackendError) as exc:
        return Finding(
            Severity.NOTE,
            f"Redis at {server.shown} writes no AOF; whether it makes snapshots cannot be read ({exc})",
            advice,
        )
    if found[1:] and found[1]:
        return Finding(
            Severity.NOTE,
            f"Redis at {server.shown} makes snapshots only: a crash loses what came after the last one",
            advice,
        )
    return Finding(
        Severity.WARNING,
        f"Redis at {server.shown} keeps nothing on disk: a restart loses everything",
        advice,
    )
