"""Which due times are sent now: pure, from a row and a moment."""

from __future__ import annotations

import datetime as dt
import uuid

import msgspec

from tq.beat.schedule import BaseSchedule
from tq.contracts.schedules import Entry, State

_IDS = uuid.UUID("5a0d9b0e-6f0f-4f0c-9f5e-3f1d3a1a7c42")
AT_ONCE = 1000
"""Due times of one entry that are sent in one go, where none is a misfire."""


class Plan(msgspec.Struct, frozen=True):
    """`dues` are to be sent, oldest first; `missed` says that a misfire was seen."""

    dues: list[float]
    next_due: float | None
    missed: bool = False


def plan(
    entry: Entry, due: float, schedule: BaseSchedule, *, now: float, zone: dt.tzinfo, grace: float
) -> Plan:
    """What became due from `due` to `now`, as the entry's misfire policy says, and the due time after that.

    An outage of more than `grace` seconds is a misfire as a whole, with all that was due in it.
    """
    if due > now:
        return Plan([], due)
    first, end = _moment(due, zone), _moment(now, zone)
    missed = due < now - grace
    limit = {"skip": 0, "once": 1, "catch-up": entry.catch_up}[entry.misfire] if missed else AT_ONCE
    dues = [_unix(moment) for moment in schedule.between(first, end, limit)] if limit else []
    following = schedule.resume(first, end)
    return Plan(dues, None if following is None else _unix(following), missed)


def first_due(schedule: BaseSchedule, now: float, zone: dt.tzinfo) -> float | None:
    """The due time of an entry that begins now."""
    found = schedule.next_after(_moment(now, zone))
    return None if found is None else _unix(found)


def mend(state: State, schedule: BaseSchedule, *, now: float, zone: dt.tzinfo, grace: float) -> State:
    """The state, or another one where a clock that was wrong has left its mark, or nothing is known yet."""
    if state.next_due is None:
        return msgspec.structs.replace(state, next_due=first_due(schedule, now, zone))
    if state.next_due <= now:
        return state
    expected = first_due(schedule, now, zone)
    last = state.last_due
    if last is not None and last > now + grace:
        # These due times will come again, and are others then.
        return msgspec.structs.replace(state, next_due=expected, series=state.series + 1)
    if expected is not None and state.next_due > expected + grace and (last is None or expected > last):
        return msgspec.structs.replace(state, next_due=expected)
    return state


def message_id(namespace: str, name: str, series: int, due: float) -> str:
    """The task id of one due time: whoever sends it, and however often, it is the same."""
    return str(uuid.uuid5(_IDS, f"{namespace}\0{name}\0{series}\0{round(due * 1e6)}"))


def _moment(unix: float, zone: dt.tzinfo) -> dt.datetime:
    return dt.datetime.fromtimestamp(unix, dt.UTC).astimezone(zone)


def _unix(moment: dt.datetime) -> float:
    return moment.timestamp()
