"""What is told of a task whose record changes while it is being sent."""

from __future__ import annotations

from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tq.events.steps import Received, Started, Succeeded, Teller, Way


def fresh() -> Way:
    return Way("1", "shop.charge", "(1,)", "{}", 0, "1", None, None, None, 7, 10.0)


def told(*taken: Any) -> list[Any]:
    return Teller("w@h", 0.0, 99).events(taken, count(100).__next__, 1000.0)


def test_a_whole_way_is_three_events_in_the_order_of_their_clocks() -> None:
    way = fresh()
    way.started, way.ended, way.result = 11.0, 13.5, "'ok'"
    assert told(way) == [
        Received("w@h", 0.0, 99, 7, 1010.0, "1", "shop.charge", "(1,)", "{}", 0, "1"),
        Started("w@h", 0.0, 99, 8, 1011.0, "1"),
        Succeeded("w@h", 0.0, 99, 100, 1013.5, "1", "'ok'", 2.5),
    ]


@given(st.lists(st.sampled_from(["flush", "start", "speak", "end"])))
def test_whenever_it_is_looked_at_each_event_comes_once_and_in_order(steps: list[str]) -> None:
    way = fresh()
    waiting: list[Any] = [way]
    heard: list[Any] = []
    expected: list[Any] = [Received]

    def changed() -> None:
        if way.seen:
            waiting.append(way)

    for step in steps:
        if step == "flush":
            heard += told(*waiting)
            waiting.clear()
        elif step == "start" and not way.started:
            way.started = 11.0
            expected.append(Started)
            changed()
        elif step == "speak" and way.started and not way.ended:
            way.speak()
            waiting.append(b"spoken")
            expected.append(bytes)
        elif step == "end" and way.started and not way.ended:
            way.ended = 12.0
            expected.append(Succeeded)
            changed()
    heard += told(*waiting)
    assert [type(each) for each in heard] == expected
