"""Monitors written for Celery see tq's workers, and tq's see Celery's."""

from __future__ import annotations

import json
import os
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import StartCelery
from tests.processes import Program, Workers, eventually
from tq import TQ, states
from tq.events import State

STEPS = ["task received", "task started", "task succeeded"]


@pytest.fixture
def start_monitor(celery_python: Path, url: str) -> Iterator[Callable[..., Program]]:
    """Starts a command of Celery's."""
    started: list[Program] = []

    def start(*words: str) -> Program:
        environment = {"TQ_TEST_BROKER": url, "PYTHONUNBUFFERED": "1", "FLOWER_UNAUTHENTICATED_API": "true"}
        program = Program(
            [os.fspath(celery_python), "-m", "celery", "-A", "tests.interop.celery_side:app", *words],
            environment,
        )
        started.append(program)
        return program

    yield start
    for program in started:
        program.close()


def test_celery_events_dumps_the_events_of_a_prefork_worker_of_tq(
    tq: TQ, workers: Workers, start_monitor: Callable[..., Program]
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


def test_flower_shows_the_workers_and_tasks_of_tq(
    tq: TQ, workers: Workers, start_monitor: Callable[..., Program], free_port: int
) -> None:
    flower = start_monitor("flower", "--address=127.0.0.1", f"--port={free_port}", "--enable-events=False")
    flower.wait_for("Connected to")
    workers.start("-E", "-c", "2", "-n", "shown@tq", "-Q", "shown", pool="prefork")

    def ask(page: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/api/{page}", timeout=60) as answer:
            return json.load(answer)

    eventually(lambda: ask("workers?status=1").get("shown@tq") is True, flower.tail)
    good = tq.send_task("shop.add", [1, 2], queue="shown")
    assert good.get(timeout=60) == 3
    task = eventually(
        lambda: (found := ask("tasks").get(good.id)) and found["state"] == states.SUCCESS and found,
        flower.tail,
    )
    assert (task["name"], task["args"], task["result"]) == ("shop.add", "[1, 2]", "3")
    assert task["worker"].startswith("shown@tq")
