"""Over a line that delays, round trips are what counts: few of them at the first publish, and none after the deadline."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.faults.proxy import Proxy
from tq.errors import BrokerUnavailable
from tq.records import Envelope, Message, TaskMeta
from tq.wire.json import JsonSerializer
from tq_sql import SqlBackend, SqlBroker
from tq_sql.schedule import SqlScheduleStore

FIRST = 18
"""Round trips in which a first publish fits into its four seconds at 200 ms each."""


@pytest.fixture(params=["postgres", "mariadb"])
def straight(request: pytest.FixtureRequest) -> sa.URL:
    """An empty database, directly."""
    return sa.make_url(str(request.getfixturevalue(f"{request.param}_url")))


@pytest.fixture
def proxy(straight: sa.URL) -> Iterator[Proxy]:
    assert straight.port is not None
    proxy = Proxy(straight.port)
    yield proxy
    proxy.close()


@pytest.fixture
def url(straight: sa.URL, proxy: Proxy) -> str:
    return straight.set(port=proxy.port).render_as_string(hide_password=False)


def envelope(task_id: str) -> Envelope:
    return Envelope(Message({"id": task_id, "task": "t"}, {}, b"[]"), "q")


def test_the_first_publish_on_an_empty_database_takes_few_round_trips(url: str, proxy: Proxy) -> None:
    broker = SqlBroker(url)
    assert broker.publish([envelope("one")], timeout=30) == [None]
    first, proxy.round_trips = proxy.round_trips, 0
    assert first <= FIRST
    assert broker.publish([envelope("two")], timeout=30) == [None]
    # On PostgreSQL one statement stores and rings.
    assert proxy.round_trips <= (1 if url.startswith("postgresql") else 5)
    broker.close()


def test_a_publish_notices_that_the_server_has_hung_up_before_it_sends(url: str, proxy: Proxy) -> None:
    broker = SqlBroker(url)
    assert broker.publish([envelope("one")], timeout=30) == [None]
    proxy.cut()
    proxy.heal()  # which comes after the end of the connections, as the proxy's thread does one thing after the other
    assert broker.publish([envelope("two")], timeout=30) == [None]
    assert broker.stats("q").ready == 2
    broker.close()


def test_a_start_with_tables_in_place_takes_fewer(url: str, proxy: Proxy) -> None:
    SqlBroker(url).publish([envelope("one")], timeout=30)
    proxy.round_trips = 0
    SqlBroker(url).publish([envelope("two")], timeout=30)
    assert proxy.round_trips <= FIRST - 2


def test_the_tables_of_results_and_schedules_take_few_round_trips_too(url: str, proxy: Proxy) -> None:
    backend = SqlBackend(url, serializer=JsonSerializer())
    backend.store([TaskMeta("i", "SUCCESS", 1)])
    assert proxy.round_trips <= FIRST + 4
    proxy.round_trips = 0
    store = SqlScheduleStore(url)
    assert store.read() == []
    assert proxy.round_trips <= FIRST + 6
    backend.close()
    store.close()


def test_the_deadline_of_a_publish_holds_while_it_connects_and_makes_tables(
    url: str, straight: sa.URL, proxy: Proxy
) -> None:
    proxy.latency = 0.3
    broker = SqlBroker(url)
    ended = threading.Event()
    errors: list[BaseException] = []

    def publish() -> None:
        try:
            broker.publish([envelope("late")], timeout=1.0)
        except BrokerUnavailable as exc:
            errors.append(exc)
        finally:
            ended.set()

    threading.Thread(target=publish, daemon=True).start()
    assert ended.wait(60)
    # At 0.6 s each.
    assert proxy.round_trips < FIRST / 2
    assert len(errors) == 1
    assert not errors[0].in_doubt  # type: ignore[attr-defined]
    proxy.latency = 0.0
    assert broker.publish([envelope("later")], timeout=30) == [None]
    assert broker.stats("q").ready == 1
    broker.close()


def test_a_thread_that_connects_holds_up_another_one_for_its_deadline_only(url: str, proxy: Proxy) -> None:
    broker = SqlBroker(url, {"connect_timeout": 60, "socket_timeout": 60})
    proxy.hang()
    first = threading.Thread(target=lambda: broker.publish([envelope("one")], timeout=60), daemon=True)
    first.start()
    with pytest.raises(BrokerUnavailable):
        broker.publish([envelope("two")], timeout=0.2)
    assert first.is_alive()
    proxy.heal()
    first.join(60)
    assert broker.stats("q").ready == 1
    broker.close()
