"""Races that lost or doubled messages in other queues, each provoked on purpose; more of them are in the suite of brokers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from tests.services.kits import NewKit, kits_of
from tq.contracts.broker import Broker, Consumer
from tq.errors import BrokerError
from tq.records import Settlement
from tq.testing.broker_kit import BrokerKit, come_back, envelope, ids, names, settle
from tq_sql import SqlBroker
from tq_sql.consumer import SqlConsumer


@pytest.fixture(params=["sqlite", "postgres"])
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Brokers on an empty database of each kind: one with a lock for all, one with a lock for each row."""
    url = f"sqlite:///{tmp_path}/tq.db" if request.param == "sqlite" else None
    made = kits_of(SqlBroker, 2.0)
    new_kit: NewKit = next(made)
    yield new_kit(url or request.getfixturevalue("postgres_url"))
    next(made, None)


def sql(consumer: Consumer) -> SqlConsumer:
    assert isinstance(consumer, SqlConsumer)
    return consumer


def lose_the_answer_of_the_next_commit(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it commits is there, and it is told that it failed."""
    dialect = sql(consumer)._session._database.engine.dialect
    real, pending = dialect.do_commit, [True]

    def commit(connection: Any) -> None:
        real(connection)
        if pending:
            pending.clear()
            raise dialect.loaded_dbapi.OperationalError("the line was cut")

    monkeypatch.setattr(dialect, "do_commit", commit)


def fail_after_the_claim(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the database refuse something in the transaction in which messages were claimed."""
    real: Callable[..., Any] = sql(consumer)._claim

    def claim(connection: Connection, *args: Any) -> Any:
        real(connection, *args)
        return connection.exec_driver_sql("SELECT 1 FROM nowhere")

    monkeypatch.setattr(consumer, "_claim", claim)


def reading(kit: BrokerKit, count: int) -> tuple[Broker, Sequence[str], Consumer]:
    """A broker, what was sent to its queue, and somebody who reads that."""
    broker, sent = kit.broker(), names(count)
    kit.send(broker, "q", *sent)
    return broker, sent, kit.consumer(broker, "q")


def test_a_turn_whose_commit_was_not_answered_is_done_once(
    kit: BrokerKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, sent, consumer = reading(kit, 10)
    batch = [
        Settlement(d, publish=(envelope("next", f"{at}"),)) for at, d in enumerate(kit.take(consumer, 4))
    ]
    lose_the_answer_of_the_next_commit(consumer, monkeypatch)
    with pytest.raises(BrokerError, match="the line was cut"):
        consumer.turn(batch, 3, 0)
    assert (broker.stats("q").ready, broker.stats("next").ready) == (3, 4)
    settled, lent = consumer.turn(batch, 3, 0)
    assert (list(settled), ids(lent)) == ([True] * 4, sent[4:7])
    assert (broker.stats("q").ready, broker.stats("next").ready) == (3, 4)
    assert ids(kit.take(consumer, 3)) == sent[7:]


def test_an_error_after_messages_were_claimed_leaves_them_where_they_were(
    kit: BrokerKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, sent, consumer = reading(kit, 6)
    first = kit.take(consumer, 1)
    batch = [Settlement(first[0], publish=(envelope("next", "after"),))]
    with monkeypatch.context() as patched:
        fail_after_the_claim(consumer, patched)
        with pytest.raises(BrokerError, match="nowhere"):
            consumer.turn(batch, 3, 0)
    stats = broker.stats("q")
    assert (stats.ready, stats.in_flight, broker.stats("next").ready) == (5, 1, 0)
    settled, lent = consumer.turn(batch, 5, 0)
    assert (list(settled), ids(lent)) == ([True], sent[1:])
    assert {delivery.attempt for delivery in lent} == {1}
    assert broker.stats("next").ready == 1


def test_a_turn_that_is_under_way_when_its_consumer_is_declared_dead_strands_nothing(
    kit: BrokerKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, other, sent = kit.broker(), kit.broker(), names(3)
    kit.send(broker, "q", *sent)
    reader = kit.consumer(other, "q")
    zombie = kit.consumer(broker, "q", lease=0.01)
    leases = sql(zombie)._store.leases
    real = leases.alive
    reapers: list[threading.Thread] = []

    def alive(conn: Connection, me: int) -> bool:
        found = real(conn, me)
        if not reapers:
            reapers.append(threading.Thread(target=other.maintain, args=[["q"]]))
            reapers[0].start()
            # Done, and in vain, or waiting for this transaction.
            reapers[0].join(0.3)
        return found

    monkeypatch.setattr(leases, "alive", alive)
    taken = zombie.receive(2, 0)
    reapers[0].join()
    assert ids(taken) == sent[:2]
    back = come_back(kit, other, "q", reader, 3)
    assert sorted(ids(back)) == sent
    assert settle(zombie, taken, publish=(envelope("q", "of-a-ghost"),)) == [False, False]
    assert settle(reader, back) == [True] * 3
    assert kit.rest(reader) == []
