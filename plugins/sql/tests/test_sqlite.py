"""SQLite as the embedded default: its folder, its file, its locks and its bell."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sqlite3
import tempfile
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from tq.errors import BackendError, BrokerError, BrokerUnavailable
from tq.records import Action, Envelope, Message, Settlement, TaskMeta
from tq.testing.waiting import eventually
from tq.wire.json import JsonSerializer
from tq_sql import SqlBackend, SqlBroker
from tq_sql.dialects.sqlite import runs

FORK = multiprocessing.get_context("fork")


def envelope(task_id: str, queue: str = "q", size: int = 10) -> Envelope:
    return Envelope(Message({"id": task_id, "task": "t"}, {}, b"x" * size), queue)


@pytest.fixture
def file() -> Iterator[Path]:
    """A short path: a bell's socket has to fit into about 100 bytes, and pytest's own folders are longer."""
    with tempfile.TemporaryDirectory(prefix="tq-") as folder:
        yield Path(folder) / "tq.db"


@pytest.fixture
def broker(file: Path) -> Iterator[SqlBroker]:
    made = SqlBroker(f"sqlite:///{file}")
    yield made
    made.close()


def test_the_default_url_makes_its_folder_and_hides_it_from_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broker = SqlBroker("sqlite:///.tq/tq.db")
    assert not Path(".tq").exists(), "making a broker must not touch the disk"
    assert broker.publish([envelope("one")], timeout=4.0) == [None]
    assert (Path(".tq/tq.db").exists(), Path(".tq/.gitignore").read_text()) == (True, "*\n")
    broker.close()


def test_a_folder_that_was_there_gets_no_gitignore(broker: SqlBroker, file: Path) -> None:
    broker.publish([envelope("one")], timeout=4.0)
    assert not (file.parent / ".gitignore").exists()


def test_a_file_in_a_folder_that_is_not_there_is_an_error_with_the_next_step(tmp_path: Path) -> None:
    broker = SqlBroker(f"sqlite:///{tmp_path}/no/such/folder/tq.db")
    with pytest.raises(BrokerError, match="check that its folder exists"):
        broker.publish([envelope("one")], timeout=1.0)


def test_a_file_that_is_no_database_is_an_error_and_stays_as_it_is(file: Path) -> None:
    file.write_bytes(b"a poem, not a database. " * 100)
    with pytest.raises(BrokerError, match="no SQLite database"):
        SqlBroker(f"sqlite:///{file}").publish([envelope("one")], timeout=1.0)
    with pytest.raises(BackendError, match="no SQLite database"):
        SqlBackend(f"sqlite:///{file}", serializer=JsonSerializer()).get(["one"])
    assert file.read_bytes().startswith(b"a poem")


def test_tables_of_another_version_are_refused_and_kept(broker: SqlBroker, file: Path) -> None:
    broker.publish([envelope("one")], timeout=4.0)
    with sqlite3.connect(file) as conn:
        conn.execute("UPDATE tq_schema SET version = 99")
    with pytest.raises(BrokerError, match="version 99"):
        SqlBroker(f"sqlite:///{file}").stats("q")


def test_without_the_right_to_create_tables_the_error_says_so(file: Path) -> None:
    with pytest.raises(BrokerError, match="create_tables=true"):
        SqlBroker(f"sqlite:///{file}?create_tables=false").stats("q")


def test_two_prefixes_are_two_brokers_in_one_file(file: Path) -> None:
    one, two = (SqlBroker(f"sqlite:///{file}?table_prefix={prefix}") for prefix in ("a_", "b_"))
    one.publish([envelope("one")], timeout=4.0)
    assert (one.stats("q").ready, two.stats("q").ready) == (1, 0)


def test_a_lock_that_others_hold_is_waited_for_no_longer_than_the_timeout(
    broker: SqlBroker, file: Path
) -> None:
    broker.publish([envelope("one")], timeout=4.0)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable, match="lock"):
        broker.publish([envelope("two")], timeout=0.3)
    assert time.monotonic() - started < 3
    other.execute("COMMIT")
    assert broker.publish([envelope("two")], timeout=4.0) == [None]
    assert broker.stats("q").ready == 2


def test_readers_do_not_wait_for_a_writer(broker: SqlBroker, file: Path) -> None:
    broker.publish([envelope("one")], timeout=4.0)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    assert broker.stats("q").ready == 1
    assert list(broker.maintain(["q"])) == []
    assert time.monotonic() - started < 3
    other.execute("ROLLBACK")


def test_the_file_does_not_grow_with_what_has_passed_through(broker: SqlBroker, file: Path) -> None:
    consumer = broker.consumer(["q"], "c", lease=60.0)

    def pass_through(count: int) -> int:
        for start in range(0, count, 500):
            broker.publish([envelope(str(n)) for n in range(start, start + 500)], timeout=4.0)
            batch = [Settlement(delivery) for delivery in consumer.receive(500, 1.0)]
            assert consumer.settle(batch) == [True] * 500
        return sum(f.stat().st_size for f in file.parent.glob("tq.db*") if f.is_file())

    before = pass_through(5_000)
    assert pass_through(10_000) <= before + 100_000
    consumer.close()


def test_a_fetch_is_bounded_in_bytes(broker: SqlBroker) -> None:
    broker.publish([envelope(str(n), size=200_000) for n in range(5)], timeout=4.0)
    consumer = broker.consumer(["q"], "c", lease=60.0)
    assert len(consumer.receive(100, 0.0)) == 1
    assert len(consumer.receive(100, 0.0)) == 1
    consumer.close()


# -- the bell ----------------------------------------------------------------------------------------------


def bells(file: Path) -> list[str]:
    folder = Path(f"{file}-bell")
    return os.listdir(folder) if folder.exists() else []


def waiting(file: Path, call: Callable[[], object]) -> threading.Thread:
    """`call` in a thread, once its bell hangs at the door."""
    thread = threading.Thread(target=call)
    thread.start()
    eventually(lambda: bells(file), "a bell at the door", every=0.001)
    return thread


def test_a_waiting_consumer_is_told_by_a_datagram(
    broker: SqlBroker, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tq_sql.doorbell.LOOK_TOLD", 60.0)  # looking would be too late
    consumer = broker.consumer(["q"], "c", lease=60.0)
    came: list[object] = []
    thread = waiting(file, lambda: came.extend(consumer.receive(1, 20.0)))
    broker.publish([envelope("one")], timeout=4.0)
    thread.join(10)
    assert (len(came), bells(file)) == (1, [])
    consumer.close()


def test_a_waiting_consumer_is_told_of_what_another_gives_back(
    broker: SqlBroker, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tq_sql.doorbell.LOOK_TOLD", 60.0)
    one, two = (broker.consumer(["q"], name, lease=60.0) for name in ("one", "two"))
    broker.publish([envelope("a"), envelope("b")], timeout=4.0)
    a, _ = one.receive(2, 1.0)
    came: list[object] = []
    thread = waiting(file, lambda: came.extend(two.receive(1, 20.0)))
    one.settle([Settlement(a, Action.REQUEUE)])
    thread.join(10)
    assert len(came) == 1
    thread = waiting(file, lambda: came.extend(two.receive(1, 20.0)))
    broker.release("one")
    thread.join(10)
    assert len(came) == 2
    two.close()


def test_a_waiting_client_is_told_of_its_result(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tq_sql.doorbell.LOOK_TOLD", 60.0)
    backend = SqlBackend(f"sqlite:///{file}", serializer=JsonSerializer())
    found: dict[str, object] = {}
    thread = waiting(file, lambda: found.update(backend.wait(["one"], 20.0)))
    backend.store([TaskMeta("one", "SUCCESS", 1)])
    thread.join(10)
    assert set(found) == {"one"}
    backend.close()


def test_whoever_was_not_told_looks(broker: SqlBroker, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tq_sql.doorbell._LONGEST", 0)  # as with a path too long for a socket
    consumer = broker.consumer(["q"], "c", lease=60.0)
    timer = threading.Timer(0.05, lambda: broker.publish([envelope("one")], timeout=4.0))
    timer.start()
    assert len(consumer.receive(1, 10.0)) == 1
    assert bells(file) == []
    timer.join()
    consumer.close()


def test_the_bell_of_a_killed_process_is_taken_down(broker: SqlBroker, file: Path) -> None:
    folder = Path(f"{file}-bell")
    folder.mkdir()
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dead.bind(str(folder / f"{zlib.crc32(b'tq_m'):08x}-0"))
    dead.close()
    broker.publish([envelope("one")], timeout=4.0)
    assert bells(file) == []


# -- several processes -------------------------------------------------------------------------------------


def in_children(count: int, work: Callable[[int], None]) -> None:
    """Run `work` in that many children at once; all must end well."""
    start = FORK.Barrier(count)

    def body(number: int) -> None:
        try:
            start.wait(20)
            work(number)
            os._exit(0)
        finally:
            # Never back into the runner's code; what was raised is on stderr.
            traceback.print_exc()
            os._exit(1)

    children = [FORK.Process(target=body, args=(number,)) for number in range(count)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * count


def test_four_processes_may_create_the_tables_at_once(tmp_path: Path) -> None:
    for attempt in range(5):
        url = f"sqlite:///{tmp_path}/new{attempt}/tq.db"

        def first_use(number: int, url: str = url) -> None:
            SqlBackend(url, serializer=JsonSerializer()).store([TaskMeta(f"r{number}", "SUCCESS", number)])
            assert SqlBroker(url).publish([envelope(str(number))], timeout=20.0) == [None]

        in_children(4, first_use)
        assert SqlBroker(url).stats("q").ready == 4


def test_a_fork_in_the_middle_of_traffic_harms_neither_side(broker: SqlBroker, file: Path) -> None:
    stop = threading.Event()
    sent = 0

    def traffic() -> None:
        nonlocal sent
        while not stop.is_set():
            broker.publish([envelope(f"parent-{sent}")], timeout=10.0)
            sent += 1

    thread = threading.Thread(target=traffic)
    thread.start()

    def child(number: int) -> None:
        broker.after_fork()
        for n in range(20):
            broker.publish([envelope(f"child-{number}-{n}")], timeout=10.0)
        broker.close()

    for _ in range(3):
        in_children(2, child)
    stop.set()
    thread.join(20)
    assert broker.stats("q").ready == sent + 120
    with sqlite3.connect(file) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_child_that_forgot_after_fork_does_not_use_the_parents_connection(
    broker: SqlBroker,
) -> None:
    broker.publish([envelope("parent")], timeout=4.0)

    def child(number: int) -> None:
        before = list(broker._database._inherited)
        broker.publish([envelope(f"child-{number}")], timeout=10.0)
        assert len(broker._database._inherited) > len(before)

    in_children(2, child)
    assert broker.stats("q").ready == 3


# -- a lost answer -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("idle", [False, True])
def test_what_was_lent_in_a_transaction_whose_end_was_not_seen_comes_with_the_next_turn(
    broker: SqlBroker, monkeypatch: pytest.MonkeyPatch, idle: bool
) -> None:
    broker.publish([envelope("known")], timeout=4.0)
    consumer = broker.consumer(["q"], "c", lease=60.0)
    (known,) = consumer.receive(10, 1.0)
    if idle:
        assert list(consumer.receive(10, 0.01)) == []
    broker.publish([envelope("one"), envelope("two")], timeout=4.0)
    session = consumer._session
    transact = session.transact

    def commit_and_break(work: Callable[[Connection], object], **more: bool) -> object:
        transact(work, **more)
        raise BrokerUnavailable("the line broke after the commit")

    monkeypatch.setattr(session, "transact", commit_and_break)
    with pytest.raises(BrokerUnavailable):
        consumer.receive(10, 0.0)
    monkeypatch.setattr(session, "transact", transact)
    settled, found = consumer.turn([Settlement(known)], 10, 1.0)
    assert list(settled) == [True]
    assert [delivery.attempt for delivery in found] == [1, 1]
    assert consumer.settle([Settlement(delivery) for delivery in found]) == [True, True]
    assert broker.stats("q").in_flight == 0
    consumer.close()


@given(st.sets(st.integers(1, 30)))
def test_runs_of_ids_hold_these_ids_and_no_others_and_are_as_few_as_can_be(ids: set[int]) -> None:
    found = runs(ids)
    assert [each for first, last in found for each in range(first, last + 1)] == sorted(ids)
    assert len(found) == len([each for each in ids if each - 1 not in ids])
