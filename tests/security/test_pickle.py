"""A body that would run code when loaded is never loaded, whoever sent it."""

from __future__ import annotations

import os
import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import tasks
from tests.e2e.conftest import connected
from tests.processes import Ledger, Workers, eventually
from tq import TQ
from tq.errors import ContentDisallowed
from tq.records import DeadLetter, Envelope, Message
from tq.wire.ids import new_id

PICKLE = "application/x-python-serialize"
NAMES = [
    PICKLE,
    "application/x-pickle",
    "pickle",
    "application/json",
    "application/x-yaml",
    "application/data",
]


class Bomb:
    """Writes the canary when unpickled."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self._canary}'",)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file that exists when code of a message ran."""
    return tmp_path / "canary"


def test_the_bomb_is_one(canary: Path) -> None:
    """Otherwise the tests below would prove nothing."""
    load = "import pickle, sys; pickle.loads(sys.stdin.buffer.read())"
    subprocess.run([sys.executable, "-c", load], input=pickle.dumps(Bomb(canary)), check=True)
    assert canary.exists()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[TQ]:
    url = f"sqlite:///{tmp_path}/tq.db"
    workers = Workers("tests.e2e.tasks", url, url, Ledger(tmp_path / "ledger.txt"))
    try:
        workers.start()
        with connected(url, url) as client:
            yield client
    finally:
        workers.close()


def test_a_worker_dead_letters_pickle_under_any_name_and_loads_none_of_it(app: TQ, canary: Path) -> None:
    body = pickle.dumps(([Bomb(canary)], {}, {}))
    ids = [new_id() for _ in NAMES]
    messages = [
        Message({"task": "tests.e2e.tasks.echo", "id": task_id}, {}, body, name, "binary")
        for task_id, name in zip(ids, NAMES, strict=True)
    ]
    assert not any(app.broker.publish([Envelope(message, "celery") for message in messages], timeout=10))
    error = app.AsyncResult(ids[0]).get(timeout=60, propagate=False)
    assert isinstance(error, ContentDisallowed)
    assert "accept_content" in str(error)

    def dead() -> list[DeadLetter]:
        letters = app.broker.dead_letters("celery")
        return list(letters) if len(letters) == len(NAMES) else []

    letters = eventually(dead, "a dead letter for each message")
    assert {letter.message.headers["id"] for letter in letters} == set(ids)  # type: ignore[union-attr]
    assert tasks.add.delay(1, 2).get(timeout=60) == 3, "the worker goes on"
    assert not canary.exists()


def test_a_client_loads_no_pickle_from_the_result_store(tmp_path: Path, canary: Path) -> None:
    url = f"sqlite:///{tmp_path}/results.db"
    app = TQ("security", broker="memory://pickle", backend=url, set_as_current=False)
    assert app.backend is not None
    assert app.AsyncResult("bomb").state == "PENDING"  # now there are tables
    with sqlite3.connect(tmp_path / "results.db") as connection:
        connection.execute(
            "INSERT INTO celery_taskmeta (task_id, status, result) VALUES ('bomb', 'SUCCESS', ?)",
            (pickle.dumps(Bomb(canary)),),
        )
    with pytest.raises(Exception, match=r"not written by json|cannot be read"):
        app.AsyncResult("bomb").get(timeout=5)
    assert not canary.exists()
    app.close()
