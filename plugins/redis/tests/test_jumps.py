"""The server's clock is put forward: living consumers keep what they hold, and the dead end a lease later."""

from __future__ import annotations

import time

from tq.records import Envelope, Message
from tq.testing.waiting import eventually
from tq_redis import RedisBroker

LEASE = 0.8


def test_after_a_jump_of_the_servers_clock_nobody_is_declared_dead_for_a_lease(redis_url: str) -> None:
    broker = RedisBroker(redis_url)
    broker.publish([Envelope(Message({"id": "one", "task": "t"}, {}, b"[]"), "q")], timeout=30)
    consumer = broker.consumer(["q"], "c", lease=LEASE)
    assert len(consumer.receive(1, 30.0)) == 1
    broker.maintain(["q"])
    time.sleep(1.5 * LEASE)
    # A second ago it was an hour earlier there.
    broker._lives.jumps.tell(time.monotonic(), time.time() - 3600)
    jumped = time.monotonic()
    assert broker.maintain(["q"]) == []
    assert broker.stats("q").in_flight == 1 or time.monotonic() - jumped > LEASE

    def given_back() -> bool:
        broker.maintain(["q"])
        return not broker.stats("q").in_flight

    eventually(given_back, "the dead consumer's message")
    assert time.monotonic() - jumped > LEASE / 2
    broker.close()
