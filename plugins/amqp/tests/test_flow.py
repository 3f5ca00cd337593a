"""What the server sends ahead to who comes back at once, where it goes when nobody comes, and when that ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from plugins.amqp.tests.conftest import Open, send
from tests.processes import eventually
from tq.contracts.broker import Consumer
from tq.records import Action, Delivery, Settlement
from tq.testing.broker_kit import envelope, ids
from tq_amqp import AmqpBroker, flow
from tq_amqp.flow import LEAST, Pace

NAMES = [f"{number:02}" for number in range(64)]


@pytest.fixture
def broker(open_broker: Open, monkeypatch: pytest.MonkeyPatch) -> AmqpBroker:
    """Sixty-four messages are there, and no machine is too slow to be quick."""
    monkeypatch.setattr(flow, "QUICK", 60.0)
    made = open_broker()
    send(made, *(envelope("q", name) for name in NAMES))
    return made


@pytest.fixture
def hurried(broker: AmqpBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Consumer, list[Delivery]]]:
    """A consumer to which messages are sent ahead, and what it was handed out of sixteen."""
    consumer = broker.consumer(["q"], "quick", lease=30.0)
    first = consumer.receive(16, 30.0)
    with monkeypatch.context() as patch:
        patch.setattr(flow, "PAUSE", 30.0)
        taken = list(consumer.turn([Settlement(each) for each in first], 16, 30.0)[1])
    # Half of what it may hold: the rest is on its way.
    assert (ids(first), ids(taken)) == (NAMES[:16], NAMES[16:24])
    yield consumer, taken
    consumer.close()


def test_what_is_sent_ahead_comes_in_order_and_once(
    hurried: tuple[Consumer, list[Delivery]], broker: AmqpBroker
) -> None:
    consumer, taken = hurried
    seen = ids(taken)
    while len(seen) < len(NAMES) - 16:
        taken = list(consumer.turn([Settlement(each) for each in taken], 16, 30.0)[1])
        seen += ids(taken)
    assert seen == NAMES[16:]
    consumer.settle([Settlement(each) for each in taken])
    consumer.close()
    assert broker.stats("q").ready == 0


def test_what_is_sent_ahead_goes_to_others_when_nobody_asks_for_it(
    hurried: tuple[Consumer, list[Delivery]], broker: AmqpBroker
) -> None:
    consumer, taken = hurried
    other = broker.consumer(["q"], "other", lease=30.0)
    found: list[str] = []

    def rest() -> bool:
        got = other.turn((), 64, 0.1)[1]
        found.extend(ids(got))
        other.settle([Settlement(each) for each in got])
        return sorted(ids(taken) + found) == NAMES[16:]

    eventually(rest, "all that the first one does not run")
    other.close()
    assert consumer.settle([Settlement(each) for each in taken]) == [True] * len(taken)


def test_who_gives_back_gives_back_what_was_sent_ahead_too(
    hurried: tuple[Consumer, list[Delivery]], broker: AmqpBroker
) -> None:
    consumer, taken = hurried
    first, *others = [Settlement(each) for each in taken]
    consumer.turn([Settlement(first.delivery, Action.REQUEUE), *others], 0, 0.0)
    again = consumer.receive(1, 30.0)
    assert ids(again) == ids([first.delivery])
    eventually(lambda: broker.stats("q").ready == len(NAMES) - 24, "the rest back in the queue")


@pytest.mark.parametrize(
    ("came", "goes_on"),
    [
        ([LEAST, 100, LEAST], True),
        ([100, LEAST - 1], True),
        ([100, LEAST - 1, 100, 1, 100], True),
        ([100, 0], False),
        ([100, LEAST - 1, 1], False),
        ([LEAST - 1, 0], False),
    ],
)
def test_a_flow_ends_when_nothing_comes_or_little_twice(came: list[int], goes_on: bool) -> None:
    pace = Pace()
    *before, last = came
    assert all(pace.goes_on(there, 128) for there in before)
    assert pace.goes_on(last, 128) == goes_on


def test_half_of_a_small_flow_is_not_little() -> None:
    pace = Pace()
    assert all(pace.goes_on(8, 8) for _ in range(3))


def test_a_pause_of_the_server_does_not_end_a_flow(
    broker: AmqpBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "PAUSE", 0.2)
    monkeypatch.setattr(flow, "DRY", 30.0)
    consumer = broker.consumer(["q"], "quick", lease=30.0)
    taken = list(consumer.receive(32, 30.0))
    seen: list[str] = []
    while len(seen) < len(NAMES) - 32:
        taken = list(consumer.turn([Settlement(each) for each in taken], 32, 30.0)[1])
        seen += ids(taken)
    # Nothing is there now, nor is it when the next ones are asked for.
    later = threading.Timer(1.0, lambda: send(broker, *(envelope("q", f"+{name}") for name in NAMES)))
    later.start()
    got = consumer.turn([Settlement(each) for each in taken], 32, 30.0)[1]
    later.join()
    assert ids(got) == [f"+{name}" for name in NAMES[: len(got)]]
    assert consumer._session.flow == 32  # type: ignore[attr-defined]
    consumer.close()
    assert broker.stats("q").ready == len(NAMES)


def test_other_queues_do_not_wait_for_one_that_has_run_dry(
    broker: AmqpBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "DRY", 600.0)
    send(broker, envelope("r", "last"))
    consumer = broker.consumer(["q", "r"], "quick", lease=30.0)
    taken = list(consumer.receive(32, 30.0))
    seen = ids(taken)
    while "last" not in seen:
        taken = list(consumer.turn([Settlement(each) for each in taken], 32, 30.0)[1])
        seen += ids(taken)
    assert seen == [*NAMES, "last"]
    consumer.close()
