"""Bringing the entries of an app's code into the store, at the start of each beat."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec

from tq.contracts.schedules import Entry, Row, ScheduleStore, State

logger = logging.getLogger("tq.beat")

TRIES = 8


def sync(store: ScheduleStore, entries: Mapping[str, Entry]) -> None:
    """Write what is new or changed, remove what the code has no more. What was paused by hand stays paused, and
    an entry whose schedule is the same keeps its state."""
    for _ in range(TRIES):
        rows = {row.entry.name: row for row in store.read()}
        wanted = [renewed(entry, rows.get(name)) for name, entry in entries.items()]
        changed = [row for row in wanted if row.revision == 0 or row.entry != rows[row.entry.name].entry]
        gone = [
            row for row in rows.values() if row.entry.origin == "config" and row.entry.name not in entries
        ]
        saved = store.save(changed) if changed else ()
        # Another beat that starts at the same moment may have been first.
        removed = [store.remove(row.entry.name, row.revision) for row in gone]
        if all(saved) and all(removed):
            return
    logger.error(
        "not all entries could be written: others change them, or rows are there that cannot be read"
    )


def renewed(entry: Entry, row: Row | None) -> Row:
    """The row of an entry that may replace another one."""
    if row is None:
        return Row(entry, State(), 0)
    known = row.entry
    entry = msgspec.structs.replace(entry, enabled=entry.enabled and known.enabled)
    same = entry.schedule == known.schedule and entry.zone == known.zone
    return Row(entry, row.state if same else msgspec.structs.replace(row.state, next_due=None), row.revision)
