"""The handshake between a thread that runs a body and the watchdog that may raise in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

import tq.pools.thread_seat as module
from tests.pools.workshop import until
from tq.errors import SoftTimeLimitExceeded
from tq.pools.thread_seat import ThreadSeat


class NoWatch:
    """Nobody looks; the test visits by itself."""

    def expect(self, deadline: float) -> None:
        return


class SlowVisit(ThreadSeat):
    """A seat whose visitor falls asleep between looking at the deadline and raising."""

    def due(self) -> float:
        due = super().due()
        time.sleep(0.02)
        return due


@pytest.fixture
def raised(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Writes down what would have been raised and withdrawn."""
    calls: list[str] = []
    monkeypatch.setattr(module, "_set_exception", lambda thread, exc: calls.append("raised"))
    monkeypatch.setattr(module, "_withdraw", lambda thread: calls.append("withdrawn"))
    yield calls


def test_a_body_over_its_limit_is_visited_once(raised: list[str]) -> None:
    seat = ThreadSeat(NoWatch())
    seat.begin(1, 0.0, 10.0, 0.0)
    seat.visit(9.9)
    assert raised == []
    assert seat.due() == 10.0
    seat.visit(10.0)
    seat.visit(11.0)
    assert raised == ["raised"]
    assert seat.due() == 0.0


def test_what_was_raised_and_not_delivered_is_withdrawn_at_the_end(raised: list[str]) -> None:
    seat = ThreadSeat(NoWatch())
    seat.begin(1, 0.0, 10.0, 0.0)
    seat.visit(10.0)
    seat.end()
    assert raised == ["raised", "withdrawn"]
    seat.visit(11.0)
    assert raised == ["raised", "withdrawn"], "nothing runs any more"


def test_the_next_body_has_a_limit_of_its_own(raised: list[str]) -> None:
    seat = ThreadSeat(NoWatch())
    seat.begin(1, 0.0, 10.0, 0.0)
    seat.visit(10.0)
    seat.end()
    seat.begin(2, 10.0, 0.0, 0.0)
    seat.visit(99.0)
    seat.end()
    seat.begin(3, 10.0, 20.0, 0.0)
    seat.visit(20.0)
    assert raised == ["raised", "withdrawn", "raised"]


def test_the_end_of_a_body_waits_for_a_visit_under_way() -> None:
    """The visitor has seen that the time is over, and raises when the body has already returned."""
    seat = SlowVisit(NoWatch())
    inside: list[bool] = []
    after: list[bool] = []
    bodies = threading.Event()

    def run() -> None:
        try:
            try:
                try:
                    seat.begin(1, 0.0, 0.001, 0.0)
                    until(lambda: seat._visited)
                finally:
                    seat.end()
            except SoftTimeLimitExceeded:
                seat.end()
                inside.append(True)
            for _ in range(100):
                time.sleep(0.0005)
        except SoftTimeLimitExceeded:
            after.append(True)
        bodies.set()

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: seat.receipt == 1)
    seat.visit(1.0)
    thread.join()
    assert bodies.is_set()
    assert (inside, after) == ([True], [])
    assert seat.finished == 1


def test_nothing_is_left_to_come_after_a_withdrawal() -> None:
    for _ in range(200):
        module._withdraw(threading.get_ident())
    for _ in range(100):
        time.sleep(0)
