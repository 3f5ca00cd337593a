import os
import signal
import threading
import time

import pytest

from tq.brokers.memory import MemoryBroker
from tq.contracts import Consumer
from tq.errors import BrokerError, ImproperlyConfigured, PublishError
from tq.records import Envelope, Message, Undecodable


def envelope(task_id: str, **how: object) -> Envelope:
    return Envelope(Message({"id": task_id}, {}, b"[]"), "q", **how)  # type: ignore[arg-type]


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> MemoryBroker:
    MemoryBroker.reset("test")
    return MemoryBroker("memory://test")


def ids(consumer: Consumer, limit: int = 10, wait: float = 0.0) -> list[str]:
    return [d.message.headers["id"] for d in consumer.receive(limit, wait)]  # type: ignore[union-attr]


def test_brokers_of_one_name_share_a_store_and_others_do_not(broker: MemoryBroker) -> None:
    broker.publish([envelope("1")], timeout=1)
    assert MemoryBroker("memory://test").stats("q").ready == 1
    assert MemoryBroker("memory://other").stats("q").ready == 0


def test_reset_forgets_what_a_name_held(broker: MemoryBroker) -> None:
    broker.publish([envelope("1")], timeout=1)
    MemoryBroker.reset("test")
    assert MemoryBroker("memory://test").stats("q").ready == 0


def test_a_name_may_carry_a_query_only_with_options_that_exist(broker: MemoryBroker) -> None:
    with pytest.raises(ImproperlyConfigured, match="speed"):
        MemoryBroker("memory://test?speed=9")


def test_a_consumer_id_cannot_be_used_again(broker: MemoryBroker) -> None:
    broker.consumer(["q"], "c", lease=9).close()
    with pytest.raises(BrokerError, match="used before"):
        broker.consumer(["q"], "c", lease=9)


def test_a_header_without_a_json_form_is_a_publish_error_of_that_item(broker: MemoryBroker) -> None:
    bad = Envelope(Message({"id": object()}, {}, b"[]"), "q")
    first, second = broker.publish([bad, envelope("1")], timeout=1)
    assert isinstance(first, PublishError)
    assert second is None


def test_bytes_that_are_no_message_are_handed_out_as_undecodable(broker: MemoryBroker) -> None:
    broker.put_raw("q", b"\x00")
    (delivery,) = broker.consumer(["q"], "c", lease=9).receive(1, 0)
    assert isinstance(delivery.message, Undecodable)


def test_interrupt_from_a_signal_handler_ends_a_waiting_receive(broker: MemoryBroker) -> None:
    consumer = broker.consumer(["q"], "c", lease=9)
    before = signal.signal(signal.SIGUSR1, lambda *_: consumer.interrupt())
    timer = threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGUSR1])
    try:
        timer.start()
        started = time.monotonic()
        assert ids(consumer, wait=20) == []
        assert time.monotonic() - started < 10
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)


def test_a_waiting_receive_wakes_for_a_delayed_message(broker: MemoryBroker) -> None:
    broker.publish([envelope("late", delay=0.05)], timeout=1)
    assert ids(broker.consumer(["q"], "c", lease=9), wait=20) == ["late"]


def test_waiting_leaves_nothing_behind(broker: MemoryBroker) -> None:
    consumer = broker.consumer(["q"], "c", lease=9)
    for _ in range(3):
        assert ids(consumer, wait=0.001) == []
    assert len(broker._store.waiting) <= 1
