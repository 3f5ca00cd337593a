"""`tq doctor` on a live system with load: each fault is made, named, and gone again when it is mended."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.conftest import connected
from tests.e2e.tasks import add
from tests.ledger import VARIABLE
from tests.processes import Ledger, Program, Workers, eventually
from tests.processes.worker import READY
from tests.services.redis import RedisServer
from tq.errors import TQError

START = "from tq.cli import main; main()"
BEHIND = f"import time; real = time.time; time.time = lambda: real() - 60; {START}"
OLDER = f"import tq._version; tq._version.__version__ = '0.0.9'; {START}"


@contextmanager
def load() -> Iterator[None]:
    """Tasks are sent all the time, as far as the broker takes them."""
    end = threading.Event()

    def send() -> None:
        while not end.wait(0.05):
            try:
                add.delay(1, 2)
            except TQError:
                end.wait(0.2)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


@pytest.fixture
def server(redis_server: Callable[..., RedisServer]) -> RedisServer:
    """A server in whose set-up nothing is wrong."""
    return redis_server(appendonly=True)


@pytest.fixture
def workers(server: RedisServer, ledger: Ledger) -> Iterator[Workers]:
    """Starts workers, while tasks are sent."""
    client = connected(server.url, server.url)
    started = Workers("tests.e2e.tasks", server.url, server.url, ledger)
    with load():
        yield started
    started.close()
    client.close()


Ask = Callable[..., dict[str, str]]


@pytest.fixture
def ask(server: RedisServer) -> Ask:
    """Run the doctor; returns what it found with how bad it is, leaving out notes."""

    def run(*words: str, program: str = START) -> dict[str, str]:
        command = [sys.executable, "-c", program, "-b", server.url, "--result-backend", server.url, "doctor"]
        ended = subprocess.run(
            [*command, "--json", *words], capture_output=True, text=True, timeout=120, check=False
        )
        assert ended.stderr == ""
        report: dict[str, Any] = json.loads(ended.stdout)
        found = {each["what"]: each["severity"] for each in report["findings"] if each["severity"] != "note"}
        assert ended.returncode == (1 if found else 0)
        assert all(each["advice"] for each in report["findings"])
        return found

    return run


def named(found: dict[str, str], severity: str, *words: str) -> bool:
    """Whether something of that severity was found, in a sentence with all of these words."""
    return any(how == severity and all(word in what for word in words) for what, how in found.items())


def test_faults_of_a_server_are_named_while_it_works_and_gone_when_mended(
    workers: Workers, server: RedisServer, ask: Ask
) -> None:
    workers.start(pool="threads")
    eventually(lambda: ask("-t", "0") == {}, "nothing is wrong with a system that works", every=0.5)
    server.ask("CONFIG", "SET", "maxmemory", "100mb")
    server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    assert named(ask("-t", "0"), "error", "allkeys-lru", "throws keys away")
    server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.ask("CONFIG", "SET", "appendonly", "no")
    assert named(ask("-t", "0"), "warning", "keeps nothing on disk")
    server.ask("CONFIG", "SET", "appendonly", "yes")
    assert named(ask("-t", "0", program=BEHIND), "warning", "the clock of Redis", "s ahead of")
    server.ask("ACL", "SETUSER", "default", "-info")
    assert named(ask("-t", "0"), "warning", "forbids this to the user")
    server.ask("ACL", "SETUSER", "default", "+info")
    eventually(lambda: ask("-t", "0") == {}, "all is mended", every=0.5)
    server.freeze()
    try:
        assert named(ask("-t", "0"), "error", "no connection to Redis")
    finally:
        server.thaw()
    server.stop()
    assert named(ask("-t", "0"), "error", "no connection to Redis")


def test_faults_of_workers_and_queues_are_named(workers: Workers, server: RedisServer, ask: Ask) -> None:
    worker = workers.start("-n", "w1@here", pool="threads")
    words = [
        "-A",
        "tests.e2e.tasks",
        "-b",
        server.url,
        "--result-backend",
        server.url,
        "worker",
        "-P",
        "threads",
    ]
    environment = {VARIABLE: str(workers.ledger.path)}
    older = Program([sys.executable, "-c", OLDER, *words, "-l", "INFO", "-n", "w0@here"], environment)
    try:
        older.wait_for(READY)
        mixed = ("workers of several versions", "w0@here: tq 0.0.9", "w1@here: tq ")
        eventually(lambda: named(ask(), "warning", *mixed), "both answer", every=0.5)
    finally:
        older.close()
    add.apply_async((1, 2), queue="nobody")
    assert named(ask("-t", "0", "-Q", "nobody"), "error", "1 messages wait in queue 'nobody'", "no worker")
    old = ("-t", "0", "-Q", "nobody", "--max-age", "0.1")
    eventually(lambda: named(ask(*old), "warning", "longer than 0.1 s"), "it grows old", every=0.5)
    add.app.send_task("no.such.task")
    eventually(
        lambda: named(ask("-t", "0"), "warning", "1 dead letters"), "the dead letter is seen", every=0.5
    )
    worker.send(signal.SIGSTOP)
    try:
        assert named(ask(), "warning", "read queue 'celery', but no worker answered")
    finally:
        worker.send(signal.SIGCONT)
