"""`tq events`: lines, JSON, the table and cameras."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from core.tests.cli.conftest import Tq
from tq import TQ
from tq.cli.event_lines import line_of
from tq.cli.event_table import view
from tq.events import State
from tq.events.event import Event
from tq.events.receiver import Receiver

CAMERA = """
from tq.events import Camera

class Counting(Camera):
    def on_shutter(self, state):
        print("saw", state.event_count, "events")

class Nothing: ...
"""


@pytest.fixture
def shop(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose broker is in memory, where each receiver is told of three events."""
    (project / "watched.py").write_text(
        "from tq import TQ\napp = TQ('watched', broker='memory://watched')\n" + CAMERA
    )
    asked = Receiver.wakeup_workers

    def wake(self: Receiver) -> None:
        asked(self)
        sender = TQ("sender", broker="memory://watched", set_as_current=False)
        with sender.events.default_dispatcher(hostname="w@h") as dispatcher:
            dispatcher.send("worker-online", freq=2.0)
            dispatcher.send("task-received", uuid="1", name="shop.charge", args="(42,)")
            dispatcher.send("task-succeeded", uuid="1", result="'ok'", runtime=0.25)
        sender.close()

    monkeypatch.setattr(Receiver, "wakeup_workers", wake)
    return project


def test_each_event_is_a_line_that_names_its_task(shop: Path, tq: Tq) -> None:
    ended = tq("-A", "watched", "events", "--dump", "--limit", "3", "--timeout", "30")
    assert ended.status == 0, ended.err
    lines = {line.split()[2]: line for line in ended.out.splitlines()}
    assert "w@h worker-online freq=2.0" in lines["worker-online"]
    assert lines["task-received"].endswith("task-received shop.charge[1] args='(42,)'")
    assert lines["task-succeeded"].endswith("task-succeeded shop.charge[1] result=\"'ok'\" runtime=0.25")


def test_each_event_is_a_line_of_json(shop: Path, tq: Tq) -> None:
    ended = tq("-A", "watched", "events", "--json", "--limit", "2", "--types", "task.#", "--timeout", "30")
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert [event["type"] for event in events] == ["task-received", "task-succeeded"]


def test_a_camera_of_the_project_takes_the_pictures(shop: Path, tq: Tq) -> None:
    ended = tq(
        "-A",
        "watched",
        "events",
        "--camera",
        "watched:Counting",
        "-F",
        "60",
        "--limit",
        "3",
        "--timeout",
        "30",
    )
    assert (ended.status, ended.out) == (0, "saw 3 events\n"), ended.err


@pytest.mark.parametrize("camera", ["watched:Nothing", "watched:Missing"])
def test_what_is_no_camera_is_refused(shop: Path, tq: Tq, camera: str) -> None:
    ended = tq("-A", "watched", "events", "--camera", camera)
    assert ended.status == 1
    assert camera.partition(":")[2] in ended.err


def test_silence_is_an_error_where_events_are_expected(project: Path, tq: Tq) -> None:
    (project / "silent.py").write_text("from tq import TQ\napp = TQ('silent', broker='memory://silent')\n")
    ended = tq("-A", "silent", "events", "--timeout", "0.01")
    assert ended.status == 1
    assert "no event came" in ended.err


def shown(events: list[Event]) -> str:
    state = State()
    for event in events:
        state.event(event)
    console = Console(file=io.StringIO(), width=160, height=20, force_terminal=False)
    console.print(view(state, 10))
    file: Any = console.file
    return str(file.getvalue())


BASE = {"hostname": "w@h", "timestamp": 1_800_000_000.5, "clock": 1}


def test_the_table_shows_the_latest_tasks_and_who_works() -> None:
    text = shown(
        [
            {**BASE, "type": "worker-heartbeat", "freq": 1e9, "active": 2, "local_received": 1e9},
            {**BASE, "type": "task-received", "uuid": "1", "name": "shop.charge"},
            {**BASE, "type": "task-failed", "uuid": "1", "exception": "ValueError('no')", "clock": 2},
        ]
    )
    assert "1 workers, 2 bodies run, 1 tasks seen, 3 events" in text
    assert "08:00:00.500" in text
    assert "FAILURE" in text
    assert "ValueError('no')" in text


@pytest.mark.parametrize("field", ["name", "hostname", "exception", "uuid", "args"])
def test_events_cannot_write_to_the_terminal_what_they_like(field: str) -> None:
    hostile = {**BASE, "type": "task-failed", "uuid": "1", field: "\x1b]0;owned\x07\n\u202efine"}
    for text in (line_of(State(), dict(hostile)), shown([dict(hostile)])):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "\nfine" not in text


def test_a_line_can_be_made_of_any_event() -> None:
    for event in ({"type": "x"}, {"type": "task-x", "uuid": [1], "timestamp": "soon"}, {"timestamp": 1e300}):
        assert line_of(State(), dict(event))
