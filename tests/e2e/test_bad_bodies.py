"""Task bodies that end in every odd way: each call gets its terminal result, and the worker goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import tasks
from tests.e2e.conftest import connected
from tests.processes import Ledger, Workers
from tests.services.redis import RedisServer
from tq import TQ
from tq.errors import EncodeError, RemoteError

WAIT = 60.0


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return Ledger(tmp_path_factory.mktemp("ledger") / "ledger.txt")


@pytest.fixture(scope="module", params=["solo", "prefork", "threads"], autouse=True)
def app(request: pytest.FixtureRequest, shared_redis: RedisServer, ledger: Ledger) -> Iterator[TQ]:
    shared_redis.flush()
    workers = Workers("tests.e2e.tasks", shared_redis.url, shared_redis.url, ledger)
    try:
        program = workers.start(*(() if request.param == "solo" else ("-c", "1")), pool=request.param)
        with connected(shared_redis.url, shared_redis.url) as client:
            yield client
        program.stop()
    finally:
        workers.close()


@pytest.fixture(autouse=True)
def survives(app: TQ) -> Iterator[None]:
    before = tasks.pid.delay().get(timeout=WAIT)
    yield
    assert tasks.pid.delay().get(timeout=WAIT) == before


def error_of(task: Any) -> BaseException:
    result = task.delay()
    error = result.get(timeout=WAIT, propagate=False)
    assert result.state == "FAILURE"
    assert isinstance(error, BaseException)
    return error


@pytest.mark.parametrize("task", [tasks.returns_what_cannot_be_written, tasks.returns_generator])
def test_a_result_that_cannot_be_written_is_a_failure_that_says_so(task: Any) -> None:
    error = error_of(task)
    assert isinstance(error, EncodeError)
    assert "object" in str(error) or "generator" in str(error)


def test_an_error_that_cannot_be_rebuilt_tells_class_and_text() -> None:
    error = error_of(tasks.raises_moody)
    assert isinstance(error, RemoteError)
    assert (error.exc_type, error.exc_module) == ("Moody", "tests.e2e.tasks")
    assert "in a bad mood" in str(error)


def test_arguments_of_an_error_that_cannot_be_written_come_as_text() -> None:
    error = error_of(tasks.raises_with_odd_arguments)
    assert isinstance(error, ValueError)
    assert [type(arg) for arg in error.args] == [str, str, str]
    assert "<lambda>" in error.args[2]


def test_an_error_without_text_is_a_failure_all_the_same() -> None:
    error = error_of(tasks.raises_what_has_no_text)
    assert isinstance(error, RemoteError)
    assert "Mute" in error.exc_type


@pytest.mark.parametrize(
    ("task", "name"),
    [(tasks.exits, "SystemExit"), (tasks.interrupts, "KeyboardInterrupt"), (tasks.raises_fatal, "Fatal")],
)
def test_what_would_end_the_process_ends_the_task_only(task: Any, name: str) -> None:
    error = error_of(task)
    assert name in repr(error)


def test_endless_recursion_is_a_failure() -> None:
    assert isinstance(error_of(tasks.recurses), RecursionError)


def test_an_error_of_megabytes_is_a_failure() -> None:
    assert isinstance(error_of(tasks.raises_huge), ValueError)
