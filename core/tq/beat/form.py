"""The JSON form of schedules, by which entries live in stores and in files with settings."""

from __future__ import annotations

import datetime as dt
import functools
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from tq.beat.crontab import crontab
from tq.beat.schedule import BaseSchedule, schedule
from tq.beat.solar import solar
from tq.errors import ImproperlyConfigured


def schedule_of(value: Any) -> BaseSchedule:
    """What users write as a schedule: one of `tq.schedules` or of `celery.schedules`, seconds, a timedelta, the text
    of a crontab, or the JSON form. Raises `ImproperlyConfigured`."""
    if isinstance(value, BaseSchedule):
        return value
    if isinstance(value, Mapping):
        return schedule_from(dict(value))
    if isinstance(value, str):
        return crontab.from_string(value)
    if isinstance(value, dt.timedelta) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return schedule(value)
    found = _of_celery(value)
    if found is None:
        raise ImproperlyConfigured(
            f"{value!r} is no schedule: write seconds, a timedelta, a crontab(...) or a solar(...) of tq.schedules"
        )
    return found


def schedule_from(form: Mapping[str, Any]) -> BaseSchedule:
    """The schedule of a JSON form. Raises `ImproperlyConfigured`. Equal forms give one object."""
    return _read(msgspec.json.encode(form, order="deterministic"))


@functools.lru_cache(maxsize=1024)
def _read(raw: bytes) -> BaseSchedule:
    form: dict[str, Any] = msgspec.json.decode(raw)
    kind = form.pop("type", None)
    try:
        if kind == "interval":
            return schedule(form.pop("every"), **form)
        if kind == "crontab":
            return crontab(**form)
        if kind == "solar":
            return solar(**form)
        if isinstance(kind, str) and ":" in kind:
            return _class_of(kind)(**form)
    except (TypeError, KeyError) as exc:
        raise ImproperlyConfigured(f"{raw.decode()} is not the form of a schedule: {exc}") from exc
    raise ImproperlyConfigured(
        f"{raw.decode()} is not the form of a schedule: its type is interval, crontab, solar or module:Class"
    )


def _class_of(path: str) -> type[BaseSchedule]:
    """A class of the app's own. Stores are written by others, so nothing is imported because they say so."""
    name, _, attribute = path.partition(":")
    module = sys.modules.get(name)
    if module is None:
        raise ImproperlyConfigured(
            f"a schedule is of the class {path}, and this process has not imported {name}; name it in `include` or `imports`"
        )
    found = getattr(module, attribute, None)
    if not isinstance(found, type) or not issubclass(found, BaseSchedule):
        raise ImproperlyConfigured(f"{path} is no class that derives from tq.schedules.BaseSchedule")
    return found


def _of_celery(value: Any) -> BaseSchedule | None:
    """By shape, so that Celery need not be there. Source: Celery 5.7 `celery.schedules`."""
    names = [cls.__name__ for cls in type(value).__mro__ if cls.__module__.startswith("celery.")]
    nowfun = getattr(value, "nowfun", None)
    if "crontab" in names:
        fields = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
        return crontab(**{name: getattr(value, f"_orig_{name}") for name in fields}, nowfun=nowfun)
    if "solar" in names:
        return solar(value.event, value.lat, value.lon)
    if "schedule" in names:
        return schedule(value.run_every, value.relative, nowfun)
    return None
