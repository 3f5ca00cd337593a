"""Flower, unchanged, with nothing but tq's workers: its pages, and all of its REST API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import StartCelery, on_each_broker
from tests.interop.flower import Flower
from tests.processes import Program, Workers, eventually
from tests.services import ports
from tests.services.rabbitmq import RabbitmqServer
from tq import TQ, states

NODE = "flowery@here"
LOOKS = {"stats", "registered", "active_queues", "conf", "active", "reserved", "scheduled", "revoked"}

pytestmark = on_each_broker


@pytest.fixture(scope="module")
def flower(request: pytest.FixtureRequest, url: str, start_monitor: StartCelery) -> Flower:
    """A Flower on that broker."""
    more: list[str] = []
    if url.startswith("amqp"):
        rabbitmq: RabbitmqServer = request.getfixturevalue("shared_rabbitmq")
        more = [f"--broker-api={rabbitmq.management_url}"]
    port = ports.free_port()
    program = start_monitor(
        "flower", "--address=127.0.0.1", f"--port={port}", "--inspect_timeout=5000", *more
    )
    program.wait_for("Connected to")
    return Flower(port)


@pytest.fixture(scope="module")
def worker(workers: Workers, flower: Flower) -> Program:
    """A worker of tq, and Flower knows it."""
    program = workers.start("-E", "-n", NODE, "-Q", "flowery,still", "-c", "2", pool="prefork")
    eventually(lambda: flower.get("workers?status=1").get(NODE) is True, "the worker's events in Flower")
    eventually(lambda: NODE in flower.get("workers?refresh=1"), "the worker in Flower")
    return program


@pytest.fixture
def shown(flower: Flower, worker: Program) -> Callable[[], Any]:
    """What Flower shows when it asks the worker again."""
    return lambda: flower.get(f"workers?refresh=1&workername={NODE}")[NODE]


def test_the_worker_is_shown_with_all_that_flower_asks_for(flower: Flower, shown: Callable[[], Any]) -> None:
    found = shown()
    assert set(found) >= LOOKS
    assert found["stats"]["pool"]["max-concurrency"] == 2
    assert "shop.add" in found["registered"]
    assert [queue["name"] for queue in found["active_queues"]] == ["flowery", "still"]
    for page in ("", "workers", f"worker/{NODE}"):
        assert NODE in flower.page(page)
    assert flower.page("healthcheck") == "OK"
    assert f'flower_worker_online{{worker="{NODE}"}} 1.0' in flower.page("metrics")


def test_tasks_are_shown_and_sent(tq: TQ, flower: Flower, worker: Program) -> None:
    mine = tq.send_task("shop.add", [1, 2], queue="flowery")
    assert mine.get(timeout=60) == 3
    by_name = flower.call("task/send-task/shop.add", args=[3, 4], queue="flowery")["task-id"]
    by_task = flower.call("task/async-apply/shop.add", args=[5, 6], queue="flowery")["task-id"]
    assert [tq.AsyncResult(each).get(timeout=60) for each in (by_name, by_task)] == [7, 11]
    assert flower.get(f"task/result/{by_name}") == {"task-id": by_name, "state": "SUCCESS", "result": 7}
    eventually(
        lambda: flower.get("tasks").get(mine.id, {}).get("state") == states.SUCCESS,
        "the task's end in Flower",
    )
    task = flower.get(f"task/info/{mine.id}")
    assert (task["name"], task["args"], task["result"]) == ("shop.add", "[1, 2]", "3")
    assert task["worker"].startswith(NODE)
    assert mine.id in flower.get("tasks?taskname=shop.add")
    assert "shop.add" in flower.get("task/types")["task-types"]
    assert 'id="tasks-table"' in flower.page("tasks")
    assert mine.id in flower.page(f"task/{mine.id}")


def test_the_worker_is_steered(flower: Flower, shown: Callable[[], Any]) -> None:
    flower.post(f"worker/pool/grow/{NODE}", n="1")
    eventually(lambda: shown()["stats"]["pool"]["max-concurrency"] == 3, "a larger pool")
    flower.post(f"worker/pool/shrink/{NODE}", n="1")
    flower.post("task/rate-limit/shop.add", workername=NODE, ratelimit="20/s")
    eventually(lambda: "shop.add [rate_limit=20/s]" in shown()["registered"], "the rate limit")
    flower.post("task/timeout/shop.add", workername=NODE, soft="10", hard="20")
    flower.post(f"worker/queue/add-consumer/{NODE}", queue="flowery-too")
    eventually(lambda: len(shown()["active_queues"]) == 3, "the third queue")
    flower.post(f"worker/queue/cancel-consumer/{NODE}", queue="flowery-too")
    eventually(lambda: len(shown()["active_queues"]) == 2, "two queues")
    flower.post(f"worker/pool/restart/{NODE}")


def test_the_limits_of_autoscale_are_changed(flower: Flower, workers: Workers) -> None:
    node = "scaled@here"
    worker = workers.start("-n", node, "-Q", "scaled", "--autoscale", "2,1", pool="prefork")
    scaler = eventually(
        lambda: flower.get("workers?refresh=1").get(node, {}).get("stats", {}).get("autoscaler"),
        "the autoscaler in Flower",
    )
    assert (scaler["max"], scaler["min"]) == (2, 1)
    flower.post(f"worker/pool/autoscale/{node}", min="2", max="4")
    scaler = flower.get(f"workers?refresh=1&workername={node}")[node]["stats"]["autoscaler"]
    assert (scaler["max"], scaler["min"]) == (4, 2)
    worker.stop()


def test_a_waiting_task_is_revoked(tq: TQ, flower: Flower, worker: Program) -> None:
    later = tq.send_task("shop.note", ["never"], queue="flowery", countdown=3)
    flower.post(f"task/revoke/{later.id}")
    assert type(later.get(timeout=60, propagate=False)).__name__ == "TaskRevoked"


def test_a_running_task_is_terminated(
    tq: TQ, flower: Flower, shown: Callable[[], Any], tmp_path: Path
) -> None:
    barrier = tmp_path / "running"
    barrier.touch()
    held = tq.send_task("shop.hold", [str(barrier)], queue="flowery")
    eventually(lambda: [info["id"] for info in shown()["active"]] == [held.id], "the running task")
    flower.post(f"task/revoke/{held.id}", terminate="true", signal="SIGKILL")
    assert type(held.get(timeout=60, propagate=False)).__name__ == "TaskRevoked"
    barrier.unlink()


def test_lengths_of_queues_are_shown_and_the_worker_is_shut_down(
    tq: TQ, flower: Flower, worker: Program
) -> None:
    flower.post(f"worker/shutdown/{NODE}")
    assert worker.wait() == 0
    # Into a queue of their own: a terminated task may have come back to the other one when its worker went.
    for number in range(3):
        tq.send_task("shop.add", [number, 1], queue="still")

    def waiting() -> Any:
        found = flower.get("queues/length")["active_queues"]
        return {queue["name"]: queue.get("messages") for queue in found}.get("still")

    # RabbitMQ counts its queues every few seconds.
    eventually(lambda: waiting() == 3, lambda: f"3 messages, not {waiting()}")
    assert "still" in flower.page("broker")
