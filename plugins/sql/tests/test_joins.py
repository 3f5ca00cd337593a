"""Results in the broker's own database are stored by the settlement itself, in one step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tq.errors import EncodeError
from tq.records import Action, Delivery, Envelope, Message, Settlement, TaskMeta
from tq.wire.json import JsonSerializer
from tq_sql import SqlBackend, SqlBroker


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/tq.db"
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def broker(url: str) -> Iterator[SqlBroker]:
    made = SqlBroker(url)
    yield made
    made.close()


@pytest.fixture
def backend(url: str) -> Iterator[SqlBackend]:
    made = SqlBackend(f"db+{url}", serializer=JsonSerializer())
    yield made
    made.close()


def send(broker: SqlBroker, *ids: str) -> None:
    batch = [Envelope(Message({"id": i, "task": "t"}, {}, b"[]"), "q") for i in ids]
    assert broker.publish(batch, timeout=10.0) == [None] * len(ids)


def done(delivery: Delivery, result: object) -> Settlement:
    assert isinstance(delivery.message, Message)
    return Settlement(delivery, result=TaskMeta(delivery.message.headers["id"], "SUCCESS", result))


def test_a_settlement_stores_its_result(broker: SqlBroker, backend: SqlBackend) -> None:
    assert broker.joins(backend)
    consumer = broker.consumer(["q"], "c", lease=60.0)
    send(broker, "a", "b")
    batch = [done(delivery, at) for at, delivery in enumerate(consumer.receive(2, 1.0))]
    assert consumer.settle(batch) == [True, True]
    assert {key: meta.result for key, meta in backend.get(["a", "b"]).items()} == {"a": 0, "b": 1}
    consumer.close()


def test_a_late_settlement_stores_nothing(broker: SqlBroker, backend: SqlBackend) -> None:
    assert broker.joins(backend)
    consumer = broker.consumer(["q"], "c", lease=60.0)
    send(broker, "a")
    (delivery,) = consumer.receive(1, 1.0)
    broker.release("c")
    assert consumer.settle([done(delivery, "late")]) == [False]
    assert backend.get(["a"]) == {}
    consumer.close()


def test_a_result_that_cannot_be_written_makes_a_dead_letter_and_spoils_nothing_else(
    broker: SqlBroker, backend: SqlBackend
) -> None:
    assert broker.joins(backend)
    consumer = broker.consumer(["q"], "c", lease=60.0)
    send(broker, "a", "b")
    good, bad = consumer.receive(2, 1.0)
    assert consumer.settle([done(good, 1), done(bad, object())]) == [True, True]
    (letter,) = broker.dead_letters("q")
    assert "cannot be stored" in letter.reason
    assert set(backend.get(["a", "b"])) == {"a"}
    consumer.close()


@pytest.mark.parametrize("said", ["a\0b", "a\ud800b"], ids=["NUL", "half a pair"])
def test_what_an_exception_says_never_keeps_its_task_from_ending(
    broker: SqlBroker, backend: SqlBackend, said: str
) -> None:
    assert broker.joins(backend)
    consumer = broker.consumer(["q"], "c", lease=60.0)
    send(broker, "a", "b", "c")
    first, second, third = consumer.receive(3, 1.0)
    failed = Settlement(first, result=TaskMeta("a", "FAILURE", said, traceback=said))
    assert consumer.settle([failed, Settlement(second, Action.DEAD, reason=said)]) == [True, True]
    meta = backend.get(["a"])["a"]
    (letter,) = broker.dead_letters("q")
    assert (meta.result, meta.traceback) == (said, letter.reason)
    assert letter.reason in ("a\\x00b", "a\\ud800b")
    # Nor does a message that cannot be sent spoil what is settled with it, again and again.
    follow_up = Envelope(Message({"id": "d", "task": "t"}, {}, b"[]"), said)
    assert consumer.settle([Settlement(third, publish=(follow_up,))]) == [True]
    assert len(broker.dead_letters("q")) == 2
    consumer.close()


def test_a_result_that_the_server_does_not_take_is_refused_before_it_hangs_up(mariadb_url: str) -> None:
    backend = SqlBackend(mariadb_url, serializer=JsonSerializer())
    backend.prepare()
    largest = backend._database.dialect.largest
    assert largest is not None
    with pytest.raises(EncodeError, match="max_allowed_packet"):
        backend.store([TaskMeta("small", "SUCCESS"), TaskMeta("large", "SUCCESS", "x" * largest)])
    assert backend.get(["small", "large"]) == {}
    backend.close()


def test_without_joining_a_settlement_leaves_results_alone(broker: SqlBroker, backend: SqlBackend) -> None:
    consumer = broker.consumer(["q"], "c", lease=60.0)
    send(broker, "a")
    assert consumer.settle([done(consumer.receive(1, 1.0)[0], 1)]) == [True]
    assert backend.get(["a"]) == {}
    consumer.close()


def test_another_database_does_not_join(tmp_path: Path) -> None:
    one, two = (f"sqlite:///{tmp_path}/{name}.db" for name in ("one", "two"))
    assert not SqlBroker(one).joins(SqlBackend(two, serializer=JsonSerializer()))
    assert not SqlBroker(one).joins(object())
    assert SqlBroker(one).joins(SqlBackend(f"db+{one}", serializer=JsonSerializer()))
