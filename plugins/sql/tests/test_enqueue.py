"""Tasks that are sent in the caller's own transaction: they commit, roll back and die with it."""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from tq import TQ, chord
from tq.errors import ImproperlyConfigured
from tq_sql import enqueue_with, upgrade
from tq_sql.enqueue import _place

DATABASES = ["sqlite", "postgres", "mariadb"]


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shop.db"
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def app(url: str) -> Iterator[TQ]:
    with make_app(url) as app:
        app.broker.stats("celery")  # makes the tables
        yield app


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    """The engine of the program itself, with a table of its own."""
    engine = sa.create_engine(url)
    with engine.begin() as conn:
        conn.exec_driver_sql("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    yield engine
    engine.dispose()


def make_app(url: str, backend: str | None = None) -> TQ:
    app = TQ("shop", broker=url, backend=backend, set_as_current=False)
    app.task(name="ship")(ship)
    return app


def ship(order: int) -> None:
    """Nobody runs it here."""


def order(session: Session | sa.Connection, number: int) -> None:
    session.execute(sa.text("INSERT INTO orders (id) VALUES (:id)"), {"id": number})


def orders(engine: sa.Engine) -> int:
    with engine.connect() as conn:
        return int(conn.exec_driver_sql("SELECT count(*) FROM orders").scalar_one())


def ready(app: TQ) -> int:
    """How many tasks a worker would find."""
    return app.broker.stats("celery").ready


def test_a_task_comes_with_the_commit_and_not_before(app: TQ, engine: sa.Engine) -> None:
    with Session(engine) as session:
        order(session, 1)
        with enqueue_with(session):
            app.send_task("ship", (1,))
            app.send_task("ship", (2,), countdown=3600)
        assert ready(app) == 0
        session.commit()
    found = app.broker.stats("celery")
    assert (found.ready, found.delayed, orders(engine)) == (1, 1, 1)
    (delivery,) = app.broker.consumer(["celery"], "c", lease=60).receive(5, 5.0)
    assert delivery.message.headers["task"] == "ship"  # type: ignore[union-attr]


def test_a_rollback_takes_the_task_back(app: TQ, engine: sa.Engine) -> None:
    with Session(engine) as session:
        order(session, 1)
        with enqueue_with(session):
            app.send_task("ship", (1,), task_id="mine", unique=True)
            app.send_task("ship", (1,), unique_for=3600)
        session.rollback()
    assert (ready(app), orders(engine)) == (0, 0)
    # Nor is anything remembered of it.
    app.send_task("ship", (1,), task_id="mine", unique=True)
    app.send_task("ship", (1,), unique_for=3600)
    assert ready(app) == 2


def test_an_exception_takes_it_back_too_and_ends_the_block(app: TQ, engine: sa.Engine) -> None:
    with pytest.raises(ZeroDivisionError), engine.begin() as conn, enqueue_with(conn):
        app.send_task("ship", (1,))
        raise ZeroDivisionError
    app.send_task("ship", (2,))
    assert ready(app) == 1


def test_connections_and_scoped_sessions_do_as_well(app: TQ, engine: sa.Engine) -> None:
    with engine.begin() as conn, enqueue_with(conn):
        app.send_task("ship", (1,))
    session = scoped_session(sessionmaker(engine))
    with enqueue_with(session):
        app.send_task("ship", (2,))
    session.commit()
    session.remove()
    assert ready(app) == 2


def test_unique_tasks_and_locks_hold_inside(app: TQ, engine: sa.Engine) -> None:
    with Session(engine) as session, session.begin(), enqueue_with(session):
        first = app.send_task("ship", (1,), unique_for=3600)
        assert app.send_task("ship", (1,), unique_for=3600).id == first.id
        for _ in range(2):
            app.send_task("ship", (1,), task_id="mine", unique=True)
    assert ready(app) == 2
    assert app.send_task("ship", (1,), unique_for=3600).id == first.id


def test_a_lock_that_another_took_since_the_transaction_began_is_seen(mariadb_url: str) -> None:
    engine = sa.create_engine(mariadb_url, isolation_level="REPEATABLE READ")
    with make_app(mariadb_url) as app, Session(engine) as session:
        ready(app)  # makes the tables
        assert session.scalar(sa.text("SELECT count(*) FROM tq_locks")) == 0
        first = app.send_task("ship", (1,), unique_for=3600)
        with enqueue_with(session):
            assert app.send_task("ship", (1,), unique_for=3600).id == first.id
        session.commit()
        assert ready(app) == 1
    engine.dispose()


def send_and_die(url: str, when: str) -> None:
    """In a child: die in the middle of the transaction, or after it."""
    try:
        app, engine = make_app(url), sa.create_engine(url)
        session = Session(engine)
        order(session, 1)
        with enqueue_with(session):
            app.send_task("ship", (1,))
        if when == "after":
            session.commit()
        os._exit(0)
    finally:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_before_the_commit_takes_it_back_and_one_after_it_does_not(
    app: TQ, engine: sa.Engine, url: str, when: str
) -> None:
    child = multiprocessing.get_context("spawn").Process(target=send_and_die, args=(url, when))
    child.start()
    child.join(120)
    assert child.exitcode == 0
    expected = int(when == "after")
    assert (ready(app), orders(engine)) == (expected, expected)


def test_a_waiting_worker_hears_of_the_commit(app: TQ, engine: sa.Engine) -> None:
    consumer = app.broker.consumer(["celery"], "c", lease=60)
    assert not consumer.receive(1, 0.0)
    with Session(engine) as session, session.begin(), enqueue_with(session):
        app.send_task("ship", (1,))
    assert len(consumer.receive(1, 30.0)) == 1
    consumer.close()


def test_a_chord_is_sent_while_the_own_transaction_holds_the_lock_of_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    upgrade(url)
    engine = sa.create_engine(url)
    with engine.begin() as conn:
        conn.exec_driver_sql("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    with make_app(url, f"db+{url}?socket_timeout=1") as app:
        each = app.signature("ship", args=(1,))
        for commits in (False, True):
            with Session(engine) as session:
                order(session, 1)
                with enqueue_with(session):
                    chord([each, each], app.signature("ship")).apply_async()
                session.commit() if commits else session.rollback()
            assert ready(app) == 2 * commits
    with engine.connect() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM tq_groups").scalar_one() == 1
    engine.dispose()
    assert not caplog.records


def test_two_servers_on_one_machine_are_two_places() -> None:
    one, two, three = (
        sa.engine.make_url(f"postgresql://{where}")
        for where in ("/shop?host=h&port=1", "h:2/shop", "h:1/shop")
    )
    assert _place(one) == _place(three) != _place(two)


def test_another_broker_is_refused_and_nothing_is_sent(engine: sa.Engine, tmp_path: Path) -> None:
    for url in ("memory://enqueue", f"sqlite:///{tmp_path}/another.db"):
        with make_app(url) as other, engine.begin() as conn, enqueue_with(conn):
            with pytest.raises(ImproperlyConfigured, match="could not be rolled back"):
                other.send_task("ship", (1,))
            assert ready(other) == 0


def test_what_is_no_transaction_is_refused(engine: sa.Engine) -> None:
    for wrong in (engine, None, "session"):
        with pytest.raises(ImproperlyConfigured, match="enqueue_with takes"), enqueue_with(wrong):  # type: ignore[arg-type]
            pytest.fail("it was let in")


def test_an_async_session_is_told_the_way() -> None:
    from sqlalchemy.ext.asyncio import AsyncSession

    with pytest.raises(ImproperlyConfigured, match="run_sync"), enqueue_with(AsyncSession()):  # type: ignore[arg-type]
        pytest.fail("it was let in")
