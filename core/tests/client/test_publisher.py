"""The publisher: its deadline, its retries, and who is told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from tq.brokers.memory import MemoryBroker
from tq.client.publisher import Publisher
from tq.errors import BrokerUnavailable, PublishError
from tq.records import Envelope, Message


class Flaky(MemoryBroker):
    """Cannot be reached for the first `failures` calls, and refuses the queue "full"."""

    failures = 0
    calls = 0

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        self.calls += 1
        if self.calls <= self.failures:
            raise BrokerUnavailable("gone")
        return [PublishError("full") if envelope.queue == "full" else None for envelope in batch]


def flaky(failures: int = 0) -> Flaky:
    broker = Flaky("memory://publisher")
    broker.failures = failures
    return broker


def envelope(queue: str = "q") -> Envelope:
    return Envelope(Message({"id": queue}, {}, b""), queue)


def test_it_tries_again_as_the_policy_says() -> None:
    broker = flaky(failures=2)
    Publisher(broker, timeout=4).publish([envelope()], policy={"max_retries": 2, "interval_step": 0.001})
    assert broker.calls == 3


@pytest.mark.parametrize(("retry", "policy", "calls"), [(False, None, 1), (True, {"max_retries": 1}, 2)])
def test_it_gives_up_as_the_policy_says(retry: bool, policy: dict[str, Any] | None, calls: int) -> None:
    broker = flaky(failures=100)
    with pytest.raises(BrokerUnavailable):
        Publisher(broker, timeout=4).publish([envelope()], retry=retry, policy=policy)
    assert broker.calls == calls


def test_it_never_sleeps_past_its_deadline() -> None:
    broker = flaky(failures=10**6)
    began = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        Publisher(broker, timeout=0.1).publish(
            [envelope()], policy={"max_retries": None, "interval_start": 60}
        )
    assert broker.calls == 1
    assert time.monotonic() - began < 30


def test_accepted_messages_are_told_even_where_a_neighbour_failed() -> None:
    told: list[str] = []

    def published(envelope: Envelope) -> None:
        told.append(envelope.queue)

    with pytest.raises(PublishError, match="full"):
        Publisher(flaky(), timeout=1, published=published).publish(
            [envelope("a"), envelope("full"), envelope("b")]
        )
    assert told == ["a", "b"]


def test_observers_hear_of_each_message_once_however_often_it_is_tried() -> None:
    told: list[str] = []
    publisher = Publisher(
        flaky(failures=2),
        timeout=1,
        publishing=lambda envelope, follows: told.append(f"before {follows}"),
        published=lambda envelope: told.append("after"),
        failed=lambda envelope, exception: told.append("failed"),
    )
    publisher.publish([envelope(), envelope()], policy={"interval_step": 0.001})
    assert told == ["before ()", "before ()", "after", "after"]


def test_observers_hear_of_messages_that_are_given_up() -> None:
    told: list[tuple[str, str]] = []

    def failed(envelope: Envelope, exception: BaseException) -> None:
        told.append((envelope.queue, type(exception).__name__))

    with pytest.raises(PublishError):
        Publisher(flaky(), timeout=1, failed=failed).publish([envelope("a"), envelope("full")])
    with pytest.raises(BrokerUnavailable):
        Publisher(flaky(failures=9), timeout=1, failed=failed).publish([envelope("b")], retry=False)
    assert told == [("full", "PublishError"), ("b", "BrokerUnavailable")]


@pytest.mark.parametrize(("unique", "calls"), [(False, 1), (True, 2)])
def test_what_may_have_been_accepted_is_sent_again_only_where_that_does_no_harm(
    unique: bool, calls: int
) -> None:
    class InDoubt(Flaky):
        def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
            try:
                return super().publish(batch, timeout=timeout)
            except BrokerUnavailable as exc:
                exc.in_doubt = True
                raise

    broker = InDoubt("memory://in-doubt")
    broker.failures = 1
    batch = [Envelope(Message({"id": "x"}, {}, b""), "q", unique=unique)]
    if unique:
        Publisher(broker, timeout=4).publish(batch)
    else:
        with pytest.raises(BrokerUnavailable):
            Publisher(broker, timeout=4).publish(batch)
    assert broker.calls == calls
