"""The cluster as events tell it."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq import states
from tq.events import Camera, State
from tq.events.state import feed


def task(kind: str, uuid: str = "t", clock: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "type": f"task-{kind}",
        "uuid": uuid,
        "hostname": "w@h",
        "pid": 1,
        "clock": clock,
        "timestamp": clock,
        **fields,
    }


def worker(kind: str, hostname: str = "w@h", **fields: Any) -> dict[str, Any]:
    return {"type": f"worker-{kind}", "hostname": hostname, "pid": 1, "timestamp": time.time(), **fields}


WAY = [
    task("sent", clock=1, name="shop.charge", args="(1,)", hostname="gen1@h"),
    task("received", clock=2, name="shop.charge", args="(1,)", kwargs="{}", retries=0),
    task("started", clock=3),
    task("succeeded", clock=4, result="'ok'", runtime=0.5),
]


def test_a_task_goes_from_state_to_state() -> None:
    state = State()
    for event, expected in zip(
        WAY, (states.PENDING, states.RECEIVED, states.STARTED, states.SUCCESS), strict=True
    ):
        state.event(event)
        assert state.tasks["t"].state == expected
    found = state.tasks["t"]
    assert (found.name, found.result, found.runtime, found.client) == ("shop.charge", "'ok'", 0.5, "gen1@h")
    assert found.worker is not None
    assert found.worker.hostname == "w@h"
    assert found.ready
    assert found.info()["args"] == "(1,)"
    assert (state.event_count, state.task_count) == (4, 1)


@given(st.permutations(WAY))
def test_the_order_in_which_events_arrive_does_not_matter(events: list[dict[str, Any]]) -> None:
    found = feed(State(), events).tasks["t"]
    assert found.state == states.SUCCESS
    assert (found.name, found.args, found.received, found.succeeded) == ("shop.charge", "(1,)", 2, 4)


def test_a_retry_may_follow_anything_and_be_followed_by_anything() -> None:
    state = feed(State(), [*WAY[:3], task("retried", clock=5, exception="E()")])
    assert state.tasks["t"].state == states.RETRY
    feed(
        state,
        [task("received", clock=6, name="shop.charge", retries=1), task("failed", clock=7, exception="F()")],
    )
    assert state.tasks["t"].state == states.FAILURE
    assert state.tasks["t"].exception == "F()"


def test_tasks_are_ordered_by_the_clock() -> None:
    events = [task("received", str(number), clock=number, name=f"n{number % 2}") for number in range(1, 9)]
    random.Random(1).shuffle(events)
    state = feed(State(), events)
    assert [uuid for uuid, _ in state.tasks_by_time(limit=3)] == ["8", "7", "6"]
    assert [uuid for uuid, _ in state.tasks_by_type("n1", reverse=False)] == ["1", "3", "5", "7"]
    assert len(list(state.tasks_by_worker("w@h"))) == 8
    assert list(state.tasks_by_worker("other@h")) == []
    assert state.task_types() == ["n0", "n1"]


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    state = State(max_tasks_in_memory=5, max_workers_in_memory=2)
    for number in range(50):
        state.event(task("received", str(number), clock=number))
        state.event(worker("heartbeat", f"w{number}@h"))
    assert list(state.tasks) == ["45", "46", "47", "48", "49"]
    assert len(state.workers) == 2


def test_a_worker_is_alive_while_its_heartbeats_come() -> None:
    now = 1000.0
    state = State(now=lambda: now)
    state.event(worker("heartbeat", freq=2.0, active=1, processed=7, sw_ident="tq", local_received=now))
    [found] = state.alive_workers()
    assert (found.active, found.processed, found.sw_ident, found.status_string) == (1, 7, "tq", "ONLINE")
    now += 4.1
    assert state.alive_workers() == []
    assert found.status_string == "OFFLINE"


def test_who_joins_and_leaves_is_told() -> None:
    heard: list[str] = []
    state = State(
        on_node_join=lambda node: heard.append(f"+{node.hostname}"),
        on_node_leave=lambda node: heard.append(f"-{node.hostname}"),
    )
    feed(state, [worker("online"), worker("heartbeat"), worker("offline")])
    assert heard == ["+w@h", "-w@h"]
    assert state.workers == {}


HOSTILE = st.dictionaries(
    st.sampled_from(
        ["type", "uuid", "hostname", "clock", "timestamp", "freq", "name", "pid", "local_received"]
    ),
    st.one_of(
        st.none(), st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=2), st.floats()
    ),
)


@given(
    st.lists(HOSTILE, max_size=8),
    st.sampled_from(["task-received", "task-", "worker-heartbeat", "task-failed"]),
)
def test_events_with_wrong_fields_raise_nothing(events: list[dict[str, Any]], kind: str) -> None:
    state = State()
    for fields in events:
        state.event({"hostname": "w@h", "uuid": "t", **fields, "type": kind})
        state.event(fields)
    state.alive_workers()
    list(state.tasks_by_time())
    state.task_types()


def test_a_camera_sees_what_happened_and_forgets_what_has_ended() -> None:
    seen: list[int] = []

    class Counting(Camera):
        clear_after = True

        def on_shutter(self, state: State) -> None:
            seen.append(len(state.tasks))

    state = feed(State(), [*WAY, task("started", "running")])
    with Counting(state, freq=600):
        pass
    assert seen == [2]
    assert list(state.tasks) == ["running"]


def test_a_camera_takes_no_picture_where_nothing_happened_or_the_rate_forbids() -> None:
    seen: list[int] = []

    class Counting(Camera):
        def on_shutter(self, state: State) -> None:
            seen.append(state.event_count)

    state = feed(State(), WAY)
    camera = Counting(state, maxrate="1/h")
    assert camera.shutter()
    assert not camera.shutter()
    feed(state, WAY)
    assert not camera.shutter()
    assert seen == [4]


def test_a_camera_that_raises_is_logged_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Camera):
        def on_shutter(self, state: State) -> None:
            raise RuntimeError("no film")

    camera = Broken(feed(State(), WAY), freq=600)
    with camera:
        pass
    assert "no film" in caplog.text
