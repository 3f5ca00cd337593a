"""What becomes of events between the code that sends them and the broker."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.errors import BrokerUnavailable, DecodeError
from tq.events import Clock, Dispatcher
from tq.events.event import MOST, MULTI, encoded, events_of, message_of, messages, written
from tq.records import Message
from tq.testing.waiting import eventually

LIMIT = 30.0


class Exchange:
    """What was published; `away` makes it refuse."""

    def __init__(self) -> None:
        self.away = False
        self.taken: list[tuple[str, Message]] = []

    def publish(self, batch: Sequence[tuple[str, Message]]) -> None:
        if self.away:
            raise BrokerUnavailable("gone")
        self.taken.extend(batch)

    def events(self) -> list[dict[str, Any]]:
        return [event for _, message in self.taken for event in events_of(message)]


def until(condition: Callable[[], object]) -> None:
    eventually(condition, "it")


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
def make(exchange: Exchange) -> Iterator[Callable[..., Dispatcher]]:
    made: list[Dispatcher] = []

    def dispatcher(**options: Any) -> Dispatcher:
        made.append(Dispatcher(exchange.publish, hostname="w@h", clock=Clock(), **options))
        return made[-1]

    yield dispatcher
    for each in made:
        each.close()


def test_an_event_comes_by_itself_with_the_fields_of_the_protocol(
    make: Callable[..., Dispatcher], exchange: Exchange
) -> None:
    make().send("task-started", uuid="1")
    until(lambda: exchange.taken)
    [event] = exchange.events()
    assert event["type"] == "task-started"
    assert event["uuid"] == "1"
    assert event.keys() == {"type", "uuid", "hostname", "utcoffset", "pid", "clock", "timestamp"}
    assert exchange.taken[0][1].headers == {"hostname": "w@h"}


def test_task_events_travel_together_and_others_alone(
    make: Callable[..., Dispatcher], exchange: Exchange
) -> None:
    dispatcher = make(every=60)
    for number in range(3):
        dispatcher.send("task-started", uuid=str(number))
    dispatcher.send("worker-heartbeat", freq=2)
    dispatcher.close()
    assert sorted(key for key, _ in exchange.taken) == [MULTI, "worker.heartbeat"]
    assert [event.get("uuid") for event in exchange.events() if "uuid" in event] == ["0", "1", "2"]


def test_clocks_grow_from_event_to_event(make: Callable[..., Dispatcher], exchange: Exchange) -> None:
    dispatcher = make()
    for _ in range(10):
        dispatcher.send("task-started", uuid="1")
    dispatcher.close()
    clocks = [event["clock"] for event in exchange.events()]
    assert clocks == sorted(set(clocks))


def test_the_oldest_are_dropped_and_counted_where_the_broker_stays_away(
    make: Callable[..., Dispatcher], exchange: Exchange
) -> None:
    exchange.away = True
    dispatcher = make(most=10)
    for number in range(25):
        dispatcher.send("task-started", uuid=str(number))
    dispatcher.flush()
    for number in range(25, 30):
        dispatcher.send("task-started", uuid=str(number))
    exchange.away = False
    dispatcher.close()
    numbers = [int(event["uuid"]) for event in exchange.events()]
    assert numbers == list(range(20, 30))
    assert dispatcher.dropped == 20


def test_events_that_waited_for_the_broker_come_when_it_is_back(
    make: Callable[..., Dispatcher], exchange: Exchange
) -> None:
    exchange.away = True
    dispatcher = make()
    dispatcher.send("task-started", uuid="1")
    assert dispatcher.flush() is False
    exchange.away = False
    until(lambda: exchange.taken)
    assert dispatcher.dropped == 0


def test_sending_from_many_threads_loses_nothing(make: Callable[..., Dispatcher], exchange: Exchange) -> None:
    dispatcher = make()

    def send() -> None:
        for _ in range(500):
            dispatcher.send("task-started", uuid=threading.current_thread().name)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    dispatcher.close()
    assert len(exchange.events()) == 2000
    assert dispatcher.dropped == 0


def test_a_field_without_a_form_spoils_nobody(make: Callable[..., Dispatcher], exchange: Exchange) -> None:
    dispatcher = make(every=60)
    endless: list[Any] = []
    endless.append(endless)
    dispatcher.send("task-started", uuid="1")
    dispatcher.send("task-progress", uuid="2", data=endless)
    dispatcher.send("task-progress", uuid="3", data=object())
    dispatcher.send("task-received", uuid="4", args="\ud800")
    dispatcher.close()
    assert [event["uuid"] for event in exchange.events()] == ["1", "3", "4"]
    assert dispatcher.dropped == 1


def test_a_message_holds_a_bounded_number_of_events() -> None:
    sent = messages([written({"type": "task-started", "uuid": str(n)}) for n in range(MOST + 1)], "w@h")
    assert [len(events_of(message)) for _, message in sent] == [MOST, 1]


def test_what_is_no_event_is_left_out_when_reading() -> None:
    body = b'[{"type": "task-started"}, 1, null, {"type": 3}, "x", {}]'
    assert events_of(Message({}, {}, body)) == [{"type": "task-started"}]
    with pytest.raises(DecodeError):
        events_of(Message({}, {}, b"\x80", content_type="application/x-python-serialize"))
    with pytest.raises(DecodeError):
        events_of(Message({}, {}, b"{"))


@given(st.dictionaries(st.text(), st.one_of(st.none(), st.integers(), st.text(), st.lists(st.text()))))
def test_what_is_written_can_be_read(fields: dict[str, Any]) -> None:
    event = {**fields, "type": "task-custom"}
    assert events_of(message_of(encoded(event), "w@h")) == [event]


def test_a_clock_goes_beyond_what_it_hears_and_ignores_nonsense() -> None:
    clock = Clock()
    assert clock.forward() == 1
    assert clock.adjust(10) == 11
    assert clock.adjust(3) == 12
    for nonsense in (None, "9", 2**63, -1, True, 1.5):
        clock.adjust(nonsense)
    assert clock.value == 18


def test_forked_processes_count_together() -> None:
    clock = Clock()
    clock.forward()
    clock.share()
    child = os.fork()
    if child == 0:
        for _ in range(10):
            clock.forward()
        os._exit(0)
    os.waitpid(child, 0)
    assert clock.forward() == 12
