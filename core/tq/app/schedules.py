"""The entries of beat's store, for programs and for `tq schedule`: changed while beats run."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from tq.app.beat import check_overlap, entries_of, send_entry, store_of
from tq.beat.entries import entry_of, thawed
from tq.beat.form import schedule_from
from tq.beat.zones import zone_of
from tq.contracts.schedules import Entry, Row, ScheduleStore
from tq.errors import BackendError, ImproperlyConfigured
from tq.wire.ids import new_id

if TYPE_CHECKING:
    from tq.app.app import TQ
    from tq.client.result import AsyncResult

_TRIES = 8


class Schedules:
    """What `app.schedules` is. Running beats see a change within a second or so."""

    def __init__(self, app: TQ) -> None:
        self._app = app

    @cached_property
    def store(self) -> ScheduleStore:
        """The store of `beat_scheduler`."""
        return store_of(self._app)

    def all(self) -> list[Row]:
        """All entries by name; those of the app's code also where no beat has written them yet (revision 0)."""
        rows = {name: Row(entry) for name, entry in self._declared().items()}
        rows |= {row.entry.name: row for row in self.store.read()}
        return [rows[name] for name in sorted(rows)]

    def get(self, name: str) -> Row:
        """One entry. Raises `ImproperlyConfigured` where there is none of this name."""
        found = self._find(name)
        if found is None:
            raise ImproperlyConfigured(f"there is no periodic task {name!r}; `tq schedule list` shows all")
        return found

    def add(
        self,
        name: str,
        schedule: Any,
        task: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        replace: bool = False,
        **more: Any,
    ) -> Row:
        """Add an entry. `more` are `options`, `relative`, `zone`, `misfire`, `catch_up`, `grace`, `overlap`,
        `enabled`. Raises `ImproperlyConfigured`, also where the name is taken, unless `replace`."""
        given = {"schedule": schedule, "task": task, "args": args, "kwargs": kwargs or {}, **more}
        entry = entry_of(name, given)
        check_overlap(self._app, entry)

        def change(row: Row | None) -> Row:
            if row is None:
                return Row(entry)
            if not replace or row.entry.origin == "config":
                raise ImproperlyConfigured(f"there is a periodic task {name!r} already{_whose(row)}")
            return Row(entry, msgspec.structs.replace(row.state, next_due=None), row.revision)

        return self._change(name, change)

    def change(self, name: str, **changes: Any) -> Row:
        """Change an entry that was added; keys are those of `add`. Raises `ImproperlyConfigured`."""

        def change(row: Row | None) -> Row:
            known = self._added(name, row)
            old = known.entry
            given = msgspec.structs.asdict(old) | {
                "args": thawed(old.args),
                "kwargs": thawed(old.kwargs),
                "options": thawed(old.options),
            }
            del given["name"], given["origin"]
            entry = entry_of(name, {**given, **changes})
            check_overlap(self._app, entry)
            same = (entry.schedule, entry.zone) == (old.schedule, old.zone)
            state = known.state if same else msgspec.structs.replace(known.state, next_due=None)
            return Row(entry, state, known.revision)

        return self._change(name, change)

    def pause(self, name: str) -> Row:
        """Have it sent no more until `resume`; this holds over new starts and new code."""
        return self._switch(name, False)

    def resume(self, name: str) -> Row:
        """Have it sent again, from now on: what was left out is no misfire."""
        return self._switch(name, True)

    def remove(self, name: str) -> None:
        """Remove an entry that was added. Raises `ImproperlyConfigured` for those of the app's code."""
        for _ in range(_TRIES):
            row = self._added(name, self._find(name))
            if self.store.remove(name, row.revision):
                return
        raise _crowded(name)

    def run(self, name: str) -> AsyncResult[Any]:
        """Send its task now, besides its schedule."""
        return send_entry(self._app, self.get(name).entry, task_id=new_id(), due=time.time())

    def preview(self, name: str, count: int = 5, *, start: dt.datetime | None = None) -> list[dt.datetime]:
        """Its next due times, in its zone; after `start` those that its schedule would have."""
        row = self.get(name)
        zone, schedule = self.zone(row.entry), schedule_from(row.entry.schedule)
        moment = dt.datetime.now(zone) if start is None else start.astimezone(zone)
        found: list[dt.datetime] = []
        if start is None and row.state.next_due is not None:
            moment = dt.datetime.fromtimestamp(row.state.next_due, zone)
            found = [moment]
        while len(found) < count:
            following = schedule.next_after(moment)
            if following is None:
                break
            moment = following
            found.append(moment)
        return found[:count]

    def zone(self, entry: Entry) -> dt.tzinfo:
        """The zone of an entry's wall clock."""
        own = entry.schedule.get("zone") or entry.zone
        return zone_of(own) if own else self._app.timezone

    def close(self) -> None:
        """Close the store's connections."""
        self.store.close()

    # ------------------------------------------------------------------------------------------------------

    def _declared(self) -> dict[str, Entry]:
        self._app.announce()
        return entries_of(self._app)

    def _find(self, name: str) -> Row | None:
        rows = self.store.read([name])
        if rows:
            return rows[0]
        declared = self._declared().get(name)
        return None if declared is None else Row(declared)

    def _added(self, name: str, row: Row | None) -> Row:
        if row is None:
            raise ImproperlyConfigured(f"there is no periodic task {name!r}; `tq schedule list` shows all")
        if row.entry.origin == "config":
            raise ImproperlyConfigured(
                f"{name!r} is written in the app's code and would come back with the next start of beat: "
                "change it there, or pause it"
            )
        return row

    def _switch(self, name: str, enabled: bool) -> Row:
        def change(row: Row | None) -> Row:
            known = self.get(name) if row is None else row
            if known.entry.enabled == enabled and known.revision:
                return known
            entry = msgspec.structs.replace(known.entry, enabled=enabled)
            state = msgspec.structs.replace(known.state, next_due=None, queued=[])
            return Row(entry, state, known.revision)

        return self._change(name, change)

    def _change(self, name: str, change: Callable[[Row | None], Row]) -> Row:
        for _ in range(_TRIES):
            row = self._find(name)
            wanted = change(row)
            if wanted is row or self.store.save([wanted])[0]:
                return msgspec.structs.replace(wanted, revision=wanted.revision + (wanted is not row))
        raise _crowded(name)


def _whose(row: Row) -> str:
    return ", in the app's code" if row.entry.origin == "config" else ""


def _crowded(name: str) -> BackendError:
    return BackendError(f"the periodic task {name!r} was changed by others again and again; try again")
