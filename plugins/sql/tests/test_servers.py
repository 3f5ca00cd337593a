"""PostgreSQL and MariaDB: what only a server can do to its clients."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import TypeVar

import pytest
import sqlalchemy as sa

from tests.services.mariadb import MariadbServer
from tests.services.postgres import PostgresServer
from tq.errors import BackendError, BrokerError, BrokerUnavailable
from tq.records import Channel, Envelope, Message, Notice, Settlement, TaskMeta
from tq.wire.json import JsonSerializer
from tq_sql import SqlBackend, SqlBroker

T = TypeVar("T")
SERVERS = ["postgres", "mariadb"]


def envelope(task_id: str, queue: str = "q", size: int = 10) -> Envelope:
    return Envelope(Message({"id": task_id, "task": "t"}, {}, b"x" * size), queue)


@pytest.fixture(params=SERVERS)
def url(request: pytest.FixtureRequest) -> str:
    """An empty database on each kind of server."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> PostgresServer | MariadbServer:
    """A server of our own, to be stopped and frozen."""
    make: Callable[[], PostgresServer | MariadbServer] = request.getfixturevalue(f"{request.param}_server")
    return make()


def first_use(url: str, number: int) -> None:
    """In a child: the tables may be there or not."""
    try:
        SqlBackend(url, serializer=JsonSerializer()).store([TaskMeta(f"r{number}", "SUCCESS", number)])
        assert SqlBroker(url).publish([envelope(str(number))], timeout=20.0) == [None]
        os._exit(0)
    finally:
        traceback.print_exc()
        os._exit(1)


def test_four_processes_may_create_the_tables_at_once(url: str) -> None:
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=first_use, args=(url, number)) for number in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 4
    broker = SqlBroker(url)
    assert broker.stats("q").ready == 4
    broker.close()


def test_a_connection_that_died_in_the_pool_is_replaced(url: str) -> None:
    broker = SqlBroker(url)
    broker.publish([envelope("one")], timeout=4.0)
    assert end_all_sessions(url) >= 1
    assert broker.publish([envelope("two")], timeout=4.0) == [None]
    assert broker.stats("q").ready == 2
    broker.close()


def test_a_consumer_whose_connection_died_keeps_what_it_holds(url: str) -> None:
    broker = SqlBroker(url)
    broker.publish([envelope("one"), envelope("two")], timeout=4.0)
    consumer = broker.consumer(["q"], "c", lease=60.0)
    held = consumer.receive(1, 0.0)
    end_all_sessions(url)
    settled, more = consumer.turn([Settlement(held[0])], 1, 0.0)
    assert (list(settled), len(more)) == ([True], 1)
    consumer.close()
    broker.close()


def test_a_listener_whose_connection_died_hears_again(url: str) -> None:
    broker = SqlBroker(url)
    channel = Channel("pidbox", "fanout")
    listener = broker.subscribe(channel)

    def disturb() -> None:
        end_all_sessions(url)
        broker.announce([Notice(channel, envelope("one").message)], timeout=30.0)

    while_it_waits = threading.Timer(0.3, disturb)
    while_it_waits.start()
    heard, deadline = 0, time.monotonic() + 60.0
    while not heard and time.monotonic() < deadline:
        with contextlib.suppress(BrokerUnavailable):
            heard = len(listener.receive(1, 20.0))
        time.sleep(0.02)
    while_it_waits.join()
    assert heard == 1
    listener.close()
    broker.close()


def end_all_sessions(url: str) -> int:
    """End every connection to this database but our own; returns how many."""
    engine = sa.create_engine(url)
    with engine.connect() as conn:
        if engine.dialect.name == "postgresql":
            killed = conn.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).all()
        else:
            killed = conn.exec_driver_sql(
                "SELECT id FROM information_schema.processlist "
                "WHERE db = DATABASE() AND id <> CONNECTION_ID()"
            ).all()
            for (number,) in killed:
                conn.exec_driver_sql(f"KILL {number}")
    engine.dispose()
    return len(killed)


def test_a_wait_ends_with_an_error_when_the_server_goes_away(
    server: PostgresServer | MariadbServer,
) -> None:
    broker = SqlBroker(server.url)
    consumer = broker.consumer(["q"], "c", lease=60.0)
    timer = threading.Timer(0.3, server.stop)
    timer.start()
    with pytest.raises(BrokerUnavailable):
        consumer.receive(1, 20.0)
    timer.join()
    server.start()
    assert survive(lambda: broker.publish([envelope("one")], timeout=4.0)) == [None]
    assert len(survive(lambda: consumer.receive(1, 5.0))) == 1
    consumer.close()
    broker.close()


def survive(call: Callable[[], T]) -> T:
    """Call again while the server is still coming up."""
    until = time.monotonic() + 20
    while True:
        try:
            return call()
        except BrokerUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def test_a_server_that_hangs_is_not_waited_for(server: PostgresServer | MariadbServer) -> None:
    server.freeze()
    started = time.monotonic()
    try:
        with pytest.raises(BrokerUnavailable):
            SqlBroker(server.url).publish([envelope("one")], timeout=1.0)
        assert time.monotonic() - started < 8
    finally:
        server.thaw()


def test_a_statement_that_hangs_is_not_waited_for(url: str) -> None:
    broker = SqlBroker(url, {"socket_timeout": 1.0})
    broker.publish([envelope("one")], timeout=4.0)
    engine = sa.create_engine(url)
    with engine.connect() as conn:
        lock = (
            "LOCK TABLE tq_messages"
            if engine.dialect.name == "postgresql"
            else "LOCK TABLES tq_messages WRITE"
        )
        conn.exec_driver_sql(lock)
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            broker.publish([envelope("two")], timeout=1.0)
        assert time.monotonic() - started < 8
    engine.dispose()
    assert broker.publish([envelope("three")], timeout=4.0) == [None]
    broker.close()


def test_postgres_tells_a_waiting_consumer(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tq_sql.listening.LOOK", 60.0)
    broker = SqlBroker(postgres_url)
    consumer = broker.consumer(["q"], "c", lease=60.0)
    timer = threading.Timer(0.2, lambda: broker.publish([envelope("one")], timeout=4.0))
    timer.start()
    started = time.monotonic()
    assert len(consumer.receive(1, 30.0)) == 1
    assert time.monotonic() - started < 20
    timer.join()
    consumer.close()
    broker.close()


def test_postgres_tells_a_waiting_client(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tq_sql.listening.LOOK", 60.0)
    backend = SqlBackend(postgres_url, serializer=JsonSerializer())
    backend.prepare()
    timer = threading.Timer(0.2, lambda: backend.store([TaskMeta("one", "SUCCESS", 1)]))
    timer.start()
    started = time.monotonic()
    assert set(backend.wait(["one"], 30.0)) == {"one"}
    assert time.monotonic() - started < 20
    timer.join()
    backend.close()


def test_a_user_who_may_not_create_tables_learns_what_to_grant(
    shared_postgres: PostgresServer, postgres_url: str
) -> None:
    engine = sa.create_engine(postgres_url)
    with engine.begin() as conn:
        conn.exec_driver_sql("DROP ROLE IF EXISTS guest")
        conn.exec_driver_sql("CREATE ROLE guest LOGIN")
    engine.dispose()
    url = postgres_url.replace("tq@", "guest:s3cret@")
    with pytest.raises(BrokerError, match="grant SELECT") as caught:
        SqlBroker(url).publish([envelope("one")], timeout=4.0)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(BackendError, match="grant SELECT"):
        SqlBackend(url, serializer=JsonSerializer()).get(["one"])


def test_a_database_that_does_not_exist_is_named_as_the_cause(
    shared_postgres: PostgresServer, shared_mariadb: MariadbServer
) -> None:
    for server in (shared_postgres, shared_mariadb):
        with pytest.raises(BrokerError, match="database does not exist"):
            SqlBroker(server.url_of("nowhere")).publish([envelope("one")], timeout=4.0)


def test_what_a_database_has_by_default_does_not_hinder_names_and_transactions(postgres_url: str) -> None:
    name = sa.engine.make_url(postgres_url).database
    engine = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.exec_driver_sql(f"ALTER DATABASE {name} SET default_transaction_isolation TO serializable")
    engine.dispose()
    broker = SqlBroker(f"{postgres_url}?application_name=shop", {"table_prefix": "Shop_"})
    assert broker.publish([envelope("one")], timeout=30.0) == [None]
    for setting, expected in (("transaction_isolation", "read committed"), ("application_name", "shop")):
        ask = sa.text(f"SHOW {setting}")
        assert broker._database.transact(lambda conn, ask=ask: conn.execute(ask).scalar()) == expected  # type: ignore[misc]
    consumer = broker.consumer(["q"], "c", lease=60.0)
    assert len(consumer.receive(1, 0.0)) == 1
    consumer.close()
    broker.close()


def test_a_message_larger_than_the_server_takes_spoils_only_itself(mariadb_url: str) -> None:
    broker = SqlBroker(mariadb_url)
    answer = broker.publish([envelope("good"), envelope("large", size=40_000_000)], timeout=20.0)
    assert answer[0] is None
    assert answer[1] is not None and "max_allowed_packet" in str(answer[1])
    assert broker.stats("q").ready == 1
    broker.close()


def test_a_look_for_what_is_due_reads_none_of_what_waits(mariadb_url: str) -> None:
    broker = SqlBroker(mariadb_url)
    broker.publish([envelope(str(number)) for number in range(3000)], timeout=60.0)

    def rows_read(conn: sa.Connection) -> int:
        return sum(
            int(count) for _, count in conn.execute(sa.text("SHOW SESSION STATUS LIKE 'Handler_read%'"))
        )

    def look(conn: sa.Connection) -> int:
        first, second = rows_read(conn), rows_read(conn)
        broker._store.leases.overdue(conn)
        return rows_read(conn) - second - (second - first)

    assert broker._database.transact(look) < 100
    broker.close()


def test_the_server_ends_a_transaction_whose_client_is_gone(url: str) -> None:
    gone, other = SqlBroker(url), SqlBroker(url)
    for broker in (gone, other):
        broker.consumer(["q"], f"c{id(broker)}", lease=2.0)
    lock = sa.text("UPDATE tq_consumers SET name = name")
    with gone._database.engine.connect() as silent:
        silent.execute(lock)
        began = time.monotonic()
        while True:
            try:
                other._database.transact(lambda conn: conn.execute(lock))
                break
            except BrokerUnavailable:
                assert time.monotonic() - began < 20
        silent.invalidate()
    assert time.monotonic() - began > 0.5
    gone.close()
    other.close()


@pytest.mark.parametrize("lost", ["before the commit", "at the commit"])
def test_an_answer_that_did_not_come_leaves_a_publish_in_doubt_only_after_the_commit(
    postgres_url: str, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = SqlBroker(postgres_url)
    broker.stats("q")

    def fail(*_: object) -> None:
        raise sa.exc.OperationalError("", {}, Exception("timeout: the server did not answer in time"))

    target = "do_commit" if lost == "at the commit" else "do_begin"
    with monkeypatch.context() as patch:
        patch.setattr(broker._database.engine.dialect, target, fail)
        with pytest.raises(BrokerUnavailable) as caught:
            broker.publish([envelope("one")], timeout=4.0)
    assert caught.value.in_doubt == (lost == "at the commit")
    # The connection that failed is not used again.
    assert broker.publish([envelope("two")], timeout=4.0) == [None]
    broker.close()


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [("postgresql://h/db", "psycopg", "postgresql"), ("mysql://h/db", "pymysql", "mysql")],
)
def test_a_missing_driver_is_said_with_the_line_that_installs_it(
    url: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    broker = SqlBroker(url)
    with pytest.raises(BrokerError, match=rf"pip install 'tq-sql\[{extra}\]'"):
        broker.publish([envelope("one")], timeout=1.0)
