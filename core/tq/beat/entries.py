"""Entries as users write them in `beat_schedule`, and as stores keep them."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Mapping
from typing import Any

import msgspec

from tq.beat.form import schedule_from, schedule_of
from tq.beat.schedule import schedule
from tq.beat.zones import zone_of
from tq.contracts.schedules import Entry
from tq.errors import ImproperlyConfigured, SerializationError
from tq.wire.json import JsonSerializer

_JSON = JsonSerializer()
_KEYS = frozenset(Entry.__struct_fields__) - {"name", "origin"} | {"relative"}


def entry_of(name: str, given: Mapping[str, Any], *, origin: str = "added") -> Entry:
    """The entry that a dictionary of Celery's form describes: `task`, `schedule`, `args`, `kwargs`, `options`,
    `relative`, and tq's `zone`, `enabled`, `misfire`, `catch_up`, `grace`, `overlap`.

    Raises `ImproperlyConfigured` naming the entry and what is wrong.
    """
    try:
        return _entry(name, dict(given), origin)
    except ImproperlyConfigured as exc:
        raise ImproperlyConfigured(f"periodic task {name!r}: {exc}") from exc


def _entry(name: str, given: dict[str, Any], origin: str) -> Entry:
    for key in given:
        if key not in _KEYS:
            close = difflib.get_close_matches(key, sorted(_KEYS), n=1)
            raise ImproperlyConfigured(
                f"unknown key {key!r}" + (f"; did you mean {close[0]!r}?" if close else "")
            )
    for key in ("task", "schedule"):
        if not given.get(key):
            raise ImproperlyConfigured(f"it has no {key!r}")
    when = schedule_of(given.pop("schedule"))
    if given.pop("relative", False) and isinstance(when, schedule):
        when = schedule(when.run_every, relative=True, nowfun=when.nowfun)
    form = frozen(when.to_json(), "schedule")
    if type(schedule_from(form)) is not type(when):
        raise ImproperlyConfigured(
            f"{type(when).__name__} is a class of your own, and beats would not get it back from {form}; give it a "
            "to_json() that returns self.form(...) with the arguments of an equal one"
        )
    if given.get("zone") is not None:
        zone_of(given["zone"])
    task = given.pop("task")
    values = {
        **given,
        "name": name,
        "task": getattr(task, "name", task),
        "schedule": form,
        "args": frozen(list(given.get("args") or ()), "args"),
        "kwargs": frozen(dict(given.get("kwargs") or {}), "kwargs"),
        "options": frozen(_options(given.get("options") or {}), "options"),
        "origin": origin,
    }
    try:
        return msgspec.convert(values, Entry)
    except msgspec.ValidationError as exc:
        raise ImproperlyConfigured(str(exc)) from exc


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.total_seconds() if isinstance(v, dt.timedelta) else v for k, v in options.items()}


def frozen(value: Any, what: str) -> Any:
    """A value as stores keep it: plain JSON, with what JSON lacks (datetimes, ...) marked as kombu does."""
    try:
        return msgspec.json.decode(_JSON.dumps(value))
    except SerializationError as exc:
        raise ImproperlyConfigured(
            f"its {what} cannot be written as JSON, as stores keep them: {exc}"
        ) from exc


def thawed(value: Any) -> Any:
    """The value that `frozen` was given."""
    return _JSON.loads(msgspec.json.encode(value))
