"""Threads of a consumer: none waits for another one for ever, and none dies unseen."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from tests.processes import eventually
from tq.testing.broker_kit import BrokerKit, ids
from tq_sqs.messages import DELAY, number_attribute
from tq_sqs.server import Server


def test_what_is_sent_on_never_waits_for_threads_that_wait_for_it(
    kit: BrokerKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred messages that are not due yet come at once, while the heartbeat keeps twenty others."""
    broker = kit.broker()
    kit.send(broker, "held", *(f"held {n}" for n in range(20)))
    consumer: Any = kit.consumer(broker, "held")
    kit.take(consumer, 20)
    turn = consumer._holding._turn
    queue = broker._queues.ensure("q")  # type: ignore[attr-defined]
    begun, kept, sending = threading.Event(), threading.Event(), threading.Semaphore(0)

    def call(self: Server, doing: str, operation: str, **arguments: Any) -> dict[str, Any]:
        if operation == "receive_message":
            late = {DELAY: number_attribute(3600)} if begun.is_set() else {}
            begun.set()
            one = {"Body": "{}", "MessageAttributes": late, "Attributes": {}}
            return {"Messages": [{**one, "ReceiptHandle": f"{n}"} for n in range(10)]}
        if operation == "send_message_batch":
            sending.release()
            eventually(lambda: turn.locked() or kept.is_set(), "the heartbeat has its turn")
        return {}

    monkeypatch.setattr(Server, "call", call)
    fetch = threading.Thread(target=consumer._fetch, args=(queue, 100, 0), daemon=True)
    consumer._buffers["q"] = consumer._buffers["held"]
    fetch.start()
    for _ in range(8):
        assert sending.acquire(timeout=30)
    for lent in consumer._holding.all():
        lent.until = time.monotonic() + 1

    def keep_all() -> None:
        consumer.keep()
        kept.set()

    keep = threading.Thread(target=keep_all, daemon=True)
    keep.start()
    keep.join(30)
    fetch.join(30)
    stuck = keep.is_alive() or fetch.is_alive()
    # Threads that wait for each other would keep the tests from ending.
    for pool in consumer._server._pools.values() if stuck else ():
        pool.shutdown(wait=False, cancel_futures=True)
    assert not stuck


def test_a_thread_that_asks_for_messages_outlives_every_error(
    kit: BrokerKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example of a program that tells keys, and is not there."""
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")

    def fail(self: Server, doing: str, operation: str, **arguments: Any) -> dict[str, Any]:
        raise FileNotFoundError("no such program")

    monkeypatch.setattr(Server, "call", fail)
    with pytest.raises(FileNotFoundError):
        consumer.receive(1, 30.0)
    monkeypatch.undo()
    kit.send(broker, "q", "one")
    assert ids(kit.take(consumer, 1)) == ["one"]
