"""Celery's remote control steers tq's workers; tq's steers Celery's. Replies have the same form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.interop.celery_client import CeleryClient, celery_environment
from tests.interop.conftest import StartCelery, on_each_broker
from tests.processes import Program, Workers, eventually
from tests.processes.program import ROOT, clean_environment
from tq import TQ

OURS, THEIRS = "ours@here", "theirs@here"
Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = on_each_broker


@pytest.fixture(scope="module")
def ours(workers: Workers) -> Program:
    """A tq worker."""
    return workers.start("-n", OURS, "-c", "2", pool="prefork")


@pytest.fixture(scope="module")
def theirs(start_celery: StartCelery) -> Program:
    """A Celery worker."""
    return start_celery("prefork", "-c", "2", "-n", THEIRS, "-Q", "theirs")


@pytest.fixture
def celery_command(celery_python: Path, url: str, backend: str) -> Run:
    """Run `celery ARGUMENTS`."""
    environment = clean_environment() | celery_environment(url, backend) | {"PYTHONPATH": str(ROOT)}
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
    # Each takes seconds to start; the form of all other replies is compared below its command line.
    for command in ("ping", "stats", "registered"):
        done = celery_command("inspect", command, "--json", "--timeout", "20", "-d", OURS)
        assert done.returncode == 0, done.stdout + done.stderr
        assert list(json.loads(done.stdout)) == [OURS]
    done = celery_command("inspect", "report", "--timeout", "20", "-d", OURS)
    assert "tq -> " in done.stdout, done.stdout + done.stderr


def test_celerys_command_line_steers_tq_workers(
    tq: TQ, celery: CeleryClient, workers: Workers, celery_command: Run
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
    celery_command("control", "--timeout", "1", "-d", "steered@here", "shutdown")
    assert worker.wait() == 0


def test_a_running_task_that_celery_terminates_ends(
    tq: TQ, ours: Program, celery_command: Run, tmp_path: Path
) -> None:
    barrier = tmp_path / "running"
    barrier.touch()
    held = tq.send_task("shop.hold", [str(barrier)])
    eventually(lambda: (tq.control.inspect([OURS], timeout=20).active() or {}).get(OURS), "a running task")
    done = celery_command("control", "--timeout", "20", "-d", OURS, "terminate", "KILL", held.id)
    assert done.returncode == 0, done.stdout + done.stderr
    assert held.get(timeout=60, propagate=False).args == ("terminated",)
    barrier.unlink()


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
    if not url.startswith("redis://"):
        pytest.skip("looks into Redis; RabbitMQ removes the queues of who asked by itself")
    import redis

    with redis.Redis.from_url(url) as raw:
        before = raw.scard("_kombu.binding.reply.celery.pidbox")
        assert tq.control.ping([OURS], timeout=20) == [{OURS: {"ok": "pong"}}]
        assert raw.scard("_kombu.binding.reply.celery.pidbox") == before
        assert [key for key in raw.keys("*.reply.celery.pidbox") if not raw.pttl(key) > 0] in (
            [],
            [b"_kombu.binding.reply.celery.pidbox"],
        )
