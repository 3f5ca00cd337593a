"""Monitors written for Celery see tq's workers, and tq's see Celery's."""

from __future__ import annotations

import threading
from typing import Any

from tests.interop.conftest import StartCelery, on_each_broker
from tests.processes import Workers, eventually
from tq import TQ, states
from tq.events import State

STEPS = ["task received", "task started", "task succeeded"]


pytestmark = on_each_broker


def test_celery_events_dumps_the_events_of_a_prefork_worker_of_tq(
    tq: TQ, workers: Workers, start_monitor: StartCelery
) -> None:
    dump = start_monitor("events", "--dump")
    dump.wait_for("starting capture")
    worker = workers.start("-E", "-c", "2", "-n", "watched@tq", "-Q", "watched", pool="prefork")
    dump.wait_for("watched@tq")
    good = tq.send_task("shop.add", [1, 2], queue="watched")
    bad = tq.send_task("shop.fail", ["ValueError", "no"], queue="watched")
    assert good.get(timeout=60) == 3
    dump.wait_for(f"shop.add({good.id}) args=[1, 2] kwargs={{}}")
    eventually(lambda: "task failed" in dump.output(), dump.tail)
    worker.stop()
    eventually(lambda: "worker offline" in dump.output() or "shutdown" in dump.output(), dump.tail)
    lines = [line for line in dump.output().splitlines() if good.id in line]
    assert [step for step in STEPS if any(step in line for line in lines)] == STEPS, dump.output()
    assert any("task failed" in line and bad.id in line for line in dump.output().splitlines())


def test_tq_sees_the_events_of_a_celery_worker(tq: TQ, celery: Any, start_celery: StartCelery) -> None:
    state = State()
    listening = threading.Event()
    receiver = tq.events.Receiver(handlers={"*": state.event})
    receiver._wakeup = listening.set
    thread = threading.Thread(target=receiver.capture, daemon=True)
    thread.start()
    assert listening.wait(60)
    start_celery("solo", "-E", "-n", "watched@celery")
    task_id = celery.send("shop.add", [20, 22])
    eventually(
        lambda: task_id in state.tasks and state.tasks[task_id].state == states.SUCCESS, lambda: repr(state)
    )
    found = state.tasks[task_id]
    assert (found.name, found.args, found.result) == ("shop.add", "[20, 22]", "42")
    assert found.worker is not None
    assert found.worker.hostname == "watched@celery"
    receiver.should_stop = True
    thread.join(60)
