"""Looking again and again."""

from __future__ import annotations

import time

import pytest

from tq.contracts.polling import looks


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.pauses: list[float] = []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def test_without_time_there_is_one_look_and_no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    assert len(list(looks(0.0, 0.1, 1.0))) == 1
    assert clock.pauses == []


def test_pauses_grow_to_the_longest_and_the_last_look_comes_when_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    seen = [clock.now for _ in looks(10.0, 1.0, 2.0)]
    assert clock.pauses == [1.0, 1.5, 2.0, 2.0, 2.0, 1.5]
    assert seen[0] == 100.0
    assert seen[-1] == 110.0


def test_who_has_seen_enough_leaves_without_a_further_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    for number, _ in enumerate(looks(10.0, 1.0, 2.0)):
        if number == 1:
            break
    assert clock.pauses == [1.0]
