"""From an app and its settings to a beat that is ready to run."""

from __future__ import annotations

import datetime as dt
import os
import socket
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tq.beat.beat import Beat
from tq.beat.entries import entry_of, thawed
from tq.contracts.broker import Cap
from tq.contracts.schedules import Entry, ScheduleStore
from tq.errors import ImproperlyConfigured
from tq.options import mask_url
from tq.plugins import registry
from tq.states import READY_STATES
from tq.wire.ids import new_id

if TYPE_CHECKING:
    from tq.app.app import TQ
    from tq.client.result import AsyncResult

AUTO = "auto"
FILE = "file"
_OF_ENTRIES = ("relative", "zone", "misfire", "catch_up", "grace", "overlap", "enabled")
_FOREIGN = ("celery.", "django_celery_beat", "redbeat")


def make_beat(
    app: TQ, *, scheduler: str | None = None, filename: str | None = None, max_interval: float | None = None
) -> Beat:
    """Put a beat together; nothing is connected yet. The arguments are over the settings.

    Raises `ImproperlyConfigured` for wrong entries, and `PluginError`.
    """
    app.announce()
    conf = app.conf
    return Beat(
        store_of(app, scheduler=scheduler, filename=filename),
        AppSender(app),
        entries_of(app),
        owner=f"{socket.gethostname()}:{os.getpid()}:{new_id()}",
        zone=app.timezone,
        lease=conf.beat_lease,
        look=conf.beat_max_loop_interval if max_interval is None else max_interval,
    )


def periodic(
    schedule: Any,
    sig: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None,
    name: str | None,
    opts: Mapping[str, Any],
) -> tuple[str, Mapping[str, Any]]:
    """Name and entry of what `add_periodic_task` was given."""
    if not isinstance(sig, Mapping):
        sig = {"task": getattr(sig, "name", sig)}
    if sig.get("subtask_type") is not None:
        raise ImproperlyConfigured(
            f"beat sends single tasks, not a {sig['subtask_type']}: send it from a task"
        )
    own = {key: opts[key] for key in _OF_ENTRIES if key in opts}
    options = {key: value for key, value in opts.items() if key not in own}
    entry = {
        "task": sig["task"],
        "schedule": schedule,
        "args": tuple(args) or tuple(sig.get("args") or ()),
        "kwargs": {**(sig.get("kwargs") or {}), **(kwargs or {})},
        "options": {**(sig.get("options") or {}), **options},
        **own,
    }
    return name or (repr(sig) if type(sig) is not dict else str(sig["task"])), entry


def entries_of(app: TQ) -> dict[str, Entry]:
    """The entries of `beat_schedule` and `add_periodic_task`. Raises `ImproperlyConfigured`."""
    given = {**app.conf.beat_schedule, **app._periodic}
    entries = {name: entry_of(name, entry, origin="config") for name, entry in given.items()}
    for entry in entries.values():
        check_overlap(app, entry)
    return entries


def check_overlap(app: TQ, entry: Entry) -> None:
    """Raises `ImproperlyConfigured` where nobody could tell whether a run has ended."""
    if entry.overlap != "allow" and app.backend is None:
        raise ImproperlyConfigured(
            f"periodic task {entry.name!r}: overlap {entry.overlap!r} needs a result backend, which says when a "
            "run has ended; set result_backend"
        )


def store_of(app: TQ, *, scheduler: str | None = None, filename: str | None = None) -> ScheduleStore:
    """The schedule store of an app, not connected yet. Raises `ImproperlyConfigured` and `PluginError`."""
    store = _store(app, scheduler, filename)
    if hasattr(os, "register_at_fork"):
        # The children of a worker with -B.
        os.register_at_fork(after_in_child=_forgetting(weakref.ref(store)))
    return store


def _forgetting(reference: weakref.ref[ScheduleStore]) -> Callable[[], None]:
    def forget() -> None:
        store = reference()
        if store is not None:
            store.after_fork()

    return forget


def _store(app: TQ, scheduler: str | None, filename: str | None) -> ScheduleStore:
    conf = app.conf
    namespace = app.main or "default"
    wanted = FILE if filename else scheduler or conf.beat_scheduler
    stores = [app.broker_address, app.backend_address]
    if wanted == AUTO:
        found = next((pair for pair in stores if registry.has_schedule_store(pair[0])), None)
        if found is not None:
            return registry.load_schedule_store(*found, namespace=namespace)
        wanted = FILE
    if wanted == FILE:
        path = quote(filename or conf.beat_schedule_filename)
        return registry.load_schedule_store(f"{FILE}://{path}", namespace=namespace)
    if wanted.startswith(_FOREIGN):
        raise ImproperlyConfigured(
            f"beat_scheduler {wanted!r} is a scheduler of Celery's beat, which cannot run here; leave the setting "
            "away to keep the schedule in the broker's database"
        )
    if "://" in wanted:
        return registry.load_schedule_store(wanted, namespace=namespace)
    if ":" in wanted:
        return registry.schedule_store_class(wanted)(*stores[0], namespace=namespace)
    found = next((pair for pair in stores if pair[0].partition(":")[0].split("+")[0] == wanted), None)
    if found is None:
        raise ImproperlyConfigured(
            f"beat_scheduler {wanted!r}: neither the broker {mask_url(conf.broker_url)} nor the result backend "
            f"is of that kind; write a whole URL: {wanted}://HOST"
        )
    return registry.load_schedule_store(*found, namespace=namespace)


class AppSender:
    """Sends the messages of entries through an app."""

    def __init__(self, app: TQ) -> None:
        self._app = app
        self.unique = Cap.UNIQUE in app.broker.capabilities
        self.remembers: float | None = app.conf.result_expires

    def send(self, entry: Entry, task_id: str, due: float) -> None:
        """Send one. Raises `BrokerUnavailable`, and what is wrong with the entry."""
        send_entry(self._app, entry, task_id=task_id, due=due)

    def unfinished(self, task_ids: Sequence[str]) -> set[str]:
        """Those of these tasks that have no final state yet."""
        backend = self._app.backend
        if backend is None:
            return set()
        known = backend.get(list(task_ids))
        return {i for i in task_ids if i not in known or known[i].status not in READY_STATES}


def send_entry(app: TQ, entry: Entry, *, task_id: str, due: float) -> AsyncResult[Any]:
    """Send an entry's message. Its headers say `periodic_task_name` and `due` (ISO 8601)."""
    options: dict[str, Any] = thawed(entry.options)
    moment = dt.datetime.fromtimestamp(due, dt.UTC).isoformat()
    headers = {**(options.get("headers") or {}), "periodic_task_name": entry.name, "due": moment}
    if entry.overlap != "allow":
        options["ignore_result"] = False
    options |= {"task_id": task_id, "unique": True, "headers": headers}
    args, kwargs = thawed(entry.args), thawed(entry.kwargs)
    known = app.tasks.get(entry.task)
    if known is None or app.conf.task_always_eager:
        return app.send_task(entry.task, args, kwargs, **options)
    return known.apply_async(args, kwargs, **options)
