"""`tq beat`, `tq schedule` and `tq worker -B`."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tq.testing.waiting import eventually

from .conftest import Program, Start, Tq, programs

CLOCK = """
from tq import TQ
from tq.schedules import crontab

app = TQ("clock", beat_lease=2)


@app.task
def tick(mark="") -> str:
    print("tick", mark)
    return "tock"


@app.on_after_configure.connect
def declare(sender, **kwargs):
    sender.add_periodic_task(crontab(30, 7, "mon-fri"), tick.s("report"), name="report", zone="Europe/Berlin")
"""


@pytest.fixture
def clock(project: Path) -> Path:
    (project / "clock.py").write_text(CLOCK)
    return project


@pytest.fixture
def begin(clock: Path) -> Iterator[Start]:
    with programs(clock) as start:
        yield start


def rows(tq: Tq) -> dict[str, dict[str, object]]:
    ended = tq("-A", "clock", "schedule", "list", "--json")
    assert ended.status == 0, ended.err
    return {row["name"]: row for row in json.loads(ended.out)}


def test_the_list_shows_what_the_code_declares_before_any_beat_has_run(clock: Path, tq: Tq) -> None:
    ended = tq("-A", "clock", "schedule", "list")
    assert "report  clock.tick  at 07:30, Monday to Friday, Europe/Berlin" in ended.out
    assert "no beat has seen it yet" in ended.out


def test_an_entry_is_added_changed_paused_run_and_removed(clock: Path, tq: Tq) -> None:
    added = tq("-A", "clock", "schedule", "add", "often", "*/5 * * * *", "clock.tick", "-a", '["x"]')
    assert (added.status, added.out) == (0, "often: every 5 minutes\n")
    again = tq("-A", "clock", "schedule", "add", "often", "30", "clock.tick")
    assert again.status == 1 and "already" in again.err
    assert tq("-A", "clock", "schedule", "add", "often", "30", "clock.tick", "--replace").status == 0
    assert rows(tq)["often"]["schedule"] == {"type": "interval", "every": 30.0}
    assert tq("-A", "clock", "schedule", "pause", "often").status == 0
    assert rows(tq)["often"]["enabled"] is False
    resumed = tq("-A", "clock", "schedule", "resume", "often", "--json")
    assert json.loads(resumed.out) == {"resumed": ["often"]}
    assert rows(tq)["often"]["enabled"] is True
    sent = tq("-A", "clock", "schedule", "run", "often", "--json")
    assert len(json.loads(sent.out)["often"]) == 36
    assert tq("-A", "clock", "schedule", "remove", "often").status == 0
    assert "often" not in rows(tq)


def test_a_wrong_crontab_or_policy_is_refused_by_name(clock: Path, tq: Tq) -> None:
    wrong = tq("-A", "clock", "schedule", "add", "x", "61 * * * *", "clock.tick")
    assert wrong.status == 1
    assert "periodic task 'x': crontab(minute='61'): 61 is not a number from 0 to 59" in wrong.err
    assert tq("-A", "clock", "schedule", "add", "x", "5", "clock.tick", "--misfire", "never").status == 2
    assert "no periodic task 'none'" in tq("-A", "clock", "schedule", "pause", "none").err


def test_what_the_code_declares_is_paused_and_not_removed(clock: Path, tq: Tq) -> None:
    assert "in the app's code" in tq("-A", "clock", "schedule", "remove", "report").err
    assert tq("-A", "clock", "schedule", "pause", "report").status == 0
    assert rows(tq)["report"]["enabled"] is False


def test_preview_shows_words_and_times_of_the_entrys_zone(clock: Path, tq: Tq) -> None:
    ended = tq("-A", "clock", "schedule", "preview", "report", "-N", "2", "--from", "2026-03-27")
    assert ended.out.splitlines() == [
        "report: at 07:30, Monday to Friday, Europe/Berlin",
        "  Fri 2026-03-27 07:30:00+01:00 CET",
        "  Mon 2026-03-30 07:30:00+02:00 CEST",
    ]
    as_json = json.loads(tq("-A", "clock", "schedule", "preview", "report", "--json").out)
    assert len(as_json["times"]) == 5


def test_beat_sends_what_is_added_while_it_runs_and_ends_on_term(clock: Path, begin: Start, tq: Tq) -> None:
    beat = begin("-A", "clock", "beat", "-l", "INFO")
    beat.wait_for("leads")
    assert rows(tq)["report"]["next_due"] is not None
    tq("-A", "clock", "schedule", "add", "second", "0.5", "clock.tick")
    beat.wait_for("second: sent clock.tick", times=3)
    tq("-A", "clock", "schedule", "pause", "second")
    beat.process.send_signal(signal.SIGTERM)
    assert beat.wait() == 0


def test_a_worker_with_beat_sends_and_runs(clock: Path, begin: Start, tq: Tq) -> None:
    tq("-A", "clock", "schedule", "add", "second", "0.5", "clock.tick", "-a", '["on time"]')
    worker = begin("-A", "clock", "worker", "-B", "-P", "solo", "-l", "INFO")
    worker.wait_for("tick on time", times=2)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_two_workers_with_beat_send_each_tick_once(clock: Path, begin: Start, tq: Tq) -> None:
    tq("-A", "clock", "schedule", "add", "second", "0.5", "clock.tick")
    both = [begin("-A", "clock", "worker", "-B", "-P", "prefork", "-c", "1", "-l", "INFO") for _ in range(2)]
    eventually(lambda: sum(w.output.count("second: sent") for w in both) >= 4, lambda: both[0].output)
    for worker in both:
        worker.process.send_signal(signal.SIGTERM)
        assert worker.wait() == 0
    due = [line.rpartition("[")[2] for w in both for line in w.output.splitlines() if ": sent " in line]
    assert len(due) == len(set(due)) == rows(tq)["second"]["sent"]


def test_beat_keeps_its_schedule_in_a_file_where_it_is_told(clock: Path, begin: Start) -> None:
    beat = begin("-A", "clock", "beat", "-s", "mine.json", "-l", "INFO")
    beat.wait_for("leads")
    eventually(lambda: "report" in (clock / "mine.json").read_text(), lambda: beat.output)


def test_schedule_options_of_a_worker_need_its_beat(clock: Path, tq: Tq) -> None:
    ended = tq("-A", "clock", "worker", "-s", "mine.json")
    assert ended.status == 2 and "-B" in ended.err


def test_a_scheduler_of_celery_is_refused_with_what_to_do(clock: Path, tq: Tq) -> None:
    ended = tq("-A", "clock", "beat", "-S", "django_celery_beat.schedulers:DatabaseScheduler")
    assert ended.status == 1 and "leave the setting away" in ended.err


def test_a_detached_beat_writes_its_process_id(clock: Path, begin: Start) -> None:
    program: Program = begin("-A", "clock", "beat", "-D", "--pidfile", "beat.pid", "-f", "beat.log")
    assert program.wait() == 0
    pid = int((clock / "beat.pid").read_text())
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not (clock / "beat.pid").exists(), lambda: (clock / "beat.log").read_text())
