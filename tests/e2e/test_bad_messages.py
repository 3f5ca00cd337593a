"""Messages that are no messages, or not for this worker: it goes on, keeps them as dead letters with the reason,
and answers wherever an id can be read."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from tests.e2e import tasks
from tests.e2e.conftest import connected
from tests.processes import Ledger, Program, Workers, eventually
from tests.services.redis import RedisServer
from tq import TQ
from tq.errors import NotRegistered, RemoteError
from tq.records import DeadLetter, Envelope, Message
from tq.wire.ids import new_id

WAIT = 60.0
LIMIT = 8 * 1024 * 1024
NAME = "tests.e2e.tasks.add"
EMBED: dict[str, Any] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return Ledger(tmp_path_factory.mktemp("ledger") / "ledger.txt")


@pytest.fixture(scope="module", params=["sqlite-solo", "redis-solo", "redis-prefork", "redis-threads"])
def setting(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, ledger: Ledger
) -> Iterator[tuple[TQ, Program]]:
    store, _, pool = request.param.partition("-")
    if store == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('store')}/tq.db"
    else:
        server: RedisServer = request.getfixturevalue("shared_redis")
        server.flush()
        url = server.url
    workers = Workers("tests.e2e.tasks", url, url, ledger)
    try:
        more = () if pool == "solo" else ("-c", "1")
        program = workers.start(*more, pool=pool, message_size_limit=LIMIT)
        with connected(url, url) as app:
            yield app, program
        program.stop()
    finally:
        workers.close()


@pytest.fixture
def app(setting: tuple[TQ, Program]) -> TQ:
    return setting[0]


@pytest.fixture(autouse=True)
def survives(app: TQ) -> Iterator[None]:
    """Before and after each test the same process runs a good task."""
    before = tasks.pid.delay().get(timeout=WAIT)
    yield
    assert tasks.pid.delay().get(timeout=WAIT) == before


def body(args: Any = (1, 2), kwargs: Any = None) -> bytes:
    return json.dumps([args, kwargs or {}, EMBED]).encode()


def put(app: TQ, message: Message) -> None:
    assert list(app.broker.publish([Envelope(message, "celery")], timeout=10)) == [None]


def dead(app: TQ, about: Callable[[DeadLetter], bool]) -> DeadLetter:
    """The dead letter that comes."""

    def look() -> DeadLetter | None:
        return next((letter for letter in app.broker.dead_letters("celery") if about(letter)), None)

    found = eventually(look, "a dead letter")
    assert found is not None
    return found


def has_id(task_id: str) -> Callable[[DeadLetter], bool]:
    return lambda letter: isinstance(letter.message, Message) and letter.message.headers.get("id") == task_id


def headers(task_id: str, **more: Any) -> dict[str, Any]:
    return {"lang": "py", "task": NAME, "id": task_id, **more}


UNREADABLE: dict[str, Callable[[str], Message]] = {
    "body is no JSON": lambda i: Message(headers(i), {}, b"\xff\x00garbage"),
    "body is cut off": lambda i: Message(headers(i), {}, body()[:-9]),
    "body is empty": lambda i: Message(headers(i), {}, b""),
    "body has one element": lambda i: Message(headers(i), {}, b"[[1,2]]"),
    "body has four elements": lambda i: Message(headers(i), {}, b"[[1,2],{},{},{}]"),
    "body is a number": lambda i: Message(headers(i), {}, b"7"),
    "arguments are no list": lambda i: Message(headers(i), {}, body(7)),
    "keywords are no mapping": lambda i: Message(headers(i), {}, body([1], [2])),
    "content is pickle": lambda i: Message(
        headers(i), {}, b"\x80\x04N.", "application/x-python-serialize", "binary"
    ),
    "content is unknown": lambda i: Message(headers(i), {}, b"?", "application/x-what", "binary"),
    "eta is no time": lambda i: Message(headers(i, eta="soon"), {}, body()),
    "eta is a number": lambda i: Message(headers(i, eta=5), {}, body()),
    "expires is no time": lambda i: Message(headers(i, expires="never"), {}, body()),
    "time limit is text": lambda i: Message(headers(i, timelimit=["x", None]), {}, body()),
    "retries is text": lambda i: Message(headers(i, retries="many"), {}, body()),
    "compression is unknown": lambda i: Message(headers(i, compression="application/x-what"), {}, body()),
    "compressed data is broken": lambda i: Message(headers(i, compression="application/x-gzip"), {}, body()),
    "callbacks are no signatures": lambda i: Message(
        headers(i), {}, json.dumps([[1, 2], {}, EMBED | {"callbacks": ["x"]}]).encode()
    ),
    "too deep": lambda i: Message(headers(i), {}, b"[" * 100_000 + b"]" * 100_000),
}


@pytest.mark.parametrize("make", UNREADABLE.values(), ids=UNREADABLE)
def test_a_message_that_cannot_be_read_fails_with_the_reason(app: TQ, make: Callable[[str], Message]) -> None:
    task_id = new_id()
    put(app, make(task_id))
    result = app.AsyncResult(task_id)
    error = result.get(timeout=WAIT, propagate=False)
    assert result.state == "FAILURE"
    assert isinstance(error, Exception)
    assert str(error)
    letter = dead(app, has_id(task_id))
    assert letter.reason.split(":")[0] in (type(error).__name__, getattr(error, "exc_type", ""))


def test_a_compressed_message_that_grows_above_the_limit_is_refused_unread(app: TQ) -> None:
    task_id = new_id()
    bomb = zlib.compress(b"[" + b" " * (4 * LIMIT) + b"]", 9)
    put(app, Message(headers(task_id, compression="application/x-gzip"), {}, bomb))
    error = app.AsyncResult(task_id).get(timeout=WAIT, propagate=False)
    assert isinstance(error, Exception)
    assert str(LIMIT) in str(error) or "message_size_limit" in str(error)
    assert dead(app, has_id(task_id)).reason


def test_a_body_without_its_third_element_is_a_call_without_follow_ups(app: TQ) -> None:
    task_id = new_id()
    put(app, Message(headers(task_id), {}, b"[[1,2],{}]"))
    assert app.AsyncResult(task_id).get(timeout=WAIT) == 3


def test_a_message_of_5_megabytes_is_a_good_one(app: TQ) -> None:
    assert tasks.size.delay("x" * 5_000_000).get(timeout=WAIT) == 5_000_000


def test_a_message_without_id_becomes_a_dead_letter(app: TQ) -> None:
    put(app, Message({"task": NAME, "mark": "no id"}, {}, body()))
    letter = dead(
        app, lambda found: isinstance(found.message, Message) and found.message.headers.get("mark") == "no id"
    )
    assert "id" in letter.reason


def test_an_unknown_task_fails_at_once_and_can_be_sent_again(app: TQ) -> None:
    result = app.send_task("tests.e2e.tasks.nowhere", [1])
    with pytest.raises(NotRegistered, match="nowhere"):
        result.get(timeout=WAIT)
    assert "NotRegistered" in dead(app, has_id(result.id)).reason


def test_wrong_arguments_fail_without_a_dead_letter(app: TQ) -> None:
    result = app.send_task(NAME, [1, 2, 3])
    with pytest.raises(TypeError):
        result.get(timeout=WAIT)


def test_a_python_error_class_that_is_no_exception_is_not_built(app: TQ) -> None:
    error = app.rebuild({"exc_type": "SystemExit", "exc_module": "builtins", "exc_message": [1]})
    assert isinstance(error, RemoteError)


RAW: dict[str, bytes] = {
    "binary": b"\xff\x00\x01garbage",
    "empty": b"",
    "JSON that is cut off": b'{"body": "W1',
    "a JSON number": b"7",
    "a JSON list": b"[]",
    "an empty object": b"{}",
    "body is no base64": json.dumps(
        {"body": "???", "headers": {}, "properties": {"body_encoding": "base64"}}
    ).encode(),
    "headers are a list": json.dumps(
        {"body": base64.b64encode(body()).decode(), "headers": [], "properties": {}}
    ).encode(),
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW)
def test_bytes_that_are_no_message_become_a_dead_letter(app: TQ, raw: bytes) -> None:
    if not app.conf.broker_url.startswith("redis"):
        return  # A queue in tables has no such bytes: its rows are written by tq alone.
    known = {letter.id for letter in app.broker.dead_letters("celery", limit=1000)}
    with Redis.from_url(app.conf.broker_url) as connection:
        connection.lpush("celery", raw)
    letter = dead(app, lambda found: found.id not in known)
    assert letter.reason
    assert not isinstance(letter.message, Message)
    assert letter.message.raw == raw
