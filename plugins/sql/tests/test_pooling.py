"""Behind PgBouncer with transaction pooling: nothing that belongs to a session is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from tests.faults.proxy import Proxy
from tests.services.catalog import ServiceMissing
from tests.services.pgbouncer import PgBouncerServer
from tests.services.postgres import PostgresServer
from tq.records import Envelope, Heartbeat, Message, Settlement, TaskMeta
from tq.testing import BrokerConformance
from tq.testing.broker_rules.concurrency import Concurrency
from tq.testing.broker_rules.locks import Locks
from tq.testing.broker_rules.releases import Releases
from tq.testing.broker_rules.settling import Settling
from tq.wire.json import JsonSerializer
from tq_sql import SqlBackend, SqlBroker

OF_A_SESSION = (b"LISTEN ", b"_pg3_", b"idle_in_transaction_session_timeout")


def work(url: str, options: Mapping[str, Any]) -> None:
    """A little of all that a worker does, more often than psycopg needs to prepare a statement."""
    broker = SqlBroker(url, options)
    backend = SqlBackend(url, options, serializer=JsonSerializer())
    assert broker.joins(backend)
    consumer = broker.consumer(["q"], "c", lease=60)
    for number in range(8):
        message = Message({"id": str(number), "task": "t"}, {}, b"[]")
        assert broker.publish([Envelope(message, "q")], timeout=30) == [None]
        (delivery,) = consumer.receive(1, 30.0)
        assert list(consumer.settle([Settlement(delivery, result=TaskMeta(str(number), "SUCCESS"))])) == [
            True
        ]
        assert list(broker.heartbeat([Heartbeat("c")], lease=60)) == [True]
        broker.maintain(["q"])
        assert backend.wait([str(number)], 30.0)
    assert not consumer.receive(1, 0.1)
    assert not backend.wait(["nobody's"], 0.1)
    consumer.close()
    backend.close()
    broker.close()


def test_nothing_of_a_session_is_said(postgres_url: str) -> None:
    target = sa.make_url(postgres_url)
    assert target.port is not None
    proxy = Proxy(target.port)
    url = target.set(port=proxy.port).render_as_string(hide_password=False)
    try:
        for options, expected in (({"transaction_pooling": True}, False), ({}, True)):
            proxy.said = bytearray()
            work(url, options)
            assert b"tq_messages" in proxy.said
            # The second time shows that it would be seen.
            assert [words in proxy.said for words in OF_A_SESSION] == [expected] * len(OF_A_SESSION)
            assert b"pg_advisory_lock" not in proxy.said
            assert b"SET " not in proxy.said.replace(b"UPDATE", b"").split(b"tq_")[0]
    finally:
        proxy.close()


@pytest.fixture(scope="module")
def pgbouncer(shared_postgres: PostgresServer) -> Iterator[PgBouncerServer]:
    try:
        server = PgBouncerServer(shared_postgres)
    except ServiceMissing as missing:
        pytest.skip(str(missing))
    with server:
        yield server


class TestBehindPgBouncer(BrokerConformance):
    broker_class = SqlBroker

    @pytest.fixture
    def broker_url(self, pgbouncer: PgBouncerServer, module_postgres: str) -> str:
        return pgbouncer.url_of(module_postgres.rpartition("/")[2])

    @pytest.fixture
    def broker_options(self) -> Mapping[str, Any]:
        return {"transaction_pooling": True}


# The rules in which several connections meet; the others have nothing to do with a pooler, and take their time.
for _name in dir(BrokerConformance):
    if _name.startswith("test_") and not any(
        hasattr(rules, _name) for rules in (Concurrency, Locks, Releases, Settling)
    ):
        setattr(TestBehindPgBouncer, _name, None)
