"""`tq top`: the model, the view and the keys; with a worker it is tested in `tests/e2e/test_top.py`."""

from __future__ import annotations

import io
import json
import os
import pty
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from core.tests.cli.conftest import Tq
from tq.cli.top import counts, fleet
from tq.cli.top.counts import EventCounts, grown
from tq.cli.top.fleet import Fleet
from tq.cli.top.keys import TerminalKeys
from tq.cli.top.poll import Poll
from tq.cli.top.records import Presence, Snapshot
from tq.cli.top.view import SORTS, shares, view
from tq.events.event import Event
from tq.records import QueueStats

NOW = 1_800_000_000.0
ACTIVE = [{"id": "1", "name": "shop.charge", "args": [42], "time_start": NOW - 7}]


def stats(**total: int) -> dict[str, Any]:
    return {"total": total, "pool": {"implementation": "tq_prefork.pool:PreforkPool", "max-concurrency": 4}}


def event(kind: str, uuid: str = "1", host: str = "w@h", **fields: Any) -> Event:
    return {"type": kind, "hostname": host, "uuid": uuid, "timestamp": NOW, "clock": 1, **fields}


def watched(**how: Any) -> Fleet:
    return Fleet("redis://h/0", now=lambda: NOW, **how)


def text(shot: Snapshot, height: int | None = None, sort: str = "name") -> str:
    console = Console(file=io.StringIO(), width=160, force_terminal=False)
    console.print(view(shot, height=height, sort=sort, footer="q quit"))
    file: Any = console.file
    return str(file.getvalue())


def test_rates_are_what_workers_count_between_two_polls() -> None:
    seen = watched()
    seen.polled(Poll(10.0, {"w@h": stats(charge=100), "v@h": stats(charge=5)}, {"w@h": ACTIVE}))
    first = seen.snapshot()
    assert [row.rate for row in first.workers] == [None, None]
    assert first.totals.processed == 105 and first.totals.slots == 8
    seen.polled(Poll(14.0, {"w@h": stats(charge=140), "v@h": stats(charge=2)}, {"w@h": ACTIVE}))
    shot = seen.snapshot()
    # One that counts less than before was started again.
    assert {row.name: row.rate for row in shot.workers} == {"w@h": 10.0, "v@h": 0.5}
    assert [(row.name, row.started, row.succeeded) for row in shot.tasks] == [("charge", 10.5, None)]
    assert [(row.name, row.worker, row.seconds) for row in shot.running] == [("shop.charge", "w@h", 7.0)]
    assert {row.pool for row in shot.workers} == {"prefork"}


def test_outcomes_and_run_times_come_from_events() -> None:
    clock = [100.0]
    seen = watched(monotonic=lambda: clock[0])
    seen.polled(Poll(100.0, {"w@h": stats()}))
    for number in range(4):
        seen.heard(event("task-received", str(number), name="shop.charge"))
        seen.heard(event("task-started", str(number)))
        seen.heard(event("task-succeeded", str(number), runtime=0.5))
    seen.heard(event("task-received", "bad", name="shop.fail"))
    seen.heard(event("task-failed", "bad"))
    seen.heard(event("task-retried", "bad"))
    clock[0] = 102.0
    seen.polled(Poll(102.0, {"w@h": stats(**{"shop.charge": 4})}))
    charge, fail = seen.snapshot().tasks
    assert (charge.started, charge.succeeded, charge.failed, charge.mean_runtime) == (2.0, 2.0, 0.0, 0.5)
    assert (fail.failed, fail.retried, fail.mean_runtime) == (0.5, 0.5, None)


def test_workers_that_only_send_events_are_seen_with_what_they_run() -> None:
    seen = watched()
    seen.polled(Poll(1.0))
    seen.heard(event("worker-heartbeat", freq=2.0, active=1, processed=9, loadavg=[0.5, 1, 2]))
    seen.heard(event("task-received", name="shop.charge", args="(42,)"))
    seen.heard(event("task-started"))
    shot = seen.snapshot()
    (worker,) = shot.workers
    assert worker.presence is Presence.SILENT
    assert (worker.running, worker.processed, worker.load, worker.sends_events) == (1, 9, 0.5, True)
    assert [(row.name, row.args, row.worker) for row in shot.running] == [("shop.charge", "(42,)", "w@h")]


def test_a_worker_that_vanishes_is_shown_as_lost_and_one_that_says_goodbye_is_not() -> None:
    now = [NOW]
    seen = Fleet(now=lambda: now[0])
    seen.polled(Poll(1.0, {"w@h": stats(), "v@h": stats()}))
    seen.heard(event("worker-offline", host="v@h"))
    seen.polled(Poll(2.0))
    assert [(row.name, row.presence) for row in seen.snapshot().workers] == [("w@h", Presence.LOST)]
    assert seen.snapshot().totals.workers == 0
    now[0] += fleet.REMEMBERED + 1
    seen.polled(Poll(3.0))
    assert seen.snapshot().workers == []


def test_a_poll_that_failed_keeps_what_was_known_and_says_why() -> None:
    seen = watched()
    seen.polled(Poll(1.0, {"w@h": stats(charge=1)}, queues=[QueueStats("celery", 3)]))
    seen.polled(Poll(2.0, trouble="no connection to redis://h/0"))
    shot = seen.snapshot()
    assert shot.trouble == "no connection to redis://h/0" and shot.totals.ready == 3
    assert "reconnecting: no connection" in text(shot)
    seen.polled(Poll(5.0, {"w@h": stats(charge=9)}))
    assert seen.snapshot().trouble is None
    assert seen.snapshot().workers[0].rate == 2.0


def test_it_says_how_events_are_had_until_all_workers_send_them() -> None:
    seen = watched()
    assert seen.snapshot().notes == ["asking"]
    seen.polled(Poll(1.0, {"w@h": stats()}))
    (note,) = seen.snapshot().notes
    assert "from 0 of 1 workers" in note and "enable_events" in note and "-E" in note
    seen.heard(event("task-started"))
    assert seen.snapshot().notes == []
    silent = watched(limits=["SqsBroker cannot broadcast: workers and tasks are not seen"])
    silent.polled(Poll(1.0))
    assert silent.snapshot().notes == ["SqsBroker cannot broadcast: workers and tasks are not seen"]


def test_what_is_remembered_is_bounded() -> None:
    known = EventCounts(most=3)
    for number in range(10):
        known.add("started", f"task{number}", f"worker{number}", None)
    assert list(known.names) == ["task7", "task8", "task9"]
    assert list(known.workers) == ["worker7", "worker8", "worker9"]
    huge = counts.tallies({"w": {"total": {str(number): 1 for number in range(counts.MOST * 2)}}})
    assert len(huge["w"]) == counts.MOST


def test_a_count_that_fell_began_anew() -> None:
    assert grown({"a": 5, "b": 2, "c": 1}, {"a": 3, "b": 7}) == {"a": 2, "b": 2, "c": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["total", "pool", "implementation", "max-concurrency", "id", "time_start"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
REPLIES = st.dictionaries(st.text(max_size=4), JSON, max_size=3)
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["task-started", "task-succeeded", "task-received", "worker-heartbeat", "x"]),
        "hostname": JSON,
        "uuid": JSON | st.just("1"),
        "name": JSON,
        "runtime": JSON,
        "loadavg": JSON,
        "active": JSON,
    },
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(REPLIES, REPLIES), max_size=3), st.lists(EVENTS, max_size=8))
def test_whatever_replies_and_events_hold_there_is_a_picture(
    replies: list[tuple[dict[str, Any], dict[str, Any]]], events: list[Event]
) -> None:
    seen = watched()
    for at, (counted, active) in enumerate(replies):
        for each in events:
            seen.heard(dict(each))
        seen.polled(Poll(float(at), counted, active))
        assert text(seen.snapshot(), height=30)


def test_nothing_that_came_over_the_network_moves_the_cursor() -> None:
    hostile = "\x1b]0;owned\x07\n\u202e"
    seen = watched()
    info = {"id": hostile, "name": hostile, "args": hostile}
    seen.polled(Poll(1.0, {hostile: stats(**{hostile: 1})}, {hostile: [info]}, [QueueStats(hostile, 1)]))
    shown = text(seen.snapshot())
    assert "\x1b" not in shown and "\u202e" not in shown and "\x07" not in shown


def full() -> Snapshot:
    seen = watched()
    for at in (0.0, 1.0):
        replies = {f"w{n}@h": stats(**{f"task{n}": int(at) * (n + 1)}) for n in range(40)}
        active = {f"w{n}@h": [{"id": f"{n}", "name": f"body{n}"}] for n in range(40)}
        seen.polled(Poll(at, replies, active, [QueueStats(f"q{n}", n) for n in range(40)]))
    return seen.snapshot()


@pytest.mark.parametrize("height", [10, 24, 50])
def test_all_tables_fit_into_the_terminal(height: int) -> None:
    lines = text(full(), height).splitlines()
    assert len(lines) <= max(height, 20)
    assert {"QUEUE", "WORKER", "TASK", "RUNNING"} <= {line.split()[0] for line in lines if line.strip()}
    assert " more" in "".join(lines)


def test_rooms_are_shared_fairly() -> None:
    assert shares([1, 100, 0, 3], 26) == [1, 16, 0, 3]
    assert shares([100, 100], 24) == [10, 10]


@pytest.mark.parametrize("sort", SORTS)
def test_rows_are_sorted_as_asked(sort: str) -> None:
    lines = [line.split()[0] for line in text(full(), sort=sort).splitlines() if line.startswith("task")]
    assert lines[0] == ("task39" if sort == "rate" else "task0")


def test_keys_come_one_by_one_and_a_terminal_that_is_gone_has_none() -> None:
    outside, inside = pty.openpty()
    keys = TerminalKeys(inside)
    os.write(outside, b"Q\n")
    assert keys.next(30.0) == "q"
    os.close(outside)
    os.close(inside)
    reading, writing = os.pipe()
    os.close(writing)
    assert TerminalKeys(reading).next(0.01) == ""
    os.close(reading)


def test_one_picture_of_a_broker_without_workers(tq: Tq) -> None:
    ended = tq("-b", "memory://top", "top", "--json", "-i", "0.1", "-t", "0.1")
    assert ended.status == 0, ended.err
    shot = json.loads(ended.out)
    assert shot["queues"][0]["name"] == "celery" and shot["workers"] == []
    assert "no worker answered" in shot["notes"][0]
    ended = tq("-b", "memory://top", "top", "--once", "-i", "0.1", "-t", "0", "-Q", "mails")
    assert ended.status == 0 and "mails" in ended.out and "celery" not in ended.out


def test_a_broker_that_is_away_gives_status_1_and_the_reason(tq: Tq) -> None:
    ended = tq("-b", "redis://me:hunter2@127.0.0.1:1/0", "top", "--json", "-i", "0.1", "--count", "2")
    assert ended.status == 1
    shots = [json.loads(line) for line in ended.out.splitlines()]
    assert len(shots) == 2 and "no connection" in shots[1]["trouble"]
    assert "hunter2" not in ended.out + ended.err
