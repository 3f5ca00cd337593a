"""What apps declare, where their schedule lies, and `app.schedules`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from tq import TQ
from tq.app.beat import entries_of, make_beat, store_of
from tq.beat.file import FileScheduleStore
from tq.beat.memory import MemoryScheduleStore
from tq.brokers.memory import MemoryBroker
from tq.contracts.schedules import Row
from tq.errors import ImproperlyConfigured, PluginError
from tq.records import Message
from tq.schedules import crontab
from tq.wire.ids import new_id


@pytest.fixture
def app() -> Iterator[TQ]:
    with TQ("clock", broker="memory://beat", backend="memory://beat", set_as_current=False) as made:
        made.task(name="tick")(lambda mark=None: mark)
        yield made
    MemoryBroker.reset()


def waiting(app: TQ) -> list[Message]:
    consumer = app.broker.consumer(["celery"], new_id(), lease=60)
    found = [delivery.message for delivery in consumer.receive(100, 0)]
    assert all(isinstance(message, Message) for message in found)
    return found  # type: ignore[return-value]


def test_a_receiver_of_on_after_configure_adds_entries_once(app: TQ) -> None:
    calls = []

    @app.on_after_configure.connect
    def declare(sender: TQ, **kwargs: Any) -> None:
        calls.append(sender)
        sender.add_periodic_task(10, sender.tasks["tick"].s("x"), expires=5, misfire="skip")

    app.import_modules()
    app.import_modules()
    assert calls == [app]
    [(name, entry)] = entries_of(app).items()
    assert name == "tick('x')"
    assert (entry.args, entry.options, entry.misfire) == (["x"], {"expires": 5}, "skip")


def test_a_name_or_a_task_may_stand_for_a_signature(app: TQ) -> None:
    app.add_periodic_task(crontab(0), "tick", args=(1,), name="a")
    app.add_periodic_task(dt.timedelta(minutes=1), app.tasks["tick"], name="b", relative=True)
    entries = entries_of(app)
    assert (entries["a"].task, entries["a"].args) == ("tick", [1])
    assert entries["b"].schedule == {"type": "interval", "every": 60.0, "relative": True}


def test_a_workflow_cannot_be_an_entry(app: TQ) -> None:
    with pytest.raises(ImproperlyConfigured, match="not a chain"):
        app.add_periodic_task(5, {"task": "celery.chain", "subtask_type": "chain"})


def test_overlap_needs_a_result_backend() -> None:
    entry = {"task": "t", "schedule": 5, "overlap": "skip"}
    app = TQ(
        "bare", broker="memory://", backend="disabled://", beat_schedule={"e": entry}, set_as_current=False
    )
    with pytest.raises(ImproperlyConfigured, match="'e': overlap 'skip' needs a result backend"):
        entries_of(app)


def test_a_beat_sends_messages_that_say_what_they_are(app: TQ) -> None:
    app.conf.beat_schedule = {
        "e": {"task": "tick", "schedule": 0.05, "args": ["x"], "options": {"priority": 3}}
    }
    beat = make_beat(app)
    beat.tick()
    found: list[Message] = []
    while not found:
        beat.tick()
        found = waiting(app)
    headers = found[0].headers
    assert (headers["task"], headers["periodic_task_name"]) == ("tick", "e")
    assert dt.datetime.fromisoformat(headers["due"]).tzinfo is not None
    assert found[0].properties["priority"] == 3


@pytest.mark.parametrize(
    ("settings", "kind", "url"),
    [
        ({}, MemoryScheduleStore, "memory://beat"),
        ({"beat_scheduler": "memory"}, MemoryScheduleStore, "memory://beat"),
        ({"beat_scheduler": "memory://other"}, MemoryScheduleStore, "memory://other"),
        ({"beat_scheduler": "tq.beat.memory:MemoryScheduleStore"}, MemoryScheduleStore, "memory://beat"),
        ({"beat_scheduler": "file"}, FileScheduleStore, "file://.tq/schedule.json"),
        (
            {"beat_scheduler": "file", "beat_schedule_filename": "/a b.json"},
            FileScheduleStore,
            "file:///a%20b.json",
        ),
    ],
)
def test_the_store_is_where_the_settings_say(app: TQ, settings: dict[str, str], kind: type, url: str) -> None:
    app.conf.update(settings)
    store = store_of(app)
    assert (type(store), store.url, store.namespace) == (kind, url, "clock")


def test_without_a_store_for_broker_or_backend_it_is_a_file(app: TQ) -> None:
    app.conf.update(broker_url="amqp://host", result_backend="cache+memcached://host")
    assert store_of(app).url == "file://.tq/schedule.json"


def test_a_scheduler_that_is_not_there_is_refused(app: TQ) -> None:
    app.conf.beat_scheduler = "nowhere"
    with pytest.raises(ImproperlyConfigured, match="write a whole URL: nowhere://"):
        store_of(app)
    app.conf.beat_scheduler = "nowhere://host"
    with pytest.raises(PluginError, match="no schedule store plugin for nowhere://"):
        store_of(app)


# -- app.schedules --------------------------------------------------------------------------------------------


def test_entries_are_added_changed_and_removed(app: TQ) -> None:
    schedules = app.schedules
    schedules.add("e", 60, "tick", [1], overlap="queue")
    with pytest.raises(ImproperlyConfigured, match="already"):
        schedules.add("e", 60, "tick")
    schedules.change("e", args=[2], catch_up=3)
    entry = schedules.get("e").entry
    assert (entry.args, entry.catch_up, entry.overlap) == ([2], 3, "queue")
    assert schedules.add("e", 30, "tick", replace=True).revision == 3
    schedules.remove("e")
    with pytest.raises(ImproperlyConfigured, match="no periodic task 'e'"):
        schedules.remove("e")


def test_what_the_code_declares_is_shown_paused_and_not_changed(app: TQ) -> None:
    app.conf.beat_schedule = {"mine": {"task": "tick", "schedule": 60}}
    schedules = app.schedules
    assert [row.revision for row in schedules.all()] == [0]
    assert schedules.pause("mine") == schedules.pause("mine")
    make_beat(app).tick()
    assert schedules.get("mine").entry.enabled is False
    for call in (lambda: schedules.change("mine", args=[1]), lambda: schedules.remove("mine")):
        with pytest.raises(ImproperlyConfigured, match="in the app's code"):
            call()


def test_a_resumed_entry_begins_anew(app: TQ) -> None:
    schedules = app.schedules
    schedules.add("e", 1000, "tick")
    make_beat(app).tick()
    due = schedules.get("e").state.next_due
    assert due is not None
    schedules.pause("e")
    schedules.resume("e")
    assert schedules.get("e").state.next_due is None


def test_run_sends_now_and_preview_only_looks(app: TQ) -> None:
    schedules = app.schedules
    schedules.add("e", "30 7 * * *", "tick", ["x"], zone="Asia/Tokyo")
    result = schedules.run("e")
    assert [message.headers["id"] for message in waiting(app)] == [result.id]
    times = schedules.preview("e", 2, start=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    assert [time.isoformat() for time in times] == ["2026-01-02T07:30:00+09:00", "2026-01-03T07:30:00+09:00"]
    assert len(schedules.preview("e", 4)) == 4


def test_writers_at_the_same_moment_try_again(app: TQ, monkeypatch: pytest.MonkeyPatch) -> None:
    schedules = app.schedules
    schedules.add("e", 60, "tick")
    plain, lost = schedules.store.save, [1, 2]

    def save(rows: list[Row]) -> Any:
        if lost and lost.pop():
            known = schedules.store.read(["e"])[0]
            plain([known])
        return plain(rows)

    monkeypatch.setattr(schedules.store, "save", save)
    assert schedules.change("e", args=[7]).entry.args == [7]
    assert schedules.get("e").revision == 4
