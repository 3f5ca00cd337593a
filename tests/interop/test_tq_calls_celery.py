"""A tq client sends to a Celery worker, and reads the results through tq's `AsyncResult`."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.bodies import Broken
from tests.interop.conftest import StartCelery
from tests.interop.values import SAME, same
from tests.processes import Ledger, Program, eventually
from tq import TQ
from tq.client.result import AsyncResult
from tq.errors import NotRegistered, RemoteError, TaskRevoked

WAIT = 60.0


@pytest.fixture(scope="module", params=["solo", "prefork"], autouse=True)
def worker(request: pytest.FixtureRequest, start_celery: StartCelery) -> Iterator[Program]:
    program = start_celery(request.param, *(("-c", "2") if request.param == "prefork" else ()))
    yield program
    program.stop()


@pytest.fixture
def delayed(url: str) -> Iterator[TQ]:
    """A client that leaves delays to Celery's workers."""
    app = TQ(
        "delayed",
        broker=url,
        backend=url,
        broker_transport_options={"celery_workers": True},
        set_as_current=False,
    )
    yield app
    app.close()


def failure(result: AsyncResult[Any]) -> BaseException:
    error = result.get(timeout=WAIT, propagate=False)
    assert result.state == "FAILURE"
    assert isinstance(error, BaseException)
    return error


def test_a_call_with_positional_and_keyword_arguments_returns_its_value(tq: TQ) -> None:
    assert tq.send_task("shop.add", [2, 3]).get(timeout=WAIT) == 5
    assert tq.send_task("shop.add", [2], {"y": 40}).get(timeout=WAIT) == 42
    assert tq.tasks["shop.add"].delay(20, y=22).get(timeout=WAIT) == 42


def test_typed_values_arrive_and_come_back_as_they_were(tq: TQ) -> None:
    results = [tq.send_task("shop.echo", [value]) for value in SAME]
    received = [result.get(timeout=WAIT) for result in results]
    assert [pair for pair in zip(SAME, received, strict=True) if not same(*pair)] == []


def test_a_countdown_is_waited_for_by_celery(delayed: TQ) -> None:
    sent = time.time()
    assert delayed.send_task("shop.started_at", countdown=1.5).get(timeout=WAIT) >= sent + 1.5


def test_an_eta_is_waited_for_by_celery(delayed: TQ) -> None:
    eta = dt.datetime.now(dt.timezone(dt.timedelta(hours=9))) + dt.timedelta(seconds=1)
    assert delayed.send_task("shop.started_at", eta=eta).get(timeout=WAIT) >= eta.timestamp()


def test_a_task_past_its_expiry_is_revoked_and_never_runs(tq: TQ, ledger: Ledger) -> None:
    past = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=5)
    result = tq.send_task("shop.note", ["expired task"], expires=past)
    error = result.get(timeout=WAIT, propagate=False)
    assert (result.state, type(error), str(error)) == ("REVOKED", TaskRevoked, "expired")
    assert not ledger.has("expired task")


def test_callbacks_get_the_result(tq: TQ, ledger: Ledger) -> None:
    result = tq.send_task("shop.add", [2, 3], link=tq.signature("shop.note", ["linked"]))
    assert result.get(timeout=WAIT) == 5
    eventually(lambda: ledger.has("5 linked"), "the callback's line")


def test_error_callbacks_get_the_id_of_the_task_that_failed(tq: TQ, ledger: Ledger) -> None:
    errback = tq.signature("shop.note_error")
    result = tq.send_task("shop.fail", ["ValueError", "x"], link_error=errback)
    assert isinstance(failure(result), ValueError)
    eventually(lambda: ledger.has(f"error {result.id}"), "the error callback's line")


@pytest.mark.parametrize("length", [2, 3])
def test_a_chain_hands_each_result_on(tq: TQ, length: int) -> None:
    steps = [
        dict(tq.signature("shop.add", [add], task_id=f"chain-{length}-{time.time_ns()}-{add}"))
        for add in (10, 100)[: length - 1]
    ]
    first = tq.send_task("shop.add", [1, 2], chain=steps[::-1])
    last = tq.AsyncResult(steps[-1]["options"]["task_id"])
    assert first.get(timeout=WAIT) == 3
    assert last.get(timeout=WAIT) == (13, 113)[length - 2]


def test_a_task_retries_itself_and_then_succeeds(tq: TQ) -> None:
    result = tq.send_task("shop.flaky", [1, 1.5])
    eventually(lambda: result.state == "RETRY", "state RETRY")
    assert isinstance(result.info, Broken)
    assert result.get(timeout=WAIT) == 1


@pytest.mark.parametrize(
    ("kind", "args"),
    [("ValueError", ("wrong", 7)), ("KeyError", ("k",)), ("ZeroDivisionError", ()), ("Broken", ("own",))],
)
def test_errors_arrive_as_themselves(tq: TQ, kind: str, args: Any) -> None:
    result = tq.send_task("shop.fail", [kind, *args])
    error = failure(result)
    assert (type(error).__name__, error.args) == (kind, args)
    assert "in fail" in str(result.traceback)


def test_an_error_that_cannot_be_rebuilt_still_tells_its_name_and_text(tq: TQ) -> None:
    error = failure(tq.send_task("shop.fail_strangely"))
    assert isinstance(error, RemoteError)
    assert "Unknown" in str(error)
    assert "code 5" in str(error)


def test_an_unknown_task_is_not_registered(tq: TQ) -> None:
    error = failure(tq.send_task("shop.nowhere", [1]))
    assert isinstance(error, NotRegistered)
    assert "shop.nowhere" in str(error)


def test_an_ignored_result_is_not_stored(tq: TQ, ledger: Ledger) -> None:
    result = tq.send_task("shop.note", ["ignored", "result"], ignore_result=True)
    eventually(lambda: ledger.has("ignored result"), "the task's line")
    tq.send_task("shop.add", [1, 1]).get(timeout=WAIT)
    assert result.state == "PENDING"


@pytest.mark.parametrize("compression", ["gzip", "zlib", "bzip2", "lzma", "zstd", "brotli"])
def test_compressed_messages_are_read(tq: TQ, compression: str) -> None:
    text = "long text " * 1000
    assert tq.send_task("shop.echo", [text], compression=compression).get(timeout=WAIT) == text


def test_a_group_of_single_tasks_gives_the_results_of_all(tq: TQ) -> None:
    results = [
        tq.send_task("shop.add", [number, 1], group_id="a-group", group_index=number) for number in range(10)
    ]
    assert [result.get(timeout=WAIT) for result in results] == list(range(1, 11))


def test_a_task_sees_what_its_message_says(tq: TQ) -> None:
    result = tq.send_task("shop.seen", headers={"tenant": "blue"}, time_limit=50, soft_time_limit=40)
    assert result.get(timeout=WAIT) == {
        "id": result.id,
        "root_id": result.id,
        "parent_id": None,
        "retries": 0,
        "correlation_id": result.id,
        "headers": {"tenant": "blue"},
        "delivery_info": "celery",
        "timelimit": [50, 40],
        "group": None,
    }


def test_a_state_of_the_tasks_own_is_read_while_it_runs(tq: TQ, tmp_path: Path) -> None:
    barrier = tmp_path / "running"
    barrier.touch()
    result = tq.send_task("shop.progress", [str(barrier)])
    eventually(lambda: result.state == "PROGRESS", "state PROGRESS")
    assert result.info == {"done": 3, "of": 7}
    barrier.unlink()
    assert result.get(timeout=WAIT) == "released"
