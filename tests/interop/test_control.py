"""Celery's remote control and Flower steer tq's workers; tq's steers Celery's. Replies have the same form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.celery_client import CeleryClient, celery_environment
from tests.interop.conftest import StartCelery
from tests.processes import Program, Workers, eventually
from tests.processes.program import ROOT, clean_environment
from tq import TQ

OURS, THEIRS = "ours@here", "theirs@here"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def ours(workers: Workers) -> Program:
    """A tq worker."""
    return workers.start("-n", OURS, "-c", "2", pool="prefork")


@pytest.fixture(scope="module")
def theirs(start_celery: StartCelery) -> Program:
    """A Celery worker."""
    return start_celery("prefork", "-c", "2", "-n", THEIRS, "-Q", "theirs")


@pytest.fixture
def celery_command(celery_python: Path, url: str) -> Run:
    """Run `celery ARGUMENTS`."""
    environment = clean_environment() | celery_environment(url) | {"PYTHONPATH": str(ROOT)}
    return _runner(
        [os.fspath(celery_python), "-m", "celery", "-A", "tests.interop.celery_side:app"], environment
    )


@pytest.fixture
def tq_command(url: str) -> Run:
    """Run `tq ARGUMENTS`."""
    return _runner([sys.executable, "-m", "tq", "-b", url], clean_environment())


def _runner(start: list[str], environment: dict[str, str]) -> Run:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*start, *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def keys(value: Any) -> Any:
    """The form of a reply: the keys of its dictionaries, at every depth."""
    if isinstance(value, dict):
        return {key: keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [keys(value[0])] if value and isinstance(value[0], dict) else []
    return None


def test_replies_have_the_form_of_celerys(celery: CeleryClient, ours: Program, theirs: Program) -> None:
    both = [OURS, THEIRS]
    for command, arguments in (
        ("ping", {}),
        ("clock", {}),
        ("active", {}),
        ("scheduled", {}),
        ("revoked", {}),
        ("active_queues", {}),
        ("registered", {"taskinfoitems": ["max_retries"]}),
        ("query_task", {"ids": ["nobody"]}),
        ("rate_limit", {"task_name": "shop.add", "rate_limit": "100/s"}),
        ("rate_limit", {"task_name": "nosuch", "rate_limit": "100/s"}),
        ("time_limit", {"task_name": "shop.add", "soft": 50, "hard": 60}),
        ("add_consumer", {"queue": "more"}),
        ("cancel_consumer", {"queue": "more"}),
        ("pool_grow", {"n": 1}),
        ("pool_shrink", {"n": 1}),
        ("revoke", {"task_id": "nobody"}),
        ("terminate", {"signal": "KILL", "task_id": "nobody"}),
        ("heartbeat", {}),
        ("nosuch", {}),
        ("autoscale", {"max": 3, "min": 1}),
    ):
        replies = celery.command(command, arguments, both)
        assert keys(replies[OURS]) == keys(replies[THEIRS]), (command, replies)
    stats = celery.command("stats", {}, both)
    total = {node: stats[node].pop("total") for node in both}
    assert keys(stats[OURS]) == keys(stats[THEIRS])
    assert all(isinstance(each, dict) for each in total.values())
    for command in ("ping", "nosuch", "pool_grow", "add_consumer", "terminate", "autoscale"):
        arguments = (
            {"n": 1} if command == "pool_grow" else {"queue": "m"} if command == "add_consumer" else {}
        )
        arguments = {"signal": "KILL", "task_id": "x"} if command == "terminate" else arguments
        replies = celery.command(command, arguments, both)
        assert replies[OURS] == replies[THEIRS], command


def test_what_runs_is_described_as_celery_does(
    celery: CeleryClient, tq: TQ, ours: Program, theirs: Program, tmp_path: Path
) -> None:
    barrier = tmp_path / "running"
    barrier.touch()
    mine = tq.send_task("shop.hold", [str(barrier)])
    yours = celery.send("shop.hold", [str(barrier)], queue="theirs")

    def both_run() -> Any:
        found = celery.command("active", {}, [OURS, THEIRS])
        return found if all(found.values()) else None

    found = eventually(both_run, "two running tasks")
    assert set(found[OURS][0]) == set(found[THEIRS][0])
    assert [found[OURS][0]["id"], found[THEIRS][0]["id"]] == [mine.id, yours]
    assert found[OURS][0]["args"] == [str(barrier)]
    assert {type(value) for value in found[OURS][0].values()} >= {float, list, dict, str, bool, int}
    queried = celery.command("query_task", {"ids": [mine.id, yours]}, [OURS, THEIRS])
    assert queried[OURS][mine.id][0] == queried[THEIRS][yours][0] == "active"
    barrier.unlink()
    assert mine.get(timeout=60) == "released"


def test_celerys_command_line_reads_tq_workers(ours: Program, celery_command: Run) -> None:
    for command in (
        "ping",
        "active",
        "stats",
        "registered",
        "active_queues",
        "conf",
        "scheduled",
        "reserved",
    ):
        done = celery_command("inspect", command, "--json", "--timeout", "20", "-d", OURS)
        assert done.returncode == 0, done.stdout + done.stderr
        assert list(json.loads(done.stdout)) == [OURS]
    done = celery_command("inspect", "report", "--timeout", "20", "-d", OURS)
    assert "tq -> " in done.stdout, done.stdout + done.stderr


def test_celerys_command_line_steers_tq_workers(
    tq: TQ, celery: CeleryClient, workers: Workers, celery_command: Run, tmp_path: Path
) -> None:
    worker = workers.start("-n", "steered@here", "-Q", "steered", "-c", "1", pool="prefork")

    def control(*words: str) -> None:
        done = celery_command("control", "--timeout", "20", "-d", "steered@here", *words)
        assert done.returncode == 0, done.stdout + done.stderr

    control("rate_limit", "shop.add", "10/m")
    control("pool_grow", "1")
    stats = tq.control.inspect(["steered@here"], timeout=20).stats()
    assert stats is not None and stats["steered@here"]["pool"]["max-concurrency"] == 2
    assert "ok" in celery.command("add_consumer", {"queue": "steered-too"}, ["steered@here"])["steered@here"]
    assert tq.send_task("shop.echo", [1], queue="steered-too").get(timeout=60) == 1
    barrier = tmp_path / "running"
    barrier.touch()
    held = tq.send_task("shop.hold", [str(barrier)], queue="steered")
    eventually(
        lambda: (tq.control.inspect(["steered@here"], timeout=20).active() or {}).get("steered@here"),
        "a running task",
    )
    control("terminate", "KILL", held.id)
    assert held.get(timeout=60, propagate=False).args == ("terminated",)
    barrier.unlink()
    celery_command("control", "--timeout", "1", "-d", "steered@here", "shutdown")
    assert worker.wait() == 0


def test_a_task_that_celery_revokes_is_not_run_by_tq(tq: TQ, celery: CeleryClient, ours: Program) -> None:
    late = tq.send_task("shop.note", ["revoked"], countdown=2)
    assert "ok" in celery.command("revoke", {"task_id": [late.id]}, [OURS])[OURS]
    assert type(late.get(timeout=60, propagate=False)).__name__ == "TaskRevoked"


def test_tqs_command_line_reads_and_steers_celery_workers(theirs: Program, tq_command: Run, tq: TQ) -> None:
    asked = tq.control.inspect([THEIRS], timeout=20)
    for look in (asked.active, asked.stats, asked.active_queues, asked.conf, asked.clock, asked.revoked):
        assert list(look() or {}) == [THEIRS]
    for command in ("ping", "registered"):
        done = tq_command("inspect", command, "--json", "--timeout", "20", "-d", THEIRS)
        assert done.returncode == 0, done.stdout + done.stderr
        assert list(json.loads(done.stdout)) == [THEIRS]
    done = tq_command("control", "-d", THEIRS, "-t", "20", "rate_limit", "shop.add", "50/s")
    assert "new rate limit set successfully" in done.stdout, done.stdout + done.stderr
    found = tq.control.inspect([THEIRS], timeout=20).registered()
    assert found is not None and "shop.add [rate_limit=50/s]" in found[THEIRS]


def test_nothing_is_left_in_redis_by_who_asked(tq: TQ, ours: Program, url: str) -> None:
    import redis

    with redis.Redis.from_url(url) as raw:
        before = raw.scard("_kombu.binding.reply.celery.pidbox")
        assert tq.control.ping([OURS], timeout=20) == [{OURS: {"ok": "pong"}}]
        assert raw.scard("_kombu.binding.reply.celery.pidbox") == before
        assert [key for key in raw.keys("*.reply.celery.pidbox") if not raw.pttl(key) > 0] in (
            [],
            [b"_kombu.binding.reply.celery.pidbox"],
        )


# -- Flower ------------------------------------------------------------------------------------------------


class Flower:
    """Its REST API."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}/api/"

    def get(self, page: str) -> Any:
        with urllib.request.urlopen(self._base + page, timeout=60) as answer:
            return json.load(answer)

    def post(self, page: str, **fields: str) -> Any:
        data = urllib.parse.urlencode(fields).encode()
        try:
            with urllib.request.urlopen(self._base + page, data, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as exc:
            raise AssertionError(f"{page}: {exc} {exc.read()!r}") from exc


@pytest.fixture(scope="module")
def flower(celery_python: Path, url: str) -> Iterator[Flower]:
    """A Flower on that broker."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    program = Program(
        [
            *(os.fspath(celery_python), "-m", "celery", "-A", "tests.interop.celery_side:app"),
            *("flower", "--address=127.0.0.1", f"--port={port}", "--inspect_timeout=5000"),
        ],
        celery_environment(url) | {"PYTHONUNBUFFERED": "1", "FLOWER_UNAUTHENTICATED_API": "true"},
    )
    program.wait_for("Connected to")
    yield Flower(port)
    program.close()


def test_flower_reads_and_steers_workers_of_tq(
    tq: TQ, workers: Workers, flower: Flower, tmp_path: Path
) -> None:
    node = "flowery@here"
    worker = workers.start("-n", node, "-Q", "flowery", "-c", "2", pool="prefork")
    eventually(lambda: node in flower.get("workers?refresh=1"), "the worker in Flower")

    def shown() -> Any:
        return flower.get(f"workers?refresh=1&workername={node}")[node]

    found = shown()
    assert {
        "stats",
        "registered",
        "active_queues",
        "conf",
        "active",
        "reserved",
        "scheduled",
        "revoked",
    } <= set(found)
    assert found["stats"]["pool"]["max-concurrency"] == 2
    assert "shop.add" in found["registered"]
    assert [queue["name"] for queue in found["active_queues"]] == ["flowery"]
    flower.post(f"worker/pool/grow/{node}", n="1")
    eventually(lambda: shown()["stats"]["pool"]["max-concurrency"] == 3, "a larger pool")
    flower.post(f"worker/pool/shrink/{node}", n="1")
    flower.post("task/rate-limit/shop.add", workername=node, ratelimit="20/s")
    eventually(lambda: "shop.add [rate_limit=20/s]" in shown()["registered"], "the rate limit")
    flower.post("task/timeout/shop.add", workername=node, soft="10", hard="20")
    flower.post(f"worker/queue/add-consumer/{node}", queue="flowery-too")
    eventually(lambda: len(shown()["active_queues"]) == 2, "the second queue")
    barrier = tmp_path / "running"
    barrier.touch()
    held = tq.send_task("shop.hold", [str(barrier)], queue="flowery")
    eventually(lambda: [info["id"] for info in shown()["active"]] == [held.id], "the running task")
    flower.post(f"task/revoke/{held.id}", terminate="true", signal="SIGKILL")
    assert type(held.get(timeout=60, propagate=False)).__name__ == "TaskRevoked"
    barrier.unlink()
    flower.post(f"worker/shutdown/{node}")
    assert worker.wait() == 0
