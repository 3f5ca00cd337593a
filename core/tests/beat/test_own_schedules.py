"""Schedules of the app's own classes: kept by their place and their arguments."""

from __future__ import annotations

import datetime as dt
import sys
import types
from typing import Any

import pytest

from tq import TQ
from tq.beat.entries import entry_of
from tq.beat.form import schedule_from
from tq.beat.words import in_words
from tq.errors import ImproperlyConfigured
from tq.schedules import BaseSchedule, crontab

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


class Tide(BaseSchedule):
    """Each so many minutes from the start of March."""

    def __init__(self, minutes: int) -> None:
        super().__init__()
        self.minutes = minutes

    def next_after(self, moment: dt.datetime) -> dt.datetime:
        period = dt.timedelta(minutes=self.minutes)
        return (START + ((moment - START) // period + 1) * period).astimezone(moment.tzinfo)

    def to_json(self) -> dict[str, Any]:
        return self.form(minutes=self.minutes)


def test_a_schedule_of_an_own_class_is_kept_and_read_again() -> None:
    form = entry_of("tide", {"task": "t", "schedule": Tide(745)}).schedule
    assert form == {"type": f"{__name__}:Tide", "minutes": 745}
    found = schedule_from(form)
    assert isinstance(found, Tide)
    assert found == Tide(745)
    assert found.next_after(START) == START + dt.timedelta(minutes=745)
    assert "Tide" in in_words(found)


def test_it_is_added_and_previewed_as_any_other() -> None:
    with TQ("tides", broker="memory://tides", backend="memory://tides", set_as_current=False) as app:
        app.conf.beat_scheduler = "memory://tides"
        app.schedules.add("tide", Tide(60), "t")
        times = app.schedules.preview("tide", 3, start=START)
        assert times == [START + dt.timedelta(hours=hour) for hour in (1, 2, 3)]


def test_a_class_whose_module_was_not_imported_is_not_imported_for_a_store() -> None:
    with pytest.raises(ImproperlyConfigured, match="has not imported antigravity"):
        schedule_from({"type": "antigravity:Schedule"})
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("path", ["os:system", "datetime:datetime", f"{__name__}:START", f"{__name__}:none"])
def test_what_is_no_schedule_class_is_not_called(path: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="no class that derives"):
        schedule_from({"type": path, "command": "true"})


def test_arguments_that_do_not_fit_are_an_error_that_shows_the_form() -> None:
    with pytest.raises(ImproperlyConfigured, match="hours"):
        schedule_from({"type": f"{__name__}:Tide", "hours": 1})


def test_a_class_that_would_come_back_as_another_is_refused() -> None:
    class Lunch(crontab):
        pass

    with pytest.raises(ImproperlyConfigured, match="would not get it back"):
        entry_of("lunch", {"task": "t", "schedule": Lunch(0, 12)})


def test_a_class_that_others_cannot_import_is_refused_when_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Inner(Tide):
        pass

    with pytest.raises(ImproperlyConfigured, match="top of a module"):
        entry_of("tide", {"task": "t", "schedule": Inner(1)})
    main = types.new_class("Script", (Tide,), exec_body=lambda space: space.update(__module__="__main__"))
    with pytest.raises(ImproperlyConfigured, match="cannot import the schedule class __main__"):
        entry_of("tide", {"task": "t", "schedule": main(1)})
