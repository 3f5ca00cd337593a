"""From what Redis answers to sentences: what failed, on which URL, why, and the next step."""

from __future__ import annotations

from typing import NamedTuple

from tq_redis.link import Down, Refused


class Fault(NamedTuple):
    """What to say, and whether the same may succeed later."""

    sentence: str
    temporary: bool


_CODES = {
    "OOM": (True, "is out of memory", "raise its maxmemory, or let workers empty the queues"),
    "READONLY": (True, "is a read-only replica", "name the master, or use sentinel://"),
    "LOADING": (True, "is still loading its data", "wait a moment and try again"),
    "MASTERDOWN": (True, "is a replica that has lost its master", "start the master"),
    "CLUSTERDOWN": (True, "is part of a cluster that is down", "check the cluster's nodes"),
    "MISCONF": (True, "cannot write to its disk", "check its disk space and log"),
    "NOREPLICAS": (True, "has too few replicas to accept writes", "start its replicas"),
    "BUSY": (True, "is busy with a script", "wait a moment, or SCRIPT KILL it"),
    "UNBLOCKED": (True, "has become a replica", "connect again"),
    "NOAUTH": (False, "asks for a password", "write it into the URL as redis://user:password@host"),
    "WRONGPASS": (False, "does not accept this user and password", "check both in the URL"),
    "NOPERM": (False, "forbids this to the user", "grant the commands and keys that tq-redis's README lists"),
    "WRONGTYPE": (False, "holds something else under one of tq's keys", "rename that key, or use another db"),
    "MOVED": (False, "is part of a cluster", "tq-redis needs a single server or sentinels"),
    "CROSSSLOT": (False, "is part of a cluster", "tq-redis needs a single server or sentinels"),
}


def refused(error: Refused, url: str, doing: str) -> Fault:
    """A sentence for an error reply."""
    code = error.text.partition(" ")[0].lstrip("-")
    if "max number of clients" in error.text:
        return Fault(
            f"cannot {doing}: Redis at {url} has no free connection; raise its maxclients ({error.text})",
            True,
        )
    if "unknown command" in error.text:
        return Fault(
            f"cannot {doing}: Redis at {url} lacks a command that tq-redis needs; upgrade it to 6.2 or newer, or "
            f"enable the command ({error.text})",
            False,
        )
    temporary, state, advice = _CODES.get(code, (False, "refused", "read what the server says"))
    return Fault(f"cannot {doing}: Redis at {url} {state}; {advice} ({error.text})", temporary)


def down(error: Down, url: str, doing: str) -> str:
    """A sentence for a connection that is gone or was never made."""
    advice = error.advice or "check that the server runs there and can be reached"
    return f"cannot {doing}: no connection to Redis at {url}: {error.reason}; {advice}"
