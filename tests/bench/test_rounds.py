"""How many rounds there are, and who takes part in each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.pace import Pace, clock
from bench.peer import Installed, PeerFailed, Setting, Variant
from bench.rounds import Found, Rounds
from bench.rows import MEASUREMENTS, Measurement


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("bench.pace.time.monotonic", lambda: self.now)


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "on_other.py"
    file.write_text("main(send=send)")
    return file


@pytest.fixture
def peers(program: Path) -> list[Installed]:
    def installed(peer: str, name: str) -> Installed:
        return Installed(Variant(peer, name, program, (), ("sqlite",), (), peer == "tq"), "python", "")

    return [installed("tq", "default"), installed("other", "quick"), installed("other", "lame")]


RATES = {"tq default": 100.0, "other quick": 10.0, "other lame": 5.0}


def measurement(hands: Clock, *, failing: str = "") -> Measurement:
    def run(peer: Installed, setting: Setting, count: int) -> tuple[float, float]:
        hands.now += 10
        if peer.name == failing:
            raise PeerFailed("it broke")
        return RATES[peer.name], 1000 * RATES[peer.name]

    return replace(MEASUREMENTS[0], store="sqlite", run=run)


@pytest.fixture
def pace(hands: Clock, tmp_path: Path) -> Iterator[Pace]:
    yield Pace(tmp_path / "seconds.json", None)


def test_each_round_is_handed_over_when_it_is_done(hands: Clock, peers: list[Installed], pace: Pace) -> None:
    seen: list[int] = []
    rounds = Rounds([measurement(hands)], peers, pace, lambda found: seen.append(found.rounds))
    rounds.run(3, 1)
    assert seen == [1, 2, 3]
    assert rounds.found.figures["drain"]["tq default"] == [100, 100, 100]
    assert rounds.found.figures["bulk"]["tq default"] == [100_000] * 3


def test_a_setting_that_lags_behind_another_of_its_peer_is_left_out_after_two_rounds(
    hands: Clock, peers: list[Installed], pace: Pace
) -> None:
    rounds = Rounds([measurement(hands)], peers, pace, lambda found: None)
    rounds.run(4, 1)
    assert {name: len(values) for name, values in rounds.found.figures["drain"].items()} == {
        "tq default": 4,
        "other quick": 4,
        "other lame": 2,
    }


def test_no_round_begins_that_would_end_after_the_budget_unless_it_is_among_the_least(
    hands: Clock, peers: list[Installed], tmp_path: Path
) -> None:
    for budget, least, expected in ((65.0, 1, 2), (65.0, 3, 3), (1.0, 1, 1)):
        pace = Pace(tmp_path / "other.json", budget)
        rounds = Rounds([measurement(hands)], peers, pace, lambda found: None)
        rounds.run(5, least)
        assert rounds.found.rounds == expected


def test_a_peer_that_fails_twice_is_noted_and_not_asked_again(
    hands: Clock, peers: list[Installed], pace: Pace
) -> None:
    rounds = Rounds([measurement(hands, failing="other quick")], peers, pace, lambda found: None)
    rounds.run(3, 1)
    assert rounds.found.notes == ["drain: other quick failed: it broke"] * 2
    assert "other quick" not in rounds.found.figures["drain"]


def test_a_measurement_that_needs_few_rounds_gets_no_more(
    hands: Clock, peers: list[Installed], pace: Pace
) -> None:
    seldom = replace(measurement(hands), rounds=1)
    rounds = Rounds([seldom], peers, pace, lambda found: None)
    rounds.run(3, 1)
    assert (rounds.found.rounds, len(rounds.found.figures["drain"]["tq default"])) == (1, 1)


def test_the_time_of_a_step_is_known_in_the_next_run(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "seconds.json"
    pace = Pace(file, None)
    pace.took("drain tq", 12.0)
    pace.save()
    assert Pace(file, None).expected(["drain tq", "drain tq"]) == 24
    assert Pace(file, None).fits(["drain tq"])


def test_minutes_are_written_with_two_digits_for_the_seconds() -> None:
    assert [clock(5), clock(65.9), clock(3600)] == ["0:05", "1:05", "60:00"]


@pytest.mark.parametrize(
    ("own", "gone"),
    [([6.0], False), ([4.0], True), ([6.0, 6.0], True), ([9.0, 9.0], False), ([], False)],
)
def test_one_round_is_enough_to_lag_far_behind_and_two_to_lag(own: list[float], gone: bool) -> None:
    found = Found(figures={"drain": {"other quick": [10, 10], "other lame": own}})
    variant = Variant("other", "lame", Path(), (), (), ())
    step = (replace(MEASUREMENTS[0], rows=("drain",)), Installed(variant, "", ""))
    assert found.lags(step) is gone
