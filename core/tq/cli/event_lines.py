"""One event as one line of text."""

from __future__ import annotations

from datetime import UTC, datetime

from tq.events.event import Event
from tq.events.nodes import number
from tq.events.state import State
from tq.wire.saferepr import saferepr

_COMMON = frozenset(
    {"type", "hostname", "timestamp", "utcoffset", "pid", "clock", "local_received", "uuid", "name"}
)


def line_of(state: State, event: Event) -> str:
    """Moment, sender, type, task and the fields that are the event's own. The state gives a task its name."""
    state.event(event)
    uuid = event.get("uuid")
    known = state.tasks.get(uuid) if isinstance(uuid, str) else None
    who = f"{(known and known.name) or '?'}[{uuid}]" if uuid is not None else ""
    own = " ".join(
        f"{key}={saferepr(value, 200)}"
        for key, value in sorted(event.items())
        if key not in _COMMON and value is not None
    )
    words = (moment(event.get("timestamp")), event.get("hostname"), event.get("type"), who, own)
    return printable(" ".join(str(word) for word in words if word))


def moment(timestamp: object) -> str:
    """A unix time as ISO 8601, UTC."""
    seconds = number(timestamp, 0.0)
    if not 0 <= seconds < 1e11:
        return "-"
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def printable(text: str) -> str:
    """Without what moves a terminal's cursor or begins a line: events come from the network."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
