"""Events of a worker and of clients, over a broker in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tq import TQ
from tq.app.telling import WorkerEvents
from tq.app.work import WorkerOptions, make_worker
from tq.brokers.memory import MemoryBroker
from tq.contracts.broker import Cap
from tq.errors import ImproperlyConfigured, Reject
from tq.events import State
from tq.testing.waiting import eventually
from tq.wire.ids import new_id
from tq.worker.worker import Worker

LIMIT = 60.0


class Monitor:
    """Collects the events of an app."""

    def __init__(self, app: TQ) -> None:
        self.events: list[dict[str, Any]] = []
        self.state = State()
        listening = threading.Event()
        self.receiver = app.events.Receiver(handlers={"*": self._take})
        self.receiver._wakeup = listening.set
        self._thread = threading.Thread(target=self.receiver.capture, daemon=True)
        self._thread.start()
        assert listening.wait(LIMIT)

    def _take(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        self.state.event(event)

    def of(self, task_id: str) -> list[str]:
        return [event["type"] for event in self.events if event.get("uuid") == task_id]

    def until(self, condition: Callable[[], object]) -> None:
        eventually(condition, lambda: f"after {[event['type'] for event in self.events]}", seconds=LIMIT)

    def close(self) -> None:
        self.receiver.should_stop = True
        self._thread.join(LIMIT)


class Side:
    """An app, its worker in a thread, and a monitor."""

    def __init__(self, **settings: Any) -> None:
        name = new_id()
        self.app = TQ(
            "shop", broker=f"memory://{name}", backend=f"memory://{name}", set_as_current=False, **settings
        )
        self.monitor = Monitor(self.app)
        self.worker: Worker | None = None

    def start(self, **options: Any) -> Worker:
        self.worker = make_worker(self.app, WorkerOptions(hostname="w@h", pool="solo", **options))
        self._thread = threading.Thread(target=self.worker.run, kwargs={"install_signals": False})
        self._thread.start()
        return self.worker

    def stop(self) -> None:
        if self.worker is not None:
            self.worker.stop()
            self._thread.join(LIMIT)

    def close(self) -> None:
        self.stop()
        self.monitor.close()
        self.app.close()


@pytest.fixture
def side() -> Iterator[Callable[..., Side]]:
    made: list[Side] = []

    def make(**settings: Any) -> Side:
        made.append(Side(**settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_each_step_of_a_task_is_an_event(side: Callable[..., Side]) -> None:
    here = side(worker_send_task_events=True, task_send_sent_event=True)

    @here.app.task(bind=True, max_retries=1, default_retry_delay=0)
    def moody(self: Any, mood: str) -> str:
        if mood == "bad":
            raise ValueError("no")
        if mood == "later" and not self.request.retries:
            self.retry(exc=KeyError("again"))
        if mood == "never":
            raise Reject("never", requeue=False)
        self.send_event("task-progress", done=5)
        return mood

    here.start()
    good, bad, later, never = (moody.delay(mood) for mood in ("good", "bad", "later", "never"))
    begin = ["task-received", "task-started"]
    wanted = {
        good.id: [*begin, "task-progress", "task-succeeded"],
        bad.id: [*begin, "task-failed"],
        later.id: [*begin, "task-retried", *begin, "task-progress", "task-succeeded"],
        never.id: [*begin, "task-rejected"],
    }
    for task_id, types in wanted.items():
        here.monitor.until(partial(_came, here.monitor, task_id, types))
    found = here.monitor.state.tasks[good.id]
    assert (found.state, found.result, found.args) == ("SUCCESS", "'good'", "('good',)")
    assert found.worker is not None
    assert found.worker.hostname == "w@h"
    assert here.monitor.state.tasks[bad.id].exception == "ValueError('no')"


def _came(monitor: Monitor, task_id: str, types: list[str]) -> bool:
    came = monitor.of(task_id)
    return "task-sent" in came and [each for each in came if each != "task-sent"] == types


def test_a_worker_says_when_it_comes_lives_and_goes(side: Callable[..., Side]) -> None:
    here = side(worker_send_task_events=True)
    here.start()
    here.monitor.until(lambda: here.monitor.state.alive_workers())
    here.monitor.until(lambda: any(event["type"] == "worker-heartbeat" for event in here.monitor.events))
    here.stop()
    here.monitor.until(lambda: here.monitor.events[-1]["type"] == "worker-offline")
    first = here.monitor.events[0]
    assert first["type"] == "worker-online"
    assert (first["hostname"], first["sw_ident"], first["freq"]) == ("w@h", "tq", 2.0)
    assert here.monitor.state.alive_workers() == []


def test_without_events_nothing_is_made_called_or_sent(side: Callable[..., Side]) -> None:
    here = side(worker_enable_remote_control=False)

    @here.app.task
    def add(x: int, y: int) -> int:
        return x + y

    worker = here.start()
    assert worker.events is None
    executor = worker.pool.setup.executor  # type: ignore[attr-defined]
    assert executor.refresh is None
    assert executor.watch is None
    assert add.delay(1, 2).get(timeout=LIMIT) == 3
    here.stop()
    assert here.monitor.events == []
    assert "events" in vars(here.app)  # the monitor's own
    assert not here.app.events._dispatchers


def test_events_of_tasks_can_be_switched_on_and_off_while_the_worker_runs(side: Callable[..., Side]) -> None:
    here = side(worker_send_task_events=True)

    @here.app.task
    def add(x: int, y: int) -> int:
        return x + y

    events = here.start().events
    assert isinstance(events, WorkerEvents)
    assert not events.enable()
    assert events.disable()
    assert not events.enabled
    silent = add.delay(1, 2)
    assert silent.get(timeout=LIMIT) == 3
    assert here.worker is not None
    assert here.worker.pool.setup.executor.watch is None  # type: ignore[attr-defined]
    assert events.enable()
    loud = add.delay(1, 2)
    here.monitor.until(lambda: "task-succeeded" in here.monitor.of(loud.id))
    assert here.monitor.of(silent.id) == []


def test_events_of_tasks_are_made_only_while_somebody_listens(side: Callable[..., Side]) -> None:
    here = side(worker_send_task_events=True)

    @here.app.task
    def add(x: int, y: int) -> int:
        return x + y

    here.monitor.close()
    worker = here.start()
    executor = worker.pool.setup.executor  # type: ignore[attr-defined]
    events = worker.events
    assert isinstance(events, WorkerEvents)
    here.monitor.until(lambda: not events.is_heard)
    here.monitor.until(lambda: executor.watch is None)
    assert events.enabled
    assert add.delay(1, 2).get(timeout=LIMIT) == 3
    here.monitor = Monitor(here.app)
    here.monitor.until(lambda: executor.watch is not None)
    loud = add.delay(1, 2)
    here.monitor.until(lambda: "task-succeeded" in here.monitor.of(loud.id))
    assert {
        event["type"] for event in here.monitor.events if event.get("uuid") not in (None, loud.id)
    } == set()


def test_who_asks_for_a_heartbeat_is_taken_for_a_monitor(side: Callable[..., Side]) -> None:
    here = side(worker_send_task_events=True)
    here.monitor.close()
    worker = make_worker(here.app, WorkerOptions(hostname="w@h", pool="solo"))
    events = worker.events
    assert isinstance(events, WorkerEvents)
    events.tick(worker.pool)
    assert events.enabled
    assert worker.pool.setup.executor.watch is None  # type: ignore[attr-defined]
    events.asked(worker.pool)
    events.refresh()
    assert worker.pool.setup.executor.watch is not None  # type: ignore[attr-defined]
    events.offline()


def test_a_task_without_code_is_a_failure(side: Callable[..., Side]) -> None:
    here = side(worker_send_task_events=True)
    here.start()
    lost = here.app.send_task("shop.unknown")
    here.monitor.until(lambda: here.monitor.of(lost.id) == ["task-failed"])
    assert "NotRegistered" in str(here.monitor.state.tasks[lost.id].exception)


def test_a_broker_that_cannot_broadcast_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(MemoryBroker, "capabilities", MemoryBroker.capabilities & ~Cap.BROADCAST)
    app = TQ("x", broker="memory://mute", set_as_current=False, worker_send_task_events=True)
    assert make_worker(app, WorkerOptions(pool="solo")).events is None
    assert "MemoryBroker cannot broadcast" in caplog.text
    with pytest.raises(ImproperlyConfigured, match="cannot broadcast"):
        app.events.Receiver()


def test_a_receiver_gives_each_event_to_the_handler_of_its_type(side: Callable[..., Side]) -> None:
    here = side()
    heard: list[str] = []
    receiver = here.app.events.Receiver(
        handlers={"task-sent": lambda event: heard.append("sent"), "*": lambda event: heard.append("other")},
        routing_key="task.#",
    )
    events = receiver.itercapture(limit=2, timeout=LIMIT)
    receiver._wakeup = lambda: _send(here.app)
    assert [event["type"] for event in events] == ["task-sent", "task-custom"]
    assert heard == ["sent", "other"]


def _send(app: TQ) -> None:
    with app.events.default_dispatcher() as dispatcher:
        dispatcher.send("worker-online")
        dispatcher.send("task-sent", uuid="1")
        dispatcher.send("task-custom", uuid="1")


def test_who_waits_too_long_for_events_is_told(side: Callable[..., Side]) -> None:
    with pytest.raises(TimeoutError, match="no event came"):
        side().app.events.Receiver().capture(timeout=0.01)


def test_what_a_client_collected_is_sent_when_its_app_is_closed(side: Callable[..., Side]) -> None:
    here = side(task_send_sent_event=True)
    sent = here.app.send_task("shop.any")
    here.app.close()
    here.monitor.until(lambda: here.monitor.of(sent.id) == ["task-sent"])
